"""Images over the network: which responses are taken, retried, followed or refused."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from segmind_api.types import ApiResponse
from segmind_client import Client
from segmind_client.errors import ConnectionLost, DownloadFailed, NoOutput, NotSaved, NotSent
from tests.support.clock import PauseClock
from tests.support.images import PICTURE, SECRET, WHOLE_PNG, ImageService, closed_after, endless, image_response
from tests.support.internals import (
    LARGEST,
    Caller,
    CustomSender,
    MemorySink,
    Options,
    Secret,
    Send,
    SyncDriver,
    downloads,
    fetch,
    sinks,
)
from tests.support.servers import REQUEST_ID, Request, Script, closed_port, drips

Save = Callable[..., Path]


def redirect(location: str) -> bytes:
    return image_response(b"", "", status=302, location=location)


def chunked_and_cut_off(_: Request) -> Iterator[bytes]:
    yield image_response(b"").replace(b"content-length: 0", b"transfer-encoding: chunked")
    yield b"%x\r\n%s" % (len(PICTURE), PICTURE)


NO_URL = "redirects to .* that (no|an) image can"
NOT_THE_IMAGE: dict[str, tuple[Script | bytes, str]] = {
    "fewer bytes than announced": (image_response(length=len(PICTURE) + 1), "7 days"),
    "chunks that end too early": (chunked_and_cut_off, "7 days"),
    "no answer at all": (b"", "7 days"),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n", "7 days"),
    "more bytes than are taken": (endless(), "larger than 100000 bytes"),
    "more bytes announced than are taken": (image_response(length=100_001), "larger than 100000 bytes"),
    "nothing": (image_response(b""), "not an image but empty"),
    "a page": (image_response(b"<html>", "text/html"), "not an image but text/html"),
    "a page that calls itself an image": (image_response(b"\n <!DOCTYPE html>"), "not an image but a web page"),
    "a page after what XML and HTML may begin with": (
        image_response(b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a --><!-- b -->\n<html>"),
        "not an image but a web page",
    ),
    "a page called bytes": (image_response(b"<html>", "application/octet-stream"), "not an image but a web page"),
    "a page without a type": (image_response(b"<!doctype html>", ""), "not an image but a web page"),
    "SVG called bytes": (image_response(b"<svg></svg>", "binary/octet-stream"), "not an image but SVG"),
    "a document called bytes": (
        image_response(b"%PDF-1.7\n" + bytes(5000), "application/octet-stream"),
        "not an image but application/octet-stream that begins with '%PDF-1.7",
    ),
    "a text without a type": (
        image_response(b"no such image", ""),
        "not an image but a body without a media type that begins with 'no such image'",
    ),
    "JSON": (image_response(b"{}", "application/json"), "not an image but application/json"),
    "an image called text": (image_response(media_type="text/plain"), "not an image but text/plain"),
    "something compressed": (image_response(content_encoding="gzip"), "compressed"),
    "404": (image_response(b"", status=404), "no longer: the service keeps files for 7 days"),
    "410": (image_response(b"", status=410), "no longer: the service keeps files for 7 days"),
    "403": (image_response(b"", status=403), "responded with 403 instead of the file"),
    "500": (image_response(b"", status=500), "responded with 500 instead of the file"),
    "a part": (image_response(status=206), "responded with 206 instead of the file"),
    "a redirect to nowhere": (image_response(b"", status=302), "responded with 302 instead of the file"),
    "a redirect to itself": (redirect("/a.png"), "more than 5 redirects"),
    "a redirect to a file": (redirect("file:///etc/hostname"), NO_URL),
    "a redirect to a port that cannot be": (redirect("http://127.0.0.1:99999/"), NO_URL),
    "a redirect to an invalid URL": (redirect("http://[::1/"), "redirects to an unreadable URL"),
    "a redirect to data": (redirect("data:image/png;base64,iVBORw0KGgo="), NO_URL),
    "a redirect to an e-mail address": (redirect("mailto:somebody@example.com"), NO_URL),
}


@pytest.mark.parametrize(("script", "message"), NOT_THE_IMAGE.values(), ids=NOT_THE_IMAGE.keys())
def test_what_is_not_the_image_ends_in_an_error_and_leaves_nothing(
    server: ImageService,
    save: Save,
    folder: Path,
    script: Script | bytes,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(LARGEST, "image", 100_000)
    server.serve(script)
    with pytest.raises(DownloadFailed, match=message) as raised:
        save(folder / "cabin.png")
    assert list(folder.iterdir()) == []
    assert raised.value.request_id == REQUEST_ID
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)  # noqa: S301  made here


def test_the_error_of_a_host_that_is_not_reached_says_whether_it_is_the_services_or_the_images(
    server: ImageService, save: Save, folder: Path
) -> None:
    with closed_port() as port:
        server.set_image_url(f"http://127.0.0.1:{port}/a.png")
        with pytest.raises(DownloadFailed, match="the host of the file was not reached"):
            save(folder / "cabin.png")
        with (
            Client(SECRET, base_url=f"http://127.0.0.1:{port}", attempts=1) as client,
            pytest.raises(NotSent, match=f"http://127.0.0.1:{port} was not reached, so it accepted nothing"),
        ):
            client.credits()


def test_an_image_of_exactly_the_largest_size_is_saved(
    server: ImageService, save: Save, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LARGEST, "image", len(PICTURE))
    server.serve(image_response())
    assert save(folder / "cabin.png").read_bytes() == PICTURE


@pytest.mark.parametrize("url", ["http://☃☃-.example/a.png", "http://[v1.a]/a.png", "http://a\u200bb.example/a.png"])
def test_a_url_that_cannot_be_parsed_is_an_error_before_anything_is_sent(
    server: ImageService, save: Save, folder: Path, url: str
) -> None:
    server.set_image_url(url)
    with pytest.raises((DownloadFailed, NoOutput)) as raised:
        save(folder)
    assert raised.value.request_id == REQUEST_ID
    assert server.count("GET", f"/v2/requests/{REQUEST_ID}") == len(server.requests) == 1


class TestSlowness:
    def test_a_server_that_stalls_is_not_waited_for(self, server: ImageService, save: Save, folder: Path) -> None:
        server.serve(drips(image_response()[:-1], b""))
        with pytest.raises(DownloadFailed, match="ReadTimeout"):
            save(folder / "cabin.png", read_seconds=0.2)
        assert list(folder.iterdir()) == []

    def test_a_server_that_drips_meets_the_deadline(
        self, server: ImageService, save: Save, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sinks, "DOWNLOAD_SECONDS", 0.1)
        monkeypatch.setattr(downloads, "DOWNLOAD_SECONDS", 0.1)
        server.serve(drips(image_response(b"", length=10_000), b"."))
        with pytest.raises(DownloadFailed, match=r"did not end in time|within 0\.1 s"):
            save(folder / "cabin.png")
        assert list(folder.iterdir()) == []


class TestRepeating:
    @pytest.mark.parametrize(
        "trouble",
        [
            b"",
            image_response(length=len(PICTURE) + 1),
            *(image_response(b"", status=status) for status in (408, 429, 500, 502, 503, 504)),
        ],
    )
    def test_a_transient_error_is_retried(self, server: ImageService, save: Save, folder: Path, trouble: bytes) -> None:
        outcomes = iter([trouble, trouble, image_response()])
        server.serve(lambda _: [next(outcomes)])
        assert save(folder / "cabin.png").read_bytes() == PICTURE
        assert list(folder.iterdir()) == [folder / "cabin.png"]

    @pytest.mark.parametrize(("status", "times"), [(500, 4), (404, 1), (403, 1)])
    def test_ends_after_four_attempts_or_with_a_refusal(
        self, server: ImageService, save: Save, folder: Path, status: int, times: int
    ) -> None:
        server.serve(image_response(b"", status=status))
        with pytest.raises(DownloadFailed) as raised:
            save(folder / "cabin.png")
        assert raised.value.status == status
        assert server.count("GET", "/a.png") == times


LEAVING_HTTPS = {
    "to http": (["https://a.example/x", "http://b.example/y"], False),
    "to http on this machine": (["https://a.example/x", "http://127.0.0.1/y"], False),
    "to http by way of this machine": (["https://a.example/x", "http://[::1]/y", "http://b.example/z"], False),
    "from http": (["http://a.example/x", "http://b.example/y"], True),
    "to https": (["http://a.example/x", "https://b.example/y"], True),
    "on https": (["https://a.example/x", "https://b.example/y"], True),
}


class TestRedirects:
    def test_are_followed(self, server: ImageService, save: Save, folder: Path) -> None:
        server.scripts["/2"] = lambda _: [redirect("b/c.png")]
        server.scripts["/b/c.png"] = lambda _: [image_response()]
        server.serve(redirect("/2"))
        assert save(folder / "cabin.png").read_bytes() == PICTURE

    @pytest.mark.parametrize("location", ["/caf\u00e9.png", "/a cabin.png"], ids=["UTF-8", "a space"])
    def test_are_followed_to_paths_that_are_not_encoded(
        self, server: ImageService, save: Save, folder: Path, location: str
    ) -> None:
        server.scripts[quote(location)] = lambda _: [image_response()]
        server.serve(redirect(location))
        assert save(folder / "cabin.png").read_bytes() == PICTURE

    def test_are_followed_five_times(self, server: ImageService, save: Save, folder: Path) -> None:
        server.serve(redirect("/a.png"))
        with pytest.raises(DownloadFailed):
            save(folder)
        assert server.count("GET", "/a.png") == 1 + 5

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
        flow = fetch(Caller(), way[0], sink)
        if allowed:
            driver.carry_out(flow)
            assert sink.content == PICTURE
        else:
            with pytest.raises(DownloadFailed, match="not encrypted"):
                driver.carry_out(flow)


class TestKey:
    def test_is_sent_to_the_service_only(self, server: ImageService, save: Save, folder: Path) -> None:
        other = server.url.replace("127.0.0.1", "localhost")
        server.scripts["/2"] = lambda _: [redirect(f"{server.url}/3")]
        server.scripts["/3"] = lambda _: [image_response()]
        server.serve(redirect(f"{other}/2").replace(b"HTTP/1.1 302 x\r\n", b"HTTP/1.1 302 x\r\nset-cookie: a=b\r\n"))
        save(folder / "cabin.png")
        with_key = [request.path for request in server.requests if SECRET in str(request.headers)]
        assert with_key == [f"/v2/requests/{REQUEST_ID}"]
        assert [request.path for request in server.requests] == [*with_key, "/a.png", "/2", "/3"]
        assert not any("cookie" in request.headers for request in server.requests)

    @pytest.mark.parametrize(
        ("script", "message"),
        [
            (image_response(b"", status=403), "/a.png responded"),
            (image_response(length=len(PICTURE) + 1), "no file came from http://.*/a.png: "),
            (b"", "no file came from http://.*/a.png: "),
        ],
        ids=["403", "cut short", "closed"],
    )
    def test_shows_in_no_error_nor_does_the_signature_of_a_url(
        self, server: ImageService, save: Save, folder: Path, script: bytes, message: str
    ) -> None:
        server.serve(script, path="/a.png?signature=abc")
        with pytest.raises(DownloadFailed, match=message) as raised:
            save(folder / "cabin.png")
        assert SECRET not in str(raised.value)
        assert "abc" not in str(raised.value)

    def test_shows_in_no_error_if_the_service_repeats_it_in_a_url(
        self, server: ImageService, save: Save, folder: Path
    ) -> None:
        server.serve(image_response(b"", status=404), path=f"/{SECRET}.png")
        with pytest.raises(DownloadFailed) as raised:
            save(folder / "cabin.png")
        server.serve(image_response(), path=f"/{SECRET}.png")
        with pytest.raises(NotSaved) as not_saved:
            save(folder / "missing" / "cabin.png")
        assert SECRET not in f"{raised.value}{raised.value.args}{not_saved.value}{not_saved.value.args}"


CUT_AT_A_KEY = {
    "a body": (image_response(b"a key: " + SECRET.encode(), ""), "/a.png"),
    "a media type": (image_response(media_type=f"{'a' * 185}{SECRET}"), "/a.png"),
    "a URL": (image_response(b"", status=404), f"/{'a' * 168}{SECRET}"),
}


@pytest.mark.parametrize(("script", "path"), CUT_AT_A_KEY.values(), ids=CUT_AT_A_KEY.keys())
def test_what_a_message_shows_a_part_of_shows_no_part_of_a_key(
    server: ImageService, save: Save, folder: Path, script: bytes, path: str
) -> None:
    server.serve(script, path=path)
    with pytest.raises(DownloadFailed) as raised:
        save(folder)
    assert SECRET[:6].lower() not in raised.value.detail.lower()


def test_a_page_is_told_in_time_whatever_it_begins_with(server: ImageService) -> None:
    server.serve(image_response(b"<!---->" * 1000 + b"<?a?>" * 1000, ""))
    with (
        Client(SECRET, base_url=server.url) as client,
        pytest.raises(DownloadFailed, match="begins with '<!---->"),
    ):
        _ = client.job(REQUEST_ID).result().content


class TestAProxyOfTheEnvironmentThatCannotBeUsed:
    @pytest.fixture(autouse=True)
    def proxy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("https_proxy", "nonsense://user:pw@proxy.example")

    def test_is_a_failed_download_which_names_the_job_and_keeps_the_result(
        self, server: ImageService, save: Save, folder: Path
    ) -> None:
        server.set_image_url("https://images.example/a.png?signature=abc")
        with pytest.raises(DownloadFailed, match=r"images\.example/a\.png.*proxy.*nonsense") as raised:
            save(folder)
        assert raised.value.request_id == REQUEST_ID
        assert raised.value.response is not None
        assert json.loads(raised.value.response.content)["status"] == "COMPLETED"
        assert "abc" not in str(raised.value)
        assert "pw" not in str(raised.value)


class TestABodyThatEndsWithTheConnection:
    def test_is_saved_if_the_image_has_its_end(self, server: ImageService, save: Save, folder: Path) -> None:
        server.serve(closed_after(WHOLE_PNG))
        assert save(folder / "cabin.png").read_bytes() == WHOLE_PNG
        assert server.count("GET", "/a.png") == 1

    @pytest.mark.parametrize("missing", [1, 12, 100])
    def test_is_fetched_again_into_a_file_if_it_was_cut_short(
        self, server: ImageService, save: Save, folder: Path, missing: int
    ) -> None:
        outcomes = iter([closed_after(WHOLE_PNG[:-missing]), closed_after(WHOLE_PNG)])
        server.serve(lambda _: [next(outcomes)])
        assert save(folder / "cabin.png").read_bytes() == WHOLE_PNG
        assert server.count("GET", "/a.png") == 2

    def test_is_refused_if_it_is_always_cut_short(self, server: ImageService, save: Save, folder: Path) -> None:
        server.serve(closed_after(WHOLE_PNG[:-1]))
        with pytest.raises(DownloadFailed, match="closed before the end of the PNG data"):
            save(folder / "cabin.png")
        assert server.count("GET", "/a.png") == 4
        assert list(folder.iterdir()) == []

    @pytest.mark.parametrize("content_type", ["image/png", "image/svg+xml"])
    def test_is_refused_if_nothing_shows_its_end(self, server: ImageService, content_type: str) -> None:
        server.serve(closed_after(b"<svg></svg>", content_type))
        with (
            Client(SECRET, base_url=server.url) as client,
            pytest.raises(DownloadFailed, match="the response has no length"),
        ):
            _ = client.job(REQUEST_ID).result().content

    def test_is_fetched_again_into_memory_if_it_was_cut_short(self, server: ImageService) -> None:
        outcomes = iter([closed_after(WHOLE_PNG[:-1]), closed_after(WHOLE_PNG)])
        server.serve(lambda _: [next(outcomes)])
        with Client(SECRET, base_url=server.url) as client:
            assert client.job(REQUEST_ID).result().content == WHOLE_PNG


def test_no_attempt_begins_after_the_deadline() -> None:
    clock = PauseClock()
    sink = MemorySink(monotonic=clock.monotonic)
    caller = Caller(Options(retry_seconds=1e5), clock=clock, chance=lambda: 1.0)
    flow = fetch(caller, "https://images.example/a.png", sink)
    assert isinstance(next(flow), Send)
    clock.sleep_until(sinks.DOWNLOAD_SECONDS)
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
