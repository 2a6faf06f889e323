"""The clock of a client."""

from __future__ import annotations

import time
from typing import Protocol, runtime_checkable

import anyio


@runtime_checkable
class Clock(Protocol):
    """Tells the time and waits. A test may pass one that it moves itself, such as `segmind_mock.MovableClock`."""

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        ...

    def sleep_until(self, moment: float) -> None:
        """Blocks the calling thread until `monotonic()` has reached this moment."""
        ...

    async def sleep_until_async(self, moment: float) -> None:
        """Suspends the calling task until `monotonic()` has reached this moment."""
        ...


class SystemClock:
    """The clock of the machine."""

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep_until(self, moment: float) -> None:
        time.sleep(max(0.0, moment - self.monotonic()))

    async def sleep_until_async(self, moment: float) -> None:
        await anyio.sleep(max(0.0, moment - self.monotonic()))


class EventLoopClock(SystemClock):
    """The clock of the running event loop, which trio's tests replace."""

    def monotonic(self) -> float:
        return anyio.current_time()
