"""A span of OpenTelemetry for what a flow does, where the caller has set OpenTelemetry up."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from segmind_client.flows import Flow

T = TypeVar("T")

PROVIDER = "segmind"


def traced(flow: Flow[T], name: str, *, model: str | None = None, request_id: str | None = None) -> Flow[T]:
    """The flow itself, within a span that is named by the conventions for generative AI."""
    # Whoever wants spans has imported it; nobody else is to pay for the import.
    trace = sys.modules.get("opentelemetry.trace")
    return flow if trace is None else spanned(trace, flow, name, model=model, request_id=request_id)


def spanned(trace: Any, flow: Flow[T], name: str, *, model: str | None, request_id: str | None) -> Flow[T]:
    span = trace.get_tracer("segmind_client").start_span(
        f"{name} {model}" if model else name,
        kind=trace.SpanKind.CLIENT,
        attributes={"gen_ai.operation.name": name, "gen_ai.provider.name": PROVIDER, "gen_ai.output.type": "image"},
    )
    if model:
        span.set_attribute("gen_ai.request.model", model)
    try:
        result = yield from flow
        request_id = request_id or id_of(result)
    except BaseException as error:
        request_id = request_id or getattr(error, "request_id", None)
        span.set_attribute("error.type", type(error).__qualname__)
        span.set_status(trace.StatusCode.ERROR, str(error))
        raise
    finally:
        if request_id:
            span.set_attribute("gen_ai.response.id", request_id)
        span.end()
    return result


def id_of(result: object) -> str | None:
    value = cast(Mapping[str, Any], result).get("request_id") if isinstance(result, Mapping) else None
    return value if isinstance(value, str) else None
