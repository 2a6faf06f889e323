"""Parameters that take a file: what is sent for a path, for bytes and for a URL, and what is refused."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest

from generator.contract import Contract, GenerationError
from generator.grammar import Grammar
from segmind_api import checks, files
from segmind_api.checks import Refused

SCHEMA: dict[str, Any] = {"type": "string", "format": "uri", "x-file": {"value": "data-url", "source": "page"}}
PNG = b"\x89PNG\r\n\x1a\n and so on"


def read(value: object, **keywords: Any) -> Any:
    """What is kept of a value by the check that is generated for the schema."""
    made = Grammar(Contract({}), {}).value({**SCHEMA, **keywords}, "#/place")
    return eval(made.check, {"checks": checks, "files": files}).read(value)  # noqa: S307  ours


def decoded(url: str) -> tuple[str, bytes]:
    media_type, _, text = url.removeprefix("data:").partition(";base64,")
    return media_type, base64.b64decode(text, validate=True)


def test_the_type_names_a_url_bytes_and_a_path() -> None:
    assert Grammar(Contract({}), {}).value(SCHEMA, "#/place").annotation == "str | bytes | PathLike[str]"


def test_bytes_are_sent_as_a_data_url() -> None:
    assert decoded(read(PNG)) == ("image/png", PNG)


def test_a_file_is_read_when_its_path_is_given(tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(PNG)
    url = read(path)
    path.write_bytes(b"changed")
    assert decoded(url) == ("image/png", PNG)


@pytest.mark.parametrize("text", ["https://images.example/a.png", "data:image/png;base64,AAAA"])
def test_a_text_is_a_url_and_is_sent_as_it_is(text: str) -> None:
    assert read(text) == text


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "audio/wav"),
        (b"ID3\x04", "audio/mpeg"),
        (b"fLaC", "audio/flac"),
        (b"OggS", "audio/ogg"),
        (b"\x1aE\xdf\xa3", "video/webm"),
        (b"\0\0\0\x18ftypmp42", "video/mp4"),
        (b"\0\0\0\x18ftypheic", "image/heic"),
        (b"\0\0\0\x18ftypavif", "image/avif"),
        (b"\0\0\0\x18ftypM4A ", "audio/mp4"),
        (b"\0\0\0\x18ftypqt  ", "video/quicktime"),
        (b"%PDF-1.7", "application/pdf"),
    ],
)
def test_the_first_bytes_decide_the_media_type(content: bytes, media_type: str) -> None:
    assert decoded(read(content)) == (media_type, content)


def test_the_suffix_decides_where_the_first_bytes_say_nothing(tmp_path: Path) -> None:
    path = tmp_path / "drawing.svg"
    path.write_bytes(b"<svg/>")
    assert decoded(read(path)) == ("image/svg+xml", b"<svg/>")


def test_megabytes_are_checked_in_linear_time_and_memory() -> None:
    # A regular expression with backtracking needs a gigabyte for this.
    content = b"GIF8" + os.urandom(5_000_000)
    assert decoded(read(content)) == ("image/gif", content)


def refusal(value: object, **keywords: Any) -> str:
    with pytest.raises(Refused) as raised:
        read(value, **keywords)
    return raised.value.allowed


def test_bytes_of_an_unknown_format_are_refused() -> None:
    assert refusal(b"hello").endswith("(its format is unknown: name its media type in a data: URL)")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    for value in (b"", tmp_path / "empty.png"):
        assert refusal(value).endswith("(the file is empty)")


def test_a_file_that_is_not_there_is_refused_with_the_reason(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.png").endswith("(the file cannot be read: No such file or directory)")


def test_a_path_that_no_system_takes_is_refused() -> None:
    assert "(the file cannot be read: " in refusal(Path("a\0b"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert refusal(tmp_path / "pipe.png").endswith("(this is no regular file)")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path).endswith("(this is no regular file)")


def test_other_limits_hold_for_the_data_url() -> None:
    assert refusal(PNG, maxLength=10).startswith("a string up to 10 characters")


@pytest.mark.parametrize("value", [5, None, bytearray(PNG), "cabin.png"])
def test_other_values_are_refused(value: object) -> None:
    assert refusal(value) == "a string that is a URI, or a file as a Path or as bytes"


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({**SCHEMA, "format": "byte"}, "only a string of the format uri can be a file"),
        ({**SCHEMA, "x-file": "data-url"}, "expected value, one of data-url, and source"),
        ({**SCHEMA, "x-file": {"value": "upload", "source": "page"}}, "expected value, one of data-url, and source"),
        ({**SCHEMA, "x-file": {"value": "data-url"}}, "expected value, one of data-url, and source"),
    ],
)
def test_a_contract_that_says_it_otherwise_is_refused(schema: dict[str, Any], problem: str) -> None:
    with pytest.raises(GenerationError, match=f"#/place/x-file: {problem}"):
        Grammar(Contract({}), {}).value(schema, "#/place")
