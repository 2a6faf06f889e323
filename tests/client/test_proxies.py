"""How the clients go by the proxies and the certificates that the environment names, right and wrong ones."""

from __future__ import annotations

import gc
import importlib.util
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from segmind_client import AsyncClient, Client, errors
from tests.support.calls import KEY, WAYS, Step, outcome
from tests.support.internals import connections, tls_context
from tests.support.servers import REQUEST_ID, End, HostileServer, Request, closed_port, drips, respond_with, response
from tests.support.servers import Step as ServerStep

ACCEPTED = {"request_id": REQUEST_ID}
HAS_SOCKS = importlib.util.find_spec("socksio") is not None
needs_socks = pytest.mark.skipif(not HAS_SOCKS, reason="needs httpx[socks]")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for scheme in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme}_proxy".upper(), raising=False)


@pytest.fixture(autouse=True)
def no_socket_is_left_open() -> Iterator[None]:
    """Python warns of each socket that only the garbage collector closes; here a warning is an error."""
    yield
    gc.collect()


@pytest.fixture
def server() -> Iterator[HostileServer]:
    """A proxy or a service, whichever it is called as; there is nobody to speak TLS with behind it."""

    def script(request: Request) -> Iterable[bytes | End]:
        return [response(), End.CLOSE] if request.method == "CONNECT" else [response(ACCEPTED)]

    with HostileServer(script) as server:
        yield server


def submit(client: Any) -> Any:
    return client.submit_model("any", {})


def submits(url: str, **options: Any) -> list[Any]:
    """What comes of a submit, sync and under asyncio and trio."""
    return [outcome(way, url, submit, allow_http=True, attempts=1, **options) for way in WAYS]


