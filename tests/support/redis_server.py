"""A real Redis server, for the tests of shared state."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager

import redis

STARTUP_SECONDS = 10


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
