"""Keys appear in no message, traceback, log record, span or pickle, whatever the service repeats."""

from __future__ import annotations

import copy
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from segmind_api.client import API_KEY_HEADER, API_KEY_VARIABLE
from segmind_api.models import Credits
from segmind_client import AsyncClient, Client, errors
from tests.support.calls import CARRIERS, WAYS, outcomes
from tests.support.clock import PauseClock
from tests.support.internals import AsyncSender, CustomAsyncSender, CustomSender, Secret, Sender, masked, masking
from tests.support.servers import REQUEST_ID, HostileServer, Script, respond_with

SLUG = "imagen-4"
KEYS = {"of the documented form": "SG_5ec4e75ec4e75ec4", "of another form": "another.form_of+a/key~42=="}
PROMPT = {"prompt": "x"}

Call = Callable[[Any], Any]
Repeat = Callable[[str], Script]


def submit(client: Any) -> Any:
    return client.submit_model(SLUG, PROMPT)


def wait(client: Any) -> Any:
    return client.job(REQUEST_ID).wait()


def result(client: Any) -> Any:
    return client.job(REQUEST_ID).result()


def balance(client: Any) -> Any:
    return client.credits()


REPEATED: dict[str, tuple[Call, Repeat]] = {
    "an error message": (submit, lambda key: respond_with({"error": f"{key} is no key"}, "401 Unauthorized")),
    "the description of an error": (
        submit,
        lambda key: respond_with({"error": "no", "error_description": f"{key} is no key"}, "400 Bad Request"),
    ),
    "the error of a failed job": (
        wait,
        lambda key: respond_with({"request_id": REQUEST_ID, "status": "FAILED", "error": f"no prompt for {key}"}),
    ),
    "a page instead of JSON": (submit, lambda key: respond_with(f"<p>{key}".encode(), media_type="text/html")),
    "the Retry-After of an error": (
        submit,
        lambda key: respond_with({"error": "busy"}, "503 Service Unavailable", retry_after=key),
    ),
    "the Retry-After of a refusal": (
        result,
        lambda key: respond_with({"error": "no"}, "403 Forbidden", retry_after=key),
    ),
    "the error of a rate limit": (
        submit,
        lambda key: respond_with({"error": f"too many for {key}"}, "429 Too Many Requests", retry_after="3600"),
    ),
    "a Content-Type": (submit, lambda key: respond_with({"request_id": REQUEST_ID}, media_type=key)),
    "a Content-Type of an error": (submit, lambda key: respond_with(b"no", "400 Bad Request", media_type=key)),
    "a reason phrase": (submit, lambda key: respond_with({"error": "no"}, f"400 {key}")),
    "a status line": (submit, lambda key: lambda _: [f"{key}\r\n\r\n".encode()]),
    "a header without a colon": (submit, lambda key: lambda _: [f"HTTP/1.1 200 OK\r\n{key}\r\n\r\n".encode()]),
    "a length that is no number": (
        result,
        lambda key: lambda _: [f"HTTP/1.1 200 OK\r\ncontent-length: {key}\r\n\r\n".encode()],
    ),
    "the URL of a job": (
        submit,
        lambda key: respond_with({"request_id": REQUEST_ID, "status_url": f"https://elsewhere.example/{key}"}),
    ),
    "the host of a job": (
        submit,
        lambda key: respond_with({"request_id": REQUEST_ID, "status_url": f"https://{key}.example:port/"}),
    ),
    "a field that cannot be read": (balance, lambda key: respond_with({"credits": key})),
    "a redirect": (balance, lambda key: respond_with(b"", "307 Temporary Redirect", location=f"https://{key}.example")),
}


def tracer_provider() -> TracerProvider:
    """The one of this process."""
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
    return provider


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
    yield exporter
    exporter.shutdown()


def read(fields: Any) -> None:
    """Reads what a response promises."""
    if isinstance(fields, Credits):
        _ = fields.credits


