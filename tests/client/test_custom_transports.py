"""Custom transports and HTTP/2 over them: what they raise, and when they are closed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import httpx
import pytest

from segmind_client import AsyncClient, Client, errors
from tests.support.calls import WAYS
from tests.support.servers import REQUEST_ID
from tests.support.services import Service


class Auditing(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Sends a request to a service, then makes a call of its own that fails."""

    def __init__(self, service: Service, error: Exception, *, in_body: bool = False) -> None:
        self.service = service
        self._error = error
        self._in_body = in_body

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        return self._respond(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return self._respond(request)

    def _respond(self, request: httpx.Request) -> httpx.Response:
        received = self.service(request)
        if not self._in_body:
            raise self._error
        return httpx.Response(received.status_code, stream=Breaking(received.content, self._error))


class Breaking(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that raises after its last byte."""

    def __init__(self, content: bytes, error: Exception) -> None:
        self._content = content
        self._error = error

    def __iter__(self) -> Iterator[bytes]:
        yield self._content
        raise self._error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


class Refusing(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Fails before it reads the first request, and sends the next one."""

    def __init__(self, service: Service, error: Exception) -> None:
        self.service = service
        self.refused = 0
        self._error = error

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._refuse_first()
        request.read()
        return self.service(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._refuse_first()
        await request.aread()
        return self.service(request)

    def _refuse_first(self) -> None:
        if not self.refused:
            self.refused += 1
            raise self._error


TRANSPORT_ERRORS = (
    *(httpx.ConnectError("refused"), httpx.ConnectTimeout("late"), httpx.PoolTimeout("none free")),
    *(httpx.ProxyError("no tunnel"), httpx.UnsupportedProtocol("no scheme"), httpx.ReadTimeout("late")),
    *(ConnectionRefusedError("refused"), UnicodeError("no host"), KeyError("audit"), ImportError("audit")),
)


def name_of(error: Exception) -> str:
    return type(error).__name__


def submit_over(transport: Any, backend: str, *, in_client: bool, **settings: Any) -> str:
    """Submits with this transport, its own or that of a custom client, and gives the id of the job."""

    async def submit() -> str:
        http = httpx.AsyncClient(transport=transport, **settings) if in_client else None
        carrier: dict[str, Any] = {"http_client": http} if http else {"transport": transport}
        async with AsyncClient("SG_1", base_url="https://service.example", **carrier) as client:
            return (await client.submit_model("any", {})).request_id

    if backend != "sync":
        return anyio.run(submit, backend=backend)
    http = httpx.Client(transport=transport, **settings) if in_client else None
    carrier: dict[str, Any] = {"http_client": http} if http else {"transport": transport}
    with Client("SG_1", base_url="https://service.example", **carrier) as client:
        return client.submit_model("any", {}).request_id


@pytest.mark.parametrize("in_client", [False, True], ids=["transport", "client"])
@pytest.mark.parametrize("backend", WAYS)
class TestTransportThatRaises:
    @pytest.mark.parametrize("error", TRANSPORT_ERRORS, ids=name_of)
    def test_after_a_submit_was_sent_leaves_it_in_doubt_and_sends_no_second(
        self, backend: str, in_client: bool, error: Exception
    ) -> None:
        service = Service()
        with pytest.raises(errors.MayHaveBeenAccepted, match=type(error).__name__) as raised:
            submit_over(Auditing(service, error), backend, in_client=in_client)
        assert service.count("POST") == 1
        assert "accepted nothing" not in str(raised.value)

    @pytest.mark.parametrize("error", TRANSPORT_ERRORS, ids=name_of)
    def test_in_the_body_of_a_response_leaves_the_id_that_was_received(
        self, backend: str, in_client: bool, error: Exception
    ) -> None:
        service = Service()
        with pytest.raises(errors.MayHaveBeenAccepted, match=type(error).__name__) as raised:
            submit_over(Auditing(service, error, in_body=True), backend, in_client=in_client)
        assert raised.value.request_id == REQUEST_ID
        assert service.count("POST") == 1

    @pytest.mark.parametrize("error", TRANSPORT_ERRORS, ids=name_of)
    def test_before_it_reads_a_submit_has_not_sent_it_so_that_it_is_retried(
        self, backend: str, in_client: bool, error: Exception, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("segmind_client.retry.FIRST_BACKOFF", 0.0)
        transport = Refusing(Service(), error)
        assert submit_over(transport, backend, in_client=in_client) == REQUEST_ID
        assert (transport.refused, transport.service.count("POST")) == (1, 1)


class AuditingAuth(httpx.Auth):
    """Reads what a request led to, then fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def auth_flow(self, request: httpx.Request) -> Any:
        yield request
        raise self._error


@pytest.mark.parametrize("error", TRANSPORT_ERRORS, ids=name_of)
@pytest.mark.parametrize("backend", WAYS)
def test_an_auth_flow_that_fails_after_the_response_sends_no_second_submit(backend: str, error: Exception) -> None:
    service = Service()
    with pytest.raises(errors.MayHaveBeenAccepted, match=type(error).__name__):
        submit_over(httpx.MockTransport(service), backend, in_client=True, auth=AuditingAuth(error))
    assert service.count("POST") == 1


class Empty(httpx.MockTransport):
    """A transport that counts as false."""

    def __len__(self) -> int:
        return 0


@pytest.mark.parametrize("backend", WAYS)
def test_a_transport_that_counts_as_false_is_used(backend: str) -> None:
    service = Service()
    assert submit_over(Empty(service), backend, in_client=False) == REQUEST_ID
    assert service.count("POST") == 1


def balances_over(transport: httpx.MockTransport, backend: str) -> None:
    """Asks twice for the balance with one client."""

    async def ask() -> None:
        async with AsyncClient("SG_1", base_url="https://service.example", transport=transport) as client:
            await client.credits()
            await client.credits()

    if backend != "sync":
        anyio.run(ask, backend=backend)
        return
    with Client("SG_1", base_url="https://service.example", transport=transport) as client:
        client.credits()
        client.credits()


@pytest.mark.parametrize("backend", WAYS)
@pytest.mark.parametrize(
    ("problem", "then"),
    [("Illegal header value b'x'", "close"), ("Connection-specific header field present: b'connection'.", None)],
    ids=["an illegal header", "HTTP/2, which has no such header"],
)
def test_only_http_2_keeps_requests_from_asking_for_their_connection_to_be_closed(
    backend: str, problem: str, then: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segmind_client.retry.FIRST_BACKOFF", 0.0)
    seen: list[str | None] = []

    def refuse_first(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("connection"))
        if len(seen) == 1:
            raise httpx.LocalProtocolError(problem)
        return httpx.Response(200, json={"credits": 1.0})

    balances_over(httpx.MockTransport(refuse_first), backend)
    assert seen == ["close", then, then]


class ClosedBadly(httpx.MockTransport):
    def close(self) -> None:
        raise RuntimeError("cannot be closed")

    async def aclose(self) -> None:
        self.close()


@pytest.mark.parametrize("backend", WAYS)
def test_a_transport_that_cannot_be_closed_does_not_hide_the_error_of_a_call(
    backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(errors.BadRequest):
        submit_over(ClosedBadly(Service(POST=(400, {"error": "no"}))), backend, in_client=False)
    assert "cannot be closed" in caplog.text
