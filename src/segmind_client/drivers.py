"""Two ways to carry out a flow, sync and async. All I/O of the client happens here."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

import anyio
import attrs
import httpx

from segmind_api.types import ApiResponse
from segmind_client.errors import ConnectionLost, NotSent
from segmind_client.flows import BLOCKING_READ_SECONDS, Flow, Pause, Send
from segmind_client.transport import AsyncSender, Sender

T = TypeVar("T")
Outcome = ApiResponse | NotSent | ConnectionLost

NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.LocalProtocolError,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
)

CONNECT_SECONDS = 10.0
WRITE_SECONDS = 30.0
POOL_SECONDS = BLOCKING_READ_SECONDS
"""For a connection to come free, for the call that is next: as long as the slowest of the others may take."""


@attrs.frozen
class SyncDriver:
    """Carries out flows on the calling thread."""

    http: httpx.Client | Sender
    sleep: Callable[[float], None] = time.sleep

    def carry_out(self, flow: Flow[T]) -> T:
        try:
            step = next(flow)
            while True:
                if isinstance(step, Pause):
                    self.sleep(step.seconds)
                    step = next(flow)
                else:
                    step = resume(flow, self.outcome(step))
        except StopIteration as stop:
            return cast(T, stop.value)

    def outcome(self, step: Send) -> Outcome:
        try:
            return api_response(self.http.send(request_of(self.http, step)))
        except httpx.HTTPError as error:
            return transport_error(error)


@attrs.frozen
class AsyncDriver:
    """Carries out flows under asyncio or trio."""

    http: httpx.AsyncClient | AsyncSender
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep

    async def carry_out(self, flow: Flow[T]) -> T:
        try:
            step = next(flow)
            while True:
                if isinstance(step, Pause):
                    await self.sleep(step.seconds)
                    step = next(flow)
                else:
                    step = resume(flow, await self.outcome(step))
        except StopIteration as stop:
            return cast(T, stop.value)

    async def outcome(self, step: Send) -> Outcome:
        try:
            return api_response(await self.http.send(request_of(self.http, step)))
        except httpx.HTTPError as error:
            return transport_error(error)


def resume(flow: Flow[T], outcome: Outcome) -> Send | Pause:
    return flow.send(outcome) if isinstance(outcome, ApiResponse) else flow.throw(outcome)


def request_of(client: httpx.Client | httpx.AsyncClient | Sender | AsyncSender, step: Send) -> httpx.Request:
    timeout = httpx.Timeout(connect=CONNECT_SECONDS, read=step.read_seconds, write=WRITE_SECONDS, pool=POOL_SECONDS)
    return client.build_request(step.request.method, step.request.path, json=step.request.body, timeout=timeout)


def api_response(response: httpx.Response) -> ApiResponse:
    return ApiResponse(response.status_code, response.headers, response.content)


def transport_error(error: httpx.HTTPError) -> NotSent | ConnectionLost:
    """What httpx's error says of whether the request arrived."""
    detail = f"{type(error).__name__}: {error}"
    if isinstance(error, NEVER_SENT):
        failure: NotSent | ConnectionLost = NotSent(f"the service was not reached, nothing was sent ({detail})")
    else:
        failure = ConnectionLost(detail)
    failure.__cause__ = error
    return failure
