"""What is saved, where, and what is refused, against a server that answers whatever it is told to."""

from __future__ import annotations

import asyncio
import itertools
import json
import pickle
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anyio
import httpx
import pytest
from anyio import to_thread

from segmind_api.types import ApiResponse
from segmind_client import AsyncClient, Client, clients, downloads
from segmind_client.downloads import FileSink, Image, MemorySink, fetch
from segmind_client.drivers import AsyncDriver, Images, SyncDriver
from segmind_client.errors import ConnectionLost, DownloadFailed, FileExists, NotSaved
from segmind_client.flows import Caller, Clocks, Send
from segmind_client.options import Options
from segmind_client.transport import Sender
from tests.client.servers import running

SECRET = "SG_5ec4e75ec4e75ec4"  # noqa: S105  nobody holds it
REQUEST_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 16

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
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    def pause(_: float) -> None: ...

    async def async_pause(_: float) -> None: ...

    monkeypatch.setattr(clients, "SyncDriver", partial(SyncDriver, sleep=pause))
    monkeypatch.setattr(clients, "AsyncDriver", partial(AsyncDriver, sleep=async_pause))


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


class TestWhatIsSaved:
    def test_is_the_image_byte_for_byte(self, server: Server, save: Save, folder: Path) -> None:
        server.says(answer())
        assert save(folder / "cabin.png") == folder / "cabin.png"
        assert (folder / "cabin.png").read_bytes() == PICTURE
        assert list(folder.iterdir()) == [folder / "cabin.png"]

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

    def test_replaces_no_file_that_appears_meanwhile(self, server: Server, save: Save, folder: Path) -> None:
        def slower_than_another() -> Iterator[bytes]:
            yield answer()[:-1]
            another.rename(folder / "cabin.png")
            yield PICTURE[-1:]

        another = folder.parent / "another"
        another.write_bytes(b"mine")
        server.says(slower_than_another)
        with pytest.raises(FileExists):
            save(folder / "cabin.png")
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


