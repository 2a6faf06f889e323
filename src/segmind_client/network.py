"""Sends requests over connections of its own: httpcore's, kept, and bounded in time."""

from __future__ import annotations

import math
import queue
import socket
import ssl
import threading
import time
import zlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import copy_context
from functools import lru_cache, partial
from importlib.util import find_spec
from ipaddress import ip_address
from typing import Any, Generic, TypeVar, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import anyio
import attrs
import httpcore
import httpx
from anyio import to_thread
from anyio.lowlevel import RunVar, checkpoint

from segmind_api.types import ApiResponse
from segmind_client.errors import ConnectionLost, InvalidParameter, NotSent
from segmind_client.steps import RequestBody, Sent, Sink

T = TypeVar("T")
ConnectionT = TypeVar("ConnectionT", bound="Connection | AsyncConnection")

IDLE_SECONDS = 4.0
"""For which a connection is kept without a request. Servers close theirs after 5 s or more."""
CLOSE_SECONDS = 1.0
"""For what there is to close after a response."""
MOST_LEFT = 20
"""Pieces of a closed response that are asked for, so that its generators end."""
WRITTEN_AT_ONCE = 65536
"""Bytes that go to another thread together."""
PIECES_AT_ONCE = 256
"""After which other tasks get their turn: thousands of pieces may have been received together."""
MOST_WORKERS = 8
"""Threads of one event loop that work with files."""
WORKERS: RunVar[anyio.CapacityLimiter | None] = RunVar("segmind_client_workers")
GZIP_MAGIC = b"\x1f\x8b"
PORTS = {b"http": 80, b"https": 443}
CLOCK_TOLERANCE = 0.01
"""Seconds by which a socket may time out early."""
LATE = "the response did not end in time"
HEADERS = {
    "accept": "*/*",
    # Nothing that the service sends gets smaller, and what is not compressed needs no limit while it is decompressed.
    "accept-encoding": "identity",
    "user-agent": f"python-httpx/{httpx.__version__}",
}

CONNECTION_FAILURES = (
    *(httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, httpcore.ProxyError),
    *(httpcore.ConnectionNotAvailable, httpcore.UnsupportedProtocol, httpx.HTTPError),
)
"""Exceptions of a connection of our own."""

RawHeaders = Sequence[tuple[bytes, bytes]]
CheckAddress = Callable[[str], None]
"""Raises for an IP address that is not to be connected to."""


@attrs.frozen
class Times:
    """The time limits of one exchange, in seconds."""

    connect: float
    write: float
    read: float
    """For the head of the response, and for each piece of its body."""
    total: float

    @property
    def head(self) -> float:
        """From the start to the head of the response, however little is received at a time."""
        return min(self.connect + self.write + self.read, self.total)

    def extensions(self) -> dict[str, Any]:
        """As httpx and httpcore take them."""
        return {
            "timeout": {
                "connect": min(self.connect, self.total),
                "read": min(self.read, self.total),
                "write": min(self.write, self.total),
                "pool": self.total,
            }
        }


class Target:
    """Where requests go: the origin of a URL, and the proxy on the way."""

    def __init__(self, url: httpx.URL, check_address: CheckAddress | None = None) -> None:
        """Raises InvalidParameter for a proxy of the environment that cannot be used, UnicodeError for a host that
        cannot be one: sockets refuse it later, and ssl leaves one open then.
        """
        url.host.encode("idna")
        # httpx knows no port where it is the usual one; a proxy is told none then.
        self._port = url.port
        self.origin = httpcore.Origin(url.raw_scheme, url.raw_host, url.port or PORTS[url.raw_scheme])
        self.proxy = environment_proxy(url)
        # A proxy looks the host up itself.
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
        """What makes connections to the origin, given a network backend."""
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


class DeadlineBackend(httpcore.SyncBackend):
    """The sockets of one connection, none of which is used after a deadline. httpcore limits each read by itself."""

    def __init__(self, check_address: CheckAddress | None) -> None:
        self.until = math.inf
        """Monotonic."""
        self.joins_head = False
        """Whether the next write is the head of a request with a body."""
        self._check_address = check_address
        self._stream: httpcore.NetworkStream | None = None

    def close(self) -> None:
        """Closes the socket. httpcore leaves it open where a proxy or TLS fails."""
        if self._stream is not None:
            self._stream.close()

    def left(self, timeout: float | None, error: type[Exception]) -> float:
        left = self.until - time.monotonic()
        if left <= 0:
            raise error(LATE)
        return left if timeout is None else min(timeout, left)

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, *_: Any, **__: Any) -> Any:
        until = time.monotonic() + self.left(timeout, httpcore.ConnectTimeout)
        failure: Exception = httpcore.ConnectTimeout(f"{host} was not reached in time")
        addresses = resolve(host, port, until)
        for number, address in enumerate(addresses):
            if self._check_address is not None:
                self._check_address(address)
            # All addresses of a host share its time.
            seconds = (until - time.monotonic()) / (len(addresses) - number)
            if seconds <= 0:
                break
            try:
                with timing_out_after(seconds):
                    self._stream = super().connect_tcp(address, port, seconds)
                return DeadlineStream(self._stream, self)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


