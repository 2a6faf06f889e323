"""What the double's HTTP server makes of requests that are no ordinary ones, over raw sockets."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from segmind_mock import DEFAULT_KEY, Double, MovableClock, Settings, serve, server

SECONDS = 10.0
"""For one read of a socket, before an error."""
BODY = b'{"prompt":"a cabin"}'
UPGRADE_TO_HTTP2 = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAA\r\n"


@pytest.fixture
def settings() -> Settings:
    return Settings()


@pytest.fixture
def connection(address: str) -> Iterator[socket.socket]:
    with connect(address) as connected:
        yield connected


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=SECONDS)


def post(headers: bytes = b"", body: bytes = BODY, framing: bytes | None = None) -> bytes:
    """A good submit."""
    head = (
        b"POST /v2/imagen-4 HTTP/1.1\r\nHost: double\r\nx-api-key: %s\r\nContent-Type: application/json\r\n"
        % DEFAULT_KEY.encode()
    )
    return head + headers + (framing or b"Content-Length: %d\r\n" % len(body)) + b"\r\n" + body


def read_statuses(connection: socket.socket, number: int = 1) -> list[int]:
    """The statuses of the next responses; fewer where the connection ends earlier."""
    received = b""
    for _ in range(1000):
        statuses = [int(status) for status in re.findall(rb"HTTP/1.1 (\d{3})", received)]
        if len(statuses) >= number and received.endswith((b"}", b"large.")):
            return statuses
        part = connection.recv(65536)
        if not part:
            return statuses
        received += part
    raise AssertionError("no end of the responses")


class TestUpgrade:
    @pytest.mark.parametrize("upgrade", [b"h2c", b"websocket", b"TLS/1.0"])
    def test_a_post_that_offers_an_upgrade_keeps_its_body(
        self, connection: socket.socket, double: Double, upgrade: bytes
    ) -> None:
        connection.sendall(post(UPGRADE_TO_HTTP2.replace(b"h2c", upgrade)))
        assert read_statuses(connection) == [200]
        assert [row.body for row in double.requests(accepted=True)] == [BODY.decode()]

    @pytest.mark.parametrize("size", [1, 7, 100])
    def test_a_post_that_offers_an_upgrade_may_come_in_pieces(self, connection: socket.socket, size: int) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request = post(UPGRADE_TO_HTTP2)
        for start in range(0, len(request), size):
            connection.send(request[start : start + size])
        assert read_statuses(connection) == [200]

    def test_a_chunked_post_that_offers_an_upgrade_keeps_its_body(
        self, connection: socket.socket, double: Double
    ) -> None:
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (BODY[:5], BODY[5:])) + b"0\r\n\r\n"
        connection.sendall(post(UPGRADE_TO_HTTP2, chunks, b"Transfer-Encoding: chunked\r\n"))
        assert read_statuses(connection) == [200]
        assert [row.body for row in double.requests(accepted=True)] == [BODY.decode()]

    def test_the_connection_stays_open_after_a_post_that_offers_an_upgrade(self, connection: socket.socket) -> None:
        connection.sendall(post(UPGRADE_TO_HTTP2))
        first = read_statuses(connection)
        connection.sendall(post())
        assert (first, read_statuses(connection)) == ([200], [200])

    def test_pipelined_posts_that_offer_an_upgrade_are_both_answered(self, connection: socket.socket) -> None:
        connection.sendall(post(UPGRADE_TO_HTTP2) * 2)
        assert read_statuses(connection, 2) == [200, 200]

    def test_a_connect_request_is_refused(self, connection: socket.socket) -> None:
        connection.sendall(b"CONNECT host:443 HTTP/1.1\r\nHost: host:443\r\n" + UPGRADE_TO_HTTP2 + b"\r\n")
        assert read_statuses(connection)[0] in (400, 404, 405)

    @pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
    def test_curl_posts_with_http2(self, address: str) -> None:
        command = ["curl", "--silent", "--http2", "--max-time", "10", f"{address}/v2/imagen-4", "--data", BODY.decode()]
        headers = ["-H", f"x-api-key: {DEFAULT_KEY}", "-H", "content-type: application/json"]
        run = subprocess.run([*command, *headers], capture_output=True, text=True, check=True)
        assert '"QUEUED"' in run.stdout

    @pytest.mark.skipif(shutil.which("java") is None, reason="Java is not installed")
    def test_javas_own_client_posts_with_its_defaults(self, address: str, tmp_path: Path) -> None:
        program = tmp_path / "Post.java"
        program.write_text(JAVA, encoding="utf-8")
        command = ["java", "-XX:TieredStopAtLevel=1", str(program), f"{address}/v2/imagen-4", DEFAULT_KEY]
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        if "jdk.compiler" in run.stderr:
            pytest.skip("this Java has no compiler")
        assert run.stdout.startswith("200 "), run.stdout + run.stderr


JAVA = """
import java.net.URI;
import java.net.http.*;

