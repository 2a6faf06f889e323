"""What the client sends next, as tables: no server, no socket, and a clock that the test moves."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import attrs
import pytest

from segmind_api.catalog import MODELS
from segmind_api.types import ApiResponse
from segmind_client.errors import (
    BadGateway,
    BadRequest,
    ConnectionLost,
    ForeignURL,
    InvalidParameter,
    MayHaveBeenAccepted,
    NotFound,
    NotSent,
    RateLimited,
    SegmindError,
    ServerError,
    StatusError,
    Unauthorized,
    UnreadableResponse,
)
from tests.support.internals import Call, Flow, Pause, trusted_prefixes
from tests.support.world import (
    HTML,
    KEY,
    LOST,
    MODEL,
    NOT_SENT,
    OTHER_REQUEST_ID,
    REQUEST_ID,
    START,
    SUBMITTED,
    Outcome,
    World,
    refused,
    response,
    state,
)

POST_TABLE = [
    ("never sent", NOT_SENT, True, NotSent),
    ("500", refused(500), True, ServerError),
    ("502", refused(502), True, BadGateway),
    ("503", refused(503), True, StatusError),
    ("504", refused(504), False, MayHaveBeenAccepted),
    ("520", refused(520), False, MayHaveBeenAccepted),
    ("a proxy's 500", response(500, b"<html>", content_type="text/html"), False, MayHaveBeenAccepted),
    ("a proxy's 502", response(502, b"<html>", content_type="text/html"), False, MayHaveBeenAccepted),
    ("500 whose error is no text", response(500, {"error": {"code": 7}}), False, MayHaveBeenAccepted),
    ("a proxy's 503", response(503, b"busy", content_type="text/plain"), False, MayHaveBeenAccepted),
    ("response lost", LOST, False, MayHaveBeenAccepted),
    ("2xx that is no JSON", HTML, False, MayHaveBeenAccepted),
    ("2xx that is no object", response(200, []), False, MayHaveBeenAccepted),
    ("2xx without an id", response(200, {"status": "QUEUED"}), False, MayHaveBeenAccepted),
    ("2xx with an empty id", response(200, {"request_id": ""}), False, MayHaveBeenAccepted),
    ("302", refused(302), False, MayHaveBeenAccepted),
    ("400", refused(400), False, BadRequest),
    ("401", refused(401), False, Unauthorized),
    ("404", refused(404), False, NotFound),
    ("408", refused(408), False, StatusError),
    ("418", refused(418), False, StatusError),
]


@pytest.mark.parametrize(("outcome", "retried", "error"), [pytest.param(*row[1:], id=row[0]) for row in POST_TABLE])
def test_a_submit_is_retried_only_where_it_cannot_have_been_accepted(
    outcome: Outcome, retried: bool, error: type[SegmindError]
) -> None:
    if retried:
        world = World([outcome, SUBMITTED])
        assert world.play(world.caller().submit(Call(), MODEL, {"prompt": "x"})).request_id == REQUEST_ID
        assert world.sent == [f"POST {MODEL.submit_path}"] * 2
    world = World([outcome] * (3 if retried else 1))
    with pytest.raises(error) as raised:
        world.play(world.caller(attempts=3).submit(Call(), MODEL, {"prompt": "x"}))
    assert type(raised.value) is error
    assert world.outcomes == []


GET_TABLE = [
    ("never sent", NOT_SENT, NotSent),
    ("response lost", LOST, ConnectionLost),
    ("408", refused(408), StatusError),
    ("500", refused(500), ServerError),
    ("599", refused(599), StatusError),
]


@pytest.mark.parametrize(("outcome", "error"), [pytest.param(*row[1:], id=row[0]) for row in GET_TABLE])
def test_a_get_is_retried_after_a_transient_error(outcome: Outcome, error: type[SegmindError]) -> None:
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


UNTIL: dict[str, tuple[dict[str, str], str]] = {
    "Retry-After": ({"retry_after": "60"}, "; the service says until when: 60)"),
    "the reset of a limit": (
        {"x_rate_limit_reset_at_utc": "2027-01-15 10:00"},
        "; the service says until when: 2027-01-15 10:00)",
    ),
    "both": ({"retry_after": "60", "x_rate_limit_reset_at_utc": "7"}, "; the service says until when: 60)"),
    "the first 50 characters": ({"retry_after": "9" * 51}, f"; the service says until when: {'9' * 50})"),
}


@pytest.mark.parametrize(("headers", "message"), UNTIL.values(), ids=UNTIL.keys())
def test_the_error_of_a_refusal_says_until_when_it_holds(headers: dict[str, str], message: str) -> None:
    world = World([refused(403, **headers)])
    with pytest.raises(StatusError) as raised:
        world.play(world.caller().status(REQUEST_ID))
    assert raised.value.detail.endswith(message)


@pytest.mark.parametrize("status", [400, 406, 500])
def test_only_the_error_of_a_submit_says_that_nothing_was_charged(status: int) -> None:
    world = World([refused(status)])
    with pytest.raises(StatusError, match="nothing was charged"):
        world.play(world.caller(attempts=1).submit(Call(), MODEL, {"prompt": "x"}))
    world = World([refused(status)])
    with pytest.raises(StatusError) as raised:
        world.play(world.caller(attempts=1).result(REQUEST_ID))
    assert "charged" not in str(raised.value)


NAMED = {
    "201": response(201, {"request_id": REQUEST_ID}),
    "504": response(504, {"request_id": REQUEST_ID, "error": "slow"}),
    "200 as text": response(200, {"request_id": REQUEST_ID}, content_type="text/plain"),
    "429": response(429, {"request_id": REQUEST_ID, "error": "too many"}),
    "500": response(500, {"request_id": REQUEST_ID, "error": "broken"}),
    "502": response(502, {"request_id": REQUEST_ID, "error": "broken"}),
    "503": response(503, {"request_id": REQUEST_ID, "error": "busy"}),
}


@pytest.mark.parametrize("came", NAMED.values(), ids=NAMED.keys())
def test_a_submit_whose_response_names_a_job_is_never_retried_and_the_error_names_the_job(came: ApiResponse) -> None:
    world = World([came])
    with pytest.raises(
        MayHaveBeenAccepted, match=rf"It names the job {REQUEST_ID}, which job\(request_id\) picks up"
    ) as raised:
        world.play(world.caller().submit(Call(), MODEL, {"prompt": "x"}))
    assert raised.value.request_id == REQUEST_ID
    assert raised.value.response is came


def test_a_refusal_of_a_submit_keeps_the_id_of_the_job_that_it_names() -> None:
    world = World([response(400, {"request_id": REQUEST_ID, "error": "no"})])
    with pytest.raises(BadRequest) as raised:
        world.play(world.caller().submit(Call(), MODEL, {"prompt": "x"}))
    assert raised.value.request_id == REQUEST_ID


SAYS = {
    "a page of a proxy": (response(502, b"<html>", content_type="text/html"), "502, not from the service itself"),
    "an error of the service": (refused(504), "the response was 504: no"),
    "a success that is no JSON": (HTML, "status 200 came with 6 bytes of text/html"),
    "a success without an id": (response(200, {"status": "QUEUED"}), "the response is missing request_id"),
}


@pytest.mark.parametrize(("came", "message"), SAYS.values(), ids=SAYS.keys())
def test_a_submit_that_may_have_been_accepted_says_what_the_response_was(came: ApiResponse, message: str) -> None:
    world = World([came])
    with pytest.raises(MayHaveBeenAccepted, match=message) as raised:
        world.play(world.caller().submit(Call(), MODEL, {"prompt": "x"}))
    assert str(raised.value).startswith(f"POST {MODEL.submit_path} was sent, but ")
    assert raised.value.detail.endswith("credits() says whether the balance fell")


TRUSTED = trusted_prefixes("https://service.example")
ELSEWHERE = [
    "https://elsewhere.example/status",
    "//elsewhere.example/status",
    "http://service.example/status",
    "https://service.example:444/status",
    "https://service.example.elsewhere.example/status",
    "https://service.example@elsewhere.example/status",
    "https://[/status",
    "mailto:service.example",
]


@pytest.mark.parametrize("name", ["status_url", "response_url", "poll_url"])
@pytest.mark.parametrize("url", ELSEWHERE)
def test_a_job_url_on_another_host_is_an_error_with_the_request_id(name: str, url: str) -> None:
    world = World([response(200, {"request_id": REQUEST_ID, "status": "QUEUED", name: url})])
    with pytest.raises(ForeignURL, match=f"its {name} is at ") as raised:
        world.play(attrs.evolve(world.caller(), trusted=TRUSTED).submit(Call(), MODEL, {"prompt": "x"}))
    assert (raised.value.request_id, raised.value.status) == (REQUEST_ID, 200)


@pytest.mark.parametrize(
    "url",
    [
        *("/v2/requests/x", "https://service.example/status", "https://service.example:443/status"),
        *("HTTPS://SERVICE.EXAMPLE/status", "https://api.segmind.com/status", "", 7, None),
    ],
)
def test_a_job_url_of_the_service_is_accepted(url: Any) -> None:
    world = World([response(200, {"request_id": REQUEST_ID, "status": "QUEUED", "poll_url": url})])
    caller = attrs.evolve(world.caller(), trusted=TRUSTED)
    assert world.play(caller.submit(Call(), MODEL, {"prompt": "x"})).request_id == REQUEST_ID


def test_a_job_url_with_port_80_is_that_of_plain_http() -> None:
    trusted = trusted_prefixes("http://service.example")
    for url, is_service in (("http://service.example:80/status", True), ("http://service.example:81/status", False)):
        world = World([response(200, {"request_id": REQUEST_ID, "status": "QUEUED", "poll_url": url})])
        caller = attrs.evolve(world.caller(), trusted=trusted)
        with nullcontext() if is_service else pytest.raises(ForeignURL):
            world.play(caller.submit(Call(), MODEL, {"prompt": "x"}))


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_v1_call_whose_response_names_a_job_is_never_retried(status: int) -> None:
    world = World([response(status, {"request_id": REQUEST_ID, "error": "no"})])
    with pytest.raises(MayHaveBeenAccepted, match=REQUEST_ID):
        world.play(world.caller().generate(Call(), MODEL, {"prompt": "x"}))


@pytest.mark.parametrize("read", ["status", "result"])
def test_a_response_about_another_job_is_refused(read: str) -> None:
    world = World([response(200, {"request_id": OTHER_REQUEST_ID, "status": "COMPLETED"})])
    with pytest.raises(UnreadableResponse, match="about another job") as raised:
        world.play(getattr(world.caller(), read)(REQUEST_ID))
    assert raised.value.request_id == REQUEST_ID


def test_a_key_that_the_service_repeats_is_in_no_message() -> None:
    world = World([response(401, {"error": f"{KEY} is not a key"})])
    with pytest.raises(Unauthorized, match="… is not a key") as raised:
        world.play(world.caller().submit(Call(), MODEL, {"prompt": "x"}))
    assert KEY not in str(raised.value)


def test_an_accepted_job_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    world = World([SUBMITTED])
    world.play(world.caller().submit(Call(), MODEL, {"prompt": "x"}))
    assert [(record.name, record.levelname) for record in caplog.records] == [("segmind_client", "INFO")]
    assert REQUEST_ID in caplog.text


@pytest.mark.parametrize(("wait", "level"), [("2", "INFO"), ("14.9", "INFO"), ("15", "WARNING"), ("30", "WARNING")])
def test_a_long_pause_is_logged_as_a_warning(caplog: pytest.LogCaptureFixture, wait: str, level: str) -> None:
    caplog.set_level("INFO")
    world = World([refused(503, retry_after=wait), SUBMITTED])
    world.play(world.caller().submit(Call(), MODEL, {"prompt": "x"}))
    assert caplog.records[0].levelname == level


def test_backoff_doubles_up_to_its_bound() -> None:
    world = World([refused(500)] * 6)
    with pytest.raises(ServerError):
        world.play(world.caller(attempts=6, retry_seconds=1e6).credits())
    assert world.pauses == [1, 2, 4, 8, 8]


@pytest.mark.parametrize("outcome", [NOT_SENT, refused(500)], ids=["never sent", "500"])
@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_a_pause_before_a_retry_is_any_part_of_its_bound(chance: float, outcome: Outcome) -> None:
    world = World([outcome, outcome, SUBMITTED])
    world.play(attrs.evolve(world.caller(), chance=lambda: chance).submit(Call(), MODEL, {"prompt": "x"}))
    assert world.pauses == [chance * 1, chance * 2]


@pytest.mark.parametrize(("seconds", "pauses"), [(6.9, [1, 2]), (3, [1, 2]), (2.9, [1]), (0, [])])
def test_attempts_end_when_the_next_would_come_after_the_total_time(seconds: float, pauses: list[float]) -> None:
    world = World([refused(500)] * (len(pauses) + 1))
    with pytest.raises(ServerError):
        world.play(world.caller(attempts=99, retry_seconds=seconds).credits())
    assert world.pauses == pauses


@pytest.mark.parametrize(
    ("outcome", "why"), [(refused(503), "the response was 503"), (NOT_SENT, "refused")], ids=["503", "never sent"]
)
def test_a_retry_is_logged_with_its_reason(caplog: pytest.LogCaptureFixture, outcome: Outcome, why: str) -> None:
    caplog.set_level("INFO")
    world = World([outcome, SUBMITTED])
    world.play(world.caller().submit(Call(), MODEL, {"prompt": "x"}))
    assert caplog.messages[0] == f"POST {MODEL.submit_path} is retried in 1.0 s, attempt 2 of 4: {why}"


@pytest.mark.parametrize("attempts", [1, 3])
def test_a_rate_limit_is_waited_for_whatever_the_options_of_retries(attempts: int) -> None:
    world = World([*[refused(429, retry_after="60")] * 5, SUBMITTED])
    caller = world.caller(attempts=attempts, retry_seconds=1)
    assert world.play(caller.submit(Call(), MODEL, {"prompt": "x"})).request_id == REQUEST_ID
    assert world.pauses == [60] * 5


def test_a_proxys_429_is_waited_for_like_the_services() -> None:
    world = World([response(429, b"<html>", content_type="text/html", retry_after="7"), SUBMITTED])
    world.play(world.caller().submit(Call(), MODEL, {"prompt": "x"}))
    assert world.pauses == [7]


def test_rate_limits_without_a_reset_time_are_backed_off_from() -> None:
    world = World([*[refused(429)] * 6, SUBMITTED])
    world.play(world.caller().submit(Call(), MODEL, {"prompt": "x"}))
    assert world.pauses == [1, 2, 4, 8, 8, 8]


@pytest.mark.parametrize("read", ["status", "result"])
def test_a_rate_limit_beyond_the_deadline_is_raised_at_once_with_the_time_of_its_reset_and_the_job(read: str) -> None:
    limit = refused(429, x_rate_limit_reset_at_utc="2027-01-15 10:00:05")
    world = World([limit])
    with pytest.raises(RateLimited, match=r"the rate limit resets in 7205\.0 s, which is too late") as raised:
        world.play(getattr(world.caller(), read)(REQUEST_ID))
    assert (raised.value.request_id, raised.value.response, world.pauses) == (REQUEST_ID, limit, [])


@pytest.mark.parametrize("method", ["submit", "generate"])
def test_a_rate_limit_that_resets_after_the_deadline_of_a_post_is_not_waited_for(method: str) -> None:
    world = World([refused(429, retry_after="3600")])
    with pytest.raises(RateLimited, match=r"resets in 3600\.0 s"):
        world.play(getattr(world.caller(), method)(Call(), MODEL, {"prompt": "x"}))
    assert world.pauses == []


def test_a_rate_limit_that_never_ends_is_raised_when_the_deadline_is_reached() -> None:
    world = World([refused(429, retry_after="60")] * 10)
    with pytest.raises(RateLimited):
        world.play(world.caller(deadline=570).submit(Call(), MODEL, {"prompt": "x"}))
    assert world.pauses == [60] * 9


SERVICE_IS_AHEAD = "Fri, 15 Jan 2027 09:00:00 GMT"
"""A Date header of a service whose clock is an hour ahead of this machine's."""
LONG_AGO = "Thu, 01 Jan 2015 08:00:00 GMT"
"""A Date header that any date of this year is years ahead of."""
IN_NINE_SECONDS = "Fri, 15 Jan 2027 08:00:09 GMT"
WAITS: dict[str, tuple[dict[str, str], float]] = {
    "Retry-After in seconds": ({"retry_after": "7"}, 7),
    "Retry-After in fractions of a second": ({"retry_after": "1.5"}, 1.5),
    "Retry-After as a date": ({"retry_after": IN_NINE_SECONDS}, 9),
    "Retry-After before the reset": ({"retry_after": "7", "x_rate_limit_reset_at_utc": "60"}, 7),
    "a Retry-After of nothing before the reset": ({"retry_after": "0", "x_rate_limit_reset_at_utc": "60"}, 60),
    "a Retry-After of less than a second before the reset": (
        {"retry_after": "0.5", "x_rate_limit_reset_at_utc": "60"},
        1,
    ),
    "the reset, after a Retry-After that cannot be read": (
        {"retry_after": "soon", "x_rate_limit_reset_at_utc": "60"},
        60,
    ),
    "reset in seconds": ({"x_rate_limit_reset_at_utc": "60"}, 60),
    "reset in fractions of a second": ({"x_rate_limit_reset_at_utc": " 1.5 "}, 1.5),
    "reset as an HTTP date": ({"x_rate_limit_reset_at_utc": "Fri, 15 Jan 2027 08:00:05 GMT"}, 5),
    "reset as ISO with Z": ({"x_rate_limit_reset_at_utc": "2027-01-15T08:00:05Z"}, 5),
    "reset as ISO with fractions of a second": ({"x_rate_limit_reset_at_utc": "2027-01-15T08:00:05.250Z"}, 5.25),
    "reset without a zone is UTC": ({"x_rate_limit_reset_at_utc": "2027-01-15 08:00:05"}, 5),
    "reset in a zone that nobody knows": ({"x_rate_limit_reset_at_utc": "2027-01-15 08:00:05 XYZ"}, 5),
    "reset in another zone": ({"x_rate_limit_reset_at_utc": "2027-01-15 10:00:05+02:00"}, 5),
    "reset in seconds since the epoch": ({"x_rate_limit_reset_at_utc": "1800000005"}, 5),
    "reset in seconds since the epoch, with a fraction": ({"x_rate_limit_reset_at_utc": "1800000005.5"}, 5.5),
    "reset in milliseconds since the epoch": ({"x_rate_limit_reset_at_utc": "1800000005500"}, 5.5),
    "a date by the service's clock": ({"date": SERVICE_IS_AHEAD, "retry_after": "Fri, 15 Jan 2027 09:00:09 GMT"}, 9),
    "an ISO date by the service's clock": (
        {"date": SERVICE_IS_AHEAD, "x_rate_limit_reset_at_utc": "2027-01-15 09:00:05"},
        5,
    ),
    "seconds since the epoch by the service's clock": (
        {"date": SERVICE_IS_AHEAD, "x_rate_limit_reset_at_utc": "1800003605"},
        5,
    ),
    "seconds, which no clock changes": ({"date": SERVICE_IS_AHEAD, "x_rate_limit_reset_at_utc": "60"}, 60),
    "a Date that cannot be read": ({"date": "today", "x_rate_limit_reset_at_utc": "2027-01-15 08:00:05"}, 5),
    "reset in the past": ({"x_rate_limit_reset_at_utc": "2020-01-01T00:00:00Z"}, 1),
    "reset in the past by the service's clock": (
        {"date": SERVICE_IS_AHEAD, "x_rate_limit_reset_at_utc": "2027-01-15 08:59:59"},
        1,
    ),
    "the reset, after a Retry-After of no seconds": ({"retry_after": "0", "x_rate_limit_reset_at_utc": "60"}, 60),
    "Retry-After that was sent twice": ({"retry_after": "60, 60"}, 60),
    "the first Retry-After of two": ({"retry_after": "12, 25"}, 12),
    "Retry-After as a date that was sent twice": ({"retry_after": f"{IN_NINE_SECONDS}, {IN_NINE_SECONDS}"}, 9),
    "the first date of two": ({"retry_after": f"{IN_NINE_SECONDS}, Fri, 15 Jan 2027 08:00:10 GMT"}, 9),
    "a reset that was sent twice": ({"x_rate_limit_reset_at_utc": "2027-01-15 08:00:05, 2027-01-15 08:00:05"}, 5),
    "a Date that was sent twice": (
        {"date": f"{SERVICE_IS_AHEAD}, {SERVICE_IS_AHEAD}", "x_rate_limit_reset_at_utc": "2027-01-15 09:00:05"},
        5,
    ),
    "a Date that was sent twice, in different seconds": (
        {
            "date": f"{SERVICE_IS_AHEAD}, Fri, 15 Jan 2027 09:00:01 GMT",
            "x_rate_limit_reset_at_utc": "2027-01-15 09:00:05",
        },
        5,
    ),
    "a day of the week": ({"date": LONG_AGO, "retry_after": "Mon"}, 1),
    "a day without a year": ({"date": LONG_AGO, "retry_after": "25 Dec"}, 1),
    "a time without a day": ({"date": LONG_AGO, "retry_after": "10:00"}, 1),
    "no seconds": ({"retry_after": "0"}, 1),
    "negative seconds": ({"x_rate_limit_reset_at_utc": "-60"}, 1),
    "no number": ({"x_rate_limit_reset_at_utc": "nan"}, 1),
    "infinity": ({"retry_after": "inf"}, 1),
    "more digits than a number has": ({"retry_after": "9" * 400}, 1),
    "nonsense": ({"x_rate_limit_reset_at_utc": "soon"}, 1),
    "an empty text": ({"x_rate_limit_reset_at_utc": ""}, 1),
    "a zone beyond numbers": ({"retry_after": "99:99999999999999999999999999999"}, 1),
    "an absurd year": ({"x_rate_limit_reset_at_utc": "99999-01-01"}, 1),
    "nothing": ({}, 1),
}


