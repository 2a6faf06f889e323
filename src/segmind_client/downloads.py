"""Downloads an image into memory or into a file, as a whole or not at all."""

from __future__ import annotations

import io
import logging
import os
import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from pathlib import Path, PurePosixPath
from secrets import token_hex
from typing import Any, BinaryIO, TypeGuard
from urllib.parse import urljoin, urlsplit

import attrs
import httpx

from segmind_api.catalog import IMAGE_RETENTION_SECONDS
from segmind_api.types import ApiResponse
from segmind_client import formats
from segmind_client.errors import (
    ConnectionLost,
    DownloadFailed,
    FileExists,
    InvalidParameter,
    NotSaved,
    NotSent,
    SegmindError,
    in_words,
)
from segmind_client.flows import Caller
from segmind_client.formats import Format
from segmind_client.masking import masked, shortened, shown_url
from segmind_client.reading import media_type_of
from segmind_client.steps import Flow

LARGEST_IMAGE = 50_000_000
"""Bytes of a download."""
DOWNLOAD_SECONDS = 300.0
"""For all attempts together, checked with each piece that is received."""
MOST_REDIRECTS = 5
LONGEST_STEM = 100
"""Characters of a file's name without its extension."""

REDIRECTS = frozenset({301, 302, 303, 307, 308})
GONE = frozenset({404, 410})
KEPT = f"the service keeps images for {in_words(IMAGE_RETENTION_SECONDS)}"

