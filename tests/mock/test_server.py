"""The double on a port: `serve`, `segmind-mock` and `python -m segmind_mock`."""

from __future__ import annotations

import errno
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import pytest

from segmind_mock import DEFAULT_KEY, Double, serve
from segmind_mock.__main__ import without_password
from segmind_mock.contract import Contract
from segmind_mock.server import listen, url_of
from tests.support.servers import free_port

COMMANDS = {
    "segmind-mock": [str(Path(sys.executable).with_name("segmind-mock"))],
    "python -m segmind_mock": [sys.executable, "-m", "segmind_mock"],
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_the_command_serves_with_a_ready_key_until_it_is_interrupted(command: Sequence[str]) -> None:
    arguments = ["--port", str(free_port()), "--latency-factor", "0", "--credits", "7"]
    with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed = "".join(process.stdout.readline() for _ in range(4))
        address, key = re.findall(r"export \w+=(\S+)", printed)
        transport = httpx.HTTPTransport(retries=6)
        with httpx.Client(base_url=address, headers={"x-api-key": key}, transport=transport) as client:
            assert client.get("/v1/get-user-credits").json() == {"credits": 7.0, "free-credits": 0.0}
            submitted = client.post("/v2/imagen", json={"prompt": "x"}).json()
            assert client.get(submitted["status_url"]).json()["status"] == "COMPLETED"
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(timeout=10) == 0
        finally:
            process.kill()
    assert key == DEFAULT_KEY


def test_the_command_says_what_to_install_where_the_extra_is_missing(tmp_path: Path) -> None:
    (tmp_path / "uvicorn.py").write_text("raise ModuleNotFoundError('none', name='uvicorn')")
    run = subprocess.run(
        COMMANDS["python -m segmind_mock"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr == "uvicorn is missing; install it with: pip install 'segmind-openapi[mock]'\n"


def test_a_port_that_is_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        expected = f"port {port} is in use: stop what listens there, or choose another with --port"
        with pytest.raises(OSError, match=expected) as raised, serve(Double().app, port=port):
            pass
    assert raised.value.errno == errno.EADDRINUSE


def refused(*arguments: str) -> str:
    """What the command says when it does not start."""
    run = subprocess.run(
        [*COMMANDS["python -m segmind_mock"], *arguments], capture_output=True, text=True, check=False, timeout=30
    )
    assert run.returncode == 1
    assert run.stdout == ""
    return run.stderr


@pytest.mark.parametrize("command", [[], ["proxy", "--upstream", "https://service.example"]], ids=["double", "proxy"])
def test_the_command_names_a_port_that_is_in_use(command: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        message = refused("--port", port, *command)
    assert message == (f"segmind-mock: port {port} is in use: stop what listens there, or choose another with --port\n")


def test_the_command_names_a_host_that_there_is_not() -> None:
    assert "'no-such-host.invalid' is not a name or IP address of this machine" in refused(
        "--host", "no-such-host.invalid"
    )


@pytest.mark.parametrize(
    ("store", "shown"),
    [
        ("redis://user:secret@host:6379/0", "redis://host:6379/0"),
        ("rediss://:s@cret@host?password=secret", "rediss://host"),
        ("redis://host:6379", "redis://host:6379"),
        ("sqlite:/tmp/a@b.db", "sqlite:/tmp/a@b.db"),
        ("memory", "memory"),
    ],
)
def test_the_place_of_the_state_is_shown_without_a_password(store: str, shown: str) -> None:
    assert without_password(store) == shown


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_the_command_prints_the_url_of_its_host(host: str) -> None:
    if host == "::1" and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    with started("--host", host) as (_, variables):
        url = variables["SEGMIND_BASE_URL"]
        assert urlsplit(url).hostname == host
        headers = {"x-api-key": variables["SEGMIND_API_KEY"], "content-type": "application/json"}
        submitted = httpx.post(f"{url}/v2/imagen", content=b'{"prompt": "x"}', headers=headers).json()
        assert submitted["status_url"].startswith(f"{url}/v2/")
        assert httpx.get(f"{url}/_mock/clock").status_code == 200


@pytest.mark.parametrize(
    ("host", "authority"), [("::1", "[::1]"), ("localhost", "localhost"), ("127.0.0.1", "127.0.0.1")]
)
def test_a_url_has_brackets_around_an_ipv6_address(host: str, authority: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert url_of(host, listener) == f"http://{authority}:{listener.getsockname()[1]}"


class TestAdminToken:
    @pytest.mark.parametrize("arguments", [["--host", "0.0.0.0"], ["--admin-everywhere"]], ids=" ".join)  # noqa: S104
    def test_is_generated_and_printed_where_other_machines_reach_the_double(self, arguments: list[str]) -> None:
        with started(*arguments) as (_, variables):
            url = variables["SEGMIND_BASE_URL"].replace("0.0.0.0", "127.0.0.1")  # noqa: S104
            token = variables["SEGMIND_MOCK_ADMIN_TOKEN"]
            assert len(token) >= 20
            assert httpx.get(f"{url}/_mock/clock").status_code == 401
            headers = {"authorization": f"Bearer {token}"}
            assert httpx.get(f"{url}/_mock/clock", headers=headers).status_code == 200

    @pytest.mark.parametrize("how", ["option", "environment"])
    def test_is_taken_from_the_option_or_the_environment_and_not_printed(
        self, how: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        arguments = ["--admin-token", "a-token"] if how == "option" else []
        if how == "environment":
            monkeypatch.setenv("SEGMIND_MOCK_ADMIN_TOKEN", "a-token")
        with started(*arguments, "--workers", "2") as (_, variables):
            url = variables["SEGMIND_BASE_URL"]
            assert "SEGMIND_MOCK_ADMIN_TOKEN" not in variables
            assert httpx.get(f"{url}/_mock/clock").status_code == 401
            headers = {"authorization": "Bearer a-token"}
            assert httpx.get(f"{url}/_mock/clock", headers=headers).status_code == 200

    def test_is_not_needed_on_loopback(self) -> None:
        with started() as (_, variables):
            assert "SEGMIND_MOCK_ADMIN_TOKEN" not in variables
            assert httpx.get(f"{variables['SEGMIND_BASE_URL']}/_mock/clock").status_code == 200


def test_a_host_that_is_not_of_this_machine_is_named() -> None:
    with pytest.raises(OSError, match=r"^\[Errno \d+\] cannot listen on 192.0.2.7, port 0: ") as raised:
        listen("192.0.2.7", 0)
    assert raised.value.errno == errno.EADDRNOTAVAIL


def test_a_port_is_free_again_as_soon_as_the_server_has_stopped() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = int(listener.getsockname()[1])
        with socket.create_connection(("127.0.0.1", port)) as caller:
            accepted, _ = listener.accept()
            # Who closes first keeps the connection's end for a while.
            accepted.close()
            assert caller.recv(1) == b""
    listen("127.0.0.1", port).close()


def test_a_listening_socket_is_inherited_by_worker_processes() -> None:
    with listen("127.0.0.1", 0) as listener:
        assert listener.get_inheritable()


def test_a_name_for_both_families_is_listened_to_over_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo

    def resolve_to_both(host: str, *arguments: Any, **options: Any) -> list[Any]:
        ipv6 = (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("::1", 0, 0, 0))
        return [ipv6, *resolve("127.0.0.1", *arguments, **options)] if host == "both" else [ipv6]

    monkeypatch.setattr(socket, "getaddrinfo", resolve_to_both)
    with listen("both", 0) as listener:
        assert listener.family == socket.AF_INET


def test_small_packets_are_not_delayed() -> None:
    # asyncio sets TCP_NODELAY only where the protocol is named.
    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_headers_of_a_reverse_proxy_are_not_believed() -> None:
    forged = {"x-forwarded-for": "192.0.2.7", "x-forwarded-proto": "https"}
    with serve(Double().app) as url, httpx.Client(headers={"x-api-key": DEFAULT_KEY, **forged}) as client:
        assert client.get(f"{url}/_mock/clock").status_code == 200
        submitted = client.post(f"{url}/v2/imagen", json={"prompt": "x"}).json()
    assert submitted["status_url"].startswith(url)


def test_the_server_does_not_name_itself() -> None:
    with serve(Double().app) as url:
        headers = httpx.get(f"{url}/_mock/health").headers
    assert "server" not in headers
    assert len(headers.get_list("date")) == 1


def test_the_server_stops_while_a_call_is_in_flight() -> None:
    double = Double()
    with serve(double.app) as url:
        host, port = url.removeprefix("http://").split(":")
        connection = socket.create_connection((host, int(port)), timeout=10)
        connection.sendall(b"GET /v1/get-user-credits HTTP/1.1\r\nHost: x\r\nPrefer: latency=3600\r\n\r\n")
        httpx.get(f"{url}/_mock/health")
        before = time.monotonic()
    assert time.monotonic() - before < 10
    connection.close()


# uvicorn ends its thread with SystemExit, of which pytest warns.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_application_that_does_not_start_is_an_error() -> None:
    async def fail(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})

    with pytest.raises(RuntimeError, match="the double did not start"), serve(fail):
        pass


@contextmanager
def started(*arguments: str) -> Generator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The running command, and the variables that it printed."""
    command = [*COMMANDS["python -m segmind_mock"], "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        variables: dict[str, str] = {}
        try:
            for line in process.stdout:
                if line.startswith("State is in"):
                    break
                variables.update(re.findall(r"export (\w+)=(\S+)", line))
            yield process, variables
        finally:
            process.terminate()


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_double_is_used_in_process_without_a_port(backend: str) -> None:
    async def submit_and_fetch() -> str:
        transport = httpx.ASGITransport(Double().app)
        headers = {"x-api-key": DEFAULT_KEY}
        async with httpx.AsyncClient(transport=transport, base_url="http://double", headers=headers) as client:
            submitted = (await client.post("/v2/imagen", json={"prompt": "x"})).json()
            return str((await client.get(submitted["response_url"])).json()["status"])

    assert anyio.run(submit_and_fetch, backend=backend) == "COMPLETED"


def test_the_contract_is_read_once_for_all_doubles() -> None:
    assert Double().contract is Double().contract is Contract.load()
