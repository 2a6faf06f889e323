"""What the client returns: the results of jobs and of v1 calls, and the image of each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, Protocol, TypeVar

import attrs

from segmind_api.headers import ResponseHeaders
from segmind_api.models import GenerationOutput, JobResult
from segmind_api.types import ApiResponse, as_string
from segmind_client.downloads import fetch
from segmind_client.drivers import AsyncDriver
from segmind_client.file_sink import FileSink
from segmind_client.formats import format_of
from segmind_client.images import Image, file_names
from segmind_client.masking import logged_only
from segmind_client.reading import media_type_of
from segmind_client.retry import Caller
from segmind_client.sinks import ImageSink, MemorySink
from segmind_client.steps import Flow
from segmind_client.threads import on_worker
from segmind_client.urls import is_url

T = TypeVar("T")


class Driver(Protocol):
    """Carries out a flow, as a SyncDriver does."""

    def carry_out(self, flow: Flow[T]) -> T: ...


class WithImage(ABC):
    """A result with an image, or with the URL of one."""

    @cached_property
    def _image(self) -> Image:
        return self._find_image()

    @abstractmethod
    def _find_image(self) -> Image: ...


class Savable(WithImage):
    """A result whose image can be saved."""

    _caller: Caller | None
    _driver: Driver | None

    @property
    def content(self) -> bytes:
        """The bytes of the image, the first if there are several; downloaded when first used, then kept.

        Raises DownloadFailed, NoImage and ClientUnusable.
        """
        try:
            return self._content()
        except BaseException as error:
            self._image.add_to(error)
            raise

    def _repr_mimebundle_(self, **_: object) -> dict[str, str | bytes]:
        """The image for notebooks; the text alone if there is no image, or no client to fetch it with."""
        shown: dict[str, str | bytes] = {"text/plain": repr(self)}
        with logged_only("The image cannot be shown"):
            content = self._content()
            found = format_of(content)
            shown[found.media_type if found else self._image.media_type] = content
        return shown

    def _repr_png_(self) -> bytes | None:
        content = self._repr_mimebundle_().get("image/png")
        return content if isinstance(content, bytes) else None

    def save(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Saves the image, the first if there are several, and returns the path of the file.

        `path` is that of a file or of a folder that exists, where the file gets the service's name for it, made
        harmless; one that ends in a separator is that of a folder. The file's extension is that of the image's
        format: another format's is replaced, with a warning in the log, and any other name is kept with the right
        extension after it. A file that exists is replaced only with `overwrite`. A file is written as a whole or not
        at all. Raises FileExists, NotSaved, DownloadFailed, InvalidParameter, NoImage and ClientUnusable, each with the
        request id and the response.
        """
        sink: FileSink | None = None
        try:
            self._image.check()
            sink = FileSink(path, self._image.names, overwrite=overwrite)
            return self._write(sink)
        except BaseException as error:
            if sink is not None:
                # Again, since an interruption may have ended the first.
                sink.discard()
            self._image.add_to(error)
            raise

    def _content(self) -> bytes:
        image = self._image
        image.check()
        if image.content is None:
            sink = MemorySink()
            self._fill(sink)
            image.media_type, image.content = sink.media_type, sink.content
        return image.content

    def _write(self, sink: FileSink) -> Path:
        try:
            sink.check()
            self._fill(sink)
            return sink.target
        finally:
            sink.discard()

    def _fill(self, sink: ImageSink) -> None:
        image = self._image
        if image.content is not None:
            sink.take(image.media_type, image.content, image.url)
        elif self._caller is None or self._driver is None:
            raise image.without_client()
        else:
            self._driver.carry_out(fetch(self._caller, image.url, sink))