public class Post {
    public static void main(String[] arguments) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(arguments[0]))
            .header("x-api-key", arguments[1]).header("content-type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString("{\\"prompt\\":\\"a cabin\\"}")).build();
        HttpResponse<String> response = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
        System.out.println(response.statusCode() + " " + response.body());
    }
}
"""


LONG_HEADERS = {"one long header": b"x-long: %s\r\n" % (b"x" * 70_000), "many headers": b"x-many: 1\r\n" * 7000}


class TestHeads:
    @pytest.mark.parametrize("headers", LONG_HEADERS.values(), ids=LONG_HEADERS.keys())
    def test_a_head_over_64_kib_is_431_and_the_connection_is_closed(
        self, connection: socket.socket, double: Double, headers: bytes
    ) -> None:
        connection.sendall(post(headers))
        assert read_statuses(connection) == [431]
        assert connection.recv(1) == b""
        assert double.requests() == []

    def test_a_url_over_64_kib_is_431(self, connection: socket.socket) -> None:
        connection.sendall(b"GET /%s HTTP/1.1\r\nHost: double\r\n\r\n" % (b"x" * 70_000))
        assert read_statuses(connection) == [431]

    @pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 431)])
    def test_a_head_may_be_exactly_as_long_as_the_limit(
        self, monkeypatch: pytest.MonkeyPatch, more: int, status: int
    ) -> None:
        monkeypatch.setattr(server, "LONGEST_HEAD", 1000)
        lines = post().partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
        # Each header counts with a colon, a space and the end of its line.
        used = len("/v2/imagen-4") + sum(len(line) + 2 for line in lines) + len("x-long: \r\n")
        with serve(Double(clock=MovableClock()).app) as url, connect(url) as connection:
            connection.sendall(post(b"x-long: %s\r\n" % (b"x" * (1000 - used + more))))
            assert read_statuses(connection) == [status]

    def test_a_head_of_60_kib_is_read(self, connection: socket.socket) -> None:
        connection.sendall(post(b"x-long: %s\r\n" % (b"x" * 61_000)))
        assert read_statuses(connection) == [200]

    def test_a_large_body_after_a_head_of_60_kib_is_read(self, connection: socket.socket) -> None:
        body = b'{"prompt":"x","more":"%s"}' % (b"x" * 500_000)
        connection.sendall(post(b"x-long: %s\r\n" % (b"x" * 61_000), body))
        assert read_statuses(connection) == [200]

    def test_trailers_over_64_kib_are_431(self, connection: socket.socket) -> None:
        chunks = b"%x\r\n%s\r\n0\r\n" % (len(BODY), BODY) + b"x-long: %s\r\n\r\n" % (b"x" * 400_000)
        connection.sendall(post(body=chunks, framing=b"Transfer-Encoding: chunked\r\n"))
        assert 431 in read_statuses(connection)

    def test_a_head_of_60_mb_does_not_delay_other_callers(self, connection: socket.socket, call: httpx.Client) -> None:
        call.get("/v1/get-user-credits")
        connection.settimeout(SECONDS)
        connection.sendall(b"GET / HTTP/1.1\r\nx-long: ")
        part = b"x" * 1_000_000
        longest = 0.0
        try:
            for _ in range(60):
                connection.sendall(part)
                before = time.monotonic()
                call.get("/v1/get-user-credits")
                longest = max(longest, time.monotonic() - before)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert longest < 0.5

    @pytest.mark.parametrize("sent", [b"", b"GET / HT", b"\r\n", b"GET / HTTP/1.1\r\nHost: double\r\nx-slow: 1"])
    def test_a_head_that_does_not_end_is_cut_off(self, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
        monkeypatch.setattr(server, "HEAD_SECONDS", 0.2)
        with serve(Double(clock=MovableClock()).app) as url, connect(url) as connection:
            connection.sendall(sent)
            assert connection.recv(1) == b""

    def test_a_head_that_drips_is_cut_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(server, "HEAD_SECONDS", 0.2)
        with serve(Double(clock=MovableClock()).app) as url, connect(url) as connection:
            connection.settimeout(0.02)
            deadline = time.monotonic() + SECONDS
            connection.sendall(b"GET / HTTP/1.1\r\nx-slow: ")
            while drips(connection):
                assert time.monotonic() < deadline

    def test_a_second_head_on_a_connection_that_does_not_end_is_cut_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(server, "HEAD_SECONDS", 0.2)
        with serve(Double(clock=MovableClock()).app) as url, connect(url) as connection:
            connection.sendall(post())
            statuses = read_statuses(connection)
            connection.sendall(b"GET / HT")
            assert (statuses, connection.recv(1)) == ([200], b"")

    def test_a_body_may_take_longer_than_a_head(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(server, "HEAD_SECONDS", 0.1)
        with serve(Double(clock=MovableClock()).app) as url, connect(url) as connection:
            request = post()
            connection.sendall(request[:-5])
            connection.settimeout(0.3)
            with pytest.raises(TimeoutError):
                connection.recv(1)
            connection.settimeout(SECONDS)
            connection.sendall(request[-5:])
            assert read_statuses(connection) == [200]


def drips(connection: socket.socket) -> bool:
    """Sends another byte; whether the connection is open."""
    try:
        connection.sendall(b"x")
        return connection.recv(1) != b""
    except TimeoutError:
        return True
    except ConnectionError:
        return False
