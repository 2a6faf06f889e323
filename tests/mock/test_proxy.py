"""The checking proxy, before a service that obeys the contract and before one that does not."""

from __future__ import annotations

import gzip
import json
import re
import socket
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from segmind_client import Client, MayHaveBeenAccepted
from segmind_mock import DEFAULT_KEY, Double, serve
from segmind_mock.proxy import LARGEST_HELD, proxy_app
from tests.support.contract import DOCUMENTED, OPERATIONS, path_of
from tests.support.servers import HostileServer

PROMPT = {"prompt": "x"}


@pytest.fixture
def reported() -> list[str]:
    return []


@pytest.fixture
def call(address: str, reported: list[str]) -> Iterator[httpx.Client]:
    """A caller of a proxy in front of the double."""
    with (
        serve(proxy_app(address, reported.append)) as proxy,
        httpx.Client(base_url=proxy, headers={"x-api-key": DEFAULT_KEY}) as client,
    ):
        yield client


def test_what_fits_the_contract_is_passed_on_and_not_reported(
    call: httpx.Client, reported: list[str], double: Double
) -> None:
    for operation_id, status in DOCUMENTED:
        method, _, operation = OPERATIONS[operation_id]
        body = PROMPT if "requestBody" in operation else None
        response = call.request(method, path_of(operation_id), json=body, headers={"prefer": f"code={status}"})
        assert response.status_code == status
    assert call.post("/v1/imagen-4-fast", json={"prompt": "x", "seed": 7}).headers["x-seed-value"] == "7"
    submitted = call.post("/v2/imagen", json=PROMPT)
    assert submitted.json()["status"] == "QUEUED"
    assert len(double.requests(accepted=True)) == 2
    assert reported == []


MISFITS: dict[str, tuple[Callable[[httpx.Client], Any], str]] = {
    "a value out of range": (
        lambda call: call.post("/v1/imagen-4-fast", json={"prompt": "x", "width": 9}),
        "POST /v1/imagen-4-fast: the request: width: 9 is less than the minimum of 256",
    ),
    "a body that is no JSON": (
        lambda call: call.post("/v2/imagen", content=b"{", headers={"content-type": "application/json"}),
        "POST /v2/imagen: the request: its body is not valid JSON",
    ),
    "a body of another type": (
        lambda call: call.post("/v2/imagen", content=b"{}"),
        "POST /v2/imagen: the request: its Content-Type is not application/json",
    ),
    "no key": (
        lambda call: call.get("/v1/get-user-credits", headers={"x-api-key": ""}),
        "GET /v1/get-user-credits: the request: there is no x-api-key header",
    ),
    "a path that the contract does not have": (
        lambda call: call.get("/v3"),
        "GET /v3: the request: the contract has no such path",
    ),
    "a verb that the contract does not have": (
        lambda call: call.put("/v2/imagen"),
        "PUT /v2/imagen: the request: the contract does not have this method here",
    ),
    "a status that the contract does not have": (
        lambda call: call.get("/v1/get-user-credits", headers={"prefer": "code=418"}),
        "GET /v1/get-user-credits: the response, 418: the contract does not have this status here",
    ),
    "a response of another type": (
        lambda call: call.get("/v1/get-user-credits", headers={"prefer": "html=504"}),
        "GET /v1/get-user-credits: the response, 504: its Content-Type is text/html, the contract has application/json",
    ),
    "a response that is no JSON": (
        lambda call: call.get("/v1/get-user-credits", headers={"prefer": "malformed=json"}),
        "GET /v1/get-user-credits: the response, 200: its body is not valid JSON",
    ),
}


@pytest.mark.parametrize(("misfit", "line"), MISFITS.values(), ids=MISFITS.keys())
def test_each_misfit_is_reported_in_a_line(
    call: httpx.Client, reported: list[str], misfit: Callable[[httpx.Client], Any], line: str
) -> None:
    misfit(call)
    assert any(line in report for report in reported), reported
    assert DEFAULT_KEY not in "".join(reported)


def test_a_dropped_connection_is_reported_and_dropped_for_the_caller(call: httpx.Client, reported: list[str]) -> None:
    with pytest.raises(httpx.RemoteProtocolError, match="disconnected without sending a response"):
        call.get("/v1/get-user-credits", headers={"prefer": "drop=before"})
    assert any("did not respond: RemoteProtocolError" in line for line in reported)


