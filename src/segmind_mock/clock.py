"""Time as the double sees it."""

from __future__ import annotations

import time
from typing import Protocol

import anyio


class Clock(Protocol):
    """Where the double takes its time from."""

    def now(self) -> float:
        """Seconds since the epoch; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's own time."""

    def __init__(self) -> None:
        # Anchored once, so that a correction of the machine's clock moves no job back.
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        return self._offset + time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)


class MovableClock:
    """Time that stands still until it is moved; to sleep moves it."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._now = start

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float = 0, *, minutes: float = 0, hours: float = 0, days: float = 0) -> None:
        """Moves the time forward. Raises ValueError for a move back."""
        step = seconds + 60 * (minutes + 60 * (hours + 24 * days))
        if step < 0:
            raise ValueError("time does not go back")
        self._now += step

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)