@contextmanager
def timing_out_after(seconds: float) -> Generator[None]:
    """Raises as it is a TimeoutError of a signal handler, which httpcore takes for the socket's."""
    due = time.monotonic() + seconds
    try:
        yield
    except httpcore.TimeoutException as error:
        cause = error.__cause__
        # The kernel's own ETIMEDOUT has a number.
        if isinstance(cause, TimeoutError) and cause.errno is None and time.monotonic() < due - CLOCK_TOLERANCE:
            raise cause from None
        raise


class DeadlineStream(httpcore.NetworkStream):
    """A socket of a DeadlineBackend."""

    def __init__(self, stream: httpcore.NetworkStream, backend: DeadlineBackend) -> None:
        self._stream = stream
        self._backend = backend
        self._head = b""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._head:
            self._flush(b"", timeout)
        left = self._backend.left(timeout, httpcore.ReadTimeout)
        with timing_out_after(left):
            return self._stream.read(max_bytes, left)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self._backend.joins_head:
            # Sent together with the body: a segment less, and a tenth of the CPU of a call.
            self._backend.joins_head, self._head = False, buffer
        elif buffer:
            self._flush(buffer, timeout)

    def _flush(self, buffer: bytes, timeout: float | None) -> None:
        buffer, self._head = self._head + buffer, b""
        try:
            # In pieces, since httpcore's time starts anew whenever the other side takes some bytes.
            for start in range(0, len(buffer), 65536):
                left = self._backend.left(timeout, httpcore.WriteTimeout)
                with timing_out_after(left):
                    self._stream.write(buffer[start : start + 65536], left)
        except BaseException:
            # Tracebacks that show local variables do not show the key.
            buffer = b""
            raise

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._backend.left(timeout, httpcore.ConnectTimeout)
        return DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, left), self._backend)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class CheckingBackend(httpcore.AsyncNetworkBackend):
    """The sockets of one connection of an async client."""

    def __init__(self, check_address: CheckAddress | None) -> None:
        # Typed by what httpcore declares where anyio is missing.
        self._sockets: Any = httpcore.AnyIOBackend()
        self._check_address = check_address
        self._stream: httpcore.AsyncNetworkStream | None = None

    async def aclose(self) -> None:
        """Closes the socket. httpcore leaves it open where a proxy or TLS fails."""
        if self._stream is not None:
            await self._stream.aclose()

    async def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        stream: httpcore.AsyncNetworkStream = await self._sockets.connect_tcp(*args, **kwargs)
        self._stream = stream
        if self._check_address is not None:
            try:
                self._check_address(str(stream.get_extra_info("server_addr")[0]))
            except BaseException:
                await stream.aclose()
                raise
        return stream


def resolve(host: str, port: int, until: float) -> list[str]:
    """The IP addresses of a host. Raises httpcore.ConnectError and ConnectTimeout."""
    with suppress(ValueError):
        return [str(ip_address(host))]
    try:
        found = on_thread(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), until - time.monotonic())
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"{host} cannot be looked up: {error}") from error
    except queue.Empty:
        raise httpcore.ConnectTimeout(f"{host} was not looked up in time") from None
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def on_thread(
    work: Callable[[], T], seconds: float, more_seconds: float = 0.0, goes_on: Callable[[], bool] = lambda: False
) -> T:
    """The result of what cannot be interrupted. Raises queue.Empty after so many seconds; the work goes on unheard.

    Where it `goes_on` by then, it has more seconds.
    """
    outcome: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()
    context = copy_context()

    def run() -> None:
        try:
            outcome.put((context.run(work), None))
        except BaseException as error:
            outcome.put((None, error))

    threading.Thread(target=run, name="segmind-client", daemon=True).start()
    try:
        result, error = outcome.get(timeout=max(0.0, min(seconds, threading.TIMEOUT_MAX)))
    except queue.Empty:
        if not goes_on():
            raise
        result, error = outcome.get(timeout=max(0.0, min(more_seconds, threading.TIMEOUT_MAX)))
    if error is not None:
        raise error
    return cast(T, result)


