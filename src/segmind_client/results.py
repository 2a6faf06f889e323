"""What the client gives back, and what can be done with the image in it."""

from __future__ import annotations

import logging
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Mapping
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote, urlsplit

import attrs

from segmind_api.catalog import IMAGE_RETENTION_SECONDS, JOB_RETENTION_SECONDS
from segmind_api.headers import ResponseHeaders
from segmind_api.models import GenerationOutput, JobResult
from segmind_api.types import ApiResponse, as_string
from segmind_client.downloads import (
    FileSink,
    Image,
    ImageSink,
    MemorySink,
    fetch,
    is_url,
)
from segmind_client.drivers import AsyncDriver
from segmind_client.errors import InvalidParameter, NoClient, NoImage, NotSaved, SegmindError, in_words
from segmind_client.flows import Caller
from segmind_client.masking import masked, shown_url
from segmind_client.network import on_worker
from segmind_client.reading import media_type_of
from segmind_client.steps import Flow

T = TypeVar("T")

logger = logging.getLogger("segmind_client")


class Driver(Protocol):
    """What carries out a flow: a SyncDriver."""

    def carry_out(self, flow: Flow[T]) -> T: ...


class Pictured(ABC):
    """A response with an image, or with the URL of one."""

    _caller: Caller | None

    @cached_property
    def _image(self) -> Image:
        return self._find_image()

    @abstractmethod
    def _find_image(self) -> Image:
        """Raises NoImage."""

    @abstractmethod
    def _paid_for(self) -> tuple[str | None, ApiResponse | None]:
        """The request id and the response of what was paid for."""

    @abstractmethod
    def _way_back(self) -> str:
        """How to get the image again, as a sentence: whoever saves a result at once may hold nothing else of it."""

    def _name_job(self, error: BaseException) -> None:
        """Adds the job that was paid for to whatever ended a download."""
        request_id, response = self._paid_for()
        if isinstance(error, SegmindError):
            error.request_id = error.request_id or request_id
            error.response = error.response or response
            if isinstance(error, NotSaved | InvalidParameter | NoClient):
                error.detail += f". {self._way_back()}"
            error.detail = masked(error.detail)
            error.args = (error.detail,)
        elif not isinstance(error, GeneratorExit):
            named = f" of the request {request_id}" if request_id else ""
            note = masked(f"Getting the image{named} was interrupted. {self._way_back()}")
            logger.warning("%s: %s", type(error).__name__, note)
            error.add_note(note)
            error.__dict__.update(request_id=request_id, response=response)


