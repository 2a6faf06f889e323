"""Downloads and saves that are interrupted or cancelled: the whole image or no file."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import signal
import threading
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, TypeVar, cast

import anyio
import httpx
import pytest
from anyio import to_thread

from segmind_api.models import JobResult
from segmind_api.types import ApiResponse
from segmind_client import AsyncClient, AsyncResult, Client, Generation, Result
from segmind_client.errors import NotSaved, SegmindError
from tests.support.images import PICTURE, SECRET, ImageService, image_response, refuse_links
from tests.support.internals import Caller, Fetch, FileSink, Flow, downloads
from tests.support.servers import REQUEST_ID, Request, Step
from tests.support.tracing import MOST_POINTS, LineInterrupt

T = TypeVar("T")
TRACED = (str(Path(downloads.__file__).parent), pathlib.__file__, contextlib.__file__)


class Feeding:
    """Carries out a download without a network."""

    def carry_out(self, flow: Flow[T]) -> T:
        step = next(flow)
        assert isinstance(step, Fetch)
        head = ApiResponse(200, {"content-type": "image/png", "content-length": str(len(PICTURE))}, b"")
        try:
            step.into.begin(head)
            step.into.write(PICTURE)
            step.into.end()
            flow.send(head)
        except StopIteration as stop:
            return cast(T, stop.value)
        raise AssertionError


AT_URL = JobResult({"request_id": REQUEST_ID, "output": "https://images.example/a.png"})


def at_url() -> Result:
    return Result(AT_URL, Caller(), Feeding())


def at_hand() -> Generation:
    head = {"content-type": "image/png", "x-request-id": REQUEST_ID}
    return Generation(ApiResponse(200, head, PICTURE), PICTURE)


class TestInterruption:
    """In the middle of a download, with half a file written."""

    @pytest.fixture
    def halfway(self, server: ImageService) -> threading.Event:
        """Set when half of the image is on its way and the rest will not come."""
        halfway = threading.Event()

        def half(_: Request) -> Iterator[Step]:
            yield image_response()[:-100]
            halfway.set()
            yield threading.Event()

        server.serve(half)
        return halfway

    @staticmethod
    async def saving(server: ImageService, folder: Path) -> None:
        async with AsyncClient(SECRET, base_url=server.url) as client:
            await (await client.job(REQUEST_ID).result()).save(folder / "cabin.png")

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_a_cancelled_task_leaves_nothing(
        self, server: ImageService, folder: Path, halfway: threading.Event, backend: str
    ) -> None:
        async def cancel_halfway() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(self.saving, server, folder)
                await to_thread.run_sync(halfway.wait)
                group.cancel_scope.cancel()

        anyio.run(cancel_halfway, backend=backend)
        assert list(folder.iterdir()) == []

    def test_a_task_that_asyncio_itself_cancels_leaves_nothing(
        self, server: ImageService, folder: Path, halfway: threading.Event
    ) -> None:
        async def cancel_halfway() -> None:
            task = asyncio.ensure_future(self.saving(server, folder))
            await asyncio.to_thread(halfway.wait)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(cancel_halfway())
        assert list(folder.iterdir()) == []

    def test_a_key_press_leaves_nothing(self, server: ImageService, folder: Path) -> None:
        class Pressed(httpx.SyncByteStream):
            def __iter__(self) -> Iterator[bytes]:
                yield PICTURE
                assert len(list(folder.iterdir())) == 1
                raise KeyboardInterrupt

        def serve(request: httpx.Request) -> httpx.Response:
            if request.url.path.startswith("/v2"):
                return httpx.Response(200, json={"status": "COMPLETED", "output": "https://images.example/a.png"})
            return httpx.Response(200, stream=Pressed(), headers={"content-type": "image/png"})

        with Client(SECRET, base_url=server.url, transport=httpx.MockTransport(serve)) as client:
            result = client.job(REQUEST_ID).result()
            with pytest.raises(KeyboardInterrupt):
                result.save(folder / "cabin.png")
        assert list(folder.iterdir()) == []

    @pytest.mark.parametrize("links", [True, False])
    @pytest.mark.parametrize("before", [None, b"mine"])
    @pytest.mark.parametrize("result", [at_hand(), at_url()], ids=["at hand", "at a URL"])
    def test_at_any_line_leaves_the_whole_image_or_what_was_there(
        self,
        folder: Path,
        result: Result | Generation,
        before: bytes | None,
        links: bool,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        if not links:
            monkeypatch.setattr(Path, "hardlink_to", refuse_links)

        def saves(interrupt: LineInterrupt) -> Iterator[None]:
            with interrupt:
                result.save(path, overwrite=before is not None)
            yield

        path = folder / "cabin.png"
        interrupted = 0
        for line in range(MOST_POINTS):
            path.unlink(missing_ok=True)
            if before is not None:
                path.write_bytes(before)
            interrupt = LineInterrupt(line + 1, TRACED)
            # Where an exception handler is interrupted, CPython takes its exception as still handled: a generator has
            # its own, and no later test gets it as a context.
            list(saves(interrupt))
            contents = {file.name: file.read_bytes() for file in folder.iterdir()}
            assert contents in ({"cabin.png": PICTURE}, {"cabin.png": before} if before else {})
            if not interrupt.place:
                break
            interrupted += 1
            # The first two lines are those before the call has begun to do anything.
            assert line < 2 or REQUEST_ID in interrupt.says
            assert line < 2 or interrupt.attributes["request_id"] == REQUEST_ID
        assert 30 < interrupted < MOST_POINTS - 1

    def test_at_the_rename_leaves_nothing_where_there_are_no_links(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def press(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(Path, "hardlink_to", refuse_links)
        monkeypatch.setattr(Path, "replace", press)
        with pytest.raises(KeyboardInterrupt):
            at_hand().save(folder / "cabin.png")
        assert list(folder.iterdir()) == []

    def test_after_the_rename_leaves_the_image_where_there_are_no_links(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        replace = Path.replace

        def replace_and_press(path: Path, target: Path) -> None:
            replace(path, target)
            raise KeyboardInterrupt

        monkeypatch.setattr(Path, "hardlink_to", refuse_links)
        monkeypatch.setattr(Path, "replace", replace_and_press)
        with pytest.raises(KeyboardInterrupt):
            at_hand().save(folder / "cabin.png")
        assert (folder / "cabin.png").read_bytes() == PICTURE

    def test_a_signal_handler_that_raises_is_an_error_that_names_the_job(self, folder: Path) -> None:
        class Timer:
            """Downloads, during which a signal handler raises."""

            def carry_out(self, flow: Flow[T]) -> T:
                flow.close()
                signal.raise_signal(signal.SIGALRM)
                raise AssertionError

        class AsyncTimer:
            async def carry_out(self, flow: Flow[T]) -> T:
                flow.close()
                signal.raise_signal(signal.SIGALRM)
                raise AssertionError

        def handle(*_: object) -> None:
            raise raised

        result = Result(AT_URL, Caller(), Timer())
        awaited = AsyncResult(AT_URL, Caller(), cast(Any, AsyncTimer()))
        downloads: list[Callable[[], object]] = [
            lambda: result.content,
            lambda: result.save(folder),
            lambda: anyio.run(awaited.content),
            lambda: anyio.run(awaited.save, folder),
        ]
        before = signal.signal(signal.SIGALRM, handle)
        try:
            for download, raised in product(downloads, (RuntimeError("late"), TimeoutError("late"), KeyError("late"))):
                with pytest.raises(SegmindError, match=r"unexpected failure .*late.*paid for and kept") as error:
                    download()
                assert (error.value.request_id, error.value.__cause__) == (REQUEST_ID, raised)
        finally:
            signal.signal(signal.SIGALRM, before)
        assert list(folder.iterdir()) == []

    def test_a_key_press_while_an_error_is_described_names_the_job(self, folder: Path) -> None:
        class Pressed(Exception):
            def __str__(self) -> str:
                raise KeyboardInterrupt

        class Failing:
            def carry_out(self, flow: Flow[T]) -> T:
                flow.close()
                raise Pressed

        with pytest.raises(KeyboardInterrupt) as raised:
            Result(AT_URL, Caller(), Failing()).save(folder)
        assert REQUEST_ID in raised.value.__notes__[0]

    def test_a_thread_that_nobody_waits_for_any_more_writes_nothing(self, folder: Path) -> None:
        sink = FileSink(folder / "cabin.png", (), overwrite=False)
        sink.discard()
        with pytest.raises(NotSaved):
            sink.take("image/png", PICTURE)
        assert list(folder.iterdir()) == []
