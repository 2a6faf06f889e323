"""How a file shows its format and its end, with files that Pillow makes."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from tests.support.internals import BY_EXTENSION, FORMATS, Format, format_of


def drawn(name: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), "navy").save(file, name)
    return file.getvalue()


def box(kind: bytes, body: bytes = b"", *, large: bool = False) -> bytes:
    if large:
        return struct.pack(">I4sQ", 1, kind, 16 + len(body)) + body
    return struct.pack(">I4s", 8 + len(body), kind) + body


BOXES = box(b"meta", b"m" * 20) + box(b"mdat", b"d" * 20)
FILES = {
    "PNG": drawn("PNG"),
    "JPEG": drawn("JPEG"),
    "GIF": drawn("GIF"),
    "WebP": drawn("WEBP"),
    "AVIF": drawn("AVIF"),
    "HEIC": box(b"ftyp", b"heic\0\0\0\0mif1heic") + BOXES,
}
CUT_SHORT = {
    **FILES,
    "AVIF by a brand that HEIC shares": box(b"ftyp", b"mif1\0\0\0\0mif1avif") + BOXES,
    "HEIC by a brand that AVIF shares": box(b"ftyp", b"mif1\0\0\0\0mif1heic") + BOXES,
    "HEIC with a large box": box(b"ftyp", b"heic\0\0\0\0")
    + box(b"meta", b"m" * 20)
    + box(b"mdat", b"d" * 20, large=True),
    "HEIC with an empty box": box(b"ftyp", b"heic\0\0\0\0") + box(b"free") + BOXES,
}
EXTENSIONS = {
    "PNG": {".png"},
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "WebP": {".webp"},
    "GIF": {".gif"},
    "AVIF": {".avif"},
    "HEIC": {".heic", ".heif"},
    "MP4": {".mp4", ".m4v"},
    "MOV": {".mov", ".qt"},
    "WebM": {".webm"},
    "WAV": {".wav"},
    "MP3": {".mp3"},
    "Ogg": {".ogg", ".oga", ".opus"},
    "FLAC": {".flac"},
    "M4A": {".m4a", ".m4b"},
    "text": {".txt", ".md", ".csv", ".srt", ".vtt"},
    "JSON": {".json"},
}


def is_complete(found: Format, content: bytes) -> bool:
    assert found.is_complete is not None
    return found.is_complete(io.BytesIO(content))


def found_in(content: bytes) -> Format:
    found = format_of(content)
    assert found is not None
    return found


@pytest.mark.parametrize(("name", "content"), CUT_SHORT.items(), ids=CUT_SHORT.keys())
def test_a_file_shows_its_format_and_that_it_is_complete(name: str, content: bytes) -> None:
    found = found_in(content)
    assert found.name == name.split()[0]
    assert is_complete(found, content)


@pytest.mark.parametrize("content", CUT_SHORT.values(), ids=CUT_SHORT.keys())
def test_a_file_that_is_cut_short_anywhere_is_not_complete(content: bytes) -> None:
    found = found_in(content)
    for size in range(12, len(content)):
        assert not is_complete(found, content[:size]), size


@pytest.mark.parametrize("last", [b"\0\0\0\0free", b"\0\0\0\7fre", b"\0\0\0\7free", b"\0\0\0\1free" + bytes(8)])
def test_a_box_without_a_usable_size_does_not_show_an_end(last: bytes) -> None:
    content = box(b"ftyp", b"heic\0\0\0\0") + BOXES + last
    assert not is_complete(found_in(content), content)


def test_boxes_without_number_are_not_counted_to_their_end() -> None:
    content = box(b"ftyp", b"heic\0\0\0\0") + BOXES + box(b"free") * 1_000_000
    assert not is_complete(found_in(content), content)


@pytest.mark.parametrize(
    "content", [b"", b"<svg></svg>", b"<?php ?>", b"BM" + bytes(60), b"RIFF\0\0\0\0AVI ", b"%PDF-1.7", b"\0" * 64]
)
def test_other_bytes_have_no_format(content: bytes) -> None:
    assert format_of(content) is None


def test_each_format_has_extensions_of_its_own() -> None:
    assert {it.name: set(it.extensions) for it in FORMATS} == EXTENSIONS
    assert {extension: it.name for extension, it in BY_EXTENSION.items()} == {
        extension: name for name, extensions in EXTENSIONS.items() for extension in extensions
    }
