"""What the client sends next, as tables: no server, no socket, and a clock that the test moves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

import attrs
import pytest

from segmind_api.catalog import MODELS, Model
from segmind_api.headers import ResponseHeaders
from segmind_api.types import ApiResponse
from segmind_client.errors import (
    BadGateway,
    BadRequest,
    ConnectionLost,
    InferenceFailed,
    InferenceTimeout,
    InvalidParameter,
    MayHaveBeenAccepted,
    NotFound,
    NotSent,
    RateLimited,
    SegmindError,
    ServerError,
    StatusError,
    Unauthorized,
    UnreadableAnswer,
)
from segmind_client.flows import Caller, Clocks, Flow, Pause, T
from segmind_client.options import Options

START = 1_000.0
UTC_START = 1_800_000_000.0
REQUEST_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
MODEL = next(iter(MODELS.values()))

Outcome = ApiResponse | SegmindError


@attrs.define
class World:
    """Plays the service, the network and the clock for one flow."""

    outcomes: list[Outcome]
    now: float = START
    sent: list[str] = attrs.field(factory=list[str])
    pauses: list[float] = attrs.field(factory=list[float])

    def caller(self, **options: Any) -> Caller:
        clocks = Clocks(monotonic=lambda: self.now, utc=lambda: UTC_START + self.now - START, chance=lambda: 1.0)
        return Caller(Options(**options), clocks=clocks)

    def play(self, flow: Flow[T]) -> T:
        """Carries the flow out; a flow that sends more than there are outcomes fails the test."""
        try:
            step = next(flow)
            while True:
                if isinstance(step, Pause):
                    self.pauses.append(step.seconds)
                    self.now += step.seconds
                    step = next(flow)
                    continue
                self.sent.append(f"{step.request.method} {step.request.path}")
                outcome = self.outcomes.pop(0)
                step = flow.throw(outcome) if isinstance(outcome, SegmindError) else flow.send(outcome)
        except StopIteration as stop:
            assert self.outcomes == []
            return cast(T, stop.value)


def answer(status: int, body: Any = None, **headers: str) -> ApiResponse:
    named = {"content-type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ApiResponse(status, ResponseHeaders(named), content)


def refused(status: int, **headers: str) -> ApiResponse:
    return answer(status, {"error": "no"}, **headers)


SUBMITTED = answer(200, {"request_id": REQUEST_ID, "status": "QUEUED", "status_url": "https://elsewhere.example"})
RESULT = answer(200, {"request_id": REQUEST_ID, "status": "COMPLETED", "output": "https://images.example/a.png"})
FAILED = answer(422, {"request_id": REQUEST_ID, "status": "FAILED", "error": "blocked", "metrics": {}})
HTML = answer(200, b"<html>", content_type="text/html")
NOT_SENT = NotSent("refused")
LOST = ConnectionLost("read timeout")


def state(name: str) -> ApiResponse:
    return answer(200, {"request_id": REQUEST_ID, "status": name, "metrics": {}})


POST_TABLE = [
    ("never arrived", NOT_SENT, True, NotSent),
    ("429", refused(429), True, RateLimited),
    ("500", refused(500), True, ServerError),
    ("502", refused(502), True, BadGateway),
    ("503", refused(503), True, StatusError),
    ("504", refused(504), False, MayHaveBeenAccepted),
    ("520", refused(520), False, MayHaveBeenAccepted),
    ("a proxy's 502", answer(502, b"<html>", content_type="text/html"), False, MayHaveBeenAccepted),
    ("a proxy's 503", answer(503, b"busy", content_type="text/plain"), False, MayHaveBeenAccepted),
    ("a proxy's 429", answer(429, b"<html>", content_type="text/html"), True, RateLimited),
    ("answer lost", LOST, False, MayHaveBeenAccepted),
    ("2xx that is no JSON", HTML, False, MayHaveBeenAccepted),
    ("2xx that is no object", answer(200, []), False, MayHaveBeenAccepted),
    ("2xx without an id", answer(200, {"status": "QUEUED"}), False, MayHaveBeenAccepted),
    ("2xx with an empty id", answer(200, {"request_id": ""}), False, MayHaveBeenAccepted),
    ("302", refused(302), False, MayHaveBeenAccepted),
    ("400", refused(400), False, BadRequest),
    ("401", refused(401), False, Unauthorized),
    ("404", refused(404), False, NotFound),
    ("408", refused(408), False, StatusError),
    ("418", refused(418), False, StatusError),
]


@pytest.mark.parametrize(("outcome", "repeated", "error"), [pytest.param(*row[1:], id=row[0]) for row in POST_TABLE])
def test_a_submit_is_repeated_only_where_it_cannot_have_been_accepted(
    outcome: Outcome, repeated: bool, error: type[SegmindError]
) -> None:
    if repeated:
        world = World([outcome, SUBMITTED])
        assert world.play(world.caller().submit(MODEL, {"prompt": "x"})).request_id == REQUEST_ID
        assert world.sent == [f"POST {MODEL.submit_path}"] * 2
    world = World([outcome] * (3 if repeated else 1))
    with pytest.raises(error) as raised:
        world.play(world.caller(attempts=3).submit(MODEL, {"prompt": "x"}))
    assert type(raised.value) is error
    assert world.outcomes == []


GET_TABLE = [
    ("never arrived", NOT_SENT, NotSent),
    ("answer lost", LOST, ConnectionLost),
    ("408", refused(408), StatusError),
    ("429", refused(429), RateLimited),
    ("500", refused(500), ServerError),
    ("599", refused(599), StatusError),
]


@pytest.mark.parametrize(("outcome", "error"), [pytest.param(*row[1:], id=row[0]) for row in GET_TABLE])
def test_a_get_is_repeated_on_whatever_may_pass(outcome: Outcome, error: type[SegmindError]) -> None:
    world = World([outcome, outcome, state("QUEUED")])
    assert world.play(world.caller().status(REQUEST_ID)).status == "QUEUED"
    world = World([outcome] * 4)
    with pytest.raises(error):
        world.play(world.caller().status(REQUEST_ID))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 406, 410])
def test_a_get_that_is_refused_for_good_is_sent_once(status: int) -> None:
    world = World([refused(status)])
    with pytest.raises(StatusError) as raised:
        world.play(world.caller().status(REQUEST_ID))
    assert (raised.value.status, raised.value.request_id) == (status, REQUEST_ID)
    assert raised.value.detail == f"{status} from the service: no ({type(raised.value).advice_on_job})"


@pytest.mark.parametrize("status", [400, 406, 500])
def test_only_of_a_submit_is_it_said_that_nothing_was_charged(status: int) -> None:
    world = World([refused(status)])
    with pytest.raises(StatusError, match="nothing was charged"):
        world.play(world.caller(attempts=1).submit(MODEL, {"prompt": "x"}))
    world = World([refused(status)])
    with pytest.raises(StatusError) as raised:
        world.play(world.caller(attempts=1).result(REQUEST_ID))
    assert "charged" not in str(raised.value)


def test_a_rate_limit_names_its_end() -> None:
    world = World([refused(429, x_rate_limit_reset_at_utc="2027-01-15 10:00:05")])
    with pytest.raises(RateLimited, match="until when: 2027-01-15 10:00:05"):
        world.play(world.caller(attempts=1).submit(MODEL, {"prompt": "x"}))


NAMED = {
    "201": answer(201, {"request_id": REQUEST_ID}),
    "504": answer(504, {"request_id": REQUEST_ID, "error": "slow"}),
    "200 as text": answer(200, {"request_id": REQUEST_ID}, content_type="text/plain"),
}


@pytest.mark.parametrize("came", NAMED.values(), ids=NAMED.keys())
def test_an_unreadable_answer_that_names_the_job_all_the_same_is_an_error_that_names_it(came: ApiResponse) -> None:
    world = World([came])
    with pytest.raises(
        MayHaveBeenAccepted, match=rf"It names the job {REQUEST_ID}, which job\(request_id\) picks up"
    ) as raised:
        world.play(world.caller().submit(MODEL, {"prompt": "x"}))
    assert raised.value.request_id == REQUEST_ID


def test_a_key_that_the_service_repeats_is_in_no_message() -> None:
    world = World([answer(401, {"error": "SG_0123456789abcdef is not a key"})])
    with pytest.raises(Unauthorized, match="… is not a key") as raised:
        world.play(world.caller().submit(MODEL, {"prompt": "x"}))
    assert "SG_0123456789abcdef" not in str(raised.value)


def test_an_accepted_job_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    world = World([SUBMITTED])
    world.play(world.caller().submit(MODEL, {"prompt": "x"}))
    assert REQUEST_ID in caplog.text


@pytest.mark.parametrize(("wait", "level"), [("2", "INFO"), ("30", "WARNING")])
def test_a_long_pause_is_a_warning(caplog: pytest.LogCaptureFixture, wait: str, level: str) -> None:
    caplog.set_level("INFO")
    world = World([refused(429, retry_after=wait), SUBMITTED])
    world.play(world.caller().submit(MODEL, {"prompt": "x"}))
    assert caplog.records[0].levelname == level


def test_backoff_doubles_up_to_its_bound() -> None:
    world = World([refused(500)] * 6)
    with pytest.raises(ServerError):
        world.play(world.caller(attempts=6, retry_seconds=1e9).credits())
    assert world.pauses == [1, 2, 4, 8, 8]


def test_attempts_end_when_the_next_would_come_after_the_total_time() -> None:
    world = World([refused(500)] * 3)
    with pytest.raises(ServerError):
        world.play(world.caller(attempts=99, retry_seconds=6).credits())
    assert world.pauses == [1, 2]


WAITS: dict[str, tuple[dict[str, str], float]] = {
    "Retry-After in seconds": ({"retry_after": "7"}, 7),
    "Retry-After as a date": ({"retry_after": "Fri, 15 Jan 2027 08:00:09 GMT"}, 9),
    "reset as ISO with Z": ({"x_rate_limit_reset_at_utc": "2027-01-15T08:00:05Z"}, 5),
    "reset without a zone is UTC": ({"x_rate_limit_reset_at_utc": "2027-01-15 08:00:05"}, 5),
    "reset in a zone that nobody knows": ({"x_rate_limit_reset_at_utc": "2027-01-15 08:00:05 XYZ"}, 5),
    "reset in another zone": ({"x_rate_limit_reset_at_utc": "2027-01-15 10:00:05+02:00"}, 5),
    "reset in the past": ({"x_rate_limit_reset_at_utc": "2020-01-01T00:00:00Z"}, 1),
    "nonsense": ({"x_rate_limit_reset_at_utc": "soon"}, 1),
    "a zone beyond numbers": ({"retry_after": "99:99999999999999999999999999999"}, 1),
    "an absurd year": ({"x_rate_limit_reset_at_utc": "99999-01-01"}, 1),
    "nothing": ({}, 1),
}


@pytest.mark.parametrize(("headers", "seconds"), WAITS.values(), ids=WAITS.keys())
def test_a_wait_that_the_service_asks_for_is_honoured(headers: dict[str, str], seconds: float) -> None:
    world = World([refused(429, **headers), SUBMITTED])
    world.play(world.caller().submit(MODEL, {"prompt": "x"}))
    assert world.pauses == [pytest.approx(seconds)]


def test_a_wait_beyond_the_callers_time_is_not_begun() -> None:
    world = World([refused(429, retry_after="3600")])
    with pytest.raises(RateLimited):
        world.play(world.caller().submit(MODEL, {"prompt": "x"}))
    assert world.pauses == []


def test_a_run_submits_polls_and_fetches_by_the_request_id_alone() -> None:
    world = World([SUBMITTED, state("QUEUED"), state("PROCESSING"), state("COMPLETED"), RESULT])
    result = world.play(world.caller(interval=1).run(MODEL, {"prompt": "x"}))
    assert result["output"] == "https://images.example/a.png"
    polls = f"GET /v2/requests/{REQUEST_ID}/status"
    assert world.sent == [f"POST {MODEL.submit_path}", polls, polls, polls, f"GET /v2/requests/{REQUEST_ID}"]
    assert world.pauses == [1, 1]


def wait_through(outcomes: Sequence[Outcome], **options: Any) -> World:
    world = World(list(outcomes))
    world.play(world.caller(**{"attempts": 1, "interval": 1, **options}).wait(REQUEST_ID))
    return world


TROUBLE = {
    "a bad gateway": [refused(502)],
    "a lost answer": [LOST],
    "a refused connection": [NOT_SENT],
    "a page instead of JSON": [HTML],
    "several in a row": [refused(500), LOST, HTML, NOT_SENT],
    "a result that is lost": [state("COMPLETED"), LOST],
    "a state that nobody knows": [state("PAUSED")],
    "a status that is no text": [answer(200, {"status": 7})],
}


@pytest.mark.parametrize("outcomes", TROUBLE.values(), ids=TROUBLE.keys())
def test_trouble_while_polling_does_not_end_the_job(outcomes: list[Outcome]) -> None:
    wait_through([*outcomes, state("COMPLETED"), RESULT])


@pytest.mark.parametrize("attempts", [1, 4])
def test_a_wait_that_the_service_asks_a_poll_for_is_honoured(attempts: int) -> None:
    polls = [refused(429, retry_after="120"), state("QUEUED"), state("COMPLETED"), RESULT]
    world = wait_through(polls, attempts=attempts, retry_seconds=60)
    assert world.pauses == [120, 1]


def test_a_wait_that_the_service_asks_a_poll_for_ends_at_the_deadline() -> None:
    world = wait_through([refused(429, retry_after="120"), state("COMPLETED"), RESULT], deadline=50)
    assert world.pauses == [50]


def test_a_failed_job_says_why_and_keeps_what_the_service_sent() -> None:
    with pytest.raises(InferenceFailed) as raised:
        wait_through([state("PROCESSING"), FAILED])
    assert str(raised.value).startswith("the job failed: blocked; nothing was charged")
    assert str(raised.value).endswith(f"(request {REQUEST_ID})")
    assert raised.value.detail == "blocked"
    assert raised.value.status_body["status"] == "FAILED"
    assert (raised.value.request_id, raised.value.status) == (REQUEST_ID, 422)


def test_a_job_that_failed_in_another_form_has_failed_all_the_same() -> None:
    with pytest.raises(InferenceFailed, match="blocked"):
        wait_through([answer(200, {"status": "FAILED", "error": "blocked"})])


@pytest.mark.parametrize(("deadline", "interval"), [(-1, 1), (1, -1), (float("inf"), 1), (1, float("nan"))])
def test_a_wait_without_end_or_sense_is_refused(deadline: float, interval: float) -> None:
    with pytest.raises(InvalidParameter):
        World([]).caller(deadline=deadline, interval=interval)


@pytest.mark.parametrize("status", [401, 404])
def test_a_poll_that_is_refused_for_good_names_the_job(status: int) -> None:
    with pytest.raises(StatusError, match=REQUEST_ID):
        wait_through([refused(status)])


def test_a_deadline_ends_the_wait_with_the_id_of_the_job_and_the_last_trouble() -> None:
    with pytest.raises(InferenceTimeout) as raised:
        wait_through([state("QUEUED"), state("QUEUED"), refused(502)], deadline=1.5)
    assert (raised.value.request_id, raised.value.elapsed_s) == (REQUEST_ID, 1.5)
    assert isinstance(raised.value.__cause__, BadGateway)
    assert "the last poll: 502 from the service: no" in raised.value.detail
    assert "pick it up" in raised.value.detail


def test_a_deadline_of_nothing_still_polls_once() -> None:
    wait_through([state("COMPLETED"), RESULT], deadline=0)


def test_an_unreadable_result_is_an_error_with_the_answer_in_it() -> None:
    world = World([HTML])
    with pytest.raises(UnreadableAnswer) as raised:
        world.play(world.caller().result(REQUEST_ID))
    assert raised.value.response is HTML


@pytest.mark.parametrize("slug", MODELS)
def test_a_bad_parameter_is_refused_before_anything_is_sent(slug: str) -> None:
    world = World([])
    for parameters in ({}, {"prompt": ""}, {"prompt": "x", "aspect_ratio": "2:1"}):
        with pytest.raises(InvalidParameter):
            world.play(world.caller().submit(MODELS[slug], parameters))
    assert world.sent == []


def test_a_blocking_call_waits_longer_for_its_answer_than_a_poll() -> None:
    def read_seconds(flow: Flow[Any]) -> float:
        step = next(flow)
        assert not isinstance(step, Pause)
        return step.read_seconds

    caller = World([]).caller()
    model: Model = MODEL
    assert read_seconds(caller.generate(model, {"prompt": "x"})) > read_seconds(caller.status(REQUEST_ID)) > 0
