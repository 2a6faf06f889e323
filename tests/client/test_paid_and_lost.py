"""What is paid for is neither lost nor paid again, whatever odd response comes."""

from __future__ import annotations

import gc
import json
import sys
from contextlib import nullcontext
from typing import Any

import attrs
import pytest

from segmind_api.errors import UnreadableField
from segmind_api.models import JobResult
from segmind_api.types import ApiResponse
from segmind_client import errors
from segmind_client.errors import (
    InferenceFailed,
    MayHaveBeenAccepted,
    NotSent,
    SegmindError,
    ServerError,
    StatusError,
    Unauthorized,
    UnreadableResponse,
)
from tests.client.chaos.interrupts import interrupt_after
from tests.support.internals import MOST_KEYS, Call, Secret, Sent, masked, masking, may_have_been_accepted
from tests.support.world import (
    KEY,
    LOST,
    MODEL,
    POST,
    REQUEST_ID,
    RESULT,
    SUBMITTED,
    World,
    refused,
    response,
    sent_with,
    state,
)

PROMPT = {"prompt": "x"}


class TestResult:
    @pytest.mark.parametrize("status", ["PROCESSING", "QUEUED", "PAUSED"])
    def test_whose_status_is_not_completed_is_an_unreadable_response(self, status: str) -> None:
        world = World([response(200, {"request_id": REQUEST_ID, "status": status, "output": "x"})])
        with pytest.raises(UnreadableResponse, match=f"status is {status}") as raised:
            world.play(world.caller().result(REQUEST_ID))
        assert raised.value.request_id == REQUEST_ID

    def test_of_a_failed_job_is_its_failure(self) -> None:
        world = World([response(200, {"request_id": REQUEST_ID, "status": "FAILED", "error": "blocked"})])
        with pytest.raises(InferenceFailed, match="blocked"):
            world.play(world.caller().result(REQUEST_ID))

    def test_is_asked_for_again_until_its_job_has_completed(self) -> None:
        world = World([SUBMITTED, state("COMPLETED"), state("PROCESSING"), RESULT])
        assert world.play(world.caller().run(Call(), MODEL, PROMPT)).status == "COMPLETED"

    def test_without_an_id_is_given_that_of_the_job(self) -> None:
        world = World([SUBMITTED, state("COMPLETED"), response(200, {"status": "COMPLETED", "output": "x"})])
        assert world.play(world.caller().run(Call(), MODEL, PROMPT)).request_id == REQUEST_ID

    @pytest.mark.parametrize("fields", [{"status": "COMPLETED"}, {"output": "x"}, {"metrics": {}}], ids=str)
    def test_may_leave_out_all_but_one_of_its_fields(self, fields: dict[str, Any]) -> None:
        world = World([response(200, fields)])
        assert world.play(world.caller().result(REQUEST_ID)) == {**fields, "request_id": REQUEST_ID}

    def test_without_any_field_is_an_unreadable_response(self) -> None:
        world = World([response(200, {})])
        with pytest.raises(UnreadableResponse) as raised:
            world.play(world.caller().result(REQUEST_ID))
        assert raised.value.request_id == REQUEST_ID

    def test_over_a_kept_connection_needs_an_output(self) -> None:
        world = World([])
        flow = world.caller().result(REQUEST_ID)
        step: Any = next(flow)
        assert not step.sent.accepts(state("COMPLETED"))
        assert step.sent.accepts(RESULT)
        assert step.sent.accepts(refused(503))


