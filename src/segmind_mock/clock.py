"""The clocks of a double: the system's time, and time that stands still until it is moved."""

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
"""Seconds since the epoch, in the year 9892: a Date header has four digits for the year."""
REAL_PAUSE = 0.001
"""Seconds of real time in which nothing happens before a sleeper moves a MovableClock."""
LONGEST_PAUSE = 1.0
"""Seconds of real time for which the clock waits for a sleeper to wake, before it moves on."""


class Shift(Protocol):
    """Stores by how many seconds a clock was advanced."""

    def shift(self) -> float: ...
    def add_shift(self, seconds: float) -> None: ...


class Clock(Protocol):
    """Tells the time of a double."""

    def now(self) -> float:
        """Seconds since the epoch; never decreases."""
        ...

    def advance(self, seconds: float = 0, *, minutes: float = 0, hours: float = 0, days: float = 0) -> None:
        """Moves the time forward. Raises ValueError for a move back."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The system's time, which can be advanced, for all processes that share the store."""

    def __init__(self, shift: Shift) -> None:
        self._shift = shift
        # Read once, so that no correction of the system's clock makes time go back.
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        return self._offset + time.monotonic() + self._shift.shift()

    def advance(self, seconds: float = 0, *, minutes: float = 0, hours: float = 0, days: float = 0) -> None:
        self._shift.add_shift(forward(self.now(), seconds, minutes, hours, days))

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)


class MovableClock:
    """Time that stands still until `advance` or a sleeper moves it. For one process and any thread.

    When nothing has happened for about a millisecond of real time, a sleeper moves the clock to the earliest moment
    that any sleeper waits for. So sleepers wake in the order of their moments. A sleeper also wakes when `advance`
    moves the clock past its moment.
    """

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._now = start
        self._lock = threading.RLock()
        self._sleepers: dict[object, float] = {}
        """The moment of each sleeper."""
        self._changed = 0.0
        """Real time of the last change: of the sleepers, or of the clock."""

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        """The same as `now`, which never decreases."""
        return self._now

    def advance(self, seconds: float = 0, *, minutes: float = 0, hours: float = 0, days: float = 0) -> None:
        with self._lock:
            self._now += forward(self._now, seconds, minutes, hours, days)
            self._changed = time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self.sleep_until_async(self._now + seconds)

    def sleep_until(self, moment: float) -> None:
        """Sleeps in a thread. Raises ValueError for a moment too far ahead."""
        with self._sleeper(moment):
            while not self._is_reached(moment):
                time.sleep(REAL_PAUSE)

    async def sleep_until_async(self, moment: float) -> None:
        """Sleeps in a task of asyncio or trio. Raises ValueError for a moment too far ahead."""
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
            # Without the lock, since a signal could interrupt waiting for it.
            self._sleepers.pop(sleeper, None)
            self._changed = time.monotonic()

    def _is_reached(self, moment: float) -> bool:
        """Whether the moment has come; moves the clock before, if nothing has changed for REAL_PAUSE."""
        with self._lock:
            idle = time.monotonic() - self._changed
            if self._now < moment and idle >= REAL_PAUSE:
                moments = list(self._sleepers.values())
                # The clock waits for a sleeper to wake, but not for ever: its event loop may be blocked.
                if min(moments) > self._now or idle >= LONGEST_PAUSE:
                    self._now = min(it for it in moments if it > self._now)
                    self._changed = time.monotonic()
            return self._now >= moment


def forward(now: float, seconds: float, minutes: float = 0, hours: float = 0, days: float = 0) -> float:
    """The seconds of a step. Raises ValueError for a step back or too far."""
    step = seconds + 60 * (minutes + 60 * (hours + 24 * days))
    if not 0 <= step <= LONGEST_MOVE or now + step > LATEST:
        raise ValueError(f"time goes only forward, by up to {LONGEST_MOVE:g} seconds, not by {step:g}")
    return step
