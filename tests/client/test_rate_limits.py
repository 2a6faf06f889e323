"""How the requests of one client share a rate limit, in virtual time."""

from __future__ import annotations

import gc
import itertools
import logging
import math
import random
import re
import threading
import uuid
from collections.abc import Callable, Coroutine, Sequence
from email.utils import formatdate
from functools import partial
from typing import Any

import attrs
import httpx
import pytest
import trio
import trio.testing

from segmind_api.catalog import MODELS
from segmind_api.types import ApiResponse
from segmind_client import AsyncClient, Client, errors
from segmind_client.clock import EventLoopClock
from segmind_client.line import CONNECTIONS, Line, Rank, Turn
from segmind_mock import DEFAULT_KEY, Account, Double, Settings
from segmind_mock.transport import DoubleTransport

SLUG = "imagen-4-fast"
MODEL = MODELS[SLUG]
LATENCY = MODEL.typical_latency_seconds or 0.0
ROUND_TRIP = 0.1
"""Seconds."""
A_FEW = 15
"""Round trips."""
WINDOW = 60.0
"""Seconds in which the double counts requests."""
REQUESTS_OF_A_JOB = 3
"""At the least: submit, one poll, result."""
UTC_START = 1_800_000_000.0
BASE_URL = "http://double.localhost"


def in_virtual_time(work: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> Any:
    """Runs under trio with a clock that jumps as soon as every task sleeps."""
    return trio.run(work, *args, clock=trio.testing.MockClock(autojump_threshold=0))


class TrioClock:
    """The virtual time as the double's."""

    def now(self) -> float:
        return UTC_START + trio.current_time()

    def advance(self, seconds: float = 0, *, minutes: float = 0, hours: float = 0, days: float = 0) -> None:
        raise NotImplementedError

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)


class DistantTransport(httpx.AsyncBaseTransport):
    """A double that is a round trip away, and dates its responses by the virtual time."""

    def __init__(self, double: Double) -> None:
        self._transport = DoubleTransport(double.app)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await trio.sleep(ROUND_TRIP / 2)
        response = await self._transport.handle_async_request(request)
        response.headers["date"] = formatdate(UTC_START + trio.current_time(), usegmt=True)
        await trio.sleep(ROUND_TRIP / 2)
        return response


@attrs.define
class Outcome:
    """What came of many calls at the same time."""

    seconds: float = 0.0
    failures: list[BaseException] = attrs.field(factory=list[BaseException])
    charged: float = 0.0


def limited_double(limit: int, *, jitter: float = 0.0) -> Double:
    settings = Settings(latency_factor=1, latency_jitter=jitter)
    account = Account(DEFAULT_KEY, credits=1e6, requests_per_minute=limit)
    return Double(settings, clock=TrioClock(), account=account, seed=1)


async def make(jobs: int, limit: int, clients: int, method: str, jitter: float) -> Outcome:
    double, outcome = limited_double(limit, jitter=jitter), Outcome()
    transport = DistantTransport(double)
    shared = [AsyncClient(DEFAULT_KEY, base_url=BASE_URL, allow_http=True, transport=transport) for _ in range(clients)]

    async def call(number: int) -> None:
        try:
            await getattr(shared[number % clients], method)(SLUG, prompt=f"cabin {number}")
        except errors.SegmindError as error:
            outcome.failures.append(error)

    started = trio.current_time()
    async with trio.open_nursery() as nursery:
        for number in range(jobs):
            nursery.start_soon(call, number)
    outcome.seconds = trio.current_time() - started
    outcome.charged = 1e6 - double.account().credits
    return outcome


def allowed_seconds(jobs: int, limit: int, requests: int) -> float:
    """What the limit allows, with the latency of the last job."""
    return (math.ceil(requests * jobs / limit) - 1) * WINDOW + LATENCY + A_FEW * ROUND_TRIP


RUNS = [
    # jobs, requests a minute, clients with one key, jitter of the latency
    (1, 1, 1, 0.0),
    (10, 10, 1, 0.0),
    (20, 20, 1, 0.0),
    (10, 60, 1, 0.0),
    (15, 60, 1, 0.0),
    (50, 10, 1, 0.0),
    (100, 10, 1, 0.0),
    (100, 60, 1, 0.0),
    (200, 60, 1, 0.0),
    (50, 10, 1, 0.3),
    (100, 60, 1, 0.3),
    (20, 20, 2, 0.0),
    (50, 10, 2, 0.0),
    (100, 60, 2, 0.0),
    (100, 60, 3, 0.0),
]


@pytest.mark.parametrize(("jobs", "limit", "clients", "jitter"), RUNS)
def test_any_number_of_jobs_takes_about_as_long_as_the_limit_allows(
    jobs: int, limit: int, clients: int, jitter: float
) -> None:
    outcome = in_virtual_time(make, jobs, limit, clients, "run", jitter)
    assert outcome.failures == []
    assert outcome.charged == pytest.approx(jobs * MODEL.price_usd)
    assert outcome.seconds <= 1.1 * allowed_seconds(jobs, limit, REQUESTS_OF_A_JOB)


@pytest.mark.parametrize(("jobs", "limit", "clients"), [(1, 1, 1), (20, 10, 1), (100, 60, 1), (20, 10, 2)])
def test_any_number_of_v1_calls_takes_about_as_long_as_the_limit_allows(jobs: int, limit: int, clients: int) -> None:
    outcome = in_virtual_time(make, jobs, limit, clients, "generate", 0.0)
    assert outcome.failures == []
    assert outcome.charged == pytest.approx(jobs * MODEL.price_usd)
    assert outcome.seconds <= 1.1 * allowed_seconds(jobs, limit, requests=1)


@pytest.mark.parametrize("jobs", [4, 10, 40])
def test_each_wait_for_the_limit_is_logged_once_whatever_the_number_of_calls(
    caplog: pytest.LogCaptureFixture, jobs: int
) -> None:
    caplog.set_level(logging.INFO, logger="segmind_client")
    in_virtual_time(make, jobs, 10, 1, "run", 0.0)
    waits = [record for record in caplog.records if "rate limit" in record.getMessage()]
    assert len(waits) == math.ceil(REQUESTS_OF_A_JOB * jobs / 10) - 1
    assert {record.levelno for record in waits} == {logging.WARNING}
    assert all(
        re.match(r"The rate limit is used up \(429 for \w+ /.+\): \d+ requests wait \d+\.\d s until it resets", message)
        for message in (record.getMessage() for record in waits)
    )
