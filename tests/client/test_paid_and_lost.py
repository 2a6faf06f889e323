"""What is paid for is neither lost nor paid again, whatever odd response comes."""

from __future__ import annotations

import gzip
import sys
from typing import Any

import pytest

from segmind_api.types import ApiRequest, ApiResponse
from segmind_client.errors import (
    ConnectionLost,
    InferenceFailed,
    MayHaveBeenAccepted,
    NoClient,
    RateLimited,
    SegmindError,
    ServerError,
    StatusError,
    UnreadableAnswer,
)
from segmind_client.flows import Call
from segmind_client.line import CONNECTIONS, RESERVED, Line, Rank, Turn
from segmind_client.masking import MOST_KEYS, Secret, masked
from segmind_client.network import decoded
from segmind_client.reading import may_have_been_accepted
from segmind_client.steps import LARGEST_IMAGE_BODY, Sent
from tests.client.chaos.interrupts import interrupt_after
from tests.client.clock import PauseClock
from tests.client.world import MODEL, REQUEST_ID, RESULT, SUBMITTED, World, refused, response, state

PROMPT = {"prompt": "x"}
POST = ApiRequest("POST", "/v2/any", {"prompt": "x"})


def sent_with(status: int, body: bytes, **headers: str) -> Sent:
    """A POST whose response was received so far."""
    sent = Sent(POST)
    sent.begin()
    sent.start_response(status, {name.replace("_", "-"): value for name, value in headers.items()})
    sent.receive(body)
    return sent


class TestResult:
    @pytest.mark.parametrize("status", ["PROCESSING", "QUEUED", "PAUSED"])
    def test_whose_status_is_not_completed_is_none(self, status: str) -> None:
        world = World([response(200, {"request_id": REQUEST_ID, "status": status, "output": "x"})])
        with pytest.raises(UnreadableAnswer, match=f"status is {status}"):
            world.play(world.caller().result(REQUEST_ID))

    def test_of_a_failed_job_is_its_failure(self) -> None:
        world = World([response(200, {"request_id": REQUEST_ID, "status": "FAILED", "error": "blocked"})])
        with pytest.raises(InferenceFailed, match="blocked"):
            world.play(world.caller().result(REQUEST_ID))

    def test_is_asked_for_again_until_it_is_one(self) -> None:
        world = World([SUBMITTED, state("COMPLETED"), state("PROCESSING"), RESULT])
        assert world.play(world.caller().run(Call(), MODEL, PROMPT)).status == "COMPLETED"

    def test_over_a_kept_connection_needs_an_output(self) -> None:
        world = World([])
        flow = world.caller().result(REQUEST_ID)
        step: Any = next(flow)
        assert not step.sent.accepts(state("COMPLETED"))
        assert step.sent.accepts(RESULT)
        assert step.sent.accepts(refused(503))


@pytest.mark.parametrize("body", [{"detail": "no uuid"}, {"error": "no uuid"}, {}])
def test_a_422_about_no_job_does_not_say_that_the_job_failed(body: dict[str, str]) -> None:
    world = World([response(422, body)])
    with pytest.raises(StatusError) as raised:
        world.play(world.caller().status(REQUEST_ID))
    assert type(raised.value) is StatusError
    assert raised.value.request_id == REQUEST_ID


@pytest.mark.parametrize("status", [429, 500, 502, 503])
@pytest.mark.parametrize("body", [{"error": "x", "data": {"request_id": REQUEST_ID}}, {"error": "x", "request_id": 55}])
def test_an_error_that_speaks_of_a_job_in_any_way_is_not_retried(status: int, body: Any) -> None:
    world = World([response(status, body)])
    with pytest.raises(MayHaveBeenAccepted):
        world.play(world.caller().submit(Call(), MODEL, PROMPT))


def test_an_error_with_costs_is_not_retried() -> None:
    world = World([response(500, {"error": "x"}, x_cost="0.06")])
    with pytest.raises(MayHaveBeenAccepted):
        world.play(world.caller().submit(Call(), MODEL, PROMPT))


def test_an_error_without_costs_is_retried() -> None:
    world = World([response(500, {"error": "x"}, x_cost="0")] * 2)
    with pytest.raises(ServerError):
        world.play(world.caller(attempts=2).submit(Call(), MODEL, PROMPT))


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


def test_polls_keep_the_wait_that_a_503_asks_for() -> None:
    busy = response(503, {"error": "busy"}, retry_after="120")
    world = World([busy, state("COMPLETED"), RESULT])
    world.play(world.caller().wait(Call(), REQUEST_ID))
    assert world.pauses == pytest.approx([120])