class Savable(Pictured):
    """An image, or the URL of one, that can be saved."""

    _driver: Driver | None

    @property
    def content(self) -> bytes:
        """The bytes of the image, the first if there are several; downloaded when first used, then kept.

        Raises DownloadFailed, NoImage and NoClient.
        """
        try:
            image = self._image
            if image.content is None:
                sink = MemorySink()
                self._fill(sink, image)
                image.media_type, image.content = sink.media_type, sink.content
        except BaseException as error:
            self._name_job(error)
            raise
        return image.content

    def save(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Saves the image, the first if there are several, and returns the path of the file.

        `path` is that of a file or of a folder that exists, where the file gets the service's name for it, made
        harmless; one that ends in a separator is that of a folder. The file's extension is that of the image's
        format: another format's is replaced, with a warning in the log, and any other name is kept with the right
        extension after it. A file that exists is replaced only with `overwrite`. A file is written as a whole or not
        at all. Raises FileExists, NotSaved, DownloadFailed, InvalidParameter, NoImage and NoClient, each with the
        request id and the response.
        """
        sink: FileSink | None = None
        try:
            image = self._image
            sink = FileSink(path, image.names, overwrite=overwrite)
            return self._write(sink, image)
        except BaseException as error:
            if sink is not None:
                # Again, since an interruption may have ended the first.
                sink.discard()
            self._name_job(error)
            raise

    def _write(self, sink: FileSink, image: Image) -> Path:
        try:
            sink.check()
            self._fill(sink, image)
            return sink.target
        finally:
            sink.discard()

    def _fill(self, sink: ImageSink, image: Image) -> None:
        if image.content is not None:
            sink.take(image.media_type, image.content, image.url)
        elif self._caller is None or self._driver is None:
            raise no_client(image)
        else:
            self._driver.carry_out(fetch(self._caller, image, sink))


class AsyncSavable(Pictured):
    """`Savable` with `await`."""

    _driver: AsyncDriver | None

    @property
    def content(self) -> Coroutine[Any, Any, bytes]:
        """The bytes of the image, as `Savable.content` has them: `await result.content`."""
        return self._content()

    async def save(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Saves the image and returns the path of the file, as `Savable.save` does."""
        sink: FileSink | None = None
        try:
            image = self._image
            sink = FileSink(path, image.names, overwrite=overwrite)
            return await self._write(sink, image)
        except BaseException as error:
            if sink is not None:
                # Again, since an interruption may have ended the first.
                sink.discard()
            self._name_job(error)
            raise

    async def _content(self) -> bytes:
        try:
            image = self._image
            if image.content is None:
                sink = MemorySink()
                await self._fill(sink, image)
                image.media_type, image.content = sink.media_type, sink.content
        except BaseException as error:
            self._name_job(error)
            raise
        return image.content

    async def _write(self, sink: FileSink, image: Image) -> Path:
        try:
            await on_worker(sink.check)
            await self._fill(sink, image)
            return sink.target
        finally:
            sink.discard()

    async def _fill(self, sink: ImageSink, image: Image) -> None:
        if image.content is not None:
            await on_worker(sink.take, image.media_type, image.content, image.url)
        elif self._caller is None or self._driver is None:
            raise no_client(image)
        else:
            await self._driver.carry_out(fetch(self._caller, image, sink))


class ResultFields(JobResult):
    """A `JobResult` that knows its image."""

    @property
    def image_url(self) -> str | None:
        """Where the image can be fetched without a key, while the service keeps it; None if there is no URL."""
        return image_url_of(self)

    @property
    def cost(self) -> float:
        """What the job cost, in credits (US dollars)."""
        return self.metrics.cost

    def _find_image(self) -> Image:
        return image_at(self, self.image_url, *self._paid_for())

    def _paid_for(self) -> tuple[str | None, ApiResponse | None]:
        return as_string(self.get("request_id")), self.response

    def _way_back(self) -> str:
        return (
            f"The result is paid for and kept: job({self._paid_for()[0]!r}).result() gives it again for "
            f"{in_words(JOB_RETENTION_SECONDS)} after its submission{stays_at(self.image_url)}"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # A client holds a key and connections, neither of which is to be written down.
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
    """The answer to one v1 call.

    `output` is what came, by its Content-Type: fields, a text, or the bytes of an image.
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
        """The media type of what came, such as image/png."""
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
        request_id, response = self._paid_for()
        if isinstance(self.output, bytes):
            names = (request_id,) if request_id else ()
            return Image(content=self.output, media_type=self.content_type, names=names, request_id=request_id)
        return image_at(self.output, self.image_url, request_id, response)

    def _paid_for(self) -> tuple[str | None, ApiResponse | None]:
        return self.headers.request_id, self.response

    def _way_back(self) -> str:
        if isinstance(self.output, bytes):
            return "The image is paid for and in the response alone: `response.content` of this exception has its bytes"
        return f"The result is paid for and kept{stays_at(self.image_url)}"

    def __reduce__(self) -> tuple[Any, ...]:
        # A client holds a key and connections, neither of which is to be written down.
        return type(self), (self.response, self.output)


@attrs.frozen
class Generation(GenerationFields, Savable):
    """The answer to one v1 call, whose image can be saved.

    `output` is what came, by its Content-Type: fields, a text, or the bytes of an image.
    """

    _driver: Driver | None = attrs.field(default=None, repr=False, eq=False)


@attrs.frozen
class AsyncGeneration(GenerationFields, AsyncSavable):
    """`Generation` with `await`."""

    _driver: AsyncDriver | None = attrs.field(default=None, repr=False, eq=False)


def image_url_of(fields: JobResult | GenerationOutput) -> str | None:
    candidates = [fields.get("output"), *(image.get("url") for image in fields.images or ())]
    return next((candidate for candidate in candidates if is_url(candidate)), None)


def image_at(
    fields: JobResult | GenerationOutput | str,
    url: str | None,
    request_id: str | None,
    response: ApiResponse | None,
) -> Image:
    """The image at a URL, with the names that it goes by. Raises NoImage if there is no URL."""
    if url is None:
        raise NoImage(
            f"there is no image to save, neither its bytes nor a URL of one; the response is {reprlib.repr(fields)}",
            request_id=request_id,
            response=response,
        )
    images = () if isinstance(fields, str) else fields.images or ()
    names = [images[0].file_name if images else None, unquote(urlsplit(url).path), request_id]
    return Image(url=url, names=tuple(name for name in names if name), request_id=request_id)


def stays_at(url: str | None) -> str:
    return f"; its image stays at {shown_url(url)} for {in_words(IMAGE_RETENTION_SECONDS)}" if url else ""


def no_client(image: Image) -> NoClient:
    return NoClient(
        f"this result is a copy or was unpickled, and has no client to fetch its image with: fetch "
        f"{shown_url(image.url)} by other means",
        request_id=image.request_id,
    )
