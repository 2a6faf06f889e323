"""One double: its clock, its accounts, what it saw, and what is to go wrong."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, cast

from segmind_mock.access import AdminAccess
from segmind_mock.app import MockApp
from segmind_mock.clock import Clock, SystemClock
from segmind_mock.contract import Contract
from segmind_mock.faults import FIELDS, ROLES, as_texts, read_fault
from segmind_mock.records import DEFAULT_KEY, Account, FaultRule, Job, UnknownJobError
from segmind_mock.service import MOST_LISTED, MOST_RULES, Service, Settings, end, settle
from segmind_mock.stores import JournalRow, MemoryStore, Store, Transaction, mask

if TYPE_CHECKING:
    # The one of `typing` takes a default from Python 3.13 on, and only type checkers need it.
    from typing_extensions import TypeVar

    from segmind_mock.transport import DoubleTransport

    ClockT_co = TypeVar("ClockT_co", bound=Clock, default=Clock, covariant=True)
else:
    from typing import TypeVar

    ClockT_co = TypeVar("ClockT_co")


class Double(Generic[ClockT_co]):
    """A double of the service, with one ready account, by default with 100 dollars and the key DEFAULT_KEY.

    A `Double[MovableClock]` is one whose clock a client of `segmind_client` can take.

    `app` is the ASGI application. `settings` say how it behaves, `clock` where its time comes from, `store`
    where it remembers, `account` is the ready one, `seed` decides what is drawn: seeds of images, jitter;
    `admin_access` says who may use the admin interface, by default callers on this machine.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        clock: ClockT_co | None = None,
        store: Store | None = None,
        contract: Contract | None = None,
        seed: int | None = None,
        account: Account | None = None,
        admin_access: AdminAccess | None = None,
    ) -> None:
        self.contract = contract or Contract.load()
        self.settings = settings or Settings()
        if self.settings.captions or self.settings.image_format == "jpeg":
            # Now, not in the middle of a call.
            import_module("PIL")
        self.store: Store = store or MemoryStore()
        self.clock: ClockT_co = clock or cast("ClockT_co", SystemClock(self.store))
        self.admin_access = admin_access or AdminAccess()
        ready = account or Account(DEFAULT_KEY)
        self._check(ready)
        self.service = Service(self.contract, self.settings, ready, seed)
        self.app = MockApp(self)
        self._open_ready_account()

    def transport(self) -> DoubleTransport:
        """Calls this double in process: for httpx clients and those of `segmind_client`, sync and async."""
        # Here, since it imports httpx, which takes longer than to start a double.
        from segmind_mock.transport import DoubleTransport

        return DoubleTransport(self.app)

    def reset(self) -> None:
        """Forgets everything but the settings, moves of the machine's time too, and opens the ready account anew."""
        self.store.reset()
        self._open_ready_account()

    def _open_ready_account(self) -> None:
        """Opens the ready account, unless another process that shares the store has."""
        self.store.transact(lambda tx: self.service.account(tx, self.service.ready.key))

    def open_account(
        self,
        key: str = DEFAULT_KEY,
        *,
        credits: float = 100.0,  # noqa: A002  the API's own word
        requests_per_minute: int | None = None,
        forbidden_models: Sequence[str] = (),
        has_balance: bool = True,
    ) -> Account:
        """Opens an account, or opens it anew. Raises ValueError for what makes no sense.

        `credits` are US dollars; `requests_per_minute` limits the calls, None does not; `forbidden_models` are
        slugs that it may not call; without a balance it has no credits to ask for.
        """
        account = Account(key, credits, requests_per_minute, list(forbidden_models), has_balance)
        self._check(account)

        def put(tx: Transaction) -> Account:
            known = tx.get(Account, key)
            if known is not None:
                # What is on its way is settled with the account as it is now.
                account.reserved, account.pending, account.opening = known.reserved, known.pending, known.opening
            tx.put(key, account)
            return account

        return self.store.transact(put)

    def _check(self, account: Account) -> None:
        unknown = sorted(set(account.forbidden_models) - set(self.contract.models))
        if unknown:
            raise ValueError(f"no model has the slug {unknown[0]!r}; known are {', '.join(self.contract.models)}")
        limit = account.requests_per_minute
        require(account.key, str, "key: expected a string")
        require(account.credits, int | float, "credits: expected a number")
        require(limit, int | None, "requests_per_minute: expected a whole number")
        require(account.has_balance, bool, "has_balance: expected true or false")
        if not account.key or not 0 <= account.credits < math.inf or (limit is not None and limit < 1):
            raise ValueError("expected a key, credits of 0 or more and a limit of 1 or more")

    def account(self, key: str = DEFAULT_KEY) -> Account:
        """An account with all that has completed by now charged. Raises KeyError for a key that nobody holds."""

        def read(tx: Transaction) -> Account:
            account = self.service.account(tx, key)
            if account is None:
                raise KeyError(f"no account has the key {mask(key)}")
            if settle(tx, account, self.clock.now()):
                tx.put(key, account)
            return account

        return self.store.transact(read)

    def accounts(self) -> list[Account]:
        """The accounts with all that has completed by now charged, in the order in which they were opened."""
        now = self.clock.now()
        return self.store.transact(lambda tx: self.service.settled_accounts(tx, now, MOST_LISTED))

    def jobs(self) -> list[Job]:
        """The jobs that are remembered, oldest first, settled as their accounts are."""
        now = self.clock.now()

        def read(tx: Transaction) -> list[Job]:
            self.service.settled_accounts(tx, now, MOST_LISTED)
            return tx.oldest(Job, MOST_LISTED)

        return self.store.transact(read)

    def job(self, request_id: str) -> Job:
        """A job. Raises KeyError for an id that is not known."""
        return self._with_job(request_id)

    def complete(self, request_id: str) -> Job:
        """Lets a job complete now. Raises KeyError for an id that is not known, ValueError for a job that has ended."""
        return self._end(request_id, None)

    def fail(self, request_id: str, error: str = "failed on demand") -> Job:
        """Lets a job fail now. Raises KeyError for an id that is not known, ValueError for a job that has ended."""
        return self._end(request_id, error or "failed on demand")

    def _end(self, request_id: str, error: str | None) -> Job:
        require(error, str | None, "error: expected a string")

        def work(tx: Transaction, job: Job, account: Account | None, now: float) -> None:
            if now >= job.ended_at or account is None:
                raise ValueError(f"the job {request_id} has ended already")
            job.error = error
            end(tx, job, account, now)

        return self._with_job(request_id, work)

    def _with_job(
        self, request_id: str, work: Callable[[Transaction, Job, Account | None, float], None] | None = None
    ) -> Job:
        """A job, settled, after the work on it. Raises UnknownJobError."""
        now = self.clock.now()

        def find(tx: Transaction) -> Job:
            job = tx.get(Job, request_id)
            if job is None:
                raise UnknownJobError(f"no job has the request id {request_id!r}")
            account = tx.get(Account, job.key)
            if account is not None and settle(tx, account, now):
                tx.put(account.key, account)
                job = tx.get(Job, request_id) or job
            if work is not None:
                work(tx, job, account, now)
            return job

        return self.store.transact(find)

    def add_fault(
        self,
        fault: Mapping[str, str | float],
        *,
        operation_id: str | None = None,
        key: str | None = None,
        times: int | None = None,
        probability: float = 1.0,
        seed: int = 0,
    ) -> FaultRule:
        """Sets a rule: which calls go wrong, and how. The first rule that strikes counts.

        `fault` holds the fields of a `Prefer` header, numbers as numbers or as texts. Without an `operation_id` or a
        `key` the rule is for all, without `times` it has no end; one with `fail` is for submits only, one with
        `state` for status calls. Raises ValueError for what makes no sense.
        """
        require(fault, Mapping, "fault: expected an object")
        require(times, int | None, "times: expected a whole number")
        fields = as_texts(fault)
        read_fault(fields)
        role = self._role(operation_id)
        for name in ROLES.keys() & fields.keys():
            if role not in (None, ROLES[name]):
                raise ValueError(f"{name}: {operation_id} is no {ROLES[name]} operation")
        if not 0 < probability <= 1 or (times is not None and times < 1):
            raise ValueError("expected a probability above 0 and up to 1, and times of 1 or more")
        rule = FaultRule(fields, str(uuid.uuid4()), operation_id, key, times, probability, seed)

        def put(tx: Transaction) -> None:
            if tx.count(FaultRule) >= MOST_RULES:
                raise ValueError(f"there are {MOST_RULES} rules already; clear them first")
            tx.put(rule.rule_id, rule)

        self.store.transact(put)
        return rule

    def fail_next(
        self, operation_id: str | None = None, *, status: int | None = None, times: int = 1, **fields: str | float
    ) -> FaultRule:
        """Lets the next calls go wrong: with the status of an error, documented or not, or by other fields of `Prefer`.

        `fail_next("submitImagen4", fail="out of memory")` accepts the next submit and lets its job fail.
        """
        fault = fields if status is None else {"code": status, **fields}
        if not fault:
            raise ValueError(f"expected a status, or one of {', '.join(FIELDS)}")
        return self.add_fault(fault, operation_id=operation_id, times=times)

    def _role(self, operation_id: str | None) -> str | None:
        """What kind of operation it is; None for None. Raises ValueError for an operation that the contract lacks."""
        if operation_id is None:
            return None
        roles = {operation.operation_id: operation.role for operation in self.contract.operations}
        if operation_id not in roles:
            raise ValueError(f"no operation is called {operation_id!r}; known are {', '.join(sorted(roles))}")
        return roles[operation_id]

    def clear_faults(self) -> None:
        def delete(tx: Transaction) -> None:
            for rule in tx.oldest(FaultRule, MOST_RULES):
                tx.delete(FaultRule, rule.rule_id)

        self.store.transact(delete)

    def requests(
        self,
        operation_id: str | None = None,
        *,
        key: str | None = None,
        status: int | None = None,
        accepted: bool | None = None,
    ) -> list[JournalRow]:
        """The calls that the journal still has, oldest first: of one operation, by one key, with one answer.

        `accepted` asks for the POSTs that were accepted, or for all other calls. A dropped call has the status 0.
        Raises ValueError for an operation that the contract lacks.
        """
        self._role(operation_id)
        return [
            row
            for row in self.store.journal()
            if operation_id in (None, row.operation_id)
            and (key is None or row.key in (key, mask(key)))
            and status in (None, row.status)
            and accepted in (None, row.accepted)
        ]

    def billed_requests(self, *, key: str | None = None) -> list[JournalRow]:
        """The calls that were paid for: answered v1 calls, and submits whose job has completed.

        As far as the journal goes back and the jobs are still remembered.
        """
        rows, now = self.requests(key=key, accepted=True), self.clock.now()

        def completed(tx: Transaction) -> set[str]:
            self.service.settled_accounts(tx, now, MOST_LISTED)
            jobs = [tx.get(Job, row.request_id) for row in rows if row.request_id is not None]
            return {job.request_id for job in jobs if job is not None and job.state(now) == "COMPLETED"}

        ids = self.store.transact(completed)
        return [row for row in rows if row.request_id is None or row.request_id in ids]


def require(value: object, kind: Any, message: str) -> None:
    """Raises TypeError; for what may be of any type, whatever is declared. True is no number."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(message)