@pytest.mark.parametrize(("headers", "seconds"), WAITS.values(), ids=WAITS.keys())
def test_a_wait_that_the_service_asks_for_is_honoured(headers: dict[str, str], seconds: float) -> None:
    world = World([refused(429, **headers), SUBMITTED])
    world.play(world.caller().submit(Call(), MODEL, {"prompt": "x"}))
    assert world.pauses == [pytest.approx(seconds)]


@pytest.mark.parametrize("status", [500, 503])
def test_a_wait_that_the_service_asks_for_after_an_error_is_honoured(status: int) -> None:
    world = World([refused(status, retry_after="7"), SUBMITTED])
    world.play(world.caller().submit(Call(), MODEL, {"prompt": "x"}))
    assert world.pauses == [7]


@pytest.mark.parametrize("slug", MODELS)
def test_a_bad_parameter_is_refused_before_anything_is_sent(slug: str) -> None:
    world = World([])
    for parameters in ({}, {"prompt": ""}, {"prompt": "x", "aspect_ratio": "2:1"}):
        with pytest.raises(InvalidParameter):
            world.play(world.caller().submit(Call(), MODELS[slug], parameters))
    assert world.sent == []


def test_a_v1_call_waits_longer_for_its_response_than_a_poll() -> None:
    def read_seconds(flow: Flow[Any]) -> float:
        step = next(flow)
        assert not isinstance(step, Pause)
        return step.times(START).read

    caller = World([]).caller()
    generated = caller.generate(Call(), MODEL, {"prompt": "x"})
    assert read_seconds(generated) > read_seconds(caller.status(REQUEST_ID)) > 0
