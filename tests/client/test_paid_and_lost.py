"""What is paid for is neither lost nor paid again, whatever odd response comes."""

from __future__ import annotations

import gzip
import json
import sys
from contextlib import suppress
from typing import Any

import pytest

from segmind_api.errors import UnreadableField
from segmind_api.models import JobResult
from segmind_api.types import ApiRequest, ApiResponse
from segmind_client.clock import SystemClock
from segmind_client.downloads import MemorySink
from segmind_client.errors import (
    ConnectionLost,
    InferenceFailed,
    MayHaveBeenAccepted,
    NoClient,
    NotSent,
    RateLimited,
    SegmindError,
    ServerError,
    StatusError,
    UnreadableAnswer,
)
from segmind_client.flows import Call, Submission
from segmind_client.line import CONNECTIONS, RESERVED, Line, Rank, Turn
from segmind_client.masking import MOST_KEYS, Secret, masked
from segmind_client.network import decoded
from segmind_client.reading import job_in_part, may_have_been_accepted
from segmind_client.steps import LARGEST_BODY, LARGEST_IMAGE_BODY, RequestBody, Sent
from tests.client.chaos.interrupts import interrupt_after
from tests.support.clock import PauseClock
from tests.support.world import MODEL, REQUEST_ID, RESULT, START, SUBMITTED, World, refused, response, state

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
        with pytest.raises(UnreadableAnswer, match=f"status is {status}") as raised:
            world.play(world.caller().result(REQUEST_ID))
        assert raised.value.request_id == REQUEST_ID

    def test_of_a_failed_job_is_its_failure(self) -> None:
        world = World([response(200, {"request_id": REQUEST_ID, "status": "FAILED", "error": "blocked"})])
        with pytest.raises(InferenceFailed, match="blocked"):
            world.play(world.caller().result(REQUEST_ID))

    def test_is_asked_for_again_until_it_is_one(self) -> None:
        world = World([SUBMITTED, state("COMPLETED"), state("PROCESSING"), RESULT])
        assert world.play(world.caller().run(Call(), MODEL, PROMPT)).status == "COMPLETED"

    def test_without_an_id_is_given_that_of_the_job(self) -> None:
        world = World([SUBMITTED, state("COMPLETED"), response(200, {"status": "COMPLETED", "output": "x"})])
        assert world.play(world.caller().run(Call(), MODEL, PROMPT)).request_id == REQUEST_ID

    def test_that_says_nothing_is_none(self) -> None:
        world = World([response(200, {})])
        with pytest.raises(UnreadableAnswer) as raised:
            world.play(world.caller().result(REQUEST_ID))
        assert raised.value.request_id == REQUEST_ID

    def test_over_a_kept_connection_needs_an_output(self) -> None:
        world = World([])
        flow = world.caller().result(REQUEST_ID)
        step: Any = next(flow)
        assert not step.sent.accepts(state("COMPLETED"))
        assert step.sent.accepts(RESULT)
        assert step.sent.accepts(refused(503))


@pytest.mark.parametrize("body", [{"status": "FAILED"}, {"request_id": REQUEST_ID, "error": "blocked"}])
def test_a_422_about_a_job_says_that_the_job_failed(body: dict[str, str]) -> None:
    world = World([response(422, body)])
    with pytest.raises(InferenceFailed):
        world.play(world.caller().status(REQUEST_ID))


@pytest.mark.parametrize(
    "body", [{"detail": "no uuid"}, {"error": "no uuid"}, {"request_id": REQUEST_ID, "error": {}}, {}]
)
def test_a_422_about_no_job_does_not_say_that_the_job_failed(body: dict[str, Any]) -> None:
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


@pytest.mark.parametrize("status", [500, 502, 503])
@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b'{"error": "x", "request\\u005fid": "%s"}' % REQUEST_ID.encode(), {}),
        (json.dumps({"error": "x", "request_id": REQUEST_ID}).encode("utf-16"), {}),
        (b'{"error": "x"}', {"x_cost": "0.06, 0.06"}),
        (b'{"error": "x"}', {"x_cost": "0.06 USD"}),
        (b'{"error": "x", "metrics": {"cost": 0.06}}', {}),
    ],
    ids=["an escaped name", "UTF-16", "a cost sent twice", "a cost with its unit", "a cost in the body"],
)
def test_an_error_that_speaks_of_a_job_or_a_cost_in_any_spelling_is_not_retried(
    status: int, content: bytes, headers: dict[str, str]
) -> None:
    world = World([response(status, content, **headers)])
    with pytest.raises(MayHaveBeenAccepted):
        world.play(world.caller().submit(Call(), MODEL, PROMPT))


