"""The connections of one client to the service, kept while they are idle."""

from __future__ import annotations

import math
import time
from collections import deque
from contextlib import suppress
from typing import Generic, TypeVar

import anyio
import httpcore

from segmind_api.types import ApiResponse
from segmind_client.connections import AsyncConnection, Connection, RawHeaders, Target
from segmind_client.errors import ConnectionLost
from segmind_client.sockets import LATE
from segmind_client.steps import Sent, Times

ConnectionT = TypeVar("ConnectionT", bound="Connection | AsyncConnection")
IDLE_SECONDS = 4.0
"""Seconds for which an idle connection is kept. Servers close idle connections after 5 s or more."""


class Idle(Generic[ConnectionT]):
    """The idle connections, safe to share between threads. Each method removes the connections that it returns."""

    def __init__(self) -> None:
        self._connections: deque[tuple[float, ConnectionT]] = deque()
        self.closed = False

    def newest(self) -> ConnectionT | None:
        """The connection that was used last, if it has not been idle for too long."""
        with suppress(IndexError):
            since, connection = self._connections.pop()
            if since >= time.monotonic() - IDLE_SECONDS:
                return connection
            self._connections.append((since, connection))
        return None

    def keep(self, connection: ConnectionT) -> None:
        self._connections.append((time.monotonic(), connection))

    def outdated(self) -> list[ConnectionT]:
        """The connections that have been idle for too long; all of them once the pool is closed."""
        oldest = time.monotonic() - IDLE_SECONDS
        return self._used_before(math.inf if self.closed else oldest)

    def all(self) -> list[ConnectionT]:
        return self._used_before(math.inf)

    def _used_before(self, moment: float) -> list[ConnectionT]:
        found: list[ConnectionT] = []
        with suppress(IndexError):
            while self._connections[0][0] < moment:
                found.append(self._connections.popleft()[1])
        return found

    def replaced(self) -> list[ConnectionT]:
        """The oldest connection, if there is one, to be closed before another is opened."""
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
                    # The network may have dropped all idle connections without a word.
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
                        # The network may have dropped all idle connections without a word.
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
