"""One request: its body, its limits, and when it counts as given up."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import attrs
import pytest

from segmind_api.types import ApiRequest
from segmind_client.errors import ConnectionLost, UnreadableResponse
from tests.support.internals import (
    Call,
    MemorySink,
    RequestBody,
    Sent,
    Times,
    decoded,
    fetch,
    job_in_part,
)
from tests.support.world import MODEL, POST, REQUEST_ID, START, World, response, sent_with

PROMPT = {"prompt": "x"}


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

    def test_of_deflate_without_a_header_do_not_hide_the_id(self) -> None:
        body = zlib.compress(b'{"request_id": "%s"}' % REQUEST_ID.encode(), wbits=-zlib.MAX_WBITS)
        assert job_in_part(sent_with(200, body, content_encoding="deflate")) == REQUEST_ID

    @pytest.mark.parametrize("encoding", ["gzip, identity", "identity,gzip", "gzip,", ", gzip"])
    def test_beside_identity_or_nothing_are_decoded(self, encoding: str) -> None:
        assert decoded(sent_with(200, gzip.compress(b"{}"), content_encoding=encoding)).content == b"{}"

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
    with pytest.raises(UnreadableResponse, match="larger than 10 bytes"):
        sent.receive(b"1")


@pytest.mark.parametrize(("size", "allowed"), [(1_000, True), (1_001, False)])
def test_a_decoded_body_may_have_exactly_as_many_bytes_as_are_allowed(size: int, allowed: bool) -> None:
    sent = Sent(POST, largest=1_000)
    sent.start_response(200, {"content-encoding": "gzip"})
    sent.receive(gzip.compress(bytes(size)))
    if allowed:
        assert decoded(sent).content == bytes(size)
    else:
        with pytest.raises(UnreadableResponse, match="larger than 1000 bytes"):
            decoded(sent)


@pytest.mark.parametrize(("total", "head"), [(100, 7), (5, 5)])
def test_the_head_of_a_response_has_the_time_of_all_its_steps_and_no_more_than_the_total(
    total: float, head: float
) -> None:
    assert Times(connect=1, write=2, read=4, total=total).head == head


def test_a_custom_httpx_client_is_given_each_limit_by_its_name_and_none_beyond_the_total() -> None:
    timeouts = Times(connect=1, write=2, read=4, total=3).extensions()
    assert timeouts == {"timeout": {"connect": 1, "write": 2, "read": 3, "pool": 3}}


@pytest.mark.parametrize(
    ("output", "largest"),
    [
        ("image", 100_000_000),
        ("video", 1_000_000_000),
        ("audio", 240_000_000),
        ("text", 100_000_000),
        ("json", 100_000_000),
        (None, 1_000_000_000),
    ],
)
def test_the_body_of_a_v1_response_may_be_as_large_as_what_the_model_makes(output: Any, largest: int) -> None:
    step: Any = next(World([]).caller().generate(Call(), attrs.evolve(MODEL, output=output), PROMPT))
    assert step.sent.largest == largest


def test_the_body_of_a_result_may_be_as_large_as_an_escaped_text_and_no_other_body_of_a_job_may() -> None:
    caller = World([]).caller()
    step: Any = next(caller.result(REQUEST_ID))
    assert step.sent.largest == 6 * 50_000_000
    for flow in (caller.submit(Call(), MODEL, PROMPT), caller.status(REQUEST_ID)):
        step = next(flow)
        assert step.sent.largest == 4_000_000


def test_the_credits_are_asked_for_over_a_fresh_connection_since_their_response_names_no_job() -> None:
    step: Any = next(World([]).caller().credits())
    assert step.sent.needs_fresh_connection


def test_the_credits_are_asked_for_until_the_deadline_of_the_client() -> None:
    step: Any = next(World([]).caller(deadline=7).credits())
    assert step.until == START + 7


def test_a_redirect_of_an_image_has_the_deadline_and_the_check_of_addresses_of_the_first_request() -> None:
    world = World([])
    flow = fetch(attrs.evolve(world.caller(), is_https=True), "https://images.example/a.png", MemorySink())
    first: Any = next(flow)
    world.time += 7
    second: Any = flow.send(response(302, b"", location="https://elsewhere.example/a.png"))
    assert second.request.path == "https://elsewhere.example/a.png"
    assert second.until == first.until
    assert first.check_address is not None
    assert second.check_address is first.check_address


def test_the_download_of_an_image_has_its_own_deadline_and_check_of_addresses() -> None:
    check: Any = object()
    step: Any = next(World([]).caller().fetch("https://images.example/a.png", MemorySink(), START + 5, check))
    assert (step.until, step.turn.until, step.check_address) == (START + 5, START + 5.5, check)