@pytest.mark.parametrize("fault", [{"drop": "after"}, {"truncate": 0}, {"truncate": 0.5}, {"truncate": 0.9}])
@pytest.mark.parametrize("operation_id", ["submitImagen4", "generateImagen4"])
def test_a_lost_response_to_a_post_is_lost_for_a_client_of_the_proxy_and_nothing_is_paid_twice(
    address: str, double: Double, operation_id: str, fault: dict[str, str | float]
) -> None:
    double.add_fault(fault, operation_id=operation_id)
    with serve(proxy_app(address, print)) as proxy, Client(DEFAULT_KEY, base_url=proxy) as client:
        send = client.submit if operation_id.startswith("submit") else client.generate
        with pytest.raises(MayHaveBeenAccepted) as caught:
            send("imagen-4", prompt="x")
    (row,) = double.requests(operation_id, accepted=True)
    if operation_id == "submitImagen4" and fault == {"truncate": 0.9}:
        assert caught.value.request_id == row.request_id


def test_a_caller_who_hangs_up_ends_the_request_to_the_service() -> None:
    with HostileServer(lambda _: []) as silent, serve(proxy_app(silent.url, print)) as proxy:
        host, port = proxy.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as caller:
            caller.sendall(b"GET /v1/get-user-credits HTTP/1.1\r\nHost: x\r\n\r\n")
            silent.wait_until(lambda: silent.count("GET", "/v1/get-user-credits") == 1)
            assert not silent.all_closed()
        silent.wait_until(silent.all_closed)


STATUS = "/v2/requests/7c9e6679-7425-40de-944b-e07fc1f90ae7/status"
SERVICE = "https://service.example"
SECRET = "SG_5ec4e75ec4e75ec4"  # noqa: S105  nobody holds it
MEGABYTE = b"x" * 1_000_000


@contextmanager
def proxied(
    answer: Callable[[httpx.Request], httpx.Response], upstream: str = SERVICE
) -> Generator[tuple[str, list[str]]]:
    """The URL of a proxy in front of a service, and the lines that it reports."""
    reported: list[str] = []
    with serve(proxy_app(upstream, reported.append, transport=httpx.MockTransport(answer))) as url:
        yield url, reported


class Service:
    """A service on a port that responds as it is told, and keeps the headers of its requests."""

    def __init__(self, body: Iterator[bytes] | list[bytes], *headers: tuple[bytes, bytes], ends: bool = True) -> None:
        self._parts = body
        self._headers = headers
        self._ends = ends
        self.seen: list[list[tuple[bytes, bytes]]] = []
        self.received = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        self.seen.append(scope["headers"])
        more = True
        while more:
            message = await receive()
            self.received += len(message.get("body", b""))
            more = message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": [*self._headers]})
        for part in self._parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        if self._ends:
            await send({"type": "http.response.body", "body": b""})


@contextmanager
def before(service: Service) -> Generator[tuple[httpx.Client, list[str]]]:
    """A caller of a proxy in front of a service, and the lines that it reports."""
    reported: list[str] = []
    with (
        serve(service) as upstream,
        serve(proxy_app(upstream, reported.append)) as proxy,
        httpx.Client(base_url=proxy, headers={"x-api-key": SECRET}) as client,
    ):
        yield client, reported


JSON = (b"content-type", b"application/json")