def shown(error: BaseException) -> str:
    """All that a person sees of an error."""
    return "".join([str(error), repr(error), *map(str, error.args), *traceback.format_exception(error)])


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
@pytest.mark.parametrize(("call", "repeat"), REPEATED.values(), ids=REPEATED.keys())
def test_a_key_that_the_service_repeats_is_not_shown(
    key: str, call: Call, repeat: Repeat, caplog: pytest.LogCaptureFixture, spans: InMemorySpanExporter
) -> None:
    caplog.set_level(logging.DEBUG, logger="segmind_client")
    with HostileServer(repeat(key)) as server:
        client = Client(key, base_url=server.url, clock=PauseClock(), deadline=5)
        with client, pytest.raises(errors.SegmindError) as raised:
            read(call(client))
    assert key not in shown(raised.value)
    assert key not in caplog.text
    assert [span for span in spans.get_finished_spans() if key in span.to_json()] == []


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
@pytest.mark.parametrize(("call", "repeat"), REPEATED.values(), ids=REPEATED.keys())
def test_a_key_that_the_service_repeats_to_an_async_client_is_not_shown(
    key: str, call: Call, repeat: Repeat, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="segmind_client")

    async def run(url: str) -> None:
        async with AsyncClient(key, base_url=url, clock=PauseClock(), deadline=5) as client:
            read(await call(client))

    with HostileServer(repeat(key)) as server, pytest.raises(errors.SegmindError) as raised:
        anyio.run(run, server.url)
    assert key not in shown(raised.value)
    assert key not in caplog.text


class RaisingOnce(SpanProcessor):
    """Raises at the end of one span."""

    raised = False

    def on_end(self, span: ReadableSpan) -> None:
        if not self.raised:
            self.raised = True
            raise ValueError(span.name)


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
def test_a_key_that_the_service_repeats_is_not_logged_with_the_exception_of_a_span_processor(
    key: str, caplog: pytest.LogCaptureFixture
) -> None:
    processor = RaisingOnce()
    tracer_provider().add_span_processor(processor)
    script = respond_with({"error": "no"}, "403 Forbidden", retry_after=key)
    with HostileServer(script) as server, Client(key, base_url=server.url) as client, pytest.raises(errors.Forbidden):
        client.submit_model(SLUG, PROMPT)
    assert processor.raised
    assert key not in caplog.text


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
def test_a_key_that_a_custom_transport_repeats_in_its_exception_is_not_shown(
    key: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="segmind_client")

    def fail(request: httpx.Request) -> httpx.Response:
        raise ValueError(str(request.headers.raw))

    client = Client(key, base_url="https://x.example", transport=httpx.MockTransport(fail), clock=PauseClock())
    with client, pytest.raises(errors.MayHaveBeenAccepted) as raised:
        client.submit_model(SLUG, PROMPT)
    assert key not in str(raised.value) + repr(raised.value) + caplog.text


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
def test_a_key_in_a_job_that_was_accepted_is_not_logged(key: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="segmind_client")
    script = respond_with({"request_id": key, "status": "QUEUED"})
    with HostileServer(script) as server, Client(key, base_url=server.url) as client:
        client.submit_model(SLUG, PROMPT)
    assert "was accepted as the job …" in caplog.text
    assert key not in caplog.text


def with_locals(error: BaseException) -> str:
    """The traceback of an error with all local variables, but those of the test, which have the key."""
    assert error.__traceback__ is not None
    inner = error.__traceback__.tb_next
    assert inner is not None
    return "".join(traceback.TracebackException(type(error), error, inner, capture_locals=True).format())


REFUSED: dict[str, dict[str, Any]] = {
    "an option": {"deadline": -1},
    "an unknown option": {"timeout": 3},
    "a base URL": {"base_url": "ftp://host"},
    "a base URL of another type": {"base_url": 5},
    "a custom client": {"http_client": 5},
    "a transport": {"transport": 5},
    "a clock": {"clock": 5},
}


