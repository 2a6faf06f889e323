"""How the clients use connections and the line before them, against a server on a real port that sees each of them."""

from __future__ import annotations

import asyncio
import gzip
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel
import anyio.to_thread
import attrs
import httpx
import pytest
import trio
import trio.testing

from segmind_api.catalog import MODELS
from segmind_client import AsyncClient
from segmind_client.errors import (
    ClientUnusable,
    ConnectionLost,
    MayHaveBeenAccepted,
    NotSent,
    SegmindError,
    UnreadableResponse,
)
from tests.support.internals import (
    CONNECTIONS,
    AsyncDriver,
    AsyncSender,
    Call,
    Caller,
    CustomAsyncSender,
    Flow,
    Idle,
    Line,
    Options,
    Secret,
    Sender,
    SyncDriver,
    pool,
)
from tests.support.servers import LONGEST_WAIT, REQUEST_ID, End, Request, Step
from tests.support.services import PROCESSING, GatedService

MODEL = next(iter(MODELS.values()))
SENDER = ("x-api-key", Secret("SG_5ec4e75ec4e75ec4"))
BACKENDS = ("asyncio", "trio")


@pytest.fixture
def service() -> Iterator[GatedService]:
    service = GatedService()
    with service.server:
        yield service


@attrs.frozen
class Calls:
    """So many calls at the same time."""

    count: int
    flow: Callable[[Caller], Flow[Any]]


def gets(count: int) -> Calls:
    return Calls(count, get)


def posts(count: int) -> Calls:
    return Calls(count, post)


def get(caller: Caller) -> Flow[Any]:
    return caller.status(REQUEST_ID)


def post(caller: Caller) -> Flow[Any]:
    return caller.submit(Call(), MODEL, {"prompt": "x"})


Batch = Calls | Callable[[], object]
Play = Callable[..., list[Any]]


def caller_with(connections: int = CONNECTIONS, **options: Any) -> Caller:
    settings: dict[str, Any] = {"attempts": 1, "deadline": LONGEST_WAIT, **options}
    return Caller(Options(**settings), line=Line(connections))


def play_sync(url: str, batches: tuple[Batch, ...], caller: Caller) -> list[Any]:
    driver = SyncDriver(Sender(url, *SENDER))
    outcomes: list[Any] = []
    for batch in batches:
        if not isinstance(batch, Calls):
            batch()
            continue
        with ThreadPoolExecutor(batch.count) as threads:
            calls = [threads.submit(driver.carry_out, batch.flow(caller)) for _ in range(batch.count)]
        outcomes += [call.exception() or call.result() for call in calls]
    driver.http.close()
    return outcomes


async def play_async(url: str, batches: tuple[Batch, ...], caller: Caller) -> list[Any]:
    driver = AsyncDriver(AsyncSender(url, *SENDER))
    outcomes = await play_with(driver, batches, caller)
    await driver.close()
    return outcomes


async def play_with(driver: AsyncDriver, batches: tuple[Batch, ...], caller: Caller) -> list[Any]:
    caller = attrs.evolve(caller, clock=driver.clock)
    outcomes: list[Any] = []

    async def carry_out(flow: Flow[Any]) -> None:
        try:
            outcomes.append(await driver.carry_out(flow))
        except SegmindError as error:
            outcomes.append(error)

    for batch in batches:
        if isinstance(batch, Calls):
            async with anyio.create_task_group() as group:
                for _ in range(batch.count):
                    group.start_soon(carry_out, batch.flow(caller))
        else:
            await anyio.to_thread.run_sync(batch)
    return outcomes


@pytest.fixture(params=["sync", *BACKENDS])
def play(request: pytest.FixtureRequest, service: GatedService) -> Play:
    """Makes batches of calls with one client, and gives what came of them."""

    def play(*batches: Batch, connections: int = CONNECTIONS) -> list[Any]:
        caller = caller_with(connections)
        if request.param == "sync":
            return play_sync(service.server.url, batches, caller)
        return anyio.run(play_async, service.server.url, batches, caller, backend=request.param)

    return play


def names_the_job(outcomes: list[Any]) -> bool:
    return all(getattr(outcome, "request_id", None) == REQUEST_ID for outcome in outcomes)


