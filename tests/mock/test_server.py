"""The double on a port: `serve`, `segmind-mock` and `python -m segmind_mock`."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import anyio
import httpx
import pytest

from segmind_mock import DEFAULT_KEY, Double, MemoryStore, MovableClock, SystemClock, serve

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


def test_a_port_that_is_taken_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(OSError, match="in use"), serve(Double().app, port=port):
            pass


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_double_is_used_in_process_without_a_port(backend: str) -> None:
    async def submit_and_fetch() -> str:
        transport = httpx.ASGITransport(Double().app)
        headers = {"x-api-key": DEFAULT_KEY}
        async with httpx.AsyncClient(transport=transport, base_url="http://double", headers=headers) as client:
            submitted = (await client.post("/v2/imagen", json={"prompt": "x"})).json()
            return str((await client.get(submitted["response_url"])).json()["status"])

    assert anyio.run(submit_and_fetch, backend=backend) == "COMPLETED"


def test_a_movable_clock_stands_still_and_goes_only_forward() -> None:
    clock = MovableClock(start=1000)
    assert (clock.now(), clock.now()) == (1000, 1000)
    clock.advance(1, minutes=2, hours=3, days=4)
    assert clock.now() == 1000 + 1 + 120 + 10800 + 345600
    with pytest.raises(ValueError, match="only forward"):
        clock.advance(-1)


def test_the_system_clock_is_the_time_of_day() -> None:
    assert SystemClock(MemoryStore()).now() == pytest.approx(time.time(), abs=5)
