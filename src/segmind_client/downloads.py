"""Brings an image from its address into memory or into a file, whole or not at all."""

from __future__ import annotations

import io
import mimetypes
import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from secrets import token_hex
from typing import BinaryIO, Self, TypeGuard
from urllib.parse import urljoin, urlsplit

import attrs

from segmind_api.catalog import IMAGE_RETENTION_SECONDS
from segmind_api.types import ApiResponse
from segmind_client.errors import ConnectionLost, DownloadFailed, FileExists, NotSaved, NotSent, SegmindError, in_words
from segmind_client.flows import Caller
from segmind_client.steps import Flow

LARGEST_IMAGE = 50_000_000
"""Bytes of a download."""
DOWNLOAD_SECONDS = 300.0
"""For all attempts together, looked at whenever a piece has come."""
MOST_REDIRECTS = 5
LONGEST_STEM = 100
"""Characters of a file's name without its extension."""

REDIRECTS = frozenset({301, 302, 303, 307, 308})
GONE = frozenset({404, 410})
KEPT = f"the service keeps images for {in_words(IMAGE_RETENTION_SECONDS)}"

MEDIA_TYPE = re.compile(r"image/[a-z0-9+-]+(\.[a-z0-9+-]+)*")
LENGTH = re.compile(r"[0-9]{1,18}")
PAGE = re.compile(rb"\s*<(!doctype\s+html|html|head|body)\b", re.IGNORECASE)
LONGEST_BEGINNING = 1024
"""Bytes in which a page gives itself away."""
UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
"""Names that stand for devices on Windows, whatever their extension."""


@attrs.define(kw_only=True)
class Image:
    """What a result says of its image: the image itself, or where it is."""

    content: bytes | None = None
    """None while it is only where it is."""
    media_type: str = ""
    """Of the content."""
    address: str = ""
    names: tuple[str, ...] = ()
    """What its file may be called, the best first; others chose them."""
    request_id: str | None = None
    response: ApiResponse | None = None
    """What the result came in."""


