"""The double as an ASGI application: reads requests, sends responses and writes the journal."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from email.utils import formatdate
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import orjson

from segmind_mock.admin import admin_app
from segmind_mock.contract import Operation
from segmind_mock.faults import NO_FAULT, Fault
from segmind_mock.service import RESERVED_PREFIX, WITHOUT_BODY, Call, Outcome
from segmind_mock.stores import Exchange, Transaction

if TYPE_CHECKING:
    from segmind_mock.clock import Clock
    from segmind_mock.double import Double

T = TypeVar("T")
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

LOG = logging.getLogger("segmind_mock")
ABORT = "segmind_mock.abort"
"""In the state of a scope: how our server closes the connection without a response."""
READ_SECONDS = "segmind_mock.read_seconds"
"""In the state of a scope: after how many seconds by the double's clock the caller hangs up; without it, never."""
HUNG_UP = 499
"""The journal's status of a call whose caller hung up before the response was sent."""


class ConnectionDroppedError(ConnectionError):
    """The connection was to be dropped, and the server has no way to: the double runs in process."""


class CallerGoneError(Exception):
    """The caller hung up before the body of the request was complete, or before the response was sent."""


class Caller:
    """Waits for the response to a call, and may hang up."""

    def __init__(self, clock: Clock, scope: Scope, receive: Receive, now: float) -> None:
        self._clock = clock
        self._receive = receive
        self._hangs_up_at = now + scope.get("state", {}).get(READ_SECONDS, math.inf)

    async def wait(self, seconds: float) -> None:
        """Raises CallerGoneError as soon as the caller hangs up."""
        left = max(0.0, self._hangs_up_at - self._clock.now())
        await unless_gone(partial(self._clock.sleep, min(seconds, left)), self._receive)
        if seconds > left:
            raise CallerGoneError


class MockApp:
    """The documented paths. Everything below the reserved prefix is the admin interface's."""

    def __init__(self, double: Double) -> None:
        self._double = double
        self._admin = admin_app(double)
        self._exact: dict[str, dict[str, Operation]] = {}
        self._templated: list[tuple[re.Pattern[str], dict[str, Operation]]] = []
        by_path: dict[str, dict[str, Operation]] = {}
        for operation in double.contract.operations:
            by_path.setdefault(operation.path, {})[operation.method] = operation
        for path, operations in by_path.items():
            if "{" in path:
                self._templated.append((next(iter(operations.values())).pattern, operations))
            else:
                self._exact[path] = operations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await answer_lifespan(receive, send)
        elif scope["type"] == "http":
            await self._respond(scope, receive, send)

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = ended = False

        def send_dated(message: MutableMapping[str, Any]) -> Awaitable[None]:
            nonlocal started, ended
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._date()]
                started = True
            else:
                ended = not message.get("more_body", False)
            return send(message)

        handle = self._admin if scope["path"].startswith(RESERVED_PREFIX) else self._serve
        try:
            await handle(scope, receive, send_dated)
        except ConnectionDroppedError:
            raise
        except Exception as error:
            outcome = failure(scope, error)
            if ended:
                # Starlette raises what it has responded to; to raise it here would close the connection.
                return
            if started:
                raise
            await send_outcome(scope, send_dated, outcome, NO_FAULT)

    def _date(self) -> list[tuple[bytes, bytes]]:
        """The Date header by the double's clock; none where the store that moves the clock cannot be read."""
        try:
            return [(b"date", http_date(int(self._double.clock.now())))]
        except Exception:
            LOG.exception("the clock cannot be read")
            return []

    def _route(self, path: str) -> tuple[dict[str, Operation], str]:
        """The operations at a path, by verb, and the request id in it."""
        operations = self._exact.get(path)
        if operations is not None:
            return operations, ""
        for pattern, operations in self._templated:
            match = pattern.fullmatch(path)
            if match is not None:
                return operations, match[1]
        return {}, ""

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        double = self._double
        now = double.clock.now()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if "prefer" in headers:
            # A header that comes several times stands for one list.
            lines = [value.decode("latin-1") for name, value in scope["headers"] if name == b"prefer"]
            headers["prefer"] = ", ".join(lines)
        operations, request_id = self._route(scope["path"])
        operation = operations.get(scope["method"])
        body = b""
        fields: dict[str, str] = {}
        fault = NO_FAULT
        if operation is None:
            outcome = self._answer_unknown(scope, operations)
        else:
            try:
                read = await read_body(headers, receive, double.settings.largest_body) if operation.model else b""
            except CallerGoneError:
                return
            if read is None:
                message = f"the body is larger than {double.settings.largest_body} bytes"
                outcome = Outcome(400, orjson.dumps({"error": message}), headers={"connection": "close"})
            else:
                body = read
                call = Call(operation, request_id, headers, body, address_of(scope, headers), now)
                try:
                    fields, fault, outcome = self._answer(call)
                except Exception as error:
                    # Answered like any other call, so that it is in the journal.
                    outcome = failure(scope, error)
        caller = Caller(double.clock, scope, receive, now)
        dropped, gone = fault.drop is not None, True
        try:
            if outcome.finish is not None:
                outcome = await self._wait_and_finish(outcome, caller)
            if fault.malformed:
                outcome.body = b'{"error": '
            if fault.latency:
                await caller.wait(fault.latency)
            gone = False
        except CallerGoneError:
            return
        except Exception as error:
            outcome, gone = failure(scope, error), False
        finally:
            # A call in process that is cancelled has a row too. By position, which takes a third of the time of names.
            exchange = Exchange(
                now,
                operation.operation_id if operation else None,
                scope["method"],
                scope["path"],
                headers,
                double.contract.key_header,
                body,
                HUNG_UP if gone else 0 if dropped else outcome.status,
                outcome.body,
                outcome.request_id,
                outcome.accepted,
                fields,
            )
            try:
                double.store.append(exchange)
            except Exception:
                # The call has been carried out: another response than its own would make the caller repeat it.
                LOG.exception("%s %s is missing in the journal", scope["method"], scope["path"])
        if dropped:
            abort(scope)
        else:
            await send_outcome(scope, send, outcome, fault)

    def _answer(self, call: Call) -> tuple[dict[str, str], Fault, Outcome]:
        service = self._double.service

        def work(tx: Transaction) -> tuple[dict[str, str], Fault, Outcome]:
            try:
                fields, fault = service.fault_of(tx, call)
            except ValueError as error:
                return {}, NO_FAULT, Outcome(400, orjson.dumps({"error": f"Prefer: {error}"}))
            return fields, fault, service.answer(tx, call, fault)

        return self._double.store.transact(work)

    async def _wait_and_finish(self, outcome: Outcome, caller: Caller) -> Outcome:
        """Waits, then finishes. A caller who hangs up meanwhile is not charged: raises CallerGoneError."""
        store, clock, finish, abandon = self._double.store, self._double.clock, outcome.finish, outcome.abandon
        try:
            await caller.wait(outcome.wait)
        except BaseException:
            # A call in process is cancelled.
            if abandon is not None:
                store.transact(abandon)
            raise
        return outcome if finish is None else store.transact(lambda tx: finish(tx, clock.now()))

    def _answer_unknown(self, scope: Scope, operations: Mapping[str, Operation]) -> Outcome:
        if not operations:
            return Outcome(404, orjson.dumps({"error": f"no such model or endpoint: {scope['path']}"}))
        page = self._double.contract.example(next(iter(operations.values())), 405, "page")
        return Outcome(405, str(page).encode(), "text/html", {"allow": ", ".join(operations)})


