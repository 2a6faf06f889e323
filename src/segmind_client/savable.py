"""Results whose output can be read and saved, sync and async."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from segmind_client.downloads import fetch
from segmind_client.drivers import AsyncDriver
from segmind_client.file_sink import FileSink
from segmind_client.masking import logged_only
from segmind_client.outputs import Output
from segmind_client.retry import Caller
from segmind_client.sinks import LONGEST_BEGINNING, MemorySink, OutputSink
from segmind_client.steps import Flow
from segmind_client.threads import on_worker

T = TypeVar("T")
KeptT = TypeVar("KeptT", bound="WithOutput")


class Driver(Protocol):
    """Carries out a flow, as a SyncDriver does."""

    def carry_out(self, flow: Flow[T]) -> T: ...


class WithOutput(ABC):
    """A result with an output, or with the URL of one."""

    @property
    def output_url(self) -> str | None:
        """Where the output can be fetched without a key, while the service keeps it; None if there is no URL."""
        return self._output.url or None

    @property
    def image_url(self) -> str | None:
        """`output_url` of an image; None if the model makes something else."""
        return self.output_url if self._output.expected in ("image", None) else None

    @property
    def content_type(self) -> str | None:
        """The media type of the output, such as image/png; None until it is downloaded."""
        return self._output.media_type or None

    def _restoring(self, *arguments: Any) -> tuple[Any, ...]:
        """How to make a copy, for pickle: with the content, which the service may have removed since."""
        return restored, (type(self), arguments, self._output.content, self._output.media_type)

    @cached_property
    def _output(self) -> Output:
        return self._find_output()

    def __copy__(self) -> Self:
        # Immutable, like a tuple.
        return self

    def keep(self, content: bytes | None, media_type: str) -> None:
        """Sets what was downloaded."""
        self._output.content, self._output.media_type = content, media_type

    @abstractmethod
    def _find_output(self) -> Output: ...


def restored(kind: Callable[..., KeptT], arguments: tuple[Any, ...], content: bytes | None, media_type: str) -> KeptT:
    """A copy of a result, with the content that was downloaded."""
    made = kind(*arguments)
    made.keep(content, media_type)
    return made


class Savable(WithOutput):
    """A result whose output can be read and saved."""

    _caller: Caller | None
    _driver: Driver | None

    @property
    def content(self) -> bytes:
        """The bytes of the output, the first if there are several; downloaded when first used, then kept.

        Raises DownloadFailed, NoOutput and ClientUnusable.
        """
        try:
            return self._content()
        except BaseException as error:
            self._output.fail(error)

    @property
    def text(self) -> str:
        """`content` as text, decoded from UTF-8."""
        return self.content.decode(errors="replace")

    def json(self) -> Any:
        """`content` parsed as JSON. Raises UnreadableResponse for other content, besides."""
        return self._output.parsed(self.content)

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        """The output for notebooks; the result alone if there is no output, or no client to fetch it with."""
        shown: dict[str, Any] = {"text/plain": repr(self)}
        with logged_only("The output cannot be shown"):
            shown |= self._output.shown(self._content())
        return shown

    def _repr_png_(self) -> bytes | None:
        content = self._repr_mimebundle_().get("image/png")
        return content if isinstance(content, bytes) else None

    def save(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Saves the output, the first if there are several, and returns the path of the file.

        `path` is that of a file or of a folder that exists, where the file gets the service's name for it, made
        harmless; one that ends in a separator is that of a folder. The file's extension is that of the output's
        format: another format's is replaced, with a warning in the log, and any other name is kept with the right
        extension after it. A file that exists is replaced only with `overwrite`. A file is written as a whole or not
        at all. Raises FileExists, NotSaved, DownloadFailed, InvalidParameter, NoOutput and ClientUnusable, each with
        the request id and the response.
        """
        sink: FileSink | None = None
        try:
            self._output.check()
            sink = FileSink(path, self._output.names, self._output.expected, overwrite=overwrite)
            return self._write(sink)
        except BaseException as error:
            if sink is not None:
                # Again, since an interruption may have ended the first.
                sink.discard()
            self._output.fail(error)

    def _content(self) -> bytes:
        output = self._output
        check(output)
        if output.content is None:
            sink = MemorySink(output.expected)
            self._fill(sink)
            output.content = sink.content
        return output.content

    def _write(self, sink: FileSink) -> Path:
        try:
            sink.check()
            self._fill(sink)
            return sink.target
        finally:
            sink.discard()

    def _fill(self, sink: OutputSink) -> None:
        output = self._output
        if output.content is not None:
            sink.take(output.media_type, output.content, output.url)
        elif self._caller is None or self._driver is None:
            raise output.without_client()
        else:
            self._driver.carry_out(fetch(self._caller, output.url, sink))
        output.media_type = sink.media_type


class AsyncSavable(WithOutput):
    """`Savable` with `await`."""

    _caller: Caller | None
    _driver: AsyncDriver | None

    async def content(self) -> bytes:
        """The bytes of the output, as `Savable.content` has them: `await result.content()`."""
        try:
            return await self._content()
        except BaseException as error:
            self._output.fail(error)

    async def text(self) -> str:
        """The content as text, as `Savable.text` has it: `await result.text()`."""
        return (await self.content()).decode(errors="replace")

    async def json(self) -> Any:
        """The content parsed as JSON, as `Savable.json` does it."""
        return self._output.parsed(await self.content())

    async def save(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Saves the output and returns the path of the file, as `Savable.save` does."""
        sink: FileSink | None = None
        try:
            self._output.check()
            sink = FileSink(path, self._output.names, self._output.expected, overwrite=overwrite)
            return await self._write(sink)
        except BaseException as error:
            if sink is not None:
                # Again, since an interruption may have ended the first.
                sink.discard()
            self._output.fail(error)

    async def _content(self) -> bytes:
        output = self._output
        check(output)
        if output.content is None:
            sink = MemorySink(output.expected)
            await self._fill(sink)
            output.content = sink.content
        return output.content

    async def _write(self, sink: FileSink) -> Path:
        try:
            await on_worker(sink.check)
            await self._fill(sink)
            return sink.target
        finally:
            sink.discard()

    async def _fill(self, sink: OutputSink) -> None:
        output = self._output
        if output.content is not None:
            await on_worker(sink.take, output.media_type, output.content, output.url)
        elif self._caller is None or self._driver is None:
            raise output.without_client()
        else:
            await self._driver.carry_out(fetch(self._caller, output.url, sink))
        output.media_type = sink.media_type


def check(output: Output) -> None:
    """Raises NoOutput for a result without an output, and DownloadFailed for a received one that a sink refuses."""
    output.check()
    if output.content is not None:
        MemorySink(output.expected).take(output.media_type, output.content[:LONGEST_BEGINNING], output.url)
