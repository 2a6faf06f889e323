"""Custom transports and hooks that raise."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import httpx

from tests.client.chaos.calls import Call, Group
from tests.client.chaos.service import RAISED, REFUSED

TLS = ssl.create_default_context()
"""Made once, since that takes longer than a call."""
ERRORS: tuple[Callable[[], Exception], ...] = (
    *(partial(kind, "audit") for kind in (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)),
    *(partial(kind, "audit") for kind in (httpx.ProxyError, httpx.ReadTimeout, ConnectionRefusedError, KeyError)),
    *(partial(kind, "audit") for kind in (UnicodeError, StopIteration, OverflowError, AttributeError)),
)


class BreakingStream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that raises after its last byte."""

    def __init__(self, stream: Any, error: Exception) -> None:
        self._stream = stream
        self._error = error

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream
        raise self._error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            yield piece
        raise self._error

    def close(self) -> None:
        self._stream.close()

    async def aclose(self) -> None:
        await self._stream.aclose()


class BreakingTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Sends requests, and raises before, after, or while the response is read."""

    def __init__(self, group: Group, closed_port: int) -> None:
        self._group = group
        self._closed_port = closed_port
        self._sync = httpx.HTTPTransport(verify=TLS)
        self._async = httpx.AsyncHTTPTransport(verify=TLS)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        way, call, error = self._before(request)
        received = self._sync.handle_request(request)
        if way == "after":
            received.close()
        return self._after(way, call, error, request, received)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        way, call, error = self._before(request)
        received = await self._async.handle_async_request(request)
        if way == "after":
            await received.aclose()
        return self._after(way, call, error, request, received)

    def close(self) -> None:
        self._sync.close()

    async def aclose(self) -> None:
        await self._async.aclose()

    def _before(self, request: httpx.Request) -> tuple[str, Call, Exception]:
        call = self._group.running_call()
        error = call.random.choice(ERRORS)()
        way = call.random.choice(("before", "refused", "after", "body")) if call.random.random() < call.breaks else ""
        if way in ("before", "refused"):
            call.met.append((request.method, REFUSED))
        if way == "before":
            raise error
        if way == "refused":
            request.url = request.url.copy_with(port=self._closed_port)
        return way, call, error

    def _after(
        self, way: str, call: Call, error: Exception, request: httpx.Request, received: httpx.Response
    ) -> httpx.Response:
        if way in ("after", "body"):
            call.met.append((request.method, RAISED))
        if way == "after":
            raise error
        if way == "body":
            stream = BreakingStream(received.stream, error)
            return httpx.Response(received.status_code, headers=received.headers, stream=stream)
        return received


def breaking_hook(group: Group, received: httpx.Response) -> None:
    """Raises for some responses, whatever they are, and for every response that is an error."""
    call = group.running_call()
    if call.random.random() < call.breaks:
        call.met.append((received.request.method, RAISED))
        raise call.random.choice(ERRORS)()
    received.raise_for_status()


def sync_http_client(group: Group, closed_port: int) -> httpx.Client:
    def hook(received: httpx.Response) -> None:
        received.read()
        breaking_hook(group, received)

    return httpx.Client(transport=BreakingTransport(group, closed_port), event_hooks={"response": [hook]})


def async_http_client(group: Group, closed_port: int) -> httpx.AsyncClient:
    async def hook(received: httpx.Response) -> None:
        await received.aread()
        breaking_hook(group, received)

    return httpx.AsyncClient(transport=BreakingTransport(group, closed_port), event_hooks={"response": [hook]})