ERROR = b'{"error": "x"}'
SERVER_ERRORS = (500, 502, 503)
ERROR_TABLE: dict[str, tuple[tuple[int, ...], bytes, dict[str, str], bool]] = {
    # which error response to a submit: its statuses, content and headers, and whether the submit is retried
    "of the service": ((429, *SERVER_ERRORS), ERROR, {}, True),
    "of the service, with every documented field": (
        (500,),
        b'{"error": "x", "error_description": "y", "status_code": 500}',
        {},
        True,
    ),
    "with a cost of nothing": ((429, *SERVER_ERRORS), ERROR, {"x_cost": "0"}, True),
    "with a cost": ((429, *SERVER_ERRORS), ERROR, {"x_cost": "0.06"}, False),
    "with a cost sent twice": (SERVER_ERRORS, ERROR, {"x_cost": "0.06, 0.06"}, False),
    "with a cost and its unit": (SERVER_ERRORS, ERROR, {"x_cost": "0.06 USD"}, False),
    "with a cost in the body": ((429, *SERVER_ERRORS), b'{"error": "x", "metrics": {"cost": 0.06}}', {}, False),
    "with a job below another field": (
        (429, *SERVER_ERRORS),
        json.dumps({"error": "x", "data": {"request_id": REQUEST_ID}}).encode(),
        {},
        False,
    ),
    "with a job whose id is a number": ((429, *SERVER_ERRORS), b'{"error": "x", "request_id": 55}', {}, False),
    "with a job by an escaped name": (
        SERVER_ERRORS,
        b'{"error": "x", "request\\u005fid": "%s"}' % REQUEST_ID.encode(),
        {},
        False,
    ),
    "with a job, in UTF-16": (
        SERVER_ERRORS,
        json.dumps({"error": "x", "request_id": REQUEST_ID}).encode("utf-16"),
        {},
        False,
    ),
    "of a gateway, with fields that the contract does not have": (
        (502,),
        b'{"timestamp": "2026-01-01", "path": "/v2/any", "status": 502, "error": "no route", "requestId": "1"}',
        {},
        False,
    ),
    "of a gateway, with no more than the name of its status": ((502,), b'{"error": "Bad Gateway"}', {}, False),
}


@pytest.mark.parametrize(
    ("status", "content", "headers", "retried"),
    [
        pytest.param(status, *row, id=f"{status} {name}")
        for name, (statuses, *row) in ERROR_TABLE.items()
        for status in statuses
    ],
)
def test_a_submit_is_retried_only_after_an_error_that_speaks_of_no_job_and_no_cost(
    status: int, content: bytes, headers: dict[str, str], retried: bool
) -> None:
    world = World([response(status, content, **headers), *([SUBMITTED] if retried else [])])
    with nullcontext() if retried else pytest.raises(MayHaveBeenAccepted):
        world.play(world.caller().submit(Call(), MODEL, PROMPT))
    assert len(world.sent) == 1 + retried


FREE: dict[str, Any] = {"request_id": REQUEST_ID, "status": "FAILED", "error": "blocked", "metrics": {}}
TABLE_422: dict[str, tuple[dict[str, Any], dict[str, str], type[SegmindError], str]] = {
    # which 422 to a poll: its body and headers, the error, and what that says
    "a failed job": (FREE, {}, InferenceFailed, "nothing was charged"),
    "a failed job with a cost": (FREE | {"metrics": {"cost": 0.06}}, {}, InferenceFailed, "reports a cost of 0.06"),
    "a failed job with a cost in a header": (FREE, {"x_cost": "0.06"}, InferenceFailed, "reports a cost of 0.06"),
    "a state alone": ({"status": "FAILED"}, {}, InferenceFailed, ""),
    "an id and a reason": ({"request_id": REQUEST_ID, "error": "blocked"}, {}, InferenceFailed, ""),
    "an id and a reason that is no text": ({"request_id": REQUEST_ID, "error": {}}, {}, StatusError, ""),
    "another state": ({"request_id": REQUEST_ID, "status": "PROCESSING", "error": "x"}, {}, StatusError, ""),
    "a reason alone": ({"error": "no uuid"}, {}, StatusError, ""),
    "a reason by another name": ({"detail": "no uuid"}, {}, StatusError, ""),
    "nothing": ({}, {}, StatusError, ""),
}


@pytest.mark.parametrize(("body", "headers", "kind", "words"), TABLE_422.values(), ids=TABLE_422.keys())
def test_a_422_to_a_poll_says_that_the_job_failed_only_if_it_is_about_a_failed_job(
    body: dict[str, Any], headers: dict[str, str], kind: type[SegmindError], words: str
) -> None:
    world = World([response(422, body, **headers)])
    with pytest.raises(SegmindError) as raised:
        world.play(world.caller().status(REQUEST_ID))
    assert type(raised.value) is kind
    assert words in str(raised.value)
    assert raised.value.request_id == REQUEST_ID


