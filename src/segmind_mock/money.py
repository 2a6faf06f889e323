"""Money: credits are reserved when a call is accepted, then charged or released. Amounts are in US dollars."""

from __future__ import annotations

import bisect

from segmind_mock.records import Account, Job, Transaction

UNPAID = "the account was opened again with too few credits for this job"


def can_pay(account: Account, price: float) -> bool:
    # Amounts are multiples of a millionth; the rounding error of a difference is less than half of one.
    return account.has_balance and account.credits - account.reserved > price - 5e-7


def charge(account: Account, price: float) -> None:
    account.credits = rounded(account.credits - price)


def reserve(account: Account, request_id: str, price: float, until: float) -> None:
    account.reserved = rounded(account.reserved + price)
    bisect.insort(account.pending, [until, request_id, price])


def release(account: Account, request_id: str) -> None:
    """Ends a reservation, if there is one."""
    for reservation in account.pending:
        if reservation[1] == request_id:
            account.pending.remove(reservation)
            account.reserved = rounded(account.reserved - reservation[2])
            return


def settle(tx: Transaction, account: Account, now: float) -> None:
    """Ends the reservations that are due and charges the completed jobs, in the order of completion."""
    settled = False
    while account.pending and account.pending[0][0] <= now:
        settled = True
        _, request_id, price = account.pending.pop(0)
        account.reserved = rounded(account.reserved - price)
        job = tx.get(Job, request_id)
        # There is none for a v1 call: it is late, or its process has died.
        if job is not None:
            if job.ended_at > now:
                # Its retention is over, and it was not polled until its end.
                job.error, job.ended_at = "expired", now
            settle_job(account, job)
            tx.put(request_id, job)
    if settled:
        tx.put(account.key, account)


def settle_job(account: Account, job: Job) -> None:
    """Charges an ended job, unless it failed."""
    if job.error is None and account.credits < job.price:
        job.error = UNPAID
    if job.error is None:
        charge(account, job.price)
        job.remaining_credits = account.credits


def end(tx: Transaction, account: Account, job: Job, now: float) -> None:
    """Ends an unfinished job now, and settles it. The account is settled, so that what completed earlier is charged."""
    job.started_at = min(job.started_at, now)
    job.ended_at = now
    job.polls_left = 0
    release(account, job.request_id)
    settle_job(account, job)
    tx.put(job.request_id, job)
    tx.put(account.key, account)


def rounded(amount: float) -> float:
    """Rounds to a millionth, so that sums of prices stay exact."""
    return round(amount, 6)
