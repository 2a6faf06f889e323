"""An httpx client of the caller's: its hooks cannot make a submit be sent twice, its ways lead to the images too."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anyio
import httpx
import pytest

from segmind_api.models import JobResult
from segmind_client import AsyncClient, Client, Result, errors
from segmind_client.drivers import SyncDriver
from segmind_client.flows import Caller
from segmind_client.options import Options
from segmind_client.transport import Sender
from tests.client.servers import running

REQUEST_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
JOB = f"/v2/requests/{REQUEST_ID}"
PICTURE = b"\x89PNG\r\n\x1a\n"
COMPLETED = {
    "request_id": REQUEST_ID,
    "status": "COMPLETED",
    "output": "https://images.example/a.png",
    "metrics": {"cost": 0.06},
}


Answer = tuple[int, dict[str, Any]]
"""Status and body."""


class Service:
    """Accepts every submit; its jobs have completed."""

    def __init__(self, **answers: Answer) -> None:
        self.calls: list[httpx.Request] = []
        self.answers = answers

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls.append(request)
        if request.url.host == "images.example":
            return httpx.Response(200, content=PICTURE, headers={"content-type": "image/png"})
        if request.method in self.answers:
            status, body = self.answers[request.method]
            return httpx.Response(status, json=body)
        return httpx.Response(200, json=COMPLETED if request.method == "GET" else {"request_id": REQUEST_ID})

    def count(self, method: str) -> int:
        return [request.method for request in self.calls].count(method)


Hook = Callable[[httpx.Response], None]
Use = Callable[..., Any]


@pytest.fixture(params=["sync", "asyncio"])
def run(request: pytest.FixtureRequest) -> Use:
    """Runs a job with a lent client that has these settings, and gives the bytes of its image."""

    def run(service: Service, *, hook: Hook | None = None, **settings: Any) -> bytes:
        hooks = [hook] if hook else []
        with (
            httpx.Client(transport=httpx.MockTransport(service), event_hooks={"response": hooks}, **settings) as http,
            Client("SG_1", base_url="https://service.example", http_client=http, attempts=2, deadline=0) as client,
        ):
            return client.run_model("any", {}).content

    async def run_async(service: Service, *, hook: Hook | None = None, **settings: Any) -> bytes:
        async def awaited(response: httpx.Response) -> None:
            if hook:
                hook(response)

        hooks: dict[str, list[Callable[[httpx.Response], Awaitable[None]]]] = {"response": [awaited]}
        async with (
            httpx.AsyncClient(transport=httpx.MockTransport(service), event_hooks=hooks, **settings) as http,
            AsyncClient("SG_1", base_url="https://service.example", http_client=http, attempts=2, deadline=0) as client,
        ):
            return await (await client.run_model("any", {})).content

    async def run_settings(arguments: tuple[Service, dict[str, Any]]) -> bytes:
        return await run_async(arguments[0], **arguments[1])

    def awaited(service: Service, **settings: Any) -> bytes:
        return anyio.run(run_settings, (service, settings))

    return run if request.param == "sync" else awaited


def raising(error: Exception) -> Hook:
    def hook(_: httpx.Response) -> None:
        raise error

    return hook


ANOTHER = httpx.Request("POST", "http://127.0.0.1:1/metrics")


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("refused"),
        httpx.ConnectError("refused", request=ANOTHER),
        httpx.PoolTimeout("none free"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "a hook reads an image as a text"),
        httpx.HTTPStatusError("500", request=ANOTHER, response=httpx.Response(500, request=ANOTHER)),
    ],
)
def test_a_hook_that_fails_does_not_make_a_submit_be_sent_twice(run: Use, error: Exception) -> None:
    service = Service()
    with pytest.raises(errors.MayHaveBeenAccepted, match=r"a hook or the like .* failed"):
        run(service, hook=raising(error))
    assert service.count("POST") == 1


def test_nor_does_a_transport_that_did_not_send_it_keep_it_from_being_sent_again(run: Use) -> None:
    class Flaky(Service):
        def __call__(self, request: httpx.Request) -> httpx.Response:
            if not self.calls:
                self.calls.append(request)
                raise httpx.ConnectError("refused", request=request)
            return super().__call__(request)

    service = Flaky()
    assert run(service) == PICTURE
    assert service.count("POST") == 2


def test_the_end_of_an_iterator_in_a_hook_is_not_the_end_of_the_call(run: Use) -> None:
    with pytest.raises(RuntimeError) as raised:
        run(Service(), hook=raising(StopIteration()))
    errors_and_causes = [raised.value, raised.value.__cause__]
    notes = [note for error in errors_and_causes for note in getattr(error, "__notes__", [])]
    assert "may have been accepted" in "".join(notes)


@pytest.mark.parametrize(
    ("status", "kind", "times"),
    [(400, errors.BadRequest, 1), (503, errors.StatusError, 2), (504, errors.MayHaveBeenAccepted, 1)],
)
def test_a_hook_that_raises_for_a_status_does_not_change_what_the_status_means(
    run: Use, status: int, kind: type[errors.SegmindError], times: int
) -> None:
    service = Service(POST=(status, {"error": "no"}))
    with pytest.raises(kind) as raised:
        run(service, hook=httpx.Response.raise_for_status)
    assert raised.value.status == status
    assert service.count("POST") == times


def test_a_failed_job_has_failed_whatever_a_hook_raises(run: Use) -> None:
    failed: dict[str, Any] = {"request_id": REQUEST_ID, "status": "FAILED", "error": "blocked", "metrics": {}}
    with pytest.raises(errors.InferenceFailed, match="blocked"):
        run(Service(GET=(422, failed)), hook=httpx.Response.raise_for_status)


def test_a_hook_may_read_the_answer(run: Use) -> None:
    service = Service()
    seen: list[int] = []

    def note(response: httpx.Response) -> None:
        seen.append(response.status_code)

    assert run(service, hook=note) == PICTURE
    assert len(seen) == len(service.calls)


@pytest.mark.parametrize("backend", ["sync", "asyncio", "trio"])
def test_a_hook_may_read_the_body(backend: str) -> None:
    service = Service()
    bodies: list[bytes] = []

    def read(response: httpx.Response) -> None:
        bodies.append(response.read())

    async def read_async(response: httpx.Response) -> None:
        bodies.append(await response.aread())

    async def submit() -> None:
        transport = httpx.MockTransport(service)
        async with (
            httpx.AsyncClient(transport=transport, event_hooks={"response": [read_async]}) as http,
            AsyncClient("SG_1", base_url="https://service.example", http_client=http) as client,
        ):
            assert (await client.submit_model("any", {})).request_id == REQUEST_ID

    if backend == "sync":
        with (
            httpx.Client(transport=httpx.MockTransport(service), event_hooks={"response": [read]}) as http,
            Client("SG_1", base_url="https://service.example", http_client=http) as client,
        ):
            assert client.submit_model("any", {}).request_id == REQUEST_ID
    else:
        anyio.run(submit, backend=backend)
    assert REQUEST_ID in bodies[0].decode()


def test_images_come_the_same_way_without_credentials(run: Use) -> None:
    service = Service()
    headers = {"authorization": "Bearer secret"}
    assert run(service, headers=headers, cookies={"session": "secret"}, auth=("user", "secret")) == PICTURE
    image = service.calls[-1]
    assert image.url.host == "images.example"
    assert not {"authorization", "cookie", "x-api-key"} & set(image.headers)
    assert all(request.headers["x-api-key"] == "SG_1" for request in service.calls[:-1])


class OverSockets:
    """A service on a real port, over whose connections httpx and its hooks read."""

    def __init__(self) -> None:
        self.statuses = {"POST": 200}
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.answer(service.statuses["POST"], {"request_id": REQUEST_ID, "error": "no" * 100_000})

            def do_GET(self) -> None:
                if self.path == "/a.png":
                    self.respond(service.statuses.get("image", 200), "image/png", PICTURE)
                else:
                    self.answer(200, {**COMPLETED, "output": f"{service.address}/a.png"})

            def answer(self, status: int, body: dict[str, Any]) -> None:
                self.respond(status, "application/json", json.dumps(body).encode())

            def respond(self, status: int, media_type: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("content-type", media_type)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *_: object) -> None: ...  # noqa: A002  the base class's name

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def sockets() -> Iterator[OverSockets]:
    service = OverSockets()
    with running(service.http):
        yield service


def raise_for_status(response: httpx.Response) -> None:
    response.raise_for_status()


async def async_raise_for_status(response: httpx.Response) -> None:
    response.raise_for_status()


def read(response: httpx.Response) -> None:
    response.read()


async def async_read(response: httpx.Response) -> None:
    await response.aread()


def run_over_sockets(address: str, backend: str, hook: Hook, async_hook: Callable[..., Awaitable[None]]) -> bytes:
    async def run() -> bytes:
        async with (
            httpx.AsyncClient(event_hooks={"response": [async_hook]}) as http,
            AsyncClient("SG_1", base_url=address, http_client=http, attempts=1, read_seconds=2) as client,
        ):
            return await (await client.run_model("any", {})).content

    if backend != "sync":
        return anyio.run(run, backend=backend)
    with (
        httpx.Client(event_hooks={"response": [hook]}) as http,
        Client("SG_1", base_url=address, http_client=http, attempts=1, read_seconds=2) as client,
    ):
        return client.run_model("any", {}).content


@pytest.mark.parametrize("backend", ["sync", "asyncio", "trio"])
class TestHooksOverSockets:
    def test_may_read_all_that_comes(self, sockets: OverSockets, backend: str) -> None:
        assert run_over_sockets(sockets.address, backend, read, async_read) == PICTURE

    @pytest.mark.parametrize(
        ("status", "kind"),
        [(400, errors.BadRequest), (429, errors.RateLimited), (500, errors.MayHaveBeenAccepted)],
    )
    def test_may_raise_for_a_status_before_the_body_was_read(
        self, sockets: OverSockets, backend: str, status: int, kind: type[errors.SegmindError]
    ) -> None:
        sockets.statuses["POST"] = status
        with pytest.raises(kind) as raised:
            run_over_sockets(sockets.address, backend, raise_for_status, async_raise_for_status)
        assert raised.value.status == status

    def test_may_raise_for_the_status_of_an_image(self, sockets: OverSockets, backend: str) -> None:
        sockets.statuses["image"] = 404
        with pytest.raises(errors.DownloadFailed, match="no longer"):
            run_over_sockets(sockets.address, backend, raise_for_status, async_raise_for_status)


@pytest.mark.parametrize("address", ["http://a..b/x.png", f"http://{'a' * 64}/x.png"])
def test_an_image_at_a_host_that_cannot_be_one_is_not_fetched(address: str) -> None:
    driver = SyncDriver(Sender("https://service.example", {}, None))
    with closing(driver.images), pytest.raises(errors.DownloadFailed, match="no image came"):
        _ = Result(JobResult({"output": address}), Caller(Options(attempts=1)), driver).content


def test_an_image_comes_without_a_proxy_where_the_environment_excepts_its_host(
    sockets: OverSockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Client("SG_1", base_url=sockets.address) as client:
        assert client.run_model("any", {}).content == PICTURE


def test_a_transport_of_ones_own_is_left_as_it_is(sockets: OverSockets, monkeypatch: pytest.MonkeyPatch) -> None:
    limited: list[object] = []
    monkeypatch.setattr("segmind_client.drivers.limit", limited.append)
    transport = httpx.HTTPTransport()
    with Client("SG_1", base_url=sockets.address, transport=transport) as client:
        assert client.run_model("any", {}).content == PICTURE
    assert limited == []


def test_a_lent_client_that_is_closed_fetches_no_image() -> None:
    service = Service()
    http = httpx.Client(transport=httpx.MockTransport(service))
    client = Client("SG_1", base_url="https://service.example", http_client=http)
    result = client.run_model("any", {})
    http.close()
    with pytest.raises(errors.NoClient, match="closed"):
        _ = result.content


WRONG: dict[str, tuple[type, dict[str, Any]]] = {
    "an async client": (Client, {"http_client": httpx.AsyncClient()}),
    "a sync client": (AsyncClient, {"http_client": httpx.Client()}),
    "a text": (Client, {"http_client": "http"}),
    "an async transport": (Client, {"transport": httpx.AsyncHTTPTransport()}),
    "both": (Client, {"http_client": httpx.Client(), "transport": httpx.MockTransport(Service())}),
}


@pytest.mark.parametrize(("kind", "arguments"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_send_is_refused_at_once(kind: type, arguments: dict[str, Any]) -> None:
    with pytest.raises(errors.InvalidParameter, match=r"Client\.(http_client|transport): expected"):
        kind("SG_1", **arguments)
