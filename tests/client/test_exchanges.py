"""One exchange: its URL and headers, the size, time and encoding of its response, and the TLS context."""

from __future__ import annotations

import gzip
import ssl
import threading
import time
import traceback
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from inspect import isawaitable
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest

from segmind_client import AsyncClient, Client
from segmind_client.errors import ClientUnusable, MayHaveBeenAccepted, NotSent
from tests.support.calls import CARRIERS, WAYS, outcome, outcomes
from tests.support.internals import LARGEST_BODY, threads, tls_context
from tests.support.servers import (
    LONGEST_WAIT,
    REQUEST_ID,
    End,
    HostileServer,
    Request,
    Script,
    Step,
    closed_port,
    respond_with,
    response,
)

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(100)
BACKENDS = ("asyncio", "trio")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_response_that_never_closes_is_left_after_a_second(backend: str) -> None:
    async def use() -> float:
        headers = {"content-type": "application/json"}
        transport = httpx.MockTransport(lambda _: httpx.Response(200, headers=headers, stream=Unclosing()))
        async with AsyncClient("SG_1", base_url="http://127.0.0.1", transport=transport) as client:
            started = anyio.current_time()
            assert (await client.credits()).credits == 1.0
            return anyio.current_time() - started

    assert anyio.run(use, backend=backend) < LONGEST_WAIT


class Unclosing(httpx.AsyncByteStream):
    """A body that comes as a whole, and never closes."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield CREDITS

    async def aclose(self) -> None:
        await anyio.sleep(2 * LONGEST_WAIT)


class Endless(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body of pieces that never ends, one after every so many seconds."""

    def __init__(self, piece: bytes, seconds: float = 0.0) -> None:
        self.closed = threading.Event()
        self._piece = piece
        self._seconds = seconds
        self._until = time.monotonic() + LONGEST_WAIT

    def __iter__(self) -> Iterator[bytes]:
        while time.monotonic() < self._until:
            yield self._piece
            time.sleep(self._seconds)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while time.monotonic() < self._until:
            yield self._piece
            await anyio.sleep(self._seconds)

    def close(self) -> None:
        self.closed.set()

    async def aclose(self) -> None:
        self.closed.set()


URL = "https://service.example"
HASTY: Any = {"connect_seconds": 0.1, "read_seconds": 0.1}


def submit_by_transport(service: httpx.MockTransport) -> None:
    with Client("SG_1", base_url=URL, transport=service, **HASTY) as client:
        client.submit_model("any", {})


def submit_by_client(service: httpx.MockTransport) -> None:
    with (
        httpx.Client(transport=service) as http,
        Client("SG_1", base_url=URL, http_client=http, **HASTY) as client,
    ):
        client.submit_model("any", {})


async def await_by_transport(service: httpx.MockTransport) -> None:
    async with AsyncClient("SG_1", base_url=URL, transport=service, **HASTY) as client:
        await client.submit_model("any", {})


async def await_by_client(service: httpx.MockTransport) -> None:
    async with (
        httpx.AsyncClient(transport=service) as http,
        AsyncClient("SG_1", base_url=URL, http_client=http, **HASTY) as client,
    ):
        await client.submit_model("any", {})


