"""Images in files: under which name, in which format, and what keeps one from being written."""

from __future__ import annotations

import errno
import io
import logging
import mimetypes
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from segmind_api.types import ApiResponse
from segmind_client import AsyncGeneration, Client, Generation
from segmind_client.errors import DownloadFailed, FileExists, InvalidParameter, NotSaved
from tests.support.images import PICTURE, SECRET, WHOLE_PNG, ImageService, endless, image_response, refuse_links
from tests.support.internals import FileSink, MemorySink, safe_name
from tests.support.servers import REQUEST_ID, Request

Save = Callable[..., Path]


class TestWhatIsSaved:
    @pytest.fixture(params=[True, False], ids=["links", "no links"], autouse=True)
    def links(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        """File systems with hard links and without them."""
        if not request.param:
            monkeypatch.setattr(Path, "hardlink_to", refuse_links)

    def test_is_the_image_byte_for_byte(self, server: ImageService, save: Save, folder: Path) -> None:
        server.serve(image_response())
        assert save(folder / "cabin.png") == folder / "cabin.png"
        assert (folder / "cabin.png").read_bytes() == PICTURE
        assert list(folder.iterdir()) == [folder / "cabin.png"]

    def test_is_the_image_however_many_pieces_it_comes_in(self, server: ImageService, save: Save, folder: Path) -> None:
        large = PICTURE * 200
        server.serve(lambda _: [image_response(b"", length=len(large)), large[:1], large[1:1000], large[1000:]])
        assert save(folder / "cabin.png").read_bytes() == large

    def test_is_as_readable_as_any_file_of_its_owner(self, server: ImageService, save: Save, folder: Path) -> None:
        server.serve(image_response())
        (folder / "other").touch()
        assert save(folder / "cabin.png").stat().st_mode == (folder / "other").stat().st_mode

    def test_replaces_nothing_unless_asked_to(self, server: ImageService, save: Save, folder: Path) -> None:
        server.serve(image_response())
        (folder / "cabin.png").write_bytes(b"mine")
        with pytest.raises(FileExists, match="overwrite=True"):
            save(folder / "cabin.png")
        assert (folder / "cabin.png").read_bytes() == b"mine"
        save(folder / "cabin.png", overwrite=True)
        assert (folder / "cabin.png").read_bytes() == PICTURE

    def test_is_not_fetched_where_it_cannot_be_saved(self, server: ImageService, save: Save, folder: Path) -> None:
        server.serve(endless())
        (folder / "cabin.png").touch()
        with pytest.raises(FileExists):
            save(folder / "cabin.png")
        with pytest.raises(NotSaved):
            save(folder / "cabin.jpg")

    def test_replaces_no_file_that_appears_meanwhile(self, folder: Path) -> None:
        sink = FileSink(folder / "cabin.png", (), overwrite=False)
        sink.begin(ApiResponse(200, {"content-type": "image/png", "content-length": str(len(PICTURE))}, b""))
        sink.write(PICTURE)
        (folder / "cabin.png").write_bytes(b"mine")
        with pytest.raises(FileExists):
            sink.end()
        sink.discard()
        assert (folder / "cabin.png").read_bytes() == b"mine"
        assert list(folder.iterdir()) == [folder / "cabin.png"]

    def test_replaces_a_link_and_not_what_it_leads_to(self, server: ImageService, save: Save, folder: Path) -> None:
        server.serve(image_response())
        outside = folder.parent / "outside.png"
        outside.write_bytes(b"mine")
        (folder / "cabin.png").symlink_to(outside)
        with pytest.raises(FileExists):
            save(folder / "cabin.png")
        save(folder / "cabin.png", overwrite=True)
        assert outside.read_bytes() == b"mine"

    def test_replaces_nothing_with_what_is_incomplete(self, server: ImageService, save: Save, folder: Path) -> None:
        server.serve(image_response(length=len(PICTURE) + 1))
        (folder / "cabin.png").write_bytes(b"mine")
        with pytest.raises(DownloadFailed):
            save(folder / "cabin.png", overwrite=True)
        assert (folder / "cabin.png").read_bytes() == b"mine"


FILE_NAMES = {
    "cabin.png": "cabin.png",
    "cabin.PNG": "cabin.PNG",
    "my cabin (1).png": "my_cabin_1_.png",
    "cabin": "cabin.png",
    "cabin.jpg": "cabin.png",
    "cabin.png.exe": "cabin.png.png",
    "../../cabin.png": "cabin.png",
    "/etc/cron.d/cabin.png": "cabin.png",
    "..\\..\\cabin.png": "cabin.png",
    "C:\\cabin.png": "cabin.png",
    "C:cabin.png": "C_cabin.png",
    "cabin.png:stream": "cabin.png",
    "cab\0in\n.png": "cab_in_.png",
    "nul.png": "_nul.png",
    "COM7.tar.png": "_COM7.tar.png",
    "-rf.png": "rf.png",
    ".bashrc": "bashrc.png",
    "x" * 5000 + ".png": "x" * 100 + ".png",
    "..": "by-address.png",
    "/": "by-address.png",
    "": "by-address.png",
    "画像": "by-address.png",
}


@pytest.mark.parametrize(("file_name", "expected"), FILE_NAMES.items())
def test_a_folder_holds_the_image_whatever_the_service_calls_it(
    server: ImageService, folder: Path, file_name: str, expected: str
) -> None:
    server.serve(image_response(), file_name=file_name, path="/by-address.png")
    with Client(SECRET, base_url=server.url) as client:
        assert client.job(REQUEST_ID).result().save(folder) == folder / expected
    assert [path for path in folder.parent.rglob("*") if path.is_file()] == [folder / expected]


ADDRESSES = {
    "/cabin.png?signature=abc": "cabin.png",
    "/images/%2e%2e%2f%2e%2e%2fcabin.png": "cabin.png",
    "/..%5C..%5Ccabin.png": "cabin.png",
    "/": f"{REQUEST_ID}.png",
    "/%00": f"{REQUEST_ID}.png",
}


@pytest.mark.parametrize(("path", "expected"), ADDRESSES.items())
def test_an_image_without_a_name_is_named_by_its_address_or_its_job(
    server: ImageService, save: Save, folder: Path, path: str, expected: str
) -> None:
    server.serve(image_response(), path=path)
    assert save(folder) == folder / expected


def test_an_image_is_saved_where_its_path_led_to_when_save_was_called(
    server: ImageService, save: Save, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change_folder(_: Request) -> list[bytes]:
        os.chdir(tmp_path)
        return [image_response()]

    monkeypatch.chdir(folder)
    server.serve(change_folder)
    assert save("cabin.png").read_bytes() == PICTURE
    assert [path.name for path in folder.iterdir()] == ["cabin.png"]


class TestAWorkingDirectoryThatIsGone:
    @pytest.fixture(autouse=True)
    def gone(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        gone = tmp_path / "gone"
        gone.mkdir()
        monkeypatch.chdir(gone)
        gone.rmdir()

    def test_does_not_matter_to_an_absolute_path(self, server: ImageService, save: Save, folder: Path) -> None:
        server.serve(image_response())
        assert save(folder / "cabin.png").read_bytes() == PICTURE

    def test_is_named_for_a_relative_path(self, server: ImageService, save: Any) -> None:
        server.serve(image_response())
        with pytest.raises(NotSaved, match=r"cabin\.png was not written: .*pass an absolute path") as raised:
            save("cabin.png")
        assert raised.value.request_id == REQUEST_ID


def test_a_saved_image_has_a_media_type(server: ImageService, folder: Path) -> None:
    server.serve(image_response(media_type="application/octet-stream"))
    with Client(SECRET, base_url=server.url) as client:
        result = client.job(REQUEST_ID).result()
        result.save(folder)
        assert result.content_type == "image/png"


@pytest.mark.parametrize(
    ("body", "contents"), [(b"", "empty"), (b"<!doctype html><title>503</title>", "a web page")], ids=["empty", "page"]
)
def test_a_v1_response_without_an_image_has_no_content(body: bytes, contents: str) -> None:
    response = ApiResponse(200, {"content-type": "image/png", "x-request-id": REQUEST_ID}, body)
    with pytest.raises(DownloadFailed, match=f"the response is not an image but {contents}") as raised:
        _ = Generation(response, body, "image").content
    with pytest.raises(DownloadFailed, match=f"the response is not an image but {contents}"):
        anyio.run(AsyncGeneration(response, body, "image").content)
    assert (raised.value.request_id, raised.value.response) == (REQUEST_ID, response)


BAD_TARGETS: dict[str, tuple[str, str]] = {
    "a folder that is missing": ("missing/cabin.png", "there is no folder .*missing, make it first"),
    "a folder that is a file": ("file/cabin.png", "there is no folder .*file, make it first"),
    "a name that no file can have": ("cab\0in.png", "was not written"),
    "a name that is too long": ("x" * 300 + ".png", "was not written: File name too long"),
}
NO_FOLDERS = {
    "a separator after what does not exist": "missing/",
    "several separators after what does not exist": "missing//",
    "a separator after a file": "file/",
    "a separator after an image": "cat.png/",
    "a dot in what does not exist": "missing/.",
    "a dot and a separator in what does not exist": "missing/./",
    "two dots in what does not exist": "missing/..",
    "a dot in a file": "file/.",
    "two dots in a file": "file/..",
}


class TestAPathThatCanOnlyBeThatOfAFolder:
    @pytest.mark.parametrize("overwrite", [False, True])
    @pytest.mark.parametrize("name", NO_FOLDERS.values(), ids=NO_FOLDERS.keys())
    def test_is_refused_before_anything_is_fetched_where_there_is_no_folder(
        self, server: ImageService, save: Any, folder: Path, name: str, overwrite: bool
    ) -> None:
        server.serve(image_response())
        (folder / "file").touch()
        (folder / "cat.png").touch()
        with pytest.raises(NotSaved, match=r"was not written: there is no folder .*, make it first") as raised:
            save(f"{folder}/{name}", overwrite=overwrite)
        assert raised.value.request_id == REQUEST_ID
        assert server.count("GET", "/a.png") == 0
        assert {path.name: path.stat().st_size for path in folder.iterdir()} == {"file": 0, "cat.png": 0}

    @pytest.mark.parametrize("end", ["", "/", "//", "/.", "/./", "/sub/.."])
    def test_is_that_of_the_folder_where_there_is_one(
        self, server: ImageService, save: Any, folder: Path, end: str
    ) -> None:
        server.serve(image_response())
        (folder / "sub").mkdir()
        assert save(f"{folder}{end}").resolve() == folder / "a.png"


def test_a_folder_that_is_missing_is_noticed_before_anything_is_fetched(
    server: ImageService, save: Save, folder: Path
) -> None:
    server.serve(image_response())
    with pytest.raises(NotSaved, match=r"there is no folder .*missing, make it first"):
        save(folder / "missing" / "cabin.png")
    assert server.count("GET", "/a.png") == 0


@pytest.mark.parametrize(("name", "message"), BAD_TARGETS.values(), ids=BAD_TARGETS.keys())
def test_a_path_that_cannot_be_written_is_an_error_that_says_what_to_do(
    server: ImageService, save: Save, folder: Path, name: str, message: str
) -> None:
    server.serve(image_response())
    (folder / "file").touch()
    with pytest.raises(NotSaved, match=message):
        save(folder / name)
    assert list(folder.iterdir()) == [folder / "file"]


@pytest.mark.parametrize("path", [None, 5, b"cabin.png", ["cabin.png"]])
def test_a_path_of_another_type_is_refused_before_anything_is_fetched(
    server: ImageService, save: Save, path: Any
) -> None:
    server.serve(image_response())
    with pytest.raises(InvalidParameter, match=r"save\.path: expected the path of a file or of a folder") as raised:
        save(path)
    assert raised.value.request_id == REQUEST_ID
    assert server.count("GET", "/a.png") == 0


def test_no_message_or_traceback_shows_the_name_of_a_temporary_file(server: ImageService, save: Save) -> None:
    server.serve(image_response())
    with pytest.raises(NotSaved, match=r"^/proc/cabin\.png was not written: No such file or directory") as raised:
        save(Path("/proc/cabin.png"))
    assert ".part" not in "".join(traceback.format_exception(raised.value))


def test_a_full_disk_is_an_error_that_leaves_nothing(
    server: ImageService, save: Save, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BytesIO):
        def write(self, _: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device", str(folder / ".1234") + ".pa" + "rt")

    def opened(*_: object) -> Full:
        return Full()

    monkeypatch.setattr(Path, "open", opened)
    server.serve(image_response())
    with pytest.raises(NotSaved, match=r"cabin\.png was not written: No space left on device") as raised:
        save(folder / "cabin.png")
    assert ".part" not in "".join(traceback.format_exception(raised.value))
    assert list(folder.iterdir()) == []


JPEG_PICTURE = b"\xff\xd8\xff\xe0" + PICTURE
SAVED_AS: dict[str, tuple[str, bytes, str, str]] = {
    "the usual extension": ("image/jpeg", JPEG_PICTURE, "cabin.jpg", "cabin.jpg"),
    "another extension of the format": ("image/jpeg", JPEG_PICTURE, "cabin.JPEG", "cabin.JPEG"),
    "a media type with a parameter": ("image/png; charset=binary", PICTURE, "cabin.png", "cabin.png"),
    "a media type in capitals": ("IMAGE/PNG", PICTURE, "cabin.png", "cabin.png"),
    "a media type that many use for JPEG": ("image/jpg", JPEG_PICTURE, "cabin.jpg", "cabin.jpg"),
    "the extension of another format": ("image/jpeg", JPEG_PICTURE, "cabin.png", "cabin.jpg"),
    "the extension of another format in capitals": ("image/jpeg", JPEG_PICTURE, "cabin.PNG", "cabin.jpg"),
    "no extension": ("image/png", PICTURE, "cabin", "cabin.png"),
    "an extension of no format": ("image/png", PICTURE, "cabin.doc", "cabin.doc.png"),
    "the extension of a text": ("image/png", PICTURE, "cabin.txt", "cabin.png"),
    "an extension that is a version": ("image/png", PICTURE, "cabin v1.2", "cabin v1.2.png"),
    "an extension that would run": ("image/png", PICTURE, "cabin.php", "cabin.php.png"),
    "a PNG that is said to be a JPEG": ("image/jpeg", PICTURE, "cabin.png", "cabin.png"),
    "a PNG that is said to be a JPEG, with that extension": ("image/jpeg", PICTURE, "cabin.jpg", "cabin.png"),
    "a JPEG that is said to be a PNG, in a folder": ("image/png", JPEG_PICTURE, "", "a.jpg"),
}


@pytest.mark.parametrize(("content_type", "body", "name", "expected"), SAVED_AS.values(), ids=SAVED_AS.keys())
def test_the_extension_is_that_of_the_images_own_bytes(
    server: ImageService,
    folder: Path,
    content_type: str,
    body: bytes,
    name: str,
    expected: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.serve(image_response(body, content_type))
    with Client(SECRET, base_url=server.url) as client:
        path = client.job(REQUEST_ID).result().save(folder / name)
    assert path == folder / expected
    assert path.read_bytes() == body
    assert list(folder.iterdir()) == [path]
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    # A name that is kept and gets an extension after it is what the documentation recommends.
    assert len(warnings) == (not expected.startswith(name))
    assert all(str(path) in warning for warning in warnings)


def test_a_file_under_the_right_extension_is_replaced_only_if_that_was_allowed(
    server: ImageService, save: Save, folder: Path
) -> None:
    server.serve(image_response(JPEG_PICTURE, "image/png"))
    (folder / "cabin.jpg").write_bytes(b"mine")
    with pytest.raises(FileExists, match=r"cabin\.jpg exists"):
        save(folder / "cabin.png")
    assert (folder / "cabin.jpg").read_bytes() == b"mine"
    assert save(folder / "cabin.png", overwrite=True).read_bytes() == JPEG_PICTURE
    assert list(folder.iterdir()) == [folder / "cabin.jpg"]


MEDIA_TYPES_OF_ANY_IMAGE = [
    *("image/x-png", "image/pjpeg", "image/*", "image/php", "image/svg+xml", "image/../../png", "IMAGE/X-PNG; a=b"),
    *("application/octet-stream", "binary/octet-stream", ""),
]


@pytest.mark.parametrize("media_type", MEDIA_TYPES_OF_ANY_IMAGE)
class TestAnImageWhoseMediaTypeSaysLittle:
    def test_is_saved_by_its_first_bytes(self, server: ImageService, save: Save, folder: Path, media_type: str) -> None:
        server.serve(image_response(media_type=media_type), path="/cat")
        assert save(folder) == folder / "cat.png"
        assert (folder / "cat.png").read_bytes() == PICTURE

    def test_has_content_which_can_then_be_saved(self, server: ImageService, folder: Path, media_type: str) -> None:
        server.serve(image_response(media_type=media_type))
        with Client(SECRET, base_url=server.url) as client:
            result = client.job(REQUEST_ID).result()
            assert result.content == PICTURE
            assert result.save(folder / "cat.png").read_bytes() == PICTURE
        assert server.count("GET", "/a.png") == 1


@pytest.mark.parametrize("media_type", ["image/x-png", "image/jpeg", "image/*"])
def test_an_image_of_a_v1_response_is_saved_by_its_first_bytes(folder: Path, media_type: str) -> None:
    generation = Generation(ApiResponse(200, {"content-type": media_type}, PICTURE), PICTURE)
    assert generation.save(folder / "cabin") == folder / "cabin.png"


def test_a_wrong_media_type_keeps_no_image_from_a_path_that_is_free(
    server: ImageService, save: Save, folder: Path
) -> None:
    server.serve(image_response(PICTURE, "image/jpeg"))
    (folder / "cabin.jpg").write_bytes(b"mine")
    assert save(folder / "cabin.png").read_bytes() == PICTURE
    assert (folder / "cabin.jpg").read_bytes() == b"mine"


SVG = b"<?xml version='1.0'?>\n<!-- a boat -->\n<svg xmlns='http://www.w3.org/2000/svg'></svg>"
NOT_WRITTEN = {
    "SVG": (SVG, "image/svg+xml", "SVG"),
    "SVG with a DOCTYPE": (b"<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN'><svg></svg>", "image/svg+xml", "SVG"),
    "SVG called a PNG": (SVG, "image/png", "SVG"),
    "a script": (b"<?php echo 1; ?>", "image/php", "image/php that begins with '<?php echo 1; ?>'"),
    "a script called a PNG": (b"#!/bin/sh\nrm -r .", "image/png", "image/png that begins with '#!/bin/sh\\nrm -r"),
    "a bitmap": (b"BM" + bytes(5000), "image/bmp", "image/bmp that begins with 'BM\\x00"),
    "too little": (PICTURE[:3], "image/png", "image/png that begins with '\\x89PN'"),
}


@pytest.mark.parametrize(("body", "media_type", "contents"), NOT_WRITTEN.values(), ids=NOT_WRITTEN.keys())
class TestAnImageInAFormatThatSaveDoesNotWrite:
    def test_is_refused_with_what_came_and_from_where(
        self, server: ImageService, save: Save, folder: Path, body: bytes, media_type: str, contents: str
    ) -> None:
        server.serve(image_response(body, media_type), path="/cat.php?signature=abc")
        came = f"the response from {server.url}/cat.php is {contents}"
        for path in (folder, folder / "cat.png"):
            with pytest.raises(NotSaved, match=r"and save\(\) writes PNG, JPEG, .* only; `content` has") as raised:
                save(path)
            assert raised.value.request_id == REQUEST_ID
            assert came in raised.value.detail
            assert "abc" not in raised.value.detail
        assert list(folder.iterdir()) == []

    def test_remains_readable(self, server: ImageService, body: bytes, media_type: str, contents: str) -> None:
        assert contents
        server.serve(image_response(body, media_type))
        with Client(SECRET, base_url=server.url) as client:
            assert client.job(REQUEST_ID).result().content == body

    def test_is_refused_if_it_is_the_body_of_a_v1_response(
        self, folder: Path, body: bytes, media_type: str, contents: str
    ) -> None:
        generation = Generation(ApiResponse(200, {"content-type": media_type}, body), body)
        with pytest.raises(NotSaved) as raised:
            generation.save(folder / "cat.png")
        assert f"the response is {contents}" in raised.value.detail
        assert raised.value.response is generation.response
        assert list(folder.iterdir()) == []


def test_an_image_that_save_does_not_write_is_not_fetched_to_its_end(
    server: ImageService, save: Save, folder: Path
) -> None:
    server.serve(endless(b"BM", "image/bmp"))
    with pytest.raises(NotSaved, match="image/bmp that begins with 'BM"):
        save(folder)


@pytest.mark.parametrize("size", [1, 7, 1023, 1024, 1025, 4096])
def test_pieces_of_any_size_make_the_same_image(folder: Path, size: int) -> None:
    memory, file = MemorySink(), FileSink(folder / "cabin.png", (), overwrite=False)
    for sink in (memory, file):
        sink.begin(ApiResponse(200, {"content-type": "image/png", "content-length": str(len(PICTURE))}, b""))
        for start in range(0, len(PICTURE), size):
            sink.write(PICTURE[start : start + size])
        sink.end()
    file.discard()
    assert memory.content == (folder / "cabin.png").read_bytes() == PICTURE


def test_extensions_are_the_same_on_every_machine(
    server: ImageService, save: Save, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def guess(*_: object, **__: object) -> list[str]:
        return [".php"]

    monkeypatch.setattr(mimetypes, "guess_all_extensions", guess)
    server.serve(image_response(), path="/cat")
    assert save(folder) == folder / "cat.png"


@pytest.mark.parametrize("content", [WHOLE_PNG[:-1], WHOLE_PNG[:20], WHOLE_PNG[:8]])
def test_an_image_at_hand_is_saved_even_if_it_was_cut_short(folder: Path, content: bytes) -> None:
    FileSink(folder / "cabin.png", (), overwrite=False).take("image/png", content)
    assert (folder / "cabin.png").read_bytes() == content


def test_an_image_without_any_usable_name_gets_a_plain_one() -> None:
    assert safe_name(["", "..", "///"], (".png",)) == "output.png"