class ImageSink(ABC):
    """Takes one image piece by piece; refuses what is none, what is too large and what comes too late."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.until = monotonic() + DOWNLOAD_SECONDS
        self._monotonic = monotonic
        self._head: ApiResponse | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def begin(self, head: ApiResponse) -> bool:
        if head.status != 200:
            return False
        self._head = head
        self._received = 0
        length = head.headers.get("content-length", "")
        self._expected = int(length) if LENGTH.fullmatch(length) else None
        self._refuse_beyond_limit(self._expected or 0)
        if head.headers.get("content-encoding", "identity").lower() != "identity":
            raise DownloadFailed("the image came compressed, which was not asked for", response=head)
        self._start(media_type_of(head))
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
        self._complete()

    def take(self, media_type: str, content: bytes) -> None:
        """Takes an image that is at hand, of any size: it is paid for and there is no other."""
        self._start(media_type)
        self._add(content)
        self._complete()

    @abstractmethod
    def discard(self) -> None:
        """Leaves nothing behind but a complete image."""

    @abstractmethod
    def _open(self, media_type: str) -> None:
        """Begins, or begins anew."""

    @abstractmethod
    def _put(self, piece: bytes) -> None: ...

    @abstractmethod
    def _close(self) -> None:
        """The image is complete."""

    def _start(self, media_type: str) -> None:
        if not MEDIA_TYPE.fullmatch(media_type):
            raise DownloadFailed(f"no image came but {media_type or 'something untyped'}", response=self._head)
        self._beginning = b""
        self._open(media_type)

    def _add(self, piece: bytes) -> None:
        self._beginning += piece[: LONGEST_BEGINNING - len(self._beginning)]
        self._put(piece)

    def _complete(self) -> None:
        if not self._beginning or PAGE.match(self._beginning):
            kind = "a web page" if self._beginning else "nothing"
            raise DownloadFailed(f"no image came but {kind}", response=self._head)
        self._close()

    def _refuse_beyond_limit(self, size: int) -> None:
        if size > LARGEST_IMAGE:
            detail = f"the image is larger than {LARGEST_IMAGE} bytes; if that is right, fetch image_url by other means"
            raise DownloadFailed(detail, response=self._head)


class MemorySink(ImageSink):
    """Keeps the image in memory."""

    content = b""
    media_type = ""

    def discard(self) -> None: ...

    def _open(self, media_type: str) -> None:
        self.media_type = media_type
        self._pieces = io.BytesIO()

    def _put(self, piece: bytes) -> None:
        self._pieces.write(piece)

    def _close(self) -> None:
        self.content = self._pieces.getvalue()


class FileSink(ImageSink):
    """Writes the image to a temporary file beside `target`, where it goes when it is complete."""

    def __init__(
        self,
        path: Path,
        names: Iterable[str],
        *,
        overwrite: bool,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(monotonic=monotonic)
        self.target = path
        self._path = path
        self._names = names
        self._overwrite = overwrite
        self._temporary: Path | None = None
        self._file: BinaryIO = io.BytesIO()
        self._discarded = False
        # A cancelled task does not always wait for the thread that works for it.
        self._lock = threading.Lock()

    def discard(self) -> None:
        with self._lock:
            self._discarded = True
            self._remove()

    def _open(self, media_type: str) -> None:
        with self._working():
            self._remove()
            self._choose_target(media_type)
            # The name is known before the file exists, so that an interrupt in between leaves none.
            self._temporary = self.target.with_name(f".{token_hex(16)}.part")
            self._file = self._temporary.open("xb")

    def _put(self, piece: bytes) -> None:
        with self._working():
            self._file.write(piece)

    def _close(self) -> None:
        with self._working():
            self._file.close()
            temporary = Path(self._file.name)
            if self._overwrite:
                temporary.replace(self.target)
                return
            # Fails where somebody was faster; a rename alone would overwrite their file.
            self.target.touch(exist_ok=False)
            try:
                temporary.replace(self.target)
            except BaseException:
                self.target.unlink()
                raise

    def _choose_target(self, media_type: str) -> None:
        extensions = extensions_of(media_type)
        if self._path.is_dir():
            self.target = self._path / safe_name(self._names, extensions)
        elif not self._path.name.lower().endswith(extensions):
            right = f"{self._path.stem}{extensions[0]}"
            raise NotSaved(
                f"{self._path} was not written: the image is {media_type}, so name the file {right}, or a folder that "
                f"exists"
            )
        if not self.target.parent.is_dir():
            raise NotSaved(f"{self.target} was not written: there is no folder {self.target.parent}, make it first")
        if not self._overwrite and self.target.exists():
            raise FileExistsError

    def _remove(self) -> None:
        with suppress(OSError):
            self._file.close()
        if self._temporary is not None:
            with suppress(OSError):
                self._temporary.unlink()

    @contextmanager
    def _working(self) -> Generator[None]:
        with self._lock:
            if self._discarded:
                raise NotSaved(f"{self.target} was not written: saving it was given up")
            try:
                yield
            except SegmindError:
                raise
            except FileExistsError as error:
                detail = f"{self.target} is there already: pass overwrite=True to replace it, or name another file"
                raise FileExists(detail) from error
            except (OSError, ValueError) as error:
                raise NotSaved(f"{self.target} was not written: {error}") from error


def fetch(caller: Caller, image: Image, sink: ImageSink) -> Flow[None]:
    """Gets an image from its address into a sink. Raises DownloadFailed, and what the sink raises."""
    try:
        yield from follow(caller, image.address, sink)
    except DownloadFailed as error:
        error.request_id = image.request_id
        raise
    except (NotSent, ConnectionLost) as error:
        detail = f"no image came from {shown(image.address)}: {error.detail}; try again, {KEPT}"
        raise DownloadFailed(detail, request_id=image.request_id) from error


def follow(caller: Caller, address: str, sink: ImageSink) -> Flow[None]:
    secure = urlsplit(address).scheme == "https"
    for _ in range(MOST_REDIRECTS + 1):
        response = yield from caller.fetch(address, sink, sink.until)
        if response.status == 200:
            return
        location = response.headers.get("location")
        if response.status not in REDIRECTS or not location:
            raise not_answered(address, response)
        address = followed(address, location, secure=secure)
    raise DownloadFailed(f"the image is behind more than {MOST_REDIRECTS} redirects, the last to {shown(address)}")


def not_answered(address: str, response: ApiResponse) -> DownloadFailed:
    if response.status in GONE:
        detail = f"there is no image at {shown(address)}, at least no longer: {KEPT}"
    else:
        detail = f"{shown(address)} answered {response.status} instead of the image; try again, {KEPT}"
    return DownloadFailed(detail, response=response)


def followed(address: str, location: str, *, secure: bool) -> str:
    """Where a redirect leads. Raises DownloadFailed where it is not followed."""
    try:
        target = urljoin(address, location)
    except ValueError:
        target = location
    if not is_address(target):
        raise DownloadFailed(f"{shown(address)} redirects to where no image can be fetched: {target[:200]!r}")
    if secure and urlsplit(target).scheme != "https":
        raise DownloadFailed(f"{shown(address)} redirects to {shown(target)}, which is not encrypted")
    return target


def is_address(text: object) -> TypeGuard[str]:
    """Whether a text is the address of something on the web, and nothing else besides."""
    if not isinstance(text, str) or not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def shown(address: str) -> str:
    """An address without a query, which may hold a signature, and without a password."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def media_type_of(response: ApiResponse) -> str:
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()


def extensions_of(media_type: str) -> tuple[str, ...]:
    """The extensions of a type of image, the usual one first."""
    known = mimetypes.guess_all_extensions(media_type, strict=False)
    return tuple(known) or (f".{media_type.partition('/')[2]}",)


def safe_name(names: Iterable[str], extensions: tuple[str, ...]) -> str:
    """The first of these names that can be used, made harmless on every system, with one of these extensions."""
    for name in names:
        # A separator of one system is an ordinary character of another.
        last = PurePosixPath(name.replace("\\", "/")).name
        plain = PurePosixPath(UNSAFE.sub("_", last).strip("._-"))
        if plain.name:
            extension = plain.suffix if plain.suffix.lower() in extensions else extensions[0]
            return f"{'_' if RESERVED.match(plain.stem) else ''}{plain.stem[:LONGEST_STEM]}{extension}"
    return f"image{extensions[0]}"
