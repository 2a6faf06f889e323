"""Time as the double sees it."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

import anyio
import anyio.lowlevel

LONGEST_MOVE = 1e9
"""Seconds, some thirty years."""
LATEST = 250_000_000_000.0
"""Seconds since the epoch, in the year 9892: the last time that fits a Date header has four digits in its year."""
REAL_PAUSE = 0.001
"""Seconds of real time that a sleeper leaves to others before it moves a MovableClock."""
LONGEST_PAUSE = 1.0
"""Seconds of real time that a sleeper has for waking up when its moment has come, before the clock moves on."""


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
        self._shift.add_shift(forward(self.now(), seconds, minutes, hours, days))

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)


class MovableClock:
    """Time that stands still until it is moved, or until somebody sleeps by it. For one process, any thread.

    A sleeper waits about a millisecond of real time, in which others get on with their work, and then moves the
    clock to the earliest moment that anybody sleeps until. So sleepers wake in the order of their moments. A
    sleeper also wakes where `advance` moves the clock past its moment.
    """

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._now = start
        self._lock = threading.RLock()
        self._sleepers: dict[object, float] = {}
        """The moment of each sleeper."""
        self._changed = 0.0
        """Real time at which a sleeper last came or went, or the clock was last moved."""

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        """The same as `now`: this clock never goes back."""
        return self._now

    def advance(self, seconds: float = 0, *, minutes: float = 0, hours: float = 0, days: float = 0) -> None:
        with self._lock:
            self._now += forward(self._now, seconds, minutes, hours, days)
            self._changed = time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self.sleep_until_async(self._now + seconds)

    def sleep_until(self, moment: float) -> None:
        """Sleeps, for threads. Raises ValueError for a moment too far ahead."""
        with self._sleeper(moment):
            while not self._is_reached(moment):
                time.sleep(REAL_PAUSE)

    async def sleep_until_async(self, moment: float) -> None:
        """Sleeps, for tasks under asyncio and trio. Raises ValueError for a moment too far ahead."""
        await anyio.lowlevel.checkpoint()
        with self._sleeper(moment):
            # An event belongs to one event loop, and any thread may move the clock.
            while not self._is_reached(moment):  # noqa: ASYNC110
                await anyio.sleep(REAL_PAUSE)

    @contextmanager
    def _sleeper(self, moment: float) -> Generator[None]:
        """Registers a sleeper, and removes it however its sleep ends."""
        forward(self._now, max(moment - self._now, 0.0))
        sleeper = object()
        try:
            with self._lock:
                self._sleepers[sleeper] = moment
                self._changed = time.monotonic()
            yield
        finally:
            # Without the lock, for which a signal could interrupt the wait.
            self._sleepers.pop(sleeper, None)
            self._changed = time.monotonic()

    def _is_reached(self, moment: float) -> bool:
        """Whether the moment has come; moves the clock first where nothing has changed for a pause."""
        with self._lock:
            idle = time.monotonic() - self._changed
            if self._now < moment and idle >= REAL_PAUSE:
                moments = list(self._sleepers.values())
                # A sleeper that has not woken yet holds the clock, but not for ever: its event loop may be blocked.
                if min(moments) > self._now or idle >= LONGEST_PAUSE:
                    self._now = min(it for it in moments if it > self._now)
                    self._changed = time.monotonic()
            return self._now >= moment


def forward(now: float, seconds: float, minutes: float = 0, hours: float = 0, days: float = 0) -> float:
    """Seconds of a move. Raises ValueError for one that goes back or too far."""
    step = seconds + 60 * (minutes + 60 * (hours + 24 * days))
    if not 0 <= step <= LONGEST_MOVE or now + step > LATEST:
        raise ValueError(f"time goes only forward, by up to {LONGEST_MOVE:g} seconds, not by {step:g}")
    return step
