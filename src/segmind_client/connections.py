"""One connection, to the service or to the host of an image, with its proxy and TLS."""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import lru_cache, partial
from importlib.util import find_spec
from typing import Any, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import anyio
import httpcore
import httpx
from anyio.lowlevel import checkpoint

from segmind_api.types import ApiResponse
from segmind_client.decoding import decoded
from segmind_client.errors import InvalidParameter, NotSent
from segmind_client.sockets import LATE, CheckingBackend, DeadlineBackend
from segmind_client.steps import CheckAddress, RequestBody, Sent, Sink, Times
from segmind_client.threads import on_worker
from segmind_client.urls import is_loopback

CLOSE_SECONDS = 1.0
"""Seconds for closing a response or a connection."""
MOST_LEFT = 20
"""The most pieces that are read of a closed response, so that its generators end."""
WRITTEN_AT_ONCE = 65536
"""Bytes that are passed to another thread at once."""
PIECES_AT_ONCE = 256
"""Pieces after which other tasks run: thousands of pieces may be available at once."""
PORTS = {b"http": 80, b"https": 443}
HEADERS = {
    "accept": "*/*",
    # Images do not get smaller, and a response that is not compressed cannot expand without limit.
    "accept-encoding": "identity",
    "user-agent": f"python-httpx/{httpx.__version__}",
}
CONNECTION_FAILURES = (
    *(httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, httpcore.ProxyError),
    *(httpcore.ConnectionNotAvailable, httpcore.UnsupportedProtocol, httpx.HTTPError),
)
"""The exceptions of a failed connection."""
RawHeaders = Sequence[tuple[bytes, bytes]]


class Target:
    """Where requests are sent: the origin of a URL, through the proxy that the environment names."""

    def __init__(self, url: httpx.URL, check_address: CheckAddress | None = None) -> None:
        """Raises InvalidParameter for a proxy that cannot be used, and UnicodeError for an impossible host name.

        Sockets would refuse such a name later, and ssl would leave the socket open.
        """
        url.host.encode("idna")
        # None for the default port of the scheme, which is then not sent to a proxy either.
        self._port = url.port
        self.origin = httpcore.Origin(url.raw_scheme, url.raw_host, url.port or PORTS[url.raw_scheme])
        self.proxy = environment_proxy(url)
        # A proxy resolves the host itself.
        self.check_address = None if self.proxy else check_address
        self._host = url.netloc

    def request(self, sent: Sent, path: bytes, headers: RawHeaders, times: Times) -> httpcore.Request:
        url = httpcore.URL(scheme=self.origin.scheme, host=self.origin.host, port=self._port, target=path)
        all_headers = [(b"Host", self._host), *headers]
        stream: RequestBody | None = None
        if sent.request.body is not None:
            stream = RequestBody(sent)
            all_headers += [(b"Content-Type", b"application/json"), (b"Content-Length", b"%d" % len(stream.content))]
        return httpcore.Request(
            sent.request.method, url, headers=all_headers, content=stream, extensions=times.extensions()
        )

    def connections(self, *, sync: bool) -> Callable[..., Any]:
        """A function that makes a connection to the origin, given a network backend."""
        kind: Any
        options: dict[str, Any] = {}
        if self.origin.scheme == b"https" or self.proxy is not None:
            options["ssl_context"] = tls_context()
        if self.proxy is None:
            kind = httpcore.ConnectionPool if sync else httpcore.AsyncConnectionPool
            return partial(self._connection, kind, options)
        url = self.proxy.url
        options["proxy_url"] = httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port or PORTS.get(url.raw_scheme, 1080), target=b"/"
        )
        options["proxy_auth"] = self.proxy.raw_auth
        if url.scheme.startswith("socks"):
            kind = httpcore.SOCKSProxy if sync else httpcore.AsyncSOCKSProxy
        else:
            kind = httpcore.HTTPProxy if sync else httpcore.AsyncHTTPProxy
            options["proxy_headers"] = self.proxy.headers.raw
            if url.scheme == "https":
                options["proxy_ssl_context"] = tls_context()
        return partial(self._connection, kind, options)

    def _connection(self, kind: Any, options: dict[str, Any], backend: object) -> Any:
        return kind(network_backend=backend, **options).create_connection(self.origin)


