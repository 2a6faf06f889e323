"""How a file shows its format and its end."""

from __future__ import annotations

import io

import pytest

from tests.support.files import FILES, IMAGE_BOXES, box, film, ogg_page, webm
from tests.support.internals import BY_EXTENSION, FORMATS, Format, format_of

ENDED = {name: FILES[name] for name in FILES if name not in ("MP3", "FLAC", "text", "JSON")}
"""Files whose format requires an end."""
CUT_SHORT = {
    **ENDED,
    "AVIF by a brand that HEIC shares": box(b"ftyp", b"mif1\0\0\0\0mif1avif") + IMAGE_BOXES,
    "HEIC by a brand that AVIF shares": box(b"ftyp", b"mif1\0\0\0\0mif1heic") + IMAGE_BOXES,
    "HEIC with a large box": box(b"ftyp", b"heic\0\0\0\0")
    + box(b"meta", b"m" * 20)
    + box(b"mdat", b"d" * 20, large=True),
    "HEIC with an empty box": box(b"ftyp", b"heic\0\0\0\0") + box(b"free") + IMAGE_BOXES,
    "MP4 by another brand": film(b"mp42"),
    "MP4 by a brand of Apple's": film(b"M4V "),
    "M4A by a brand of audio books": film(b"M4B "),
    "WebM with a size of eight bytes": webm(b"\x01\0\0\0\0\0\0\x28"),
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


@pytest.mark.parametrize(
    ("name", "content"),
    {
        "MP3": FILES["MP3"],
        "MP3 without tags": b"\xff\xfb\x90\x64" + bytes(413),
        "MP3 of a low rate": b"\xff\xf3\x40\xc4" + bytes(200),
        "FLAC": FILES["FLAC"],
    }.items(),
)
def test_a_file_of_a_format_without_a_required_end_shows_its_format_alone(name: str, content: bytes) -> None:
    found = found_in(content)
    assert found.name == name.split()[0]
    assert found.is_complete is None


UNENDED = {
    "WebM of a live recording, whose size is unknown": webm(b"\xff"),
    "WebM whose header has no size": webm()[:4] + b"\0" + webm()[5:],
    "WAV of a stream, without a size": FILES["WAV"][:4] + bytes(4) + FILES["WAV"][8:],
    "Ogg without a last page": ogg_page(2, b"a" * 30),
    "MP4 without its table of contents": box(b"ftyp", b"isom\0\0\2\0") + box(b"mdat", b"d" * 20),
}


@pytest.mark.parametrize("content", UNENDED.values(), ids=UNENDED.keys())
def test_a_file_that_does_not_say_where_it_ends_is_not_complete(content: bytes) -> None:
    assert not is_complete(found_in(content), content)


@pytest.mark.parametrize(
    ("name", "media_type"), [("text", "text/plain"), ("text", "text/markdown"), ("JSON", "application/json")]
)
def test_a_text_shows_its_format_by_its_media_type_alone(name: str, media_type: str) -> None:
    content = b"GIF89a is a format" if name == "text" else b"[1]"
    found = format_of(content, media_type)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("name", ["PNG", "MP4", "WAV"])
def test_a_binary_file_that_is_called_a_text_shows_its_format_by_its_first_bytes(name: str) -> None:
    found = format_of(FILES[name], "text/plain")
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(("content", "complete"), [(b"[1]", True), (b"[1", False), (b"[" * 100_000, False)])
def test_json_is_complete_if_it_can_be_parsed(content: bytes, complete: bool) -> None:
    found = format_of(content, "application/json")
    assert found is not None
    assert is_complete(found, content) == complete


@pytest.mark.parametrize("last", [b"\0\0\0\0free", b"\0\0\0\7fre", b"\0\0\0\7free", b"\0\0\0\1free" + bytes(8)])
def test_a_box_without_a_usable_size_does_not_show_an_end(last: bytes) -> None:
    content = box(b"ftyp", b"heic\0\0\0\0") + IMAGE_BOXES + last
    assert not is_complete(found_in(content), content)


def test_boxes_without_number_are_not_counted_to_their_end() -> None:
    content = box(b"ftyp", b"heic\0\0\0\0") + IMAGE_BOXES + box(b"free") * 1_000_000
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