class TestUrls:
    def test_a_client_of_the_proxy_stays_with_the_proxy(self, address: str, double: Double) -> None:
        with serve(proxy_app(address, print)) as proxy, Client(DEFAULT_KEY, base_url=proxy) as client:
            submitted = client.submit("imagen-4", prompt="x").submitted
            double.complete(submitted.request_id)
            assert str(submitted["status_url"]).startswith(f"{proxy}/v2/")
            assert str(submitted["response_url"]).startswith(f"{proxy}/v2/")
            assert client.job(submitted.request_id).wait().status == "COMPLETED"

    @pytest.mark.parametrize("name", ["status_url", "response_url", "poll_url"])
    @pytest.mark.parametrize(
        ("upstream", "url", "path"),
        [
            (SERVICE, "https://service.example/v2/a", "/v2/a"),
            (SERVICE, "https://SERVICE.example:443/v2/a?b=1&c=%2F#d", "/v2/a?b=1&c=%2F#d"),
            (f"{SERVICE}/base/", "https://service.example/base/v2/a", "/v2/a"),
            ("https://user:secret@service.example", "https://service.example/v2/a", "/v2/a"),
            ("http://127.0.0.1:4010", "http://127.0.0.1:4010/v2/a", "/v2/a"),
        ],
    )
    def test_a_url_of_a_job_leads_back_to_the_proxy(self, name: str, upstream: str, url: str, path: str) -> None:
        with proxied(lambda _: httpx.Response(200, json={name: url}), upstream) as (proxy, _):
            assert httpx.get(f"{proxy}{STATUS}").json() == {name: f"{proxy}{path}"}

    @pytest.mark.parametrize(
        "url",
        [
            "https://other.example/v2/a",
            "http://service.example/v2/a",
            "https://service.example:444/v2/a",
            "https://service.example.evil/v2/a",
            "https://user@service.example/v2/a",
            "/v2/a",
            "",
            "https://[",
        ],
    )
    def test_a_url_of_another_host_is_not_changed(self, url: str) -> None:
        with proxied(lambda _: httpx.Response(200, json={"status_url": url})) as (proxy, _):
            assert httpx.get(f"{proxy}{STATUS}").json() == {"status_url": url}

    def test_a_url_outside_the_path_of_the_service_is_not_changed(self) -> None:
        url = "https://service.example/based/v2/a"
        with proxied(lambda _: httpx.Response(200, json={"status_url": url}), f"{SERVICE}/base") as (proxy, _):
            assert httpx.get(f"{proxy}{STATUS}").json() == {"status_url": url}

    def test_everything_else_in_a_body_stays_as_it_came(self) -> None:
        before_it = b'{ "n": 1.0e5, "big": 123456789012345678901234567890, "output": "https:\\/\\/service.example/a", '
        text = b'"text": "\\"status_url\\": \\"https://service.example/a\\"", '
        body = before_it + text + b'"status_url" : "https:\\/\\/service.example\\/a"}'
        with proxied(lambda _: httpx.Response(200, content=body, headers=[JSON])) as (proxy, _):
            content = httpx.get(f"{proxy}{STATUS}").content
            assert content == before_it + text + b'"status_url" : "%s/a"}' % proxy.encode()

    def test_a_redirect_within_the_service_leads_back_to_the_proxy(self) -> None:
        with proxied(lambda _: httpx.Response(307, headers={"location": f"{SERVICE}/v2/b"})) as (proxy, _):
            assert httpx.get(f"{proxy}/v2/a").headers["location"] == f"{proxy}/v2/b"

    @pytest.mark.parametrize("target", [b"*", b"//evil.example/a", b"/@evil.example", b"/a%2Fb/..%2F?x=%20"])
    def test_no_path_leads_to_another_host(self, target: bytes) -> None:
        called: list[httpx.URL] = []

        def answer(request: httpx.Request) -> httpx.Response:
            called.append(request.url)
            return httpx.Response(404)

        with proxied(answer) as (proxy, _):
            parts = urlsplit(proxy)
            with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
                connection.sendall(b"OPTIONS %s HTTP/1.1\r\nHost: proxy\r\n\r\n" % target)
                assert connection.recv(12) == b"HTTP/1.1 404"
        assert {url.host for url in called} <= {"service.example"}


ENCODED = {
    "brotli": ("br", b"\x0b\x02\x80{}ab\x03"),
    "zstd": ("zstd", b"\x28\xb5\x2f\xfd"),
    "gzip that is none": ("gzip", b"no gzip at all"),
    "gzip that is cut": ("gzip", gzip.compress(b"{}")[:-6]),
    "gzip twice": ("gzip, gzip", gzip.compress(gzip.compress(b"{}"))),
    "gzip without a URL of the service": ("gzip", gzip.compress(b'{"status_url": "https://other.example"}')),
    "deflate": ("deflate", zlib.compress(b"{}")),
}


