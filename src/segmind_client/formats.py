"""The formats that `save` writes: extensions, and how their files begin and end."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from typing import BinaryIO, Literal

import attrs

Kind = Literal["image", "video", "audio", "text", "json"]
"""What a model makes."""
MEDIA = ("image", "video", "audio")
"""Kinds whose output is a file. A text or JSON may be in the result itself."""
UNTYPED = frozenset(
    {"", "application/octet-stream", "binary/octet-stream", "application/mp4", "application/ogg", "application/x-ogg"}
)
"""Media types that do not tell the content. Object stores send the first three for files without metadata; MP4 and Ogg
may be audio or video.
"""
LARGEST: dict[Kind | None, int] = {
    # 4096 x 4096 pixels without compression.
    "image": 50_000_000,
    # Ten minutes of 1080p at 13 Mbit/s, or a minute of 4K at 130 Mbit/s.
    "video": 1_000_000_000,
    # Ten minutes of stereo without compression, at 48 kHz and 32 bits.
    "audio": 240_000_000,
    # All of it is parsed at once, in a second or two.
    "text": 50_000_000,
    "json": 50_000_000,
    None: 1_000_000_000,
}
"""The most bytes of a download, by what the model makes; None where that is not known."""
MOST_BOXES = 10_000
"""The most boxes at the top level of an ISO-BMFF file. Images have about five, streamed videos two a second."""
LONGEST_OGG_PAGE = 65_307
WEBM_SEGMENT = b"\x18\x53\x80\x67"


@attrs.frozen
class Format:
    """One format of files."""

    name: str
    kind: Kind
    media_type: str
    extensions: tuple[str, ...]
    """In lower case, the usual one first."""
    beginning: re.Pattern[bytes] | None = None
    """None for texts, which only a media type can tell."""
    is_complete: Callable[[BinaryIO], bool] | None = None
    """Whether a file ends as the format requires; None for formats that require no end."""


def ends_with(marker: bytes) -> Callable[[BinaryIO], bool]:
    def is_complete(file: BinaryIO) -> bool:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(marker)))
        return file.read() == marker

    return is_complete


def riff_is_complete(file: BinaryIO) -> bool:
    """A RIFF file begins with its own size; one that was written as a stream may say 0 instead."""
    size = file.seek(0, os.SEEK_END)
    file.seek(4)
    declared = int.from_bytes(file.read(4), "little")
    return declared > 0 and size >= 8 + declared


def has_boxes(*required: bytes) -> Callable[[BinaryIO], bool]:
    """For an ISO-BMFF file: a sequence of boxes, each of which begins with its size and its kind."""

    def is_complete(file: BinaryIO) -> bool:
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
        return position == end and kinds.issuperset(required)

    return is_complete


def webm_is_complete(file: BinaryIO) -> bool:
    """A WebM file is a header and a segment, each with its size; that of a live recording is unknown."""
    end = file.seek(0, os.SEEK_END)
    file.seek(4)
    file.seek(webm_size(file) or 0, os.SEEK_CUR)
    if file.read(4) != WEBM_SEGMENT:
        return False
    size = webm_size(file)
    return size is not None and file.tell() + size == end


def webm_size(file: BinaryIO) -> int | None:
    """The size of the next element, a number whose first bits say how many bytes it has; None for an unknown one."""
    first = file.read(1)
    if first in (b"", b"\0"):
        return None
    more = 8 - first[0].bit_length()
    largest = (1 << 7 * (more + 1)) - 1
    size = int.from_bytes(first + file.read(more), "big") & largest
    return size if size != largest else None


def ogg_is_complete(file: BinaryIO) -> bool:
    """The last page of an Ogg file says that it is the last, and how long it is."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - LONGEST_OGG_PAGE))
    tail = file.read()
    page = tail[max(0, tail.rfind(b"OggS")) :]
    is_last = len(page) > 26 and bool(page[5] & 4)
    return is_last and len(page) == 27 + page[26] + sum(page[27 : 27 + page[26]])


def json_is_complete(file: BinaryIO) -> bool:
    file.seek(0)
    return is_json(file.read())


def is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        return False
    return True


PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
GIF_END = b"\0;"
"""The end of the last block and the trailer."""
HEIF_BRANDS = b"(?:mif1|msf1)"
"""Brands that AVIF and HEIC share: the further brands in the box tell which it is."""
MP4_BRANDS = rb"(?:iso[m2-9]|mp4[12v]|avc1|hvc1|av01|dash|cmf[c2]|M4V[ HP]|MSNV|mmp4|f4v |F4V )"
MP3_FRAME = rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb][\x10-\xef]"
"""The header of a frame: MPEG 1, 2 or 2.5, layer III, and a bit rate."""
AUDIO_VISUAL = has_boxes(b"moov", b"mdat")


def signature(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(pattern, re.DOTALL)


FORMATS = (
    Format("PNG", "image", "image/png", (".png",), signature(rb"\x89PNG\r\n\x1a\n"), ends_with(PNG_END)),
    Format(
        "JPEG",
        "image",
        "image/jpeg",
        (".jpg", ".jpeg", ".jpe", ".jfif"),
        signature(rb"\xff\xd8\xff"),
        ends_with(b"\xff\xd9"),
    ),
    Format("WebP", "image", "image/webp", (".webp",), signature(rb"RIFF.{4}WEBP"), riff_is_complete),
    Format("GIF", "image", "image/gif", (".gif",), signature(rb"GIF8[79]a"), ends_with(GIF_END)),
    Format(
        "AVIF",
        "image",
        "image/avif",
        (".avif",),
        signature(rb".{4}ftyp(?:avi[fs]|" + HEIF_BRANDS + rb".{4}(?:.{4}){0,8}?avi[fs])"),
        has_boxes(b"meta", b"mdat"),
    ),
    Format(
        "HEIC",
        "image",
        "image/heic",
        (".heic", ".heif"),
        signature(rb".{4}ftyp(?:he[iv][cxms]|" + HEIF_BRANDS + rb")"),
        has_boxes(b"meta", b"mdat"),
    ),
    Format("MP4", "video", "video/mp4", (".mp4", ".m4v"), signature(rb".{4}ftyp" + MP4_BRANDS), AUDIO_VISUAL),
    Format("MOV", "video", "video/quicktime", (".mov", ".qt"), signature(rb".{4}ftypqt  "), AUDIO_VISUAL),
    Format("WebM", "video", "video/webm", (".webm",), signature(rb"\x1aE\xdf\xa3.{1,60}?webm"), webm_is_complete),
    Format("WAV", "audio", "audio/wav", (".wav",), signature(rb"RIFF.{4}WAVE"), riff_is_complete),
    Format("MP3", "audio", "audio/mpeg", (".mp3",), signature(rb"ID3[\x02-\x04]|" + MP3_FRAME)),
    Format("Ogg", "audio", "audio/ogg", (".ogg", ".oga", ".opus"), signature(rb"OggS\0"), ogg_is_complete),
    Format("FLAC", "audio", "audio/flac", (".flac",), signature(rb"fLaC")),
    Format("M4A", "audio", "audio/mp4", (".m4a", ".m4b"), signature(rb".{4}ftypM4[AB] "), AUDIO_VISUAL),
    Format("text", "text", "text/plain", (".txt", ".md", ".csv", ".srt", ".vtt")),
    Format("JSON", "json", "application/json", (".json",), None, json_is_complete),
)
"""Not SVG, which can hold scripts and has no signature."""

BY_EXTENSION = {extension: it for it in FORMATS for extension in it.extensions}
TEXTS: dict[Kind | None, Format] = {it.kind: it for it in FORMATS if it.beginning is None}
BY_MAIN_TYPE: dict[str, Kind] = {"image": "image", "video": "video", "audio": "audio", "text": "text"}
NAMES = ", ".join(it.name for it in FORMATS)


def kind_of(media_type: str) -> Kind | None:
    """What a media type says of the content; None for web pages and anything else that no model makes."""
    if media_type == "application/json":
        return "json"
    main = media_type.partition("/")[0]
    return None if media_type == "text/html" else BY_MAIN_TYPE.get(main)


def format_of(beginning: bytes, media_type: str = "") -> Format | None:
    """The format of a file: by its first bytes alone, or text or JSON by its media type."""
    text = TEXTS.get(kind_of(media_type))
    # A text may begin with the signature of GIF, but has no zero byte.
    if text and b"\0" not in beginning:
        return text
    return next((it for it in FORMATS if it.beginning and it.beginning.match(beginning)), text)
