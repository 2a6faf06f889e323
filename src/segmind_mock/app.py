"""The double as an ASGI application: it reads requests, sends responses and writes the journal."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
from functools import lru_cache, partial

import anyio.to_thread
import orjson

from segmind_mock.asgi import (
    ABORT,
    READ_SECONDS,
    CallerGoneError,
    ConnectionDroppedError,
    Message,
    Receive,
    Scope,
    Send,
    abort,
    base_url_of,
    read_body,
    unless_gone,
)
from segmind_mock.calls import RESERVED_PREFIX, WITHOUT_BODY, Call, Outcome
from segmind_mock.clock import Clock
from segmind_mock.contract import Operation
from segmind_mock.faults import NO_FAULT, Fault, fault_of
from segmind_mock.journal import Entry, truncate
from segmind_mock.records import Transaction
from segmind_mock.service import Service
from segmind_mock.stores import Store

LOG = logging.getLogger("segmind_mock")
HUNG_UP = 499
"""Status in the journal of a call whose caller hung up before the response was sent."""

App = Callable[[Scope, Receive, Send], Awaitable[None]]


class MockApp:
    """Serves the paths of the contract, and passes requests below the reserved prefix to `own_paths`."""

    def __init__(self, service: Service, store: Store, clock: Clock, own_paths: App) -> None:
        self._service = service
        self._store = store
        self._clock = clock
        self._own_paths = own_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await answer_lifespan(receive, send)
        elif scope["type"] == "http":
            await self._respond(scope, receive, send)

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = ended = False

        def send_dated(message: Message) -> Awaitable[None]:
            nonlocal started, ended
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._date()]
                started = True
            else:
                ended = not message.get("more_body", False)
            return send(message)

        handle = self._own_paths if scope["path"].startswith(RESERVED_PREFIX) else self._serve
        try:
            await handle(scope, receive, send_dated)
        except ConnectionDroppedError:
            raise
        except Exception as error:
            outcome = failure(scope, error)
            if ended:
                # Starlette raises the error after its response; raised again here, it would close the connection.
                return
            if started:
                raise
            await send_outcome(scope, send_dated, outcome, NO_FAULT)

    def _date(self) -> list[tuple[bytes, bytes]]:
        """The Date header by the double's clock; none if the store with the clock's shift cannot be read."""
        try:
            return [(b"date", http_date(int(self._clock.now())))]
        except Exception:
            LOG.exception("the clock cannot be read")
            return []

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        now = self._clock.now()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if "prefer" in headers:
            # Several headers of this name are one list.
            lines = [value.decode("latin-1") for name, value in scope["headers"] if name == b"prefer"]
            headers["prefer"] = ", ".join(lines)
        settings, contract = self._service.settings, self._service.contract
        operations, request_id = contract.route(scope["path"])
        operation = operations.get(scope["method"])
        body = b""
        fault = NO_FAULT
        if operation is None:
            outcome = self._answer_unknown(scope, operations)
        else:
            try:
                read = await read_body(headers, receive, settings.largest_body) if operation.model else b""
            except CallerGoneError:
                return
            if read is None:
                message = f"the body is larger than {settings.largest_body} bytes"
                outcome = Outcome(400, orjson.dumps({"error": message}), headers={"connection": "close"})
            else:
                body = read
                call = Call(operation, request_id, headers, body, base_url_of(scope, headers), now)
                try:
                    fault, outcome = self._store.transact(partial(self._answer, call))
                except Exception as error:
                    # Handled here, so that the call is in the journal like any other.
                    outcome = failure(scope, error)
        gone = True
        try:
            if outcome.finish is not None:
                outcome = await self._wait_and_finish(outcome, scope, receive, now)
            if outcome.make_body is not None:
                outcome.body = await anyio.to_thread.run_sync(outcome.make_body)
            if fault.malformed:
                outcome.body = b'{"error": '
            if fault.latency:
                await self._wait(fault.latency, scope, receive, now)
            gone = False
        except CallerGoneError:
            return
        except Exception as error:
            outcome, gone = failure(scope, error), False
        finally:
            # In `finally`, since a cancelled call in process is in the journal too.
            entry: Entry = {
                "at": now,
                "operation_id": operation.operation_id if operation else None,
                "method": scope["method"],
                "path": scope["path"],
                "headers": headers,
                "key_header": contract.key_header,
                "body": body,
                "status": HUNG_UP if gone else 0 if fault.drop else outcome.status,
                "answer": outcome.body,
                "request_id": outcome.request_id,
                "accepted": outcome.accepted,
                "fault": fault.fields,
            }
            try:
                self._store.append(truncate(entry))
            except Exception:
                # The call has been carried out; a 500 would make the caller repeat it.
                LOG.exception("%s %s is missing in the journal", scope["method"], scope["path"])
        if fault.drop:
            abort(scope)
        else:
            await send_outcome(scope, send, outcome, fault)

    def _answer(self, call: Call, tx: Transaction) -> tuple[Fault, Outcome]:
        try:
            fault = fault_of(tx, call, self._service.contract.key_header)
        except ValueError as error:
            return NO_FAULT, Outcome(400, orjson.dumps({"error": f"Prefer: {error}"}))
        return fault, self._service.answer(tx, call, fault)

    async def _wait(self, seconds: float, scope: Scope, receive: Receive, since: float) -> None:
        """Waits before a response. Raises CallerGoneError as soon as the caller hangs up."""
        hangs_up_at = since + scope.get("state", {}).get(READ_SECONDS, math.inf)
        left = max(0.0, hangs_up_at - self._clock.now())
        await unless_gone(partial(self._clock.sleep, min(seconds, left)), receive)
        if seconds > left:
            raise CallerGoneError

    async def _wait_and_finish(self, outcome: Outcome, scope: Scope, receive: Receive, since: float) -> Outcome:
        """The final outcome, after the wait. A caller who hangs up is not charged: raises CallerGoneError."""
        store, clock, finish, abandon = self._store, self._clock, outcome.finish, outcome.abandon
        try:
            await self._wait(outcome.wait, scope, receive, since)
        except BaseException:
            # A call in process is cancelled.
            if abandon is not None:
                store.transact(abandon)
            raise
        return outcome if finish is None else store.transact(lambda tx: finish(tx, clock.now()))

    def _answer_unknown(self, scope: Scope, operations: Mapping[str, Operation]) -> Outcome:
        if not operations:
            return Outcome(404, orjson.dumps({"error": f"no such model or endpoint: {scope['path']}"}))
        page = self._service.contract.example(next(iter(operations.values())), 405, "page")
        return Outcome(405, str(page).encode(), "text/html", {"allow": ", ".join(operations)})


def failure(scope: Scope, error: Exception) -> Outcome:
    """Logs a failure of the double itself, and makes a 500 of it."""
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


async def send_outcome(scope: Scope, send: Send, outcome: Outcome, fault: Fault) -> None:
    body_headers = [
        (b"content-type", outcome.content_type.encode()),
        (b"content-length", b"%d" % len(outcome.body)),
    ]
    headers = [] if outcome.status in WITHOUT_BODY else body_headers
    if outcome.headers:
        headers += [(name.encode(), value.encode()) for name, value in outcome.headers.items()]
    await send({"type": "http.response.start", "status": outcome.status, "headers": headers})
    if fault.truncate is None:
        await send({"type": "http.response.body", "body": outcome.body})
        return
    part = outcome.body[: int(len(outcome.body) * fault.truncate)]
    await send({"type": "http.response.body", "body": part, "more_body": True})
    # The double's server closes the connection if nothing follows.
    if ABORT not in scope.get("state", {}):
        raise ConnectionDroppedError("the body ended before its declared length, as a fault requested")
