"""Custom httpx clients and transports: whatever their hooks raise, no submit is sent twice and none is lost."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import closing
from typing import Any

import anyio
import httpx
import pytest

from segmind_api.models import JobResult
from segmind_api.types import ApiResponse
from segmind_client import AsyncClient, Client, Result, errors
from tests.support.calls import WAYS
from tests.support.internals import Caller, Options, Secret, Sender, SyncDriver
from tests.support.servers import REQUEST_ID, End, HostileServer, Request, Step, response
from tests.support.services import COMPLETED, PICTURE, Service

Hook = Callable[[httpx.Response], None]
Use = Callable[..., Any]


@pytest.fixture(params=["sync", "asyncio"])
def run(request: pytest.FixtureRequest) -> Use:
    """Runs a job with a custom client that has these settings, and gives the bytes of its image."""

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
            return await (await client.run_model("any", {})).content()

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
    with pytest.raises(errors.MayHaveBeenAccepted, match=type(error).__name__):
        run(service, hook=raising(error))
    assert service.count("POST") == 1


def test_the_end_of_an_iterator_in_a_hook_is_not_the_end_of_the_call(run: Use) -> None:
    service = Service()
    with pytest.raises(errors.MayHaveBeenAccepted, match="StopIteration"):
        run(service, hook=raising(StopIteration()))
    assert service.count("POST") == 1


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


OTHER_CALLS = [
    errors.NotSent("the budget was not reached"),
    errors.RateLimited("429", response=ApiResponse(429, {}, b"")),
    errors.Unauthorized("401", response=ApiResponse(401, {}, b"")),
]


@pytest.mark.parametrize("error", OTHER_CALLS, ids=lambda error: type(error).__name__)
def test_what_a_hooks_own_call_of_the_service_raises_is_not_about_the_submit(
    run: Use, error: errors.SegmindError
) -> None:
    service = Service()
    with pytest.raises(errors.MayHaveBeenAccepted, match=type(error).__name__):
        run(service, hook=raising(error))
    assert service.count("POST") == 1


class Telling(Exception):
    """An exception whose text does not come from its arguments."""

    def __str__(self) -> str:
        return "the key is SG_5ec4e75ec4e75ec4"


@pytest.mark.parametrize(
    "error",
    [Telling(), OSError(5, str(Telling())), ExceptionGroup("all", [Telling()])],
    ids=["__str__", "OSError", "group"],
)
def test_a_key_in_an_exception_of_a_hook_is_in_no_traceback(run: Use, error: Exception) -> None:
    with pytest.raises(errors.SegmindError) as raised:
        run(Service(), hook=raising(error))
    assert "SG_5ec4" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("status", [429, 500])
def test_a_refusal_that_a_hook_makes_up_does_not_make_a_submit_be_sent_twice(run: Use, status: int) -> None:
    def refuse(response: httpx.Response) -> None:
        made = httpx.Response(status, json={"error": "over the quota"}, request=response.request)
        raise httpx.HTTPStatusError("over the quota", request=response.request, response=made)

    service = Service()
    with pytest.raises(errors.MayHaveBeenAccepted, match="over the quota"):
        run(service, hook=refuse)
    assert service.count("POST") == 1


def test_a_failed_job_has_failed_whatever_a_hook_raises(run: Use) -> None:
    failed: dict[str, Any] = {"request_id": REQUEST_ID, "status": "FAILED", "error": "blocked", "metrics": {}}
    with pytest.raises(errors.InferenceFailed, match="blocked"):
        run(Service(GET=(422, failed)), hook=httpx.Response.raise_for_status)


def test_a_hook_may_see_the_response(run: Use) -> None:
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


def test_images_come_over_the_same_client_without_its_credentials(run: Use) -> None:
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
        self.statuses = {"POST": "200 OK", "image": "200 OK"}
        self.server = HostileServer(self.respond)
        self.url = self.server.url

    def respond(self, request: Request) -> Iterable[Step]:
        if request.method == "POST":
            return [response({"request_id": REQUEST_ID, "error": "no" * 100_000}, self.statuses["POST"])]
        if request.path == "/a.png":
            return [response(PICTURE, self.statuses["image"], media_type="image/png")]
        return [response({**COMPLETED, "output": f"{self.url}/a.png"})]


@pytest.fixture
def sockets() -> Iterator[OverSockets]:
    service = OverSockets()
    with service.server:
        yield service


def raise_for_status(response: httpx.Response) -> None:
    response.raise_for_status()


async def async_raise_for_status(response: httpx.Response) -> None:
    response.raise_for_status()


def read(response: httpx.Response) -> None:
    response.read()


async def async_read(response: httpx.Response) -> None:
    await response.aread()


def run_over_sockets(url: str, backend: str, hook: Hook, async_hook: Callable[..., Awaitable[None]]) -> bytes:
    async def run() -> bytes:
        async with (
            httpx.AsyncClient(event_hooks={"response": [async_hook]}) as http,
            AsyncClient("SG_1", base_url=url, http_client=http, attempts=1, read_seconds=2, deadline=0) as client,
        ):
            return await (await client.run_model("any", {})).content()

    if backend != "sync":
        return anyio.run(run, backend=backend)
    with (
        httpx.Client(event_hooks={"response": [hook]}) as http,
        Client("SG_1", base_url=url, http_client=http, attempts=1, read_seconds=2, deadline=0) as client,
    ):
        return client.run_model("any", {}).content


@pytest.mark.parametrize("backend", ["sync", "asyncio", "trio"])
class TestHooksOverSockets:
    def test_may_read_all_that_comes(self, sockets: OverSockets, backend: str) -> None:
        assert run_over_sockets(sockets.url, backend, read, async_read) == PICTURE

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            ("400 Bad Request", errors.BadRequest),
            ("429 Too Many Requests", errors.RateLimited),
            ("500 Internal Server Error", errors.MayHaveBeenAccepted),
        ],
    )
    def test_may_raise_for_a_status_before_the_body_was_read(
        self, sockets: OverSockets, backend: str, status: str, kind: type[errors.SegmindError]
    ) -> None:
        sockets.statuses["POST"] = status
        with pytest.raises(kind) as raised:
            run_over_sockets(sockets.url, backend, raise_for_status, async_raise_for_status)
        assert raised.value.status == int(status[:3])

    def test_may_raise_for_the_status_of_an_image(self, sockets: OverSockets, backend: str) -> None:
        sockets.statuses["image"] = "404 Not Found"
        with pytest.raises(errors.DownloadFailed, match="no longer"):
            run_over_sockets(sockets.url, backend, raise_for_status, async_raise_for_status)


@pytest.mark.parametrize("url", ["http://a..b/x.png", f"http://{'a' * 64}/x.png"])
def test_an_image_at_a_host_that_cannot_be_one_is_not_fetched(url: str) -> None:
    driver = SyncDriver(Sender("https://service.example", "x-api-key", Secret("SG_1")))
    with closing(driver.http), pytest.raises(errors.DownloadFailed, match="the URL of the file cannot be requested"):
        _ = Result(JobResult({"output": url}), Caller(Options(attempts=1)), driver).content


def test_an_image_comes_without_a_proxy_where_the_environment_excepts_its_host(
    sockets: OverSockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Client("SG_1", base_url=sockets.url) as client:
        assert client.run_model("any", {}).content == PICTURE


def test_a_custom_client_that_is_closed_fetches_no_image() -> None:
    service = Service()
    http = httpx.Client(transport=httpx.MockTransport(service))
    client = Client("SG_1", base_url="https://service.example", http_client=http)
    result = client.run_model("any", {})
    http.close()
    with pytest.raises(errors.ClientUnusable, match="closed"):
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


@pytest.mark.parametrize("backend", WAYS)
def test_a_hook_whose_own_call_is_refused_over_sockets_sends_no_second_submit(backend: str) -> None:
    def audit(_: httpx.Response) -> None:
        with httpx.Client() as auditor:
            auditor.post("http://127.0.0.1:1/audit")

    async def audit_async(_: httpx.Response) -> None:
        async with httpx.AsyncClient() as auditor:
            await auditor.post("http://127.0.0.1:1/audit")

    with (
        HostileServer(lambda _: [response({"request_id": REQUEST_ID})]) as server,
        pytest.raises(errors.MayHaveBeenAccepted, match="ConnectError"),
    ):
        run_over_sockets(server.url, backend, audit, audit_async)
    assert server.count("POST") == 1


@pytest.mark.parametrize("backend", WAYS)
def test_a_connection_reset_before_the_response_sends_no_second_submit(backend: str) -> None:
    with HostileServer(lambda _: [End.RESET]) as server, pytest.raises(errors.MayHaveBeenAccepted):
        run_over_sockets(server.url, backend, read, async_read)
    assert server.count("POST") == 1
