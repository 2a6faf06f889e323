"""The clocks of the double: time that is moved, and time that moves to the earliest sleeper."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import anyio
import anyio.lowlevel
import httpx
import pytest

from segmind_mock import DEFAULT_KEY, Double, MemoryStore, MovableClock, Settings, SystemClock
from segmind_mock.clock import LONGEST_MOVE
from segmind_mock.transport import DoubleTransport

START = 1000.0
SOON = 10
"""Seconds of real time after which a test has failed."""


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(start=START)


def test_a_movable_clock_stands_still(clock: MovableClock) -> None:
    assert (clock.now(), clock.now()) == (START, START)


def test_the_system_clock_is_the_time_of_day() -> None:
    assert SystemClock(MemoryStore()).now() == pytest.approx(time.time(), abs=5)


@pytest.mark.parametrize(
    ("move", "seconds"),
    [
        ({}, 0),
        ({"seconds": 10}, 10),
        ({"minutes": 2}, 120),
        ({"hours": 3}, 10_800),
        ({"days": 4}, 345_600),
        ({"seconds": 10, "minutes": 2, "hours": 3, "days": 4}, 356_530),
        ({"seconds": LONGEST_MOVE}, 1e9),
    ],
)
@pytest.mark.parametrize("movable", [True, False], ids=["MovableClock", "SystemClock"])
def test_a_clock_is_moved_by_the_sum_of_all_units(movable: bool, move: dict[str, float], seconds: float) -> None:
    clock = MovableClock() if movable else SystemClock(MemoryStore())
    before = clock.now()
    clock.advance(**move)
    # The system clock goes on by itself as well.
    assert clock.now() - before == pytest.approx(seconds, abs=0 if movable else 0.9)


def test_the_system_clock_sleeps_for_real(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(anyio, "sleep", sleep)
    anyio.run(SystemClock(MemoryStore()).sleep, 2.5)
    assert slept == [2.5]


@pytest.mark.parametrize("seconds", [-1, 1e9 + 1, math.nan, math.inf])
@pytest.mark.parametrize("movable", [True, False], ids=["MovableClock", "SystemClock"])
def test_a_move_back_or_too_far_is_refused(movable: bool, seconds: float) -> None:
    clock = MovableClock() if movable else SystemClock(MemoryStore())
    with pytest.raises(ValueError, match="only forward"):
        clock.advance(seconds)


def test_a_clock_cannot_be_moved_beyond_the_years_that_a_date_header_can_name() -> None:
    clock = MovableClock(start=249_999_999_999)
    clock.advance(1)
    with pytest.raises(ValueError, match="only forward"):
        clock.advance(1)


def test_monotonic_time_is_that_of_the_movable_clock(clock: MovableClock) -> None:
    clock.advance(5)
    assert clock.monotonic() == clock.now() == START + 5


def sleep_in_a_thread(clock: MovableClock, moment: float) -> None:
    clock.sleep_until(moment)


def sleep_under(backend: str) -> Callable[[MovableClock, float], None]:
    def sleep(clock: MovableClock, moment: float) -> None:
        anyio.run(clock.sleep_until_async, moment, backend=backend)

    return sleep


SLEEPS = {"thread": sleep_in_a_thread, "asyncio": sleep_under("asyncio"), "trio": sleep_under("trio")}
sleeps = pytest.mark.parametrize("sleep", SLEEPS.values(), ids=SLEEPS)


@sleeps
def test_to_sleep_alone_moves_the_clock_exactly_to_the_moment_and_takes_no_real_time(
    clock: MovableClock, sleep: Callable[[MovableClock, float], None]
) -> None:
    before = time.monotonic()
    sleep(clock, START + 3600.1)
    assert clock.now() == START + 3600.1
    assert time.monotonic() - before < SOON


@sleeps
def test_many_sleeps_one_after_another_take_no_real_time(
    clock: MovableClock, sleep: Callable[[MovableClock, float], None]
) -> None:
    before = time.monotonic()
    for second in range(1, 13):
        sleep(clock, START + second)
    assert clock.now() == START + 12
    assert time.monotonic() - before < SOON


@sleeps
def test_a_sleep_may_be_as_long_as_a_move(clock: MovableClock, sleep: Callable[[MovableClock, float], None]) -> None:
    sleep(clock, START + LONGEST_MOVE)
    assert clock.now() == START + 1e9


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_task_is_cancelled_also_where_it_need_not_sleep(clock: MovableClock, backend: str) -> None:
    async def sleep() -> bool:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await clock.sleep_until_async(START - 1)
        return scope.cancelled_caught

    assert anyio.run(sleep, backend=backend)


@sleeps
def test_a_moment_that_has_passed_is_not_slept_for(
    clock: MovableClock, sleep: Callable[[MovableClock, float], None]
) -> None:
    sleep(clock, START - 1)
    assert clock.now() == START


@sleeps
@pytest.mark.parametrize("moment", [math.nan, math.inf, START + 2e9])
def test_a_moment_that_never_comes_is_refused(
    clock: MovableClock, sleep: Callable[[MovableClock, float], None], moment: float
) -> None:
    with pytest.raises(ValueError, match="only forward"):
        sleep(clock, moment)
    assert clock.now() == START


@sleeps
def test_a_sleeper_wakes_when_the_clock_is_advanced_past_its_moment(
    clock: MovableClock, sleep: Callable[[MovableClock, float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def advance(_: float) -> None:
        clock.advance(500)

    async def advance_async(_: float) -> None:
        clock.advance(500)

    # The clock does not move by itself within this test.
    monkeypatch.setattr("segmind_mock.clock.REAL_PAUSE", 3600)
    monkeypatch.setattr(time, "sleep", advance)
    monkeypatch.setattr(anyio, "sleep", advance_async)
    sleep(clock, START + 100)
    assert clock.now() == START + 500


def test_several_threads_wake_in_the_order_of_their_moments_each_at_its_own(
    clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Long enough for every thread to begin its sleep on a busy machine.
    monkeypatch.setattr("segmind_mock.clock.REAL_PAUSE", 0.05)
    moments = [START + 7, START + 3, START + 9, START + 1, START + 5]
    ready = threading.Barrier(len(moments))
    woken: list[tuple[float, float]] = []

    def sleep(moment: float) -> None:
        ready.wait(SOON)
        clock.sleep_until(moment)
        woken.append((moment, clock.now()))

    with ThreadPoolExecutor(len(moments)) as pool:
        list(pool.map(sleep, moments, timeout=SOON))
    assert woken == [(moment, moment) for moment in sorted(moments)]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_several_tasks_wake_in_the_order_of_their_moments_each_at_its_own(clock: MovableClock, backend: str) -> None:
    woken: list[tuple[float, float]] = []

    async def sleep(moment: float) -> None:
        await clock.sleep_until_async(moment)
        woken.append((moment, clock.now()))

    async def sleep_all() -> None:
        with anyio.fail_after(SOON):
            async with anyio.create_task_group() as group:
                for seconds in (7, 3, 9, 1, 5, 3):
                    group.start_soon(sleep, START + seconds)

    anyio.run(sleep_all, backend=backend)
    assert woken == [(START + seconds, START + seconds) for seconds in (1, 3, 3, 5, 7, 9)]


def test_a_sleeper_that_sleeps_again_wakes_between_two_others(clock: MovableClock) -> None:
    woken: list[tuple[str, float]] = []

    async def poll() -> None:
        for _ in range(4):
            await clock.sleep_until_async(clock.now() + 2)
            woken.append(("poll", clock.now() - START))

    async def wait() -> None:
        await clock.sleep_until_async(START + 5)
        woken.append(("wait", clock.now() - START))

    async def run_both() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(poll)
            group.start_soon(wait)

    anyio.run(run_both)
    assert woken == [("poll", 2), ("poll", 4), ("wait", 5), ("poll", 6), ("poll", 8)]


def test_v1_calls_in_parallel_take_the_time_of_the_longest(clock: MovableClock) -> None:
    double = Double(Settings(latency_factor=1), clock=clock)

    async def generate_all() -> None:
        transport = DoubleTransport(double.app)
        headers = {"x-api-key": DEFAULT_KEY}
        client = httpx.AsyncClient(transport=transport, base_url="http://double", headers=headers, timeout=60)
        async with client, anyio.create_task_group() as group:
            for slug in ("imagen-4", "imagen", "imagen-4-fast"):
                group.start_soon(partial(client.post, f"/v1/{slug}", json={"prompt": "x"}))

    anyio.run(generate_all)
    # The typical latency of Imagen 4.
    assert clock.now() == START + 11.6


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_task_that_is_cancelled_in_its_sleep_does_not_hold_or_move_the_clock(
    clock: MovableClock, backend: str
) -> None:
    async def cancel_one_and_sleep() -> None:
        async with anyio.create_task_group() as group:
            with anyio.CancelScope() as scope:
                scope.cancel()
                await clock.sleep_until_async(START + 1)
            group.start_soon(clock.sleep_until_async, START + 50)

    anyio.run(cancel_one_and_sleep, backend=backend)
    assert clock.now() == START + 50


def test_a_thread_that_is_interrupted_in_its_sleep_does_not_hold_or_move_the_clock(
    clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(time, "sleep", interrupt)
        with pytest.raises(KeyboardInterrupt):
            clock.sleep_until(START + 1)
    clock.sleep_until(START + 50)
    assert clock.now() == START + 50


def test_a_sleeper_has_time_to_wake_before_the_clock_moves_on(
    clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segmind_mock.clock.LONGEST_PAUSE", 3600)
    both_sleep = threading.Event()
    seen: list[float] = []

    def hold_the_event_loop() -> None:
        both_sleep.wait(SOON)
        deadline = time.monotonic() + SOON
        while clock.now() < START + 1 and time.monotonic() < deadline:
            time.sleep(0.001)
        # Many pauses, in which the other sleeper could move the clock.
        time.sleep(0.05)
        seen.append(clock.now())

    async def sleep_while_the_event_loop_is_held() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(clock.sleep_until_async, START + 1)
            await anyio.lowlevel.checkpoint()
            await anyio.lowlevel.checkpoint()
            hold_the_event_loop()

    def sleep_longer() -> None:
        both_sleep.set()
        clock.sleep_until(START + 50)

    with ThreadPoolExecutor(2) as pool:
        sleeps = [pool.submit(anyio.run, sleep_while_the_event_loop_is_held), pool.submit(sleep_longer)]
        for it in sleeps:
            it.result(SOON)
    assert (seen, clock.now()) == ([START + 1], START + 50)


def test_a_sleeper_that_cannot_wake_does_not_hold_the_clock_for_ever(clock: MovableClock) -> None:
    async def sleep_and_block_the_event_loop() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(clock.sleep_until_async, START + 1)
            await anyio.lowlevel.checkpoint()
            await anyio.lowlevel.checkpoint()
            clock.sleep_until(START + 50)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(anyio.run, sleep_and_block_the_event_loop).result(SOON)
    assert clock.now() == START + 50


def test_many_threads_that_advance_the_clock_lose_no_move(clock: MovableClock) -> None:
    def advance(_: int) -> None:
        for _ in range(1000):
            clock.advance(1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(advance, range(8)))
    assert clock.now() == START + 8000


def test_a_correction_of_the_machines_clock_does_not_move_the_doubles_time_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    double = Double()
    before = double.clock.now()
    monkeypatch.setattr("time.time", lambda: before - 3600)
    assert double.clock.now() >= before
