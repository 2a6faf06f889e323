"""Carries requests to the service over a bounded number of kept connections."""

from __future__ import annotations

import ssl
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import lru_cache, partial
from importlib.util import find_spec
from ipaddress import ip_address
from typing import Any, Generic, TypeVar, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import anyio
import httpx

from segmind_api.types import ApiRequest, ApiResponse
from segmind_client.errors import ConnectionLost, InvalidParameter, NoClient
from segmind_client.network import LATE, limit, reading_until

ConnectionT = TypeVar("ConnectionT")

CONNECTIONS = 100
"""Of one client, at most; further calls wait in line."""
IDLE_SECONDS = 4.0
"""For which a connection is kept without a call. Servers close theirs after 5 s or more, and a POST that meets the
end of its connection may have been accepted.
"""
LARGEST_BODY = 100_000_000
"""Bytes of an answer's body, decoded."""
BODY_SECONDS = 300.0
"""For a body as a whole, looked at whenever a piece has come."""
SLOWEST_UPLOAD = 10_000
"""Bytes a second."""
CLOSE_SECONDS = 1.0
"""For what there is to be closed after an answer."""
MOST_LEFT = 10_000
"""Pieces that had been received of a body that is not read to its end."""
SINGLE = httpx.Limits(max_connections=1, keepalive_expiry=IDLE_SECONDS)
CLOSED = "the client is closed: make another one; job(request_id) picks up there what was submitted here"
NONE_FREE = "no connection came free"
HEADERS = {"accept": "*/*", "accept-encoding": "gzip, deflate", "user-agent": f"python-httpx/{httpx.__version__}"}


url_of = lru_cache(maxsize=128)(httpx.URL)
"""Parsing an address takes a tenth of a call, and most calls go to few."""


class Requests:
    """Makes requests to one address, which alone is given the key."""

    _closed = False

    def __init__(self, base_url: str, headers: Mapping[str, str]) -> None:
        self.base_url = httpx.URL(base_url)
        self._address = base_url
        self._own_headers = headers
        self._headers = httpx.Headers({**HEADERS, **headers})

    def build(self, request: ApiRequest, extensions: dict[str, Any]) -> httpx.Request:
        address = url_of(self._address + request.path)
        return httpx.Request(request.method, address, headers=self._headers, json=request.body, extensions=extensions)


class Sender(Requests):
    """What is needed of `httpx.Client`. Its cookies, redirects, hooks and authentication take a fifth of a call."""

    def __init__(self, base_url: str, headers: Mapping[str, str], transport: httpx.BaseTransport | None) -> None:
        super().__init__(base_url, headers)
        self._carrier = Given(transport) if transport else Connections(environment_proxy(self.base_url))

    def send(self, request: ApiRequest, extensions: dict[str, Any]) -> ApiResponse:
        if self._closed:
            raise NoClient(CLOSED)
        return self._carrier.exchange(partial(self.build, request, extensions), extensions)

    def close(self) -> None:
        self._closed = True
        self._carrier.close()


class AsyncSender(Requests):
    """`Sender` with `await`."""

    def __init__(self, base_url: str, headers: Mapping[str, str], transport: httpx.AsyncBaseTransport | None) -> None:
        super().__init__(base_url, headers)
        self._carrier = AsyncGiven(transport) if transport else AsyncConnections(environment_proxy(self.base_url))

    async def send(self, request: ApiRequest, extensions: dict[str, Any]) -> ApiResponse:
        if self._closed:
            raise NoClient(CLOSED)
        return await self._carrier.exchange(partial(self.build, request, extensions), extensions)

    async def aclose(self) -> None:
        self._closed = True
        await self._carrier.aclose()


class Borrowed(Requests):
    """The caller's own httpx client, with whatever transport, proxy, hooks and TLS it has. It is not closed here."""

    def __init__(self, base_url: str, headers: Mapping[str, str], client: httpx.Client | httpx.AsyncClient) -> None:
        super().__init__(base_url, headers)
        self._lender = client

    def build(self, request: ApiRequest, extensions: dict[str, Any]) -> httpx.Request:
        if self._lender.is_closed:
            raise NoClient(CLOSED)
        address = url_of(self._address + request.path)
        return self._lender.build_request(
            request.method, address, headers=self._own_headers, json=request.body, extensions=extensions
        )


class BorrowedClient(Borrowed):
    def __init__(self, base_url: str, headers: Mapping[str, str], client: httpx.Client) -> None:
        super().__init__(base_url, headers, client)
        self._send = client.send

    def send(self, request: ApiRequest, extensions: dict[str, Any]) -> ApiResponse:
        built = self.build(request, extensions)
        try:
            response = self._send(built, follow_redirects=False, stream=True)
        except (httpx.HTTPError, UnicodeError) as error:
            response = answer_in(error, built)
        return whole(response)

    def close(self) -> None: ...


