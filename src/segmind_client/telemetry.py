"""OpenTelemetry spans of calls, if the application has set OpenTelemetry up."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from segmind_api.catalog import Model
from segmind_client.masking import logged_only, masked

if TYPE_CHECKING:
    from segmind_client.steps import Flow

T = TypeVar("T")

PROVIDER = "segmind"
OPERATION = "generate_content"
"""The name of image generation in the semantic conventions of OpenTelemetry."""
FAILED = "OpenTelemetry failed; the call goes on without it"


def traced(flow: Flow[T], name: str, *, model: Model | None = None, request_id: str | None = None) -> Flow[T]:
    """The flow in a span that follows the semantic conventions for generative AI."""
    # An application with spans has imported it; others must not pay for the import.
    trace = sys.modules.get("opentelemetry.trace")
    return flow if trace is None else spanned(trace, flow, name, model=model, request_id=request_id)


def spanned(trace: Any, flow: Flow[T], name: str, *, model: Model | None, request_id: str | None) -> Flow[T]:
    span = Span(trace, name, model)
    try:
        result = yield from flow
    except BaseException as error:
        span.end(request_id or getattr(error, "request_id", None), error)
        raise
    span.end(request_id or id_of(result))
    return result


class Span:
    """A span of the application's tracer, whose exceptions are logged: they must not end a call that is paid for."""

    def __init__(self, trace: Any, name: str, model: Model | None) -> None:
        self._trace = trace
        self._span: Any = None
        attributes = {"gen_ai.operation.name": name, "gen_ai.provider.name": PROVIDER}
        slug = masked(model.slug) if model else None
        if slug:
            attributes["gen_ai.request.model"] = slug
        if model and model.output:
            attributes["gen_ai.output.type"] = model.output
        with logged_only(FAILED):
            self._span = trace.get_tracer("segmind_client").start_span(
                f"{name} {slug}" if slug else name, kind=trace.SpanKind.CLIENT, attributes=attributes
            )

    def end(self, request_id: str | None, error: BaseException | None = None) -> None:
        if self._span is None:
            return
        with logged_only(FAILED):
            if request_id:
                self._span.set_attribute("gen_ai.response.id", masked(request_id))
            if error is not None:
                self._span.set_attribute("error.type", type(error).__qualname__)
                self._span.set_status(self._trace.StatusCode.ERROR, masked(str(error)))
        with logged_only(FAILED):
            self._span.end()


def id_of(result: object) -> str | None:
    value = cast(Mapping[str, Any], result).get("request_id") if isinstance(result, Mapping) else None
    return value if isinstance(value, str) else None