@pytest.mark.parametrize("status", [400, 401, 406, 504])
def test_a_refusal_with_a_cost_is_not_said_to_be_free(status: int) -> None:
    world = World([response(status, {"error": "x"}, x_cost="0.06")])
    with pytest.raises(MayHaveBeenAccepted):
        world.play(world.caller().generate(Call(is_generation=True), MODEL, PROMPT))


IMAGE = b"\x89PNG\r\n\x1a\n"


class TestGenerationInDoubt:
    def fail(self, *outcomes: ApiResponse) -> MayHaveBeenAccepted:
        world = World([*outcomes])
        with pytest.raises(MayHaveBeenAccepted) as raised:
            world.play(world.caller().generate(Call(is_generation=True), MODEL, PROMPT))
        return raised.value

    def test_of_a_success_that_cannot_be_read_is_charged_and_names_the_call(self) -> None:
        error = self.fail(response(200, b"<html>", content_type="text/html", x_request_id="call-1"))
        assert "It was accepted and is charged" in str(error)
        assert "`response` has what was received" in str(error)
        assert error.request_id == "call-1"

    @pytest.mark.parametrize(
        "headers",
        [
            *({"content-type": "application/octet-stream"}, {"content-type": "application/octet-stream; name=a"}),
            *({"content-type": "binary/octet-stream"}, {"content-type": ""}, {}),
        ],
        ids=str,
    )
    def test_is_not_raised_for_an_image_without_its_media_type(self, headers: dict[str, str]) -> None:
        world = World([ApiResponse(200, headers, IMAGE)])
        came, output = world.play(world.caller().generate(Call(is_generation=True), MODEL, PROMPT))
        assert (came.status, output) == (200, IMAGE)

    @pytest.mark.parametrize(
        ("status", "content", "media_type"),
        [(200, b"once upon a time", "application/octet-stream"), (200, IMAGE, "text/html"), (504, IMAGE, "")],
        ids=["no image", "an image with another media type", "an image with another status"],
    )
    def test_is_raised_for_what_is_not_an_image_or_says_that_it_is_something_else(
        self, status: int, content: bytes, media_type: str
    ) -> None:
        assert self.fail(response(status, content, content_type=media_type)).status == status

    def test_has_no_response_to_look_at_if_nothing_of_its_body_was_received(self) -> None:
        assert "`response`" not in str(self.fail(response(504, b"")))

    def test_of_a_lost_response_names_the_call_by_its_header(self) -> None:
        flow = World([]).caller().generate(Call(is_generation=True), MODEL, PROMPT)
        step: Any = next(flow)
        step.sent.start_response(200, {"x-request-id": "call-1"})
        with pytest.raises(
            MayHaveBeenAccepted, match=r"It was accepted and is charged.* It is the call call-1"
        ) as raised:
            flow.throw(LOST)
        assert raised.value.request_id == "call-1"

    def test_is_not_said_to_be_a_job(self) -> None:
        error = self.fail(response(504, b"<html>", x_request_id="call-1"))
        assert "job(" not in str(error)
        assert "may have been accepted" in str(error)


def test_the_id_in_a_success_that_is_not_quite_json_is_named() -> None:
    world = World([response(200, b'{"request_id": "%s", "status": "QUEU' % REQUEST_ID.encode())])
    with pytest.raises(MayHaveBeenAccepted) as raised:
        world.play(world.caller().submit(Call(), MODEL, PROMPT))
    assert raised.value.request_id == REQUEST_ID


def test_a_poll_that_is_refused_with_an_id_in_the_body_waits_for_the_limit() -> None:
    limit = response(429, {"error": "slow down", "request_id": REQUEST_ID}, retry_after="7")
    world = World([limit, state("QUEUED")])
    assert world.play(world.caller().status(REQUEST_ID)).status == "QUEUED"
    assert sum(world.pauses) == pytest.approx(7)


def test_waits_of_less_than_a_second_for_a_limit_grow() -> None:
    limit = response(429, {"error": "x"}, retry_after="0.001")
    world = World([limit, limit, limit, state("QUEUED")])
    world.play(world.caller().status(REQUEST_ID))
    assert world.pauses == pytest.approx([1, 2, 4])


