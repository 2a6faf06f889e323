"""Carries requests to the service over a bounded number of kept connections."""

from __future__ import annotations

import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Generic, TypeVar, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import anyio
import httpx

from segmind_client.errors import InvalidParameter, NoClient

ConnectionT = TypeVar("ConnectionT")

CONNECTIONS = 100
"""Of one client, at most; further calls wait in line."""
IDLE_SECONDS = 4.0
"""For which a connection is kept without a call. Servers close theirs after 5 s or more, and a POST that meets the
end of its connection may have been accepted.
"""
SINGLE = httpx.Limits(max_connections=1, keepalive_expiry=IDLE_SECONDS)
CLOSED = "the client is closed: make another one; job(request_id) picks up there what was submitted here"
NONE_FREE = "no connection came free"
HEADERS = {"accept": "*/*", "accept-encoding": "gzip, deflate", "user-agent": f"python-httpx/{httpx.__version__}"}


class Requests:
    """Makes requests to one address, which alone is given the key."""

    _closed = False

    def __init__(self, base_url: str, headers: Mapping[str, str]) -> None:
        self.base_url = httpx.URL(base_url)
        self._address = base_url
        self._own_headers = headers
        self._headers = httpx.Headers({**HEADERS, **headers})

    def build_request(
        self, method: str, path: str, *, json: Mapping[str, Any] | None, timeout: httpx.Timeout
    ) -> httpx.Request:
        return httpx.Request(
            method, self._address + path, headers=self._headers, json=json, extensions={"timeout": timeout.as_dict()}
        )


class Sender(Requests):
    """What is needed of `httpx.Client`. Its cookies, redirects, hooks and authentication take a fifth of a call."""

    def __init__(self, base_url: str, headers: Mapping[str, str], transport: httpx.BaseTransport | None) -> None:
        super().__init__(base_url, headers)
        self._transport = transport or Connections(environment_proxy(self.base_url))

    def send(self, request: httpx.Request) -> httpx.Response:
        if self._closed:
            raise NoClient(CLOSED)
        response = self._transport.handle_request(request)
        try:
            response.read()
        except BaseException:
            response.close()
            raise
        return response

    def close(self) -> None:
        self._closed = True
        self._transport.close()


class AsyncSender(Requests):
    """`Sender` with `await`."""

    def __init__(self, base_url: str, headers: Mapping[str, str], transport: httpx.AsyncBaseTransport | None) -> None:
        super().__init__(base_url, headers)
        self._transport = transport or AsyncConnections(environment_proxy(self.base_url))

    async def send(self, request: httpx.Request) -> httpx.Response:
        if self._closed:
            raise NoClient(CLOSED)
        response = await self._transport.handle_async_request(request)
        try:
            await response.aread()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await response.aclose()
            raise
        return response

    async def aclose(self) -> None:
        self._closed = True
        await self._transport.aclose()


class Borrowed(Requests):
    """The caller's own httpx client, with whatever transport, proxy, hooks and TLS it has. It is not closed here."""

    def __init__(self, base_url: str, headers: Mapping[str, str], client: httpx.Client | httpx.AsyncClient) -> None:
        super().__init__(base_url, headers)
        self._lender = client

    def build_request(
        self, method: str, path: str, *, json: Mapping[str, Any] | None, timeout: httpx.Timeout
    ) -> httpx.Request:
        if self._lender.is_closed:
            raise NoClient(CLOSED)
        return self._lender.build_request(
            method, self._address + path, headers=self._own_headers, json=json, timeout=timeout
        )


class BorrowedClient(Borrowed):
    def __init__(self, base_url: str, headers: Mapping[str, str], client: httpx.Client) -> None:
        super().__init__(base_url, headers, client)
        self._send = client.send

    def send(self, request: httpx.Request) -> httpx.Response:
        return self._send(request, follow_redirects=False)

    def close(self) -> None: ...