SUBMITS: dict[str, Callable[[httpx.MockTransport], None]] = {
    "transport": submit_by_transport,
    "client": submit_by_client,
    "async transport": lambda service: anyio.run(await_by_transport, service),
    "async client": lambda service: anyio.run(await_by_client, service),
}


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A response as a whole has little time."""
    monkeypatch.setattr("segmind_client.steps.BODY_SECONDS", 0.1)
    monkeypatch.setattr("segmind_client.steps.WRITE_SECONDS", 0.1)


@pytest.mark.parametrize("submit", SUBMITS.values(), ids=SUBMITS.keys())
class TestResponseWithoutEnd:
    def test_is_read_up_to_a_size(self, submit: Callable[[httpx.MockTransport], None]) -> None:
        body = Endless(bytes(1_000_000))
        with pytest.raises(MayHaveBeenAccepted, match=f"larger than {LARGEST_BODY} bytes"):
            submit(httpx.MockTransport(lambda _: httpx.Response(200, stream=body)))
        assert body.closed.wait(LONGEST_WAIT)

    def test_is_decoded_up_to_a_size(self, submit: Callable[[httpx.MockTransport], None]) -> None:
        bomb = httpx.ByteStream(gzip.compress(bytes(LARGEST_BODY + 1), compresslevel=1))
        headers = {"content-encoding": "gzip"}
        with pytest.raises(MayHaveBeenAccepted, match=f"larger than {LARGEST_BODY} bytes"):
            submit(httpx.MockTransport(lambda _: httpx.Response(200, headers=headers, stream=bomb)))

    @pytest.mark.usefixtures("hasty")
    def test_is_read_for_a_time(self, submit: Callable[[httpx.MockTransport], None]) -> None:
        body = Endless(b"a", seconds=0.02)
        with pytest.raises(MayHaveBeenAccepted, match="did not end in time"):
            submit(httpx.MockTransport(lambda _: httpx.Response(200, stream=body)))


@pytest.mark.parametrize("path", ["/gateway", "/gateway/"])
@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("way", WAYS)
def test_every_path_begins_with_that_of_the_base_url(way: str, carrier: str, path: str) -> None:
    with HostileServer(respond_with({"credits": 1.0})) as server:
        outcome(way, f"{server.url}{path}", lambda client: client.credits(), carrier=carrier)
        assert [request.path for request in server.requests] == ["/gateway/v1/get-user-credits"]


class Images:
    """A service whose jobs have completed, with an image at its own port."""

    def __init__(self) -> None:
        self.server = HostileServer(self.respond)
        self.url = self.server.url
        self.result: Any = None

    def respond(self, request: Request) -> Iterable[Step]:
        if request.path == "/a.png":
            return [response(PICTURE, media_type="image/png")]
        return [response({"request_id": REQUEST_ID, "status": "COMPLETED", "output": f"{self.url}/a.png"})]

    def get(self, client: Any) -> Any:
        """Gets the result of the job, or what is to be awaited for it."""
        given = client.job(REQUEST_ID).result()
        if not isawaitable(given):
            self.result = given
            return given

        async def get() -> Any:
            self.result = await given
            return self.result

        return get()

    def content(self, _: Any) -> Any:
        content = self.result.content
        return content() if callable(content) else content

    @property
    def fetched(self) -> list[Request]:
        return [request for request in self.server.requests if request.path == "/a.png"]


@pytest.fixture
def images() -> Iterator[Images]:
    images = Images()
    with images.server:
        yield images


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("way", WAYS)
def test_a_closed_client_fetches_no_image(images: Images, way: str, carrier: str) -> None:
    seen = outcomes(way, images.url, images.get, lambda client: client.close(), images.content, carrier=carrier)
    assert isinstance(seen[-1], ClientUnusable)
    assert images.fetched == []


@pytest.mark.parametrize("way", WAYS)
def test_the_connection_of_an_image_is_closed_when_it_has_come(images: Images, way: str) -> None:
    server = images.server

    def wait(_: Any) -> None:
        server.wait_until(lambda: server.closed == server.opened - 1)

    assert outcomes(way, images.url, images.get, images.content, wait)[1] == PICTURE
    assert [request.headers["accept"] for request in images.fetched] == ["*/*"]


CREDITS = b'{"credits": 1.0}'
DEFLATED = zlib.compressobj(wbits=-zlib.MAX_WBITS)
ENCODED = {
    "gzip": gzip.compress(CREDITS),
    "GZip": gzip.compress(CREDITS),
    "x-gzip": gzip.compress(CREDITS[:5]) + gzip.compress(CREDITS[5:]),
    "deflate": zlib.compress(CREDITS),
    "deflate ": DEFLATED.compress(CREDITS) + DEFLATED.flush(),
    "identity": CREDITS,
    "br": CREDITS,
}


@pytest.mark.parametrize(("encoding", "content"), ENCODED.items(), ids=ENCODED.keys())
@pytest.mark.parametrize("way", WAYS)
def test_a_compressed_response_is_read_although_none_was_asked_for(way: str, encoding: str, content: bytes) -> None:
    with HostileServer(respond_with(content, content_encoding=encoding)) as server:
        assert outcome(way, server.url, lambda client: client.credits(), attempts=1).credits == 1.0


@pytest.mark.parametrize("backend", BACKENDS)
def test_files_are_worked_with_on_eight_threads_of_an_event_loop_at_most(backend: str) -> None:
    gate, eight_have_begun, begun = threading.Event(), threading.Event(), list[int]()

    def work() -> None:
        begun.append(threading.get_ident())
        if len(begun) == 8:
            eight_have_begun.set()
        gate.wait(LONGEST_WAIT)

    at_once = list[int]()

    async def use() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(threads.on_worker, work)
            await anyio.wait_all_tasks_blocked()
            await anyio.to_thread.run_sync(eight_have_begun.wait, LONGEST_WAIT)
            at_once.append(len(begun))
            gate.set()

    anyio.run(use, backend=backend)
    assert at_once == [8]
    assert len(begun) == 20


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("way", WAYS)
def test_no_request_asks_for_a_compressed_response(images: Images, way: str, carrier: str) -> None:
    assert outcomes(way, images.url, images.get, images.content, carrier=carrier)[1] == PICTURE
    assert [request.headers["accept-encoding"] for request in images.server.requests] == ["identity"] * 2


@pytest.mark.parametrize("way", WAYS)
def test_the_cause_of_a_call_that_was_not_sent_is_shown_in_one_line(way: str) -> None:
    with closed_port() as port:
        error = outcome(way, f"http://127.0.0.1:{port}", lambda client: client.credits(), attempts=1)
    assert isinstance(error, NotSent)
    assert len(traceback.format_exception(error.__cause__)) == 1


def test_clients_share_one_tls_context_made_with_the_first_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[ssl.SSLContext] = []
    make = httpx.create_ssl_context

    def make_and_count() -> ssl.SSLContext:
        made.append(make())
        return made[-1]

    def use(url: str) -> None:
        with Client("SG_1", base_url=url, attempts=1) as client, pytest.raises(NotSent):
            client.credits()

    async def use_async(url: str) -> None:
        async with AsyncClient("SG_1", base_url=url, attempts=1) as client:
            with pytest.raises(NotSent):
                await client.credits()

    monkeypatch.setattr(httpx, "create_ssl_context", make_and_count)
    tls_context.cache_clear()
    # It does not speak TLS, so no handshake succeeds.
    script: Script = lambda _: []  # noqa: E731
    with HostileServer(script, greeting=[b"no TLS\r\n", End.CLOSE]) as server:
        url = server.url.replace("http://", "https://")
        with Client("SG_1", base_url=url):
            assert made == []
        use(url)
        use(url)
        anyio.run(use_async, url)
    assert len(made) == 1
