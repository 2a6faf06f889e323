"""When a job is polled, on a clock that the test moves."""

from __future__ import annotations

import itertools
import random
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import attrs
import httpx
import pytest

from segmind_api import catalog
from segmind_api.models import JobResult
from segmind_client import AsyncClient, AsyncJob, Client
from segmind_client.errors import InferenceFailed, InferenceTimeout
from tests.support.internals import (
    DURATIONS_KEPT,
    ENOUGH,
    LONGEST,
    LONGEST_OF_ALL,
    MODELS_KEPT,
    PRICE_OF_A_POLL,
    SHORTEST,
    SPARING_SHARE,
    Call,
    Latencies,
    Pause,
    PollSchedule,
    Rank,
    Submission,
    Turn,
    best_times,
    duration,
)
from tests.support.world import FAILED, LOST, REQUEST_ID, START, SUBMITTED, Outcome, World, response, state

MODEL = attrs.evolve(next(iter(catalog.MODELS.values())), typical_latency_seconds=10)
PENDING = state("PROCESSING")


def completed(seconds: Any) -> list[Outcome]:
    return [state("COMPLETED"), response(200, {"status": "COMPLETED", "metrics": {"total_time": seconds}})]


def learned(*durations: float) -> Latencies:
    latencies = Latencies()
    for seconds in durations:
        latencies.learn(MODEL.slug, seconds)
    return latencies


def run(outcomes: Sequence[Outcome], latencies: Latencies) -> World:
    world = World([SUBMITTED, *outcomes])
    caller = attrs.evolve(world.caller(attempts=1), latencies=latencies)
    world.play(caller.run(Call(), MODEL, {"prompt": "x"}))
    return world


SUBMISSION = Submission(MODEL, START)


def wait(
    outcomes: Sequence[Outcome],
    latencies: Latencies,
    *,
    deadline: float = 600,
    interval: float | None = None,
    submission: Submission | None = SUBMISSION,
) -> World:
    world = World(list(outcomes))
    caller = attrs.evolve(world.caller(attempts=1, deadline=deadline, interval=interval), latencies=latencies)
    world.play(caller.wait(Call(), REQUEST_ID, submission))
    return world


