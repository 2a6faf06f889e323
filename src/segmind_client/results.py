"""What the client gives back, and what can be done with the image in it."""

from __future__ import annotations

import reprlib
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Generator, Mapping
from contextlib import contextmanager
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import attrs
from anyio import to_thread

from segmind_api.catalog import JOB_RETENTION_SECONDS
from segmind_api.headers import ResponseHeaders
from segmind_api.models import GenerationOutput, JobResult
from segmind_api.types import ApiResponse, as_string
from segmind_client.downloads import FileSink, Image, ImageSink, MemorySink, fetch, is_address, media_type_of, shown
from segmind_client.drivers import AsyncDriver, SyncDriver
from segmind_client.errors import NoClient, NoImage, NotSaved, in_words
from segmind_client.flows import Caller


class Pictured(ABC):
    """What has an image, at hand or at an address."""

    _caller: Caller | None

    @cached_property
    def _image(self) -> Image:
        return self._find_image()

    @contextmanager
    def _naming(self) -> Generator[None]:
        """Errors have what was paid for: whoever saves a result at once may hold nothing else of it."""
        try:
            yield
        except NotSaved as error:
            error.request_id = self._image.request_id
            error.response = self._image.response
            raise

    @abstractmethod
    def _find_image(self) -> Image: ...


class Savable(Pictured):
    """An image, or the address of one, that can be saved."""

    _driver: SyncDriver | None

    @property
    def content(self) -> bytes:
        """The bytes of the image, the first where there are several; fetched when first asked for, then kept.

        Raises DownloadFailed, NoImage and NoClient.
        """
        image = self._image
        if image.content is None:
            with MemorySink() as sink:
                self._fill(sink, image)
                image.media_type, image.content = sink.media_type, sink.content
        return image.content

    def save(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Saves the image, the first where there are several, and gives the path of the file.

        `path` is a file's, with an extension of the image's type, or that of a folder that exists, where the
        file gets the service's name for it, made harmless. What is there already is replaced only with
        `overwrite`. A file is written as a whole or not at all. Raises FileExists, NotSaved, DownloadFailed,
        NoImage and NoClient.
        """
        image = self._image
        with self._naming(), FileSink(Path(path), image.names, overwrite=overwrite) as sink:
            self._fill(sink, image)
            return sink.target

    def _fill(self, sink: ImageSink, image: Image) -> None:
        if image.content is not None:
            sink.take(image.media_type, image.content)
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
        """Saves the image and gives the path of the file, as `Savable.save` does."""
        image = self._image
        with self._naming(), FileSink(Path(path), image.names, overwrite=overwrite) as sink:
            await self._fill(sink, image)
            return sink.target

    async def _content(self) -> bytes:
        image = self._image
        if image.content is None:
            with MemorySink() as sink:
                await self._fill(sink, image)
                image.media_type, image.content = sink.media_type, sink.content
        return image.content

    async def _fill(self, sink: ImageSink, image: Image) -> None:
        if image.content is not None:
            await to_thread.run_sync(sink.take, image.media_type, image.content)
        elif self._caller is None or self._driver is None:
            raise no_client(image)
        else:
            await self._driver.carry_out(fetch(self._caller, image, sink))


class ResultFields(JobResult):
    """A `JobResult` that knows its image."""

    @property
    def image_url(self) -> str | None:
        """Where the image can be fetched without a key, while the service keeps it; None where there is no address."""
        return image_url_of(self)

    @property
    def cost(self) -> float:
        """What the job cost, in credits (US dollars)."""
        return self.metrics.cost

    def _find_image(self) -> Image:
        return image_at(self, self.image_url, as_string(self.get("request_id")), self.response)

    def __reduce__(self) -> tuple[Any, ...]:
        # A client holds a key and connections, neither of which is to be written down.
        return type(self), (JobResult(self.to_dict(), self.response),)


class Result(ResultFields, Savable):
    """The result of a job (v2): a `JobResult` whose image can be saved."""

    def __init__(self, result: JobResult, caller: Caller | None = None, driver: SyncDriver | None = None) -> None:
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
        """Where the image can be fetched without a key, while the service keeps it; None where there is no address."""
        if isinstance(self.output, str):
            text = self.output.strip()
            return text if is_address(text) else None
        return image_url_of(self.output) if isinstance(self.output, Mapping) else None

    @property
    def cost(self) -> float | None:
        """What the call cost, in credits (US dollars); None where the service does not say."""
        return self.headers.cost

    def _find_image(self) -> Image:
        request_id = self.headers.request_id
        if isinstance(self.output, bytes):
            names = (request_id,) if request_id else ()
            return Image(
                content=self.output,
                media_type=self.content_type,
                names=names,
                request_id=request_id,
                response=self.response,
            )
        return image_at(self.output, self.image_url, request_id, self.response)

    def __reduce__(self) -> tuple[Any, ...]:
        # A client holds a key and connections, neither of which is to be written down.
        return type(self), (self.response, self.output)


@attrs.frozen
class Generation(GenerationFields, Savable):
    """The answer to one v1 call, whose image can be saved.

    `output` is what came, by its Content-Type: fields, a text, or the bytes of an image.
    """

    _driver: SyncDriver | None = attrs.field(default=None, repr=False, eq=False)


@attrs.frozen
class AsyncGeneration(GenerationFields, AsyncSavable):
    """`Generation` with `await`."""

    _driver: AsyncDriver | None = attrs.field(default=None, repr=False, eq=False)


def image_url_of(fields: JobResult | GenerationOutput) -> str | None:
    candidates = [fields.get("output"), *(image.get("url") for image in fields.images or ())]
    return next((candidate for candidate in candidates if is_address(candidate)), None)


def image_at(
    fields: JobResult | GenerationOutput | str,
    address: str | None,
    request_id: str | None,
    response: ApiResponse | None,
) -> Image:
    """The image at an address, with the names that it goes by. Raises NoImage where there is no address."""
    if address is None:
        raise NoImage(
            f"there is no image to save, neither its bytes nor an address of one; what came is {reprlib.repr(fields)}",
            request_id=request_id,
            response=response,
        )
    images = () if isinstance(fields, str) else fields.images or ()
    names = [images[0].file_name if images else None, unquote(urlsplit(address).path), request_id]
    named = tuple(name for name in names if name)
    return Image(address=address, names=named, request_id=request_id, response=response)


def no_client(image: Image) -> NoClient:
    return NoClient(
        f"this result is a copy or was unpickled, and has no client to fetch its image with: fetch "
        f"{shown(image.address)} by other means, or within {in_words(JOB_RETENTION_SECONDS)} of its submission the "
        f"result again, with job(request_id).result()",
        request_id=image.request_id,
    )