def test_waits_of_a_second_for_a_limit_stay_as_long_as_the_service_asks() -> None:
    limit = response(429, {"error": "x"}, retry_after="1")
    world = World([limit, limit, limit, state("QUEUED")])
    world.play(world.caller().status(REQUEST_ID))
    assert world.pauses == pytest.approx([1, 1, 1])


@pytest.mark.parametrize("asked", ["120", "Fri, 15 Jan 2027 08:02:00 GMT"])
@pytest.mark.parametrize("sent", [[], [state("COMPLETED")]], ids=["to a poll", "to the request for the result"])
def test_the_wait_that_a_503_asks_for_is_kept(sent: list[ApiResponse], asked: str) -> None:
    busy = response(503, {"error": "busy"}, retry_after=asked)
    world = World([*sent, busy, *([] if sent else [state("COMPLETED")]), RESULT])
    world.play(world.caller(attempts=1).wait(Call(), REQUEST_ID))
    assert world.pauses == pytest.approx([120])


def test_a_wait_until_the_deadline_that_a_503_asks_for_is_kept() -> None:
    world = World([response(503, {"error": "busy"}, retry_after="12"), state("COMPLETED"), RESULT])
    world.play(world.caller(deadline=12, attempts=1).wait(Call(), REQUEST_ID))
    assert world.pauses == [12]


def test_after_a_wait_that_is_not_kept_the_next_poll_comes_after_the_interval() -> None:
    world = World([response(503, {"error": "maintenance"}, retry_after="3600"), state("COMPLETED"), RESULT])
    caller = attrs.evolve(world.caller(deadline=12, interval=0.5), chance=lambda: 0.0)
    world.play(caller.wait(Call(), REQUEST_ID))
    assert world.pauses == [0.5]


@pytest.mark.parametrize("sent", [[], [state("COMPLETED")]], ids=["to a poll", "to the request for the result"])
def test_a_wait_beyond_the_deadline_that_a_503_asks_for_is_not_kept(sent: list[ApiResponse]) -> None:
    maintenance = response(503, {"error": "maintenance"}, retry_after="3600")
    world = World([*sent, maintenance, *([] if sent else [state("COMPLETED")]), RESULT])
    world.play(world.caller(deadline=12).wait(Call(), REQUEST_ID))
    assert world.pauses == [1]


class TestInterruption:
    def interrupted(self, sent: Sent, *, is_generation: bool = False) -> BaseException:
        call = Call(is_generation=True) if is_generation else Call()
        call.sent = sent
        with pytest.raises(KeyboardInterrupt) as raised:
            call.fail(KeyboardInterrupt())
        return raised.value

    def test_names_the_job_and_not_the_id_of_the_request(self) -> None:
        body = b'{"request_id": "%s", "sta' % REQUEST_ID.encode()
        error = self.interrupted(sent_with(200, body, x_request_id="of-a-gateway"))
        assert vars(error)["request_id"] == REQUEST_ID
        assert REQUEST_ID in error.__notes__[0]

    def test_of_a_v1_call_keeps_what_was_received(self) -> None:
        error = self.interrupted(sent_with(200, b"\x89PNG", x_request_id="abc"), is_generation=True)
        assert vars(error)["request_id"] == "abc"
        assert vars(error)["response"].content == b"\x89PNG"
        assert "accepted and is charged (request abc)" in error.__notes__[0]

    def test_is_a_warning_of_the_logger_of_the_package(self, caplog: pytest.LogCaptureFixture) -> None:
        self.interrupted(sent_with(200, b"{"))
        assert [(record.name, record.levelname) for record in caplog.records] == [("segmind_client", "WARNING")]

    def test_of_a_v1_call_without_an_id_says_that_it_is_charged(self) -> None:
        error = self.interrupted(sent_with(200, b"\x89PNG"), is_generation=True)
        assert "accepted and is charged (request without an id)" in error.__notes__[0]

    @pytest.mark.parametrize(
        ("status", "body"), [(400, b"{}"), (429, b'{"error": "too many"}'), (503, b'{"error": "busy"}')]
    )
    def test_after_a_refusal_claims_nothing(self, status: int, body: bytes) -> None:
        error = self.interrupted(sent_with(status, body, content_type="application/json"))
        assert not hasattr(error, "__notes__")

    @pytest.mark.parametrize("status", [302, 500, 502])
    def test_after_the_page_of_a_proxy_says_that_it_may_be_accepted(self, status: int) -> None:
        error = self.interrupted(sent_with(status, b"<html>"))
        assert "may have been accepted" in error.__notes__[0]

    @pytest.mark.parametrize("body", [b"", b'{"error": "too late", "reque', b'{"error": "late", "request_id": "x'])
    def test_within_the_body_of_a_429_says_that_it_may_be_accepted(self, body: bytes) -> None:
        error = self.interrupted(sent_with(429, body, content_type="application/json"))
        assert "may have been accepted" in error.__notes__[0]

    def test_while_another_error_is_prepared_says_that_it_may_be_accepted(self) -> None:
        seen: list[list[str]] = []
        # The first function call is that of `fail` itself, where Python shows the other error as the context.
        for function_calls in range(2, 1000):
            error = interrupted_error(function_calls)
            if isinstance(error, MayHaveBeenAccepted):
                break
            seen.append(getattr(error, "__notes__", []))
        assert len(seen) > 5
        assert [notes for notes in seen if len(notes) != 1 or "may have been accepted" not in notes[0]] == []


