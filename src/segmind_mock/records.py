"""What the double remembers of accounts, jobs and faults."""

from __future__ import annotations

import heapq
import uuid
from dataclasses import dataclass, field
from typing import Any, Literal

DEFAULT_KEY = "SG_0123456789abcdef"
"""Key of the account that every double starts with."""
NEVER = 1e15
"""Seconds since the epoch, for what has no time yet. Finite, since JSON has no infinity."""

State = Literal["QUEUED", "PROCESSING", "COMPLETED", "FAILED"]


class UnknownJobError(KeyError):
    """No job has the request id, or it has been forgotten."""


def new_opening() -> str:
    return uuid.uuid4().hex


@dataclass(slots=True)
class Account:
    """The holder of one key. Amounts are in US dollars."""

    key: str
    credits: float = 100.0
    requests_per_minute: int | None = None
    """Calls that are answered in a window of one minute; None for no limit."""
    forbidden_models: list[str] = field(default_factory=list[str])
    """Slugs that the account may not call."""
    has_balance: bool = True
    """Whether there is a record of a balance at all."""
    reserved: float = 0.0
    """Credits reserved for unsettled jobs and for v1 calls that are being carried out."""
    pending: list[list[Any]] = field(default_factory=list[list[Any]])
    """When each reservation ends, its request id and its price: a heap of lists, as JSON has them."""
    window_started: float = 0.0
    window_calls: int = 0
    opening: str = field(default_factory=new_opening)
    """Tells this account from one that was opened with the same key after a reset."""
    opened_with: float | None = None
    """The credits that it was opened with."""

    def __post_init__(self) -> None:
        if self.opened_with is None:
            self.opened_with = self.credits

    def can_pay(self, price: float) -> bool:
        # Amounts are multiples of a millionth, which their difference misses by less than half of one.
        return self.has_balance and self.credits - self.reserved > price - 5e-7

    def reserve(self, request_id: str, price: float, until: float) -> None:
        self.reserved = dollars(self.reserved + price)
        heapq.heappush(self.pending, [until, request_id, price])

    def release(self, request_id: str) -> bool:
        """Ends a reservation; whether there was one."""
        for item in self.pending:
            if item[1] == request_id:
                self.pending.remove(item)
                heapq.heapify(self.pending)
                self.reserved = dollars(self.reserved - item[2])
                return True
        return False

    def pop_due(self, now: float) -> str | None:
        """Ends the reservation that ended first, if any has ended by now, and gives its request id."""
        if not self.pending or self.pending[0][0] > now:
            return None
        _, request_id, price = heapq.heappop(self.pending)
        self.reserved = dollars(self.reserved - price)
        return str(request_id)

    def charge(self, price: float) -> None:
        self.credits = dollars(self.credits - price)


@dataclass(slots=True)
class Job:
    """One submitted generation. Times are in seconds since the epoch."""

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
    """Polls until it ends, where polls decide and not the time."""
    error: str | None = None
    """Why the job fails, if it does."""
    remaining_credits: float | None = None
    """The balance after the job, once it was charged."""
    digest: str = ""
    """Names the image of a job whose parameters were cut; empty for one whose parameters are whole."""

    def state(self, now: float) -> State:
        if now >= self.ended_at:
            return "COMPLETED" if self.error is None else "FAILED"
        return "PROCESSING" if now >= self.started_at else "QUEUED"


@dataclass(slots=True)
class FaultRule:
    """Which calls go wrong, and how."""

    fault: dict[str, str]
    """The fields of a `Prefer` header."""
    rule_id: str = ""
    operation_id: str | None = None
    key: str | None = None
    times: int | None = None
    """How many calls are left to go wrong; None for no end."""
    probability: float = 1.0
    seed: int = 0
    """Decides, with the number of matching calls so far, which of them go wrong."""
    seen: int = 0


def dollars(amount: float) -> float:
    """Rounded to a millionth, so that sums of prices stay exact."""
    return round(amount, 6)