class TestBestTimes:
    @pytest.mark.parametrize(
        ("durations", "times"),
        [
            ([], ()),
            ([8], (8,)),
            ([8, 8, 8], (8,)),
            ([9, 5, 9, 5], (5, 9)),
            ([5.0, 5.1, 5.2], (5.2,)),
            ([5, 6, 7], (5, 6, 7)),
            ([8] * 31 + [100], (8, 100)),
        ],
    )
    def test_are_computed_from_the_durations(self, durations: list[float], times: tuple[float, ...]) -> None:
        assert best_times(durations) == times

    @pytest.mark.parametrize("seed", range(20))
    def test_cost_as_little_as_the_best_of_all_choices(self, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311  has to come out the same each time
        durations = [chance.lognormvariate(1, 0.5) for _ in range(7)]

        def cost(times: tuple[float, ...]) -> float:
            found = [next(time for time in times if time >= seconds) for seconds in durations]
            polls = sum(times.index(time) + 1 for time in found)
            delays = sum((time - seconds) ** 2 for time, seconds in zip(found, durations, strict=True))
            return PRICE_OF_A_POLL * polls + delays

        *others, last = sorted(durations)
        choices = (some for count in range(7) for some in itertools.combinations(others, count))
        assert cost(best_times(durations)) == pytest.approx(min(cost((*some, last)) for some in choices))


EAGER = PollSchedule((6.0, 6.1, 8.0), at_once=True)
PATIENT = PollSchedule((6.0, 6.1, 8.0), at_once=False)
UNKNOWN = PollSchedule()
SPARING = PollSchedule((6.0,), at_once=False, late_share=SPARING_SHARE)

PAUSES = {
    "nothing is learned: at once": (EAGER, 0, 0, 0),
    "nothing is learned: after a second": (EAGER, 0, 1, 1),
    "nothing is learned: at twice the age": (EAGER, 2.5, 2, 2.5),
    "nothing is learned: no later than planned": (EAGER, 4, 3, 2),
    "learned: when the first may have ended": (PATIENT, 0, 0, 6),
    "learned: less what has passed": (PATIENT, 2.5, 0, 3.5),
    "learned: at once, if the wait begins late": (PATIENT, 7, 0, 0),
    "never too soon": (PATIENT, 6, 1, SHORTEST),
    "never too long while jobs end": (PATIENT, 6.25, 2, LONGEST),
    "at the next of the times": (PATIENT, 7.5, 3, 0.5),
    "after the last of the times": (PATIENT, 8, 4, LONGEST),
    "a share of a greater age": (PATIENT, 30, 20, 1.5),
    "within a bound": (PATIENT, 300, 20, LONGEST_OF_ALL),
    "unknown: at once": (UNKNOWN, 0, 0, 0),
    "unknown: then as of a job that is late": (UNKNOWN, 0, 1, LONGEST),
    "unknown: a share of a greater age": (UNKNOWN, 30, 1, 1.5),
    "while requests are scarce: when the first may have ended": (SPARING, 0, 0, 6),
    "while requests are scarce: a greater share of the age": (SPARING, 8, 1, 2),
    "while requests are scarce: without a bound": (SPARING, 300, 5, 75),
}


@pytest.mark.parametrize(("schedule", "age", "polls", "seconds"), PAUSES.values(), ids=PAUSES.keys())
def test_a_schedule_gives_the_next_pause(schedule: PollSchedule, age: float, polls: int, seconds: float) -> None:
    assert schedule.pause(age, polls) == pytest.approx(seconds)


DURATIONS: dict[str, tuple[Any, float]] = {
    "as the metrics say": ({"total_time": 7}, 7),
    "no less than an age at which it was pending": ({"total_time": 0.007}, 6),
    "no more than an age at which it had ended": ({"total_time": 7000}, 8),
    "half way, if the metrics do not say": ({}, 7),
    "half way, if there are no metrics": (None, 7),
    "half way, if what they say is no number": ({"total_time": "7 s"}, 7),
}


@pytest.mark.parametrize(("metrics", "seconds"), DURATIONS.values(), ids=DURATIONS.keys())
def test_the_duration_of_a_job_is_estimated_from_its_metrics_and_its_polls(metrics: Any, seconds: float) -> None:
    assert duration(JobResult({"metrics": metrics}), pending=6, ended=8) == seconds


class TestLatencies:
    def test_are_not_learned_from_a_few_jobs_alone(self) -> None:
        times = learned(*[100] * (ENOUGH - 1)).schedule(MODEL).times
        assert min(times) < 10 < 100 < max(times)
        assert learned(*[100] * ENOUGH).schedule(MODEL).times == (100,)

    def test_of_a_model_without_a_typical_latency_are_unknown_until_enough_jobs_have_ended(self) -> None:
        model = attrs.evolve(MODEL, typical_latency_seconds=None)
        assert learned(*[5] * (ENOUGH - 1)).schedule(model) == PollSchedule()
        assert learned(*[5] * ENOUGH).schedule(model).times == (5,)

    @pytest.mark.parametrize("sparing", [False, True])
    @pytest.mark.parametrize(
        ("durations", "first"),
        [
            ([300], 16),
            ([300, 5], 16),
            ([300, 5, 5, 5], 16),
            ([12], 12),
            ([5, 5], 5),
            ([300, 290, 310], 310),
            ([20, 300, 20, 20], 32),
        ],
    )
    def test_let_one_slow_job_hold_up_no_others(self, durations: list[float], first: float, sparing: bool) -> None:
        latencies = learned(*durations)
        plan, _other = latencies.plan(MODEL), latencies.plan(MODEL)
        assert plan.pause(0, 0, sparing=sparing) == first

    def test_keep_the_last_durations_of_each_model(self) -> None:
        assert learned(*[50] * 100, *[5] * DURATIONS_KEPT).schedule(MODEL).times == (5,)
        assert learned(*[50] * 100, *[5] * (DURATIONS_KEPT - 1)).schedule(MODEL).times == (5, 50)

    def test_of_one_model_say_nothing_about_another(self) -> None:
        other = attrs.evolve(MODEL, slug="other")
        assert learned(*[50] * ENOUGH).schedule(other) == Latencies().schedule(other)

    def test_forget_the_model_that_was_learned_of_longest_ago(self) -> None:
        latencies = learned(*[50] * ENOUGH)
        second = attrs.evolve(MODEL, slug="0")
        for slug in range(MODELS_KEPT - 1):
            for _ in range(ENOUGH):
                latencies.learn(str(slug), 5)
        latencies.learn(MODEL.slug, 50)
        latencies.learn("one more", 5)
        assert latencies.schedule(MODEL).times == (50,)
        assert latencies.schedule(second) == Latencies().schedule(second)

    def test_learned_by_several_threads_are_all_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def let_others_run(maxlen: int) -> deque[float]:
            time.sleep(0.001)
            return deque(maxlen=maxlen)

        monkeypatch.setattr("segmind_client.polling.deque", let_others_run)
        latencies = Latencies()
        with ThreadPoolExecutor(ENOUGH) as threads:
            list(threads.map(latencies.learn, [MODEL.slug] * ENOUGH, [5] * ENOUGH))
        assert latencies.schedule(MODEL).times == (5,)


class TestWaiting:
    def test_a_first_job_that_ends_at_once_is_not_waited_for(self) -> None:
        assert run(completed(0), Latencies()).pauses == []

    @pytest.mark.parametrize("seconds", [0, 0.5])
    def test_further_jobs_that_end_at_once_are_not_waited_for(self, seconds: float) -> None:
        latencies = Latencies()
        assert [run(completed(seconds), latencies).pauses for _ in range(2 * ENOUGH)] == [[]] * (2 * ENOUGH)

    def test_a_first_job_is_polled_more_often_about_its_typical_latency(self) -> None:
        ages = list(itertools.accumulate(run([PENDING] * 9 + completed(10), Latencies()).pauses))
        assert ages[:5] == [1, 2, 4, 6, pytest.approx(6.8)]

    def test_a_second_job_is_first_polled_when_it_may_have_ended(self) -> None:
        assert run(completed(10), learned(10)).pauses == [6]

    def test_jobs_are_first_polled_when_those_before_them_had_ended(self) -> None:
        latencies = learned(*[20] * ENOUGH)
        assert run(completed(20), latencies).pauses == [20]

    def test_durations_are_learned_from_the_metrics(self) -> None:
        latencies = Latencies()
        for _ in range(ENOUGH):
            wait([PENDING, *completed(3.5)], latencies, interval=5)
        assert run(completed(3.5), latencies).pauses == [3.5]

    def test_durations_of_less_than_a_second_are_learned_as_they_are(self) -> None:
        latencies = Latencies()
        for _ in range(ENOUGH):
            wait(completed(0.4), latencies, submission=Submission(MODEL, START - 5))
        assert run(completed(0.4), latencies).pauses == pytest.approx([0.4])

    def test_durations_are_learned_from_the_polls_where_there_are_no_metrics(self) -> None:
        latencies = Latencies()
        for _ in range(ENOUGH):
            wait([PENDING, PENDING, *completed(None)], latencies, interval=5)
        assert run(completed(None), latencies).pauses == [7.5]

    def test_a_job_is_known_to_be_pending_when_its_poll_is_sent_however_late_the_response_is(self) -> None:
        world, latencies = World([]), Latencies()
        caller = attrs.evolve(world.caller(), latencies=latencies)
        flow = caller.wait(Call(), REQUEST_ID, Submission(MODEL, START))
        next(flow)
        world.time += 3
        step = flow.send(PENDING)
        while isinstance(step, Pause):
            world.time += step.seconds
            step = next(flow)
        flow.send(state("COMPLETED"))
        with pytest.raises(StopIteration):
            flow.send(response(200, {"request_id": REQUEST_ID, "status": "COMPLETED", "metrics": {"total_time": 2}}))
        assert latencies.remaining(MODEL, 0) == 2

    def test_a_poll_that_failed_says_nothing_of_the_job(self) -> None:
        latencies = Latencies()
        for _ in range(ENOUGH):
            wait([PENDING, LOST, *completed(None)], latencies, interval=5)
        assert run(completed(None), latencies).pauses == [5]

    def test_nothing_is_learned_from_a_job_that_failed(self) -> None:
        latencies = Latencies()
        with pytest.raises(InferenceFailed):
            wait([FAILED], latencies)
        assert latencies.schedule(MODEL) == Latencies().schedule(MODEL)

    def test_an_interval_is_kept_whatever_was_learned(self) -> None:
        assert wait([PENDING, PENDING, *completed(9)], learned(*[20] * ENOUGH), interval=0.1).pauses == pytest.approx(
            [0.1, 0.1]
        )

    def test_a_job_that_was_submitted_long_ago_is_polled_at_once(self) -> None:
        assert wait(completed(20), learned(*[20] * ENOUGH), submission=Submission(MODEL, START - 30)).pauses == []

    def test_a_job_that_was_submitted_a_while_ago_is_polled_when_those_before_it_had_ended(self) -> None:
        assert wait(completed(20), learned(*[20] * ENOUGH), submission=Submission(MODEL, START - 5)).pauses == [15]

    def test_a_job_of_an_unknown_model_is_polled_at_once_and_then_steadily(self) -> None:
        world = wait([PENDING, PENDING, *completed(2)], learned(*[20] * ENOUGH), submission=None)
        assert world.pauses == pytest.approx([LONGEST, LONGEST])

    @pytest.mark.parametrize(("deadline", "pauses"), [(0, []), (5, [5]), (20.5, [20, 0.5])])
    def test_the_last_poll_comes_at_the_deadline(self, deadline: float, pauses: list[float]) -> None:
        polls = [PENDING] * (len(pauses) - 1) + completed(5)
        assert wait(polls, learned(*[20] * ENOUGH), deadline=deadline).pauses == pauses

    def test_no_poll_comes_after_the_deadline(self) -> None:
        with pytest.raises(InferenceTimeout):
            wait([PENDING, PENDING], learned(*[20] * ENOUGH), deadline=20.5)

    def test_the_deadline_counts_from_the_start_of_the_wait(self) -> None:
        world = wait([PENDING] * 5 + completed(0), Latencies(), deadline=5, interval=1, submission=Submission(MODEL, 0))
        assert world.pauses == [1] * 5

    def test_a_job_whose_next_update_nobody_waits_for_keeps_no_other_waiting(self) -> None:
        latencies, world = Latencies(), World([PENDING])
        caller = attrs.evolve(world.caller(), latencies=latencies)
        watch = caller.watch(REQUEST_ID, SUBMISSION)
        update = world.play(caller.update(watch))
        assert run(completed(0), latencies).pauses == []
        assert update is not None
        assert (update.status, watch.state) == ("PROCESSING", "PROCESSING")

    def test_a_job_that_waits_while_requests_are_scarce_looks_every_five_seconds_whether_they_still_are(self) -> None:
        caller = attrs.evolve(World([]).caller(), latencies=learned(20))
        refused = Turn(Rank.POLL, since=START)
        caller.line.limit(refused, START - 70, 60, response(429), "GET /somewhere", "too many")
        step = next(caller.wait(Call(), REQUEST_ID, SUBMISSION))
        assert step == Pause(5)

    def test_a_job_of_minutes_costs_fewer_polls_than_one_every_two_seconds_would(self) -> None:
        schedule = learned(*[8] * DURATIONS_KEPT).schedule(MODEL)
        age, polls = 0.0, 0
        while age < 300:
            age += schedule.pause(age, polls)
            polls += 1
        assert polls < 170


@attrs.define
class Service:
    """Jobs of 20 seconds, on a clock that pauses move."""

    time: float = START
    submitted: float = START
    pauses: list[float] = attrs.field(factory=list[float])

    def serve(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            self.submitted = self.time
        status = "COMPLETED" if self.time >= self.submitted + 20 else "PROCESSING"
        return httpx.Response(200, json={"request_id": "id", "status": status, "metrics": {"total_time": 20}})

    def monotonic(self) -> float:
        return self.time

    def sleep_until(self, moment: float) -> None:
        self.pauses.append(moment - self.time)
        self.time = moment

    async def sleep_until_async(self, moment: float) -> None:
        self.sleep_until(moment)


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    transport = httpx.MockTransport(service.serve)
    with Client("key", base_url="https://service.example", transport=transport, clock=service) as client:
        yield client


def test_the_jobs_of_one_client_learn_from_each_other(service: Service, client: Client) -> None:
    for _ in range(ENOUGH - 1):
        client.run_model(MODEL.slug, {"prompt": "x"})
    client.submit_model(MODEL.slug, {"prompt": "x"}).wait()
    service.pauses.clear()
    client.submit_model(MODEL.slug, {"prompt": "x"}).wait()
    assert service.pauses == [20]


def test_the_jobs_of_one_async_client_learn_from_each_other(service: Service) -> None:
    async def use() -> None:
        transport = httpx.MockTransport(service.serve)
        base_url = "https://service.example"
        async with AsyncClient("key", base_url=base_url, transport=transport, clock=service) as client:
            for _ in range(ENOUGH - 1):
                await client.run_model(MODEL.slug, {"prompt": "x"})
            await (await client.submit_model(MODEL.slug, {"prompt": "x"})).wait()
            service.pauses.clear()
            await (await client.submit_model(MODEL.slug, {"prompt": "x"})).wait()

    anyio.run(use)
    assert service.pauses == [20]


def test_the_vendors_wait_polls_at_the_vendors_interval(service: Service, client: Client) -> None:
    for _ in range(ENOUGH):
        client.run_model(MODEL.slug, {"prompt": "x"})
    service.pauses.clear()
    AsyncJob(client.submit_model(MODEL.slug, {"prompt": "x"})).wait()
    assert service.pauses == [1] * 20
