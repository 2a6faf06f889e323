"""What the double stores, accounts, jobs and rules for faults, and the interface of a transaction on them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

DEFAULT_KEY = "SG_0123456789abcdef"
"""Key of the account that every double starts with."""
NEVER = 1e15
"""Seconds since the epoch, for events without a time yet. Finite, since JSON has no infinity."""

State = Literal["QUEUED", "PROCESSING", "COMPLETED", "FAILED"]


class UnknownJobError(KeyError):
    """No job has this request id, or the double no longer remembers it."""


def new_opening() -> str:
    return uuid.uuid4().hex


@dataclass(slots=True)
class Account:
    """The account of one key. Amounts are in US dollars."""

    key: str
    credits: float = 100.0
    requests_per_minute: int | None = None
    """Rate limit, counted in windows of a minute; None for no limit."""
    forbidden_models: list[str] = field(default_factory=list[str])
    """Slugs that the account may not call."""
    has_balance: bool = True
    """Whether the service has a balance for this account."""
    reserved: float = 0.0
    """Credits reserved for unsettled jobs and for v1 calls in flight."""
    pending: list[list[Any]] = field(default_factory=list[list[Any]])
    """Reservations: end, request id and price. Sorted; lists, since JSON has no tuples."""
    window_started: float = 0.0
    window_calls: int = 0
    opening: str = field(default_factory=new_opening)
    """Distinguishes accounts that were opened with the same key before and after a reset."""
    opened_with: float | None = None
    """Credits at the time of opening."""

    def __post_init__(self) -> None:
        if self.opened_with is None:
            self.opened_with = self.credits


@dataclass(slots=True)
class Job:
    """One image generation. Times are in seconds since the epoch."""

    request_id: str
    key: str
    slug: str
    parameters: dict[str, Any]
    seed: int
    price: float
    submitted_at: float
    started_at: float
    ended_at: float
    polls_left: int | None = None
    """Status calls until the job ends; None if it ends by time."""
    error: str | None = None
    """Why the job fails, if it does."""
    remaining_credits: float | None = None
    """Balance after the job was charged."""
    digest: str = ""
    """Identifies the image if the parameters were truncated; otherwise empty."""

    def state(self, now: float) -> State:
        if now >= self.ended_at:
            return "COMPLETED" if self.error is None else "FAILED"
        return "PROCESSING" if now >= self.started_at else "QUEUED"


@dataclass(slots=True)
class FaultRule:
    """Which calls get a fault, and which fault."""

    fault: dict[str, str]
    """The fields of a `Prefer` header."""
    rule_id: str = ""
    operation_id: str | None = None
    key: str | None = None
    times: int | None = None
    """How many more calls get the fault; None for no limit."""
    probability: float = 1.0
    seed: int = 0
    """With the number of matching calls so far, decides which of them get the fault."""
    seen: int = 0
    """Matching calls so far."""


Record = Account | Job | FaultRule
R = TypeVar("R", Account, Job, FaultRule)


class Transaction(Protocol):
    """Exclusive access to the records. A changed record must be put again."""

    def get(self, kind: type[R], key: str) -> R | None: ...
    def put(self, key: str, record: Record) -> None: ...
    def delete(self, kind: type[Record], key: str) -> None: ...
    def oldest(self, kind: type[R], count: int) -> list[R]:
        """The records in the order of their first put, `count` at most."""
        ...

    def count(self, kind: type[Record]) -> int: ...