LENGTH = re.compile(r"[0-9]{1,18}")
# Possessive, so that a body made of many comments is not searched again and again.
XML_PROLOGUE = rb"(?:\xef\xbb\xbf)?(?:\s++|(?><\?.*?\?>)|(?><!--.*?-->))*+"
PAGE = re.compile(XML_PROLOGUE + rb"<(!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL)
SVG = re.compile(XML_PROLOGUE + rb"<(!doctype\s+)?svg\b", re.IGNORECASE | re.DOTALL)
LONGEST_BEGINNING = 1024
"""Bytes in which a format, a web page or SVG can be recognised."""
LONGEST_EXCERPT = 16
"""Characters of a body in a message."""
FOLDER_ENDS = ("", ".", "..")
"""What a path ends in, after the last separator, that can only be the path of a folder."""
UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
"""Names that stand for devices on Windows, whatever their extension."""

HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label that makes a host an IPv4 address in one of its old spellings: 127.1, 0x7f.1, 2130706433."""
ALLOWING = "the option any_image_host=True allows it"
NAT64 = IPv6Network("64:ff9b::/96")
"""IPv6 addresses that end in the IPv4 address that they lead to."""

logger = logging.getLogger("segmind_client")


@attrs.define(kw_only=True)
class Image:
    """What a result says about its image: the image itself, or its URL."""

    content: bytes | None = None
    """None until it is downloaded."""
    media_type: str = ""
    """Of the content."""
    url: str = ""
    names: tuple[str, ...] = ()
    """What its file may be called, the best first. They come from others and may be harmful."""
    request_id: str | None = None


class ImageSink(ABC):
    """Receives one image piece by piece. Refuses what is not an image, what is too large and what takes too long.

    The format is decided by the first bytes. A media type tells only whether other bytes are an image at all.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.until = monotonic() + DOWNLOAD_SECONDS
        self.url = ""
        """Where the image comes from; empty if it was in the response itself."""
        self._monotonic = monotonic
        self._head: ApiResponse | None = None
        self._format: Format | None = None
        """By the first bytes; None where they are of no format that is known."""

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
        # Without either, the body ends where the connection does, and one that was cut short looks complete.
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
        """Takes an image that is already here, of any size and even if cut short: it is paid for, there is no other."""
        self.url = url
        self._start(media_type, framed=True)
        self._add(content)
        self._finish()

    @abstractmethod
    def discard(self) -> None:
        """Leaves nothing behind but a complete image. May be called again, after an interruption for instance."""

    @abstractmethod
    def _open(self) -> None:
        """Begins, or begins anew, when the first bytes have decided the format."""

    @abstractmethod
    def _put(self, piece: bytes) -> None: ...

    @abstractmethod
    def _complete(self) -> None:
        """The body has ended."""

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
        """What came, for a message."""
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
        self.media_type = self._media_type
        self.content = self._pieces.getvalue()


class FileSink(ImageSink):
    """Writes the image to a temporary file beside `target`, which gets its name when the image is complete.

    `target` is the path that was asked for, with the extension of the image's format.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        names: Iterable[str],
        *,
        overwrite: bool,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises InvalidParameter for what is not a path."""
        super().__init__(monotonic=monotonic)
        # The working directory may change meanwhile.
        self._path = Path.cwd() / as_path(path)
        # Path drops a separator at the end, and a dot after one.
        self._names_folder = os.path.split(os.fspath(path))[1] in FOLDER_ENDS
        self.target = self._path
        self._names = names
        self._overwrite = overwrite
        self._temporary: Path | None = None
        self._reserved = False
        self._renamed_for: Format | None = None
        self._file: BinaryIO = io.BytesIO()
        self._discarded = False
        # A cancelled task does not always wait for the thread that works for it. Re-entrant, so that an interruption
        # that keeps the lock from being released cannot block the same thread for good.
        self._lock = threading.RLock()

    def check(self) -> None:
        """Raises NotSaved for a path that nothing can be saved at, whatever the image is."""
        self._do(self._find_folder)

    def discard(self) -> None:
        with self._lock:
            self._discarded = True
            self._remove()

    def _open(self) -> None:
        self._do(self._create)

    def _put(self, piece: bytes) -> None:
        self._do(lambda: self._file.write(piece))

    def _complete(self) -> None:
        self._do(self._close_and_name)

    def _do(self, work: Callable[[], object]) -> None:
        # Not a generator with `contextmanager`: an interruption would leave it suspended, with the lock.
        with self._lock:
            if self._discarded:
                raise NotSaved(f"{self.target} was not written: saving it was given up")
            try:
                work()
            except SegmindError:
                raise
            except FileExistsError as error:
                name_target(error, self.target)
                detail = (
                    f"{self.target} exists and was left as it is: pass overwrite=True to replace it, or another path"
                )
                raise FileExists(detail) from error
            except OSError as error:
                name_target(error, self.target)
                raise NotSaved(f"{self.target} was not written: {error.strerror or error}") from error
            except ValueError as error:
                raise NotSaved(f"{self.target} was not written: {error}") from error

    def _create(self) -> None:
        if self._format is None:
            raise NotSaved(
                f"{self._path} was not written: {self._source()} is {self._contents()}, and save() writes "
                f"{formats.NAMES} only; `content` has its bytes"
            )
        self._remove()
        self._choose_target(self._format)
        # The name is known before the file exists, so that an interruption in between leaves none.
        self._temporary = self.target.with_name(f".{token_hex(16)}.part")
        self._file = self._temporary.open("x+b")

    def _close_and_name(self) -> None:
        self._check_end(self._file)
        self._file.close()
        self._name_file(Path(self._file.name))
        if self._renamed_for:
            kind = self._renamed_for.name
            logger.warning("The image is a %s: it was saved as %s, not as %s", kind, self.target, self._path)

    def _find_folder(self) -> Path:
        """The folder of the file. Raises NotSaved if there is none."""
        folder = self._path if self._names_folder or self._path.is_dir() else self._path.parent
        if not folder.is_dir():
            raise NotSaved(f"{self._path} was not written: there is no folder {folder}, make it first")
        return folder

    def _choose_target(self, found: Format) -> None:
        folder = self._find_folder()
        if folder is self._path:
            self.target = folder / safe_name(self._names, found.extensions)
        else:
            self.target = with_extension(self._path, found)
            self._renamed_for = found if self.target != self._path else None
        if not self._overwrite and os.path.lexists(self.target):
            raise FileExistsError

    def _name_file(self, temporary: Path) -> None:
        """Gives the complete file its name, in one step: at no moment is there an incomplete file of that name."""
        if self._overwrite:
            temporary.replace(self.target)
            return
        try:
            # A rename would replace a file that appeared meanwhile; a link does not.
            self.target.hardlink_to(temporary)
        except FileExistsError:
            raise
        except (OSError, NotImplementedError):
            self._name_file_without_links(temporary)

    def _name_file_without_links(self, temporary: Path) -> None:
        """For file systems without hard links, FAT for instance. An empty file keeps the name for the rename."""
        self._reserved = True
        try:
            self.target.touch(exist_ok=False)
        except FileExistsError:
            self._reserved = False
            raise
        temporary.replace(self.target)
        self._reserved = False

    def _remove(self) -> None:
        with suppress(OSError):
            self._file.close()
        if self._temporary is not None:
            with suppress(OSError):
                self._temporary.unlink()
        if self._reserved:
            with suppress(OSError):
                # Empty, unless the rename was carried out before the interruption.
                if self.target.stat().st_size == 0:
                    self.target.unlink()


def name_target(error: OSError, target: Path) -> None:
    """Makes a system's error speak of the file that was asked for, not of the temporary one."""
    if error.filename is not None:
        error.filename = str(target)
        del error.filename2


def fetch(caller: Caller, image: Image, sink: ImageSink) -> Flow[None]:
    """Downloads an image from its URL into a sink. Raises DownloadFailed, and what the sink raises."""
    try:
        yield from follow(caller, image.url, sink)
    except DownloadFailed as error:
        error.request_id = image.request_id
        raise
    # A proxy of the environment that cannot be used is an InvalidParameter.
    except (InvalidParameter, NotSent, ConnectionLost) as error:
        detail = f"no image came from {shown_url(image.url)}: {error.detail}; try again, {KEPT}"
        raise DownloadFailed(detail, request_id=image.request_id) from error


def follow(caller: Caller, url: str, sink: ImageSink) -> Flow[None]:
    public_only = needs_public_hosts(caller)
    secure = urlsplit(url).scheme == "https"
    if problem := problem_of(url, public_only=public_only):
        raise DownloadFailed(f"the image was not fetched: {shown_url(url)} {problem}")
    until = caller.clock.monotonic() + DOWNLOAD_SECONDS
    for _ in range(MOST_REDIRECTS + 1):
        sink.url = url
        response = yield from caller.fetch(url, sink, until, check_address if public_only else None)
        if response.status == 200:
            return
        location = response.headers.get("location")
        if response.status not in REDIRECTS or not location:
            raise not_an_image(url, response)
        url = redirected(url, location, secure=secure, public_only=public_only)
    raise DownloadFailed(f"the image is behind more than {MOST_REDIRECTS} redirects, the last to {shown_url(url)}")


def needs_public_hosts(caller: Caller) -> bool:
    """Whether images may be fetched from public https hosts only: the service itself is on https, and no option
    allows more.
    """
    return caller.is_https and not caller.options.any_image_host


def check_address(ip: str) -> None:
    """Raises DownloadFailed for the IP address of a host that no image is fetched from."""
    if refused_address(ip):
        raise DownloadFailed(f"the host of the image is in a private network ({ip}); {ALLOWING}")


def not_an_image(url: str, response: ApiResponse) -> DownloadFailed:
    if response.status in GONE:
        detail = f"there is no image at {shown_url(url)}, at least no longer: {KEPT}"
    else:
        detail = f"{shown_url(url)} responded with {response.status} instead of the image; try again, {KEPT}"
    return DownloadFailed(detail, response=response)


def redirected(url: str, location: str, *, secure: bool, public_only: bool) -> str:
    """The URL that a redirect leads to. Raises DownloadFailed for one that is not followed."""
    try:
        target = urljoin(url, quoted(location))
    except ValueError:
        target = location
    problem = problem_of(target, public_only=public_only)
    if secure and not problem and urlsplit(target).scheme != "https":
        problem = "is not encrypted"
    if problem:
        raise DownloadFailed(f"{shown_url(url)} redirects to {shown_url(target)}, which {problem}")
    return target


def quoted(location: str) -> str:
    """A Location header as a URL: services send UTF-8 and spaces in it."""
    with suppress(UnicodeError):
        location = location.encode("latin-1").decode()
    return location.replace(" ", "%20")


def problem_of(url: str, *, public_only: bool) -> str | None:
    """Why no image is fetched from a URL, as the rest of a sentence; None if there is no reason."""
    if not is_url(url):
        return "is not a URL that an image can be fetched from"
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        return f"is not a URL that an image can be fetched from: {error}"
    if not public_only:
        return None
    if parsed.scheme != "https":
        return f"is not encrypted; {ALLOWING}"
    if parsed.userinfo:
        return f"holds a user name or a password; {ALLOWING}"
    # httpx has translated other alphabets: this is the host that it would connect to.
    if not is_public_host(parsed.raw_host.decode()):
        return f"leads into a private network; {ALLOWING}"
    return None


def is_public_host(host: str) -> bool:
    """Whether a host is a name, or a public IP address in its usual spelling. What a name resolves to is not known."""
    name = host.lower().rstrip(".")
    if ":" in name or all(NUMBER.fullmatch(label) for label in name.split(".")):
        return not refused_address(name)
    last = name.rpartition(".")[2]
    return bool(HOST.fullmatch(name)) and last != "localhost" and not NUMBER.fullmatch(last)


def refused_address(ip: str) -> bool:
    """Whether no image is fetched from an IP address: private, loopback, link-local, reserved, multicast or none."""
    try:
        address: IPv4Address | IPv6Address = ip_address(ip)
    except ValueError:
        return True
    if isinstance(address, IPv6Address):
        nat64 = IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else None
        address = address.ipv4_mapped or address.sixtofour or nat64 or address
    site_local = isinstance(address, IPv6Address) and address.is_site_local
    return not address.is_global or address.is_multicast or address.is_reserved or site_local


def is_url(text: object) -> TypeGuard[str]:
    """Whether a text is an http or https URL and nothing else."""
    if not isinstance(text, str) or not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def as_path(path: Any) -> Path:
    """Raises InvalidParameter for what is not a path."""
    try:
        return Path(path)
    except TypeError as error:
        raise InvalidParameter("save", "path", path, "the path of a file or of a folder") from error


def with_extension(path: Path, found: Format) -> Path:
    """The path with an extension of the format. That of another format is replaced, any other text is kept."""
    suffix = path.suffix.lower()
    if suffix in found.extensions:
        return path
    if suffix in formats.BY_EXTENSION:
        return path.with_suffix(found.extensions[0])
    return path.with_name(path.name + found.extensions[0])


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
