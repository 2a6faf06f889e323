"""The turns of requests in the line of a client: their order, their places, and the end of a rate limit."""

from __future__ import annotations

import gc
import math
import threading
import time
import uuid
from collections.abc import Callable

import pytest
import trio
import trio.testing

from segmind_api.catalog import MODELS
from segmind_api.types import ApiResponse
from segmind_client import errors
from tests.support.clock import JumpingClock, in_virtual_time
from tests.support.internals import CONNECTIONS, HEARTBEAT_SECONDS, EventLoopClock, Line, Rank, Turn
from tests.support.lateness import lateness

SLUG = "imagen-4-fast"
MODEL = MODELS[SLUG]
LATENCY = MODEL.typical_latency_seconds or 0.0
ROUND_TRIP = 0.1
"""Seconds."""


JOBS = [str(uuid.UUID(int=number)) for number in range(1, 6)]
NO_TIME = 0.0
REFUSAL = ApiResponse(429, {}, b"")


def limit(line: Line, now: float, seconds: float) -> None:
    line.limit(Turn(Rank.POLL, since=now), now, seconds, REFUSAL, "GET /somewhere", "too many")


Wanted = tuple[Rank, float]
ORDERS: dict[str, tuple[list[Wanted], list[int]]] = {
    "a result before polls and submits": (
        [(Rank.SUBMIT, 100), (Rank.POLL, 100), (Rank.POLL, 100), (Rank.RESULT, 100)],
        [3, 1, 2, 0],
    ),
    "a poll before a submit": ([(Rank.SUBMIT, 100), (Rank.POLL, 100)], [1, 0]),
    "the result that expires first": ([(Rank.RESULT, 300), (Rank.RESULT, 100), (Rank.RESULT, 200)], [1, 2, 0]),
    "the poll that expires first": ([(Rank.POLL, 300), (Rank.POLL, 100), (Rank.POLL, 200)], [1, 2, 0]),
    "a result before a poll that expires earlier": ([(Rank.POLL, 10), (Rank.RESULT, 300)], [1, 0]),
    "among equals, the one that came first": ([(Rank.SUBMIT, math.inf)] * 4, [0, 1, 2, 3]),
}


async def order_of(wanted: list[Wanted], hold: Callable[[Line], Turn | None]) -> list[int]:
    """In which order turns are admitted that come to the line one after another, and wait."""
    line, clock, order = Line(connections=1), EventLoopClock(), list[int]()
    holder = hold(line)
    if holder is not None:
        await line.take_async(holder, clock)

    async def take(number: int, turn: Turn) -> None:
        await line.take_async(turn, clock)
        order.append(number)
        await trio.sleep(ROUND_TRIP)
        line.leave(turn, clock)

    async with trio.open_nursery() as nursery:
        for number, (rank, expires) in enumerate(wanted):
            nursery.start_soon(take, number, Turn(rank, since=NO_TIME, expires=expires))
            await trio.testing.wait_all_tasks_blocked()
        assert order == []
        if holder is not None:
            line.leave(holder, clock)
    return order


@pytest.mark.parametrize("held", ["by a request under way", "by a rate limit"])
@pytest.mark.parametrize(("wanted", "order"), ORDERS.values(), ids=ORDERS.keys())
def test_the_line_admits_first(wanted: list[Wanted], order: list[int], held: str) -> None:
    def hold(line: Line) -> Turn | None:
        if held == "by a request under way":
            return Turn(Rank.RESULT, since=NO_TIME)
        limit(line, trio.current_time(), 60)
        return None

    assert in_virtual_time(order_of, wanted, hold) == order


def polls(count: int, *, until: float) -> list[Turn]:
    return [Turn(Rank.POLL, since=NO_TIME, until=until, request_id=request_id) for request_id in JOBS[:count]]


async def extend_limit() -> dict[str | None, float]:
    """When each waiting turn raises RateLimited after a limit is extended beyond its time at 10 s."""
    line, clock, raised = Line(), EventLoopClock(), dict[str | None, float]()
    started = trio.current_time()

    async def take(turn: Turn) -> None:
        try:
            await line.take_async(turn, clock)
        except errors.RateLimited as error:
            raised[error.request_id] = trio.current_time() - started
        finally:
            line.leave(turn, clock)

    limit(line, started, 60)
    async with trio.open_nursery() as nursery:
        for turn in polls(5, until=started + 600):
            nursery.start_soon(take, turn)
        await trio.sleep(10)
        limit(line, trio.current_time(), 3600)
    return raised


