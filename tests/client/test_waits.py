"""Waiting for a job: which errors of its polls end the wait, and with which error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import pytest

from segmind_client import JobUpdate
from segmind_client.errors import (
    BadGateway,
    InferenceFailed,
    InferenceTimeout,
    InvalidParameter,
    RateLimited,
    StatusError,
    UnreadableResponse,
)
from tests.support.internals import Call, Flow, Pause, Submission
from tests.support.world import (
    FAILED,
    HTML,
    LOST,
    MODEL,
    NOT_SENT,
    OTHER_REQUEST_ID,
    REQUEST_ID,
    RESULT,
    START,
    SUBMITTED,
    Outcome,
    World,
    refused,
    response,
    state,
)


def test_a_run_submits_polls_and_fetches_by_the_request_id_alone() -> None:
    world = World([SUBMITTED, state("QUEUED"), state("PROCESSING"), state("COMPLETED"), RESULT])
    result = world.play(world.caller(interval=1).run(Call(), MODEL, {"prompt": "x"}))
    assert result["output"] == "https://images.example/a.png"
    polls = f"GET /v2/requests/{REQUEST_ID}/status"
    assert world.sent == [f"POST {MODEL.submit_path}", polls, polls, polls, f"GET /v2/requests/{REQUEST_ID}"]
    assert world.pauses == [1, 1]


def test_the_age_of_a_job_counts_from_the_response_to_its_submit_and_not_from_the_first_attempt() -> None:
    updates: list[JobUpdate] = []
    world = World([refused(503, retry_after="60"), SUBMITTED, state("COMPLETED"), RESULT])
    world.play(world.caller(on_update=updates.append).run(Call(), MODEL, {"prompt": "x"}))
    assert (world.pauses, [update.elapsed for update in updates]) == ([60], [0])


def test_no_time_remains_for_a_job_that_has_completed_earlier_than_its_model_typically_does() -> None:
    updates: list[JobUpdate] = []
    world = World([SUBMITTED, state("COMPLETED"), RESULT])
    world.play(world.caller(on_update=updates.append).run(Call(), MODEL, {"prompt": "x"}))
    assert [update.remaining for update in updates] == [0]


def test_a_wait_that_goes_well_logs_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    world = World([SUBMITTED, state("COMPLETED"), RESULT])
    world.play(world.caller().run(Call(), MODEL, {"prompt": "x"}))
    assert caplog.records == []


def wait_through(outcomes: Sequence[Outcome], **options: Any) -> World:
    world = World(list(outcomes))
    world.play(world.caller(**{"attempts": 1, "interval": 1, **options}).wait(Call(), REQUEST_ID))
    return world


def test_a_second_job_of_a_model_of_which_nothing_is_known_looks_again_soon_whether_the_first_has_ended() -> None:
    caller = World([]).caller()
    flows = [caller.wait(Call(), request_id, Submission(MODEL, START)) for request_id in (REQUEST_ID, OTHER_REQUEST_ID)]
    _, step = (next(flow) for flow in flows)
    assert isinstance(step, Pause)
    assert 0 < step.seconds < 0.2


TROUBLE = {
    "a bad gateway": [refused(502)],
    "a lost response": [LOST],
    "a refused connection": [NOT_SENT],
    "a page instead of JSON": [HTML],
    "several in a row": [refused(500), LOST, HTML, NOT_SENT],
    "a state that nobody knows": [state("PAUSED")],
    "a status that is no text": [response(200, {"status": 7})],
    "a status that is a list": [response(200, {"status": ["COMPLETED"]})],
    "no status": [response(200, {"request_id": REQUEST_ID})],
}


@pytest.mark.parametrize("outcomes", TROUBLE.values(), ids=TROUBLE.keys())
def test_a_transient_error_of_a_poll_does_not_end_the_wait(outcomes: list[Outcome]) -> None:
    wait_through([*outcomes, state("COMPLETED"), RESULT])


@pytest.mark.parametrize(("chance", "pauses"), [(1.0, [1, 2, 4]), (0.0, [0.1] * 3)])
def test_polls_that_fail_are_retried_with_backoff_of_at_least_the_interval(chance: float, pauses: list[float]) -> None:
    world = World([LOST, LOST, LOST, state("COMPLETED"), RESULT])
    caller = attrs.evolve(world.caller(attempts=1, interval=0.1), chance=lambda: chance)
    world.play(caller.wait(Call(), REQUEST_ID))
    assert world.pauses == pytest.approx(pauses)


@pytest.mark.parametrize("outcomes", TROUBLE.values(), ids=TROUBLE.keys())
def test_a_transient_error_of_a_poll_does_not_end_the_updates(outcomes: list[Outcome]) -> None:
    world = World([*outcomes, state("COMPLETED")])
    caller = world.caller(attempts=1, interval=1)
    watch = caller.watch(REQUEST_ID, None)

    def last_update() -> Flow[str]:
        status = ""
        while (update := (yield from caller.update(watch))) is not None:
            status = update.status
        return status

    assert world.play(last_update()) == "COMPLETED"


def test_a_status_that_cannot_be_read_is_why_a_wait_did_not_end() -> None:
    with pytest.raises(InferenceTimeout, match=r"the last response: .* is missing status") as raised:
        wait_through([response(200, {"request_id": REQUEST_ID})] * 2, deadline=1)
    assert raised.value.request_id == REQUEST_ID
    assert isinstance(raised.value.__cause__, UnreadableResponse)
    assert raised.value.__cause__.request_id == REQUEST_ID


@pytest.mark.parametrize("outcome", [LOST, NOT_SENT, HTML, refused(502)], ids=["lost", "not sent", "a page", "502"])
def test_a_result_that_does_not_come_is_fetched_again_without_another_poll(outcome: Outcome) -> None:
    world = wait_through([state("COMPLETED"), outcome, outcome, RESULT])
    assert world.sent == [f"GET /v2/requests/{REQUEST_ID}/status", *[f"GET /v2/requests/{REQUEST_ID}"] * 3]
    assert world.pauses == [1, 2]


def test_a_result_that_does_not_come_before_the_deadline_is_said_to_be_there() -> None:
    with pytest.raises(
        InferenceTimeout, match="the job has completed, but its result was not fetched within 2 s"
    ) as raised:
        wait_through([state("COMPLETED"), LOST, LOST, LOST], deadline=2)
    assert raised.value.elapsed_s == 2


@pytest.mark.parametrize("attempts", [1, 4])
def test_a_rate_limit_of_a_poll_is_waited_for(attempts: int) -> None:
    polls = [refused(429, retry_after="120"), state("QUEUED"), state("COMPLETED"), RESULT]
    world = wait_through(polls, attempts=attempts, retry_seconds=60)
    assert world.pauses == [120, 1]


def test_a_rate_limit_of_a_poll_that_resets_after_the_deadline_ends_the_wait_at_once() -> None:
    world = World([refused(429, retry_after="120")])
    with pytest.raises(InferenceTimeout, match=r"the rate limit resets in 120\.0 s") as raised:
        world.play(world.caller(deadline=50).wait(Call(), REQUEST_ID))
    assert raised.value.detail.startswith("the rate limit lets no request about the job through within 50 s")
    assert isinstance(raised.value.__cause__, RateLimited)
    assert (raised.value.request_id, raised.value.elapsed_s, world.pauses) == (REQUEST_ID, 0, [])


def test_a_wait_has_one_deadline_for_all_its_polls() -> None:
    with pytest.raises(InferenceTimeout, match=r"the rate limit resets in 7\.0 s") as raised:
        wait_through([state("QUEUED"), refused(429, retry_after="7")], interval=5, deadline=10)
    assert raised.value.elapsed_s == 5


def test_a_rate_limit_whose_end_nobody_names_does_not_end_a_wait_before_its_deadline() -> None:
    world = wait_through([refused(429), refused(429), state("COMPLETED"), RESULT], deadline=2.5)
    assert world.pauses == [1, 1.5]


def test_the_last_wait_for_a_rate_limit_may_be_shorter_than_a_second() -> None:
    world = wait_through([refused(429), refused(429), state("COMPLETED"), RESULT], deadline=1.75)
    assert world.pauses == [1, 0.75]


def test_a_rate_limit_whose_end_nobody_names_ends_a_wait_at_its_deadline() -> None:
    with pytest.raises(InferenceTimeout, match=r"the rate limit lets no request .* within 2\.5 s") as raised:
        wait_through([refused(429)] * 3, deadline=2.5)
    assert raised.value.elapsed_s == 2.5


def test_a_failed_job_says_why_and_keeps_what_the_service_sent() -> None:
    with pytest.raises(InferenceFailed) as raised:
        wait_through([state("PROCESSING"), FAILED])
    assert str(raised.value).startswith("the job failed: blocked; nothing was charged")
    assert str(raised.value).endswith(f"(request {REQUEST_ID})")
    assert raised.value.detail == "blocked"
    assert raised.value.status_body["status"] == "FAILED"
    assert (raised.value.request_id, raised.value.status) == (REQUEST_ID, 422)


def test_a_failed_job_that_is_reported_with_another_http_status_has_failed() -> None:
    with pytest.raises(InferenceFailed, match="blocked") as raised:
        wait_through([response(200, {"status": "FAILED", "error": "blocked"})])
    assert raised.value.request_id == REQUEST_ID


def test_a_failed_job_whose_error_is_no_text_has_failed_without_a_reason() -> None:
    with pytest.raises(InferenceFailed) as raised:
        wait_through([response(422, {"status": "FAILED", "error": {"code": 7}})])
    assert (raised.value.detail, raised.value.request_id) == ("", REQUEST_ID)
    assert raised.value.status_body["error"] == {"code": 7}


@pytest.mark.parametrize(("deadline", "interval"), [(-1, 1), (1, -1), (float("inf"), 1), (1, float("nan"))])
def test_a_deadline_or_interval_that_makes_no_sense_is_refused(deadline: float, interval: float) -> None:
    with pytest.raises(InvalidParameter):
        World([]).caller(deadline=deadline, interval=interval)


@pytest.mark.parametrize("status", [401, 404])
def test_a_poll_that_is_refused_for_good_names_the_job(status: int) -> None:
    with pytest.raises(StatusError, match=REQUEST_ID):
        wait_through([refused(status)])


def test_a_deadline_ends_the_wait_with_the_id_of_the_job_and_the_last_error() -> None:
    with pytest.raises(InferenceTimeout) as raised:
        wait_through([state("QUEUED"), state("QUEUED"), refused(502)], deadline=1.5)
    assert (raised.value.request_id, raised.value.elapsed_s) == (REQUEST_ID, 1.5)
    assert isinstance(raised.value.__cause__, BadGateway)
    assert "the job did not end within 1.5 s (the last response: 502 from the service: no" in raised.value.detail
    assert "pick it up" in raised.value.detail


@pytest.mark.parametrize("name", ["QUEUED", "PAUSED"])
def test_a_deadline_that_ends_a_wait_without_an_error_says_the_last_state_of_the_job(name: str) -> None:
    with pytest.raises(InferenceTimeout, match=f"did not end within 1 s; its last state was {name}; pick it up"):
        wait_through([state("PROCESSING"), state(name)], deadline=1)


def test_a_deadline_of_nothing_still_polls_once() -> None:
    wait_through([state("COMPLETED"), RESULT], deadline=0)


def test_an_unreadable_result_is_an_error_with_the_response_in_it() -> None:
    world = World([HTML])
    with pytest.raises(UnreadableResponse) as raised:
        world.play(world.caller().result(REQUEST_ID))
    assert (raised.value.response, raised.value.request_id) == (HTML, REQUEST_ID)
