"""What is saved, where, and what is refused, against a server that answers whatever it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import io
import itertools
import json
import logging
import mimetypes
import os
import pathlib
import pickle
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar, cast
from urllib.parse import quote

import anyio
import httpcore
import httpx
import pytest
from anyio import to_thread

from segmind_api.models import JobResult
from segmind_api.types import ApiResponse
from segmind_client import AsyncClient, AsyncResult, Client, Generation, Result, downloads
from segmind_client.downloads import FileSink, Image, MemorySink, fetch
from segmind_client.drivers import AsyncDriver, SyncDriver
from segmind_client.errors import (
    ConnectionLost,
    DownloadFailed,
    FileExists,
    InvalidParameter,
    NoImage,
    NotSaved,
    NotSent,
    SegmindError,
)
from segmind_client.flows import Caller
from segmind_client.masking import Secret
from segmind_client.options import Options
from segmind_client.steps import Flow, Send
from segmind_client.transport import AsyncSender, CustomSender, Sender
from segmind_mock.images import draw
from tests.support.clock import PauseClock, pause_clock
from tests.support.servers import closed_port, running

SECRET = "SG_5ec4e75ec4e75ec4"  # noqa: S105  nobody holds it
REQUEST_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 16

T = TypeVar("T")
Script = Callable[[], Iterable[bytes]]


class Server:
    """Answers a path with the pieces of its script, byte for byte, and closes the connection."""

    def __init__(self) -> None:
        self.scripts: dict[str, Script] = {}
        self.heads: list[tuple[str, str]] = []
        """Path and headers of each request."""
        self.over = threading.Event()
        """Set when the test is over, for scripts that wait."""
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.heads.append((self.path, str(self.headers)))
                with suppress(OSError):
                    for piece in server.scripts[self.path]():
                        self.wfile.write(piece)

            def log_message(self, format: str, *_: object) -> None: ...  # noqa: A002  the base class's name

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}"

    def says(self, script: Script | bytes, *, file_name: str | None = None, path: str = "/a.png") -> None:
        """Lets the job of the tests have an image at a path."""
        self.scripts[path] = (lambda: [script]) if isinstance(script, bytes) else script
        self.names(self.address + path, file_name)

    def names(self, address: str, file_name: str | None = None) -> None:
        """Lets the job of the tests have its image at an address."""
        image = {"url": address} | ({"file_name": file_name} if file_name is not None else {})
        body = {"request_id": REQUEST_ID, "status": "COMPLETED", "output": address, "images": [image]}
        result = answer(json.dumps(body).encode(), "application/json")
        self.scripts[f"/v2/requests/{REQUEST_ID}"] = lambda: [result]

    def count(self, path: str) -> int:
        return sum(asked == path for asked, _ in self.heads)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    with running(server.http):
        yield server
        server.over.set()


@pytest.fixture(autouse=True)
def clock() -> Iterator[PauseClock]:
    """No client waits before it retries."""
    with pause_clock() as clock:
        yield clock


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    return folder


Save = Callable[..., Path]
WAYS = ["sync", "asyncio", "trio"]


@pytest.fixture(params=WAYS)
def save(request: pytest.FixtureRequest, server: Server) -> Save:
    """Saves the image of the job, in each of the ways in which a user can."""

    def saved(path: Path, *, overwrite: bool = False, read_seconds: float = 30.0) -> Path:
        with Client(SECRET, base_url=server.address, read_seconds=read_seconds) as client:
            return client.job(REQUEST_ID).result().save(path, overwrite=overwrite)

    async def awaited(path: Path, overwrite: bool, read_seconds: float) -> Path:
        async with AsyncClient(SECRET, base_url=server.address, read_seconds=read_seconds) as client:
            return await (await client.job(REQUEST_ID).result()).save(path, overwrite=overwrite)

    def saved_by_await(path: Path, *, overwrite: bool = False, read_seconds: float = 30.0) -> Path:
        return anyio.run(awaited, path, overwrite, read_seconds, backend=request.param)

    return saved if request.param == "sync" else saved_by_await


def answer(
    body: bytes = PICTURE, content_type: str = "image/png", *, status: int = 200, length: int | None = None, **more: str
) -> bytes:
    size = len(body) if length is None else length
    fields = {"connection": "close", "content-type": content_type, "content-length": str(size), **more}
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items() if value]
    return b"".join([f"HTTP/1.1 {status} x\r\n".encode(), *map(str.encode, lines), b"\r\n", body])


def redirect(location: str) -> bytes:
    return answer(b"", "", status=302, location=location)


def no_links(*_: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


class TestWhatIsSaved:
    @pytest.fixture(params=[True, False], ids=["links", "no links"], autouse=True)
    def links(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        """File systems with hard links and without them."""
        if not request.param:
            monkeypatch.setattr(Path, "hardlink_to", no_links)

    def test_is_the_image_byte_for_byte(self, server: Server, save: Save, folder: Path) -> None:
        server.says(answer())
        assert save(folder / "cabin.png") == folder / "cabin.png"
        assert (folder / "cabin.png").read_bytes() == PICTURE
        assert list(folder.iterdir()) == [folder / "cabin.png"]

    def test_is_the_image_however_many_pieces_it_comes_in(self, server: Server, save: Save, folder: Path) -> None:
        large = PICTURE * 200
        server.says(lambda: [answer(b"", length=len(large)), large[:1], large[1:1000], large[1000:]])
        assert save(folder / "cabin.png").read_bytes() == large

    def test_is_as_readable_as_any_file_of_its_owner(self, server: Server, save: Save, folder: Path) -> None:
        server.says(answer())
        (folder / "other").touch()
        assert save(folder / "cabin.png").stat().st_mode == (folder / "other").stat().st_mode

    def test_replaces_nothing_unless_asked_to(self, server: Server, save: Save, folder: Path) -> None:
        server.says(answer())
        (folder / "cabin.png").write_bytes(b"mine")
        with pytest.raises(FileExists, match="overwrite=True"):
            save(folder / "cabin.png")
        assert (folder / "cabin.png").read_bytes() == b"mine"
        save(folder / "cabin.png", overwrite=True)
        assert (folder / "cabin.png").read_bytes() == PICTURE

    def test_is_not_fetched_where_it_cannot_be_saved(self, server: Server, save: Save, folder: Path) -> None:
        server.says(endless)
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

    def test_replaces_a_link_and_not_what_it_leads_to(self, server: Server, save: Save, folder: Path) -> None:
        server.says(answer())
        outside = folder.parent / "outside.png"
        outside.write_bytes(b"mine")
        (folder / "cabin.png").symlink_to(outside)
        with pytest.raises(FileExists):
            save(folder / "cabin.png")
        save(folder / "cabin.png", overwrite=True)
        assert outside.read_bytes() == b"mine"

    def test_replaces_nothing_with_what_is_incomplete(self, server: Server, save: Save, folder: Path) -> None:
        server.says(answer(length=len(PICTURE) + 1))
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
    server: Server, folder: Path, file_name: str, expected: str
) -> None:
    server.says(answer(), file_name=file_name, path="/by-address.png")
    with Client(SECRET, base_url=server.address) as client:
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
    server: Server, save: Save, folder: Path, path: str, expected: str
) -> None:
    server.says(answer(), path=path)
    assert save(folder) == folder / expected


def endless() -> Iterator[bytes]:
    yield answer(b"", length=0).replace(b"content-length: 0\r\n", b"")
    yield from itertools.repeat(PICTURE)


def chunked_and_cut_off() -> Iterator[bytes]:
    yield answer(b"").replace(b"content-length: 0", b"transfer-encoding: chunked")
    yield b"%x\r\n%s" % (len(PICTURE), PICTURE)


NO_URL = "redirects to .* that (no|an) image can"
NOT_THE_IMAGE: dict[str, tuple[Script | bytes, str]] = {
    "fewer bytes than announced": (answer(length=len(PICTURE) + 1), "7 days"),
    "chunks that end too early": (chunked_and_cut_off, "7 days"),
    "no answer at all": (b"", "7 days"),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n", "7 days"),
    "more bytes than are taken": (endless, "larger than 100000 bytes"),
    "more bytes announced than are taken": (answer(length=100_001), "larger than 100000 bytes"),
    "nothing": (answer(b""), "not an image but empty"),
    "a page": (answer(b"<html>", "text/html"), "not an image but text/html"),
    "a page that calls itself an image": (answer(b"\n <!DOCTYPE html>"), "not an image but a web page"),
    "a page after what XML and HTML may begin with": (
        answer(b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a --><!-- b -->\n<html>"),
        "not an image but a web page",
    ),
    "a page called bytes": (answer(b"<html>", "application/octet-stream"), "not an image but a web page"),
    "a page without a type": (answer(b"<!doctype html>", ""), "not an image but a web page"),
    "SVG called bytes": (answer(b"<svg></svg>", "binary/octet-stream"), "not an image but SVG"),
    "a document called bytes": (
        answer(b"%PDF-1.7\n" + bytes(5000), "application/octet-stream"),
        "not an image but application/octet-stream that begins with '%PDF-1.7",
    ),
    "a text without a type": (
        answer(b"no such image", ""),
        "not an image but a body without a media type that begins with 'no such image'",
    ),
    "JSON": (answer(b"{}", "application/json"), "not an image but application/json"),
    "an image called text": (answer(content_type="text/plain"), "not an image but text/plain"),
    "something compressed": (answer(content_encoding="gzip"), "compressed"),
    "404": (answer(b"", status=404), "no longer: the service keeps images for 7 days"),
    "410": (answer(b"", status=410), "no longer: the service keeps images for 7 days"),
    "403": (answer(b"", status=403), "responded with 403 instead of the image"),
    "500": (answer(b"", status=500), "responded with 500 instead of the image"),
    "a part": (answer(status=206), "responded with 206 instead of the image"),
    "a redirect to nowhere": (answer(b"", status=302), "responded with 302 instead of the image"),
    "a redirect to itself": (redirect("/a.png"), "more than 5 redirects"),
    "a redirect to a file": (redirect("file:///etc/hostname"), NO_URL),
    "a redirect to a port that cannot be": (redirect("http://127.0.0.1:99999/"), NO_URL),
    "a redirect to an invalid URL": (redirect("http://[::1/"), "redirects to an unreadable URL"),
    "a redirect to data": (redirect("data:image/png;base64,iVBORw0KGgo="), NO_URL),
    "a redirect to an e-mail address": (redirect("mailto:somebody@example.com"), NO_URL),
}


@pytest.mark.parametrize(("script", "message"), NOT_THE_IMAGE.values(), ids=NOT_THE_IMAGE.keys())
def test_what_is_not_the_image_ends_in_an_error_and_leaves_nothing(
    server: Server, save: Save, folder: Path, script: Script | bytes, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "LARGEST_IMAGE", 100_000)
    server.says(script)
    with pytest.raises(DownloadFailed, match=message) as raised:
        save(folder / "cabin.png")
    assert list(folder.iterdir()) == []
    assert raised.value.request_id == REQUEST_ID
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)  # noqa: S301  made here


def test_the_error_of_a_host_that_is_not_reached_says_whether_it_is_the_services_or_the_images(
    server: Server, save: Save, folder: Path
) -> None:
    with closed_port() as port:
        server.names(f"http://127.0.0.1:{port}/a.png")
        with pytest.raises(DownloadFailed, match="the host of the image was not reached"):
            save(folder / "cabin.png")
        with (
            Client(SECRET, base_url=f"http://127.0.0.1:{port}", attempts=1) as client,
            pytest.raises(NotSent, match=f"http://127.0.0.1:{port} was not reached, so it accepted nothing"),
        ):
            client.credits()


def test_an_image_of_exactly_the_largest_size_is_saved(
    server: Server, save: Save, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "LARGEST_IMAGE", len(PICTURE))
    server.says(answer())
    assert save(folder / "cabin.png").read_bytes() == PICTURE


@pytest.mark.parametrize("url", ["http://☃☃-.example/a.png", "http://[v1.a]/a.png", "http://a\u200bb.example/a.png"])
def test_a_url_that_cannot_be_parsed_is_an_error_before_anything_is_sent(
    server: Server, save: Save, folder: Path, url: str
) -> None:
    server.names(url)
    with pytest.raises((DownloadFailed, NoImage)) as raised:
        save(folder)
    assert raised.value.request_id == REQUEST_ID
    assert server.count(f"/v2/requests/{REQUEST_ID}") == len(server.heads) == 1


class TestSlowness:
    def test_a_server_that_stalls_is_not_waited_for(self, server: Server, save: Save, folder: Path) -> None:
        def stalls() -> Iterator[bytes]:
            yield answer()[:-1]
            server.over.wait(60)

        server.says(stalls)
        with pytest.raises(DownloadFailed, match="ReadTimeout"):
            save(folder / "cabin.png", read_seconds=0.2)
        assert list(folder.iterdir()) == []

    def test_a_server_that_drips_meets_the_deadline(
        self, server: Server, save: Save, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def drips() -> Iterator[bytes]:
            yield answer(b"", length=10_000)
            while not server.over.wait(0.02):
                yield b"."

        monkeypatch.setattr(downloads, "DOWNLOAD_SECONDS", 0.1)
        server.says(drips)
        with pytest.raises(DownloadFailed, match=r"did not end in time|within 0\.1 s"):
            save(folder / "cabin.png")
        assert list(folder.iterdir()) == []


class TestRepeating:
    @pytest.mark.parametrize(
        "trouble",
        [
            b"",
            answer(length=len(PICTURE) + 1),
            *(answer(b"", status=status) for status in (408, 429, 500, 502, 503, 504)),
        ],
    )
    def test_what_may_pass_is_tried_again(self, server: Server, save: Save, folder: Path, trouble: bytes) -> None:
        outcomes = iter([trouble, trouble, answer()])
        server.says(lambda: [next(outcomes)])
        assert save(folder / "cabin.png").read_bytes() == PICTURE
        assert list(folder.iterdir()) == [folder / "cabin.png"]

    @pytest.mark.parametrize(("status", "times"), [(500, 4), (404, 1), (403, 1)])
    def test_ends(self, server: Server, save: Save, folder: Path, status: int, times: int) -> None:
        server.says(answer(b"", status=status))
        with pytest.raises(DownloadFailed) as raised:
            save(folder / "cabin.png")
        assert raised.value.status == status
        assert server.count("/a.png") == times


LEAVING_HTTPS = {
    "to http": (["https://a.example/x", "http://b.example/y"], False),
    "to http on this machine": (["https://a.example/x", "http://127.0.0.1/y"], False),
    "to http by way of this machine": (["https://a.example/x", "http://[::1]/y", "http://b.example/z"], False),
    "from http": (["http://a.example/x", "http://b.example/y"], True),
    "to https": (["http://a.example/x", "https://b.example/y"], True),
    "on https": (["https://a.example/x", "https://b.example/y"], True),
}


def test_an_image_is_saved_where_its_path_led_to_when_save_was_called(
    server: Server, save: Save, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change_folder() -> list[bytes]:
        os.chdir(tmp_path)
        return [answer()]

    monkeypatch.chdir(folder)
    server.says(change_folder)
    assert save("cabin.png").read_bytes() == PICTURE
    assert [path.name for path in folder.iterdir()] == ["cabin.png"]


class TestRedirects:
    def test_are_followed(self, server: Server, save: Save, folder: Path) -> None:
        server.scripts["/2"] = lambda: [redirect("b/c.png")]
        server.scripts["/b/c.png"] = lambda: [answer()]
        server.says(redirect("/2"))
        assert save(folder / "cabin.png").read_bytes() == PICTURE

    @pytest.mark.parametrize("location", ["/caf\u00e9.png", "/a cabin.png"], ids=["UTF-8", "a space"])
    def test_are_followed_to_paths_that_are_not_encoded(
        self, server: Server, save: Save, folder: Path, location: str
    ) -> None:
        server.scripts[quote(location)] = lambda: [answer()]
        server.says(redirect(location))
        assert save(folder / "cabin.png").read_bytes() == PICTURE

    def test_are_followed_five_times(self, server: Server, save: Save, folder: Path) -> None:
        server.says(redirect("/a.png"))
        with pytest.raises(DownloadFailed):
            save(folder)
        assert server.count("/a.png") == 1 + 5

    @pytest.mark.parametrize(("way", "allowed"), LEAVING_HTTPS.values(), ids=LEAVING_HTTPS.keys())
    def test_stay_on_https(self, way: list[str], allowed: bool) -> None:
        def serve(request: httpx.Request) -> httpx.Response:
            place = way.index(str(request.url))
            if place + 1 < len(way):
                return httpx.Response(301, headers={"location": way[place + 1]})
            return httpx.Response(200, content=PICTURE, headers={"content-type": "image/png"})

        sink = MemorySink()
        sender = CustomSender("https://x.example", "x-api-key", Secret(SECRET), transport=httpx.MockTransport(serve))
        driver = SyncDriver(sender)
        flow = fetch(Caller(), Image(url=way[0]), sink)
        if allowed:
            driver.carry_out(flow)
            assert sink.content == PICTURE
        else:
            with pytest.raises(DownloadFailed, match="not encrypted"):
                driver.carry_out(flow)


class TestKey:
    def test_goes_to_the_service_only(self, server: Server, save: Save, folder: Path) -> None:
        other = server.address.replace("127.0.0.1", "localhost")
        server.scripts["/2"] = lambda: [redirect(f"{server.address}/3")]
        server.scripts["/3"] = lambda: [answer()]
        server.says(redirect(f"{other}/2").replace(b"HTTP/1.1 302 x\r\n", b"HTTP/1.1 302 x\r\nset-cookie: a=b\r\n"))
        save(folder / "cabin.png")
        with_key = [path for path, headers in server.heads if SECRET in headers]
        assert with_key == [f"/v2/requests/{REQUEST_ID}"]
        assert [path for path, _ in server.heads] == [*with_key, "/a.png", "/2", "/3"]
        assert not any("cookie" in headers.lower() for _, headers in server.heads)

    @pytest.mark.parametrize(
        ("script", "message"),
        [
            (answer(b"", status=403), "/a.png responded"),
            (answer(length=len(PICTURE) + 1), "no image came from http://.*/a.png: "),
            (b"", "no image came from http://.*/a.png: "),
        ],
        ids=["403", "cut short", "closed"],
    )
    def test_and_a_signature_show_in_no_error(
        self, server: Server, save: Save, folder: Path, script: bytes, message: str
    ) -> None:
        server.says(script, path="/a.png?signature=abc")
        with pytest.raises(DownloadFailed, match=message) as raised:
            save(folder / "cabin.png")
        assert SECRET not in str(raised.value)
        assert "abc" not in str(raised.value)

    def test_shows_in_no_error_if_the_service_repeats_it_in_a_url(
        self, server: Server, save: Save, folder: Path
    ) -> None:
        server.says(answer(b"", status=404), path=f"/{SECRET}.png")
        with pytest.raises(DownloadFailed) as raised:
            save(folder / "cabin.png")
        server.says(answer(), path=f"/{SECRET}.png")
        with pytest.raises(NotSaved) as not_saved:
            save(folder / "missing" / "cabin.png")
        assert SECRET not in f"{raised.value}{raised.value.args}{not_saved.value}{not_saved.value.args}"


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
        self, server: Server, save: Any, folder: Path, name: str, overwrite: bool
    ) -> None:
        server.says(answer())
        (folder / "file").touch()
        (folder / "cat.png").touch()
        with pytest.raises(NotSaved, match=r"was not written: there is no folder .*, make it first") as raised:
            save(f"{folder}/{name}", overwrite=overwrite)
        assert raised.value.request_id == REQUEST_ID
        assert server.count("/a.png") == 0
        assert {path.name: path.stat().st_size for path in folder.iterdir()} == {"file": 0, "cat.png": 0}

    @pytest.mark.parametrize("end", ["", "/", "//", "/.", "/./", "/sub/.."])
    def test_is_that_of_the_folder_where_there_is_one(self, server: Server, save: Any, folder: Path, end: str) -> None:
        server.says(answer())
        (folder / "sub").mkdir()
        assert save(f"{folder}{end}").resolve() == folder / "a.png"


def test_a_folder_that_is_missing_is_noticed_before_anything_is_fetched(
    server: Server, save: Save, folder: Path
) -> None:
    server.says(answer())
    with pytest.raises(NotSaved, match=r"there is no folder .*missing, make it first"):
        save(folder / "missing" / "cabin.png")
    assert server.count("/a.png") == 0


@pytest.mark.parametrize(("name", "message"), BAD_TARGETS.values(), ids=BAD_TARGETS.keys())
def test_a_target_that_cannot_be_is_an_error_that_says_what_to_do(
    server: Server, save: Save, folder: Path, name: str, message: str
) -> None:
    server.says(answer())
    (folder / "file").touch()
    with pytest.raises(NotSaved, match=message):
        save(folder / name)
    assert list(folder.iterdir()) == [folder / "file"]


@pytest.mark.parametrize("path", [None, 5, b"cabin.png", ["cabin.png"]])
def test_what_is_not_a_path_is_refused_by_name_before_anything_is_fetched(
    server: Server, save: Save, path: Any
) -> None:
    server.says(answer())
    with pytest.raises(InvalidParameter, match=r"save\.path: expected the path of a file or of a folder") as raised:
        save(path)
    assert raised.value.request_id == REQUEST_ID
    assert server.count("/a.png") == 0


def test_no_message_or_traceback_shows_the_name_of_a_temporary_file(server: Server, save: Save) -> None:
    server.says(answer())
    with pytest.raises(NotSaved, match=r"^/proc/cabin\.png was not written: No such file or directory") as raised:
        save(Path("/proc/cabin.png"))
    assert ".part" not in "".join(traceback.format_exception(raised.value))


def test_a_full_disk_is_an_error_that_leaves_nothing(
    server: Server, save: Save, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BytesIO):
        def write(self, _: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device", str(folder / ".1234") + ".pa" + "rt")

    def opened(*_: object) -> Full:
        return Full()

    monkeypatch.setattr(Path, "open", opened)
    server.says(answer())
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
    "an extension that belongs to no image": ("image/png", PICTURE, "cabin.txt", "cabin.txt.png"),
    "an extension that is a version": ("image/png", PICTURE, "cabin v1.2", "cabin v1.2.png"),
    "an extension that would run": ("image/png", PICTURE, "cabin.php", "cabin.php.png"),
    "a PNG that is said to be a JPEG": ("image/jpeg", PICTURE, "cabin.png", "cabin.png"),
    "a PNG that is said to be a JPEG, with that extension": ("image/jpeg", PICTURE, "cabin.jpg", "cabin.png"),
    "a JPEG that is said to be a PNG, in a folder": ("image/png", JPEG_PICTURE, "", "a.jpg"),
}


@pytest.mark.parametrize(("content_type", "body", "name", "expected"), SAVED_AS.values(), ids=SAVED_AS.keys())
def test_the_extension_is_that_of_the_images_own_bytes(
    server: Server,
    folder: Path,
    content_type: str,
    body: bytes,
    name: str,
    expected: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.says(answer(body, content_type))
    with Client(SECRET, base_url=server.address) as client:
        path = client.job(REQUEST_ID).result().save(folder / name)
    assert path == folder / expected
    assert path.read_bytes() == body
    assert list(folder.iterdir()) == [path]
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == (name not in ("", expected))
    assert all(str(path) in warning for warning in warnings)


def test_a_file_under_the_right_extension_is_replaced_only_if_that_was_allowed(
    server: Server, save: Save, folder: Path
) -> None:
    server.says(answer(JPEG_PICTURE, "image/png"))
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
    def test_is_saved_by_its_first_bytes(self, server: Server, save: Save, folder: Path, media_type: str) -> None:
        server.says(answer(content_type=media_type), path="/cat")
        assert save(folder) == folder / "cat.png"
        assert (folder / "cat.png").read_bytes() == PICTURE

    def test_has_content_which_can_then_be_saved(self, server: Server, folder: Path, media_type: str) -> None:
        server.says(answer(content_type=media_type))
        with Client(SECRET, base_url=server.address) as client:
            result = client.job(REQUEST_ID).result()
            assert result.content == PICTURE
            assert result.save(folder / "cat.png").read_bytes() == PICTURE
        assert server.count("/a.png") == 1


@pytest.mark.parametrize("media_type", ["image/x-png", "image/jpeg", "image/*"])
def test_an_image_of_a_v1_response_is_saved_by_its_first_bytes(folder: Path, media_type: str) -> None:
    generation = Generation(ApiResponse(200, {"content-type": media_type}, PICTURE), PICTURE)
    assert generation.save(folder / "cabin") == folder / "cabin.png"


def test_a_wrong_media_type_keeps_no_image_from_a_path_that_is_free(server: Server, save: Save, folder: Path) -> None:
    server.says(answer(PICTURE, "image/jpeg"))
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
        self, server: Server, save: Save, folder: Path, body: bytes, media_type: str, contents: str
    ) -> None:
        server.says(answer(body, media_type), path="/cat.php?signature=abc")
        came = f"the response from {server.address}/cat.php is {contents}"
        for path in (folder, folder / "cat.png"):
            with pytest.raises(NotSaved, match=r"and save\(\) writes PNG, JPEG, .* only; `content` has") as raised:
                save(path)
            assert raised.value.request_id == REQUEST_ID
            assert came in raised.value.detail
            assert "abc" not in raised.value.detail
        assert list(folder.iterdir()) == []

    def test_remains_readable(self, server: Server, body: bytes, media_type: str, contents: str) -> None:
        assert contents
        server.says(answer(body, media_type))
        with Client(SECRET, base_url=server.address) as client:
            assert client.job(REQUEST_ID).result().content == body

    def test_is_refused_of_a_v1_response_too(self, folder: Path, body: bytes, media_type: str, contents: str) -> None:
        generation = Generation(ApiResponse(200, {"content-type": media_type}, body), body)
        with pytest.raises(NotSaved) as raised:
            generation.save(folder / "cat.png")
        assert f"the response is {contents}" in raised.value.detail
        assert raised.value.response is generation.response
        assert list(folder.iterdir()) == []


def test_an_image_that_save_does_not_write_is_not_fetched_to_its_end(server: Server, save: Save, folder: Path) -> None:
    def endless_bitmap() -> Iterator[bytes]:
        yield answer(b"BM", "image/bmp", length=0).replace(b"content-length: 0\r\n", b"")
        yield from itertools.repeat(bytes(1000))

    server.says(endless_bitmap)
    with pytest.raises(NotSaved, match="image/bmp that begins with 'BM"):
        save(folder)


CUT_AT_A_KEY = {
    "a body": (answer(b"a key: " + SECRET.encode(), ""), "/a.png"),
    "a media type": (answer(content_type=f"{'a' * 185}{SECRET}"), "/a.png"),
    "a URL": (answer(b"", status=404), f"/{'a' * 168}{SECRET}"),
}


@pytest.mark.parametrize(("script", "path"), CUT_AT_A_KEY.values(), ids=CUT_AT_A_KEY.keys())
def test_what_a_message_shows_a_part_of_shows_no_part_of_a_key(
    server: Server, save: Save, folder: Path, script: bytes, path: str
) -> None:
    server.says(script, path=path)
    with pytest.raises(DownloadFailed) as raised:
        save(folder)
    assert SECRET[:6].lower() not in raised.value.detail.lower()


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


def test_a_page_is_told_in_time_whatever_it_begins_with(server: Server) -> None:
    server.says(answer(b"<!---->" * 1000 + b"<?a?>" * 1000, ""))
    with (
        Client(SECRET, base_url=server.address) as client,
        pytest.raises(DownloadFailed, match="begins with '<!---->"),
    ):
        _ = client.job(REQUEST_ID).result().content


class TestAProxyOfTheEnvironmentThatCannotBeUsed:
    @pytest.fixture(autouse=True)
    def proxy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("https_proxy", "nonsense://user:pw@proxy.example")

    def test_is_a_failed_download_which_names_the_job_and_keeps_the_result(
        self, server: Server, save: Save, folder: Path
    ) -> None:
        server.names("https://images.example/a.png?signature=abc")
        with pytest.raises(DownloadFailed, match=r"images\.example/a\.png.*proxy.*nonsense") as raised:
            save(folder)
        assert raised.value.request_id == REQUEST_ID
        assert raised.value.response is not None
        assert json.loads(raised.value.response.content)["status"] == "COMPLETED"
        assert "abc" not in str(raised.value)
        assert "pw" not in str(raised.value)


def test_extensions_are_the_same_on_every_machine(
    server: Server, save: Save, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def guess(*_: object, **__: object) -> list[str]:
        return [".php"]

    monkeypatch.setattr(mimetypes, "guess_all_extensions", guess)
    server.says(answer(), path="/cat")
    assert save(folder) == folder / "cat.png"


def closed_after(body: bytes, content_type: str = "image/png") -> bytes:
    """A response whose body ends where the connection does."""
    return answer(body, content_type).replace(b"content-length: %d\r\n" % len(body), b"")


WHOLE_PNG = draw("0" * 32, 8, 8)


class TestABodyThatEndsWithTheConnection:
    def test_is_saved_if_the_image_has_its_end(self, server: Server, save: Save, folder: Path) -> None:
        server.says(closed_after(WHOLE_PNG))
        assert save(folder / "cabin.png").read_bytes() == WHOLE_PNG
        assert server.count("/a.png") == 1

    @pytest.mark.parametrize("missing", [1, 12, 100])
    def test_is_fetched_again_if_it_was_cut_short(self, server: Server, save: Save, folder: Path, missing: int) -> None:
        outcomes = iter([closed_after(WHOLE_PNG[:-missing]), closed_after(WHOLE_PNG)])
        server.says(lambda: [next(outcomes)])
        assert save(folder / "cabin.png").read_bytes() == WHOLE_PNG
        assert server.count("/a.png") == 2

    def test_is_refused_if_it_is_always_cut_short(self, server: Server, save: Save, folder: Path) -> None:
        server.says(closed_after(WHOLE_PNG[:-1]))
        with pytest.raises(DownloadFailed, match="closed before the end of the PNG data"):
            save(folder / "cabin.png")
        assert server.count("/a.png") == 4
        assert list(folder.iterdir()) == []

    @pytest.mark.parametrize("content_type", ["image/png", "image/svg+xml"])
    def test_is_refused_if_nothing_shows_its_end(self, server: Server, content_type: str) -> None:
        server.says(closed_after(b"<svg></svg>", content_type))
        with (
            Client(SECRET, base_url=server.address) as client,
            pytest.raises(DownloadFailed, match="the response has no length"),
        ):
            _ = client.job(REQUEST_ID).result().content

    def test_is_checked_in_memory_too(self, server: Server) -> None:
        outcomes = iter([closed_after(WHOLE_PNG[:-1]), closed_after(WHOLE_PNG)])
        server.says(lambda: [next(outcomes)])
        with Client(SECRET, base_url=server.address) as client:
            assert client.job(REQUEST_ID).result().content == WHOLE_PNG


@pytest.mark.parametrize("content", [WHOLE_PNG[:-1], WHOLE_PNG[:20], WHOLE_PNG[:8]])
def test_an_image_at_hand_is_saved_even_if_it_was_cut_short(folder: Path, content: bytes) -> None:
    FileSink(folder / "cabin.png", (), overwrite=False).take("image/png", content)
    assert (folder / "cabin.png").read_bytes() == content


MOST_LINES = 1000
TRACED = (str(Path(downloads.__file__).parent), pathlib.__file__, contextlib.__file__)


def interrupted_at(line: int, act: Callable[[], object]) -> KeyboardInterrupt | None:
    """Presses Ctrl-C at a line that `act` runs, counted from 0; None if it has ended before."""
    lines = itertools.count()

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if not frame.f_code.co_filename.startswith(TRACED):
            return None
        if event == "line" and next(lines) == line:
            raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    except KeyboardInterrupt as error:
        return error
    finally:
        sys.settrace(before)
    return None


class Feeding:
    """Carries out a download without a network."""

    def carry_out(self, flow: Flow[T]) -> T:
        step = next(flow)
        assert isinstance(step, Send)
        assert step.into is not None
        head = ApiResponse(200, {"content-type": "image/png", "content-length": str(len(PICTURE))}, b"")
        try:
            step.into.begin(head)
            step.into.write(PICTURE)
            step.into.end()
            flow.send(head)
        except StopIteration as stop:
            return cast(T, stop.value)
        raise AssertionError


def at_url() -> Result:
    fields = JobResult({"request_id": REQUEST_ID, "output": "https://images.example/a.png"})
    return Result(fields, Caller(), Feeding())


def at_hand() -> Generation:
    head = {"content-type": "image/png", "x-request-id": REQUEST_ID}
    return Generation(ApiResponse(200, head, PICTURE), PICTURE)


class TestInterruption:
    """In the middle of a download, with half a file written."""

    @pytest.fixture
    def halfway(self, server: Server) -> threading.Event:
        """Set when half of the image is on its way and the rest will not come."""
        halfway = threading.Event()

        def half() -> Iterator[bytes]:
            yield answer()[:-100]
            halfway.set()
            server.over.wait(60)

        server.says(half)
        return halfway

    @staticmethod
    async def saving(server: Server, folder: Path) -> None:
        async with AsyncClient(SECRET, base_url=server.address) as client:
            await (await client.job(REQUEST_ID).result()).save(folder / "cabin.png")

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_a_cancelled_task_leaves_nothing(
        self, server: Server, folder: Path, halfway: threading.Event, backend: str
    ) -> None:
        async def cancel_halfway() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(self.saving, server, folder)
                await to_thread.run_sync(halfway.wait)
                group.cancel_scope.cancel()

        anyio.run(cancel_halfway, backend=backend)
        assert list(folder.iterdir()) == []

    def test_a_task_that_asyncio_itself_cancels_leaves_nothing(
        self, server: Server, folder: Path, halfway: threading.Event
    ) -> None:
        async def cancel_halfway() -> None:
            task = asyncio.ensure_future(self.saving(server, folder))
            await asyncio.to_thread(halfway.wait)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(cancel_halfway())
        assert list(folder.iterdir()) == []

    def test_a_key_press_leaves_nothing(self, server: Server, folder: Path) -> None:
        class Pressed(httpx.SyncByteStream):
            def __iter__(self) -> Iterator[bytes]:
                yield PICTURE
                assert len(list(folder.iterdir())) == 1
                raise KeyboardInterrupt

        def serve(request: httpx.Request) -> httpx.Response:
            if request.url.path.startswith("/v2"):
                return httpx.Response(200, json={"status": "COMPLETED", "output": "https://images.example/a.png"})
            return httpx.Response(200, stream=Pressed(), headers={"content-type": "image/png"})

        with Client(SECRET, base_url=server.address, transport=httpx.MockTransport(serve)) as client:
            result = client.job(REQUEST_ID).result()
            with pytest.raises(KeyboardInterrupt):
                result.save(folder / "cabin.png")
        assert list(folder.iterdir()) == []

    @pytest.mark.parametrize("links", [True, False])
    @pytest.mark.parametrize("before", [None, b"mine"])
    @pytest.mark.parametrize("result", [at_hand(), at_url()], ids=["at hand", "at a URL"])
    def test_at_any_line_leaves_the_whole_image_or_what_was_there(
        self,
        folder: Path,
        result: Result | Generation,
        before: bytes | None,
        links: bool,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        if not links:
            monkeypatch.setattr(Path, "hardlink_to", no_links)
        path = folder / "cabin.png"
        interrupted = 0
        for line in range(MOST_LINES):
            path.unlink(missing_ok=True)
            if before is not None:
                path.write_bytes(before)
            error = interrupted_at(line, lambda: result.save(path, overwrite=before is not None))
            contents = {file.name: file.read_bytes() for file in folder.iterdir()}
            assert contents in ({"cabin.png": PICTURE}, {"cabin.png": before} if before else {})
            if error is None:
                break
            interrupted += 1
            # The first two lines are those before the call has begun to do anything.
            assert line < 2 or REQUEST_ID in "".join(getattr(error, "__notes__", []))
            assert line < 2 or vars(error)["request_id"] == REQUEST_ID
        assert 30 < interrupted < MOST_LINES - 1

    def test_at_the_rename_leaves_nothing_where_there_are_no_links(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def press(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(Path, "hardlink_to", no_links)
        monkeypatch.setattr(Path, "replace", press)
        with pytest.raises(KeyboardInterrupt):
            at_hand().save(folder / "cabin.png")
        assert list(folder.iterdir()) == []

    def test_after_the_rename_leaves_the_image_where_there_are_no_links(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        replace = Path.replace

        def replace_and_press(path: Path, target: Path) -> None:
            replace(path, target)
            raise KeyboardInterrupt

        monkeypatch.setattr(Path, "hardlink_to", no_links)
        monkeypatch.setattr(Path, "replace", replace_and_press)
        with pytest.raises(KeyboardInterrupt):
            at_hand().save(folder / "cabin.png")
        assert (folder / "cabin.png").read_bytes() == PICTURE

    def test_a_thread_that_nobody_waits_for_any_more_writes_nothing(self, folder: Path) -> None:
        sink = FileSink(folder / "cabin.png", (), overwrite=False)
        sink.discard()
        with pytest.raises(NotSaved):
            sink.take("image/png", PICTURE)
        assert list(folder.iterdir()) == []


def test_no_attempt_begins_after_the_deadline() -> None:
    clock = PauseClock()
    sink = MemorySink(monotonic=clock.monotonic)
    caller = Caller(Options(retry_seconds=1e5), clock=clock, chance=lambda: 1.0)
    flow = fetch(caller, Image(url="https://images.example/a.png"), sink)
    assert isinstance(next(flow), Send)
    clock.sleep_until(downloads.DOWNLOAD_SECONDS)
    with pytest.raises(DownloadFailed, match="responded with 503"):
        flow.send(ApiResponse(503, {}, b""))


def test_a_length_that_a_transport_does_not_check_is_checked() -> None:
    sink = MemorySink()
    assert sink.begin(ApiResponse(200, {"content-type": "image/png", "content-length": "9"}, b""))
    sink.write(b"12345678")
    with pytest.raises(ConnectionLost, match="8 of 9"):
        sink.end()


def test_a_redirect_to_an_unreadable_url_is_not_followed() -> None:
    with pytest.raises(DownloadFailed, match="redirects to an unreadable URL, which is not a URL"):
        downloads.redirected("https://images.example/a.png", "http://[", secure=True, public_only=False)


def test_an_image_without_any_usable_name_gets_a_plain_one() -> None:
    assert downloads.safe_name(["", "..", "///"], (".png",)) == "image.png"


PRIVATE = {
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "0.0.0.0": "unspecified",  # noqa: S104  nothing is bound to it
    "10.1.2.3": "private",
    "172.16.0.1": "private",
    "192.168.1.1": "private",
    "100.64.0.1": "shared by a provider's customers",
    "169.254.169.254": "link-local, where clouds have their metadata",
    "192.0.2.1": "documentation",
    "198.18.0.1": "benchmarks",
    "224.0.0.1": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "broadcast",
    "::": "unspecified",
    "::1": "loopback",
    "::ffff:127.0.0.1": "loopback in IPv6",
    "::ffff:7f00:1": "loopback in IPv6",
    "::127.0.0.1": "loopback in the old form of IPv6",
    "64:ff9b::7f00:1": "loopback behind NAT64",
    "64:ff9b:1::1": "local NAT64",
    "2002:7f00:1::": "loopback in 6to4",
    "2002:c0a8:101::": "private in 6to4",
    "2001:0:1::1": "Teredo",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local with a zone",
    "fc00::1": "private",
    "fd00:ec2::254": "private, where a cloud has its metadata",
    "fec0::1": "site-local",
    "ff02::1": "multicast",
    "ff0e::1": "multicast",
    "2001:db8::1": "documentation",
    "4000::1": "reserved",
    "": "no IP address",
    "images.example": "no IP address",
    "127.1": "no usual spelling",
}
PUBLIC = ["1.1.1.1", "8.8.8.8", "100.63.0.1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2606:4700::1111"]


@pytest.mark.parametrize("ip", PRIVATE, ids=[f"{ip or 'empty'} {kind}" for ip, kind in PRIVATE.items()])
def test_an_ip_address_that_is_not_public_is_refused(ip: str) -> None:
    assert downloads.refused_address(ip)


@pytest.mark.parametrize("ip", PUBLIC)
def test_a_public_ip_address_is_not_refused(ip: str) -> None:
    assert not downloads.refused_address(ip)
    downloads.check_address(ip)


LOCAL_URLS = [
    "https://localhost/a.png",
    "https://LOCALHOST:8443/a.png",
    "https://localhost./a.png",
    "https://localhost../a.png",
    "https://x.localhost/a.png",
    "https://x.localhost./a.png",
    "https://localhost\u3002/a.png",
    "https://127.0.0.1/a.png",
    "https://127.0.0.1./a.png",
    "https://127.1/a.png",
    "https://0/a.png",
    "https://0x7f.1/a.png",
    "https://0X7F.0.0.1/a.png",
    "https://0x7f000001/a.png",
    "https://2130706433/a.png",
    "https://0177.0.0.1/a.png",
    "https://127\u30020\u30020\u30021/a.png",
    "https://\uff11\uff12\uff17.0.0.1/a.png",
    "https://10.0.0.1/a.png",
    "https://169.254.169.254/latest/meta-data",
    "https://[::1]/a.png",
    "https://[::ffff:127.0.0.1]/a.png",
    "https://[::ffff:7f00:1]/a.png",
    "https://[fe80::1%25eth0]/a.png",
    "https://[2002:7f00:1::]/a.png",
    "https://%6cocalhost/a.png",
    "https://localhost%00.example/a.png",
    "https://x.0x7f/a.png",
    "https://user:pw@images.example/a.png",
    "https://user@images.example/a.png",
    "http://images.example/a.png",
    "http://127.0.0.1/a.png",
]
PUBLIC_URLS = [
    "https://images.example/a.png",
    "https://images.example./a.png",
    "https://images.example:8443/a.png?signature=abc",
    "https://IMAGES.example/a.png",
    "https://b\xfccher.example/a.png",
    "https://my_bucket.images.example/a.png",
    "https://localhost.example/a.png",
    "https://8.8.8.8/a.png",
    "https://[2606:4700::1111]/a.png",
]


class Hosts:
    """An https service whose image is at a URL, and the hosts that are asked for images."""

    def __init__(self, url: str, *, base_url: str = "https://service.example") -> None:
        self.url = url
        self.base_url = base_url
        self.redirects = False
        self.asked: list[str] = []

    def serve(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/v2"):
            output = "https://first.example/a.png" if self.redirects else self.url
            return httpx.Response(200, json={"request_id": REQUEST_ID, "status": "COMPLETED", "output": output})
        self.asked.append(request.url.host)
        if request.url.host == "first.example":
            return httpx.Response(302, headers=[(b"location", self.url.encode())])
        return httpx.Response(200, content=PICTURE, headers={"content-type": "image/png"})

    def content(self, *, any_image_host: bool = False) -> bytes:
        transport = httpx.MockTransport(self.serve)
        with Client(SECRET, base_url=self.base_url, transport=transport, any_image_host=any_image_host) as client:
            return client.job(REQUEST_ID).result().content


class TestAServiceOnHttps:
    @pytest.mark.parametrize("url", LOCAL_URLS)
    def test_has_no_image_fetched_from_a_private_or_unencrypted_place(self, url: str) -> None:
        hosts = Hosts(url)
        with pytest.raises(SegmindError) as raised:
            hosts.content()
        assert isinstance(raised.value, DownloadFailed | NoImage)
        assert raised.value.request_id == REQUEST_ID
        assert hosts.asked == []
        assert "pw" not in str(raised.value)

    @pytest.mark.parametrize("url", LOCAL_URLS)
    def test_has_no_redirect_followed_to_a_private_or_unencrypted_place(self, url: str) -> None:
        hosts = Hosts(url)
        hosts.redirects = True
        with pytest.raises(DownloadFailed) as raised:
            hosts.content()
        assert set(hosts.asked) == {"first.example"}
        assert "pw" not in str(raised.value)

    @pytest.mark.parametrize("redirects", [False, True])
    @pytest.mark.parametrize("url", PUBLIC_URLS)
    def test_has_images_fetched_from_public_hosts(self, url: str, redirects: bool) -> None:
        hosts = Hosts(url)
        hosts.redirects = redirects
        assert hosts.content() == PICTURE

    @pytest.mark.parametrize(
        "url", ["https://localhost/a.png", "http://images.example/a.png", "https://user:pw@images.example/a.png"]
    )
    def test_has_images_fetched_from_anywhere_if_an_option_allows_it(self, url: str) -> None:
        with pytest.raises(DownloadFailed, match="any_image_host=True"):
            Hosts(url).content()
        assert Hosts(url).content(any_image_host=True) == PICTURE


class TestAPublicNameOfAPrivateAddress:
    @pytest.fixture
    def result(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> JobResult:
        """The image is on a public host, which resolves to this machine."""

        def resolve(*_: object, **__: object) -> Any:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.http.server_port))]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        return JobResult({"request_id": REQUEST_ID, "output": "https://images.example/a.png"})

    def test_is_refused_where_the_service_is_on_https(self, result: JobResult, server: Server) -> None:
        driver = SyncDriver(Sender("https://service.example", "x-api-key", Secret(SECRET)))
        with pytest.raises(DownloadFailed, match=r"private network \(127") as raised:
            _ = Result(result, Caller(is_https=True), driver).content
        assert raised.value.request_id == REQUEST_ID
        assert server.heads == []

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_is_refused_with_await_as_well(
        self, result: JobResult, server: Server, backend: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Declared without its methods where anyio is missing.
        sockets: Any = httpcore.AnyIOBackend
        connect = sockets.connect_tcp

        async def connect_here(backend: Any, *_: object, **__: object) -> Any:
            return await connect(backend, "127.0.0.1", server.http.server_port)

        async def use() -> None:
            driver = AsyncDriver(AsyncSender("https://service.example", "x-api-key", Secret(SECRET)))
            with pytest.raises(DownloadFailed, match=r"private network \(127"):
                await AsyncResult(result, Caller(is_https=True), driver).content
            await driver.close()

        monkeypatch.undo()
        monkeypatch.setattr(sockets, "connect_tcp", connect_here)
        anyio.run(use, backend=backend)
        assert server.heads == []


@pytest.mark.parametrize(
    "url", ["http://localhost/a.png", "http://127.1/a.png", "https://10.0.0.1/a.png", "http://user:pw@images.example/"]
)
def test_a_service_on_http_may_have_its_images_anywhere(url: str) -> None:
    assert Hosts(url, base_url="http://127.0.0.1:4010").content() == PICTURE