class TestEncodings:
    @pytest.mark.parametrize(("encoding", "body"), ENCODED.values(), ids=ENCODED.keys())
    def test_an_encoded_body_stays_as_it_came(self, encoding: str, body: bytes) -> None:
        headers = [JSON, (b"content-encoding", encoding.encode())]
        with before(Service([body], *headers)) as (client, _), client.stream("GET", STATUS) as response:
            assert response.headers["content-encoding"] == encoding
            assert b"".join(response.iter_raw()) == body

    def test_a_body_that_cannot_be_decoded_is_reported(self) -> None:
        service = Service([b"\x0b\x02\x80"], JSON, (b"content-encoding", b"br"))
        with before(service) as (client, reported), client.stream("GET", STATUS):
            pass
        assert any("its body was not checked: it cannot be decoded from 'br'" in line for line in reported)

    @pytest.mark.parametrize(("encoding", "encode"), [(b"gzip", gzip.compress), (b"deflate", zlib.compress)])
    def test_a_body_that_can_be_decoded_is_checked(self, encoding: bytes, encode: Callable[[bytes], bytes]) -> None:
        service = Service([encode(b'{"status": 1}')], JSON, (b"content-encoding", encoding))
        with before(service) as (client, reported):
            client.get(STATUS)
        assert any("status: 1 is not" in line for line in reported), reported

    def test_a_url_in_an_encoded_body_leads_back_to_the_proxy(self) -> None:
        body = gzip.compress(json.dumps({"status_url": f"{SERVICE}/v2/a"}).encode())
        answer = httpx.Response(200, headers=[JSON, (b"content-encoding", b"gzip")], stream=httpx.ByteStream(body))
        with proxied(lambda _: answer) as (proxy, _):
            response = httpx.get(f"{proxy}{STATUS}")
        assert response.json() == {"status_url": f"{proxy}/v2/a"}
        assert "content-encoding" not in response.headers

    def test_the_service_is_asked_for_bodies_that_the_proxy_can_read(self) -> None:
        service = Service([b"{}"], JSON)
        with before(service) as (client, _):
            client.get(STATUS, headers={"accept-encoding": "br"})
        assert [value for name, value in service.seen[0] if name == b"accept-encoding"] == [b"identity"]


class TestHeaders:
    def test_a_cookie_is_not_kept_for_the_next_caller(self) -> None:
        service = Service([b"{}"], JSON, (b"set-cookie", b"session=of-the-first; Path=/"))
        with before(service) as (client, _):
            client.get(STATUS)
            client.cookies.clear()
            client.get(STATUS)
        assert [name for name, _ in service.seen[1] if name == b"cookie"] == []

    def test_the_callers_own_cookie_is_passed_on(self) -> None:
        service = Service([b"{}"], JSON)
        with before(service) as (client, _):
            client.get(STATUS, headers={"cookie": "a=1; b=2"})
        assert (b"cookie", b"a=1; b=2") in service.seen[0]

    def test_several_cookies_stay_several(self) -> None:
        cookies = [b"a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT", b"b=2"]
        with before(Service([b"{}"], JSON, *[(b"set-cookie", value) for value in cookies])) as (client, _):
            response = client.get(STATUS)
        assert response.headers.get_list("set-cookie") == [value.decode() for value in cookies]

    HOP_BY_HOP = (
        *("keep-alive", "proxy-connection", "te", "trailer", "upgrade", "proxy-authenticate", "proxy-authorization"),
        *("x-named-by-connection", "x-also-named"),
    )
    NAMING = (b"connection", b"close, X-Named-By-Connection ,x-also-named")

    def test_headers_for_one_connection_are_not_passed_on_to_the_service(self) -> None:
        service = Service([b"{}"], JSON)
        headers = [*[(name.encode(), b"value") for name in self.HOP_BY_HOP], self.NAMING, (b"x-passed", b"on")]
        with before(service) as (client, _):
            client.get(STATUS, headers=headers)
        seen = {name.decode() for name, _ in service.seen[0]}
        assert seen & {*self.HOP_BY_HOP, "connection", "transfer-encoding"} == set()
        assert "x-passed" in seen

    def test_headers_for_one_connection_are_not_passed_back_to_the_caller(self) -> None:
        headers = [*[(name.encode(), b"value") for name in self.HOP_BY_HOP], self.NAMING, (b"x-passed", b"back")]
        with before(Service([b"{}"], JSON, *headers)) as (client, _):
            seen = {*client.get(STATUS).headers}
        assert seen & {*self.HOP_BY_HOP, "connection"} == set()
        assert "x-passed" in seen

    def test_a_caller_without_a_user_agent_stays_without(self) -> None:
        service = Service([b"{}"], JSON)
        with before(service) as (client, _):
            request = client.build_request("GET", STATUS)
            del request.headers["user-agent"]
            client.send(request)
        assert [name for name, _ in service.seen[0] if name == b"user-agent"] == []

    @pytest.mark.parametrize("status", [204, 304])
    def test_a_response_without_a_body_may_declare_a_length(self, status: int) -> None:
        with proxied(lambda _: httpx.Response(status, headers={"content-length": "7"})) as (proxy, _):
            assert httpx.get(f"{proxy}{STATUS}").status_code == status

    def test_a_head_request_gets_the_length_of_the_body_that_it_does_not_get(self) -> None:
        headers = {"content-type": "application/json", "content-length": "7", "content-encoding": "gzip"}
        with proxied(lambda _: httpx.Response(200, headers=headers)) as (proxy, reported):
            assert httpx.head(f"{proxy}{STATUS}").headers["content-length"] == "7"
        assert not any("decoded" in line for line in reported)