def interrupted_error(function_calls: int) -> BaseException:
    """What is raised for a lost response when a signal arrives after so many function calls, if there are so many."""
    call = Call()
    call.sent = sent_with(200, b"{")
    # Python discards what is raised in a callback of the garbage collector; Hypothesis has one.
    gc.disable()
    try:
        try:
            raise may_have_been_accepted(POST, "its response was lost")
        except MayHaveBeenAccepted as error:
            interrupt_after(function_calls)
            call.fail(error)
        finally:
            sys.setprofile(None)
    except BaseException as error:
        return error
    finally:
        gc.enable()


def test_keys_are_masked_in_any_case_and_the_longest_first() -> None:
    keys = [Secret("team-a"), Secret("team-a-secret")]
    assert masked("TEAM-A-SECRET at team-a-secret") == "… at …"
    assert keys


def test_a_v1_call_keeps_the_image_that_is_paid_for_and_no_error() -> None:
    image = response(200, b"\x89PNG", content_type="image/png")
    call, world = Call(is_generation=True), World([image])
    world.play(world.caller().generate(call, MODEL, PROMPT))
    assert call.response is image
    call, world = Call(is_generation=True), World([refused(400)])
    with pytest.raises(StatusError):
        world.play(world.caller().generate(call, MODEL, PROMPT))
    assert call.response is None


def test_an_error_that_names_no_job_names_that_of_the_call() -> None:
    with pytest.raises(ServerError) as raised:
        Call(REQUEST_ID).fail(ServerError("broken"))
    assert raised.value.request_id == REQUEST_ID


def test_an_error_keeps_the_job_that_it_names() -> None:
    with pytest.raises(MayHaveBeenAccepted) as raised:
        Call().fail(MayHaveBeenAccepted("in doubt", request_id=REQUEST_ID))
    assert raised.value.request_id == REQUEST_ID


class TestUnexpectedException:
    def test_after_a_post_was_sent_may_have_been_accepted_and_names_its_job(self) -> None:
        call = Call()
        call.sent = sent_with(200, b'{"request_id": "%s"}' % REQUEST_ID.encode())
        with pytest.raises(MayHaveBeenAccepted, match="ZeroDivisionError") as raised:
            call.fail(ZeroDivisionError("in a hook"))
        assert raised.value.request_id == REQUEST_ID

    def test_after_a_v1_call_was_sent_names_the_call_and_no_job(self) -> None:
        call = Call(is_generation=True)
        call.sent = sent_with(504, b"<html>", x_request_id="call-1")
        with pytest.raises(MayHaveBeenAccepted, match="It is the call call-1"):
            call.fail(ZeroDivisionError("in a hook"))

    def test_before_the_post_was_sent_says_that_it_was_not_sent(self) -> None:
        call = Call()
        call.sent = Sent(POST)
        with pytest.raises(NotSent, match=r"ZeroDivisionError: in a hook.* before anything was sent"):
            call.fail(ZeroDivisionError("in a hook"))

    def test_of_a_wait_names_the_job(self) -> None:
        with pytest.raises(SegmindError, match="ZeroDivisionError: in a hook") as raised:
            Call(REQUEST_ID).fail(ZeroDivisionError("in a hook"))
        assert type(raised.value) is SegmindError
        assert raised.value.request_id == REQUEST_ID

    def test_before_anything_was_sent_claims_nothing(self) -> None:
        with pytest.raises(SegmindError, match="unexpected failure") as raised:
            Call().fail(ZeroDivisionError("in a hook"))
        assert "accepted" not in str(raised.value)


