"""Whatever a service responds, only SegmindErrors are raised, the key stays, and no call pauses beyond its time."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from contextlib import suppress
from inspect import iscoroutine
from typing import Any, TypeGuard

import anyio
import attrs
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segmind_api.catalog import MODELS
from segmind_api.headers import ResponseHeaders
from segmind_api.types import ApiResponse, ResponseObject
from segmind_client import AsyncClient, AsyncJobHandle, Client, JobHandle
from segmind_client.errors import LONGEST_MESSAGE, InferenceTimeout, SegmindError
from tests.support.clock import pause_clock
from tests.support.internals import AsyncSavable, GenerationFields, Options

BASE_URL = "https://service.example"
REQUEST_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
SLUG = next(iter(MODELS))
PROMPT = {"prompt": "x"}
JSON = {"content-type": "application/json"}


@attrs.frozen
class Response:
    status: int
    headers: dict[str, str]
    body: bytes = attrs.field(repr=lambda body: repr(body[:1_000]))


def good(**fields: Any) -> Response:
    return Response(200, JSON, json.dumps({"request_id": REQUEST_ID, **fields}).encode())


SUBMITTED = good(status="QUEUED")
COMPLETED = good(status="COMPLETED", output="https://images.example/a.png", metrics={})


@attrs.define
class Service:
    """Gives these responses in turn, and the last one from then on. Nothing may be sent elsewhere."""

    responses: list[Response]
    given: int = 0

    def serve(self, request: httpx.Request) -> httpx.Response:
        assert "elsewhere" not in str(request.url)
        response = self.responses[min(self.given, len(self.responses) - 1)]
        self.given += 1
        headers = [(name.encode(), value.encode()) for name, value in response.headers.items()]
        # A stream, since httpx would decode bytes before they are sent.
        return httpx.Response(response.status, headers=headers, stream=httpx.ByteStream(response.body))


DEADLINE = 30.0
RETRY_SECONDS = Options().retry_seconds
CALLS: dict[str, tuple[float, Callable[[Any], Any]]] = {
    "submit": (RETRY_SECONDS, lambda client: client.submit_model(SLUG, PROMPT)),
    "generate": (RETRY_SECONDS, lambda client: client.generate_model(SLUG, PROMPT)),
    "run": (RETRY_SECONDS + DEADLINE, lambda client: client.run_model(SLUG, PROMPT)),
    "status": (RETRY_SECONDS, lambda client: client.job(REQUEST_ID).status()),
    "result": (RETRY_SECONDS, lambda client: client.job(REQUEST_ID).result()),
    "wait": (DEADLINE, lambda client: client.job(REQUEST_ID).wait(deadline=DEADLINE)),
    "credits": (RETRY_SECONDS, lambda client: client.credits()),
}
"""For how many seconds a call may pause at most, and the call."""


def check(name: str, responses: list[Response]) -> None:
    """Makes a call, sync and async, and fails if it, or what it gives, raises anything but a SegmindError."""
    longest, call = CALLS[name]

    def use() -> None:
        transport = httpx.MockTransport(Service(responses).serve)
        with Client("key", base_url=BASE_URL, transport=transport, deadline=DEADLINE) as it:
            try:
                read(call(it))
            except SegmindError as error:
                read(error)

    async def use_async() -> None:
        transport = httpx.MockTransport(Service(responses).serve)
        async with AsyncClient("key", base_url=BASE_URL, transport=transport, deadline=DEADLINE) as it:
            try:
                given = await call(it)
                read(given)
                if isinstance(given, AsyncSavable):
                    read(await given.content())
            except SegmindError as error:
                read(error)

    for way in (use, lambda: anyio.run(use_async)):
        with pause_clock() as clock:
            way()
        assert clock.now() <= longest


OURS = (ResponseObject, ResponseHeaders, ApiResponse, GenerationFields, JobHandle, AsyncJobHandle, SegmindError)


def read(thing: Any) -> None:
    """Reads every attribute of a result or an error, and theirs in turn."""
    if is_tuple(thing):
        for item in thing:
            read(item)
    if not isinstance(thing, OURS):
        return
    assert str(thing)
    for name in dir(thing):
        if name.startswith("_") or callable(getattr(type(thing), name, None)):
            continue
        with suppress(SegmindError):
            value = getattr(thing, name)
            if iscoroutine(value):
                value.close()
            read(value)


def is_tuple(thing: object) -> TypeGuard[tuple[Any, ...]]:
    return isinstance(thing, tuple)


def nested(depth: int) -> bytes:
    return b'{"status":"COMPLETED","request_id":"a","metrics":' + b"[" * depth + b"]" * depth + b"}"


ODD_BODIES = {
    "nothing": b"",
    "a page": b"<!doctype html><title>502</title>",
    "cut off": b'{"request_id": "7c9e',
    "an open end": b"[" * 100_000,
    "objects without end": b'{"a":' * 100_000,
    **{f"{depth} levels": nested(depth) for depth in (300, 900, 990, 2_000)},
    "an integer too long to read": b'{"seed":' + b"9" * 5_000 + b"}",
    "a huge integer": b'{"status":"COMPLETED","metrics":{"total_time":' + b"9" * 400 + b"}}",
    "infinity": b'{"status":"COMPLETED","request_id":"a","metrics":{"total_time":1e999,"cost":NaN}}',
    "an id of 70 kB": b'{"request_id":"' + b"a" * 70_000 + b'"}',
    "an id that no URL can hold": rb'{"request_id":"\ud800"}',
    "an id that leads elsewhere": b'{"request_id":".."}',
    "a message that cannot be written": rb'{"error":"\ud800"}',
    "a URL that is none": b'{"status":"COMPLETED","output":"https://[/","images":[{"url":"http://a:b"}]}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16, cut off": b"\xff\xfe{\x00}",
    "null": b"null",
    "a list": b"[{}]",
}


@pytest.mark.parametrize("status", [200, 422, 500])
@pytest.mark.parametrize("body", ODD_BODIES.values(), ids=ODD_BODIES.keys())
def test_an_odd_body_raises_nothing_but_a_segmind_error(body: bytes, status: int) -> None:
    for name in CALLS:
        check(name, [Response(status, JSON, body)])
    check("run", [SUBMITTED, COMPLETED, Response(status, JSON, body)])


@pytest.mark.parametrize("status", [422, 500, 502, 504])
@pytest.mark.parametrize("name", CALLS)
def test_a_long_message_is_cut_in_the_error_and_whole_in_its_response(name: str, status: int) -> None:
    text = "a" * 100_000
    body = json.dumps({"request_id": REQUEST_ID, "status": "FAILED", "metrics": {}, "error": text}).encode()
    transport = httpx.MockTransport(Service([Response(status, JSON, body)]).serve)
    with (
        pause_clock(),
        Client("key", base_url=BASE_URL, transport=transport, deadline=0) as client,
        pytest.raises(SegmindError) as raised,
    ):
        CALLS[name][1](client)
    assert "a" * LONGEST_MESSAGE in str(raised.value)
    assert len(str(raised.value)) < LONGEST_MESSAGE + 500
    cause = raised.value.__cause__ if isinstance(raised.value, InferenceTimeout) else raised.value
    assert isinstance(cause, SegmindError)
    assert cause.response is not None
    assert text in cause.response.content.decode()


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("name", ["submit", "result"])
def test_a_body_of_10_megabytes_raises_nothing_but_a_segmind_error(name: str, status: int) -> None:
    for body in (b" " * 10_000_000, b'{"error": "' + b"x" * 10_000_000 + b'"}'):
        check(name, [Response(status, JSON, body)])


ODD_TIMES = [
    *("9" * 400, "9" * 5_000, "-1", "1e999", "inf", "²", "٣", "0001-01-01", "9999-12-31T23:59:59-23:59", "99999-01-01"),
    *(
        "10:00 XYZ",
        "2027-01-15T08:00:05+99:99",
        "Fri, 15 Jan 2027 08:00:09 GMT",
        "2100-01-01",
        "\ud7ff",
        " ",
        ",",
        "a.m.",
    ),
]


@pytest.mark.parametrize("time", ODD_TIMES, ids=range(len(ODD_TIMES)))
@pytest.mark.parametrize("header", ["retry-after", "x-rate-limit-reset-at-utc"])
def test_an_odd_time_to_wait_until_makes_no_call_pause_beyond_its_time(header: str, time: str) -> None:
    for name in CALLS:
        check(name, [Response(429, {**JSON, header: time}, b'{"error": "too many"}')])


ENCODINGS = ["gzip", "deflate", "br", "zstd", "gzip, gzip", "identity", "gzip;q=1", "\N{SNOWMAN}"]
ENCODED_BODIES = {
    "not encoded": b"{}",
    "cut off": gzip.compress(b"{}", mtime=0)[:-4],
    "hardly begun": b"\x1f\x8b",
    "what is no JSON": gzip.compress(b"{", mtime=0),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("body", ENCODED_BODIES.values(), ids=ENCODED_BODIES.keys())
def test_a_wrong_content_encoding_raises_nothing_but_a_segmind_error(encoding: str, body: bytes) -> None:
    for name in CALLS:
        check(name, [Response(200, {**JSON, "content-encoding": encoding}, body)])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status: int) -> None:
    for location in (
        "https://elsewhere.example/",
        "//elsewhere.example",
        "/elsewhere",
        "http://[",
        "https://\u00ad",
        "",
    ):
        for name in CALLS:
            check(name, [Response(status, {"location": location}, b"")])


FIELDS = [
    *("request_id", "status", "output", "images", "metrics", "error", "error_description", "status_url", "seed"),
    *("url", "file_name", "file_size", "content_type", "cost", "total_time", "retry_count", "credits", "free-credits"),
]
plausible = st.sampled_from([REQUEST_ID, "QUEUED", "COMPLETED", "FAILED", "https://images.example/a.png", "", 0.06])
scalars = plausible | st.none() | st.booleans() | st.integers() | st.floats() | st.text()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | st.text(), inner, max_size=4),
    max_leaves=8,
)
near_misses = st.fixed_dictionaries(
    {"request_id": st.just(REQUEST_ID) | values, "status": plausible}, optional=dict.fromkeys(FIELDS[2:], values)
)
bodies = st.binary(max_size=100) | (near_misses | values).map(lambda value: json.dumps(value).encode())

statuses = st.just(200) | st.sampled_from([200, 422, 429, 500]) | st.integers(100, 599)
texts = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=30)
numbers = st.integers().map(str) | st.floats().map(str)
times = numbers | st.datetimes().map(str) | st.text("0123456789:-+.TZ ,/apmAPMST", max_size=20) | texts
types = st.sampled_from(["application/json", "text/plain", "image/png", "text/html; charset=x", ";", "/"])
headers = st.fixed_dictionaries(
    {"content-type": st.just("application/json") | types | texts},
    optional={
        "content-encoding": st.sampled_from(ENCODINGS),
        "retry-after": times,
        "x-rate-limit-reset-at-utc": times,
        "location": texts | st.just("https://elsewhere.example/"),
        "x-cost": numbers | texts,
        "x-seed-value": numbers | texts,
        "x-request-id": texts,
    },
)
responses = st.builds(Response, statuses, headers, bodies)
conversations = st.lists(responses | responses | st.sampled_from([SUBMITTED, COMPLETED]), min_size=1, max_size=4)


@pytest.mark.parametrize("name", CALLS)
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(responses=conversations)
def test_whatever_the_responses_nothing_but_segmind_errors_is_raised(name: str, responses: list[Response]) -> None:
    check(name, responses)