def failure(scope: Scope, error: Exception) -> Outcome:
    """For a failure of the double itself, which is logged."""
    LOG.error("%s %s failed in the double itself", scope["method"], scope["path"], exc_info=error)
    message = f"the double itself failed with {type(error).__name__}; its log has the traceback"
    return Outcome(500, orjson.dumps({"error": message}))


@lru_cache(maxsize=64)
def http_date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()


async def answer_lifespan(receive: Receive, send: Send) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


async def read_body(headers: Mapping[str, str], receive: Receive, largest: int) -> bytes | None:
    """The body of a request; None, without reading the rest, for one that is too large."""
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


async def unless_gone(work: Callable[[], Awaitable[T]], receive: Receive) -> T:
    """Does the work. Raises CallerGoneError as soon as the caller hangs up."""
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
            # Raised outside of the group, which would wrap it.
            raised = error
        group.cancel_scope.cancel()
    if raised is not None:
        raise raised
    if not results:
        raise CallerGoneError
    return results[0]


def abort(scope: Scope) -> None:
    """Closes the connection without an answer. Raises ConnectionDroppedError where there is none to close."""
    close = scope.get("state", {}).get(ABORT)
    if close is None:
        raise ConnectionDroppedError("the connection was dropped, as a fault asked for")
    close()


async def send_outcome(scope: Scope, send: Send, outcome: Outcome, fault: Fault) -> None:
    headers: list[tuple[bytes, bytes]] = []
    if outcome.status not in WITHOUT_BODY:
        headers.append((b"content-type", outcome.content_type.encode()))
        headers.append((b"content-length", b"%d" % len(outcome.body)))
    if outcome.headers:
        headers += [(name.encode(), value.encode()) for name, value in outcome.headers.items()]
    await send({"type": "http.response.start", "status": outcome.status, "headers": headers})
    if fault.truncate is None:
        await send({"type": "http.response.body", "body": outcome.body})
        return
    part = outcome.body[: int(len(outcome.body) * fault.truncate)]
    await send({"type": "http.response.body", "body": part, "more_body": True})
    # Our server closes the connection when nothing follows.
    if ABORT not in scope.get("state", {}):
        raise ConnectionDroppedError("the body ended before its declared length, as a fault asked for")


def address_of(scope: Scope, headers: Mapping[str, str]) -> str:
    """Scheme, host and port as the caller sees them."""
    host = headers.get("host")
    if host is None:
        server = scope.get("server") or ("127.0.0.1", None)
        name = f"[{server[0]}]" if ":" in server[0] else server[0]
        host = name if server[1] is None else f"{name}:{server[1]}"
    return f"{scope['scheme']}://{host}"
