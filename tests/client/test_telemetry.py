"""Spans for callers who have set OpenTelemetry up."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import anyio
import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from segmind_api.catalog import MODELS
from segmind_client import AsyncClient, Client, SegmindClient, errors
from segmind_mock import DEFAULT_KEY, Double, MovableClock
from tests.support.internals import drivers
from tests.support.servers import closed_port
from tests.support.tracing import MOST_POINTS, LineInterrupt

SLUG = next(iter(MODELS))
EXPORTER = InMemorySpanExporter()


class Raising(SpanProcessor):
    """Raises in the methods that are named."""

    methods: tuple[str, ...] = ()
    error: BaseException = ValueError("no span today")

    def on_start(self, span: object, parent_context: object = None) -> None:  # noqa: ARG002  the names of its base
        self._raise("on_start")

    def on_end(self, span: object) -> None:  # noqa: ARG002  the name of its base
        self._raise("on_end")

    def _raise(self, method: str) -> None:
        if method in self.methods:
            raise self.error


RAISING = Raising()


@lru_cache(maxsize=1)
def watch_spans() -> None:
    """Once, since a process has one provider, which forgets no processor; other tests may have set it."""
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
    provider.add_span_processor(SimpleSpanProcessor(EXPORTER))
    provider.add_span_processor(RAISING)


@pytest.fixture
def double(clock: MovableClock) -> Double:
    """A double whose jobs complete at once."""
    return Double(clock=clock)


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    watch_spans()
    EXPORTER.clear()
    with Client(DEFAULT_KEY, base_url=address) as client:
        yield client
    RAISING.methods = ()


def only_span() -> ReadableSpan:
    (span,) = EXPORTER.get_finished_spans()
    return span


def test_a_run_is_one_span_that_names_the_model_and_the_job(client: Client) -> None:
    result = client.run_model(SLUG, {"prompt": "a secret"})
    span = only_span()
    assert span.name == f"generate_content {SLUG}"
    assert span.instrumentation_scope is not None
    assert span.instrumentation_scope.name == "segmind_client"
    assert span.kind is trace.SpanKind.CLIENT
    assert dict(span.attributes or {}) == {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": "segmind",
        "gen_ai.output.type": "image",
        "gen_ai.request.model": SLUG,
        "gen_ai.response.id": result.request_id,
    }


def test_a_submit_and_a_wait_are_a_span_each_of_the_same_job(client: Client) -> None:
    job = client.submit_model(SLUG, {"prompt": "x"})
    job.wait()
    spans = EXPORTER.get_finished_spans()
    assert [span.name for span in spans] == [f"submit {SLUG}", f"wait {SLUG}"]
    assert [(span.attributes or {})["gen_ai.response.id"] for span in spans] == [job.request_id] * 2


def test_a_wait_for_a_job_of_an_unknown_model_is_a_span_without_a_model_and_what_it_makes(client: Client) -> None:
    request_id = client.submit_model(SLUG, {"prompt": "x"}).request_id
    EXPORTER.clear()
    client.job(request_id).wait()
    span = only_span()
    assert span.name == "wait"
    assert dict(span.attributes or {}) == {
        "gen_ai.operation.name": "wait",
        "gen_ai.provider.name": "segmind",
        "gen_ai.response.id": request_id,
    }


def test_a_run_that_fails_is_a_span_of_its_job(client: Client, double: Double) -> None:
    double.add_fault({"fail": "blocked"}, times=1)
    with pytest.raises(errors.InferenceFailed) as raised:
        client.run_model(SLUG, {"prompt": "x"})
    assert raised.value.request_id is not None
    assert (only_span().attributes or {})["gen_ai.response.id"] == raised.value.request_id


def test_the_calls_by_the_vendors_names_are_spans(client: Client, address: str) -> None:
    client.close()
    with SegmindClient(DEFAULT_KEY, address) as vendors:
        vendors.run("imagen-4", prompt="x")
        vendors.run_sync("imagen-4", prompt="x")
        vendors.submit_async("imagen-4", prompt="x")
    names = [span.name for span in EXPORTER.get_finished_spans()]
    assert names == ["generate_content imagen-4", "generate_content imagen-4", "submit imagen-4"]


def test_an_error_is_named_by_its_class(client: Client, double: Double) -> None:
    double.fail_next("submitImagen", status=403)
    with pytest.raises(errors.Forbidden):
        client.submit_model("imagen", {"prompt": "x"})
    span = only_span()
    assert (span.attributes or {})["error.type"] == "Forbidden"
    assert span.status.status_code is trace.StatusCode.ERROR


def test_opentelemetry_is_not_imported_for_callers_who_have_not_imported_it() -> None:
    program = (
        "import sys, segmind_client.clients; sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_without_opentelemetry_a_call_makes_no_span(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "opentelemetry.trace")
    assert client.run_model(SLUG, {"prompt": "x"}).status == "COMPLETED"
    assert EXPORTER.get_finished_spans() == ()


CALLS: dict[str, Callable[[Any], object]] = {
    "run": lambda client: client.run_model(SLUG, {"prompt": "x"}),
    "submit": lambda client: client.submit_model(SLUG, {"prompt": "x"}),
    "generate": lambda client: client.generate_model(SLUG, {"prompt": "x"}),
    "wait": lambda client: client.submit_model(SLUG, {"prompt": "x"}).wait(),
}


@pytest.mark.parametrize("methods", [("on_start",), ("on_end",), ("on_start", "on_end")], ids="+".join)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
class TestASpanProcessorThatRaises:
    def test_costs_no_result(
        self, client: Client, caplog: pytest.LogCaptureFixture, call: Callable[[Any], object], methods: tuple[str, ...]
    ) -> None:
        RAISING.methods = methods
        assert call(client) is not None
        assert "OpenTelemetry failed; the call goes on without it" in caplog.text

    def test_costs_no_error(
        self, client: Client, double: Double, call: Callable[[Any], object], methods: tuple[str, ...]
    ) -> None:
        RAISING.methods = methods
        double.fail_next(status=403, times=1)
        with pytest.raises(errors.Forbidden):
            call(client)


@pytest.mark.parametrize("method", ["on_start", "on_end"])
def test_a_span_processor_that_raises_costs_no_async_result(client: Client, address: str, method: str) -> None:
    client.close()

    async def run() -> None:
        RAISING.methods = (method,)
        async with AsyncClient(DEFAULT_KEY, base_url=address) as async_client:
            assert (await async_client.run_model(SLUG, {"prompt": "x"})).status == "COMPLETED"

    anyio.run(run)


def test_an_interrupt_in_a_span_processor_after_acceptance_names_the_job(
    client: Client, double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    RAISING.methods = ("on_end",)
    monkeypatch.setattr(RAISING, "error", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt) as raised:
        client.submit_model(SLUG, {"prompt": "x"})
    (note,) = raised.value.__notes__
    (request,) = double.requests("submitImagen")
    assert request.request_id is not None
    assert request.request_id in note


def test_an_interrupt_while_a_failure_is_put_into_words_ends_the_span(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: httpx.URL) -> str:
        raise KeyboardInterrupt

    watch_spans()
    EXPORTER.clear()
    with closed_port() as port, Client(DEFAULT_KEY, base_url=f"http://127.0.0.1:{port}") as client:
        monkeypatch.setattr(httpx.URL, "__str__", interrupt)
        with pytest.raises(KeyboardInterrupt):
            client.submit_model(SLUG, {"prompt": "x"})
        monkeypatch.undo()
    assert only_span().name == f"submit {SLUG}"


@pytest.mark.parametrize("way", ["sync", "asyncio", "trio"])
def test_an_interrupt_at_any_line_between_two_requests_ends_the_span(
    client: Client, address: str, double: Double, way: str
) -> None:
    def submit() -> None:
        with interrupt:
            client.submit_model(SLUG, {"prompt": "x"})

    async def submit_async() -> None:
        async with AsyncClient(DEFAULT_KEY, base_url=address) as async_client:
            with interrupt:
                await async_client.submit_model(SLUG, {"prompt": "x"})

    spans: list[int] = []
    for point in range(1, MOST_POINTS):
        interrupt, sent = LineInterrupt(point, (drivers.__file__,)), len(double.requests())
        EXPORTER.clear()
        submit() if way == "sync" else anyio.run(submit_async, backend=way)
        if len(double.requests()) > sent:
            spans.append(len(EXPORTER.get_finished_spans()))
        if not interrupt.place:
            break
    assert set(spans) == {1}
