"""A caller of the double, and a real Redis for the tests of shared state."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import httpx
import pytest
import redis

from segmind_mock import DEFAULT_KEY

STARTUP_SECONDS = 10


@pytest.fixture
def call(address: str) -> Iterator[httpx.Client]:
    """A caller with the default key."""
    with httpx.Client(base_url=address, headers={"x-api-key": DEFAULT_KEY}) as client:
        yield client


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The address of a Redis server that the session has started."""
    if shutil.which("redis-server") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("redis-server is missing, and CI has to have it")
        pytest.skip("redis-server is not installed; Debian has it as a package")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    with redis_server(port) as url:
        yield url


@contextmanager
def redis_server(port: int) -> Generator[str]:
    """A Redis server without a file, and its URL."""
    command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            url = f"redis://127.0.0.1:{port}"
            wait_for(url)
            yield url
        finally:
            process.terminate()


def wait_for(url: str) -> None:
    deadline = time.monotonic() + STARTUP_SECONDS
    while True:
        client = redis.Redis.from_url(url)  # pyright: ignore[reportUnknownMemberType]  redis is half typed
        try:
            client.ping()  # pyright: ignore[reportUnknownMemberType]
        except redis.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
        finally:
            client.close()
