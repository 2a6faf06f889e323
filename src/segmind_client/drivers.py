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
from segmind_client.flows import Flow, Pause, Send

T = TypeVar("T")

NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.LocalProtocolError,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
)

CONNECT_SECONDS = 10.0
WRITE_SECONDS = 30.0
POOL_SECONDS = 10.0
"""For a free connection."""


@attrs.frozen
class SyncDriver:
    """Carries out flows on the calling thread."""

    http: httpx.Client
    sleep: Callable[[float], None] = time.sleep

    def carry_out(self, flow: Flow[T]) -> T:
        try:
            step = next(flow)
            while True:
                if isinstance(step, Pause):
                    self.sleep(step.seconds)
                    step = next(flow)
                    continue
                try:
                    response = self.http.send(request_of(self.http, step))
                except httpx.HTTPError as error:
                    step = flow.throw(transport_error(error))
                else:
                    step = flow.send(ApiResponse(response.status_code, response.headers, response.content))
        except StopIteration as stop:
            return cast(T, stop.value)


@attrs.frozen
class AsyncDriver:
    """Carries out flows under asyncio or trio."""

    http: httpx.AsyncClient
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep

    async def carry_out(self, flow: Flow[T]) -> T:
        try:
            step = next(flow)
            while True:
                if isinstance(step, Pause):
                    await self.sleep(step.seconds)
                    step = next(flow)
                    continue
                try:
                    response = await self.http.send(request_of(self.http, step))
                except httpx.HTTPError as error:
                    step = flow.throw(transport_error(error))
                else:
                    step = flow.send(ApiResponse(response.status_code, response.headers, response.content))
        except StopIteration as stop:
            return cast(T, stop.value)


def request_of(client: httpx.Client | httpx.AsyncClient, step: Send) -> httpx.Request:
    timeout = httpx.Timeout(connect=CONNECT_SECONDS, read=step.read_seconds, write=WRITE_SECONDS, pool=POOL_SECONDS)
    return client.build_request(step.request.method, step.request.path, json=step.request.body, timeout=timeout)


def transport_error(error: httpx.HTTPError) -> NotSent | ConnectionLost:
    """What httpx's error says of whether the request arrived."""
    detail = f"{type(error).__name__}: {error}"
    if isinstance(error, NEVER_SENT):
        failure: NotSent | ConnectionLost = NotSent(f"the service was not reached, nothing was sent ({detail})")
    else:
        failure = ConnectionLost(detail)
    failure.__cause__ = error
    return failure