@pytest.mark.parametrize("source", ["argument", "environment"])
@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("arguments", REFUSED.values(), ids=REFUSED.keys())
def test_a_traceback_with_local_variables_of_a_client_that_is_refused_does_not_show_the_key(
    kind: type[Client | AsyncClient], arguments: dict[str, Any], source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = KEYS["of another form"]
    given: Any = {"api_key": key} if source == "argument" else {}
    monkeypatch.setenv(API_KEY_VARIABLE, key)
    with pytest.raises(errors.InvalidParameter) as raised:
        kind(**given, **arguments)
    assert key not in with_locals(raised.value)


@pytest.mark.parametrize("key", ["no key:", "https://user:password@a.example", "kéy"])
def test_a_traceback_with_local_variables_of_a_key_that_is_refused_does_not_show_it(key: str) -> None:
    with pytest.raises(errors.MissingKey) as raised:
        Client(key)
    error = raised.value
    assert error.__traceback__ is not None
    with_locals = traceback.TracebackException(type(error), error, error.__traceback__.tb_next, capture_locals=True)
    assert key not in "".join(with_locals.format())


def failed_call(key: str) -> errors.SegmindError:
    script = respond_with({"error": "no"}, "401 Unauthorized")
    with HostileServer(script) as server, Client(key, base_url=server.url) as client:
        try:
            client.submit_model(SLUG, PROMPT)
        except errors.SegmindError as error:
            return error
    raise AssertionError


def test_a_traceback_with_local_variables_of_a_call_that_fails_does_not_show_the_key() -> None:
    key = KEYS["of another form"]
    assert key not in with_locals(failed_call(key))


def test_a_key_is_in_no_error_traceback_or_log_of_any_package(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    key = KEYS["of another form"]
    error = failed_call(key)
    assert key not in shown(error) + caplog.text


SENDERS: dict[str, Callable[[str], object]] = {
    "a key": Secret,
    "what sends over own connections": lambda key: Sender("https://a.example", API_KEY_HEADER, Secret(key)),
    "what sends over own connections with await": lambda key: AsyncSender(
        "https://a.example", API_KEY_HEADER, Secret(key)
    ),
    "what sends over a transport": lambda key: CustomSender(
        "https://a.example", API_KEY_HEADER, Secret(key), transport=httpx.MockTransport(lambda _: httpx.Response(200))
    ),
    "what sends over a transport with await": lambda key: CustomAsyncSender(
        "https://a.example", API_KEY_HEADER, Secret(key), transport=httpx.MockTransport(lambda _: httpx.Response(200))
    ),
    "a client": Client,
    "an async client": AsyncClient,
    "a job": lambda key: Client(key).job(REQUEST_ID),
}


@pytest.mark.parametrize("make", SENDERS.values(), ids=SENDERS.keys())
def test_a_key_is_neither_pickled_nor_copied_nor_in_a_repr(make: Callable[[str], object]) -> None:
    thing = make(KEYS["of another form"])
    assert KEYS["of another form"] not in repr(thing)
    for copied in (pickle.dumps, copy.deepcopy):
        with pytest.raises((errors.ClientUnusable, TypeError)):
            copied(thing)


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_key_that_is_taken_for_an_option_is_not_shown(key: str) -> None:
    with Client("SG_0123456789abcdef") as client, pytest.raises(errors.InvalidParameter) as raised:
        client.with_options(api_key=key)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  what checkers refuse
    assert key not in "".join(traceback.format_exception(raised.value))


MISTAKEN: dict[str, Callable[[Any, str], object]] = {
    "part of a slug that is no text": lambda client, key: client.run_model([key], PROMPT),
    "the beginning of a slug that is too long": lambda client, key: client.run_model(key + "x" * 1000, PROMPT),
    "the name of a parameter": lambda client, key: client.run("imagen-4", prompt="x", **{key: 1}),
}


@pytest.mark.parametrize("call", MISTAKEN.values(), ids=MISTAKEN.keys())
def test_a_key_that_is_taken_for_something_else_is_not_shown(call: Callable[[Any, str], object]) -> None:
    key = "team-key-7"
    with Client(key) as client, pytest.raises(errors.InvalidParameter, match="…") as raised:
        call(client, key)
    assert key not in str(raised.value)


def test_a_key_in_another_variable_of_the_environment_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGMIND_ALLOW_HTTP", "SG_5ec4e75ec4e75ec4")
    with pytest.raises(errors.InvalidParameter) as raised:
        Client("SG_0123456789abcdef")
    assert "SG_5ec4e75ec4e75ec4" not in str(raised.value)


def test_a_key_that_is_given_as_the_slug_is_not_in_the_span(spans: InMemorySpanExporter) -> None:
    with (
        HostileServer(respond_with({"error": "no"}, "404 Not Found")) as server,
        Client("SG_0123456789abcdef", base_url=server.url) as client,
        pytest.raises(errors.NotFound),
    ):
        client.submit_model("SG_5ec4e75ec4e75ec4", PROMPT)
    (span,) = spans.get_finished_spans()
    assert "SG_5ec4e75ec4e75ec4" not in span.to_json()


def test_the_signature_and_the_password_of_an_images_url_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="segmind_client")
    with HostileServer(respond_with({}, "503 Service Unavailable")) as host:
        url = host.url.replace("http://", "http://user:passw0rd@") + "/a.png?X-Signature=s1gnature"
        completed = {"request_id": REQUEST_ID, "status": "COMPLETED", "output": url, "metrics": {"cost": 0.1}}
        with (
            HostileServer(respond_with(completed)) as service,
            Client("SG_0123456789abcdef", base_url=service.url, clock=PauseClock()) as client,
            pytest.raises(errors.DownloadFailed),
        ):
            _ = client.job(REQUEST_ID).result().content
    assert "/a.png is retried" in caplog.text
    assert "s1gnature" not in caplog.text
    assert "passw0rd" not in caplog.text


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("call", [submit, balance], ids=["submit", "credits"])
def test_a_redirect_of_the_service_is_not_followed(call: Call, way: str, carrier: str) -> None:
    with HostileServer() as elsewhere:
        redirect = respond_with(b"", "307 Temporary Redirect", location=f"{elsewhere.url}/")
        with HostileServer(redirect) as service:
            outcomes(way, service.url, call, carrier=carrier, attempts=1)
            assert (len(service.requests), elsewhere.requests) == (1, [])


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("way", WAYS)
def test_the_urls_in_a_response_of_the_service_are_not_called(way: str, carrier: str) -> None:
    with HostileServer() as elsewhere:
        urls = dict.fromkeys(("status_url", "response_url", "poll_url", "output"), f"{elsewhere.url}/")
        with HostileServer(respond_with({"request_id": REQUEST_ID, "status": "COMPLETED", **urls})) as service:
            outcomes(way, service.url, submit, wait, result, carrier=carrier, deadline=2)
            assert (service.count("POST"), service.count("GET"), elsewhere.requests) == (1, 3, [])


@pytest.mark.parametrize(("key", "text"), [("Ab3de", "no Ab3de"), ("Ab3def", "no …")])
def test_a_key_is_masked_from_six_characters_on(key: str, text: str) -> None:
    Secret(key)
    assert masked(f"no {key}") == text


def test_of_two_keys_one_in_the_other_the_longer_is_masked_as_a_whole() -> None:
    Secret("zone/key")
    Secret("a/zone/key")
    assert masked("no a/zone/key") == "no …"


def test_of_many_keys_those_that_were_used_last_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "MOST_KEYS", 3)
    for key in ("first/key", "second/key", "third/key", "first/key", "fourth/key"):
        Secret(key)
    assert masked("first/key second/key third/key fourth/key") == "… second/key … …"