class Connection:
    """One connection, opened by its first request."""

    def __init__(self, target: Target) -> None:
        self._backend = DeadlineBackend(target.check_address)
        self._http: httpcore.HTTPConnection = target.connections(sync=True)(self._backend)

    def close(self) -> None:
        self._http.close()
        self._backend.close()

    def is_usable(self) -> bool:
        """Whether another request may be sent: the service may have closed it, or said that it would."""
        return self._http.is_idle() and not self._http.has_expired()

    def exchange(
        self, request: httpcore.Request, sent: Sent, times: Times, until: float, into: Sink | None
    ) -> ApiResponse:
        started = time.monotonic()
        latest = min(until, started + times.head)
        # Addresses, proxies and TLS share the time for a connection, which is open when the body is begun.
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
                # Addresses, proxies and TLS share the time for a connection, which is open when the body is begun.
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


async def on_worker(work: Callable[..., T], *arguments: Any) -> T:
    """The result of work with files, on a thread that is free even where callers occupy all of anyio's own."""
    limiter = WORKERS.get(None)
    if limiter is None:
        limiter = anyio.CapacityLimiter(MOST_WORKERS)
        WORKERS.set(limiter)
    return await to_thread.run_sync(work, *arguments, limiter=limiter)


@asynccontextmanager
async def closing_pieces(pieces: AsyncIterator[bytes], close: Callable[[], Awaitable[None]]) -> AsyncGenerator[None]:
    """Leaves nothing of a response open, however much of it was read."""
    try:
        yield
    finally:
        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + CLOSE_SECONDS):
            await close()
            # Ends the generators within generators of httpcore, which would be left to the garbage collector.
            with suppress(Exception):
                for _ in range(MOST_LEFT):
                    await anext(pieces)


class Idle(Generic[ConnectionT]):
    """The connections that no request uses, safe to share between threads."""

    def __init__(self) -> None:
        self._connections: deque[tuple[float, ConnectionT]] = deque()
        self.closed = False

    def newest(self) -> ConnectionT | None:
        """The one that was used last, if that was not too long ago; it is not kept any more."""
        with suppress(IndexError):
            since, connection = self._connections.pop()
            if since >= time.monotonic() - IDLE_SECONDS:
                return connection
            self._connections.append((since, connection))
        return None

    def keep(self, connection: ConnectionT) -> None:
        self._connections.append((time.monotonic(), connection))

    def outdated(self) -> list[ConnectionT]:
        """Those that were idle for too long; all of them once it is closed. They are not kept any more."""
        return self._used_before(math.inf if self.closed else time.monotonic() - IDLE_SECONDS)

    def all(self) -> list[ConnectionT]:
        """They are not kept any more."""
        return self._used_before(math.inf)

    def _used_before(self, moment: float) -> list[ConnectionT]:
        found: list[ConnectionT] = []
        with suppress(IndexError):
            while self._connections[0][0] < moment:
                found.append(self._connections.popleft()[1])
        return found

    def replaced(self) -> list[ConnectionT]:
        """The oldest, where there is one, to be closed before another connection is opened."""
        with suppress(IndexError):
            return [self._connections.popleft()[1]]
        return []


class Pool:
    """The connections of one client to the service.

    A POST gets a connection that has carried nothing: bytes that were left over from an earlier response would be
    read as its own. A GET may get a kept one, and is sent anew over another where its response is not its own.
    """

    def __init__(self, target: Target, prefix: bytes, headers: RawHeaders) -> None:
        self._target = target
        self._prefix = prefix
        self._headers = headers
        self._idle: Idle[Connection] = Idle()

    def exchange(self, sent: Sent, times: Times) -> ApiResponse:
        until = time.monotonic() + times.total
        request = self._target.request(sent, self._prefix + sent.request.path.encode("ascii"), self._headers, times)
        kept = None if sent.needs_fresh_connection else self._idle.newest()
        if kept is not None:
            try:
                if kept.is_usable():
                    response = kept.exchange(request, sent, times, until, None)
                    if sent.accepts is None or sent.accepts(response):
                        self._keep(kept)
                        return response
            except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.ConnectionNotAvailable, ConnectionLost):
                pass
            except BaseException as error:
                kept.close()
                if isinstance(error, httpcore.TimeoutException):
                    # The network may have dropped all of them, while nothing was sent.
                    self._close(self._idle.all())
                raise
            kept.close()
        self._close(self._idle.outdated() or self._idle.replaced())
        connection = Connection(self._target)
        try:
            response = connection.exchange(request, sent, times, until, None)
        except BaseException:
            connection.close()
            raise
        self._keep(connection)
        return response

    def _keep(self, connection: Connection) -> None:
        self._idle.keep(connection)
        self._close(self._idle.outdated())

    def _close(self, connections: list[Connection]) -> None:
        for connection in connections:
            connection.close()

    def close(self) -> None:
        self._idle.closed = True
        self._close(self._idle.outdated())