@pytest.mark.parametrize("error", [ServerError(f"{KEY} is broken"), ZeroDivisionError(f"{KEY} is broken")], ids=repr)
def test_an_error_that_ends_a_call_shows_no_key(error: Exception) -> None:
    with pytest.raises(SegmindError, match="… is broken") as raised:
        Call().fail(error)
    assert KEY not in str(raised.value)


def test_only_the_last_keys_are_remembered() -> None:
    Secret("the-first-key")
    for number in range(MOST_KEYS):
        Secret(f"a-later-key-{number}")
    assert masked("the-first-key, a-later-key-7") == "the-first-key, …"


def test_a_key_in_use_is_masked_however_many_were_made_after_it() -> None:
    key = "a-key-that-is-in-use"
    secret = Secret(key)
    for number in range(MOST_KEYS + 1):
        Secret(f"another-key-{number}")
    assert key not in masked(f"{secret.reveal()} is not valid")


def test_a_key_is_masked_in_a_url() -> None:
    Secret("a+key/of=another-form")
    assert masked("/files/a%2Bkey%2Fof%3Danother-form") == "/files/…"


def test_no_part_of_a_key_is_shown_where_a_long_url_is_cut() -> None:
    key = Secret("team-key-of-another-form")
    path = "x" * (masking.LONGEST_SHOWN - len("https://images.example/") - len("team-key"))
    assert "team" not in masking.shown_url(f"https://images.example/{path}{key.reveal()}")


def test_no_part_of_a_key_is_shown_where_a_long_message_of_the_service_is_cut() -> None:
    key = Secret("team-key-of-another-form")
    world = World([response(401, {"error": "x" * (errors.LONGEST_MESSAGE - len("team-key")) + key.reveal()})])
    with pytest.raises(Unauthorized, match="xxx…") as raised:
        world.play(world.caller().submit(Call(), MODEL, PROMPT))
    assert "team" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://images.example/a.png?X-Signature=s1gnature#s1gnature", "https://images.example/a.png"),
        ("https://user:passw0rd@images.example/a.png", "https://images.example/a.png"),
        ("https://user:passw@rd@images.example/a.png", "https://images.example/a.png"),
        (f"https://a.example/{'x' * 182}", f"https://a.example/{'x' * 182}"),
        (f"https://a.example/{'x' * 183}", f"https://a.example/{'x' * 182}…"),
        ("https://[", "an unreadable URL"),
    ],
    ids=["query and fragment", "password", "password with @", "200 characters", "201 characters", "unreadable"],
)
def test_a_url_is_shown_up_to_200_characters_and_without_what_may_be_secret(url: str, shown: str) -> None:
    assert masking.shown_url(url) == shown


def test_a_key_is_masked_in_the_cause_of_an_error_whose_other_arguments_are_kept() -> None:
    with pytest.raises(SegmindError) as raised:
        Call().fail(ValueError(f"{KEY} is broken", 5))
    assert isinstance(raised.value.__cause__, ValueError)
    assert raised.value.__cause__.args == ("… is broken", 5)


def test_a_field_that_cannot_be_read_names_the_job_and_has_the_response() -> None:
    came = response(200, {"request_id": REQUEST_ID, "status": "COMPLETED"})
    with pytest.raises(UnreadableField) as raised:
        _ = JobResult({"request_id": REQUEST_ID, "status": "COMPLETED"}, came).metrics
    assert raised.value.request_id == REQUEST_ID
    assert raised.value.response is came
