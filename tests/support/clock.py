"""A clock for clients, moved by their pauses: what takes minutes is over at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest import mock

import attrs
import trio
import trio.testing

from segmind_mock import MovableClock
from tests.support.internals import Caller, async_clients, clients

UTC_START = 1_800_000_000.0


@attrs.define
class PauseClock:
    """What one client has paused for, in seconds."""

    pauses: list[float] = attrs.field(factory=list[float])
    _now: float = 0.0

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now

    def sleep_until(self, moment: float) -> None:
        self.pauses.append(max(0.0, moment - self._now))
        self._now = max(self._now, moment)

    async def sleep_until_async(self, moment: float) -> None:
        self.sleep_until(moment)


class JumpingClock:
    """Stands still until somebody sleeps; several threads may."""

    def __init__(self) -> None:
        self.time = 1_000.0
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        return self.time

    def sleep_until(self, moment: float) -> None:
        with self._lock:
            self.time = max(self.time, moment)

    async def sleep_until_async(self, moment: float) -> None:
        self.sleep_until(moment)


def in_virtual_time(work: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any) -> Any:
    """Runs under trio with a clock that jumps as soon as every task sleeps."""
    return trio.run(work, *arguments, clock=trio.testing.MockClock(autojump_threshold=0))


@attrs.frozen
class DoubleClock:
    """A double's clock as that of its client, which moves it by waiting."""

    double: MovableClock

    def monotonic(self) -> float:
        return self.double.now()

    def sleep_until(self, moment: float) -> None:
        self.double.advance(max(0.0, moment - self.double.now()))

    async def sleep_until_async(self, moment: float) -> None:
        self.sleep_until(moment)


@contextmanager
def pause_clock() -> Generator[PauseClock]:
    """Clients that are made meanwhile go by this clock, and every backoff is as long as it may be."""
    clock = PauseClock()
    caller = partial(Caller, utc=lambda: UTC_START + clock.now(), chance=lambda: 1.0)
    with (
        mock.patch.object(clients, "Caller", caller),
        mock.patch.object(clients, "SystemClock", return_value=clock),
        mock.patch.object(async_clients, "EventLoopClock", return_value=clock),
    ):
        yield clock