def megabytes(number: int) -> Iterator[bytes]:
    return (MEGABYTE for _ in range(number))


class TestSizes:
    """Bodies are passed on in pieces."""

    @pytest.fixture(autouse=True)
    def little_memory(self) -> Iterator[None]:
        tracemalloc.start()
        yield
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 4 * LARGEST_HELD

    @pytest.mark.parametrize("content_type", [b"image/png", b"application/json"])
    def test_a_large_response_is_passed_on(self, content_type: bytes) -> None:
        service = Service(megabytes(80), (b"content-type", content_type))
        with before(service) as (client, _), client.stream("GET", STATUS) as response:
            assert sum(len(part) for part in response.iter_raw()) == 80_000_000

    def test_a_large_request_is_passed_on(self) -> None:
        service = Service([b"{}"], JSON)
        with before(service) as (client, reported):
            client.post("/v2/imagen-4", content=megabytes(80), headers={"content-type": "application/json"})
        assert service.received == 80_000_000
        assert any("the request: its body is longer than" in line for line in reported)

    def test_a_gzip_bomb_is_passed_on_as_it_came(self) -> None:
        packer = zlib.compressobj(wbits=31)
        bomb = b"".join(map(packer.compress, megabytes(400))) + packer.flush()
        service = Service([bomb], JSON, (b"content-encoding", b"gzip"))
        with before(service) as (client, reported), client.stream("GET", STATUS) as response:
            assert b"".join(response.iter_raw()) == bomb
        assert any("its body was not checked" in line for line in reported)

    def test_a_response_that_is_cut_is_cut_for_the_caller(self) -> None:
        service = Service([MEGABYTE], (b"content-type", b"image/png"), (b"content-length", b"2000000"), ends=False)
        with before(service) as (client, reported), pytest.raises(httpx.RemoteProtocolError):
            client.get(STATUS)
        assert any("ended its response early" in line for line in reported)


REPEATING: dict[str, Callable[[str], httpx.Response]] = {
    "a value": lambda key: httpx.Response(200, json={"status": key}),
    "a name": lambda key: httpx.Response(200, json={key: 1, "request_id": [key]}),
    "no JSON": lambda key: httpx.Response(200, content=f"{key}", headers=[JSON]),
    "the content type": lambda key: httpx.Response(200, headers={"content-type": key}),
    "the encoding": lambda key: httpx.Response(200, content=b"x", headers=[JSON, (b"content-encoding", key.encode())]),
    "a header": lambda key: httpx.Response(200, json={}, headers={"x-cost": key, "x-ratelimit-reset": key}),
}


