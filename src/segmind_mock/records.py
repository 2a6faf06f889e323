"""What the double remembers of accounts, jobs and faults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

DEFAULT_KEY = "SG_0123456789abcdef"
"""Key of the account that every double starts with."""
NEVER = 1e15
"""Seconds since the epoch, for what has no time yet. Finite, since JSON has no infinity."""

State = Literal["QUEUED", "PROCESSING", "COMPLETED", "FAILED"]


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
    """Price of what is on its way."""
    pending: list[list[Any]] = field(default_factory=list[list[Any]])
    """When each unsettled job ends or expires, its request id and its price: a heap of lists, as JSON has them."""
    window_started: float = 0.0
    window_calls: int = 0

    def can_pay(self, price: float) -> bool:
        # Amounts are multiples of a millionth, which their difference misses by less than half of one.
        return self.has_balance and self.credits - self.reserved > price - 5e-7

    def reserve(self, price: float) -> None:
        self.reserved = dollars(self.reserved + price)

    def release(self, price: float) -> None:
        # What was set aside before a reset is not set aside any more.
        self.reserved = max(0.0, dollars(self.reserved - price))

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
