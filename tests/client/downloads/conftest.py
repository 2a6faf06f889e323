"""A service with an image, a folder, and the ways to save the one in the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest

from segmind_client import AsyncClient, Client
from tests.support.calls import WAYS
from tests.support.clock import PauseClock, pause_clock
from tests.support.images import SECRET, ImageService
from tests.support.servers import REQUEST_ID


@pytest.fixture
def server() -> Iterator[ImageService]:
    with ImageService() as server:
        yield server


@pytest.fixture(autouse=True)
def clock() -> Iterator[PauseClock]:
    """No client waits before it retries."""
    with pause_clock() as clock:
        yield clock


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    return folder


@pytest.fixture(params=WAYS)
def save(request: pytest.FixtureRequest, server: ImageService) -> Callable[..., Path]:
    """Saves the image of the job, in each of the ways in which a user can."""

    def saved(path: Path, *, overwrite: bool = False, read_seconds: float = 30.0) -> Path:
        with Client(SECRET, base_url=server.url, read_seconds=read_seconds) as client:
            return client.job(REQUEST_ID).result().save(path, overwrite=overwrite)

    async def awaited(path: Path, overwrite: bool, read_seconds: float) -> Path:
        async with AsyncClient(SECRET, base_url=server.url, read_seconds=read_seconds) as client:
            return await (await client.job(REQUEST_ID).result()).save(path, overwrite=overwrite)

    def saved_by_await(path: Path, *, overwrite: bool = False, read_seconds: float = 30.0) -> Path:
        return anyio.run(awaited, path, overwrite, read_seconds, backend=request.param)

    return saved if request.param == "sync" else saved_by_await
