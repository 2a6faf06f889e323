"""What the ASGI applications, the server and the in-process transport share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeVar

import anyio

T = TypeVar("T")
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

ABORT = "segmind_mock.abort"
"""In a scope's state: closes the connection without a response. Only the double's server and transport set it."""
READ_SECONDS = "segmind_mock.read_seconds"
"""In a scope's state: after how many seconds by the double's clock the caller hangs up; without it, never."""


class ConnectionDroppedError(ConnectionError):
    """A fault drops the connection, and the server that runs the application cannot."""


class CallerGoneError(Exception):
    """The caller hung up before its request was complete, or before the response was sent."""


def abort(scope: Scope) -> None:
    """Closes the connection without a response. Raises ConnectionDroppedError if the server cannot."""
    close = scope.get("state", {}).get(ABORT)
    if close is None:
        raise ConnectionDroppedError("the connection was dropped, as a fault requested")
    close()


async def unless_gone(work: Callable[[], Awaitable[T]], receive: Receive) -> T:
    """Awaits the work. Cancels it and raises CallerGoneError as soon as the caller hangs up."""
    results: list[T] = []
    raised: Exception | None = None

    async def watch(scope: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(watch, group.cancel_scope)
        try:
            results.append(await work())
        except Exception as error:
            # Raised after the group, which would wrap it in an ExceptionGroup.
            raised = error
        group.cancel_scope.cancel()
    if raised is not None:
        raise raised
    if not results:
        raise CallerGoneError
    return results[0]


async def read_body(headers: Mapping[str, str], receive: Receive, largest: int) -> bytes | None:
    """The body of a request; None, without reading the rest, if it is too large. Raises CallerGoneError."""
    declared = headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > largest:
        return None
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerGoneError
        part: bytes = message.get("body", b"")
        body = body + part if body else part
        if len(body) > largest:
            return None
        more = message.get("more_body", False)
    return body


def base_url_of(scope: Scope, headers: Mapping[str, str]) -> str:
    """Scheme, host and port that the caller used."""
    host = headers.get("host")
    if host is None:
        server = scope.get("server") or ("127.0.0.1", None)
        name = f"[{server[0]}]" if ":" in server[0] else server[0]
        host = name if server[1] is None else f"{name}:{server[1]}"
    return f"{scope['scheme']}://{host}"