def test_a_limit_that_is_extended_beyond_their_deadline_is_raised_for_all_waiting_turns_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    raised = in_virtual_time(extend_limit)
    assert raised == dict.fromkeys(JOBS, pytest.approx(10, abs=1))
    first, extended = (record.getMessage() for record in caplog.records)
    assert [job for job in JOBS if job in first] == []
    assert [job for job in JOBS if job in extended] == JOBS


async def cancel_while_limited(cancelled: int) -> list[float]:
    """When the other turns are admitted after the first of those that wait for the reset are cancelled."""
    line, clock, admitted = Line(), EventLoopClock(), list[float]()
    started = trio.current_time()
    scopes = [trio.CancelScope() for _ in range(cancelled + 5)]

    async def take(scope: trio.CancelScope) -> None:
        turn = Turn(Rank.POLL, since=started, until=started + 600)
        with scope:
            try:
                await line.take_async(turn, clock)
                admitted.append(trio.current_time() - started)
            finally:
                line.leave(turn, clock)

    limit(line, started, 60)
    async with trio.open_nursery() as nursery:
        for scope in scopes:
            nursery.start_soon(take, scope)
            await trio.testing.wait_all_tasks_blocked()
        for scope in scopes[:cancelled]:
            scope.cancel()
    return admitted


@pytest.mark.parametrize("cancelled", [1, 5])
def test_turns_that_are_cancelled_while_a_limit_holds_keep_no_other_waiting(cancelled: int) -> None:
    assert in_virtual_time(cancel_while_limited, cancelled) == pytest.approx([60] * 5, abs=0.01)


async def admissions_after_a_limit(seconds: float, count: int) -> list[float]:
    """When v1 calls are admitted that wait for a limit while nothing was known to pass, and then take very long."""
    line, clock, admitted = Line(), EventLoopClock(), list[float]()
    started = trio.current_time()
    turns = [Turn(Rank.SUBMIT, since=started, until=started + 600, slow=True) for _ in range(count)]

    async def take(turn: Turn) -> None:
        await line.take_async(turn, clock)
        admitted.append(trio.current_time() - started)

    limit(line, started, seconds)
    async with trio.open_nursery() as nursery:
        for turn in turns:
            nursery.start_soon(take, turn)
    return admitted


def test_a_turn_is_admitted_at_the_moment_at_which_the_limit_resets() -> None:
    assert in_virtual_time(admissions_after_a_limit, 2.5, 1) == pytest.approx([2.5], abs=0.01)


def test_a_turn_that_waits_alone_after_a_limit_is_admitted_as_soon_as_it_may_although_no_other_ends() -> None:
    # One more may be under way after each second without a 429.
    assert in_virtual_time(admissions_after_a_limit, 60, 2) == pytest.approx([60, 61], abs=0.1)


async def close_while_others_wait(limited: bool) -> list[tuple[float, str]]:
    """When each waiting turn ends, and by what, after its line is closed at 10 s."""
    line, clock, ends = Line(connections=1), EventLoopClock(), list[tuple[float, str]]()
    holder = Turn(Rank.POLL, since=NO_TIME)
    await line.take_async(holder, clock)
    started = trio.current_time()
    if limited:
        limit(line, started, 60)

    async def take() -> None:
        try:
            await line.take_async(Turn(Rank.POLL, since=started), clock)
        except errors.ClientUnusable as error:
            ends.append((trio.current_time() - started, type(error).__name__))

    with trio.move_on_after(600):
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(take)
            await trio.sleep(10)
            line.close()
    return ends


@pytest.mark.parametrize("limited", [False, True], ids=["for a connection", "for the end of a limit"])
def test_turns_that_wait_end_within_a_second_after_the_client_is_closed(limited: bool) -> None:
    assert in_virtual_time(close_while_others_wait, limited) == [(pytest.approx(10, abs=1), "ClientUnusable")] * 3


@pytest.mark.parametrize("slow", [False, True])
def test_requests_are_scarce_while_one_waits_for_a_connection(slow: bool) -> None:
    async def scarce() -> tuple[bool, bool]:
        line, clock, holder = Line(connections=1), EventLoopClock(), Turn(Rank.POLL, since=NO_TIME)
        await line.take_async(holder, clock)
        before = line.is_scarce(trio.current_time())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(line.take_async, Turn(Rank.SUBMIT, since=NO_TIME, slow=slow), clock)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
            return before, line.is_scarce(trio.current_time())

    assert in_virtual_time(scarce) == (False, True)


