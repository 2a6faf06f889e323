"""Servers that send little, slowly or nothing: no call waits beyond its time, and none takes memory without a limit."""

from __future__ import annotations

import gzip
import itertools
import json
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any, TypeVar

import anyio
import attrs
import httpx
import pytest
import trio

from segmind_api.models import JobResult
from segmind_client import AsyncClient, AsyncResult, Client, Result, errors
from tests.support.calls import CARRIERS, WAYS, Step, outcome, outcomes
from tests.support.clock import in_virtual_time
from tests.support.internals import (
    BODY_SECONDS,
    WRITE_SECONDS,
    AsyncDriver,
    AsyncSender,
    Caller,
    EventLoopClock,
    Options,
    Secret,
    Sender,
    SyncDriver,
)
from tests.support.lateness import lateness
from tests.support.servers import REQUEST_ID, HostileServer, Request, Script, drips, respond_with, response
from tests.support.servers import Step as ServerStep

T = TypeVar("T")

DEADLINE = 0.3
PATIENCE = 5.0
"""Seconds after which a server gives up, so that a client without limits fails instead of hanging."""
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
SLOW: dict[str, Script] = {
    "silence": drips(b"", b""),
    "a dripped head": drips(b"HTTP/1.1 200 OK\r\nx-long: ", b"a"),
    "headers without end": drips(b"HTTP/1.1 200 OK\r\n", b"x-more: a\r\n"),
    "informational responses without end": drips(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "a dripped body": drips(HEAD + b"content-length: 1000000\r\n\r\n", b"a"),
    "dripped chunks": drips(CHUNKED, b"1\r\na\r\n"),
    "a dripped extension of a chunk": drips(CHUNKED + b"1;x=", b"a"),
    "a dripped trailer": drips(CHUNKED + b"0\r\nx: ", b"a"),
    "a body without a length": drips(HEAD + b"\r\n", b"a"),
}
WITHOUT_A_HEAD = {name: SLOW[name] for name in ("silence", "a dripped head", "headers without end")}


def wait(client: Any) -> Any:
    return client.job(REQUEST_ID).wait()


def status(client: Any) -> Any:
    return client.job(REQUEST_ID).status()


def submit(client: Any) -> Any:
    return client.submit_model("any", {})


def run(client: Any) -> Any:
    return client.run_model("any", {})


@attrs.frozen
class Timed:
    """How long a call took."""

    seconds: float
    late: float
    """Seconds by which the machine was late meanwhile."""

    def ends_within(self, seconds: float) -> bool:
        """Whether the call ended within so many seconds, as far as the machine was not late."""
        return self.seconds < seconds + self.late


def timed_outcome(way: str, url: str, call: Step, **options: Any) -> tuple[Any, Timed]:
    """What one call gives, or the SegmindError that it raises, and how long it took."""
    seen: list[float] = []

    def timed(client: Any) -> Any:
        seen.append(time.monotonic())
        return call(client)

    def note(_: object) -> None:
        seen.append(time.monotonic())

    with lateness() as late:
        # Without what it takes to open and close a client, and an event loop.
        came, _ = outcomes(way, url, timed, note, **options)
    return came, Timed(seen[1] - seen[0], late.seconds)


CASES = {
    f"{name} over {carrier}": (carrier, script)
    for name, script in SLOW.items()
    for carrier in CARRIERS
    # How the others read is httpx's, and ended from outside.
    if carrier == "own connections" or name in ("silence", "a dripped head", "a dripped body")
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("carrier", "script"), CASES.values(), ids=CASES.keys())
class TestSlowServer:
    def test_a_wait_ends_at_its_deadline(self, way: str, carrier: str, script: Script) -> None:
        with HostileServer(script, patience=PATIENCE) as server:
            error, took = timed_outcome(way, server.url, wait, carrier=carrier, deadline=DEADLINE)
        assert isinstance(error, errors.InferenceTimeout)
        assert "response was lost" in str(error)
        assert error.request_id == REQUEST_ID
        assert took.seconds >= DEADLINE
        assert took.ends_within(DEADLINE + 1)

    def test_a_submit_ends_in_time(
        self, way: str, carrier: str, script: Script, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("segmind_client.steps.WRITE_SECONDS", 0.1)
        monkeypatch.setattr("segmind_client.steps.BODY_SECONDS", 0.1)
        with HostileServer(script, patience=PATIENCE) as server:
            error, took = timed_outcome(way, server.url, submit, carrier=carrier, read_seconds=0.2, connect_seconds=0.2)
        assert isinstance(error, errors.MayHaveBeenAccepted)
        assert server.count("POST") == 1
        assert took.ends_within(DEADLINE + 1)


@pytest.mark.parametrize("script", WITHOUT_A_HEAD.values(), ids=WITHOUT_A_HEAD.keys())
@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("way", WAYS)
def test_the_head_of_a_response_is_not_waited_for_as_long_as_its_body_may_take(
    way: str, carrier: str, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segmind_client.steps.WRITE_SECONDS", 0.1)
    with HostileServer(script, patience=PATIENCE) as server:
        error, took = timed_outcome(way, server.url, submit, carrier=carrier, read_seconds=0.2, connect_seconds=0.2)
    assert isinstance(error, errors.MayHaveBeenAccepted)
    assert took.ends_within(DEADLINE + 1)


class SlowBody(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that takes so many seconds, whatever time limits a request has."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._content = json.dumps({"request_id": REQUEST_ID, "status": "QUEUED"}).encode()

    def __iter__(self) -> Iterator[bytes]:
        time.sleep(self._seconds)
        yield self._content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        await anyio.sleep(self._seconds)
        yield self._content


@attrs.frozen
class SlowTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Takes its time for the head of a response and for its body, whatever time limits a request has."""

    head: float = 0.0
    body: float = 0.0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        time.sleep(self.head)
        return self._response()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        await anyio.sleep(self.head)
        return self._response()

    def _response(self) -> httpx.Response:
        return httpx.Response(200, stream=SlowBody(self.body), headers={"content-type": "application/json"})


def submit_over(transport: SlowTransport, carrier: str, **options: Any) -> Any:
    """What a submit gives, or raises."""
    with ExitStack() as stack:
        used: dict[str, Any] = {"transport": transport}
        if carrier == "client":
            used = {"http_client": stack.enter_context(httpx.Client(transport=transport))}
        client = stack.enter_context(Client("SG_1", base_url="https://x.example", **used, **options))
        try:
            return submit(client)
        except errors.SegmindError as error:
            return error


async def submit_over_async(transport: SlowTransport, carrier: str) -> tuple[Any, float]:
    """What a submit gives, or raises, and when."""
    used: dict[str, Any] = {"transport": transport}
    if carrier == "client":
        used = {"http_client": httpx.AsyncClient(transport=transport)}
    started = trio.current_time()
    try:
        came = await submit(AsyncClient("SG_1", base_url="https://x.example", **used))
    except errors.SegmindError as error:
        came = error
    return came, trio.current_time() - started


@pytest.mark.parametrize("carrier", ["transport", "client"])
class TestTransportWithoutTimeLimits:
    def test_a_head_that_never_comes_is_given_up(self, carrier: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("segmind_client.steps.WRITE_SECONDS", 0.1)
        with lateness() as late:
            started = time.monotonic()
            error = submit_over(SlowTransport(head=PATIENCE), carrier, read_seconds=0.2, connect_seconds=0.1)
            seconds = time.monotonic() - started
        assert isinstance(error, errors.MayHaveBeenAccepted)
        assert Timed(seconds, late.seconds).ends_within(0.4 + 1)

    def test_a_head_that_never_comes_is_given_up_by_an_async_client(self, carrier: str) -> None:
        error, seconds = in_virtual_time(submit_over_async, SlowTransport(head=1e6), carrier)
        assert isinstance(error, errors.MayHaveBeenAccepted)
        options = Options()
        assert seconds == pytest.approx(options.connect_seconds + WRITE_SECONDS + options.read_seconds, abs=0.1)

    def test_a_body_may_take_longer_than_its_head(self, carrier: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("segmind_client.steps.WRITE_SECONDS", 0.1)
        # Long enough for the head, also on a machine that is busy.
        job = submit_over(SlowTransport(body=1.5), carrier, read_seconds=0.8, connect_seconds=0.1)
        assert job.request_id == REQUEST_ID

    def test_a_body_may_take_longer_than_its_head_with_await(self, carrier: str) -> None:
        job, seconds = in_virtual_time(submit_over_async, SlowTransport(body=200), carrier)
        assert job.request_id == REQUEST_ID
        assert seconds == pytest.approx(200)

    def test_a_body_that_never_ends_is_given_up_by_an_async_client(self, carrier: str) -> None:
        error, seconds = in_virtual_time(submit_over_async, SlowTransport(body=1e6), carrier)
        assert isinstance(error, errors.MayHaveBeenAccepted)
        options = Options()
        head = options.connect_seconds + WRITE_SECONDS + options.read_seconds
        assert seconds == pytest.approx(head + BODY_SECONDS, abs=0.1)


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("way", WAYS)
def test_a_run_ends_at_its_deadline_when_the_result_drips(way: str, carrier: str) -> None:
    drip = SLOW["a dripped body"]

    def script(request: Request) -> Iterable[ServerStep]:
        if request.method == "POST":
            return [response({"request_id": REQUEST_ID})]
        if request.path.endswith("/status"):
            return [response({"request_id": REQUEST_ID, "status": "COMPLETED", "metrics": None})]
        return drip(request)

    with HostileServer(script, patience=PATIENCE) as server:
        error, took = timed_outcome(way, server.url, run, carrier=carrier, deadline=DEADLINE)
    assert isinstance(error, errors.InferenceTimeout)
    assert "has completed" in str(error)
    assert error.request_id == REQUEST_ID
    assert took.ends_within(DEADLINE + 1)


@contextmanager
def silent_addresses(count: int, monkeypatch: pytest.MonkeyPatch) -> Generator[str]:
    """The URL of a host whose IP addresses, of this machine, accept nothing: their backlogs are full."""
    first = socket.create_server(("127.0.0.1", 0), backlog=0)
    port = first.getsockname()[1]
    addresses = [f"127.0.0.{number}" for number in range(1, count + 1)]
    listeners = [first, *(socket.create_server((address, port), backlog=0) for address in addresses[1:])]
    fillers: list[socket.socket] = []
    for address in addresses:
        for _ in range(3):
            fillers.append(socket.socket())
            fillers[-1].setblocking(False)
            with suppress(BlockingIOError):
                fillers[-1].connect((address, port))
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]
    look_up = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **more: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        return found if name == "silent.example" else look_up(host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield f"http://silent.example:{port}"
    for held in (*listeners, *fillers):
        held.close()


@pytest.mark.parametrize("call", [submit, status])
@pytest.mark.parametrize("way", WAYS)
def test_a_response_may_take_longer_than_its_connection(way: str, call: Step) -> None:
    body = response({"request_id": REQUEST_ID, "status": "QUEUED", "metrics": {}})
    with HostileServer(lambda _: [1.0, body]) as server:
        assert outcome(way, server.url, call, connect_seconds=0.5, attempts=1).request_id == REQUEST_ID


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("way", WAYS)
def test_a_body_that_stalls_is_given_up_after_the_read_seconds(way: str, carrier: str) -> None:
    stalls = drips(HEAD + b"content-length: 1000000\r\n\r\na", b"")
    with HostileServer(stalls, patience=PATIENCE) as server:
        error = outcome(way, server.url, status, carrier=carrier, attempts=1, read_seconds=DEADLINE)
        assert isinstance(error, errors.ConnectionLost)
        assert not server.gave_up


PROGRAM_WITH_A_REQUEST_THAT_HANGS = """
import sys, time, httpx
from segmind_client import Client, drivers, errors

drivers.WRITE_SECONDS = drivers.BODY_SECONDS = 0.1

def hang(request):
    time.sleep(100)

options = {"attempts": 1, "connect_seconds": 0.1, "read_seconds": 0.1}
client = Client("SG_1", base_url="https://service.example", transport=httpx.MockTransport(hang), **options)
try:
    client.credits()
except errors.ConnectionLost:
    print("given up")
"""


def test_a_program_ends_although_a_request_that_it_has_given_up_hangs() -> None:
    program = [sys.executable, "-c", PROGRAM_WITH_A_REQUEST_THAT_HANGS]
    assert subprocess.run(program, capture_output=True, text=True, timeout=50, check=True).stdout == "given up\n"


@pytest.mark.parametrize(("call", "kind"), [(wait, errors.InferenceTimeout), (submit, errors.NotSent)])
@pytest.mark.parametrize("way", WAYS)
def test_six_silent_addresses_share_the_time_to_connect(
    monkeypatch: pytest.MonkeyPatch, way: str, call: Step, kind: type
) -> None:
    with silent_addresses(6, monkeypatch) as url:
        error, took = timed_outcome(
            way, url, call, deadline=DEADLINE, connect_seconds=DEADLINE, attempts=1, allow_http=True
        )
    assert isinstance(error, kind)
    assert took.seconds > DEADLINE / 2
    assert took.ends_within(DEADLINE + 1)


@pytest.mark.parametrize(("call", "kind"), [(wait, errors.InferenceTimeout), (submit, errors.NotSent)])
@pytest.mark.parametrize("way", WAYS)
def test_a_look_up_of_a_host_that_never_ends_is_given_up(
    monkeypatch: pytest.MonkeyPatch, way: str, call: Step, kind: type
) -> None:
    over = threading.Event()
    look_up = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **more: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name == "stuck.example":
            # Event loops ask at once whether it is an IP address, which is quick.
            if not socket.AI_NUMERICHOST & int(more.get("flags", arguments[4] if len(arguments) > 4 else 0)):
                over.wait(PATIENCE)
            raise socket.gaierror("nobody answered")
        return look_up(host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    url = "http://stuck.example:1"
    threading.Timer(DEADLINE + 2, over.set).start()
    error, took = timed_outcome(
        way, url, call, deadline=DEADLINE, connect_seconds=DEADLINE, attempts=1, allow_http=True
    )
    assert isinstance(error, kind)
    assert took.ends_within(DEADLINE + 1)


LIMIT = 1_000_000
"""Bytes of a response, in these tests."""


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segmind_client.retry.LARGEST_BODY", LIMIT)


def bomb(layers: int, size: int) -> bytes:
    content = bytes(size)
    for _ in range(layers):
        content = gzip.compress(content, mtime=0)
    return content


ZEROS = zlib.compressobj(wbits=-zlib.MAX_WBITS)
BOMBS = {
    "gzip, gzip": bomb(2, 50_000_000),
    "gzip, gzip, gzip": bomb(3, 50_000_000),
    "gzip": bomb(1, 50_000_000),
    "deflate": zlib.compress(bytes(50_000_000)),
    "deflate ": ZEROS.compress(bytes(50_000_000)) + ZEROS.flush(),
}


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("way", WAYS)
class TestMemory:
    @pytest.mark.parametrize(("encoding", "content"), BOMBS.items(), ids=BOMBS.keys())
    def test_of_a_compressed_response_is_limited(self, way: str, carrier: str, encoding: str, content: bytes) -> None:
        with HostileServer(respond_with(content, content_encoding=encoding)) as server:
            error, peak = measured(lambda: outcome(way, server.url, submit, carrier=carrier))
        assert isinstance(error, errors.MayHaveBeenAccepted)
        assert server.count("POST") == 1
        assert peak < 10 * LIMIT

    def test_of_a_response_without_end_is_limited(self, way: str, carrier: str) -> None:
        chunk = b"%x\r\n%b\r\n" % (65_536, bytes(65_536))
        with HostileServer(lambda _: itertools.chain([CHUNKED], itertools.repeat(chunk))) as server:
            error, peak = measured(lambda: outcome(way, server.url, submit, carrier=carrier))
        assert isinstance(error, errors.MayHaveBeenAccepted)
        assert peak < 10 * LIMIT

    def test_of_a_response_in_two_byte_chunks_is_its_size(self, way: str, carrier: str) -> None:
        # Were each chunk kept as an object, they would take fifty times as much.
        chunks = 15_000
        with HostileServer(lambda _: [CHUNKED, b"2\r\n  \r\n" * chunks, b"0\r\n\r\n"]) as server:
            error, peak = measured(lambda: outcome(way, server.url, status, carrier=carrier, attempts=1))
        assert isinstance(error, errors.UnreadableResponse)
        assert peak < 40 * chunks


def measured(use: Callable[[], Any]) -> tuple[Any, int]:
    """What something gives, and how many bytes it took at a time."""
    tracemalloc.start()
    try:
        return use(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("interval", [0, 1e-9])
@pytest.mark.parametrize("way", WAYS)
def test_a_job_is_polled_ten_times_a_second_at_most(way: str, interval: float) -> None:
    body: dict[str, Any] = {"request_id": REQUEST_ID, "status": "PROCESSING", "metrics": {}}
    with HostileServer(respond_with(body)) as server:
        error, took = timed_outcome(way, server.url, wait, deadline=DEADLINE, interval=interval)
    assert isinstance(error, errors.InferenceTimeout)
    assert server.count("GET") <= 10 * took.seconds + 2


SIGNALS = """
import signal, sys, threading, time
from segmind_client import Client
from segmind_client.errors import SegmindError

class Interruption(Exception):
    pass

def interrupt(*_):
    raise Interruption

def call(client):
    return client.job(sys.argv[2]).status().request_id == sys.argv[2]

client = Client("SG_1", base_url=sys.argv[1], attempts=1, deadline=5)
signal.signal(signal.SIGALRM, interrupt)
until, interrupted, finished = time.monotonic() + 20, 0, 0
while interrupted < 300 and time.monotonic() < until:
    try:
        # From a fifth of what a call takes to twice as much.
        signal.setitimer(signal.ITIMER_REAL, 1e-4 + ((interrupted + finished) % 20) * 1e-4)
        call(client)
        finished += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
    except (Interruption, SegmindError):
        interrupted += 1
try:
    signal.setitimer(signal.ITIMER_REAL, 0)
except Interruption:
    pass
assert interrupted == 300, interrupted
# As many calls at the same time as there are connections: none of them waits for a place that was lost.
started, results = time.monotonic(), []
threads = [threading.Thread(target=lambda: results.append(call(client)), daemon=True) for _ in range(150)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(10)
assert results == [True] * 150, (len(results), interrupted)
client.close()
print("works after", interrupted, "interruptions and", finished, "calls")
"""


def test_a_client_still_works_after_a_signal_handler_has_raised_in_a_tight_loop() -> None:
    body: dict[str, Any] = {"request_id": REQUEST_ID, "status": "PROCESSING", "metrics": {}}
    with HostileServer(respond_with(body)) as server:
        done = subprocess.run(
            [sys.executable, "-c", SIGNALS, server.url, REQUEST_ID],
            capture_output=True,
            text=True,
            timeout=40,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "works after" in done.stdout


def fetch_sync(result: JobResult, url: str) -> None:
    driver = SyncDriver(Sender(url, "x-api-key", Secret("SG_1")))
    with closing(driver.http):
        _ = Result(result, Caller(), driver).content


async def fetch_async(result: JobResult, url: str) -> None:
    driver = AsyncDriver(AsyncSender(url, "x-api-key", Secret("SG_1")))
    try:
        await AsyncResult(result, Caller(clock=EventLoopClock()), driver).content()
    finally:
        await driver.close()


FETCHES: dict[str, Callable[[JobResult, str], None]] = {
    "sync": fetch_sync,
    "asyncio": lambda result, url: anyio.run(fetch_async, result, url),
    "trio": lambda result, url: anyio.run(fetch_async, result, url, backend="trio"),
}


@pytest.fixture(params=SLOW)
def slow_server(request: pytest.FixtureRequest) -> Iterator[HostileServer]:
    with HostileServer(SLOW[request.param], patience=PATIENCE) as server:
        yield server


@pytest.mark.parametrize("way", WAYS)
def test_an_image_is_given_up_in_time(slow_server: HostileServer, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setattr("segmind_client.downloads.DOWNLOAD_SECONDS", DEADLINE)
    monkeypatch.setattr("segmind_client.sinks.DOWNLOAD_SECONDS", DEADLINE)
    result = JobResult({"output": f"{slow_server.url}/a.png"})
    with lateness() as late:
        started = time.monotonic()
        with pytest.raises(errors.DownloadFailed):
            FETCHES[way](result, slow_server.url)
        seconds = time.monotonic() - started
    assert Timed(seconds, late.seconds).ends_within(DEADLINE + 1)


@pytest.mark.parametrize("way", WAYS)
def test_a_connection_on_which_there_is_always_more_to_read_is_not_read_after_the_deadline(way: str) -> None:
    # No read of it ever waits, so that no time limit of a single read ends it.
    flood = itertools.repeat(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)
    with HostileServer(lambda _: flood, patience=PATIENCE) as server:
        error, took = timed_outcome(way, server.url, wait, deadline=DEADLINE)
        server.wait_until(server.all_closed)
    assert isinstance(error, errors.InferenceTimeout)
    assert took.ends_within(DEADLINE + 1)
    assert not server.gave_up


@pytest.mark.parametrize("way", WAYS)
def test_a_host_whose_name_cannot_be_looked_up_was_sent_nothing(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    error = outcome(way, "http://nowhere.example", submit, attempts=1, allow_http=True)
    assert isinstance(error, errors.NotSent)
    assert "Name or service not known" in str(error)


def test_no_further_address_of_a_host_is_tried_when_the_time_to_connect_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[str] = []

    def resolve(*_: Any, **__: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{number}", 1)) for number in (1, 2, 3)]

    def refuse(address: tuple[str, int], *_: Any, **__: Any) -> socket.socket:
        tried.append(address[0])
        time.sleep(DEADLINE)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", refuse)
    error = outcome("sync", "http://slow.example", submit, connect_seconds=DEADLINE, attempts=1, allow_http=True)
    assert isinstance(error, errors.NotSent)
    assert tried == ["127.0.0.1"]