class BorrowedAsyncClient(Borrowed):
    def __init__(self, base_url: str, headers: Mapping[str, str], client: httpx.AsyncClient) -> None:
        super().__init__(base_url, headers, client)
        self._send = client.send

    async def send(self, request: httpx.Request) -> httpx.Response:
        return await self._send(request, follow_redirects=False)

    async def aclose(self) -> None: ...


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
        try:
            since, connection = self._connections.popleft()
        except IndexError:
            return None
        if self.closed or since < time.monotonic() - IDLE_SECONDS:
            return connection
        self._connections.appendleft((since, connection))
        return None


class Connections(httpx.BaseTransport):
    """A pool for each connection, since what httpx's own pool does is quadratic in its connections."""

    def __init__(self, proxy: httpx.Proxy | None) -> None:
        self._idle = Idle(lambda: httpx.HTTPTransport(verify=tls_context(), limits=SINGLE, proxy=proxy))
        self._line = threading.Lock()
        self._free = threading.Semaphore(CONNECTIONS)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        # Only the first in line is timed: how long the others wait says nothing about the service.
        with self._line:
            if not self._free.acquire(timeout=pool_seconds(request)):
                raise httpx.PoolTimeout(NONE_FREE)
        try:
            self._close_outdated()
            return self._exchange(request, self._idle.take())
        finally:
            self._free.release()

    def _exchange(self, request: httpx.Request, connection: httpx.HTTPTransport) -> httpx.Response:
        try:
            response = connection.handle_request(request)
            content = b"".join(cast(httpx.SyncByteStream, response.stream))
            response.close()
        except BaseException:
            connection.close()
            raise
        self._idle.keep(connection)
        if self._idle.closed:
            self._close_outdated()
        return httpx.Response(response.status_code, headers=response.headers, content=content)

    def _close_outdated(self) -> None:
        while connection := self._idle.outdated():
            connection.close()

    def close(self) -> None:
        self._idle.closed = True
        self._close_outdated()


class AsyncConnections(httpx.AsyncBaseTransport):
    """`Connections` with `await`."""

    def __init__(self, proxy: httpx.Proxy | None) -> None:
        self._idle = Idle(lambda: httpx.AsyncHTTPTransport(verify=tls_context(), limits=SINGLE, proxy=proxy))
        self._line = anyio.Lock(fast_acquire=True)
        self._free = anyio.Semaphore(CONNECTIONS, fast_acquire=True)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        async with self._line:
            with anyio.move_on_after(pool_seconds(request)) as first_in_line:
                await self._free.acquire()
        if first_in_line.cancelled_caught:
            raise httpx.PoolTimeout(NONE_FREE)
        try:
            await self._close_outdated()
            return await self._exchange(request, self._idle.take())
        finally:
            self._free.release()

    async def _exchange(self, request: httpx.Request, connection: httpx.AsyncHTTPTransport) -> httpx.Response:
        try:
            response = await connection.handle_async_request(request)
            content = b"".join([part async for part in cast(httpx.AsyncByteStream, response.stream)])
            await response.aclose()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await connection.aclose()
            raise
        self._idle.keep(connection)
        if self._idle.closed:
            await self._close_outdated()
        return httpx.Response(response.status_code, headers=response.headers, content=content)

    async def _close_outdated(self) -> None:
        while connection := self._idle.outdated():
            await connection.aclose()

    async def aclose(self) -> None:
        self._idle.closed = True
        await self._close_outdated()


def pool_seconds(request: httpx.Request) -> float:
    return float(request.extensions["timeout"]["pool"])


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """The one of all clients, made with the first connection: that takes longer than many calls."""
    return httpx.create_ssl_context()


def environment_proxy(url: httpx.URL) -> httpx.Proxy | None:
    """The proxy that the environment names for an address."""
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(url.netloc.decode()):
        return None
    try:
        return httpx.Proxy(proxy if "://" in proxy else f"http://{proxy}")
    except (ValueError, httpx.InvalidURL) as error:
        # Without its address, which may hold a password.
        raise InvalidParameter("Client", "proxy", urlsplit(proxy).scheme, f"http, https or socks5 ({error})") from None
