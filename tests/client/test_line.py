"""The line in which the requests of a client wait: places, order, interrupts, and the rate limit."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from segmind_client.errors import ClientUnusable, NotSent, RateLimited
from tests.support.clock import PauseClock
from tests.support.internals import CONNECTIONS, RESERVED, Call, Line, Rank, Submission, SystemClock, Turn
from tests.support.world import (
    MODEL,
    OTHER_REQUEST_ID,
    REQUEST_ID,
    START,
    SUBMITTED,
    World,
    refused,
    response,
    state,
)

PROMPT = {"prompt": "x"}


class TestLine:
    def test_keeps_places_for_polls_while_images_take_all_their_time(self) -> None:
        line, clock = Line(), PauseClock()
        turns = [Turn(Rank.SUBMIT, since=0, slow=True) for _ in range(CONNECTIONS - RESERVED)]
        for turn in turns:
            line.take(turn, clock)
        assert self.admits(line, clock, slow=False) == RESERVED
        assert clock.now() == 0

    @staticmethod
    def admits(line: Line, clock: PauseClock, *, slow: bool) -> int:
        """How many requests are admitted at the same moment."""
        turns: list[Turn] = []
        with suppress(NotSent):
            for _ in range(1_000):
                turns.append(Turn(Rank.POLL, since=clock.now(), until=clock.now(), slow=slow))
                line.take(turns[-1], clock)
        for turn in turns:
            line.leave(turn, clock)
        return len(turns) - 1

    @pytest.mark.parametrize(("slow", "count"), [(False, 100), (True, 90)])
    def test_admits_a_hundred_requests_at_the_same_time_of_which_ninety_wait_for_images(
        self, slow: bool, count: int
    ) -> None:
        assert self.admits(Line(), PauseClock(), slow=slow) == count

    @pytest.mark.parametrize(("connections", "count"), [(1, 1), (2, 1), (12, 2)])
    def test_of_few_connections_leaves_one_at_least_for_images(self, connections: int, count: int) -> None:
        assert self.admits(Line(connections), PauseClock(), slow=True) == count

    @pytest.mark.parametrize(
        ("passed", "seconds", "slow", "count"),
        [
            *((30, 60, False, 3), (30, 119, False, 3), (30, 120, False, 100)),
            *((30, 60, True, 30), (20, 61, True, 40), (20, 62, True, 80), (30, 119, True, 90), (30, 120, True, 90)),
            *((0, 60, False, 1), (0, 60, True, 1), (9, 60, False, 1), (10, 60, False, 1), (1_000, 60, False, 100)),
        ],
    )
    def test_admits_about_as_many_as_passed_before_for_a_minute_after_a_limit_has_reset(
        self, passed: int, seconds: float, slow: bool, count: int
    ) -> None:
        line, clock = Line(), PauseClock()
        for _ in range(passed):
            line.passed(Turn(Rank.POLL, since=0), 0)
        line.limit(Turn(Rank.POLL, since=0), 0, 60, refused(429), "GET /somewhere", "too many")
        clock.sleep_until(seconds)
        assert self.admits(line, clock, slow=slow) == count

    def test_counts_what_is_under_way_when_a_limit_is_met_and_nothing_of_the_window_before(self) -> None:
        line, clock = Line(), PauseClock()
        turns = [Turn(Rank.SUBMIT, since=0) for _ in range(5)]
        for turn in turns:
            line.take(turn, clock)
        line.passed(turns[0], 0)
        line.limit(turns[1], 0, 60, refused(429), "POST /v2/any", "too many")
        for turn in turns:
            line.leave(turn, clock)
        clock.sleep_until(60)
        assert self.admits(line, clock, slow=True) == 6
        line.limit(turns[0], 60, 60, refused(429), "POST /v2/any", "too many")
        clock.sleep_until(120)
        assert self.admits(line, clock, slow=True) == 1

    def test_counts_one_less_for_each_request_under_way_that_the_same_limit_refuses(self) -> None:
        line, clock = Line(), PauseClock()
        for opened, count in ((0, 5), (60, 4)):
            turns = [Turn(Rank.SUBMIT, since=opened, slow=True) for _ in range(count)]
            for turn in turns:
                line.take(turn, clock)
            for turn in turns[:2]:
                line.limit(turn, opened, 60, refused(429), "POST /v1/any", "too many")
            for turn in turns:
                line.leave(turn, clock)
            clock.sleep_until(opened + 60)
            assert self.admits(line, clock, slow=True) == count - 1

    def test_says_when_the_limit_resets_although_a_later_429_names_an_earlier_time(self) -> None:
        line, turn = Line(), Turn(Rank.POLL, since=0, until=10)
        line.limit(Turn(Rank.POLL, since=0), 0, 60, refused(429), "GET /somewhere", "too many")
        line.limit(turn, 1, 1, refused(429), "GET /somewhere", "too many")
        with pytest.raises(RateLimited, match=r"resets in 59\.0 s"):
            line.check(turn, 1)

    def test_warns_of_a_limit_with_the_logger_of_the_package(self, caplog: pytest.LogCaptureFixture) -> None:
        Line().limit(Turn(Rank.POLL, since=0), 0, 60, refused(429), "GET /somewhere", "too many")
        assert [(record.name, record.levelname) for record in caplog.records] == [("segmind_client", "WARNING")]

    @pytest.mark.parametrize(
        ("count", "named"),
        [
            (0, ""),
            (1, "; too late for the jobs job-1"),
            (20, f"; too late for the jobs {', '.join(f'job-{number}' for number in range(1, 21))}"),
            (22, f"; too late for the jobs {', '.join(f'job-{number}' for number in range(1, 21))} and 2 more"),
        ],
    )
    def test_names_the_first_twenty_jobs_that_a_limit_is_too_late_for(
        self, caplog: pytest.LogCaptureFixture, count: int, named: str
    ) -> None:
        line, clock = Line(), PauseClock()
        turns = [Turn(Rank.POLL, since=0, until=10, request_id=f"job-{number}") for number in range(1, count + 1)]
        for turn in turns:
            line.take(turn, clock)
        refused_turn = turns[0] if turns else Turn(Rank.SUBMIT, since=0, until=10)
        line.limit(refused_turn, 0, 60, refused(429), "GET /somewhere", "too many")
        assert caplog.messages[0].endswith(f": it resets in 60.0 s{named}")

    def test_waits_for_a_place_until_the_deadline_without_a_busy_loop(self) -> None:
        class CountingClock(SystemClock):
            looks = 0

            def monotonic(self) -> float:
                self.looks += 1
                return super().monotonic()

        line, clock, holder = Line(connections=1), CountingClock(), Turn(Rank.POLL, since=0)
        line.take(holder, clock)
        started = clock.monotonic()
        with pytest.raises(NotSent, match="no connection came free"):
            line.take(Turn(Rank.POLL, since=started, until=started + 1.2), clock)
        assert 1.2 <= clock.monotonic() - started < 1.9
        assert clock.looks < 20

    def test_looks_every_second_whether_a_limit_still_holds(self) -> None:
        line, clock = Line(), PauseClock()
        line.limit(Turn(Rank.POLL, since=0), 0, 60, refused(429), "GET /somewhere", "too many")
        line.take(Turn(Rank.POLL, since=0), clock)
        assert clock.pauses == [1] * 60

    def test_holds_other_requests_for_two_minutes_at_most(self) -> None:
        line, clock = Line(), PauseClock()
        refused_turn = Turn(Rank.SUBMIT, since=0, patience=600)
        line.limit(refused_turn, 0, 36_000, refused(429), "POST /v2/any", "a daily limit")
        with pytest.raises(RateLimited, match=r"36000\.0 s"):
            line.check(refused_turn, 0)
        line.take(Turn(Rank.POLL, since=0, until=600), clock)
        assert clock.now() == 120

    def test_says_when_the_limit_resets_that_was_met_last(self) -> None:
        line, turn = Line(), Turn(Rank.POLL, since=200, until=210)
        line.limit(Turn(Rank.POLL, since=0), 0, 3_600, refused(429), "GET /somewhere", "a daily limit")
        line.limit(turn, 200, 60, refused(429), "GET /somewhere", "too many")
        with pytest.raises(RateLimited, match=r"too many .* resets in 60\.0 s"):
            line.check(turn, 200)

    def test_of_a_closed_client_admits_nobody(self) -> None:
        line, clock = Line(), PauseClock()
        line.limit(Turn(Rank.POLL, since=0), 0, 60, refused(429), "GET", "too many")
        line.close()
        with pytest.raises(ClientUnusable, match="closed"):
            line.take(Turn(Rank.POLL, since=0, until=600), clock)

    def test_polls_that_pass_do_not_prolong_the_wait_of_a_refused_submit(self) -> None:
        line = Line()
        submit, poll = Turn(Rank.SUBMIT, since=0, patience=3), Turn(Rank.POLL, since=0)
        for second in range(3):
            line.passed(poll, second)
            line.limit(submit, second, 1, refused(429), "POST /v2/any", "too many")
            line.check(submit, second)
        line.limit(submit, 3, 1, refused(429), "POST /v2/any", "too many")
        with pytest.raises(RateLimited):
            line.check(submit, 3)


def test_a_submit_waits_for_a_limit_beyond_its_deadline_while_others_of_its_model_pass() -> None:
    world = World([SUBMITTED])
    caller = world.caller(deadline=10)
    submit = caller.submit(Call(), MODEL, PROMPT)
    next(submit)
    world.time += 8
    world.play(caller.submit(Call(), MODEL, PROMPT))
    step: Any = submit.send(refused(429, retry_after="5"))
    assert step.request.path == MODEL.submit_path


def test_a_poll_uses_the_half_second_after_its_deadline_for_a_limit_while_polls_of_other_jobs_pass() -> None:
    world = World([response(200, {"request_id": OTHER_REQUEST_ID, "status": "QUEUED"})])
    caller = world.caller(deadline=10)
    poll = caller.status(REQUEST_ID)
    next(poll)
    world.time += 8
    world.play(caller.status(OTHER_REQUEST_ID))
    step: Any = poll.send(refused(429, retry_after="2.25"))
    assert step.turn.request_id == REQUEST_ID


def test_only_a_v1_call_leaves_places_for_others() -> None:
    caller = World([]).caller()
    flows = (caller.generate(Call(), MODEL, PROMPT), caller.submit(Call(), MODEL, PROMPT), caller.result(REQUEST_ID))
    steps: list[Any] = [next(flow) for flow in flows]
    assert [step.turn.slow for step in steps] == [True, False, False]


def test_the_last_request_about_a_job_waits_half_a_second_longer_for_its_turn_than_the_deadline() -> None:
    step: Any = next(World([]).caller().result(REQUEST_ID, until=START + 5))
    assert (step.turn.until, step.until) == (START + 5.5, START + 5)


@pytest.mark.parametrize(
    ("age", "deadline", "expires"), [(0, 900, 900), (3000, 900, 600), (3000, 600, 600), (3000, 500, 500)]
)
def test_a_poll_and_a_result_are_of_use_until_the_deadline_or_until_the_service_forgets_the_job(
    age: float, deadline: float, expires: float
) -> None:
    world = World([])
    caller = world.caller(deadline=deadline, interval=1)
    flow = caller.wait(Call(), REQUEST_ID, Submission(MODEL, START - age))
    poll: Any = next(flow)
    world.time += 7
    result: Any = flow.send(state("COMPLETED"))
    assert [(step.turn.expires, step.until) for step in (poll, result)] == [(START + expires, START + deadline)] * 2
