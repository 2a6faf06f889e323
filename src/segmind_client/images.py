"""The image of a result: its bytes or its URL, and how to get it again after an error."""

from __future__ import annotations

import logging
import reprlib
from typing import Any
from urllib.parse import unquote, urlsplit

import attrs

from segmind_api.catalog import IMAGE_RETENTION_SECONDS, JOB_RETENTION_SECONDS
from segmind_api.models import GenerationOutput, JobResult
from segmind_api.types import ApiResponse
from segmind_client.errors import ClientUnusable, InvalidParameter, NoImage, NotSaved, SegmindError, in_words, mask_keys
from segmind_client.masking import masked, shown_url

logger = logging.getLogger("segmind_client")


@attrs.define(kw_only=True)
class Image:
    """The image of a result: its bytes, or its URL."""

    content: bytes | None = None
    """None until it is downloaded."""
    media_type: str = ""
    """Of the content."""
    url: str = ""
    """Empty where the result names none."""
    names: tuple[str, ...] = ()
    """What its file may be called, the best first. The service chose them, and they may be harmful."""
    request_id: str | None = None
    response: ApiResponse | None = None
    """The response that the result came in."""
    job_id: str | None = None
    """None for a v1 call, which has no job."""
    fields: object = None
    """The result, for messages."""

    def check(self) -> None:
        """Raises NoImage where there are neither bytes nor a URL."""
        if self.content is None and not self.url:
            raise NoImage(
                f"there is no image to save, neither its bytes nor a URL of one; the response is "
                f"{reprlib.repr(self.fields)}"
            )

    def without_client(self) -> ClientUnusable:
        return ClientUnusable(
            f"this result is a copy or was unpickled, and has no client to fetch its image with: fetch "
            f"{shown_url(self.url)} by other means"
        )

    def add_to(self, error: BaseException) -> None:
        """Adds what was paid for, and how to get it again, to an exception that ended a download."""
        if isinstance(error, SegmindError):
            error.request_id = error.request_id or self.request_id
            error.response = error.response or self.response
            if isinstance(error, NotSaved | InvalidParameter | ClientUnusable):
                error.detail += f". {self._way_back()}"
            mask_keys(error)
        elif not isinstance(error, GeneratorExit):
            named = f" of the request {self.request_id}" if self.request_id else ""
            note = masked(f"Getting the image{named} was interrupted. {self._way_back()}")
            logger.warning("%s: %s", type(error).__name__, note)
            error.add_note(note)
            error.__dict__.update(request_id=self.request_id, response=self.response)

    def _way_back(self) -> str:
        stays = (
            f"; its image stays at {shown_url(self.url)} for {in_words(IMAGE_RETENTION_SECONDS)}" if self.url else ""
        )
        if self.job_id is not None:
            return (
                f"The result is paid for and kept: job({self.job_id!r}).result() returns it for "
                f"{in_words(JOB_RETENTION_SECONDS)} after its submission{stays}"
            )
        if self.url:
            return f"The result is paid for and kept{stays}"
        return "The image is paid for and in the response alone: `response.content` of this exception has its bytes"


def file_names(
    fields: JobResult | GenerationOutput | str | bytes, url: str | None, request_id: str | None
) -> tuple[str, ...]:
    images: Any = () if isinstance(fields, str | bytes) else fields.images or ()
    names = [images[0].file_name if images else None, unquote(urlsplit(url).path) if url else None, request_id]
    return tuple(name for name in names if name)
