"""Receives an output piece by piece, and refuses everything else."""

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
from segmind_client.formats import LARGEST, MEDIA, TEXTS, UNTYPED, Format, Kind, kind_of
from segmind_client.masking import masked, shortened, shown_url
from segmind_client.reading import media_type_of

DOWNLOAD_SECONDS = 300.0
"""For all attempts together, checked with each piece that is received."""
KEPT = f"the service keeps files for {in_words(IMAGE_RETENTION_SECONDS)}"

LENGTH = re.compile(r"[0-9]{1,18}")
# Possessive quantifiers: a body made of many comments must not cause backtracking.
XML_PROLOGUE = rb"(?:\xef\xbb\xbf)?(?:\s++|(?><\?.*?\?>)|(?><!--.*?-->))*+"
PAGE = re.compile(XML_PROLOGUE + rb"<(!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL)
SVG = re.compile(XML_PROLOGUE + rb"<(!doctype\s+)?svg\b", re.IGNORECASE | re.DOTALL)
LONGEST_BEGINNING = 1024
"""Bytes by which a format, a web page or SVG can be recognised."""
LONGEST_EXCERPT = 16
"""The most characters of a body in a message."""
NOUNS: dict[Kind | None, str] = {
    "image": "an image",
    "video": "a video",
    "audio": "audio",
    "text": "text",
    "json": "JSON",
}


class OutputSink(ABC):
    """Receives one output piece by piece. Refuses bodies that are no output, too large or too slow.

    The format of an image, a video or a sound is decided by the first bytes. Which of these a model makes does not
    matter: all are paid for. Texts and JSON are refused where the model makes none, since they may be an error of the
    host.
    """

    def __init__(self, kind: Kind | None = None, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`kind` is what the model makes; None if that is not known."""
        self.until = monotonic() + DOWNLOAD_SECONDS
        self.url = ""
        """The URL of the file; empty if the output was in the response itself."""
        self._kind: Kind | None = kind
        self._monotonic = monotonic
        self._head: ApiResponse | None = None
        self._format: Format | None = None
        """None for an unknown format."""

    def begin(self, head: ApiResponse) -> bool:
        if head.status != 200:
            return False
        self._head = head
        self._received = 0
        length = head.headers.get("content-length", "")
        self._expected = int(length) if LENGTH.fullmatch(length) else None
        if head.headers.get("content-encoding", "identity").lower() != "identity":
            raise DownloadFailed("the file was sent compressed, which was not asked for", response=head)
        # Without either header, a body ends when the connection does, and one that was cut short looks complete.
        chunked = "chunked" in head.headers.get("transfer-encoding", "").lower()
        self._start(media_type_of(head), framed=chunked or self._expected is not None)
        media_kind = kind_of(self._media_type)
        if media_kind not in MEDIA and self._media_type not in UNTYPED and (media_kind is None or self._kind in MEDIA):
            raise self._no_output(shortened(self._media_type))
        self._largest = LARGEST[media_kind or self._kind]
        self._refuse_beyond_limit(self._expected or 0)
        return True

    def write(self, piece: bytes) -> None:
        self._received += len(piece)
        self._refuse_beyond_limit(self._received)
        if self._monotonic() > self.until:
            detail = f"only {self._received} bytes of the file came within {DOWNLOAD_SECONDS:g} s; try again, {KEPT}"
            raise DownloadFailed(detail, response=self._head)
        self._add(piece)

    def end(self) -> None:
        if self._expected not in (None, self._received):
            raise ConnectionLost(f"only {self._received} of {self._expected} bytes came")
        self._finish()

    def take(self, media_type: str, content: bytes, url: str = "") -> None:
        """Takes an output that was in the response, of any size, even if cut short: there may be no other copy."""
        self.url = url
        self._start(media_type, framed=True)
        self._is_received = True
        self._add(content)
        self._finish()

    @property
    def media_type(self) -> str:
        """That of the format, as the media type in the response may be missing or wrong."""
        return self._format.media_type if self._format else self._media_type

    @abstractmethod
    def discard(self) -> None:
        """Removes everything but a complete output. May be called more than once."""

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
        self._is_received = False

    def _add(self, piece: bytes) -> None:
        if self._opened:
            self._put(piece)
            return
        self._beginning += piece
        if len(self._beginning) >= LONGEST_BEGINNING:
            self._begin_output()

    def _begin_output(self) -> None:
        """Raises DownloadFailed for what is no output."""
        untyped = TEXTS.get(self._kind) if self._media_type in UNTYPED else None
        self._format = formats.format_of(self._beginning, untyped.media_type if untyped else self._media_type)
        # A text that was received may be anything: a model may write web pages.
        is_sure = self._format is not None and (self._format.beginning is not None or self._is_received)
        is_page = PAGE.match(self._beginning[:LONGEST_BEGINNING])
        is_unknown = self._format is None and self._media_type in UNTYPED
        if not is_sure and (not self._beginning or is_page or is_unknown):
            raise self._no_output(self._contents())
        if self._format and not self._is_received:
            self._largest = LARGEST[self._format.kind]
            self._refuse_beyond_limit(self._received)
        self._open()
        self._put(self._beginning)
        self._opened = True

    def _finish(self) -> None:
        if not self._opened:
            self._begin_output()
        self._complete()

    def _check_end(self, body: BinaryIO) -> None:
        """Raises ConnectionLost for a file that was cut short."""
        if self._framed:
            return
        if self._format is None or self._format.is_complete is None:
            raise ConnectionLost("the response has no length, so that nothing shows whether the file is complete")
        if not self._format.is_complete(body):
            raise ConnectionLost(f"the connection closed before the end of the {self._format.name} data")

    def _no_output(self, contents: str) -> DownloadFailed:
        noun = NOUNS.get(self._kind, "what a model makes")
        return DownloadFailed(f"{self._source()} is not {noun} but {contents}", response=self._head)

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
        if size > self._largest:
            detail = f"the file is larger than {self._largest} bytes; if that is right, fetch output_url by other means"
            raise DownloadFailed(detail, response=self._head)


class MemorySink(OutputSink):
    """Keeps the output in memory."""

    content = b""

    def discard(self) -> None: ...

    def _open(self) -> None:
        self._pieces = io.BytesIO()

    def _put(self, piece: bytes) -> None:
        self._pieces.write(piece)

    def _complete(self) -> None:
        self._check_end(self._pieces)
        self.content = self._pieces.getvalue()
