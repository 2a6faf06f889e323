"""A clock for clients, moved by their pauses: what takes minutes is over at once."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from unittest import mock

import attrs

from segmind_client import clients
from segmind_client.drivers import AsyncDriver, SyncDriver
from segmind_client.flows import Caller, Clocks

UTC_START = 1_800_000_000.0


@attrs.define
class PauseClock:
    """What one client has paused for, in seconds."""

    pauses: list[float] = attrs.field(factory=list[float])

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)

    def now(self) -> float:
        return sum(self.pauses)


@contextmanager
def pause_clock() -> Generator[PauseClock]:
    """Clients that are made meanwhile go by this clock, and every pause is as long as it may be."""
    clock = PauseClock()
    clocks = Clocks(monotonic=clock.now, utc=lambda: UTC_START + clock.now(), chance=lambda: 1.0)
    with (
        mock.patch.object(clients, "Caller", partial(Caller, clocks=clocks)),
        mock.patch.object(clients, "SyncDriver", partial(SyncDriver, sleep=clock.sleep)),
        mock.patch.object(clients, "AsyncDriver", partial(AsyncDriver, sleep=clock.sleep_async)),
    ):
        yield clock