NOT_THE_IMAGE: dict[str, tuple[Script | bytes, str]] = {
    "fewer bytes than announced": (answer(length=len(PICTURE) + 1), "7 days"),
    "chunks that end too early": (chunked_and_cut_off, "7 days"),
    "no answer at all": (b"", "7 days"),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n", "7 days"),
    "more bytes than are taken": (endless, "larger than 100000 bytes"),
    "more bytes announced than are taken": (answer(length=100_001), "larger than 100000 bytes"),
    "nothing": (answer(b""), "no image came but nothing"),
    "a page": (answer(b"<html>", "text/html"), "no image came but text/html"),
    "a page that calls itself an image": (answer(b"\n <!DOCTYPE html>"), "no image came but a web page"),
    "JSON": (answer(b"{}", "application/json"), "no image came but application/json"),
    "something untyped": (answer(content_type=""), "no image came but something untyped"),
    "a type that is a path": (answer(content_type="image/../../png"), "no image came but image/"),
    "something compressed": (answer(content_encoding="gzip"), "compressed"),
    "404": (answer(b"", status=404), "no longer: the service keeps images for 7 days"),
    "410": (answer(b"", status=410), "no longer: the service keeps images for 7 days"),
    "403": (answer(b"", status=403), "answered 403 instead of the image"),
    "500": (answer(b"", status=500), "answered 500 instead of the image"),
    "a part": (answer(status=206), "answered 206 instead of the image"),
    "a redirect to nowhere": (answer(b"", status=302), "answered 302 instead of the image"),
    "a redirect to itself": (redirect("/a.png"), "more than 5 redirects"),
    "a redirect to a file": (redirect("file:///etc/hostname"), "redirects to where no image can be fetched"),
    "a redirect to a port that cannot be": (
        redirect("http://127.0.0.1:99999/"),
        "redirects to where no image can be fetched",
    ),
    "a redirect to an address that is none": (redirect("http://[::1/"), "Invalid URL in location header"),
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


def test_an_address_that_cannot_be_called_is_an_error(server: Server, save: Save, folder: Path) -> None:
    server.names("http://☃☃-.example/a.png")
    with pytest.raises(DownloadFailed, match="cannot be called: Invalid IDNA hostname"):
        save(folder)


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
        with pytest.raises(DownloadFailed, match=r"within 0\.1 s"):
            save(folder / "cabin.png")
        assert list(folder.iterdir()) == []


PASSING_TROUBLE = {
    "no answer at all": b"",
    "a truncated image": answer(length=len(PICTURE) + 1),
    **{str(status): answer(b"", status=status) for status in (408, 429, 500, 502, 503, 504)},
}


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


class TestRedirects:
    def test_are_followed(self, server: Server, save: Save, folder: Path) -> None:
        server.scripts["/2"] = lambda: [redirect("b/c.png")]
        server.scripts["/b/c.png"] = lambda: [answer()]
        server.says(redirect("/2"))
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

        with MemorySink() as sink:
            driver = SyncDriver(Sender("https://x.example", {}, None), Images(httpx.MockTransport(serve)))
            flow = fetch(Caller(), Image(address=way[0]), sink)
            if allowed:
                driver.carry_out(flow)
                assert sink.content == PICTURE
            else:
                with pytest.raises(DownloadFailed, match="not encrypted"):
                    driver.carry_out(flow)
            driver.images.close()


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

    def test_and_a_signature_show_in_no_error(self, server: Server, save: Save, folder: Path) -> None:
        server.says(answer(b"", status=403), path="/a.png?signature=abc")
        with pytest.raises(DownloadFailed) as raised:
            save(folder / "cabin.png")
        assert "/a.png answered" in str(raised.value)
        assert SECRET not in str(raised.value)
        assert "abc" not in str(raised.value)


BAD_TARGETS: dict[str, tuple[str, str]] = {
    "another type's extension": ("cabin.jpg", "image/png, so name the file cabin.png"),
    "no extension": ("cabin", "image/png, so name the file cabin.png"),
    "a folder that is missing": ("missing/cabin.png", "there is no folder .*missing, make it first"),
    "a folder that is a file": ("file/cabin.png", "there is no folder .*file, make it first"),
    "a name that no file can have": ("cab\0in.png", "was not written"),
    "a name that is too long": ("x" * 300 + ".png", "was not written"),
}


@pytest.mark.parametrize(("name", "message"), BAD_TARGETS.values(), ids=BAD_TARGETS.keys())
def test_a_target_that_cannot_be_is_an_error_that_says_what_to_do(
    server: Server, save: Save, folder: Path, name: str, message: str
) -> None:
    server.says(answer())
    (folder / "file").touch()
    with pytest.raises(NotSaved, match=message):
        save(folder / name)
    assert list(folder.iterdir()) == [folder / "file"]


@pytest.mark.parametrize(
    ("content_type", "name"),
    [
        ("image/jpeg", "cabin.jpg"),
        ("image/jpeg", "cabin.JPEG"),
        ("image/png; charset=binary", "cabin.png"),
        ("IMAGE/PNG", "cabin.png"),
        ("image/webp", "cabin.webp"),
        ("image/x-of-the-future", "cabin.x-of-the-future"),
    ],
)
def test_an_extension_of_the_images_type_is_taken(server: Server, folder: Path, content_type: str, name: str) -> None:
    server.says(answer(content_type=content_type))
    with Client(SECRET, base_url=server.address) as client:
        assert client.job(REQUEST_ID).result().save(folder / name).exists()


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

    def test_a_key_press_at_the_last_moment_leaves_nothing(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def press(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(Path, "replace", press)
        with pytest.raises(KeyboardInterrupt), FileSink(folder / "cabin.png", (), overwrite=False) as sink:
            sink.take("image/png", PICTURE)
        assert list(folder.iterdir()) == []

    def test_a_thread_that_nobody_waits_for_any_more_writes_nothing(self, folder: Path) -> None:
        with FileSink(folder / "cabin.png", (), overwrite=False) as sink:
            pass
        with pytest.raises(NotSaved):
            sink.take("image/png", PICTURE)
        assert list(folder.iterdir()) == []


def test_no_attempt_begins_after_the_deadline() -> None:
    clock = itertools.count(0, downloads.DOWNLOAD_SECONDS)
    sink = MemorySink(monotonic=lambda: 0)
    caller = Caller(Options(retry_seconds=1e9), clocks=Clocks(monotonic=lambda: next(clock), chance=lambda: 1.0))
    flow = fetch(caller, Image(address="https://images.example/a.png"), sink)
    assert isinstance(next(flow), Send)
    with pytest.raises(DownloadFailed, match="answered 503"):
        flow.send(ApiResponse(503, {}, b""))


def test_a_length_that_a_transport_does_not_check_is_checked() -> None:
    sink = MemorySink()
    assert sink.begin(ApiResponse(200, {"content-type": "image/png", "content-length": "9"}, b""))
    sink.write(b"12345678")
    with pytest.raises(ConnectionLost, match="8 of 9"):
        sink.end()


def test_a_redirect_to_what_no_address_can_be_is_not_followed() -> None:
    with pytest.raises(DownloadFailed, match="redirects to where no image can be fetched"):
        downloads.followed("https://images.example/a.png", "http://[", secure=True)


def test_an_image_without_any_usable_name_gets_a_plain_one() -> None:
    assert downloads.safe_name(["", "..", "///"], (".png",)) == "image.png"
