"""Servers that send a little now and then, and never all of it: no call waits for them longer than it has time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import anyio
import httpx
import pytest

from segmind_api.models import JobResult
from segmind_client import AsyncClient, AsyncResult, Client, Result, errors, transport
from segmind_client.drivers import AsyncDriver, SyncDriver
from segmind_client.flows import Caller
from segmind_client.network import limit, reading_until
from segmind_client.transport import AsyncSender, Sender

DRIP_SECONDS = 0.02
PATIENCE = 6.0
"""Seconds after which a server gives up, so that a client without limits fails instead of hanging."""
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n"
NEVER_ENDING = {
    "a head": (b"HTTP/1.1 200 OK\r\nx-long: ", b"a"),
    "informational answers": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "a body": (HEAD + b"content-length: 1000000\r\n\r\n", b"a"),
    "chunks": (HEAD + b"transfer-encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
}


class Dripping:
    """A server that answers every call with a beginning and then the same bytes over and over."""

    def __init__(self, beginning: bytes, drop: bytes) -> None:
        self._beginning, self._drop = beginning, drop
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._until = time.monotonic() + PATIENCE
        self.gave_up = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._drip, args=[self._listener.accept()[0]], daemon=True).start()

    def _drip(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.recv(65_536)
            connection.sendall(self._beginning)
            while time.monotonic() < self._until:
                connection.sendall(self._drop)
                time.sleep(DRIP_SECONDS)
            self.gave_up = self._until > 0

    def close(self) -> None:
        self._until = 0.0
        self._listener.close()


@pytest.fixture(params=NEVER_ENDING)
def server(request: pytest.FixtureRequest) -> Iterator[Dripping]:
    server = Dripping(*NEVER_ENDING[request.param])
    yield server
    server.close()
    assert not server.gave_up


Call = Callable[[str], None]


def wait_sync(address: str) -> None:
    with Client("SG_1", base_url=address) as client:
        client.job("some-id").wait(deadline=0.2)


async def wait_async(address: str) -> None:
    async with AsyncClient("SG_1", base_url=address) as client:
        await client.job("some-id").wait(deadline=0.2)


def submit_sync(address: str) -> None:
    with Client("SG_1", base_url=address, read_seconds=0.2, connect_seconds=0.2) as client:
        client.submit_model("any", {})


async def submit_async(address: str) -> None:
    async with AsyncClient("SG_1", base_url=address, read_seconds=0.2, connect_seconds=0.2) as client:
        await client.submit_model("any", {})


WAITS: dict[str, Call] = {
    "sync": wait_sync,
    "asyncio": lambda address: anyio.run(wait_async, address),
    "trio": lambda address: anyio.run(wait_async, address, backend="trio"),
}
SUBMITS: dict[str, Call] = {"sync": submit_sync, "async": lambda address: anyio.run(submit_async, address)}


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segmind_client.flows.SHORTEST_READ", 0.3)
    monkeypatch.setattr("segmind_client.flows.SHORTEST_ANSWER", 0.3)
    monkeypatch.setattr("segmind_client.drivers.WRITE_SECONDS", 0.1)
    monkeypatch.setattr(transport, "BODY_SECONDS", 0.3)


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS.keys())
def test_a_wait_ends_at_its_deadline(server: Dripping, wait: Call) -> None:
    with pytest.raises(errors.InferenceTimeout, match="its answer was lost"):
        wait(server.address)


@pytest.mark.parametrize("submit", SUBMITS.values(), ids=SUBMITS.keys())
def test_a_submit_ends_in_time(server: Dripping, submit: Call) -> None:
    with pytest.raises(errors.MayHaveBeenAccepted):
        submit(server.address)


def test_no_socket_is_read_when_the_time_is_over() -> None:
    server = Dripping(b"HTTP/1.1 204 No Content\r\n\r\n", b"")
    with httpx.HTTPTransport() as transport:
        limit(transport)
        with reading_until(time.monotonic() - 1), pytest.raises(httpx.ReadTimeout, match="did not end in time"):
            transport.handle_request(httpx.Request("GET", server.address))
        with reading_until(time.monotonic() + PATIENCE):
            assert transport.handle_request(httpx.Request("GET", server.address)).status_code == 204
    server.close()


def fetch_sync(result: JobResult, address: str) -> None:
    driver = SyncDriver(Sender(address, {}, None))
    with closing(driver.images):
        _ = Result(result, Caller(), driver).content


async def fetch_async(result: JobResult, address: str) -> None:
    driver = AsyncDriver(AsyncSender(address, {}, None))
    try:
        await AsyncResult(result, Caller(), driver).content
    finally:
        await driver.images.close()


def test_an_image_is_given_up_in_time(server: Dripping, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segmind_client.downloads.DOWNLOAD_SECONDS", 0.5)
    result = JobResult({"output": f"{server.address}/a.png"})
    with pytest.raises(errors.DownloadFailed):
        fetch_sync(result, server.address)
    with pytest.raises(errors.DownloadFailed):
        anyio.run(fetch_async, result, server.address)
