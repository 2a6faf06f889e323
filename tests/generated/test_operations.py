"""The generated operations, against answers of every kind and against the double."""

from __future__ import annotations

import json

import anyio
import httpx
import pytest

from segmind_api.api.account import get_user_credits
from segmind_api.api.generations import generate_imagen_4_fast
from segmind_api.api.jobs import get_job_result, get_job_status, submit_imagen_4
from segmind_api.client import API_KEY_HEADER
from segmind_api.errors import InvalidParameter
from segmind_api.headers import ResponseHeaders
from segmind_api.models import ErrorResponse, FailedJob, GenerationOutput, Imagen4FastRequest, Imagen4Request
from segmind_api.types import ApiRequest, ApiResponse
from segmind_mock import DEFAULT_KEY, Double, MovableClock


def response(status: int, content: bytes, content_type: str = "application/json") -> ApiResponse:
    return ApiResponse(status, ResponseHeaders({"Content-Type": content_type}), content)


def test_a_request_is_built_without_sending_it() -> None:
    assert submit_imagen_4.build(Imagen4Request(prompt="x")) == ApiRequest("POST", "/v2/imagen-4", {"prompt": "x"})
    assert get_job_status.build("an/id").path == "/v2/requests/an%2Fid/status"


@pytest.mark.parametrize("request_id", ["", ".", "..", "\ud800", "x" * 70_000])
def test_an_id_that_fits_in_no_path_or_leads_to_another_is_refused(request_id: str) -> None:
    with pytest.raises(InvalidParameter):
        get_job_result.build(request_id)


@pytest.mark.parametrize(
    ("content_type", "content", "expected"),
    [
        ("application/json", b'{"output": "u"}', GenerationOutput({"output": "u"})),
        ("text/plain; charset=utf-8", "é".encode(), "é"),
        ("image/png", b"\x89PNG", b"\x89PNG"),
        ("IMAGE/JPEG", b"\xff\xd8", b"\xff\xd8"),
    ],
)
def test_a_v1_answer_is_read_by_its_content_type(content_type: str, content: bytes, expected: object) -> None:
    answer = generate_imagen_4_fast.read(response(200, content, content_type))
    assert (answer.result, answer.error, answer.problem) == (expected, None, None)


def test_a_documented_error_is_read() -> None:
    answer = get_job_status.read(response(422, b'{"status": "FAILED", "error": "blocked"}'))
    assert isinstance(answer.error, FailedJob)
    assert answer.error.error == "blocked"
    refused = get_job_status.read(response(401, b'{"error": "no key"}'))
    assert refused.error == ErrorResponse({"error": "no key"})
    assert get_job_status.read(response(405, b"<h1>no</h1>", "text/html")).error == "<h1>no</h1>"


@pytest.mark.parametrize(
    ("status", "content", "content_type", "problem"),
    [
        (520, b"", "text/html", "status 520 is not in the contract"),
        (200, b"<html>", "text/html", "status 200 came with 6 bytes of text/html, not with readable application/json"),
        (200, b"[]", "application/json", "not with readable application/json"),
        (200, b"{", "application/json", "not with readable application/json"),
        (200, b"\xff\xfe{", "application/json", "not with readable application/json"),
        (200, b"[" * 100_000, "application/json", "not with readable application/json"),
        (200, b'{"n": ' + b"9" * 5000 + b"}", "application/json", "not with readable application/json"),
        (404, b"null", "application/json", "not with readable application/json"),
        (200, b"{}", "", "2 bytes of no declared type"),
    ],
)
def test_anything_else_is_told_and_never_raised(status: int, content: bytes, content_type: str, problem: str) -> None:
    answer = get_job_status.read(response(status, content, content_type))
    assert (answer.result, answer.error) == (None, None)
    assert problem in str(answer.problem)
    assert answer.response.content == content


def test_headers_are_typed_and_tolerant() -> None:
    headers = ResponseHeaders({"X-Cost": "0.06", "X-Seed-Value": "seven", "X-Remaining-Credits": "nan"})
    assert (headers.cost, headers.seed_value, headers.remaining_credits) == (0.06, None, None)
    assert headers["x-seed-value"] == "seven"
    assert headers.rate_limit_remaining is None


def test_sync_calls_work_against_the_double(address: str, clock: MovableClock) -> None:
    with httpx.Client(base_url=address, headers={API_KEY_HEADER: DEFAULT_KEY}) as client:
        submitted = submit_imagen_4.call(client, Imagen4Request(prompt="x")).result
        assert submitted is not None
        clock.advance(60)
        result = get_job_result.call(client, submitted.request_id).result
        assert result is not None
        assert result.status == "COMPLETED"
        credits_left = get_user_credits.call(client).result
        assert credits_left is not None
        assert credits_left.credits == result.metrics.remaining_credits


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_async_calls_work_against_the_double_in_process(double: Double, backend: str) -> None:
    async def generate() -> None:
        transport = httpx.ASGITransport(double.app)
        headers = {API_KEY_HEADER: DEFAULT_KEY}
        async with httpx.AsyncClient(transport=transport, base_url="http://double", headers=headers) as client:
            body = Imagen4FastRequest(prompt="x", seed=7)
            answer = await generate_imagen_4_fast.call_async(client, body)
            assert isinstance(answer.result, GenerationOutput)
            assert answer.headers.seed_value == answer.result.seed == 7
            assert answer.headers.cost == 0.02

    anyio.run(generate, backend=backend)


def test_the_body_that_is_sent_is_the_body_that_was_built() -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={})

    with httpx.Client(transport=httpx.MockTransport(answer), base_url="https://service.example") as client:
        submit_imagen_4.call(client, Imagen4Request(prompt="é"))
    assert sent[0].headers["content-type"] == "application/json"
    assert json.loads(sent[0].content) == {"prompt": "é"}
