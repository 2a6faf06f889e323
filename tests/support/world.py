"""A scripted service, network and clock, through which a test carries out one flow without a socket."""

from __future__ import annotations

import json
from typing import Any, TypeVar, cast

import attrs

from segmind_api.catalog import MODELS
from segmind_api.types import ApiRequest, ApiResponse
from segmind_client.errors import ConnectionLost, NotSent, SegmindError
from tests.support.internals import Caller, Flow, Options, Pause, Sent

T = TypeVar("T")

START = 1_000.0
UTC_START = 1_800_000_000.0
REQUEST_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
OTHER_REQUEST_ID = "8d0f7780-8536-41ef-a55c-f18ac2a01bf8"
MODEL = next(iter(MODELS.values()))
KEY = "SG_0123456789abcdef"
POST = ApiRequest("POST", "/v2/any", {"prompt": "x"})

Outcome = ApiResponse | SegmindError


@attrs.define
class World:
    """Plays the service, the network and the clock for one flow."""

    outcomes: list[Outcome]
    time: float = START
    sent: list[str] = attrs.field(factory=list[str])
    pauses: list[float] = attrs.field(factory=list[float])

    def monotonic(self) -> float:
        return self.time

    def sleep_until(self, moment: float) -> None:
        self.time = moment

    async def sleep_until_async(self, moment: float) -> None:
        self.sleep_until(moment)

    def caller(self, **options: Any) -> Caller:
        return Caller(Options(**options), clock=self, utc=lambda: UTC_START + self.time - START, chance=lambda: 1.0)

    def play(self, flow: Flow[T]) -> T:
        """Carries the flow out; a flow that sends more than there are outcomes fails the test."""
        try:
            step = next(flow)
            while True:
                if isinstance(step, Pause):
                    self.pauses.append(step.seconds)
                    self.time += step.seconds
                    step = next(flow)
                    continue
                arrived = self.time
                step.line.take(step.turn, self)
                step.line.leave(step.turn, self)
                if self.time > arrived:
                    self.pauses.append(self.time - arrived)
                self.sent.append(f"{step.request.method} {step.request.path}")
                outcome = self.outcomes.pop(0)
                step = flow.throw(outcome) if isinstance(outcome, SegmindError) else flow.send(outcome)
        except StopIteration as stop:
            assert self.outcomes == []
            return cast(T, stop.value)


def response(status: int, body: Any = None, **headers: str) -> ApiResponse:
    named = {"content-type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ApiResponse(status, named, content)


def refused(status: int, **headers: str) -> ApiResponse:
    return response(status, {"error": "no"}, **headers)


def state(name: str, **fields: Any) -> ApiResponse:
    return response(200, {"request_id": REQUEST_ID, "status": name, "metrics": {}, **fields})


def json_of(response: ApiResponse) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(response.content)
    return decoded


def sent_with(status: int, body: bytes, **headers: str) -> Sent:
    """A POST whose response was received so far."""
    sent = Sent(POST)
    sent.begin()
    sent.start_response(status, {name.replace("_", "-"): value for name, value in headers.items()})
    sent.receive(body)
    return sent


SUBMITTED = response(200, {"request_id": REQUEST_ID, "status": "QUEUED", "status_url": "https://elsewhere.example"})
RESULT = response(200, {"request_id": REQUEST_ID, "status": "COMPLETED", "output": "https://images.example/a.png"})
FAILED = response(422, {"request_id": REQUEST_ID, "status": "FAILED", "error": "blocked", "metrics": {}})
HTML = response(200, b"<html>", content_type="text/html")
NOT_SENT = NotSent("refused")
LOST = ConnectionLost("read timeout")
