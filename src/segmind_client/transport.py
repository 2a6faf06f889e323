"""Sends requests over connections of the client's own."""

from __future__ import annotations

import time
from typing import Any, NoReturn

import anyio
import httpx

from segmind_api.types import ApiResponse
from segmind_client.connections import HEADERS, AsyncConnection, Connection, Target
from segmind_client.errors import ClientUnusable, DownloadFailed
from segmind_client.line import CLOSED
from segmind_client.masking import Secret
from segmind_client.pool import AsyncPool, Pool
from segmind_client.sockets import LATE
from segmind_client.steps import CheckAddress, Sent, Sink, Times


class Carrier:
    """Base of all senders: requests with the key go to one URL."""

    closed = False

    def __init__(self, base_url: str, key_header: str, key: Secret) -> None:
        self.base_url = httpx.URL(base_url)
        self._url = base_url
        self._key_header = key_header
        self._key = key

    def headers(self) -> dict[str, str]:
        return {**HEADERS, self._key_header: self._key.reveal()}

    def check_open(self) -> None:
        """Raises ClientUnusable."""
        if self.closed:
            raise ClientUnusable(CLOSED)

    def __reduce__(self) -> NoReturn:
        raise ClientUnusable("a sender has a key and connections and cannot be pickled")


class Sender(Carrier):
    """Sends without httpx.Client and without httpcore's pool, which take most of the CPU of a call."""

    def __init__(self, base_url: str, key_header: str, key: Secret) -> None:
        super().__init__(base_url, key_header, key)
        target = Target(self.base_url)
        self._pool = Pool(target, self.base_url.raw_path.rstrip(b"/"), raw(self.headers()))

    def exchange(self, sent: Sent, times: Times) -> ApiResponse:
        """The response, with its body decoded. Raises ConnectionLost, ClientUnusable, and what httpcore raises."""
        self.check_open()
        return self._pool.exchange(sent, times)

    def fetch(self, sent: Sent, times: Times, into: Sink, check_address: CheckAddress | None) -> ApiResponse:
        """The head of the response to a request without the key. Its body goes into the sink."""
        self.check_open()
        target, request = file_request(sent, times, check_address)
        connection = Connection(target)
        try:
            return connection.exchange(request, sent, times, time.monotonic() + times.total, into)
        finally:
            connection.close()

    def close(self) -> None:
        self.closed = True
        self._pool.close()


class AsyncSender(Carrier):
    """`Sender` with `await`."""

    def __init__(self, base_url: str, key_header: str, key: Secret) -> None:
        super().__init__(base_url, key_header, key)
        target = Target(self.base_url)
        self._pool = AsyncPool(target, self.base_url.raw_path.rstrip(b"/"), raw(self.headers()))

    async def exchange(self, sent: Sent, times: Times) -> ApiResponse:
        self.check_open()
        return await self._pool.exchange(sent, times)

    async def fetch(self, sent: Sent, times: Times, into: Sink, check_address: CheckAddress | None) -> ApiResponse:
        self.check_open()
        target, request = file_request(sent, times, check_address)
        connection = AsyncConnection(target)
        try:
            with anyio.move_on_after(times.total):
                return await connection.exchange(request, sent, times, into)
            raise httpx.ReadTimeout(LATE)
        finally:
            await connection.close()

    async def close(self) -> None:
        self.closed = True
        await self._pool.close()


def raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]


def file_request(sent: Sent, times: Times, check_address: CheckAddress | None) -> tuple[Target, Any]:
    """Raises DownloadFailed for a URL that cannot be requested."""
    try:
        url = httpx.URL(sent.request.path)
        target = Target(url, check_address)
        return target, target.request(sent, url.raw_path, raw(HEADERS), times)
    except (httpx.InvalidURL, UnicodeError, KeyError) as error:
        raise DownloadFailed(f"the URL of the file cannot be requested: {error}") from error
