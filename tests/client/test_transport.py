"""How the clients use connections, against a server on a real port that sees each of them."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import math
import signal
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any, cast

import anyio
import anyio.abc
import anyio.lowlevel
import httpx
import pytest
import trio
import trio.testing

from segmind_api.types import ApiRequest, ApiResponse
from segmind_client import AsyncClient, Client, transport
from segmind_client.errors import ConnectionLost, InvalidParameter, MayHaveBeenAccepted, NoClient, NotSent
from segmind_client.transport import BODY_SECONDS, LARGEST_BODY, AsyncSender, Idle, Sender, tls_context
from tests.client.servers import running

KEY = {"x-api-key": "SG_5ec4e75ec4e75ec4"}
LONGEST_WAIT = 20.0
"""Seconds until a test gives up on what should happen at once."""


class Handler(BaseHTTPRequestHandler):
    """Answers every call alike, and tells the server of its connection."""

    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.observer = cast(Server, self.server)
        self.observer.note(opened=1)

    def finish(self) -> None:
        super().finish()
        self.connection.close()
        self.observer.note(closed=1)

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.observer.seen.append((self.command, self.path, dict(self.headers)))
        body = self.observer.body
        head = (
            f"HTTP/1.1 {self.observer.status_line}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        )
        answer = f"{head}{self.observer.extra_head}\r\n".encode() + body
        self.wfile.write(answer[: self.observer.before_gate])
        self.observer.note(arrived=1)
        assert self.observer.gate.wait(LONGEST_WAIT)
        with suppress(ConnectionError):
            self.wfile.write(answer[self.observer.before_gate :])
        self.close_connection = self.observer.hangs_up

    do_GET = do_POST = do_CONNECT = answer  # noqa: N815  the names are the standard library's

    def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002  the names are the standard library's


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.body = b"{}"
        self.extra_head = ""
        self.status_line = "200 OK"
        self.hangs_up = False
        self.before_gate = 0
        """Bytes of an answer that are sent while the gate is shut."""
        self.opened = self.closed = self.arrived = self.most_at_once = 0
        self._changed = threading.Condition()

    def note(self, opened: int = 0, closed: int = 0, arrived: int = 0) -> None:
        with self._changed:
            self.opened += opened
            self.closed += closed
            self.arrived += arrived
            self.most_at_once = max(self.most_at_once, self.opened - self.closed)
            self._changed.notify_all()

    def until(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, LONGEST_WAIT)

    def all_closed(self) -> bool:
        return self.closed == self.opened


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    with running(server):
        yield server
        server.gate.set()


Outcome = ApiResponse | httpx.HTTPError | ConnectionLost
Batch = int | Callable[[], object]
Play = Callable[..., list[Outcome]]


def request_of(pool: float, whole: float = math.inf) -> tuple[ApiRequest, dict[str, Any]]:
    timeout = {"connect": LONGEST_WAIT, "read": LONGEST_WAIT, "write": LONGEST_WAIT, "pool": pool}
    return ApiRequest("POST", "/x", {}), {"timeout": timeout, "whole_seconds": whole}


def play_sync(address: str, batches: tuple[Batch, ...], pool: float) -> list[Outcome]:
    sender = Sender(address, KEY, None)

    def call(_: int) -> Outcome:
        try:
            return sender.send(*request_of(pool))
        except (httpx.HTTPError, ConnectionLost) as error:
            return error

    outcomes: list[Outcome] = []
    for batch in batches:
        if isinstance(batch, int):
            with ThreadPoolExecutor(batch) as threads:
                outcomes += threads.map(call, range(batch))
        else:
            batch()
    sender.close()
    return outcomes


async def play_async(address: str, batches: tuple[Batch, ...], pool: float) -> list[Outcome]:
    sender = AsyncSender(address, KEY, None)
    outcomes: list[Outcome] = []

    async def call() -> None:
        try:
            outcomes.append(await sender.send(*request_of(pool)))
        except (httpx.HTTPError, ConnectionLost) as error:
            outcomes.append(error)

    for batch in batches:
        if isinstance(batch, int):
            async with anyio.create_task_group() as group:
                for _ in range(batch):
                    group.start_soon(call)
        else:
            await anyio.to_thread.run_sync(batch)
    await sender.aclose()
    return outcomes


@pytest.fixture(params=["sync", "asyncio", "trio"])
def play(request: pytest.FixtureRequest, server: Server) -> Play:
    """Sends batches of calls with one sender, the calls of a batch at the same time, and gives what came of them."""

    def play(*batches: Batch, pool: float = LONGEST_WAIT) -> list[Outcome]:
        if request.param == "sync":
            return play_sync(server.address, batches, pool)
        return anyio.run(play_async, server.address, batches, pool, backend=request.param)

    return play


def allow(connections: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "CONNECTIONS", connections)


def statuses(outcomes: list[Outcome]) -> list[int]:
    return [cast(ApiResponse, outcome).status for outcome in outcomes]


class TestConnections:
    def test_calls_one_after_another_share_one(self, server: Server, play: Play) -> None:
        assert statuses(play(1, 1, 1)) == [200] * 3
        assert server.opened == 1

    def test_calls_at_the_same_time_share_no_more_than_are_allowed(
        self, server: Server, play: Play, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        allow(3, monkeypatch)
        assert statuses(play(30)) == [200] * 30
        assert server.most_at_once <= 3
        assert server.opened == 3

    def test_one_that_the_server_closed_while_it_was_idle_loses_no_post(self, server: Server, play: Play) -> None:
        server.hangs_up = True
        assert statuses(play(1, lambda: server.until(server.all_closed), 1)) == [200] * 2
        assert (server.arrived, server.opened) == (2, 2)

    def test_those_that_were_idle_for_too_long_are_closed_by_the_next_call(
        self, server: Server, play: Play, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def all_at_once() -> None:
            server.gate.clear()
            threading.Thread(target=open_when_all_are_there).start()

        def open_when_all_are_there() -> None:
            server.until(lambda: server.arrived == 4)
            server.gate.set()

        def let_time_pass() -> None:
            monkeypatch.setattr(transport, "IDLE_SECONDS", -1.0)

        play(all_at_once, 4, let_time_pass, 1, lambda: server.until(lambda: server.closed == 4))
        assert server.opened == 5

    def test_none_is_left_open_by_closing_the_client(self, server: Server, play: Play) -> None:
        play(5)
        server.until(server.all_closed)

    def test_none_is_lost_to_an_answer_that_is_too_large(
        self, server: Server, play: Play, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        allow(1, monkeypatch)
        monkeypatch.setattr(transport, "LARGEST_BODY", 1_000_000)
        server.body = bytes(2_000_000)

        def recover() -> None:
            server.body = b"{}"

        outcomes = play(1, recover, 1)
        assert isinstance(outcomes[0], ConnectionLost)
        assert statuses(outcomes[1:]) == [200]

    def test_none_is_lost_to_an_answer_that_cannot_be_read(
        self, server: Server, play: Play, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        allow(1, monkeypatch)
        server.extra_head = "content-encoding: gzip\r\n"
        server.body = b"no gzip"

        def recover() -> None:
            server.body = gzip.compress(b"as it was")

        outcomes = play(1, recover, 1)
        assert isinstance(outcomes[0], httpx.DecodingError)
        assert cast(ApiResponse, outcomes[1]).content == b"as it was"

    def test_none_of_them_carries_cookies(self, server: Server, play: Play) -> None:
        server.extra_head = "set-cookie: a=b\r\n"
        play(1, 1)
        assert [headers for _, _, headers in server.seen if "Cookie" in headers or "cookie" in headers] == []

    def test_a_client_that_is_closed_during_a_call_leaves_none_open(self, server: Server) -> None:
        server.gate.clear()
        sender = Sender(server.address, KEY, None)
        with ThreadPoolExecutor(1) as threads:
            call = threads.submit(sender.send, *request_of(LONGEST_WAIT))
            server.until(lambda: server.arrived == 1)
            sender.close()
            server.gate.set()
            assert call.result().status == 200
        server.until(server.all_closed)

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_an_async_client_that_is_closed_during_a_call_leaves_none_open(self, server: Server, backend: str) -> None:
        async def use() -> None:
            server.gate.clear()
            sender = AsyncSender(server.address, KEY, None)
            async with anyio.create_task_group() as group:
                group.start_soon(sender.send, *request_of(LONGEST_WAIT))
                await anyio.to_thread.run_sync(server.until, lambda: server.arrived == 1)
                await sender.aclose()
                server.gate.set()

        anyio.run(use, backend=backend)
        server.until(server.all_closed)

    def test_one_that_comes_back_while_the_client_is_closed_is_closed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        idle = Idle(lambda: "a connection")
        idle.keep("a connection")

        def monotonic() -> float:
            idle.closed = True
            return 0.0

        monkeypatch.setattr(transport, "time", SimpleNamespace(monotonic=monotonic))
        assert idle.outdated() == "a connection"

    def test_a_closed_client_opens_none(self, server: Server) -> None:
        sender = Sender(server.address, KEY, None)
        sender.close()
        with pytest.raises(NoClient, match="closed"):
            sender.send(*request_of(1))
        assert server.opened == 0


class TestLine:
    def test_the_first_in_line_is_refused_when_no_connection_comes_free_in_time(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        allow(1, monkeypatch)
        server.gate.clear()
        sender = Sender(server.address, KEY, None)
        with ThreadPoolExecutor(1) as threads:
            call = threads.submit(sender.send, *request_of(LONGEST_WAIT))
            server.until(lambda: server.arrived == 1)
            with pytest.raises(httpx.PoolTimeout):
                sender.send(*request_of(0.0))
            server.gate.set()
            assert call.result().status == 200
        assert sender.send(*request_of(0.0)).status == 200
        sender.close()

    def test_a_call_with_a_deadline_leaves_the_line_at_its_end(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        allow(1, monkeypatch)
        server.gate.clear()
        sender = Sender(server.address, KEY, None)
        with ThreadPoolExecutor(3) as threads:
            call = threads.submit(sender.send, *request_of(LONGEST_WAIT))
            server.until(lambda: server.arrived == 1)
            first_in_line = threads.submit(sender.send, *request_of(LONGEST_WAIT))
            for _ in range(5):
                with pytest.raises(httpx.PoolTimeout):
                    sender.send(*request_of(LONGEST_WAIT, whole=0.05))
            server.gate.set()
            assert [call.result().status, first_in_line.result().status] == [200, 200]
        sender.close()

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_a_call_with_a_deadline_leaves_the_line_without_threads_too(
        self, server: Server, monkeypatch: pytest.MonkeyPatch, backend: str
    ) -> None:
        async def use() -> None:
            sender = AsyncSender(server.address, KEY, None)
            refused: list[Exception] = []

            async def hurry() -> None:
                with pytest.raises(httpx.PoolTimeout) as raised:
                    await sender.send(*request_of(LONGEST_WAIT, whole=0.05))
                refused.append(raised.value)

            async with anyio.create_task_group() as group:
                group.start_soon(sender.send, *request_of(LONGEST_WAIT))
                await anyio.to_thread.run_sync(server.until, lambda: server.arrived == 1)
                async with anyio.create_task_group() as hurried:
                    hurried.start_soon(hurry)
                    hurried.start_soon(hurry)
                assert len(refused) == 2
                server.gate.set()
            await sender.aclose()

        allow(1, monkeypatch)
        server.gate.clear()
        anyio.run(use, backend=backend)

    def test_a_signal_handler_does_not_wait_for_ever_for_its_own_thread_in_line(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def handle(*_: object) -> None:
            try:
                sender.send(*request_of(0.05))
            except httpx.PoolTimeout:
                refused.set()
            server.gate.set()

        allow(1, monkeypatch)
        server.gate.clear()
        sender = Sender(server.address, KEY, None)
        refused = threading.Event()
        before = signal.signal(signal.SIGALRM, handle)
        try:
            with ThreadPoolExecutor(1) as threads:
                threads.submit(sender.send, *request_of(LONGEST_WAIT))
                server.until(lambda: server.arrived == 1)
                signal.setitimer(signal.ITIMER_REAL, 0.1)
                assert sender.send(*request_of(LONGEST_WAIT)).status == 200
        finally:
            signal.signal(signal.SIGALRM, before)
        assert refused.is_set()
        sender.close()

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_the_first_in_line_is_refused_without_threads_too(
        self, server: Server, monkeypatch: pytest.MonkeyPatch, backend: str
    ) -> None:
        async def use() -> None:
            sender = AsyncSender(server.address, KEY, None)
            async with anyio.create_task_group() as group:
                group.start_soon(sender.send, *request_of(LONGEST_WAIT))
                await anyio.to_thread.run_sync(server.until, lambda: server.arrived == 1)
                with pytest.raises(httpx.PoolTimeout):
                    await sender.send(*request_of(0.0))
                server.gate.set()
            assert (await sender.send(*request_of(LONGEST_WAIT))).status == 200
            await sender.aclose()

        allow(1, monkeypatch)
        server.gate.clear()
        anyio.run(use, backend=backend)

    def test_nobody_is_refused_because_others_are_before_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        allow(2, monkeypatch)
        monkeypatch.setattr(httpx, "AsyncHTTPTransport", Slow)
        clock = trio.testing.MockClock(autojump_threshold=0)
        outcomes = trio.run(play_async, "http://service.example", (100,), 10.0, clock=clock)
        assert statuses(outcomes) == [200] * 100
        assert clock.current_time() >= 50 * Slow.SECONDS

    def test_nobody_waits_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        allow(2, monkeypatch)
        monkeypatch.setattr(httpx, "AsyncHTTPTransport", Slow)
        monkeypatch.setattr(Slow, "SECONDS", 1_000_000.0)
        clock = trio.testing.MockClock(autojump_threshold=0)
        outcomes = trio.run(play_async, "http://service.example", (12,), 10.0, clock=clock)
        assert [type(outcome) for outcome in outcomes] == [httpx.PoolTimeout] * 10 + [httpx.ReadTimeout] * 2


class Slow(httpx.AsyncBaseTransport):
    """Answers every call after some time."""

    SECONDS = 6.0

    def __init__(self, **_: Any) -> None: ...

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await anyio.sleep(self.SECONDS)
        return httpx.Response(200, request=request)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
class TestCancelling:
    @pytest.mark.parametrize("bytes_of_the_answer", [0, 10, -1])
    def test_a_call_closes_its_connection_and_leaves_no_task(
        self, server: Server, monkeypatch: pytest.MonkeyPatch, backend: str, bytes_of_the_answer: int
    ) -> None:
        async def use() -> None:
            sender = AsyncSender(server.address, KEY, None)
            before = {task.id for task in anyio.get_running_tasks()}
            async with anyio.create_task_group() as group:
                group.start_soon(sender.send, *request_of(LONGEST_WAIT))
                await anyio.to_thread.run_sync(server.until, lambda: server.arrived == 1)
                await anyio.wait_all_tasks_blocked()
                group.cancel_scope.cancel()
            server.gate.set()
            await anyio.to_thread.run_sync(server.until, server.all_closed)
            assert {task.id for task in anyio.get_running_tasks()} == before
            assert (await sender.send(*request_of(LONGEST_WAIT))).status == 200
            await sender.aclose()

        allow(1, monkeypatch)
        server.gate.clear()
        server.before_gate = bytes_of_the_answer
        anyio.run(use, backend=backend)

    def test_a_call_in_line_leaves_its_place_to_the_next(
        self, server: Server, monkeypatch: pytest.MonkeyPatch, backend: str
    ) -> None:
        async def use() -> None:
            sender = AsyncSender(server.address, KEY, None)
            answered: list[str] = []

            async def call(name: str, task_status: anyio.abc.TaskStatus[anyio.CancelScope]) -> None:
                with anyio.CancelScope() as scope:
                    task_status.started(scope)
                    await sender.send(*request_of(LONGEST_WAIT))
                    answered.append(name)

            async with anyio.create_task_group() as group:
                await group.start(call, "on its way")
                await anyio.to_thread.run_sync(server.until, lambda: server.arrived == 1)
                first: anyio.CancelScope = await group.start(call, "first in line")
                second: anyio.CancelScope = await group.start(call, "second in line")
                await group.start(call, "last in line")
                await anyio.wait_all_tasks_blocked()
                second.cancel()
                first.cancel()
                await anyio.wait_all_tasks_blocked()
                server.gate.set()
            assert answered == ["on its way", "last in line"]
            assert server.arrived == 2
            await sender.aclose()

        allow(1, monkeypatch)
        server.gate.clear()
        anyio.run(use, backend=backend)


def test_cancelling_a_task_of_asyncio_closes_the_connection(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    async def use() -> None:
        sender = AsyncSender(server.address, KEY, None)
        task = asyncio.create_task(sender.send(*request_of(LONGEST_WAIT)))
        await asyncio.to_thread(server.until, lambda: server.arrived == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        server.gate.set()
        await asyncio.to_thread(server.until, server.all_closed)
        assert (await sender.send(*request_of(LONGEST_WAIT))).status == 200
        await sender.aclose()

    allow(1, monkeypatch)
    server.gate.clear()
    asyncio.run(use())


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_call_that_is_cancelled_closes_its_connection_even_if_that_takes_a_while(
    monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    closed: list[Any] = []

    class Stuck(Slow):
        SECONDS = LONGEST_WAIT

        async def aclose(self) -> None:
            await anyio.lowlevel.checkpoint()
            closed.append(self)

    async def use() -> None:
        sender = AsyncSender("http://service.example", KEY, None)
        async with anyio.create_task_group() as group:
            group.start_soon(sender.send, *request_of(LONGEST_WAIT))
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()

    monkeypatch.setattr(httpx, "AsyncHTTPTransport", Stuck)
    anyio.run(use, backend=backend)
    assert len(closed) == 1


def test_a_call_that_is_interrupted_closes_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[Any] = []

    class Interrupted(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            raise KeyboardInterrupt(request.url)

        def close(self) -> None:
            closed.append(self)

    monkeypatch.setattr(httpx, "HTTPTransport", Interrupted)
    sender = Sender("http://service.example", KEY, None)
    with pytest.raises(KeyboardInterrupt):
        sender.send(*request_of(LONGEST_WAIT))
    assert len(closed) == 1


class Endless(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body of 64 kB pieces that never ends."""

    def __init__(self) -> None:
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        while True:
            yield bytes(65_536)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


