"""Calls that are interrupted by Ctrl-C at any line, or cancelled at any await: whether they say what was accepted."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import attrs
import httpx
import pytest
import trio
from anyio import to_thread
from sniffio import current_async_library

import segmind_client
from segmind_client import AsyncClient, Client, errors
from tests.support.clock import PauseClock
from tests.support.servers import HostileServer, Request, respond_with, response
from tests.support.tracing import MOST_POINTS, LineInterrupt

KEY = "SG_5ec4e75ec4e75ec4"
SLUG = "imagen-4-fast"
SOURCES = str(Path(segmind_client.__file__).parent)
TLS = ssl.create_default_context()
"""To make one takes longer than a call."""
LOOKS, LOOK_SECONDS = 50, 0.0005
MAY_HAVE_BEEN = "may have been accepted"

Call = Callable[[Any], Any]
CALLS: dict[str, Call] = {
    "submit": lambda client: client.submit_model(SLUG, {"prompt": "x"}),
    "run": lambda client: client.run_model(SLUG, {"prompt": "x"}),
    "generate": lambda client: client.generate_model(SLUG, {"prompt": "x"}),
}


class Service:
    """Accepts every POST that comes as a whole; jobs complete at once."""

    def __init__(self) -> None:
        self.accepted: list[str] = []
        self._server = HostileServer(self._respond)
        self.url = self._server.url
        # What other tests have left is not to be looked at in each collection.
        gc.freeze()

    def _respond(self, request: Request) -> list[bytes]:
        if request.method != "POST":
            return [response({"request_id": request.path.split("/")[3], "status": "COMPLETED", "metrics": {}})]
        request_id = str(uuid.uuid4())
        self.accepted.append(request_id)
        if request.path.startswith("/v1"):
            return [response({"output": "https://images.example/a.png"}, x_request_id=request_id)]
        return [response({"request_id": request_id, "status": "QUEUED"})]

    def settle(self) -> None:
        """Waits until everything that was sent has been read."""
        for thread in threading.enumerate():
            if thread.name == "segmind-client":
                thread.join(20)
        # Connections are accepted in their order, so that all earlier ones are known after this one.
        opened = self._server.opened
        socket.create_connection(("127.0.0.1", self._server.port)).close()
        self._server.wait_until(lambda: self._server.opened > opened)
        for _ in range(LOOKS):
            if self._server.all_closed():
                return
            time.sleep(LOOK_SECONDS)
        # What is left was being opened when it was interrupted.
        gc.collect()
        self._server.wait_until(self._server.all_closed)

    def close(self) -> None:
        gc.unfreeze()
        self._server.close()


@attrs.frozen
class Interruption:
    """What an interrupted call says, and what is true."""

    point: int
    place: str
    says: str
    accepted: tuple[str, ...]
    returned: bool = False
    """Whether the call has given its result all the same."""

    @property
    def problem(self) -> str | None:
        if self.returned:
            return None
        named = [request_id for request_id in self.accepted if request_id in self.says]
        if self.accepted and not named and MAY_HAVE_BEEN not in self.says:
            return f"{self.place}: accepted {self.accepted}, and says {self.says!r}"
        if not self.accepted and self.says and MAY_HAVE_BEEN not in self.says:
            return f"{self.place}: accepted nothing, and says {self.says!r}"
        return None


def interrupt(service: Service, call: Call, point: int, carrier: str) -> Interruption | None:
    """Interrupts a call at its so-manieth line; None where it has fewer."""
    before = len(service.accepted)
    transport = httpx.HTTPTransport(verify=TLS, trust_env=False) if carrier == "transport" else None
    with (
        Client(KEY, base_url=service.url, transport=transport, clock=PauseClock()) as client,
        LineInterrupt(point, (SOURCES,)) as interrupted,
    ):
        call(client)
    service.settle()
    if not interrupted.place:
        return None
    return Interruption(point, interrupted.place, interrupted.says, tuple(service.accepted[before:]))


class Cancelling:
    """Awaits a coroutine and cancels it when it is suspended for the so-manieth time."""

    def __init__(self, coroutine: Coroutine[Any, Any, object], point: int, cancel: Callable[[], object]) -> None:
        self._coroutine = coroutine
        self._point = point
        self._cancel = cancel
        self.suspensions = 0
        self.says = ""
        self.returned = False

    def __await__(self) -> Generator[Any, Any, object]:
        send: Callable[[], Any] = partial(self._coroutine.send, None)
        while True:
            try:
                awaited = send()
            except StopIteration as stop:
                self.returned = True
                return stop.value
            except BaseException as error:
                self.says = " ".join(getattr(error, "__notes__", ()))
                raise
            self.suspensions += 1
            if self.suspensions == self._point:
                self._cancel()
            try:
                send = partial(self._coroutine.send, (yield awaited))
            except BaseException as error:
                send = partial(self._coroutine.throw, error)


async def cancel(service: Service, call: Call, point: int, carrier: str) -> Interruption | None:
    """Cancels a call at its so-manieth suspension; None where it has fewer."""
    before = len(service.accepted)
    transport = httpx.AsyncHTTPTransport(verify=TLS, trust_env=False) if carrier == "transport" else None
    async with AsyncClient(KEY, base_url=service.url, transport=transport, clock=PauseClock()) as client:
        if current_async_library() == "trio":
            scope = trio.CancelScope()
            cancelling = Cancelling(call(client), point, scope.cancel)
            with scope:
                await cancelling
        else:
            task = asyncio.current_task()
            assert task is not None
            cancelling = Cancelling(call(client), point, task.cancel)
            with suppress(asyncio.CancelledError):
                await cancelling
            task.uncancel()
    await to_thread.run_sync(service.settle)
    if cancelling.suspensions < point:
        return None
    accepted = tuple(service.accepted[before:])
    return Interruption(point, f"await {point}", cancelling.says, accepted, cancelling.returned)


@pytest.fixture
def service() -> Generator[Service]:
    service = Service()
    yield service
    service.close()


# What was being opened when a line was interrupted is closed by the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.mark.parametrize("carrier", ["own connections", "transport"])
@pytest.mark.parametrize("name", CALLS)
def test_an_interrupt_at_any_line_says_what_was_accepted_and_nothing_that_is_false(
    service: Service, name: str, carrier: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    seen: list[Interruption] = []
    for point in range(1, MOST_POINTS):
        interruption = interrupt(service, CALLS[name], point, carrier)
        if interruption is None:
            break
        seen.append(interruption)
    assert [one.problem for one in seen if one.problem] == []
    assert [one for one in seen if one.accepted]
    assert [one for one in seen if not one.accepted]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("carrier", ["own connections", "transport"])
@pytest.mark.parametrize("name", CALLS)
def test_a_cancellation_at_any_await_says_what_was_accepted_and_nothing_that_is_false(
    service: Service, name: str, carrier: str, backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    seen: list[Interruption] = []

    async def cancel_everywhere() -> None:
        for point in range(1, MOST_POINTS):
            interruption = await cancel(service, CALLS[name], point, carrier)
            if interruption is None:
                break
            seen.append(interruption)

    anyio.run(cancel_everywhere, backend=backend)
    assert [one.problem for one in seen if one.problem] == []
    assert [one for one in seen if one.accepted]
    assert [one for one in seen if not one.accepted]


class OutOfTime(Exception):
    """What a signal handler raises to limit the time of its program."""


HTTP = "over a custom httpx client"


def interrupt_main_thread() -> None:
    """Wakes it as well, which a signal to another thread does not."""
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGALRM)


@pytest.mark.parametrize("error", [OutOfTime("limit"), TimeoutError("limit")], ids=["of its own", "a TimeoutError"])
@pytest.mark.parametrize("silent", ["POST", "GET"])
@pytest.mark.parametrize("way", ["over own connections", HTTP])
def test_an_exception_of_a_signal_handler_ends_the_call_and_is_not_taken_for_one_of_the_network(
    way: str, silent: str, error: Exception
) -> None:
    def respond(request: Request) -> list[bytes | float]:
        if request.method == silent:
            interrupt_main_thread()
            return [LOOKS * 1.0]
        return [response({"request_id": str(uuid.uuid4()), "status": "QUEUED"})]

    def handle(*_: object) -> None:
        raise error

    before = signal.signal(signal.SIGALRM, handle)
    try:
        with HostileServer(respond) as server, httpx.Client(verify=TLS) as http:
            with (
                Client(KEY, base_url=server.url, http_client=http if way == HTTP else None) as client,
                pytest.raises(errors.SegmindError) as raised,
            ):
                client.run_model(SLUG, {"prompt": "x"})
            assert server.count(silent) == 1
    finally:
        signal.signal(signal.SIGALRM, before)
    assert raised.value.__cause__ is error
    assert raised.value.request_id is not None or isinstance(raised.value, errors.MayHaveBeenAccepted)


class AlarmedClock(PauseClock):
    """A clock by which a signal comes during the first pause."""

    def sleep_until(self, moment: float) -> None:
        raise OutOfTime(f"limit before {moment}")


def test_a_submit_that_waits_for_a_rate_limit_is_not_sent_after_the_exception_of_a_signal_handler() -> None:
    with HostileServer(respond_with({"error": "slow"}, "429 Too Many Requests", retry_after="9")) as server:
        with Client(KEY, base_url=server.url, clock=AlarmedClock()) as client, pytest.raises(errors.NotSent):
            client.submit_model(SLUG, {"prompt": "x"})
        assert server.count("POST") == 1


def test_the_exception_of_a_signal_handler_during_a_pause_ends_the_wait_and_names_the_job() -> None:
    request_id = str(uuid.uuid4())
    with (
        HostileServer(respond_with({"request_id": request_id, "status": "QUEUED", "metrics": {}})) as server,
        Client(KEY, base_url=server.url, clock=AlarmedClock()) as client,
        pytest.raises(errors.SegmindError) as raised,
    ):
        client.job(request_id).wait()
    assert isinstance(raised.value.__cause__, OutOfTime)
    assert raised.value.request_id == request_id


def test_what_the_call_of_a_signal_handler_raises_is_not_about_the_submit_that_it_interrupts() -> None:
    def respond(_: Request) -> list[bytes | float]:
        interrupt_main_thread()
        return [LOOKS * 1.0]

    def handle(*_: object) -> None:
        raise errors.NotSent("the balance was not asked for")

    before = signal.signal(signal.SIGALRM, handle)
    try:
        with HostileServer(respond) as server, Client(KEY, base_url=server.url) as client:
            with pytest.raises(errors.MayHaveBeenAccepted, match="NotSent"):
                client.submit_model(SLUG, {"prompt": "x"})
            assert server.count("POST") == 1
    finally:
        signal.signal(signal.SIGALRM, before)
