"""Receives an image piece by piece, and refuses everything else."""

from __future__ import annotations

import io
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import BinaryIO

from segmind_api.catalog import IMAGE_RETENTION_SECONDS
from segmind_api.types import ApiResponse
from segmind_client import formats
from segmind_client.errors import ConnectionLost, DownloadFailed, in_words
from segmind_client.formats import Format
from segmind_client.masking import masked, shortened, shown_url
from segmind_client.reading import media_type_of

LARGEST_IMAGE = 50_000_000
"""The most bytes of a download."""
DOWNLOAD_SECONDS = 300.0
"""For all attempts together, checked with each piece that is received."""
KEPT = f"the service keeps images for {in_words(IMAGE_RETENTION_SECONDS)}"

LENGTH = re.compile(r"[0-9]{1,18}")
# Possessive quantifiers: a body made of many comments must not cause backtracking.
XML_PROLOGUE = rb"(?:\xef\xbb\xbf)?(?:\s++|(?><\?.*?\?>)|(?><!--.*?-->))*+"
PAGE = re.compile(XML_PROLOGUE + rb"<(!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL)
SVG = re.compile(XML_PROLOGUE + rb"<(!doctype\s+)?svg\b", re.IGNORECASE | re.DOTALL)
LONGEST_BEGINNING = 1024
"""Bytes by which a format, a web page or SVG can be recognised."""
LONGEST_EXCERPT = 16
"""The most characters of a body in a message."""


class ImageSink(ABC):
    """Receives one image piece by piece. Refuses bodies that are no image, too large or too slow.

    The format is decided by the first bytes. A media type tells only whether other bytes are an image at all.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.until = monotonic() + DOWNLOAD_SECONDS
        self.url = ""
        """The URL of the image; empty if it was in the response itself."""
        self._monotonic = monotonic
        self._head: ApiResponse | None = None
        self._format: Format | None = None
        """By the first bytes; None for an unknown format."""

    def begin(self, head: ApiResponse) -> bool:
        if head.status != 200:
            return False
        self._head = head
        self._received = 0
        length = head.headers.get("content-length", "")
        self._expected = int(length) if LENGTH.fullmatch(length) else None
        self._refuse_beyond_limit(self._expected or 0)
        if head.headers.get("content-encoding", "identity").lower() != "identity":
            raise DownloadFailed("the image was sent compressed, which was not asked for", response=head)
        # Without either header, a body ends when the connection does, and one that was cut short looks complete.
        chunked = "chunked" in head.headers.get("transfer-encoding", "").lower()
        self._start(media_type_of(head), framed=chunked or self._expected is not None)
        return True

    def write(self, piece: bytes) -> None:
        self._received += len(piece)
        self._refuse_beyond_limit(self._received)
        if self._monotonic() > self.until:
            detail = f"only {self._received} bytes of the image came within {DOWNLOAD_SECONDS:g} s; try again, {KEPT}"
            raise DownloadFailed(detail, response=self._head)
        self._add(piece)

    def end(self) -> None:
        if self._expected not in (None, self._received):
            raise ConnectionLost(f"only {self._received} of {self._expected} bytes came")
        self._finish()

    def take(self, media_type: str, content: bytes, url: str = "") -> None:
        """Takes an image that was in the response, of any size, even if cut short: it is paid for and the only copy."""
        self.url = url
        self._start(media_type, framed=True)
        self._add(content)
        self._finish()

    @abstractmethod
    def discard(self) -> None:
        """Removes everything but a complete image. May be called more than once."""

    @abstractmethod
    def _open(self) -> None:
        """Starts the output, for each attempt anew, once the first bytes have shown the format."""

    @abstractmethod
    def _put(self, piece: bytes) -> None: ...

    @abstractmethod
    def _complete(self) -> None:
        """Finishes the output at the end of the body."""

    def _start(self, media_type: str, *, framed: bool) -> None:
        self._media_type = media_type
        self._framed = framed
        self._beginning = b""
        self._opened = False
        if media_type not in formats.UNTYPED and not media_type.startswith("image/"):
            raise self._no_image(shortened(media_type))

    def _add(self, piece: bytes) -> None:
        if self._opened:
            self._put(piece)
            return
        self._beginning += piece
        if len(self._beginning) >= LONGEST_BEGINNING:
            self._begin_image()

    def _begin_image(self) -> None:
        """Raises DownloadFailed for what is not an image."""
        self._format = formats.format_of(self._beginning)
        is_page = PAGE.match(self._beginning[:LONGEST_BEGINNING])
        if self._format is None and (not self._beginning or is_page or self._media_type in formats.UNTYPED):
            raise self._no_image(self._contents())
        self._open()
        self._put(self._beginning)
        self._opened = True

    def _finish(self) -> None:
        if not self._opened:
            self._begin_image()
        self._complete()

    def _check_end(self, body: BinaryIO) -> None:
        """Raises ConnectionLost for an image that was cut short."""
        if self._framed or (self._format and self._format.is_complete(body)):
            return
        if self._format:
            raise ConnectionLost(f"the connection closed before the end of the {self._format.name} data")
        raise ConnectionLost("the response has no length, so that nothing shows whether the image is complete")

    def _no_image(self, contents: str) -> DownloadFailed:
        return DownloadFailed(f"{self._source()} is not an image but {contents}", response=self._head)

    def _source(self) -> str:
        return f"the response from {shown_url(self.url)}" if self.url else "the response"

    def _contents(self) -> str:
        """A description of the body for a message."""
        beginning = self._beginning[:LONGEST_BEGINNING]
        if not beginning:
            return "empty"
        if PAGE.match(beginning):
            return "a web page"
        if SVG.match(beginning):
            return "SVG"
        excerpt = ascii(masked(beginning.decode("latin-1"))[:LONGEST_EXCERPT])
        return f"{shortened(self._media_type) or 'a body without a media type'} that begins with {excerpt}"

    def _refuse_beyond_limit(self, size: int) -> None:
        if size > LARGEST_IMAGE:
            detail = f"the image is larger than {LARGEST_IMAGE} bytes; if that is right, fetch image_url by other means"
            raise DownloadFailed(detail, response=self._head)


class MemorySink(ImageSink):
    """Keeps the image in memory."""

    content = b""
    media_type = ""

    def discard(self) -> None: ...

    def _open(self) -> None:
        self._pieces = io.BytesIO()

    def _put(self, piece: bytes) -> None:
        self._pieces.write(piece)

    def _complete(self) -> None:
        self._check_end(self._pieces)
        # That of the format, as the media type in the response may be missing or wrong.
        self.media_type = self._format.media_type if self._format else self._media_type
        self.content = self._pieces.getvalue()