def submit_by_transport(answers: httpx.MockTransport) -> None:
    with Client("SG_1", base_url="https://service.example", transport=answers) as client:
        client.submit_model("any", {})


def submit_by_client(answers: httpx.MockTransport) -> None:
    with (
        httpx.Client(transport=answers) as http,
        Client("SG_1", base_url="https://service.example", http_client=http) as client,
    ):
        client.submit_model("any", {})


async def await_by_transport(answers: httpx.MockTransport) -> None:
    async with AsyncClient("SG_1", base_url="https://service.example", transport=answers) as client:
        await client.submit_model("any", {})


async def await_by_client(answers: httpx.MockTransport) -> None:
    async with (
        httpx.AsyncClient(transport=answers) as http,
        AsyncClient("SG_1", base_url="https://service.example", http_client=http) as client,
    ):
        await client.submit_model("any", {})


SUBMITS: dict[str, Callable[[httpx.MockTransport], None]] = {
    "transport": submit_by_transport,
    "client": submit_by_client,
    "async transport": lambda answers: anyio.run(await_by_transport, answers),
    "async client": lambda answers: anyio.run(await_by_client, answers),
}


@pytest.mark.parametrize("submit", SUBMITS.values(), ids=SUBMITS.keys())
class TestAnswerWithoutEnd:
    def test_is_read_up_to_a_size(self, submit: Callable[[httpx.MockTransport], None]) -> None:
        body = Endless()
        with pytest.raises(MayHaveBeenAccepted, match=f"larger than {LARGEST_BODY} bytes"):
            submit(httpx.MockTransport(lambda _: httpx.Response(200, stream=body)))
        assert body.closed

    def test_is_decoded_up_to_a_size(self, submit: Callable[[httpx.MockTransport], None]) -> None:
        bomb = httpx.ByteStream(gzip.compress(bytes(LARGEST_BODY + 1), compresslevel=1))
        headers = {"content-encoding": "gzip"}
        with pytest.raises(MayHaveBeenAccepted, match=f"larger than {LARGEST_BODY} bytes"):
            submit(httpx.MockTransport(lambda _: httpx.Response(200, headers=headers, stream=bomb)))

    def test_is_read_for_a_time(
        self, submit: Callable[[httpx.MockTransport], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        body, times = Endless(), itertools.count()
        monkeypatch.setattr(transport, "time", SimpleNamespace(monotonic=lambda: float(next(times))))
        with pytest.raises(MayHaveBeenAccepted, match=f"not ended {BODY_SECONDS:g} s"):
            submit(httpx.MockTransport(lambda _: httpx.Response(200, stream=body)))
        assert body.closed


class TestProxies:
    @pytest.fixture(autouse=True)
    def environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for scheme in ("http", "https", "all", "no"):
            monkeypatch.delenv(f"{scheme}_proxy", raising=False)
            monkeypatch.delenv(f"{scheme}_proxy".upper(), raising=False)

    @pytest.mark.parametrize(
        ("variable", "address", "seen"),
        [
            ("HTTP_PROXY", "http://service.example", ("POST", "http://service.example/x")),
            ("HTTPS_PROXY", "https://service.example", ("CONNECT", "service.example:443")),
            ("ALL_PROXY", "http://service.example", ("POST", "http://service.example/x")),
        ],
    )
    def test_one_that_the_environment_names_is_used(
        self, server: Server, monkeypatch: pytest.MonkeyPatch, variable: str, address: str, seen: tuple[str, str]
    ) -> None:
        monkeypatch.setenv(variable, server.address)
        # There is nobody to speak TLS with behind the proxy.
        server.hangs_up = True
        for outcome in (play_sync(address, (1,), 1.0), anyio.run(play_async, address, (1,), 1.0)):
            assert isinstance(outcome[0], httpx.ConnectError if variable == "HTTPS_PROXY" else ApiResponse)
        assert [(method, path) for method, path, _ in server.seen] == [seen] * 2

    def test_the_key_is_not_shown_to_one_that_makes_a_tunnel(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", server.address)
        server.hangs_up = True
        play_sync("https://service.example", (1,), 1.0)
        assert KEY["x-api-key"] not in str(server.seen)

    def test_one_that_refuses_the_tunnel_was_sent_no_submit(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", server.address)
        server.status_line = "407 Proxy Authentication Required"
        refused = pytest.raises(NotSent, match=r"accepted nothing .*407")
        with Client("SG_1", base_url="https://service.example", attempts=1) as client, refused:
            client.submit_model("any", {})

        async def submit() -> None:
            async with AsyncClient("SG_1", base_url="https://service.example", attempts=1) as client:
                with pytest.raises(NotSent, match=r"accepted nothing .*407"):
                    await client.submit_model("any", {})

        anyio.run(submit)
        assert [method for method, _, _ in server.seen] == ["CONNECT"] * 2

    def test_none_is_used_for_a_host_that_the_environment_excepts(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("NO_PROXY", "other.example,127.0.0.1")
        assert statuses(play_sync(server.address, (1,), 1.0)) == [200]

    def test_none_is_used_for_this_machine(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        assert statuses(play_sync(server.address, (1,), 1.0)) == [200]

    def test_one_that_needs_a_package_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ALL_PROXY", "socks5://user:secret@proxy.example")

        def find_nothing(_: str) -> None: ...

        monkeypatch.setattr(transport, "find_spec", find_nothing)
        with pytest.raises(InvalidParameter, match=r"httpx\[socks\]") as raised:
            Client("SG_1")
        assert "secret" not in str(raised.value)

    def test_one_that_is_none_is_refused_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTP_PROXY", "gopher://proxy.example")
        with pytest.raises(InvalidParameter, match="gopher"):
            Client("SG_1", base_url="http://service.example", allow_http=True)


def test_clients_share_one_tls_context_made_with_the_first_connection(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[ssl.SSLContext] = []
    make = httpx.create_ssl_context

    def make_and_count() -> ssl.SSLContext:
        made.append(make())
        return made[-1]

    monkeypatch.setattr(httpx, "create_ssl_context", make_and_count)
    tls_context.cache_clear()

    async def use() -> None:
        async with AsyncClient("SG_1", base_url=server.address) as client:
            await client.credits()

    with Client("SG_1", base_url=server.address) as first, Client("SG_1", base_url=server.address) as second:
        assert made == []
        first.credits()
        second.credits()
    anyio.run(use)
    assert len(made) == 1