@pytest.mark.parametrize(
    "body",
    [
        {"timestamp": "2026-01-01T00:00:00Z", "path": "/v2/any", "status": 502, "error": "no route", "requestId": "1"},
        {"error": "Bad Gateway"},
    ],
    ids=["with fields that the contract does not have", "with no more than the name of its status"],
)
def test_an_error_of_a_gateway_is_not_taken_for_one_of_the_service(body: dict[str, Any]) -> None:
    world = World([response(502, body)])
    with pytest.raises(MayHaveBeenAccepted):
        world.play(world.caller().submit(Call(), MODEL, PROMPT))


@pytest.mark.parametrize("status", [400, 401, 406, 504])
def test_a_refusal_with_a_cost_is_not_said_to_be_free(status: int) -> None:
    world = World([response(status, {"error": "x"}, x_cost="0.06")])
    with pytest.raises(MayHaveBeenAccepted):
        world.play(world.caller().generate(Call(is_generation=True), MODEL, PROMPT))


FREE: dict[str, Any] = {"request_id": REQUEST_ID, "status": "FAILED", "error": "blocked", "metrics": {}}


@pytest.mark.parametrize(
    ("body", "headers", "words"),
    [
        (FREE, {}, "nothing was charged"),
        (FREE | {"metrics": {"cost": 0.06}}, {}, "it is said to have cost 0.06"),
        (FREE, {"x_cost": "0.06"}, "it is said to have cost 0.06"),
    ],
)
def test_a_failed_job_is_said_to_be_free_unless_the_service_names_a_cost(
    body: dict[str, Any], headers: dict[str, str], words: str
) -> None:
    world = World([response(422, body, **headers)])
    with pytest.raises(InferenceFailed, match=words):
        world.play(world.caller().status(REQUEST_ID))


def test_a_422_about_a_job_that_is_processed_does_not_say_that_it_failed() -> None:
    world = World([response(422, {"request_id": REQUEST_ID, "status": "PROCESSING", "error": "x"})])
    with pytest.raises(StatusError) as raised:
        world.play(world.caller().status(REQUEST_ID))
    assert type(raised.value) is StatusError


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

    @pytest.mark.parametrize("media_type", ["application/octet-stream", "binary/octet-stream", ""])
    def test_is_none_for_an_image_without_the_media_type_of_one(self, media_type: str) -> None:
        image = b"\x89PNG\r\n\x1a\n"
        world = World([response(200, image, content_type=media_type)])
        came, output = world.play(world.caller().generate(Call(is_generation=True), MODEL, PROMPT))
        assert (came.status, output) == (200, image)

    def test_is_not_said_to_be_a_job(self) -> None:
        error = self.fail(response(504, b"<html>", x_request_id="call-1"))
        assert "job(" not in str(error)
        assert "may have been accepted" in str(error)


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


def test_waits_of_a_second_for_a_limit_stay_as_long_as_the_service_asks() -> None:
    limit = response(429, {"error": "x"}, retry_after="1")
    world = World([limit, limit, limit, state("QUEUED")])
    world.play(world.caller().status(REQUEST_ID))
    assert world.pauses == pytest.approx([1, 1, 1])


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

    def test_that_are_sent_twice_do_not_hide_the_id(self) -> None:
        sent = sent_with(
            200, gzip.compress(b'{"request_id": "%s"}' % REQUEST_ID.encode()), content_encoding="gzip, gzip"
        )
        assert job_in_part(sent) == REQUEST_ID

    def test_beside_identity_are_decoded(self) -> None:
        assert decoded(sent_with(200, gzip.compress(b"{}"), content_encoding="gzip, identity")).content == b"{}"

    def test_of_several_gzip_members_are_decoded_to_the_last(self) -> None:
        body = gzip.compress(b"one, ") + gzip.compress(b"two")
        assert decoded(sent_with(200, body, content_encoding="gzip")).content == b"one, two"

    def test_of_several_gzip_members_that_are_cut_short_are_a_lost_response(self) -> None:
        body = gzip.compress(b"one, ") + gzip.compress(b"two")[:-4]
        with pytest.raises(ConnectionLost, match="incomplete"):
            decoded(sent_with(200, body, content_encoding="gzip"))

    def test_that_are_cut_short_are_a_lost_response(self) -> None:
        with pytest.raises(ConnectionLost, match="incomplete"):
            decoded(sent_with(200, gzip.compress(b"x" * 1000)[:-4], content_encoding="gzip"))


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

    def test_of_a_v1_call_without_an_id_says_that_it_is_charged(self) -> None:
        error = self.interrupted(sent_with(200, b"\x89PNG"), is_generation=True)
        assert "accepted and is charged (request without an id)" in error.__notes__[0]

    @pytest.mark.parametrize(("status", "body"), [(400, b"{}"), (503, b'{"error": "busy"}')])
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