class TestProxyOfTheEnvironment:
    @pytest.mark.parametrize(
        ("variable", "url", "seen"),
        [
            ("HTTP_PROXY", "http://service.example", ("POST", "http://service.example/v2/any")),
            ("HTTPS_PROXY", "https://service.example", ("CONNECT", "service.example:443")),
            ("ALL_PROXY", "http://service.example", ("POST", "http://service.example/v2/any")),
        ],
    )
    def test_is_used(
        self, server: HostileServer, monkeypatch: pytest.MonkeyPatch, variable: str, url: str, seen: tuple[str, str]
    ) -> None:
        monkeypatch.setenv(variable, server.url)
        for came in submits(url):
            assert isinstance(came, errors.NotSent) if variable == "HTTPS_PROXY" else came.request_id == REQUEST_ID
        assert [(request.method, request.path) for request in server.requests] == [seen] * len(WAYS)

    def test_is_not_shown_the_key_where_it_makes_a_tunnel(
        self, server: HostileServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", server.url)
        submits("https://service.example")
        assert KEY not in str(server.requests)
        assert server.count("CONNECT") == len(WAYS)

    def test_that_refuses_the_tunnel_was_sent_no_submit(
        self, server: HostileServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", server.url)
        server.script = lambda _: [response(status="407 Proxy Authentication Required")]
        for error in submits("https://service.example"):
            assert isinstance(error, errors.NotSent)
            assert "accepted nothing" in str(error)
            assert "407" in str(error)
        assert server.count("CONNECT") == len(server.requests) == len(WAYS)

    def test_is_not_used_for_a_host_that_the_environment_excepts(
        self, server: HostileServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with closed_port() as port:
            monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
            monkeypatch.setenv("NO_PROXY", "other.example,127.0.0.1")
            assert [job.request_id for job in submits(server.url)] == [REQUEST_ID] * len(WAYS)

    def test_is_not_used_for_this_machine(self, server: HostileServer, monkeypatch: pytest.MonkeyPatch) -> None:
        with closed_port() as port:
            monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
            assert [job.request_id for job in submits(server.url)] == [REQUEST_ID] * len(WAYS)

    @pytest.mark.parametrize("kind", [Client, AsyncClient])
    def test_that_needs_a_package_says_so(self, monkeypatch: pytest.MonkeyPatch, kind: type) -> None:
        monkeypatch.setenv("ALL_PROXY", "socks5://user:secret@proxy.example")

        def find_nothing(_: str) -> None: ...

        monkeypatch.setattr(connections, "find_spec", find_nothing)
        with pytest.raises(errors.InvalidParameter, match=r"Client\.proxy.*httpx\[socks\]") as raised:
            kind("SG_1")
        assert "secret" not in str(raised.value)

    @pytest.mark.parametrize("scheme", ["gopher", "socks4", "socks4a"])
    @pytest.mark.parametrize("kind", [Client, AsyncClient])
    def test_of_a_kind_that_there_is_not_is_refused_at_once(
        self, monkeypatch: pytest.MonkeyPatch, kind: type, scheme: str
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://user:secret@proxy.example")
        with pytest.raises(
            errors.InvalidParameter, match=rf"Client\.proxy.*({scheme}.*expected|expected.*{scheme})"
        ) as raised:
            kind("SG_1")
        assert "secret" not in str(raised.value)

    @pytest.mark.parametrize("no_proxy", ["fe80::/10", "fe80::/10,10.0.0.0/8", "[::1]", "*.example:abc", ",,"])
    def test_is_used_whatever_odd_exceptions_the_environment_has(
        self, server: HostileServer, monkeypatch: pytest.MonkeyPatch, no_proxy: str
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", server.url)
        monkeypatch.setenv("NO_PROXY", no_proxy)
        assert [job.request_id for job in submits("http://service.test")] == [REQUEST_ID] * len(WAYS)


def assert_is_clear(error: errors.SegmindError) -> None:
    """One line that says what happened, and of no request that it was sent."""
    message = str(error)
    assert "\n" not in message
    assert 20 < len(message) < 500
    assert "may have been accepted" not in message.lower()
    assert error.request_id is None


def save(client: Any) -> Any:
    """Runs a job and fetches its image."""
    return client.run_model("any", {}).content


async def await_content(client: AsyncClient) -> bytes:
    return await (await client.run_model("any", {})).content()


def images(url: str, **options: Any) -> list[Any]:
    """What comes of a run whose image is fetched, sync and under asyncio and trio."""
    steps = {way: save if way == "sync" else await_content for way in WAYS}
    return [outcome(way, url, step, attempts=1, any_image_host=True, **options) for way, step in steps.items()]


@pytest.fixture
def service() -> Iterator[HostileServer]:
    """A service whose images are elsewhere, over TLS."""
    completed: dict[str, Any] = {
        **ACCEPTED,
        "status": "COMPLETED",
        "output": "https://images.example/a.png",
        "metrics": {},
    }
    with HostileServer(lambda _: [response(completed)]) as server:
        yield server


@pytest.mark.parametrize("proxy", ["socks4://127.0.0.1:1", "gopher://127.0.0.1:1", "http://127.0.0.1:x"])
def test_a_proxy_that_cannot_be_used_for_an_image_is_an_error_that_names_the_job(
    service: HostileServer, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    for error in images(service.url):
        assert isinstance(error, errors.InvalidParameter | errors.DownloadFailed)
        assert "proxy" in str(error)
        assert error.request_id == REQUEST_ID
    assert service.count("POST") == len(WAYS)


def test_an_image_goes_over_the_proxy_that_the_environment_names(
    service: HostileServer, server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", server.url)
    assert {type(error) for error in images(service.url)} == {errors.DownloadFailed}
    assert [request.path for request in server.requests] == ["images.example:443"] * len(WAYS)
    assert KEY not in str(server.requests)


@pytest.fixture
def wrong_certificates(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A file that SSL_CERT_FILE names, with this content, or none where that is None."""
    path = tmp_path / "certificates.pem"
    if request.param is not None:
        path.write_bytes(request.param)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    tls_context.cache_clear()
    return path


@pytest.mark.parametrize("wrong_certificates", [None, b"", b"no certificate"], indirect=True)
class TestWrongCertificates:
    def test_are_one_error_before_anything_is_sent(self, wrong_certificates: Path, server: HostileServer) -> None:
        for error in submits(server.url.replace("http://", "https://")):
            assert isinstance(error, errors.NotSent)
            assert "SSL_CERT_FILE" in str(error)
            assert_is_clear(error)
        assert wrong_certificates.name
        assert server.opened == 0

    def test_do_not_matter_to_a_service_without_tls(self, wrong_certificates: Path, server: HostileServer) -> None:
        assert wrong_certificates.name
        assert [job.request_id for job in submits(server.url)] == [REQUEST_ID] * len(WAYS)

    def test_keep_an_image_from_being_fetched_and_nothing_else(
        self, wrong_certificates: Path, service: HostileServer
    ) -> None:
        for error in images(service.url):
            assert isinstance(error, errors.DownloadFailed)
            assert "SSL_CERT_FILE" in str(error)
            assert error.request_id == REQUEST_ID
        assert wrong_certificates.name


@needs_socks
@pytest.mark.parametrize(
    "greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x05\xff", b"\x05", b"\x04\x00", b"\xff" * 99]
)
def test_a_socks_proxy_that_sends_junk_was_sent_no_submit(monkeypatch: pytest.MonkeyPatch, greeting: bytes) -> None:
    with HostileServer(greeting=[greeting, End.CLOSE]) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{proxy.port}")
        for error in submits("https://service.example"):
            assert isinstance(error, errors.NotSent)
            assert_is_clear(error)


@pytest.mark.parametrize("url", ["https://service.example", "http://service.example"])
def test_a_proxy_that_is_to_speak_tls_and_does_not_was_sent_no_submit(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    with HostileServer(greeting=[b"HTTP/1.1 200 OK\r\n\r\n", End.CLOSE]) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"https://127.0.0.1:{proxy.port}")
        for error in submits(url):
            assert isinstance(error, errors.NotSent)
            assert_is_clear(error)
        assert proxy.requests == []


@needs_socks
@pytest.mark.parametrize("way", WAYS)
def test_a_submit_is_sent_through_a_socks_proxy(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    said: list[bytes] = []
    greeting: list[ServerStep] = [said.append, b"\x05\x00", said.append, b"\x05\x00\x00\x01" + bytes(6)]
    with HostileServer(respond_with(ACCEPTED), greeting=greeting) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{proxy.port}")
        assert outcome(way, "http://service.example", submit, allow_http=True).request_id == REQUEST_ID
    assert b"service.example" in said[1]
    (request,) = proxy.requests
    assert (request.method, request.path, request.headers["host"]) == ("POST", "/v2/any", "service.example")


LIMIT = 0.6
"""Seconds that a call has: a wait until its deadline, a submit to connect."""
PATIENCE = 4.0


def wait(client: Any) -> Any:
    return client.job(REQUEST_ID).wait()


@needs_socks
@pytest.mark.parametrize(("call", "kind"), [(wait, errors.InferenceTimeout), (submit, errors.NotSent)])
@pytest.mark.parametrize("way", WAYS)
def test_a_silent_socks_proxy_is_not_waited_for_beyond_the_limit(
    monkeypatch: pytest.MonkeyPatch, way: str, call: Step, kind: type
) -> None:
    with HostileServer(patience=PATIENCE) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{proxy.port}")
        assert_ends_in_time(way, call, kind)


@pytest.mark.parametrize(("call", "kind"), [(wait, errors.InferenceTimeout), (submit, errors.NotSent)])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("beginning", [b"", b"HTTP/1.1 200 OK\r\nx-long: "], ids=["silent", "dripping"])
def test_a_tunnel_is_not_waited_for_beyond_the_limit(
    monkeypatch: pytest.MonkeyPatch, way: str, beginning: bytes, call: Step, kind: type
) -> None:
    with HostileServer(drips(beginning, b"a" if beginning else b""), patience=PATIENCE) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        assert_ends_in_time(way, call, kind)


def assert_ends_in_time(way: str, call: Step, kind: type) -> None:
    started = time.monotonic()
    error = outcome(way, "https://service.example", call, deadline=LIMIT, connect_seconds=LIMIT, attempts=1)
    assert time.monotonic() - started < LIMIT + 1
    assert isinstance(error, kind)


def test_a_custom_transport_goes_by_no_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks4://127.0.0.1:1")
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=ACCEPTED))
    with Client("SG_1", base_url="https://service.example", transport=transport) as client:
        assert client.submit_model("any", {}).request_id == REQUEST_ID
