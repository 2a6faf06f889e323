"""Two ways to carry out a flow, sync and async. All I/O of the client happens here."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from inspect import GEN_SUSPENDED, getgeneratorstate
from typing import Any, TypeVar, cast

import anyio
import attrs
import httpx
from anyio import to_thread
from anyio.lowlevel import current_token

from segmind_api.types import ApiResponse
from segmind_client.errors import ConnectionLost, DownloadFailed, NoClient, NotSent
from segmind_client.flows import Flow, Pause, Send, Sink
from segmind_client.network import LATE, limit, reading_until
from segmind_client.transport import (
    CLOSED,
    AsyncSender,
    BorrowedAsyncClient,
    BorrowedClient,
    Sender,
    answer_in,
    pieces_of,
    tls_context,
)

T = TypeVar("T")
Outcome = ApiResponse | BaseException | None

NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    UnicodeError,
)

WITHOUT_CREDENTIALS: Any = {"auth": None, "follow_redirects": False}
WRITE_SECONDS = 30.0
POOL_SECONDS = 180.0
"""For a connection to come free, for the call that is next: as long as the slowest of the others may take."""


class Images:
    """Streams images into sinks, with a client of its own, which never had the key, or with one that was lent."""

    def __init__(self, transport: httpx.BaseTransport | None = None, lent: httpx.Client | None = None) -> None:
        self._transport = transport
        self._http = lent
        self._lent = lent is not None
        self._lock = threading.Lock()
        self._closed = False

    def stream(self, step: Send, into: Sink) -> ApiResponse:
        http = self._client()
        with (
            reading_until(time.monotonic() + step.whole_seconds),
            closing(self._send(http, image_request(http, step))) as response,
        ):
            head = ApiResponse(response.status_code, response.headers, b"")
            if into.begin(head):
                for piece in response.iter_bytes():
                    into.write(piece)
                into.end()
        return head

    def _send(self, http: httpx.Client, request: httpx.Request) -> httpx.Response:
        try:
            return http.send(request, stream=True, **WITHOUT_CREDENTIALS)
        except httpx.HTTPError as error:
            return answer_in(error, request)

    def _client(self) -> httpx.Client:
        # Made when it is first needed: that takes longer than many calls.
        with self._lock:
            if self._closed or (self._http is not None and self._http.is_closed):
                raise NoClient(CLOSED)
            if self._http is None:
                self._http = httpx.Client(transport=self._transport, verify=tls_context())
                if self._transport is None:
                    limit_all(self._http)
            return self._http

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._http is not None and not self._lent:
                self._http.close()


class AsyncImages:
    """`Images` with `await`."""

    def __init__(
        self, transport: httpx.AsyncBaseTransport | None = None, lent: httpx.AsyncClient | None = None
    ) -> None:
        self._transport = transport
        self._http = lent
        self._lent = lent is not None
        self._closed = False

    async def stream(self, step: Send, into: Sink) -> ApiResponse:
        http = self._client()
        with anyio.move_on_after(step.whole_seconds):
            response = await self._send(http, image_request(http, step))
            async with pieces_of(response) as pieces:
                head = ApiResponse(response.status_code, response.headers, b"")
                if await to_thread.run_sync(into.begin, head):
                    async for piece in pieces:
                        await to_thread.run_sync(into.write, piece)
                    await to_thread.run_sync(into.end)
                return head
        raise httpx.ReadTimeout(LATE)

    async def _send(self, http: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
        try:
            return await http.send(request, stream=True, **WITHOUT_CREDENTIALS)
        except httpx.HTTPError as error:
            return answer_in(error, request)

    def _client(self) -> httpx.AsyncClient:
        # Made when it is first needed: that takes longer than many calls.
        if self._closed or (self._http is not None and self._http.is_closed):
            raise NoClient(CLOSED)
        self._http = self._http or httpx.AsyncClient(transport=self._transport, verify=tls_context())
        return self._http

    async def close(self) -> None:
        self._closed = True
        if self._http is not None and not self._lent:
            await self._http.aclose()


@attrs.frozen
class SyncDriver:
    """Carries out flows on the calling thread."""

    http: Sender | BorrowedClient
    images: Images = attrs.field(factory=Images)
    sleep: Callable[[float], None] = time.sleep
    process: int = attrs.field(factory=os.getpid)

    def carry_out(self, flow: Flow[T]) -> T:
        check_process(self.process)
        try:
            step = next(flow)
            while True:
                step = resume(flow, self.outcome(step))
        except StopIteration as stop:
            return cast(T, stop.value)
        except BaseException as error:
            interrupt(flow, error)
            raise

    def outcome(self, step: Send | Pause) -> Outcome:
        """What came of a step. Raises nothing: the end of an iterator in a caller's hook is not that of the flow."""
        try:
            if isinstance(step, Pause):
                self.sleep(step.seconds)
                return None
            if step.into is not None:
                return self.images.stream(step, step.into)
            return self.http.send(step.request, extensions_of(step))
        except BaseException as error:
            return as_outcome(error, step, self.http.base_url)