class AsyncPool:
    """`Pool` with `await`."""

    def __init__(self, target: Target, prefix: bytes, headers: RawHeaders) -> None:
        self._target = target
        self._prefix = prefix
        self._headers = headers
        self._idle: Idle[AsyncConnection] = Idle()

    async def exchange(self, sent: Sent, times: Times) -> ApiResponse:
        with anyio.move_on_after(times.total):
            request = self._target.request(sent, self._prefix + sent.request.path.encode("ascii"), self._headers, times)
            kept = None if sent.needs_fresh_connection else self._idle.newest()
            if kept is not None:
                try:
                    if kept.is_usable():
                        response = await kept.exchange(request, sent, times, None)
                        if sent.accepts is None or sent.accepts(response):
                            await self._keep(kept)
                            return response
                except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.ConnectionNotAvailable, ConnectionLost):
                    pass
                except BaseException as error:
                    await kept.close()
                    if isinstance(error, httpcore.TimeoutException):
                        # The network may have dropped all of them, while nothing was sent.
                        await self._close(self._idle.all())
                    raise
                await kept.close()
            await self._close(self._idle.outdated() or self._idle.replaced())
            connection = AsyncConnection(self._target)
            try:
                response = await connection.exchange(request, sent, times, None)
            except BaseException:
                await connection.close()
                raise
            await self._keep(connection)
            return response
        raise httpcore.ReadTimeout(LATE)

    async def _keep(self, connection: AsyncConnection) -> None:
        self._idle.keep(connection)
        await self._close(self._idle.outdated())

    async def _close(self, connections: list[AsyncConnection]) -> None:
        for connection in connections:
            await connection.close()

    async def close(self) -> None:
        self._idle.closed = True
        await self._close(self._idle.outdated())


def headers_of(raw: RawHeaders) -> dict[str, str]:
    """Headers by their names in lower case; what appears more than once is joined by commas."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in raw:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def decoded(sent: Sent, *, already: bool = False) -> ApiResponse:
    """The response with its body decoded. Raises ConnectionLost for a body that is incomplete, or too large.

    A body that is not encoded as its headers say is left as it is: it may be paid for.
    """
    encoding = "" if already else sent.encoding
    content, complete = decompressed(encoding, bytes(sent.received), sent.largest)
    if not complete:
        raise ConnectionLost(f"the body, encoded as {encoding}, is incomplete or larger than {sent.largest} bytes")
    return ApiResponse(sent.status or 0, sent.headers, content)


def decompressed(encoding: str, content: bytes, limit: int) -> tuple[bytes, bool]:
    """What a body decodes to, up to a limit, and whether that is all of it. Other encodings are left as they are."""
    if encoding in ("gzip", "x-gzip", "deflate"):
        # 32 finds out by itself whether there is a header of gzip or of zlib. A deflated body may have neither.
        for window in (32 + zlib.MAX_WBITS, -zlib.MAX_WBITS)[: 2 if encoding == "deflate" else 1]:
            with suppress(zlib.error):
                return decompressed_members(window, content, limit)
    return content, True


def decompressed_members(window: int, content: bytes, limit: int) -> tuple[bytes, bool]:
    """What the members of a compressed body decode to, one after another. Raises zlib.error."""
    found = bytearray()
    while True:
        decompressor = zlib.decompressobj(window)
        found += decompressor.decompress(content, limit - len(found))
        content = decompressor.unused_data
        if not content.startswith(GZIP_MAGIC) or len(found) >= limit:
            return bytes(found), decompressor.eof and not content.startswith(GZIP_MAGIC)


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """The one of all clients, made with the first connection: that takes longer than many calls."""
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
    # What goes to this machine is not encrypted, and is for nobody else.
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


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
