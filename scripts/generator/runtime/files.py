"""Files as parameters: how a path or bytes become a `data:` URL."""

from __future__ import annotations

import base64
import mimetypes
from os import PathLike
from pathlib import Path
from typing import Any, TypeGuard

from .checks import Check, Refused

SIGNATURES = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF8", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "audio/ogg"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    *((4, b"ftyp" + brand, "image/heic") for brand in (b"heic", b"heix", b"hevc", b"mif1", b"msf1")),
    *((4, b"ftyp" + brand, "image/avif") for brand in (b"avif", b"avis")),
    (4, b"ftypM4A ", "audio/mp4"),
    (4, b"ftypqt  ", "video/quicktime"),
    (4, b"ftyp", "video/mp4"),
    (0, b"%PDF-", "application/pdf"),
)
"""Offset and bytes by which a format is known, and its media type."""


def file(url: Check, *, allowed: str) -> Check:
    """A URL that the check takes, or a file as its path or its bytes, which is read and sent as a `data:` URL."""

    def read(value: Any) -> Any:
        name = ""
        if isinstance(value, bytes):
            content = value
        elif is_path(value):
            path = Path(value)
            name, content = path.name, content_of(path, allowed)
        else:
            return checked(value)
        if not content:
            raise Refused(value, f"{allowed} (the file is empty)")
        media_type = media_type_of(content) or mimetypes.guess_type(name)[0]
        if media_type is None:
            problem = "its format is unknown: name its media type in a data: URL"
            raise Refused(value, f"{allowed} ({problem})")
        return checked(f"data:{media_type};base64,{base64.b64encode(content).decode()}")

    def checked(value: Any) -> Any:
        try:
            return url.read(value)
        except Refused as refused:
            raise Refused(refused.value, allowed) from None

    return Check(allowed, read)


def is_path(value: object) -> TypeGuard[PathLike[str]]:
    # A path can be of bytes, which pathlib does not take.
    path = getattr(value, "__fspath__", None)
    return path is not None and isinstance(path(), str)


def content_of(path: Path, allowed: str) -> bytes:
    try:
        # Reading from a pipe or a device may never end.
        if path.is_file() or not path.exists():
            return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Refused(path, f"{allowed} (the file cannot be read: {reason})") from error
    raise Refused(path, f"{allowed} (this is no regular file)")


def media_type_of(content: bytes) -> str | None:
    """By the first bytes; None if they show no format that is known here."""
    return next((found for offset, start, found in SIGNATURES if content.startswith(start, offset)), None)