@attrs.define
class AsyncDriver:
    """Carries out flows under asyncio or trio, in the event loop that it is first used in."""

    http: AsyncSender | BorrowedAsyncClient
    images: AsyncImages = attrs.field(factory=AsyncImages)
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    process: int = attrs.field(factory=os.getpid)
    _loop: object = None

    async def carry_out(self, flow: Flow[T]) -> T:
        check_process(self.process)
        loop = current_token()
        self._loop = self._loop or loop
        if loop != self._loop:
            raise NoClient(
                "the client was used in another event loop, which has its connections: make one in this loop"
            )
        try:
            step = next(flow)
            while True:
                step = resume(flow, await self.outcome(step))
        except StopIteration as stop:
            return cast(T, stop.value)
        except BaseException as error:
            interrupt(flow, error)
            raise

    async def outcome(self, step: Send | Pause) -> Outcome:
        """What came of a step. Raises nothing: the end of an iterator in a caller's hook is not that of the flow."""
        try:
            if isinstance(step, Pause):
                await self.sleep(step.seconds)
                return None
            if step.into is not None:
                return await self.images.stream(step, step.into)
            return await self.http.send(step.request, extensions_of(step))
        except BaseException as error:
            return as_outcome(error, step, self.http.base_url)


def check_process(process: int) -> None:
    if os.getpid() != process:
        raise NoClient("the client was made in another process, whose connections it shares: make one in this process")


def interrupt(flow: Flow[T], error: BaseException) -> None:
    """Lets a flow that is on its way say what is lost with it; raises the error again."""
    if getgeneratorstate(flow) == GEN_SUSPENDED:
        flow.throw(error)


def resume(flow: Flow[T], outcome: Outcome) -> Send | Pause:
    return flow.throw(outcome) if isinstance(outcome, BaseException) else flow.send(outcome)


def as_outcome(error: BaseException, step: Send | Pause, service: httpx.URL) -> BaseException:
    fetching = isinstance(step, Send) and step.into is not None
    if isinstance(error, httpx.HTTPError) or (fetching and isinstance(error, UnicodeError)):
        return transport_error(error, "its host" if fetching else str(service))
    return error


def extensions_of(step: Send) -> dict[str, Any]:
    """What a transport is told of the times."""
    timeout = {
        "connect": step.connect_seconds,
        "read": step.read_seconds,
        "write": WRITE_SECONDS,
        "pool": min(POOL_SECONDS, step.whole_seconds),
    }
    return {"timeout": timeout, "whole_seconds": step.whole_seconds}


def limit_all(http: httpx.Client) -> None:
    for transport in (http._transport, *http._mounts.values()):  # pyright: ignore[reportPrivateUsage]
        limit(transport)


def image_request(client: httpx.Client | httpx.AsyncClient, step: Send) -> httpx.Request:
    # Made apart from the client, whose cookies are none of the next host's business.
    headers = {"accept": "image/*", "accept-encoding": "identity", "user-agent": client.headers["user-agent"]}
    try:
        return httpx.Request("GET", step.request.path, headers=headers, extensions=extensions_of(step))
    except httpx.InvalidURL as error:
        raise DownloadFailed(f"the address of the image cannot be called: {error}") from error


def transport_error(error: httpx.HTTPError | UnicodeError, place: str) -> NotSent | ConnectionLost:
    """What an error says of whether a request arrived. Python raises UnicodeError for a host that cannot be one."""
    detail = f"{type(error).__name__}: {error}"
    # httpcore's error and the socket's below it say the same again, in a hundred lines.
    error.__cause__, error.__suppress_context__ = None, True
    if isinstance(error, NEVER_SENT):
        failure: NotSent | ConnectionLost = NotSent(f"{place} was not reached, so it accepted nothing ({detail})")
    else:
        failure = ConnectionLost(detail)
    failure.__cause__ = error
    return failure
