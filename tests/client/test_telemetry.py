"""Spans for callers who have set OpenTelemetry up."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from segmind_api.catalog import MODELS
from segmind_client import Client, errors
from segmind_mock import DEFAULT_KEY, Double, MovableClock

SLUG = next(iter(MODELS))
EXPORTER = InMemorySpanExporter()


@pytest.fixture
def double(clock: MovableClock) -> Double:
    """A double whose jobs complete at once."""
    return Double(clock=clock)


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(EXPORTER))
        trace.set_tracer_provider(provider)
    EXPORTER.clear()
    with Client(DEFAULT_KEY, base_url=address) as client:
        yield client


def only_span() -> ReadableSpan:
    (span,) = EXPORTER.get_finished_spans()
    return span


def test_a_run_is_one_span_that_names_the_model_and_the_job(client: Client) -> None:
    result = client.run_model(SLUG, {"prompt": "a secret"})
    span = only_span()
    assert span.name == f"generate_content {SLUG}"
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


def test_an_error_is_named_by_its_class(client: Client, double: Double) -> None:
    double.fail_next("submitImagen", status=403)
    with pytest.raises(errors.Forbidden):
        client.submit_model("imagen", {"prompt": "x"})
    span = only_span()
    assert (span.attributes or {})["error.type"] == "Forbidden"
    assert span.status.status_code is trace.StatusCode.ERROR


def test_nothing_is_imported_for_callers_without_it() -> None:
    program = (
        "import sys, segmind_client.clients; sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_without_it_a_call_is_what_it_is(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "opentelemetry.trace")
    assert client.run_model(SLUG, {"prompt": "x"}).status == "COMPLETED"
    assert EXPORTER.get_finished_spans() == ()
