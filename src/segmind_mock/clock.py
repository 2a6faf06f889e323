"""Time as the double sees it."""

from __future__ import annotations

import time
from typing import Protocol

import anyio

LONGEST_MOVE = 1e9
"""Seconds, some thirty years."""


class Shift(Protocol):
    """Remembers by how much a clock has been moved; a `Store` does."""

    def shift(self) -> float: ...
    def add_shift(self, seconds: float) -> None: ...


class Clock(Protocol):
    """Where the double takes its time from."""

    def now(self) -> float:
        """Seconds since the epoch; never goes back."""
        ...

    def advance(self, seconds: float = 0, *, minutes: float = 0, hours: float = 0, days: float = 0) -> None:
        """Moves the time forward. Raises ValueError for a move back."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's own time, which can be moved forward; the move holds for all that share the store."""

    def __init__(self, shift: Shift) -> None:
        self._shift = shift
        # Anchored once, so that a correction of the machine's clock moves no job back.
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        return self._offset + time.monotonic() + self._shift.shift()

    def advance(self, seconds: float = 0, *, minutes: float = 0, hours: float = 0, days: float = 0) -> None:
        self._shift.add_shift(forward(seconds, minutes, hours, days))

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)


class MovableClock:
    """Time that stands still until it is moved; to sleep moves it. For one process."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._now = start

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float = 0, *, minutes: float = 0, hours: float = 0, days: float = 0) -> None:
        self._now += forward(seconds, minutes, hours, days)

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)


def forward(seconds: float, minutes: float, hours: float, days: float) -> float:
    step = seconds + 60 * (minutes + 60 * (hours + 24 * days))
    if not 0 <= step <= LONGEST_MOVE:
        raise ValueError(f"time goes only forward, by up to {LONGEST_MOVE:g} seconds, not by {step:g}")
    return step