class TestConnections:
    def test_gets_one_after_another_share_one_connection(self, service: GatedService, play: Play) -> None:
        assert names_the_job(play(gets(1), gets(1), gets(1)))
        assert service.server.opened == 1

    def test_each_post_has_a_connection_that_has_carried_nothing(self, service: GatedService, play: Play) -> None:
        assert names_the_job(play(gets(1), posts(1), posts(1)))
        assert [request.connection for request in service.server.requests] == [1, 2, 3]

    def test_the_connection_of_a_post_is_kept_for_the_next_get(self, service: GatedService, play: Play) -> None:
        assert names_the_job(play(posts(1), gets(1), gets(1)))
        assert service.server.opened == 1

    def test_gets_at_the_same_time_share_the_connections_that_are_allowed(
        self, service: GatedService, play: Play
    ) -> None:
        outcomes = play(gets(30), connections=3)
        assert (len(outcomes), names_the_job(outcomes)) == (30, True)
        assert (service.server.most_at_once, service.server.opened) == (3, 3)

    def test_posts_at_the_same_time_take_no_more_connections_than_are_allowed(
        self, service: GatedService, play: Play
    ) -> None:
        service.gate.clear()

        def let_them_through() -> None:
            service.wait_for_requests(3)
            service.gate.set()

        threading.Thread(target=let_them_through, daemon=True).start()
        assert names_the_job(play(posts(12), connections=3))
        assert service.server.opened == 12

    def test_an_idle_connection_that_the_server_closed_loses_no_call(self, service: GatedService, play: Play) -> None:
        service.hangs_up = True
        between = lambda: service.server.wait_until(service.server.all_closed)  # noqa: E731
        assert names_the_job(play(gets(1), between, gets(1), between, posts(1)))
        assert (len(service.server.requests), service.server.opened) == (3, 3)

    @pytest.mark.parametrize("end", End)
    def test_a_kept_connection_that_the_server_ends_during_a_get_loses_no_get(
        self, service: GatedService, play: Play, end: End
    ) -> None:
        def script(request: Request) -> Iterable[Step]:
            is_second = len(service.server.requests) == 2
            return [end] if is_second else service.respond(request)

        service.server.script = script
        assert names_the_job(play(gets(1), gets(1)))
        assert [request.connection for request in service.server.requests] == [1, 1, 2]

    def test_connections_that_were_idle_for_too_long_are_closed_by_the_next_call(
        self, service: GatedService, play: Play, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def let_time_pass() -> None:
            monkeypatch.setattr(pool, "IDLE_SECONDS", -1.0)

        server = service.server
        play(
            service.let_through_at_once(4),
            gets(4),
            let_time_pass,
            gets(1),
            lambda: server.wait_until(lambda: server.closed >= 4),
        )
        assert server.opened == 5

    def test_all_idle_connections_are_closed_when_a_response_over_one_of_them_is_lost(
        self, service: GatedService, play: Play, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pool, "IDLE_SECONDS", 1_000.0)
        server, never = service.server, threading.Event()

        def drop_all() -> None:
            server.script = lambda request: [never] if request.connection <= 4 else service.respond(request)

        def hurried(caller: Caller) -> Flow[Any]:
            return get(attrs.evolve(caller, chance=lambda: 0.0).with_options({"read_seconds": 0.5, "attempts": 4}))

        closed = lambda: server.wait_until(lambda: server.closed >= 3)  # noqa: E731
        assert names_the_job(play(service.let_through_at_once(4), gets(4), drop_all, Calls(1, hurried), closed))
        assert sum(request.connection <= 4 for request in server.requests) == 4 + 1

    def test_closing_the_client_leaves_no_connection_open(self, service: GatedService, play: Play) -> None:
        play(gets(5), posts(5))
        service.server.wait_until(service.server.all_closed)

    def test_a_response_that_is_too_large_does_not_use_up_a_connection(
        self, service: GatedService, play: Play, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("segmind_client.retry.LARGEST_BODY", 1_000_000)
        service.body = bytes(2_000_000)

        def recover() -> None:
            service.body = PROCESSING

        outcomes = play(gets(1), recover, gets(1), connections=1)
        assert isinstance(outcomes[0], UnreadableResponse)
        assert names_the_job(outcomes[1:])

    def test_a_response_that_cannot_be_decoded_does_not_use_up_a_connection(
        self, service: GatedService, play: Play
    ) -> None:
        service.headers = {"content_encoding": "gzip"}
        service.body = gzip.compress(PROCESSING)[:-1]

        def recover() -> None:
            service.body = gzip.compress(PROCESSING)

        outcomes = play(gets(1), recover, gets(1), connections=1)
        assert isinstance(outcomes[0], ConnectionLost)
        assert names_the_job(outcomes[1:])

    def test_no_connection_carries_cookies(self, service: GatedService, play: Play) -> None:
        service.headers = {"set_cookie": "a=b"}
        play(gets(1), gets(1), posts(1))
        assert [request for request in service.server.requests if "cookie" in request.headers] == []

    def test_a_client_that_is_closed_during_a_call_leaves_no_connection_open(self, service: GatedService) -> None:
        service.gate.clear()
        driver = SyncDriver(Sender(service.server.url, *SENDER))
        with ThreadPoolExecutor(1) as threads:
            call = threads.submit(driver.carry_out, get(caller_with()))
            service.wait_for_requests(1)
            driver.http.close()
            service.gate.set()
            assert names_the_job([call.result()])
        service.server.wait_until(service.server.all_closed)

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_an_async_client_that_is_closed_during_a_call_leaves_no_connection_open(
        self, service: GatedService, backend: str
    ) -> None:
        async def use() -> None:
            service.gate.clear()
            driver = AsyncDriver(AsyncSender(service.server.url, *SENDER))
            async with anyio.create_task_group() as group:
                group.start_soon(driver.carry_out, get(async_caller(driver)))
                await anyio.to_thread.run_sync(service.wait_for_requests, 1)
                await driver.close()
                service.gate.set()

        anyio.run(use, backend=backend)
        service.server.wait_until(service.server.all_closed)

    def test_an_idle_connection_is_given_up_before_a_server_closes_it_after_5_seconds(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = 0.0
        monkeypatch.setattr(pool, "time", SimpleNamespace(monotonic=lambda: now))
        idle: Idle[Any] = Idle()
        idle.keep("a connection")
        now = 3.5
        assert idle.outdated() == []
        now = 4.5
        assert idle.outdated() == ["a connection"]

    def test_a_closed_client_opens_no_connection(self, service: GatedService) -> None:
        driver = SyncDriver(Sender(service.server.url, *SENDER))
        driver.http.close()
        for flow in (get, post):
            with pytest.raises(ClientUnusable, match="closed"):
                driver.carry_out(flow(caller_with()))
        assert service.server.opened == 0


def async_caller(driver: AsyncDriver, connections: int = CONNECTIONS, **options: Any) -> Caller:
    return attrs.evolve(caller_with(connections, **options), clock=driver.clock)


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadline is one to the second."""
    monkeypatch.setattr("segmind_client.retry.LAST_SECONDS", 0.0)


@pytest.mark.usefixtures("no_grace")
class TestLine:
    def test_a_call_is_not_sent_when_no_connection_comes_free_before_its_deadline(self, service: GatedService) -> None:
        service.gate.clear()
        driver, caller = SyncDriver(Sender(service.server.url, *SENDER)), caller_with(1)
        hurried = caller.with_options({"deadline": 0})
        with ThreadPoolExecutor(1) as threads:
            call = threads.submit(driver.carry_out, get(caller))
            service.wait_for_requests(1)
            with pytest.raises(NotSent, match="no connection came free"):
                driver.carry_out(get(hurried))
            service.gate.set()
            assert names_the_job([call.result()])
        assert names_the_job([driver.carry_out(get(caller))])
        driver.http.close()

    def test_a_call_that_leaves_the_line_at_its_deadline_keeps_nobody_else_from_their_turn(
        self, service: GatedService
    ) -> None:
        service.gate.clear()
        driver, caller = SyncDriver(Sender(service.server.url, *SENDER)), caller_with(1)
        hurried = caller.with_options({"deadline": 0.05})
        with ThreadPoolExecutor(3) as threads:
            call = threads.submit(driver.carry_out, get(caller))
            service.wait_for_requests(1)
            first_in_line = threads.submit(driver.carry_out, get(caller))
            for _ in range(5):
                with pytest.raises(NotSent):
                    driver.carry_out(get(hurried))
            service.gate.set()
            assert names_the_job([call.result(), first_in_line.result()])
        driver.http.close()

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_a_task_leaves_the_line_at_its_deadline_and_keeps_nobody_else_from_their_turn(
        self, service: GatedService, backend: str
    ) -> None:
        async def use() -> None:
            driver = AsyncDriver(AsyncSender(service.server.url, *SENDER))
            caller = async_caller(driver, 1)
            hurried = caller.with_options({"deadline": 0.05})
            refused: list[Exception] = []

            async def hurry() -> None:
                with pytest.raises(NotSent, match="no connection came free") as raised:
                    await driver.carry_out(get(hurried))
                refused.append(raised.value)

            async with anyio.create_task_group() as group:
                group.start_soon(driver.carry_out, get(caller))
                await anyio.to_thread.run_sync(service.wait_for_requests, 1)
                async with anyio.create_task_group() as group_of_hurried:
                    group_of_hurried.start_soon(hurry)
                    group_of_hurried.start_soon(hurry)
                assert len(refused) == 2
                service.gate.set()
            assert names_the_job([await driver.carry_out(get(caller))])
            await driver.close()

        service.gate.clear()
        anyio.run(use, backend=backend)

    def test_a_signal_handler_does_not_wait_for_ever_for_its_own_thread_in_line(self, service: GatedService) -> None:
        service.gate.clear()
        driver, caller = SyncDriver(Sender(service.server.url, *SENDER)), caller_with(1)
        hurried = caller.with_options({"deadline": 0.05})
        refused = threading.Event()

        def handle(*_: object) -> None:
            with suppress(NotSent):
                driver.carry_out(get(hurried))
                return
            refused.set()
            service.gate.set()

        before = signal.signal(signal.SIGALRM, handle)
        try:
            with ThreadPoolExecutor(1) as threads:
                threads.submit(driver.carry_out, get(caller))
                service.wait_for_requests(1)
                signal.setitimer(signal.ITIMER_REAL, 0.1)
                assert names_the_job([driver.carry_out(get(caller))])
        finally:
            signal.signal(signal.SIGALRM, before)
        assert refused.is_set()
        driver.http.close()

    def test_nobody_is_refused_because_others_are_before_them(self) -> None:
        outcomes, seconds = play_slowly(6.0, gets(100), caller_with(2, deadline=1000))
        assert (len(outcomes), names_the_job(outcomes)) == (100, True)
        assert seconds >= 50 * 6.0

    def test_no_get_waits_longer_than_its_deadline_however_slow_the_service(self) -> None:
        outcomes, seconds = play_slowly(1_000_000.0, gets(12), caller_with(2, deadline=10))
        assert len(outcomes) == 12
        assert {type(outcome) for outcome in outcomes} == {NotSent, ConnectionLost}
        assert seconds <= 10.5

    def test_each_submit_has_its_turn_however_slow_the_service(self) -> None:
        outcomes, seconds = play_slowly(1_000_000.0, posts(12), caller_with(2))
        assert [type(outcome) for outcome in outcomes] == [MayHaveBeenAccepted] * 12
        assert seconds <= 6 * 400.0


def play_slowly(seconds: float, calls: Calls, caller: Caller) -> tuple[list[Any], float]:
    """What comes of calls to a service that takes so long, and how long that took by the clock of the event loop."""
    clock = trio.testing.MockClock(autojump_threshold=0)

    async def use() -> list[Any]:
        driver = AsyncDriver(CustomAsyncSender("http://service.example", *SENDER, transport=Slow(seconds)))
        return await play_with(driver, (calls,), caller)

    outcomes = trio.run(use, clock=clock)
    return outcomes, clock.current_time()


class Slow(httpx.AsyncBaseTransport):
    """Responds to every call after some time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        await anyio.sleep(self._seconds)
        return httpx.Response(200, content=PROCESSING, request=request)


@pytest.mark.parametrize("backend", BACKENDS)
class TestCancelling:
    @pytest.mark.parametrize("flow", [get, post])
    @pytest.mark.parametrize("bytes_of_the_response", [0, 10, -1])
    def test_a_call_closes_its_connection_and_leaves_no_task(
        self, service: GatedService, backend: str, bytes_of_the_response: int, flow: Callable[[Caller], Flow[Any]]
    ) -> None:
        async def use() -> None:
            driver = AsyncDriver(AsyncSender(service.server.url, *SENDER))
            caller = async_caller(driver, 1)
            before = {task.id for task in anyio.get_running_tasks()}
            async with anyio.create_task_group() as group:
                group.start_soon(driver.carry_out, flow(caller))
                await anyio.to_thread.run_sync(service.wait_for_requests, 1)
                await anyio.wait_all_tasks_blocked()
                group.cancel_scope.cancel()
            service.gate.set()
            await anyio.to_thread.run_sync(service.server.wait_until, service.server.all_closed)
            assert {task.id for task in anyio.get_running_tasks()} == before
            assert names_the_job([await driver.carry_out(get(caller))])
            await driver.close()

        service.gate.clear()
        service.before_gate = bytes_of_the_response
        anyio.run(use, backend=backend)

    def test_a_call_in_line_leaves_its_place_to_the_next(self, service: GatedService, backend: str) -> None:
        async def use() -> None:
            driver = AsyncDriver(AsyncSender(service.server.url, *SENDER))
            caller = async_caller(driver, 1)
            finished: list[str] = []

            async def call(name: str, task_status: anyio.abc.TaskStatus[anyio.CancelScope]) -> None:
                with anyio.CancelScope() as scope:
                    task_status.started(scope)
                    await driver.carry_out(get(caller))
                    finished.append(name)

            async with anyio.create_task_group() as group:
                await group.start(call, "on its way")
                await anyio.to_thread.run_sync(service.wait_for_requests, 1)
                first: anyio.CancelScope = await group.start(call, "first in line")
                second: anyio.CancelScope = await group.start(call, "second in line")
                await group.start(call, "last in line")
                await anyio.wait_all_tasks_blocked()
                second.cancel()
                first.cancel()
                await anyio.wait_all_tasks_blocked()
                service.gate.set()
            assert finished == ["on its way", "last in line"]
            assert len(service.server.requests) == 2
            await driver.close()

        service.gate.clear()
        anyio.run(use, backend=backend)

    def test_a_call_over_a_custom_transport_closes_the_response_even_if_that_takes_a_while(self, backend: str) -> None:
        bodies: list[Stuck] = []

        async def respond(request: httpx.Request) -> httpx.Response:
            bodies.append(Stuck())
            return httpx.Response(200, stream=bodies[-1], request=request)

        async def use() -> None:
            transport, parameters = httpx.MockTransport(respond), dict[str, Any]()
            async with (
                AsyncClient("SG_1", base_url="http://127.0.0.1", transport=transport) as client,
                anyio.create_task_group() as group,
            ):
                group.start_soon(client.submit_model, "any", parameters)
                await anyio.wait_all_tasks_blocked()
                group.cancel_scope.cancel()

        anyio.run(use, backend=backend)
        assert [body.closed for body in bodies] == [True]


class Stuck(httpx.AsyncByteStream):
    """A body of which nothing comes, and which takes a while to close."""

    closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        await anyio.sleep(LONGEST_WAIT)
        yield b""

    async def aclose(self) -> None:
        await anyio.lowlevel.checkpoint()
        self.closed = True


def test_cancelling_a_task_of_asyncio_closes_the_connection(service: GatedService) -> None:
    async def use() -> None:
        driver = AsyncDriver(AsyncSender(service.server.url, *SENDER))
        caller = async_caller(driver, 1)
        task = asyncio.create_task(driver.carry_out(get(caller)))
        await asyncio.to_thread(service.wait_for_requests, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        service.gate.set()
        await asyncio.to_thread(service.server.wait_until, service.server.all_closed)
        assert names_the_job([await driver.carry_out(get(caller))])
        await driver.close()

    service.gate.clear()
    asyncio.run(use())


@pytest.mark.parametrize("flow", [get, post])
def test_a_call_that_is_interrupted_closes_its_connection(
    service: GatedService, flow: Callable[[Caller], Flow[Any]]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    service.gate.clear()
    driver = SyncDriver(Sender(service.server.url, *SENDER))
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            driver.carry_out(flow(caller_with(1)))
    finally:
        signal.signal(signal.SIGALRM, before)
    service.gate.set()
    service.server.wait_until(service.server.all_closed)