async def submit_while_v1_calls_wait(line: Line) -> float:
    """How long a v2 submit waits for its turn while v1 calls, all of which came before it, take all their places."""
    clock = EventLoopClock()

    async def generate() -> None:
        turn = Turn(Rank.SUBMIT, since=NO_TIME, slow=True)
        try:
            await line.take_async(turn, clock)
            await trio.sleep(LATENCY)
        finally:
            line.leave(turn, clock)

    async with trio.open_nursery() as nursery:
        for _ in range(2 * CONNECTIONS):
            nursery.start_soon(generate)
        await trio.testing.wait_all_tasks_blocked()
        started = trio.current_time()
        await line.take_async(Turn(Rank.SUBMIT, since=NO_TIME), clock)
        waited = trio.current_time() - started
        nursery.cancel_scope.cancel()
    return waited


@pytest.mark.parametrize("limited", [False, True], ids=["without a limit", "after a limit"])
def test_a_submit_does_not_wait_behind_v1_calls_that_have_no_place(limited: bool) -> None:
    async def submit() -> float:
        line = Line()
        if limited:
            limit(line, trio.current_time(), 0)
        return await submit_while_v1_calls_wait(line)

    assert in_virtual_time(submit) == 0


@pytest.mark.parametrize(("lost", "slow", "connections"), [(False, False, 1), (True, True, 2), (False, True, 1)])
def test_a_place_whose_turn_an_interrupt_has_lost_is_free_again(lost: bool, slow: bool, connections: int) -> None:
    line, clock = Line(connections), JumpingClock()
    line.take(Turn(Rank.POLL, since=clock.time, slow=lost), clock)
    gc.collect()
    clock.time += 5
    turn = Turn(Rank.POLL, since=clock.time, until=clock.time + 5, slow=slow)
    line.take(turn, clock)
    assert turn.admitted


def test_a_turn_whose_place_comes_free_just_before_it_would_wait_does_not_wait() -> None:
    line, clock = Line(connections=1), JumpingClock()
    holder = Turn(Rank.POLL, since=clock.time)
    line.take(holder, clock)

    class FreesThePlace(float):
        """A deadline: what a turn compares with the time before it waits."""

        def __le__(self, now: float) -> bool:
            line.leave(holder, clock)
            return super().__le__(now)

    turn = Turn(Rank.POLL, since=clock.time, until=FreesThePlace(math.inf))
    with lateness() as late:
        started = time.monotonic()
        line.take(turn, clock)
        seconds = time.monotonic() - started
    assert turn.admitted
    assert seconds < HEARTBEAT_SECONDS / 2 + late.seconds


def test_a_turn_that_is_interrupted_while_a_limit_holds_keeps_no_other_waiting() -> None:
    class Interrupted(JumpingClock):
        def sleep_until(self, moment: float) -> None:
            raise KeyboardInterrupt(moment)

    line, clock = Line(connections=1), JumpingClock()
    limit(line, clock.time, 60)
    first, second = (Turn(rank, since=clock.time) for rank in (Rank.RESULT, Rank.SUBMIT))
    with pytest.raises(KeyboardInterrupt):
        line.take(first, Interrupted())
    line.leave(first, clock)
    line.take(second, clock)
    assert (second.admitted, clock.time) == (True, 1_060)


class SteppedClock(JumpingClock):
    """Moves only when the test moves it; who sleeps waits for that."""

    def __init__(self) -> None:
        super().__init__()
        self.sleeping = 0
        self._changed = threading.Condition()

    def sleep_until(self, moment: float) -> None:
        with self._changed:
            self.sleeping += 1
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self.time >= moment, timeout=20)
            self.sleeping -= 1

    def move_to(self, moment: float, *, sleepers: int = 0) -> None:
        """Moves to a moment, once so many threads sleep."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.sleeping >= sleepers, timeout=20)
            self.time = moment
            self._changed.notify_all()


def test_threads_are_told_at_once_that_a_limit_was_extended_beyond_their_deadline() -> None:
    line, clock = Line(), SteppedClock()
    raised: list[tuple[str | None, float]] = []

    def take(turn: Turn) -> None:
        try:
            line.take(turn, clock)
        except errors.RateLimited as error:
            raised.append((error.request_id, clock.time))
        finally:
            line.leave(turn, clock)

    limit(line, clock.time, 60)
    threads = [threading.Thread(target=take, args=(turn,)) for turn in polls(3, until=clock.time + 600)]
    for thread in threads:
        thread.start()
    clock.move_to(1_000.5, sleepers=3)
    limit(line, clock.time, 3600)
    clock.move_to(1_002)
    for thread in threads:
        thread.join(1)
    clock.move_to(10_000)
    for thread in threads:
        thread.join(20)
    assert sorted(raised) == [(job, 1_002) for job in JOBS[:3]]
