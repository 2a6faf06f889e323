"""What tests and the admin interface do with a double: its accounts, jobs, faults and journal."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic

from segmind_mock import money
from segmind_mock.clock import Clock
from segmind_mock.contract import Contract
from segmind_mock.faults import DEFAULT_ERROR, FIELDS, MOST_RULES, ROLES, as_texts, read_fault
from segmind_mock.journal import JournalRow, mask
from segmind_mock.records import DEFAULT_KEY, Account, FaultRule, Job, Transaction, UnknownJobError
from segmind_mock.service import Service
from segmind_mock.settings import Settings
from segmind_mock.stores import Store

if TYPE_CHECKING:
    # typing.TypeVar has defaults only from Python 3.13 on, and only type checkers need this one.
    from typing_extensions import TypeVar

    ClockT_co = TypeVar("ClockT_co", bound=Clock, default=Clock, covariant=True)
else:
    from typing import TypeVar

    ClockT_co = TypeVar("ClockT_co")

MOST_LISTED = 10_000


class Controls(Generic[ClockT_co]):
    """Reads and changes the state of a double, by its clock."""

    def __init__(self, service: Service, store: Store, clock: ClockT_co) -> None:
        self.service = service
        self.store = store
        self.clock = clock
        self._check(service.ready)
        self._open_ready_account()

    @property
    def contract(self) -> Contract:
        return self.service.contract

    @property
    def settings(self) -> Settings:
        return self.service.settings

    def reset(self) -> None:
        """Deletes everything but the settings, advances of the system clock too, and opens the ready account again."""
        self.store.reset()
        self._open_ready_account()

    def _open_ready_account(self) -> None:
        """Opens the ready account, unless another process has opened it in this store."""
        self.store.transact(lambda tx: self.service.account(tx, self.service.ready.key))

    def open_account(
        self,
        key: str = DEFAULT_KEY,
        *,
        credits: float = 100.0,  # noqa: A002  the API's own term
        requests_per_minute: int | None = None,
        forbidden_models: Sequence[str] = (),
        has_balance: bool = True,
    ) -> Account:
        """Opens an account, or opens it again with other values. Raises ValueError for values out of range.

        `credits` are US dollars; `requests_per_minute` is the rate limit, None for no limit; `forbidden_models` are
        slugs that it may not call; without a balance, the credits endpoint responds with 404.
        """
        account = Account(key, credits, requests_per_minute, list(forbidden_models), has_balance)
        self._check(account)

        def put(tx: Transaction) -> Account:
            known = tx.get(Account, key)
            if known is not None:
                # Unsettled jobs and v1 calls in flight keep their reservations.
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
        """An account, settled. Raises KeyError for a key without an account."""

        def read(tx: Transaction) -> Account:
            account = self.service.account(tx, key)
            if account is None:
                raise KeyError(f"no account has the key {mask(key)}")
            money.settle(tx, account, self.clock.now())
            return account

        return self.store.transact(read)

    def accounts(self) -> list[Account]:
        """The accounts, settled, in the order of opening."""
        now = self.clock.now()
        return self.store.transact(lambda tx: self.service.settled_accounts(tx, now, MOST_LISTED))

    def jobs(self) -> list[Job]:
        """The jobs that the double remembers, settled, oldest first."""
        now = self.clock.now()

        def read(tx: Transaction) -> list[Job]:
            self.service.settled_accounts(tx, now, MOST_LISTED)
            return tx.oldest(Job, MOST_LISTED)

        return self.store.transact(read)

    def job(self, request_id: str) -> Job:
        """A job, settled. Raises KeyError for an unknown id."""
        return self.store.transact(lambda tx: self._settled(tx, request_id)[0])

    def complete(self, request_id: str) -> Job:
        """Completes a job now. Raises KeyError for an unknown id, ValueError for a job that has ended."""
        return self._end(request_id, None)

    def fail(self, request_id: str, error: str = DEFAULT_ERROR) -> Job:
        """Fails a job now. Raises KeyError for an unknown id, ValueError for a job that has ended."""
        return self._end(request_id, error or DEFAULT_ERROR)

    def _end(self, request_id: str, error: str | None) -> Job:
        require(error, str | None, "error: expected a string")

        def work(tx: Transaction) -> Job:
            job, account = self._settled(tx, request_id)
            now = self.clock.now()
            if now >= job.ended_at or account is None:
                raise ValueError(f"the job {request_id} has ended already")
            job.error = error
            money.end(tx, account, job, now)
            return job

        return self.store.transact(work)

    def _settled(self, tx: Transaction, request_id: str) -> tuple[Job, Account | None]:
        """A job and its account, settled. Raises UnknownJobError."""
        job = tx.get(Job, request_id)
        if job is None:
            raise UnknownJobError(f"no job has the request id {request_id!r}")
        account = tx.get(Account, job.key)
        if account is not None:
            money.settle(tx, account, self.clock.now())
        return tx.get(Job, request_id) or job, account

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
        """Adds a rule: which calls get which fault. For each call, the first rule that applies counts.

        `fault` has the fields of a `Prefer` header, numbers as numbers or strings. Without an `operation_id` or a `key`
        the rule applies to all, without `times` any number of times; with `fail` it applies to submits only, with
        `state` to status calls only. Raises ValueError for unknown fields and values out of range.
        """
        require(fault, Mapping, "fault: expected an object")
        require(times, int | None, "times: expected a whole number")
        fields = as_texts(fault)
        read_fault(fields)
        role = self._role(operation_id)
        for name in ROLES.keys() & fields.keys():
            if role not in (None, ROLES[name]):
                raise ValueError(f"{name}: {operation_id} is not a {ROLES[name]} operation")
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
        """Gives the next calls a fault: a status, documented or not, or other fields of a `Prefer` header.

        `fail_next("submitImagen4", fail="out of memory")` accepts the next submit, and its job fails.
        """
        fault = fields if status is None else {"code": status, **fields}
        if not fault:
            raise ValueError(f"expected a status, or one of {', '.join(FIELDS)}")
        return self.add_fault(fault, operation_id=operation_id, times=times)

    def _role(self, operation_id: str | None) -> str | None:
        """The role of an operation; None for None. Raises ValueError for an operation that the contract lacks."""
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
        """The calls in the journal, oldest first: of one operation, with one key, with one status.

        `accepted=True` selects the accepted POSTs, False all other calls. A dropped connection has the status 0.
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
        """The charged calls: successful v1 calls, and submits whose job has completed.

        Only calls that are still in the journal, and submits whose job is still remembered.
        """
        rows, now = self.requests(key=key, accepted=True), self.clock.now()

        def completed(tx: Transaction) -> set[str]:
            self.service.settled_accounts(tx, now, MOST_LISTED)
            jobs = [tx.get(Job, row.request_id) for row in rows if row.request_id is not None]
            return {job.request_id for job in jobs if job is not None and job.state(now) == "COMPLETED"}

        ids = self.store.transact(completed)
        return [row for row in rows if row.request_id is None or row.request_id in ids]


def require(value: object, kind: Any, message: str) -> None:
    """Raises TypeError for a value of another type, which JSON may hold whatever is declared. True is no number."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(message)
