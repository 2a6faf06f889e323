"""The output of a result: its bytes or its URL, and how to get it again after an error."""

from __future__ import annotations

import base64
import json
import logging
import re
import reprlib
from pathlib import PurePosixPath
from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit

import attrs

from segmind_api.catalog import IMAGE_RETENTION_SECONDS, JOB_RETENTION_SECONDS
from segmind_api.models import GenerationOutput, JobResult
from segmind_api.types import ApiResponse
from segmind_client.errors import (
    ClientUnusable,
    InvalidParameter,
    NoOutput,
    NotSaved,
    SegmindError,
    UnreadableResponse,
    in_words,
    mask_keys,
)
from segmind_client.formats import BY_EXTENSION, MEDIA, TEXTS, Kind, format_of, is_json
from segmind_client.masking import described_error, masked, shown_url, without_key
from segmind_client.urls import is_url

LARGEST_PLAYED = 20_000_000
"""The most bytes of a video or a sound that becomes a part of a notebook."""
OTHER_FIELDS = frozenset({"images", "seed", "prompt"})
"""Beside `output`, in the JSON form of a v1 response."""
NO_TEXT = re.compile(r"([a-z][a-z0-9+.-]*://\S*)?", re.IGNORECASE)
"""What is not taken for a text if nobody knows what the model makes: nothing, or a URL that cannot be fetched."""
logger = logging.getLogger("segmind_client")


@attrs.define(kw_only=True)
class Output:
    """What a model has made: its bytes, or its URL."""

    content: bytes | None = None
    """None until it is downloaded."""
    media_type: str = ""
    """Of the content."""
    url: str = ""
    """Empty where the result names none, and for a text, which may be a URL."""
    kind: Kind | None = None
    """What the model makes; None if that is not known."""
    names: tuple[str, ...] = ()
    """What its file may be called, the best first. The service chose them, and they may be harmful."""
    request_id: str | None = None
    response: ApiResponse | None = None
    """The response that the result came in."""
    job_id: str | None = None
    """None for a v1 call, which has no job."""
    received: object = None
    """The result, for messages."""

    @property
    def is_found(self) -> bool:
        return self.content is not None or bool(self.url)

    @property
    def expected(self) -> Kind | None:
        """What is to be downloaded: what the model makes or, if that is not known, what the service's name says."""
        suffixes = (PurePosixPath(name).suffix.lower() for name in self.names)
        by_name: Kind | None = next((BY_EXTENSION[suffix].kind for suffix in suffixes if suffix in BY_EXTENSION), None)
        return self.kind or by_name

    def check(self) -> None:
        """Raises NoOutput where there are neither bytes nor a URL."""
        if not self.is_found:
            what = self.kind if self.kind in MEDIA else "output"
            raise NoOutput(
                f"there is no {what} to save, neither its bytes nor its URL; the response is "
                f"{reprlib.repr(self.received)}"
            )

    def parsed(self, content: bytes) -> Any:
        """Raises UnreadableResponse for what is not JSON."""
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            failure = UnreadableResponse(f"the output is not JSON: {error}; `content` has its bytes")
            raise self._named(failure) from None

    def shown(self, content: bytes) -> dict[str, Any]:
        """The output for notebooks, by media type."""
        found = format_of(content, self.media_type)
        if found is None or found.kind == "image":
            return {found.media_type if found else self.media_type: content}
        if found.kind == "text":
            return {found.media_type: content.decode(errors="replace")}
        if found.kind == "json":
            return {found.media_type: self.parsed(content)}
        if len(content) > LARGEST_PLAYED:
            return {}
        # Notebooks play nothing but HTML.
        data = f"data:{found.media_type};base64,{base64.b64encode(content).decode()}"
        return {"text/html": f'<{found.kind} controls src="{data}"></{found.kind}>'}

    def without_client(self) -> ClientUnusable:
        return ClientUnusable(
            f"this result is a copy or was unpickled, and has no client to fetch its output with: fetch "
            f"{shown_url(self.url)} by other means"
        )

    def fail(self, error: BaseException) -> NoReturn:
        """Raises an exception that ended a download as a SegmindError, or an interruption such as KeyboardInterrupt
        with a note. Both say what was paid for, and how to get it again.
        """
        try:
            failure = self._failure(error)
        except BaseException as interruption:
            # A signal handler has raised meanwhile.
            failure = self._failure(interruption)
        try:
            raise failure
        finally:
            # The frame and the exception would refer to each other, and keep the download until garbage is collected.
            del error, failure

    def _failure(self, error: BaseException) -> BaseException:
        if isinstance(error, SegmindError):
            return self._named(error)
        if isinstance(error, GeneratorExit):
            return error
        of_request = f" of the request {self.request_id}" if self.request_id else ""
        note = masked(f"Getting the output{of_request} was interrupted. {self._way_back()}")
        if isinstance(error, Exception):
            failure = self._named(SegmindError(f"unexpected failure ({described_error(error)}). {note}"))
            failure.__cause__ = without_key(error)
            return failure
        logger.warning("%s: %s", type(error).__name__, note)
        error.add_note(note)
        error.__dict__.update(request_id=self.request_id, response=self.response)
        return error

    def _named(self, error: SegmindError) -> SegmindError:
        """The error with the request id and the response of the result."""
        error.request_id = error.request_id or self.request_id
        error.response = error.response or self.response
        if isinstance(error, NotSaved | InvalidParameter | ClientUnusable):
            error.detail += f". {self._way_back()}"
        mask_keys(error)
        return error

    def _way_back(self) -> str:
        stays = f"; its file stays at {shown_url(self.url)} for {in_words(IMAGE_RETENTION_SECONDS)}" if self.url else ""
        if self.job_id is not None:
            return (
                f"The result is paid for and kept: job({self.job_id!r}).result() returns it for "
                f"{in_words(JOB_RETENTION_SECONDS)} after its submission{stays}"
            )
        if self.url:
            return f"The result is paid for and kept{stays}"
        return "The output is paid for and in the response alone: `response.content` of this exception has its bytes"


