"""The double on a port: `serve`, `segmind-mock` and `python -m segmind_mock`."""

from __future__ import annotations

import errno
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import httpx
import pytest

from segmind_mock import DEFAULT_KEY, Double, serve
from segmind_mock.__main__ import without_password
from segmind_mock.contract import Contract
from segmind_mock.server import url_of

COMMANDS = {
    "segmind-mock": [str(Path(sys.executable).with_name("segmind-mock"))],
    "python -m segmind_mock": [sys.executable, "-m", "segmind_mock"],
}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


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
    assert "'no-such-host.invalid' is no name or IP address of this machine" in refused(
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
