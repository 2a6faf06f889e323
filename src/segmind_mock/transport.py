"""A transport with which httpx calls a double in process, faults of the connection included."""

from __future__ import annotations

import asyncio
import atexit
import math
import os
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import anyio
import httpx

from segmind_mock.asgi import ABORT, READ_SECONDS

T = TypeVar("T")

CALLER = ("127.0.0.1", 0)


class DoubleTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """For `httpx.Client`, `httpx.AsyncClient` and the clients of `segmind_client`; `Double.transport` makes one.

    `app` gets the request as if it came from this machine. Any thread may call, even one that runs an event loop. The
    caller gets the exceptions of `app`.

    The read timeout of a request is the time until its response by the double's clock; the other timeouts do not apply.
    Raises httpx.ReadTimeout, and httpx.RemoteProtocolError if a fault drops the connection or, when the body is read,
    truncates it.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        if not in_event_loop():
            return run(self._call(request))
        # In another thread, since a thread runs one event loop at a time.
        with ThreadPoolExecutor(1) as other_thread:
            return other_thread.submit(run, self._call(request)).result()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return await self._call(request)

    async def _call(self, request: httpx.Request) -> httpx.Response:
        unread = [{"type": "http.request", "body": request.content, "more_body": False}]
        sent: list[Any] = []
        is_dropped = False
        read_seconds = request.extensions.get("timeout", {}).get("read")

        async def receive() -> Any:
            if not unread:
                # A caller in process never hangs up; its task is cancelled.
                await anyio.sleep_forever()
            return unread.pop()

        async def send(message: Any) -> None:
            sent.append(message)

        def drop() -> None:
            nonlocal is_dropped
            is_dropped = True

        state = {ABORT: drop, READ_SECONDS: math.inf if read_seconds is None else read_seconds}
        await self._app(scope_of(request, state), receive, send)
        if not sent:
            if read_seconds is not None and not is_dropped:
                message = f"no response within {read_seconds:g} seconds by the double's clock"
                raise httpx.ReadTimeout(message, request=request)
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.", request=request)
        start, *bodies = sent
        is_head = request.method == "HEAD"
        is_cut = not is_head and (not bodies or bodies[-1].get("more_body", False))
        body = Body(
            b"" if is_head else b"".join(part.get("body", b"") for part in bodies),
            expected=int(dict(start["headers"]).get(b"content-length", 0)) if is_cut else 0,
            request=request,
        )
        return httpx.Response(start["status"], headers=start["headers"], stream=body, request=request)


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of a response. Raises httpx.RemoteProtocolError at its end if it is shorter than `expected` bytes."""

    def __init__(self, content: bytes, expected: int, request: httpx.Request) -> None:
        self._content = content
        self._expected = expected
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        yield self._content
        received = len(self._content)
        if received < self._expected:
            raise httpx.RemoteProtocolError(
                "peer closed connection without sending complete message body "
                f"(received {received} bytes, expected {self._expected})",
                request=self._request,
            )

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self:
            yield part


def scope_of(request: httpx.Request, state: dict[str, Any]) -> dict[str, Any]:
    """The ASGI scope of a request from this machine."""
    url = request.url
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "scheme": url.scheme,
        "path": url.path,
        "raw_path": url.raw_path.partition(b"?")[0],
        "query_string": url.query,
        "root_path": "",
        "server": (url.host, url.port),
        "client": CALLER,
        "state": state,
    }


def in_event_loop() -> bool:
    """Whether this thread runs an event loop, of asyncio or trio."""
    try:
        anyio.get_cancelled_exc_class()
    except RuntimeError:
        return False
    return True


IDLE_LOOPS: deque[asyncio.AbstractEventLoop] = deque()
"""Event loops that later calls reuse, since making one takes longer than most calls."""
MOST_IDLE_LOOPS = 16
"""Each keeps a selector and a pair of sockets open."""


def run(call: Coroutine[Any, Any, T]) -> T:
    """Runs a call in an event loop that no other call uses at the same time."""
    try:
        loop = IDLE_LOOPS.pop()
    except IndexError:
        loop = asyncio.new_event_loop()
    task = loop.create_task(call)
    try:
        return loop.run_until_complete(task)
    except BaseException:
        # Ctrl-C leaves the call unfinished; cancelling it means that the caller hangs up.
        task.cancel()
        loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
        raise
    finally:
        IDLE_LOOPS.append(loop)
        if len(IDLE_LOOPS) > MOST_IDLE_LOOPS:
            IDLE_LOOPS.popleft().close()


@atexit.register
def close_loops() -> None:
    while IDLE_LOOPS:
        IDLE_LOOPS.pop().close()


if hasattr(os, "register_at_fork"):
    # A forked process would share the selectors of its parent.
    os.register_at_fork(after_in_child=IDLE_LOOPS.clear)
