"""A caller of the double, and a real Redis for the tests of shared state."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import httpx
import pytest

from segmind_mock import DEFAULT_KEY
from tests.support.redis_server import redis_server
from tests.support.servers import free_port


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
    with redis_server(free_port()) as url:
        yield url
