"""Sockets that are read until a time, however little comes at a time and however often."""

from __future__ import annotations

import math
import ssl
import time
from contextvars import ContextVar
from typing import Any

import httpcore
import httpx

LATE = "the answer did not end in time"

UNTIL: ContextVar[float] = ContextVar("until", default=math.inf)
"""Monotonic."""


class reading_until:  # noqa: N801  it reads as a statement, and as a generator it would take longer
    """No socket of a limited transport is read later than this, by the calling thread within this block."""

    def __init__(self, moment: float) -> None:
        self._moment = moment

    def __enter__(self) -> None:
        self._token = UNTIL.set(self._moment)

    def __exit__(self, *_: object) -> None:
        UNTIL.reset(self._token)


def limit(transport: httpx.BaseTransport | None) -> None:
    """Makes the sockets of an httpx transport end in time. Does nothing to any other."""
    if isinstance(transport, httpx.HTTPTransport):
        # httpx has no parameter for what httpcore takes as one.
        transport._pool._network_backend = LimitedBackend()  # pyright: ignore[reportPrivateUsage]


class LimitedBackend(httpcore.SyncBackend):
    """The sockets of httpcore."""

    def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        return LimitedStream(super().connect_tcp(*args, **kwargs))


class LimitedStream(httpcore.NetworkStream):
    """A socket. httpcore waits for a time whenever it reads, and for a head it reads as often as something comes."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = UNTIL.get() - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout(LATE)
        return self._stream.read(max_bytes, left if timeout is None else min(timeout, left))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return LimitedStream(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