def test_the_body_of_a_request_is_compact_json_in_utf_8() -> None:
    assert RequestBody(Sent(ApiRequest("POST", "/v2/any", {"prompt": "é", "n": 1}))).content == (
        b'{"prompt":"\xc3\xa9","n":1}'
    )


def test_only_a_post_needs_a_connection_that_has_carried_nothing_unless_asked_for() -> None:
    get = ApiRequest("GET", "/v2/any")
    wanted = [Sent(POST), Sent(get), Sent(get, fresh=True)]
    assert [sent.needs_fresh_connection for sent in wanted] == [True, False, True]


def test_the_head_of_a_response_has_no_body_yet() -> None:
    assert Sent(POST).start_response(200, {}).content == b""


def test_a_body_may_have_exactly_as_many_bytes_as_are_allowed() -> None:
    sent = Sent(POST, largest=10)
    sent.start_response(200, {})
    sent.receive(b"12345")
    sent.receive(b"67890")
    assert decoded(sent).content == b"1234567890"
    with pytest.raises(ConnectionLost, match="larger than 10 bytes"):
        sent.receive(b"1")


@pytest.mark.parametrize(("size", "allowed"), [(1_000, True), (1_001, False)])
def test_a_decoded_body_may_have_exactly_as_many_bytes_as_are_allowed(size: int, allowed: bool) -> None:
    sent = Sent(POST, largest=1_000)
    sent.start_response(200, {"content-encoding": "gzip"})
    sent.receive(gzip.compress(bytes(size)))
    if allowed:
        assert decoded(sent).content == bytes(size)
    else:
        with pytest.raises(ConnectionLost, match="larger than 1000 bytes"):
            decoded(sent)


def test_an_image_body_may_be_larger_than_others() -> None:
    caller = World([]).caller()
    step: Any = next(caller.generate(Call(), MODEL, PROMPT))
    assert step.sent.largest == LARGEST_IMAGE_BODY == 100_000_000
    for flow in (caller.submit(Call(), MODEL, PROMPT), caller.status(REQUEST_ID), caller.result(REQUEST_ID)):
        step = next(flow)
        assert step.sent.largest == LARGEST_BODY == 4_000_000


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


def test_the_credits_are_asked_for_over_a_fresh_connection_since_their_response_names_no_job() -> None:
    step: Any = next(World([]).caller().credits())
    assert step.sent.needs_fresh_connection


def test_the_download_of_an_image_has_its_own_deadline_and_check_of_addresses() -> None:
    check: Any = object()
    step: Any = next(World([]).caller().fetch("https://images.example/a.png", MemorySink(), START + 5, check))
    assert (step.until, step.turn.until, step.check_address) == (START + 5, START + 5.5, check)


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


def test_a_key_in_use_is_masked_however_many_were_made_after_it() -> None:
    key = "a-key-that-is-in-use"
    secret = Secret(key)
    for number in range(MOST_KEYS + 1):
        Secret(f"another-key-{number}")
    assert key not in masked(f"{secret.reveal()} is not valid")


def test_a_key_is_masked_in_a_url() -> None:
    Secret("a+key/of=another-form")
    assert masked("/files/a%2Bkey%2Fof%3Danother-form") == "/files/…"


def test_a_field_that_cannot_be_read_names_the_job_and_has_the_response() -> None:
    came = response(200, {"request_id": REQUEST_ID, "status": "COMPLETED"})
    with pytest.raises(UnreadableField) as raised:
        _ = JobResult({"request_id": REQUEST_ID, "status": "COMPLETED"}, came).metrics
    assert raised.value.request_id == REQUEST_ID
    assert raised.value.response is came