class BorrowedAsyncClient(Borrowed):
    def __init__(self, base_url: str, headers: Mapping[str, str], client: httpx.AsyncClient) -> None:
        super().__init__(base_url, headers, client)
        self._send = client.send

    async def send(self, request: ApiRequest, extensions: dict[str, Any]) -> ApiResponse:
        built = self.build(request, extensions)
        try:
            response = await self._send(built, follow_redirects=False, stream=True)
        except (httpx.HTTPError, UnicodeError) as error:
            response = answer_in(error, built)
        return await async_whole(response)

    async def aclose(self) -> None: ...


def answer_in(error: httpx.HTTPError | UnicodeError, request: httpx.Request) -> httpx.Response:
    """The answer that a hook refused. Raises an error of the request itself again, and ConnectionLost for any other:
    what a hook sends, and whether before or after the request, is not known.
    """
    if isinstance(error, httpx.HTTPStatusError) and error.response.request is request:
        return error.response if error.response.is_stream_consumed else head_of(error.response)
    with suppress(RuntimeError):
        if isinstance(error, httpx.HTTPError) and error.request is request:
            raise error
    raise ConnectionLost(f"a hook or the like of the httpx client failed, {type(error).__name__}: {error}") from error


def head_of(response: httpx.Response) -> httpx.Response:
    """An answer that httpx has closed, whose body nobody has read."""
    headers = {name: value for name, value in response.headers.items() if name != "content-encoding"}
    return httpx.Response(response.status_code, headers=headers, content=b"")


class Given:
    """A transport that the caller gave, with connections of its own."""

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self._transport = transport
        self.close = transport.close

    def exchange(self, build: Callable[[], httpx.Request], _: dict[str, Any]) -> ApiResponse:
        return whole(self._transport.handle_request(build()))


class AsyncGiven:
    """`Given` with `await`."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport
        self.aclose = transport.aclose

    async def exchange(self, build: Callable[[], httpx.Request], _: dict[str, Any]) -> ApiResponse:
        return await async_whole(await self._transport.handle_async_request(build()))


class Idle(Generic[ConnectionT]):
    """The connections that no call uses, safe to share between threads."""

    def __init__(self, connect: Callable[[], ConnectionT]) -> None:
        self._connect = connect
        self._connections: deque[tuple[float, ConnectionT]] = deque()
        self.closed = False

    def take(self) -> ConnectionT:
        """The one that was used last, or a new one."""
        if self.closed:
            raise NoClient(CLOSED)
        try:
            return self._connections.pop()[1]
        except IndexError:
            return self._connect()

    def keep(self, connection: ConnectionT) -> None:
        self._connections.append((time.monotonic(), connection))

    def outdated(self) -> ConnectionT | None:
        """One that is to be closed."""
        while True:
            try:
                since, connection = self._connections.popleft()
            except IndexError:
                return None
            if self.closed or since < time.monotonic() - IDLE_SECONDS:
                return connection
            self._connections.appendleft((since, connection))
            # It may have been closed in between, by a thread that did not see this connection.
            if not self.closed:
                return None


class Connections:
    """A pool for each connection, since what httpx's own pool does is quadratic in its connections."""

    def __init__(self, proxy: httpx.Proxy | None) -> None:
        self._proxy = proxy
        self._idle = Idle(self._connect)
        # Not a plain lock: a signal handler that makes a call would wait for its own thread in line, and for ever.
        self._line = threading.RLock()
        self._free = threading.Semaphore(CONNECTIONS)

    def _connect(self) -> httpx.HTTPTransport:
        connection = httpx.HTTPTransport(verify=tls_context(), limits=SINGLE, proxy=self._proxy)
        limit(connection)
        return connection

    def exchange(self, build: Callable[[], httpx.Request], extensions: dict[str, Any]) -> ApiResponse:
        """Carries a request, which is built when its turn has come: many may be in line."""
        until = time.monotonic() + whole_seconds(extensions)
        # Unless there is a deadline, only the first in line is timed: how long the others wait says nothing about the
        # service.
        if not self._line.acquire(timeout=min(whole_seconds(extensions), threading.TIMEOUT_MAX)):
            raise httpx.PoolTimeout(NONE_FREE)
        try:
            free = self._free.acquire(timeout=max(0.0, min(pool_seconds(extensions), until - time.monotonic())))
        finally:
            self._line.release()
        if not free:
            raise httpx.PoolTimeout(NONE_FREE)
        try:
            self._close_outdated()
            request = build()
            with reading_until(min(until, time.monotonic() + exchange_seconds(request))):
                return self._exchange_over(self._idle.take(), request)
        finally:
            self._free.release()

    def _exchange_over(self, connection: httpx.HTTPTransport, request: httpx.Request) -> ApiResponse:
        try:
            response = whole(connection.handle_request(request))
        except BaseException as error:
            connection.close()
            if isinstance(error, UnicodeError):
                # What Python raises for a host that cannot be one.
                raise httpx.ConnectError(f"the host cannot be looked up: {error}") from error
            raise
        self._idle.keep(connection)
        if self._idle.closed:
            self._close_outdated()
        return response

    def _close_outdated(self) -> None:
        while connection := self._idle.outdated():
            connection.close()

    def close(self) -> None:
        self._idle.closed = True
        self._close_outdated()