class TestSecrets:
    FORMS = (SECRET, SECRET.upper(), "SG_ffffffffffffffff")

    @pytest.mark.parametrize("repeated", FORMS)
    @pytest.mark.parametrize(
        "answer",
        REPEATING.values(),
        ids=REPEATING.keys(),
    )
    def test_a_key_that_the_service_repeats_is_masked(
        self, answer: Callable[[str], httpx.Response], repeated: str
    ) -> None:
        with proxied(lambda _: answer(repeated)) as (proxy, reported):
            for path in (STATUS, "/v1/get-user-credits"):
                httpx.get(f"{proxy}{path}", headers={"x-api-key": SECRET})
            httpx.post(f"{proxy}/v1/imagen", json={"prompt": "x"}, headers={"x-api-key": SECRET})
        assert reported
        assert not any(form.lower() in line.lower() for line in reported for form in (SECRET, repeated))

    @pytest.mark.parametrize("key", ["of-another-form", 'with"quote', "with\\backslash", "x'y", "a%b c"])
    @pytest.mark.parametrize("header", ["x-api-key", "authorization"])
    def test_a_key_of_any_form_is_masked_by_its_value(self, key: str, header: str) -> None:
        body = {"status": key, "request_id": f"say {key}!"}
        value = f"Bearer {key.replace(' ', '_')}" if header == "authorization" else key
        body = {name: text.replace(" c", "_c") if header == "authorization" else text for name, text in body.items()}
        with proxied(lambda _: httpx.Response(200, json=body)) as (proxy, reported):
            httpx.get(f"{proxy}{STATUS}", headers={header: value})
        assert any("***" in line for line in reported)
        assert not any(word in line for line in reported for word in ("another", "quote", "backslash", "x'y", "a%b"))

    def test_a_key_in_the_path_is_masked(self) -> None:
        with proxied(lambda _: httpx.Response(200)) as (proxy, reported):
            httpx.get(f"{proxy}/v3/{SECRET}")
        assert len(reported) == 2
        assert SECRET not in "".join(reported)

    def test_an_error_that_names_a_key_and_a_password_names_neither(self) -> None:
        def fail(_: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError(f"illegal header: {SECRET}, https://user:password@service.example")

        with proxied(fail, "https://user:password@service.example") as (proxy, reported):
            response = httpx.get(f"{proxy}{STATUS}", headers={"x-api-key": SECRET})
        assert response.status_code == 502
        assert response.json() == {"error": "https://service.example cannot be reached"}
        assert any("https://service.example cannot be reached: ConnectError" in line for line in reported)
        assert not any(word in line for line in reported for word in (SECRET, "password"))

    def test_a_misfit_is_one_line_of_a_bounded_length(self) -> None:
        body = {"status": "a\nb" * 100_000}
        with proxied(lambda _: httpx.Response(200, json=body)) as (proxy, reported):
            httpx.get(f"{proxy}{STATUS}%0Aforged: line")
        assert all("\n" not in line and len(line) <= 2000 for line in reported)

    @pytest.mark.parametrize(
        "upstream",
        [
            "ftp://user:password@host",
            "user:password@host",
            "https://user:password@host:port",
            "https://host?k=password",
            "https://",
        ],
    )
    def test_an_upstream_that_is_none_is_refused_without_its_password(self, upstream: str) -> None:
        command = [sys.executable, "-m", "segmind_mock", "proxy", "--upstream", upstream, "--port", "0"]
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        assert (run.returncode, run.stdout) == (1, "")
        assert run.stderr == "segmind-mock: --upstream: expected a URL such as https://host, without a query\n"

    def test_the_command_prints_the_upstream_without_its_password_and_passes_one_date_on(self, address: str) -> None:
        upstream = address.replace("//", "//user:password@")
        command = [sys.executable, "-m", "segmind_mock", "proxy", "--upstream", upstream, "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                printed = process.stdout.readline()
                (proxy,) = re.findall(r"Calls to (\S+) go to", printed)
                response = httpx.get(f"{proxy}/v1/get-user-credits", headers={"x-api-key": DEFAULT_KEY})
            finally:
                process.terminate()
        assert f"go to {address};" in printed
        assert response.status_code == 200
        assert len(response.headers.get_list("date")) <= 1


def test_a_state_and_a_header_that_the_contract_does_not_have_are_reported(reported: list[str]) -> None:
    answers = {
        "/v1/imagen": httpx.Response(200, json={}, headers={"x-cost": "much", "x-request-id": "1"}),
        "/v2/requests/a/status": httpx.Response(200, json={"request_id": "a", "status": "PAUSED", "metrics": {}}),
    }
    transport = httpx.MockTransport(lambda request: answers[request.url.path])
    with serve(proxy_app("https://service.example", reported.append, transport=transport)) as proxy:
        httpx.post(f"{proxy}/v1/imagen", json=PROMPT, headers={"x-api-key": "k"})
        httpx.get(f"{proxy}/v2/requests/a/status", headers={"x-api-key": "k"})
    text = "\n".join(reported)
    assert "the header x-cost is 'much', the contract has a value of type number" in text
    assert "the header x-remaining-credits is missing" in text
    assert 'status: "PAUSED" is not one of' in text
    assert 'request_id: "a" is not a "uuid"' in text
