"""Network backends for httpcore: one with a deadline for all reads and writes, and checks of IP addresses."""

from __future__ import annotations

import math
import queue
import socket
import ssl
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from typing import Any

import httpcore

from segmind_client.steps import CheckAddress
from segmind_client.threads import on_thread

CLOCK_TOLERANCE = 0.01
"""Seconds by which a socket may time out early."""
LATE = "the response did not end in time"


class DeadlineBackend(httpcore.SyncBackend):
    """An httpcore backend with a total deadline for one connection. httpcore itself limits each read separately."""

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
            # All IP addresses of a host share the connect timeout.
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
            # Sent together with the body, which saves a TCP segment and a tenth of the CPU of a call.
            self._backend.joins_head, self._head = False, buffer
        elif buffer:
            self._flush(buffer, timeout)

    def _flush(self, buffer: bytes, timeout: float | None) -> None:
        buffer, self._head = self._head + buffer, b""
        try:
            # In pieces: httpcore's timeout starts anew whenever the other side accepts some bytes.
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
    """An httpcore backend for one connection of an async client, which checks the IP address."""

    def __init__(self, check_address: CheckAddress | None) -> None:
        # Any: httpcore types the class by its fallback for a missing anyio.
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


@contextmanager
def timing_out_after(seconds: float) -> Generator[None]:
    """Raises the TimeoutError of a signal handler, which httpcore has mistaken for that of the socket."""
    due = time.monotonic() + seconds
    try:
        yield
    except httpcore.TimeoutException as error:
        cause = error.__cause__
        # ETIMEDOUT of the kernel has an errno.
        if isinstance(cause, TimeoutError) and cause.errno is None and time.monotonic() < due - CLOCK_TOLERANCE:
            raise cause from None
        raise


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
