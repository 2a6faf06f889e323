"""Responses over raw sockets that are followed by other bytes, are about another job, or are incomplete."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterable
from typing import Any

import pytest

from segmind_client import errors
from tests.support.calls import CARRIERS, WAYS, outcome, outcomes
from tests.support.servers import REQUEST_ID, End, HostileServer, Request, Script, Step, respond_with, response

ANOTHER_ID = "11111111-2222-4333-8444-555555555555"
ACCEPTED: dict[str, Any] = {"request_id": REQUEST_ID, "status": "QUEUED"}
PROCESSING: dict[str, Any] = {"request_id": REQUEST_ID, "status": "PROCESSING", "metrics": {}}
COMPLETED: dict[str, Any] = {
    "request_id": REQUEST_ID,
    "status": "COMPLETED",
    "output": "https://images.example/a.png",
    "metrics": {},
}
COMPLETED_ANOTHER: dict[str, Any] = {**COMPLETED, "request_id": ANOTHER_ID}
FAILED_ANOTHER: dict[str, Any] = {"request_id": ANOTHER_ID, "status": "FAILED", "error": "blocked", "metrics": {}}
SURPLUS = {
    "a whole 500": response({"error": "broken"}, "500 Internal Server Error"),
    "a whole 200 with another job": response({**ACCEPTED, "request_id": ANOTHER_ID}),
    "a whole 400": response({"error": "no prompt"}, "400 Bad Request"),
    "half a 200 with another job": response({**ACCEPTED, "request_id": ANOTHER_ID})[:-5],
    "no HTTP": b"\x00\x01\x02",
}


def status(client: Any) -> Any:
    return client.job(REQUEST_ID).status()


def result(client: Any) -> Any:
    return client.job(REQUEST_ID).result()


def submit(client: Any) -> Any:
    return client.submit_model("any", {})


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("surplus", SURPLUS.values(), ids=SURPLUS.keys())
class TestBytesAfterAResponse:
    def test_in_the_same_segment_are_not_read_as_the_response_to_a_submit(self, way: str, surplus: bytes) -> None:
        def script(request: Request) -> Iterable[Step]:
            return [response(PROCESSING) + surplus] if request.method == "GET" else [response(ACCEPTED)]

        with HostileServer(script) as server:
            _, submitted = outcomes(way, server.url, status, submit)
        assert submitted.request_id == REQUEST_ID
        assert server.count("POST") == 1

    def test_that_arrive_later_are_not_read_as_the_response_to_a_submit(self, way: str, surplus: bytes) -> None:
        later = threading.Event()

        def script(request: Request) -> Iterable[Step]:
            return [response(PROCESSING), later, surplus] if request.method == "GET" else [response(ACCEPTED)]

        def let_them_arrive(_: object) -> None:
            later.set()
            server.wait_until(lambda: server.responded == 1)

        with HostileServer(script) as server:
            *_, submitted = outcomes(way, server.url, status, let_them_arrive, submit)
        assert submitted.request_id == REQUEST_ID
        assert server.count("POST") == 1

    def test_to_a_submit_are_not_read_as_the_response_to_the_next_one(self, way: str, surplus: bytes) -> None:
        with HostileServer(lambda _: [response(ACCEPTED) + surplus]) as server:
            submitted = outcomes(way, server.url, submit, submit)
        assert [job.request_id for job in submitted] == [REQUEST_ID, REQUEST_ID]
        assert server.count("POST") == 2


STRAY = {
    "a 200 about another job": response(COMPLETED_ANOTHER),
    "a 422 about another job": response(FAILED_ANOTHER, "422 Unprocessable Entity"),
    "a 404 without an id": response({"error": "no such job"}, "404 Not Found"),
    "a 401 without an id": response({"error": "no such key"}, "401 Unauthorized"),
    "a 200 without an id": response({"status": "COMPLETED", "metrics": {}}),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stray", STRAY.values(), ids=STRAY.keys())
def test_a_poll_that_reads_a_stray_response_from_a_kept_connection_is_sent_over_a_fresh_one(
    way: str, stray: bytes
) -> None:
    def script(request: Request) -> Iterable[Step]:
        return [response(PROCESSING) + (stray if request.connection == 1 else b"")]

    with HostileServer(script) as server:
        seen = outcomes(way, server.url, status, status)
    assert [(job.request_id, job.status) for job in seen] == [(REQUEST_ID, "PROCESSING")] * 2
    assert server.opened == 2


@pytest.mark.parametrize("way", WAYS)
def test_a_result_that_a_kept_connection_gives_of_another_job_is_never_returned(way: str) -> None:
    def script(request: Request) -> Iterable[Step]:
        if request.method == "POST":
            return [response(ACCEPTED)]
        if request.connection <= 2:
            return [response(COMPLETED) + response({**COMPLETED_ANOTHER, "output": "https://images.example/b.png"})]
        return [response(COMPLETED)]

    with HostileServer(script) as server:
        completed = outcome(way, server.url, lambda client: client.run_model("any", {}), deadline=5)
    assert (completed.request_id, completed.image_url) == (REQUEST_ID, COMPLETED["output"])


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("way", WAYS)
class TestServiceThatMixesUpJobs:
    @pytest.mark.parametrize(
        ("body", "line"), [(COMPLETED_ANOTHER, "200 OK"), (FAILED_ANOTHER, "422 Unprocessable Entity")]
    )
    def test_is_not_believed_about_a_job(self, way: str, carrier: str, body: dict[str, Any], line: str) -> None:
        with HostileServer(respond_with(body, line)) as server:
            for step in (status, result):
                error = outcome(way, server.url, step, carrier=carrier, attempts=1)
                assert isinstance(error, errors.UnreadableResponse)
                assert "another job" in str(error)
                assert error.request_id == REQUEST_ID

    def test_does_not_end_a_wait_before_its_deadline(self, way: str, carrier: str) -> None:
        with HostileServer(respond_with(COMPLETED_ANOTHER)) as server:
            error = outcome(
                way, server.url, lambda client: client.job(REQUEST_ID).wait(deadline=0.1), carrier=carrier, attempts=1
            )
        assert isinstance(error, errors.InferenceTimeout)
        assert error.request_id == REQUEST_ID


def cut(*pieces: bytes, end: Step = End.CLOSE) -> Script:
    return lambda _: [b"".join(pieces), end]


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
WHOLE = json.dumps(ACCEPTED).encode()
CHUNK = b"%x\r\n%b\r\n" % (len(WHOLE), WHOLE)
AFTER_THE_ID = WHOLE[: WHOLE.index(b'"status"')]
ZIPPED = gzip.compress(WHOLE, mtime=0)
INCOMPLETE: dict[str, Script] = {
    "the last chunk is missing": cut(CHUNKED, CHUNK),
    "the last chunk is missing and the connection reset": cut(CHUNKED, CHUNK, end=End.RESET),
    "the last chunk never comes": cut(CHUNKED, CHUNK, end=1.0),
    "the last chunk is none": cut(CHUNKED, CHUNK, b"x\r\n\r\n"),
    "Content-Length is one too large": cut(response(WHOLE, length=len(WHOLE) + 1)),
    "Content-Length is one too large and no more comes": cut(response(WHOLE, length=len(WHOLE) + 1), end=1.0),
    "the body is cut after the id": cut(response(AFTER_THE_ID, length=len(WHOLE))),
    "the chunks are cut after the id": cut(CHUNKED, b"%x\r\n" % len(WHOLE), AFTER_THE_ID),
    "the gzipped body is cut": cut(response(ZIPPED[:-9], length=len(ZIPPED), content_encoding="gzip")),
    "the gzipped body lacks its end": cut(response(ZIPPED[:-4], content_encoding="gzip")),
}


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("script", INCOMPLETE.values(), ids=INCOMPLETE.keys())
def test_the_id_in_an_incomplete_response_to_a_submit_is_named(way: str, carrier: str, script: Script) -> None:
    with HostileServer(script) as server:
        error = outcome(way, server.url, submit, carrier=carrier, read_seconds=0.2)
    assert isinstance(error, errors.MayHaveBeenAccepted)
    assert error.request_id == REQUEST_ID
    assert REQUEST_ID in str(error)
    assert server.count("POST") == 1


@pytest.mark.parametrize("way", WAYS)
def test_an_incomplete_response_without_an_id_names_none(way: str) -> None:
    with HostileServer(cut(response(b'{"request_id": "7c9e', length=100))) as server:
        error = outcome(way, server.url, submit)
    assert isinstance(error, errors.MayHaveBeenAccepted)
    assert error.request_id is None
    assert server.count("POST") == 1