@pytest.mark.parametrize("sent", [[], [state("COMPLETED")]], ids=["to a poll", "to the request for the result"])
def test_a_wait_beyond_the_deadline_that_a_503_asks_for_is_not_kept(sent: list[ApiResponse]) -> None:
    maintenance = response(503, {"error": "maintenance"}, retry_after="3600")
    world = World([*sent, maintenance, *([] if sent else [state("COMPLETED")]), RESULT])
    world.play(world.caller(deadline=12).wait(Call(), REQUEST_ID))
    assert world.pauses == [1]


class TestEncodings:
    @pytest.mark.parametrize("encoding", ["br", "utf-8", "none", "gzip, gzip", "gzip"])
    def test_of_a_body_that_is_not_so_encoded_are_ignored(self, encoding: str) -> None:
        assert decoded(sent_with(200, b"\x89PNG", content_encoding=encoding)).content == b"\x89PNG"

    @pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP"])
    def test_that_are_known_are_decoded(self, encoding: str) -> None:
        assert decoded(sent_with(200, gzip.compress(b"{}"), content_encoding=encoding)).content == b"{}"

    def test_that_are_cut_short_are_a_lost_response(self) -> None:
        with pytest.raises(ConnectionLost, match="incomplete"):
            decoded(sent_with(200, gzip.compress(b"x" * 1000)[:-4], content_encoding="gzip"))


class TestInterruption:
    def interrupted(self, sent: Sent, *, is_generation: bool = False) -> BaseException:
        call = Call(is_generation=is_generation)
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

    @pytest.mark.parametrize(("status", "body"), [(400, b"{}"), (503, b'{"error": "busy"}')])
    def test_after_a_refusal_claims_nothing(self, status: int, body: bytes) -> None:
        error = self.interrupted(sent_with(status, body, content_type="application/json"))
        assert not hasattr(error, "__notes__")

    def test_after_the_page_of_a_proxy_says_that_it_may_be_accepted(self) -> None:
        error = self.interrupted(sent_with(502, b"<html>"))
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


class TestLine:
    def test_keeps_places_for_polls_while_images_take_all_their_time(self) -> None:
        line, clock = Line(), PauseClock()
        for _ in range(CONNECTIONS - RESERVED):
            line.take(Turn(Rank.SUBMIT, since=0, slow=True), clock)
        line.take(Turn(Rank.POLL, since=0), clock)
        assert clock.now() == 0

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
        with pytest.raises(NoClient, match="closed"):
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


def test_a_request_that_was_given_up_is_not_read_on() -> None:
    sent = sent_with(200, b"{")
    sent.give_up()
    with pytest.raises(ConnectionLost, match="given up"):
        sent.receive(b"}")


def test_a_request_that_was_given_up_is_not_sent_later() -> None:
    sent = Sent(POST)
    assert sent.give_up()
    with pytest.raises(ConnectionLost, match="before it was sent"):
        sent.begin()
    assert not sent.begun


def test_an_image_body_may_be_larger_than_others() -> None:
    caller = World([]).caller()
    step: Any = next(caller.generate(Call(), MODEL, PROMPT))
    assert step.sent.largest == LARGEST_IMAGE_BODY


def test_keys_are_masked_in_any_case_and_the_longest_first() -> None:
    keys = [Secret("team-a"), Secret("team-a-secret")]
    assert masked("TEAM-A-SECRET at team-a-secret") == "… at …"
    assert keys


class TestUnexpectedException:
    def test_after_a_post_was_sent_may_have_been_accepted_and_names_its_job(self) -> None:
        call = Call()
        call.sent = sent_with(200, b'{"request_id": "%s"}' % REQUEST_ID.encode())
        with pytest.raises(MayHaveBeenAccepted, match="ZeroDivisionError") as raised:
            call.fail(ZeroDivisionError("in a hook"))
        assert raised.value.request_id == REQUEST_ID

    def test_of_a_wait_names_the_job(self) -> None:
        with pytest.raises(SegmindError, match="ZeroDivisionError: in a hook") as raised:
            Call(REQUEST_ID).fail(ZeroDivisionError("in a hook"))
        assert type(raised.value) is SegmindError
        assert raised.value.request_id == REQUEST_ID

    def test_before_anything_was_sent_claims_nothing(self) -> None:
        with pytest.raises(SegmindError, match="unexpected failure") as raised:
            Call().fail(ZeroDivisionError("in a hook"))
        assert "accepted" not in str(raised.value)


def test_only_the_last_keys_are_remembered() -> None:
    Secret("the-first-key")
    for number in range(MOST_KEYS):
        Secret(f"a-later-key-{number}")
    assert masked("the-first-key, a-later-key-7") == "the-first-key, …"
