"""The image formats that `save` writes: extensions, and how their files begin and end."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import BinaryIO

import attrs

UNTYPED = frozenset({"", "application/octet-stream", "binary/octet-stream"})
"""Media types that do not tell the content. Object stores send them for files without metadata."""
MOST_BOXES = 1000
"""The most boxes at the top level of an AVIF or HEIC file; files have about five."""


@attrs.frozen
class Format:
    """One image format."""

    name: str
    media_type: str
    extensions: tuple[str, ...]
    """In lower case, the usual one first."""
    beginning: re.Pattern[bytes]
    is_complete: Callable[[BinaryIO], bool]
    """Whether a file ends as the format requires."""


def ends_with(marker: bytes) -> Callable[[BinaryIO], bool]:
    def is_complete(file: BinaryIO) -> bool:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(marker)))
        return file.read() == marker

    return is_complete


def riff_is_complete(file: BinaryIO) -> bool:
    """A RIFF file begins with its own size."""
    size = file.seek(0, os.SEEK_END)
    file.seek(4)
    return size >= 8 + int.from_bytes(file.read(4), "little")


def boxes_are_complete(file: BinaryIO) -> bool:
    """An ISO-BMFF file is a sequence of boxes, each of which begins with its size and its kind."""
    end = file.seek(0, os.SEEK_END)
    position = 0
    kinds: set[bytes] = set()
    for _ in range(MOST_BOXES):
        if position >= end:
            break
        file.seek(position)
        header = file.read(16)
        size = int.from_bytes(header[:4], "big")
        if size == 1:
            size = int.from_bytes(header[8:], "big")
        # A size of 0 means "to the end of the file", which a file that was cut short also has.
        if size < 8:
            return False
        kinds.add(header[4:8])
        position += size
    return position == end and {b"meta", b"mdat"} <= kinds


PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
GIF_END = b"\0;"
"""The end of the last block and the trailer."""
HEIF_BRANDS = b"(?:mif1|msf1)"
"""Brands that AVIF and HEIC share: the further brands in the box tell which it is."""

FORMATS = (
    Format("PNG", "image/png", (".png",), re.compile(rb"\x89PNG\r\n\x1a\n"), ends_with(PNG_END)),
    Format(
        "JPEG",
        "image/jpeg",
        (".jpg", ".jpeg", ".jpe", ".jfif"),
        re.compile(rb"\xff\xd8\xff"),
        ends_with(b"\xff\xd9"),
    ),
    Format("WebP", "image/webp", (".webp",), re.compile(rb"RIFF.{4}WEBP", re.DOTALL), riff_is_complete),
    Format("GIF", "image/gif", (".gif",), re.compile(rb"GIF8[79]a"), ends_with(GIF_END)),
    Format(
        "AVIF",
        "image/avif",
        (".avif",),
        re.compile(rb".{4}ftyp(?:avi[fs]|" + HEIF_BRANDS + rb".{4}(?:.{4}){0,8}?avi[fs])", re.DOTALL),
        boxes_are_complete,
    ),
    Format(
        "HEIC",
        "image/heic",
        (".heic", ".heif"),
        re.compile(rb".{4}ftyp(?:he[iv][cxms]|" + HEIF_BRANDS + rb")", re.DOTALL),
        boxes_are_complete,
    ),
)
"""Not SVG, which can hold scripts and has no signature."""

BY_EXTENSION = {extension: it for it in FORMATS for extension in it.extensions}
NAMES = ", ".join(it.name for it in FORMATS)


def format_of(beginning: bytes) -> Format | None:
    """The format of a file, by its first bytes alone."""
    return next((it for it in FORMATS if it.beginning.match(beginning)), None)