class AsyncConnections:
    """`Connections` with `await`."""

    def __init__(self, proxy: httpx.Proxy | None) -> None:
        self._idle = Idle(lambda: httpx.AsyncHTTPTransport(verify=tls_context(), limits=SINGLE, proxy=proxy))
        self._line = anyio.Lock(fast_acquire=True)
        self._free = anyio.Semaphore(CONNECTIONS, fast_acquire=True)

    async def exchange(self, build: Callable[[], httpx.Request], extensions: dict[str, Any]) -> ApiResponse:
        late: httpx.TimeoutException = httpx.PoolTimeout(NONE_FREE)
        with anyio.move_on_after(whole_seconds(extensions)) as scope:
            until = scope.deadline
            async with self._line:
                scope.deadline = min(until, anyio.current_time() + pool_seconds(extensions))
                await self._free.acquire()
            late = httpx.ReadTimeout(LATE)
            try:
                request = build()
                scope.deadline = min(until, anyio.current_time() + exchange_seconds(request))
                await self._close_outdated()
                return await self._exchange_over(self._idle.take(), request)
            finally:
                self._free.release()
        raise late

    async def _exchange_over(self, connection: httpx.AsyncHTTPTransport, request: httpx.Request) -> ApiResponse:
        try:
            response = await async_whole(await connection.handle_async_request(request))
        except BaseException:
            with anyio.CancelScope(shield=True):
                await connection.aclose()
            raise
        self._idle.keep(connection)
        if self._idle.closed:
            await self._close_outdated()
        return response

    async def _close_outdated(self) -> None:
        while connection := self._idle.outdated():
            await connection.aclose()

    async def aclose(self) -> None:
        self._idle.closed = True
        await self._close_outdated()


class Body(httpx.SyncByteStream):
    """The body of one answer, piece by piece. Raises ConnectionLost for one that does not end."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._until = time.monotonic() + BODY_SECONDS

    def add(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > LARGEST_BODY:
            raise ConnectionLost(f"it is larger than {LARGEST_BODY} bytes")
        if time.monotonic() > self._until:
            raise ConnectionLost(f"it had not ended {BODY_SECONDS:g} s after it had begun")

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)


def whole(response: httpx.Response) -> ApiResponse:
    """The answer with its body, decoded. Raises ConnectionLost, and what httpx raises."""
    body = Body()
    try:
        for piece in response.iter_bytes():
            body.add(piece)
    except BaseException:
        response.close()
        raise
    return ApiResponse(response.status_code, response.headers, b"".join(body))


async def async_whole(response: httpx.Response) -> ApiResponse:
    """`whole` with `await`."""
    if response.is_stream_consumed:
        return ApiResponse(response.status_code, response.headers, response.content)
    body = Body()
    async with pieces_of(response) as pieces:
        async for piece in pieces:
            body.add(piece)
    return whole(httpx.Response(response.status_code, headers=response.headers, stream=body))


@asynccontextmanager
async def pieces_of(response: httpx.Response) -> AsyncGenerator[AsyncIterator[bytes]]:
    """The pieces of a body as they come. Leaves nothing open, however much of it is read."""
    whole = response.is_stream_consumed
    pieces = response.aiter_bytes() if whole else aiter(cast(httpx.AsyncByteStream, response.stream))
    try:
        yield pieces
    finally:
        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + CLOSE_SECONDS):
            await response.aclose()
            # Ends the generators within generators of httpx, which would be left to the garbage collector.
            with suppress(Exception):
                for _ in range(MOST_LEFT):
                    await anext(pieces)


def pool_seconds(extensions: dict[str, Any]) -> float:
    return float(extensions["timeout"]["pool"])


def whole_seconds(extensions: dict[str, Any]) -> float:
    """For a place in line and the answer together."""
    return float(extensions["whole_seconds"])


def exchange_seconds(request: httpx.Request) -> float:
    """From a connection that is free to the end of the answer, however little goes and comes at a time."""
    timeout = request.extensions["timeout"]
    upload = int(request.headers.get("content-length", 0)) / SLOWEST_UPLOAD
    return float(timeout["connect"] + timeout["write"] + timeout["read"]) + upload + BODY_SECONDS


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """The one of all clients, made with the first connection: that takes longer than many calls."""
    return httpx.create_ssl_context()


def environment_proxy(url: httpx.URL) -> httpx.Proxy | None:
    """The proxy that the environment names for an address."""
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    # What goes to this machine is not encrypted, and is for nobody else.
    if not proxy or proxy_bypass(url.netloc.decode()) or is_loopback(str(url)):
        return None
    try:
        made = httpx.Proxy(proxy if "://" in proxy else f"http://{proxy}")
    except (ValueError, httpx.InvalidURL):
        # Without its address, which may hold a password.
        raise InvalidParameter("Client", "proxy", urlsplit(proxy).scheme, "an http, https or socks5 address") from None
    if made.url.scheme.startswith("socks") and find_spec("socksio") is None:
        raise InvalidParameter("Client", "proxy", made.url.scheme, "http or https, or to find httpx[socks] installed")
    return made


def is_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
