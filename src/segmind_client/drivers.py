"""Carries out flows, sync and async: each request waits for its turn in the line, then goes to a sender."""

from __future__ import annotations

import os
from inspect import GEN_SUSPENDED, getgeneratorstate
from typing import TypeVar, cast

import attrs
import httpcore
import httpx
from anyio.lowlevel import current_token

from segmind_api.types import ApiResponse
from segmind_client.call import Call
from segmind_client.clock import Clock, EventLoopClock, SystemClock
from segmind_client.connections import CONNECTION_FAILURES
from segmind_client.custom import CustomAsyncSender, CustomFailure, CustomSender
from segmind_client.errors import ClientUnusable, ConnectionLost, NotSent, SegmindError
from segmind_client.masking import masked, without_key
from segmind_client.steps import Fetch, Flow, Pause, Send, TooLarge
from segmind_client.transport import AsyncSender, Carrier, Sender

T = TypeVar("T")
Outcome = ApiResponse | BaseException | None

NEVER_SENT = (
    *(httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol),
    *(httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.ProxyError, httpcore.UnsupportedProtocol, UnicodeError),
)
"""Exceptions that mean that a GET was not sent."""


@attrs.frozen
class SyncDriver:
    """Carries out flows on the calling thread."""

    http: Sender | CustomSender
    clock: Clock = attrs.field(factory=SystemClock)
    process: int = attrs.field(factory=os.getpid)

    def carry_out(self, flow: Flow[T]) -> T:
        check_process(self.process)
        try:
            step = next(flow)
            while True:
                step = resume(flow, self._outcome(step))
        except StopIteration as stop:
            return cast(T, stop.value)
        except BaseException as error:
            interrupt(flow, error)
            raise

    def complete(self, call: Call, flow: Flow[T]) -> T:
        """`carry_out`; every exception leaves through the call, which names the job."""
        try:
            return self.carry_out(flow)
        except BaseException as error:
            call.fail(error)

    def _outcome(self, step: Send | Pause) -> Outcome:
        """The result or exception of one step. Raises nothing: a StopIteration of a hook must not end the flow."""
        try:
            if isinstance(step, Pause):
                self.clock.sleep_until(self.clock.monotonic() + step.seconds)
                return None
            try:
                step.line.take(step.turn, self.clock)
                times = step.times(self.clock.monotonic())
                if isinstance(step, Fetch):
                    return self.http.fetch(step.sent, times, step.into, step.check_address)
                return self.http.exchange(step.sent, times)
            finally:
                step.line.leave(step.turn, self.clock)
        except BaseException as error:
            return as_outcome(error, step, self.http)


@attrs.define
class AsyncDriver:
    """Carries out flows under asyncio or trio, in the event loop in which it is first used."""

    http: AsyncSender | CustomAsyncSender
    clock: Clock = attrs.field(factory=EventLoopClock)
    process: int = attrs.field(factory=os.getpid)
    _loop: object = None

    async def carry_out(self, flow: Flow[T]) -> T:
        check_process(self.process)
        self._check_loop()
        try:
            step = next(flow)
            while True:
                step = resume(flow, await self._outcome(step))
        except StopIteration as stop:
            return cast(T, stop.value)
        except BaseException as error:
            interrupt(flow, error)
            raise

    async def complete(self, call: Call, flow: Flow[T]) -> T:
        """`carry_out`; every exception leaves through the call, which names the job."""
        try:
            return await self.carry_out(flow)
        except BaseException as error:
            call.fail(error)

    async def close(self) -> None:
        """Raises ClientUnusable in another event loop."""
        self.http.closed = True
        self._check_loop()
        await self.http.close()

    async def _outcome(self, step: Send | Pause) -> Outcome:
        """The result or exception of one step. Raises nothing: a StopIteration of a hook must not end the flow."""
        try:
            if isinstance(step, Pause):
                await self.clock.sleep_until_async(self.clock.monotonic() + step.seconds)
                return None
            try:
                await step.line.take_async(step.turn, self.clock)
                times = step.times(self.clock.monotonic())
                if isinstance(step, Fetch):
                    return await self.http.fetch(step.sent, times, step.into, step.check_address)
                return await self.http.exchange(step.sent, times)
            finally:
                step.line.leave(step.turn, self.clock)
        except BaseException as error:
            return as_outcome(error, step, self.http)

    def _check_loop(self) -> None:
        loop = current_token()
        self._loop = self._loop or loop
        if loop != self._loop:
            raise ClientUnusable(
                "the client was used in another event loop, to which its connections belong: close it there, and "
                "make another client in this loop"
            )


def check_process(process: int) -> None:
    if os.getpid() != process:
        raise ClientUnusable(
            "the client was made in another process, whose connections it shares: make one in this process"
        )


def interrupt(flow: Flow[T], error: BaseException) -> None:
    """Throws the error into a suspended flow, which may have to end a span."""
    if getgeneratorstate(flow) == GEN_SUSPENDED:
        flow.throw(error)


def resume(flow: Flow[T], outcome: Outcome) -> Send | Pause:
    return flow.throw(outcome) if isinstance(outcome, BaseException) else flow.send(outcome)


def as_outcome(error: BaseException, step: Send | Pause, http: Carrier) -> BaseException:
    """The exception for the flow. Whether a POST was sent follows from whether its body was read, not from the
    exception.
    """
    if isinstance(step, Pause) or not isinstance(error, Exception):
        return error
    is_custom = isinstance(error, CustomFailure)
    if isinstance(error, CustomFailure):
        error = error.cause
    is_post = step.sent.request.body is not None
    if isinstance(error, SegmindError) and not is_custom:
        # After a POST was sent, others are about another request: a signal handler may have used a client.
        if isinstance(error, ConnectionLost | TooLarge) or not (is_post and step.sent.begun):
            return error
    elif not is_custom and not isinstance(error, CONNECTION_FAILURES):
        return error
    place = "the host of the file" if isinstance(step, Fetch) else str(http.base_url)
    detail = masked(f"{type(error).__name__}: {error}")
    # The tracebacks of httpcore and the socket repeat the same in a hundred lines.
    error.__cause__, error.__suppress_context__ = None, True
    # Its frames have the head of the request, with the key, in local variables.
    error.__traceback__ = None
    failure: NotSent | ConnectionLost
    if not step.sent.begun or (not is_post and isinstance(error, NEVER_SENT)):
        failure = NotSent(f"{place} was not reached, so it accepted nothing ({detail})")
    else:
        failure = ConnectionLost(detail)
    failure.__cause__ = without_key(error)
    return failure