def output_of_result(result: JobResult, kind: Kind | None, request_id: str | None) -> Output:
    output = output_of_fields(result, kind)
    output.job_id = request_id
    return described(output, result, kind, request_id, result.response)


def output_of_generation(
    received: GenerationOutput | str | bytes, kind: Kind | None, response: ApiResponse, media_type: str
) -> Output:
    """The output of a v1 call, by what was received and its media type."""
    if isinstance(received, bytes):
        found = format_of(received, media_type)
        output = Output(content=received, media_type=found.media_type if found else media_type)
    elif isinstance(received, str):
        output = output_of_value(received if kind == "text" else received.strip(), kind)
        if output.content is not None:
            # As it was received, whatever its encoding.
            output.content = response.content
    else:
        is_value = kind == "json" and not ("output" in received and OTHER_FIELDS & set(received))
        output = Output() if is_value else output_of_fields(received, kind)
        if is_value or (kind not in MEDIA and received and not output.is_found):
            output = Output(content=response.content, media_type=TEXTS["json"].media_type)
    return described(output, received, kind, response.headers.request_id, response)


def output_of_fields(fields: JobResult | GenerationOutput, kind: Kind | None) -> Output:
    output = output_of_value(fields.get("output"), kind)
    if output.url or (output.is_found and kind is not None):
        return output
    urls = (image.get("url") for image in fields.images or ())
    return next((Output(url=url) for url in urls if is_url(url)), output)


def output_of_value(value: Any, kind: Kind | None) -> Output:
    """The output by the field of that name: a URL, or a text or JSON itself."""
    if kind != "text" and is_url(value):
        return Output(url=value)
    if kind in MEDIA or value is None or (kind is None and isinstance(value, str) and NO_TEXT.fullmatch(value)):
        return Output()
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # JSON may hold half a surrogate pair, which UTF-8 cannot.
    content = text.encode(errors="backslashreplace")
    is_value = not isinstance(value, str) or (kind == "json" and is_json(content))
    return Output(content=content, media_type=TEXTS["json" if is_value else "text"].media_type)


def described(
    output: Output,
    received: JobResult | GenerationOutput | str | bytes,
    kind: Kind | None,
    request_id: str | None,
    response: ApiResponse | None,
) -> Output:
    """The output with what messages and file names say of it."""
    images: Any = () if isinstance(received, str | bytes) else received.images or ()
    path = unquote(urlsplit(output.url).path)
    names = (images[0].file_name if images else None, path, request_id)
    return attrs.evolve(
        output,
        kind=kind,
        names=tuple(name for name in names if name),
        request_id=request_id,
        response=response,
        received=received,
    )