class AsyncSavable(WithImage):
    """`Savable` with `await`."""

    _caller: Caller | None
    _driver: AsyncDriver | None

    async def content(self) -> bytes:
        """The bytes of the image, as `Savable.content` has them: `await result.content()`."""
        try:
            return await self._content()
        except BaseException as error:
            self._image.add_to(error)
            raise

    async def save(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Saves the image and returns the path of the file, as `Savable.save` does."""
        sink: FileSink | None = None
        try:
            self._image.check()
            sink = FileSink(path, self._image.names, overwrite=overwrite)
            return await self._write(sink)
        except BaseException as error:
            if sink is not None:
                # Again, since an interruption may have ended the first.
                sink.discard()
            self._image.add_to(error)
            raise

    async def _content(self) -> bytes:
        image = self._image
        image.check()
        if image.content is None:
            sink = MemorySink()
            await self._fill(sink)
            image.media_type, image.content = sink.media_type, sink.content
        return image.content

    async def _write(self, sink: FileSink) -> Path:
        try:
            await on_worker(sink.check)
            await self._fill(sink)
            return sink.target
        finally:
            sink.discard()

    async def _fill(self, sink: ImageSink) -> None:
        image = self._image
        if image.content is not None:
            await on_worker(sink.take, image.media_type, image.content, image.url)
        elif self._caller is None or self._driver is None:
            raise image.without_client()
        else:
            await self._driver.carry_out(fetch(self._caller, image.url, sink))


class ResultFields(JobResult, WithImage):
    """A `JobResult` with an image."""

    @property
    def image_url(self) -> str | None:
        """Where the image can be fetched without a key, while the service keeps it; None if there is no URL."""
        return image_url_of(self)

    @property
    def content_type(self) -> str | None:
        """The media type of the image, such as image/png; None until it is downloaded."""
        return self._image.media_type or None

    @property
    def cost(self) -> float:
        """What the job cost, in credits (US dollars)."""
        return self.metrics.cost

    def _find_image(self) -> Image:
        request_id, url = as_string(self.get("request_id")), self.image_url
        return Image(
            url=url or "",
            names=file_names(self, url, request_id),
            request_id=request_id,
            response=self.response,
            job_id=request_id,
            fields=self,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # Without the client, which has a key and connections.
        return type(self), (JobResult(self.to_dict(), self.response),)


class Result(ResultFields, Savable):
    """The result of a job (v2): a `JobResult` whose image can be saved."""

    def __init__(self, result: JobResult, caller: Caller | None = None, driver: Driver | None = None) -> None:
        super().__init__(result.to_dict(), result.response)
        self._caller = caller
        self._driver = driver


class AsyncResult(ResultFields, AsyncSavable):
    """`Result` with `await`."""

    def __init__(self, result: JobResult, caller: Caller | None = None, driver: AsyncDriver | None = None) -> None:
        super().__init__(result.to_dict(), result.response)
        self._caller = caller
        self._driver = driver


@attrs.frozen
class GenerationFields:
    """The response to one v1 call.

    `output` depends on its Content-Type: fields, a text, or the bytes of an image.
    """

    response: ApiResponse
    output: GenerationOutput | str | bytes
    _caller: Caller | None = attrs.field(default=None, repr=False, eq=False)

    @property
    def headers(self) -> ResponseHeaders:
        """The headers; `headers.cost` and `headers.remaining_credits` are in US dollars."""
        return self.response.headers

    @property
    def content_type(self) -> str:
        """The media type of the response, such as image/png."""
        return media_type_of(self.response)

    @property
    def image_url(self) -> str | None:
        """Where the image can be fetched without a key, while the service keeps it; None if there is no URL."""
        if isinstance(self.output, str):
            text = self.output.strip()
            return text if is_url(text) else None
        return image_url_of(self.output) if isinstance(self.output, Mapping) else None

    @property
    def cost(self) -> float | None:
        """What the call cost, in credits (US dollars); None where the service does not say."""
        return self.headers.cost

    def _find_image(self) -> Image:
        request_id, url = self.headers.request_id, self.image_url
        content = self.output if isinstance(self.output, bytes) else None
        return Image(
            content=content,
            media_type="" if content is None else self.content_type,
            url=url or "",
            names=file_names(self.output, url, request_id),
            request_id=request_id,
            response=self.response,
            fields=self.output,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # Without the client, which has a key and connections.
        return type(self), (self.response, self.output)


@attrs.frozen
class Generation(GenerationFields, Savable):
    """The response to one v1 call, whose image can be saved.

    `output` depends on its Content-Type: fields, a text, or the bytes of an image.
    """

    _driver: Driver | None = attrs.field(default=None, repr=False, eq=False)


@attrs.frozen
class AsyncGeneration(GenerationFields, AsyncSavable):
    """`Generation` with `await`."""

    _driver: AsyncDriver | None = attrs.field(default=None, repr=False, eq=False)


def image_url_of(fields: JobResult | GenerationOutput) -> str | None:
    candidates = [fields.get("output"), *(image.get("url") for image in fields.images or ())]
    return next((candidate for candidate in candidates if is_url(candidate)), None)
