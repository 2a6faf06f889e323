"""Serves an application on a port, with uvicorn."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from segmind_mock.asgi import ABORT

STARTUP_SECONDS = 10.0
SHUTDOWN_SECONDS = 1
"""Until calls in flight are cancelled when the server stops."""
LONGEST_HEAD = 65_536
"""Bytes of a request's URL and headers, or of the trailers of a chunked body."""
HEAD_SECONDS = 20.0
"""From the start of a connection, or the first byte of a later request on it, to the end of its headers."""
LINGER_SECONDS = 1.0
"""For a caller to read a 431 while it is still sending the head."""
HEAD_TOO_LARGE = b"the URL and headers are too large."
REFUSAL = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%s" % (len(HEAD_TOO_LARGE), HEAD_TOO_LARGE)
)


class HeadTooLargeError(Exception):
    """The URL and headers are longer than LONGEST_HEAD."""


class Parser(httptools.HttpRequestParser):
    """Returns the rest of the data if a request offers an upgrade, since llhttp does not read its body."""

    def __init__(self, protocol: DoubleProtocol) -> None:
        super().__init__(protocol)
        self._protocol = protocol
        # As uvicorn sets it: a request may follow one with Connection: close.
        self.set_dangerous_leniencies(lenient_data_after_close=True)

    def offers_upgrade(self) -> bool:
        # A CONNECT counts as an upgrade too, but needs no second parse.
        return self.should_upgrade() and self.get_method() != b"CONNECT"

    def feed_data(self, data: Any) -> None:
        try:
            super().feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if not self.offers_upgrade():
                raise
            self._protocol.read_without_upgrade(data[upgrade.args[0] :])


class DoubleProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which can also drop connections, limits heads, and ignores upgrades."""

    parser: Parser
    _unread = 0
    """Bytes since the end of the last head, part of a body, or request."""
    _refused = False
    _is_responding = False
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.app_state = {**self.app_state, ABORT: transport.abort}
        self.parser = Parser(self)
        self._limit_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._unread += len(data)
        super().data_received(data)
        if self._unread > LONGEST_HEAD and not self._refused:
            self._refuse()
        if self._head_timer is None and not self._is_responding:
            self._limit_head()

    def on_headers_complete(self) -> None:
        separators = 4 * len(self.headers)
        if len(self.url) + sum(map(len, chain.from_iterable(self.headers))) + separators > LONGEST_HEAD:
            self._refuse()
            raise HeadTooLargeError
        self._unread = 0
        if not self.parser.offers_upgrade():
            self._end_head()
            self._is_responding = True
            super().on_headers_complete()

    def on_response_complete(self) -> None:
        self._is_responding = bool(self.pipeline)
        super().on_response_complete()

    def on_body(self, body: bytes) -> None:
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unread = 0
        if not self.parser.offers_upgrade():
            super().on_message_complete()

    def read_without_upgrade(self, rest: bytes) -> None:
        """Parses the request again without its Upgrade header, which RFC 9110 allows a server to ignore."""
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        lines += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = Parser(self)
        self.parser.feed_data(b"\r\n".join(lines) + b"\r\n\r\n" + rest)

    def send_400_response(self, msg: str) -> None:
        # uvicorn calls this for any error of the parser, HeadTooLargeError included.
        if not self._refused:
            super().send_400_response(msg)

    def _refuse(self) -> None:
        """Sends 431 and discards further data: closing a connection with unread data would lose the response."""
        self._refused = True
        self._end_head()
        if self._is_responding:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write(REFUSAL)
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def _limit_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _end_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def server_config(app: Any, **options: Any) -> uvicorn.Config:
    """The configuration of uvicorn for the double and the proxy."""
    return uvicorn.Config(
        app,
        http=DoubleProtocol,
        ws="none",
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        # The double sends a Date header by its own clock.
        date_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        **options,
    )


@contextmanager
def serve(app: Any, *, host: str = "127.0.0.1", port: int = 0) -> Generator[str]:
    """Serves an ASGI application in a thread while the block runs; yields its URL.

    Port 0 chooses a free one. Raises OSError if the port is in use, RuntimeError if the server does not start.
    """
    with listen(host, port) as listener:
        server = uvicorn.Server(server_config(app))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            wait_for_start(server, thread)
            yield url_of(host, listener)
        finally:
            server.should_exit = True
            thread.join()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, IPv4 if the name has both. Raises OSError, whose message says what to do."""
    try:
        # asyncio sets TCP_NODELAY only if the protocol is given; without it, a response takes 40 ms.
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except OSError as error:
        raise OSError(
            error.errno, f"{host!r} is not a name or IP address of this machine: choose another host"
        ) from error
    family, kind, protocol, _, address = min(found, key=lambda it: it[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address[0], port, *address[2:]))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            message = f"port {port} is in use: stop what listens there, or choose another with --port"
        else:
            message = f"cannot listen on {host}, port {port}: {error.strerror}"
        raise OSError(error.errno, message) from error
    except OverflowError:
        listener.close()
        raise
    listener.set_inheritable(True)
    return listener


def url_of(host: str, listener: socket.socket) -> str:
    """The URL of a listening socket, with this host name or IP address."""
    return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"


def wait_for_start(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + STARTUP_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("the double did not start; its log says why")
        time.sleep(0.001)