class Connection:
    """One connection, opened by its first request."""

    def __init__(self, target: Target) -> None:
        self._backend = DeadlineBackend(target.check_address)
        self._http: httpcore.HTTPConnection = target.connections(sync=True)(self._backend)

    def close(self) -> None:
        self._http.close()
        self._backend.close()

    def is_usable(self) -> bool:
        """Whether another request may be sent: the service has not closed it, nor announced that it will."""
        return self._http.is_idle() and not self._http.has_expired()

    def exchange(
        self, request: httpcore.Request, sent: Sent, times: Times, until: float, into: Sink | None
    ) -> ApiResponse:
        started = time.monotonic()
        latest = min(until, started + times.head)
        # All IP addresses, the proxy and TLS share the connect timeout. The body is sent when the connection is open.
        self._backend.until = latest if request.method == b"GET" else min(latest, started + times.connect)
        sent.on_begin = lambda: setattr(self._backend, "until", latest)
        self._backend.joins_head = request.method == b"POST"
        response = self._http.handle_request(request)
        self._backend.until = until
        try:
            head = sent.start_response(response.status, headers_of(response.headers))
            if into is None:
                for piece in response.iter_stream():
                    sent.receive(piece)
            elif into.begin(head):
                for piece in response.iter_stream():
                    into.write(piece)
                into.end()
        finally:
            response.close()
        return head if into is not None else decoded(sent)


class AsyncConnection:
    """`Connection` with `await`."""

    def __init__(self, target: Target) -> None:
        self._backend = CheckingBackend(target.check_address)
        self._http: httpcore.AsyncHTTPConnection = target.connections(sync=False)(self._backend)

    def is_usable(self) -> bool:
        return self._http.is_idle() and not self._http.has_expired()

    async def exchange(self, request: httpcore.Request, sent: Sent, times: Times, into: Sink | None) -> ApiResponse:
        response: httpcore.Response | None = None
        latest = anyio.current_time() + times.head
        with anyio.move_on_after(times.head) as scope:
            if request.method != b"GET":
                # All IP addresses, the proxy and TLS share the connect timeout. The body is sent when the connection is
                # open.
                scope.deadline = min(latest, anyio.current_time() + times.connect)
            sent.on_begin = lambda: setattr(scope, "deadline", latest)
            response = await self._http.handle_async_request(request)
        if response is None:
            raise httpcore.ReadTimeout(LATE)
        stream = aiter(cast(AsyncIterable[bytes], response.stream))
        head = sent.start_response(response.status, headers_of(response.headers))
        async with closing_pieces(stream, response.aclose):
            await receive_async(stream, sent, head, into)
        return head if into is not None else decoded(sent)

    async def close(self) -> None:
        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + CLOSE_SECONDS):
            await self._http.aclose()
            await self._backend.aclose()


async def receive_async(pieces: AsyncIterator[bytes], sent: Sent, head: ApiResponse, into: Sink | None) -> None:
    if into is None:
        count = 0
        async for piece in pieces:
            sent.receive(piece)
            count += 1
            if count % PIECES_AT_ONCE == 0:
                await checkpoint()
    elif await on_worker(into.begin, head):
        received = bytearray()
        async for piece in pieces:
            received += piece
            if len(received) >= WRITTEN_AT_ONCE:
                await on_worker(into.write, bytes(received))
                received.clear()
        await on_worker(into.write, bytes(received))
        await on_worker(into.end)


@asynccontextmanager
async def closing_pieces(pieces: AsyncIterator[bytes], close: Callable[[], Awaitable[None]]) -> AsyncGenerator[None]:
    """Closes a response, whether it was read to its end or not."""
    try:
        yield
    finally:
        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + CLOSE_SECONDS):
            await close()
            # Ends the nested generators of httpcore, which the garbage collector would have to close otherwise.
            with suppress(Exception):
                for _ in range(MOST_LEFT):
                    await anext(pieces)


def headers_of(raw: RawHeaders) -> dict[str, str]:
    """Headers by their names in lower case; the values of a repeated header are joined by commas."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in raw:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """One context for all clients. It is made with the first connection, since that takes longer than many calls."""
    try:
        return httpx.create_ssl_context()
    except (OSError, ValueError) as error:
        raise NotSent(
            f"TLS cannot be set up, so nothing was sent: {error}. Check the files that SSL_CERT_FILE and "
            f"SSL_CERT_DIR name"
        ) from error


def environment_proxy(url: httpx.URL) -> httpx.Proxy | None:
    """The proxy that the environment names for a URL. Raises InvalidParameter for one that cannot be used."""
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    # Requests to this machine are not encrypted, and must not leave it.
    if not proxy or proxy_bypass(url.netloc.decode("ascii", "replace")) or is_loopback(str(url)):
        return None
    try:
        made = httpx.Proxy(proxy if "://" in proxy else f"http://{proxy}")
    except (ValueError, httpx.InvalidURL):
        # Without its URL, which may hold a password.
        allowed = "the environment to name an http, https or socks5 URL"
        raise InvalidParameter("Client", "proxy", urlsplit(proxy).scheme, allowed) from None
    if made.url.scheme.startswith("socks") and find_spec("socksio") is None:
        allowed = "the environment to name http or https, or httpx[socks] to be installed"
        raise InvalidParameter("Client", "proxy", made.url.scheme, allowed)
    return made
