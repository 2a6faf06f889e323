"""Outputs of every kind: how they are received, read, saved and refused."""

from __future__ import annotations

import copy
import json
import pickle
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator, Mapping
from inspect import isawaitable
from pathlib import Path
from typing import Any, TypeVar

import anyio
import attrs
import httpx
import pytest

from segmind_api import catalog
from segmind_api.models import GenerationOutput, JobResult
from segmind_api.types import ApiResponse
from segmind_client import AsyncClient, Client, Generation, Result, errors, vendor
from tests.support.calls import KEY, WAYS
from tests.support.clock import PauseClock, pause_clock
from tests.support.files import FILES
from tests.support.internals import LARGEST, FileSink
from tests.support.servers import REQUEST_ID, HostileServer, respond_with

T = TypeVar("T")
SLUG = "paper-press"
URL = "https://files.example/made"
ROUTES = ("v1 body", "v1 fields", "v2")
KINDS = {"image": "PNG", "video": "MP4", "audio": "WAV", "text": "text", "json": "JSON"}
"""What a model makes, and the file that it makes here."""
MEDIA_TYPES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "MP4": "video/mp4",
    "MOV": "video/quicktime",
    "WebM": "video/webm",
    "WAV": "audio/wav",
    "MP3": "audio/mpeg",
    "Ogg": "audio/ogg",
    "FLAC": "audio/flac",
    "M4A": "audio/mp4",
    "text": "text/plain",
    "JSON": "application/json",
}
EXTENSIONS = {"JPEG": ".jpg", "Ogg": ".ogg", "text": ".txt"} | {
    name: f".{name.lower()}" for name in MEDIA_TYPES if name not in ("JPEG", "Ogg", "text")
}


@attrs.frozen
class Service:
    """Makes one output, which is in the response itself or at a URL."""

    output: Any
    """In the JSON of v1 and v2."""
    body: bytes = b""
    """Of v1, and at the URL."""
    media_type: str = ""
    fields: bool = False
    """Whether v1 responds with JSON fields."""
    framed: bool = True
    """Whether the body has a length."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "files.example" or (request.url.path.startswith("/v1") and not self.fields):
            headers = {"content-type": self.media_type} if self.media_type else {}
            if self.framed:
                headers["content-length"] = str(len(self.body))
            return httpx.Response(200, headers=headers, stream=httpx.ByteStream(self.body))
        if request.url.path.startswith("/v1"):
            return httpx.Response(200, json={"output": self.output, "prompt": "x"})
        result = {"request_id": REQUEST_ID, "status": "COMPLETED", "output": self.output, "metrics": {"cost": 1}}
        return httpx.Response(200, json=result)


def play(way: str, service: Service, use: Callable[[Any], Awaitable[T]]) -> T:
    """Uses a client of the service, sync or async."""

    async def run() -> T:
        kind = Client if way == "sync" else AsyncClient
        client: Any = kind(KEY, transport=httpx.MockTransport(service), attempts=1)
        try:
            return await use(client)
        finally:
            await given(client.close())

    return anyio.run(run, backend="trio" if way == "trio" else "asyncio")


async def given(value: Any) -> Any:
    return await value if isawaitable(value) else value


async def part(result: Any, name: str) -> Any:
    """A property of a sync result, or what the method of an async one returns."""
    value = getattr(result, name)
    return await given(value() if callable(value) else value)


async def make(client: Any, route: str) -> Any:
    return await given((client.run_model if route == "v2" else client.generate_model)(SLUG, {"prompt": "x"}))


def service_of(name: str, route: str, *, inline: bool | None = None, **changes: Any) -> Service:
    """A service that makes a file. Texts and JSON are in the response itself unless `inline` is False."""
    inline = name in ("text", "JSON") if inline is None else inline
    output = FILES[name].decode() if inline else URL
    service = Service(output, FILES[name], MEDIA_TYPES[name], fields=route == "v1 fields")
    return attrs.evolve(service, **changes)


@pytest.fixture(autouse=True)
def clock() -> Iterator[PauseClock]:
    """No client waits before it polls."""
    with pause_clock() as clock:
        yield clock


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], None]:
    """Lets the contract know the model, by what it makes; None leaves it unknown."""
    template = next(iter(catalog.MODELS.values()))

    def known(kind: Any) -> None:
        if kind is not None:
            paths: Any = {"generate_path": f"/v1/{SLUG}", "submit_path": f"/v2/{SLUG}"}
            monkeypatch.setattr(catalog, "MODELS", {SLUG: attrs.evolve(template, slug=SLUG, output=kind, **paths)})

    return known


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("known", [True, False], ids=["of the contract", "unknown"])
@pytest.mark.parametrize(("kind", "name"), KINDS.items())
def test_an_output_of_each_kind_is_read_and_saved(
    model: Callable[[str | None], None], tmp_path: Path, way: str, route: str, known: bool, kind: str, name: str
) -> None:
    async def use(client: Any) -> tuple[bytes, str, Path, str | None, str | None]:
        result = await make(client, route)
        content = await part(result, "content")
        return content, result.content_type, await given(result.save(tmp_path / "out")), *urls(result)

    model(kind if known else None)
    content, content_type, path, output_url, image_url = play(way, service_of(name, route), use)
    # Nothing but a model of the contract tells JSON in a string from a text.
    shown = "text" if name == "JSON" and not known and route != "v1 body" else name
    assert content == path.read_bytes() == FILES[name]
    assert content_type == MEDIA_TYPES[shown]
    assert path == tmp_path / f"out{EXTENSIONS[shown]}"
    assert output_url == (URL if kind not in ("text", "json") and route != "v1 body" else None)
    assert image_url == (output_url if kind == "image" or not known else None)


def urls(result: Any) -> tuple[str | None, str | None]:
    return result.output_url, result.image_url


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("route", ROUTES)
def test_text_and_json_are_read_by_their_names_in_httpx(way: str, route: str) -> None:
    async def use(client: Any) -> tuple[str, Any]:
        result = await make(client, route)
        return await part(result, "text"), await part(result, "json")

    assert play(way, service_of("JSON", route), use) == (
        FILES["JSON"].decode(),
        {"boats": ["a", "\N{LATIN SMALL LETTER E WITH ACUTE}"]},
    )


@pytest.mark.parametrize("way", WAYS)
def test_json_of_something_else_is_an_error_that_names_the_request(way: str) -> None:
    async def use(client: Any) -> None:
        await part(await make(client, "v2"), "json")

    with pytest.raises(
        errors.UnreadableResponse, match=r"the output is not JSON: .*; `content` has its bytes"
    ) as raised:
        play(way, service_of("PNG", "v2"), use)
    assert raised.value.request_id == REQUEST_ID


@pytest.mark.parametrize("name", [name for name in MEDIA_TYPES if name not in ("text", "JSON")])
@pytest.mark.parametrize("media_type", ["right", "application/octet-stream", ""])
@pytest.mark.parametrize("route", ROUTES)
def test_a_file_of_each_format_is_saved_by_its_first_bytes(
    tmp_path: Path, name: str, media_type: str, route: str
) -> None:
    async def use(client: Any) -> Path:
        return Path((await make(client, route)).save(tmp_path / "out"))

    changes: Any = {} if media_type == "right" else {"media_type": media_type}
    assert play("sync", service_of(name, route, **changes), use) == tmp_path / f"out{EXTENSIONS[name]}"


@pytest.mark.parametrize("media_type", ["application/mp4", "application/ogg"])
def test_a_container_without_a_main_type_is_saved_by_its_first_bytes(tmp_path: Path, media_type: str) -> None:
    async def use(client: Any) -> Path:
        return Path((await make(client, "v2")).save(tmp_path / "out"))

    name = "MP4" if "mp4" in media_type else "Ogg"
    assert play("sync", service_of(name, "v2", media_type=media_type), use).suffix == EXTENSIONS[name]


VALUES: dict[str, tuple[Any, Any]] = {
    "an object": ({"boats": [1, 2]}, {"boats": [1, 2]}),
    "an array": (["a", None], ["a", None]),
    "a number": (0, 0),
    "half a surrogate pair": (["\ud800"], ["\ud800"]),
}


@pytest.mark.parametrize("kind", ["json", "text", None])
@pytest.mark.parametrize(("output", "value"), VALUES.values(), ids=VALUES.keys())
def test_a_value_in_place_of_a_string_is_json(tmp_path: Path, kind: Any, output: Any, value: Any) -> None:
    result = Result(JobResult({"request_id": "id", "output": output}), kind=kind)
    assert result.json() == value
    assert result.content_type == "application/json"
    assert result.save(tmp_path / "out").name == "out.json"


BODIES: dict[str, tuple[str | None, Any, Any]] = {
    "an object without output": ("json", {"boats": [1]}, {"boats": [1]}),
    "an object with output and fields of its own": ("json", {"output": 1, "boats": 2}, {"output": 1, "boats": 2}),
    "the fields of the JSON form": ("json", {"output": "[1]", "seed": 5}, [1]),
    "an empty object": ("json", {}, {}),
    "an array": ("json", [1], [1]),
    "false": ("json", False, False),
    "an object of an unknown model": (None, {"boats": [1]}, {"boats": [1]}),
    "an array of an unknown model": (None, [1], [1]),
    "an object of a text model": ("text", {"boats": [1]}, {"boats": [1]}),
}


@pytest.mark.parametrize(("kind", "body", "value"), BODIES.values(), ids=BODIES.keys())
def test_the_json_of_a_v1_response_is_the_output_unless_it_has_the_fields_of_one(
    model: Callable[[str | None], None], tmp_path: Path, kind: str | None, body: Any, value: Any
) -> None:
    async def use(client: Any) -> tuple[Any, Path]:
        generation = await make(client, "v1")
        return generation.json(), generation.save(tmp_path / "out")

    model(kind)
    read, path = play("sync", Service(None, json.dumps(body).encode(), "application/json"), use)
    assert read == value
    assert json.loads(path.read_bytes()) == value
    assert path.suffix == ".json"


@pytest.mark.parametrize("media_type", ["application/json", "application/octet-stream", "text/plain"])
def test_json_at_a_url_is_downloaded(model: Callable[[str | None], None], tmp_path: Path, media_type: str) -> None:
    async def use(client: Any) -> Path:
        return Path((await make(client, "v2")).save(tmp_path))

    model("json")
    path = play("sync", service_of("JSON", "v2", inline=False, media_type=media_type), use)
    assert path.read_bytes() == FILES["JSON"]


def test_a_url_that_a_text_model_makes_is_a_text() -> None:
    result = Result(JobResult({"request_id": "id", "output": URL}), kind="text")
    assert (result.text, result.output_url, result.image_url) == (URL, None, None)


def test_a_text_that_is_no_json_is_saved_as_a_text_although_the_model_makes_json(tmp_path: Path) -> None:
    result = Result(JobResult({"output": "sorry, no boats"}), kind="json")
    assert result.save(tmp_path / "out").name == "out.txt"


@pytest.mark.parametrize("output", ["<html><p>a page that a model wrote</p></html>", "GIF89a is a format", ""])
def test_a_text_of_a_text_model_may_be_anything(tmp_path: Path, output: str) -> None:
    result = Result(JobResult({"request_id": "id", "output": output}), kind="text")
    generation = Generation(ApiResponse(200, {"content-type": "text/plain"}, output.encode()), output, "text")
    for given_output in (result, generation):
        assert given_output.text == output
        assert given_output.save(tmp_path / "out", overwrite=True).read_text() == output


@pytest.mark.parametrize("name", ["notes.md", "notes.srt", "notes.TXT"])
def test_a_text_keeps_the_extension_of_a_kind_of_text(tmp_path: Path, name: str) -> None:
    assert Result(JobResult({"output": "once"}), kind="text").save(tmp_path / name).name == name


WITHOUT_OUTPUT: dict[str, tuple[Any, Mapping[str, Any], str]] = {
    "a video model with a text": ("video", {"output": "once upon a time"}, "there is no video to save"),
    "an audio model with nothing": ("audio", {"output": None}, "there is no audio to save"),
    "a text model with nothing": ("text", {}, "there is no output to save"),
    "an unknown model with nothing": (None, {"output": ""}, "there is no output to save"),
    "an unknown model with a file": (None, {"output": "file:///etc/hostname"}, "there is no output to save"),
    "an unknown model with a broken URL": (None, {"output": "https://a\u200bb.example/a"}, "there is no output"),
}


@pytest.mark.parametrize(("kind", "fields", "message"), WITHOUT_OUTPUT.values(), ids=WITHOUT_OUTPUT.keys())
def test_a_result_without_an_output_says_so(tmp_path: Path, kind: Any, fields: Mapping[str, Any], message: str) -> None:
    with pytest.raises(errors.NoOutput, match=message):
        Result(JobResult({"request_id": "id", **fields}), kind=kind).save(tmp_path)


def test_fields_of_v1_without_an_output_say_so(tmp_path: Path) -> None:
    response = ApiResponse(200, {"content-type": "application/json"}, b"{}")
    with pytest.raises(errors.NoOutput):
        Generation(response, GenerationOutput({})).save(tmp_path)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(("kind", "name"), [("image", "MP4"), ("video", "PNG"), ("audio", "MP4"), ("json", "PNG")])
def test_a_file_of_another_kind_is_saved_since_it_is_paid_for(
    model: Callable[[str | None], None],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    route: str,
    kind: str,
    name: str,
) -> None:
    async def use(client: Any) -> Path:
        return Path((await make(client, route)).save(tmp_path / "out.webp"))

    model(kind)
    assert play("sync", service_of(name, route), use) == tmp_path / f"out{EXTENSIONS[name]}"
    assert f"The output is {name}: it was saved as {tmp_path / 'out'}{EXTENSIONS[name]}" in caplog.text


REFUSED: dict[str, tuple[str | None, bytes, str, str]] = {
    "a text instead of a video": ("video", b"no", "text/plain", "not a video but text/plain"),
    "JSON instead of audio": ("audio", b"{}", "application/json", "not audio but application/json"),
    "a page instead of a video": ("video", b"<html>", "text/html", "not a video but text/html"),
    "a page that is called a video": ("video", b"<html>", "video/mp4", "not a video but a web page"),
    "a page instead of JSON": ("json", b"<html>", "text/html", "not JSON but text/html"),
    "a page that is called a text": ("json", b"<html>", "text/plain", "not JSON but a web page"),
    "a page of an unknown model": (None, b"<html>", "text/html", "not what a model makes but text/html"),
    "bytes of an unknown model": (None, b"%PDF-1.7", "", "not what a model makes but a body without a media type"),
    "nothing instead of JSON": ("json", b"", "application/json", "not JSON but empty"),
    "an archive": (None, b"PK\3\4", "application/zip", "not what a model makes but application/zip"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("kind", "body", "media_type", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_output_is_refused_and_leaves_no_file(
    model: Callable[[str | None], None],
    tmp_path: Path,
    way: str,
    kind: str | None,
    body: bytes,
    media_type: str,
    message: str,
) -> None:
    async def use(client: Any) -> None:
        await given((await make(client, "v2")).save(tmp_path))

    model(kind)
    with pytest.raises(errors.DownloadFailed, match=message) as raised:
        play(way, Service(URL, body, media_type), use)
    assert raised.value.request_id == REQUEST_ID
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("end", "expected"), [("", "out.json"), (".json", "out.json"), (".png", None), (".mp4", None)])
def test_json_at_the_url_of_an_unknown_model_is_refused_where_the_url_names_another_kind(
    tmp_path: Path, end: str, expected: str | None
) -> None:
    async def use(client: Any) -> str:
        return str(client.job(REQUEST_ID).result().save(tmp_path / "out").name)

    service = Service(URL + end, b"{}", "application/json")
    if expected:
        assert play("sync", service, use) == expected
    else:
        with pytest.raises(errors.DownloadFailed, match="but application/json"):
            play("sync", service, use)


ENDED = ("PNG", "MP4", "MOV", "WebM", "WAV", "Ogg", "M4A", "JSON")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ENDED)
def test_a_download_without_a_length_is_complete_if_the_file_says_so(tmp_path: Path, way: str, name: str) -> None:
    async def use(client: Any) -> Any:
        return await given((await make(client, "v2")).save(tmp_path))

    service = service_of(name, "v2", inline=False, framed=False)
    assert play(way, service, use).read_bytes() == FILES[name]
    (tmp_path / f"made{EXTENSIONS[name]}").unlink()
    with pytest.raises(errors.DownloadFailed, match=f"closed before the end of the {name} data"):
        play(way, attrs.evolve(service, body=FILES[name][:-1]), use)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["MP3", "FLAC", "text"])
def test_a_download_without_a_length_is_refused_if_the_format_has_no_end(tmp_path: Path, name: str) -> None:
    async def use(client: Any) -> None:
        (await make(client, "v2")).save(tmp_path)

    with pytest.raises(errors.DownloadFailed, match="nothing shows whether the file is complete"):
        play("sync", service_of(name, "v2", inline=False, framed=False), use)


@pytest.mark.parametrize("name", ["PNG", "MP4", "WebM", "WAV", "MP3"])
def test_the_bytes_of_a_v1_response_are_saved_even_if_they_were_cut_short(tmp_path: Path, name: str) -> None:
    async def use(client: Any) -> bytes:
        return bytes((await make(client, "v1")).save(tmp_path / "out").read_bytes())

    cut_short = FILES[name][:-5]
    assert play("sync", service_of(name, "v1", body=cut_short, framed=False), use) == cut_short


@pytest.mark.parametrize("framed", [True, False], ids=["announced", "not announced"])
@pytest.mark.parametrize("media_type", ["right", ""])
@pytest.mark.parametrize(("kind", "name"), [("image", "PNG"), ("video", "MP4"), ("audio", "WAV")])
def test_a_download_beyond_the_limit_of_its_kind_is_refused(
    model: Callable[[str | None], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    kind: Any,
    name: str,
    media_type: str,
    framed: bool,
) -> None:
    async def use(client: Any) -> Path:
        return Path((await make(client, "v2")).save(tmp_path / "out", overwrite=True))

    changes: Any = {} if media_type == "right" else {"media_type": media_type}
    service = service_of(name, "v2", inline=False, framed=framed, **changes)
    model(kind)
    monkeypatch.setitem(LARGEST, kind, len(FILES[name]))
    assert play("sync", service, use).exists()
    monkeypatch.setitem(LARGEST, kind, len(FILES[name]) - 1)
    with pytest.raises(errors.DownloadFailed, match=r"the file is larger than \d+ bytes.*fetch output_url"):
        play("sync", service, use)


def test_a_file_of_unknown_kind_has_the_limit_of_its_format(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def use(client: Any) -> None:
        (await make(client, "v2")).save(tmp_path)

    monkeypatch.setitem(LARGEST, "image", 10)
    with pytest.raises(errors.DownloadFailed, match="larger than 10 bytes"):
        play("sync", service_of("PNG", "v2", media_type=""), use)


def test_the_limits_are_in_the_order_of_the_files_that_models_make() -> None:
    assert LARGEST["video"] > LARGEST["audio"] > LARGEST["image"] == LARGEST["text"] == LARGEST["json"]
    assert LARGEST[None] == LARGEST["video"]


def test_a_video_is_written_to_its_file_piece_by_piece(tmp_path: Path) -> None:
    piece = bytes(1_000_000)
    sink = FileSink(tmp_path / "out", (), "video", overwrite=False)
    size = len(FILES["MP4"]) + 50 * len(piece)
    sink.begin(ApiResponse(200, {"content-type": "video/mp4", "content-length": str(size)}, b""))
    tracemalloc.start()
    try:
        sink.write(FILES["MP4"])
        for _ in range(50):
            sink.write(piece)
        sink.end()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tmp_path / "out.mp4").stat().st_size == size
    assert most < 5 * len(piece)


@pytest.mark.parametrize("kind", ["text", "json"])
def test_a_copy_of_a_result_knows_what_the_model_makes(kind: Any) -> None:
    result = Result(JobResult({"output": "https://files.example/a"}), kind=kind)
    generation = Generation(ApiResponse(200, {"content-type": "text/plain"}, b"[1]"), "[1]", kind)
    for made in (result, generation):
        for restored in (pickle.loads(pickle.dumps(made)), copy.copy(made), copy.deepcopy(made)):  # noqa: S301  made here
            assert (restored.output_url, restored.content_type) == (made.output_url, made.content_type)


@pytest.mark.parametrize("name", ["MP4", "text"])
def test_a_job_that_is_picked_up_is_saved_as_what_was_received(tmp_path: Path, name: str) -> None:
    async def use(client: Any) -> Path:
        return Path(client.job(REQUEST_ID).wait().save(tmp_path / "out"))

    assert play("sync", service_of(name, "v2"), use).suffix == EXTENSIONS[name]


def test_an_error_of_v1_that_is_called_a_video_is_no_output(model: Callable[[str | None], None]) -> None:
    model("video")
    transport = httpx.MockTransport(lambda _: httpx.Response(400, headers={"content-type": "video/mp4"}, content=b"x"))
    with Client(KEY, transport=transport) as client, pytest.raises(errors.BadRequest):
        client.generate_model(SLUG, {"prompt": "x"})


@pytest.mark.parametrize("media_type", ["text/html", "text/plain", "application/json"])
def test_a_text_in_place_of_the_file_of_v1_keeps_the_response(
    model: Callable[[str | None], None], media_type: str
) -> None:
    model("video")
    with pytest.raises(errors.SegmindError) as raised:
        play("sync", Service(None, b"[1]", media_type), v1_content)
    assert raised.value.response is not None
    assert raised.value.response.content == b"[1]"


async def v1_content(client: Any) -> bytes:
    return bytes((await make(client, "v1")).content)


def test_the_vendors_names_return_results_of_each_kind(model: Callable[[str | None], None]) -> None:
    model("text")
    body: dict[str, Any] = {"request_id": REQUEST_ID, "status": "COMPLETED", "output": URL, "metrics": {}}
    with HostileServer(respond_with(body)) as server, vendor.SegmindClient(KEY, base_url=server.url) as client:
        # Called as untyped programs call it: its types know the models of the contract only.
        untyped: Any = client
        job = untyped.submit_async(SLUG, prompt="x")
        results = [untyped.run(SLUG, prompt="x"), job.wait(), job.result()]
    # A text, since the model makes texts: not the file at a URL.
    assert [result.content for result in results] == [URL.encode()] * 3


@pytest.mark.parametrize("way", WAYS)
def test_a_response_that_is_too_large_is_fetched_once(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segmind_client.operations.LARGEST_RESULT", 10_000)

    async def fetch_async(url: str) -> None:
        async with AsyncClient(KEY, base_url=url) as client:
            await client.job(REQUEST_ID).wait()

    def fetch(url: str) -> None:
        if way == "sync":
            with Client(KEY, base_url=url) as client:
                client.job(REQUEST_ID).wait()
        else:
            anyio.run(fetch_async, url, backend=way)

    completed = {"request_id": REQUEST_ID, "status": "COMPLETED", "output": "x" * 10_000}
    with HostileServer(respond_with(completed)) as server:
        with pytest.raises(errors.UnreadableResponse, match="larger than 10000 bytes") as raised:
            fetch(server.url)
        paths = [request.path for request in server.requests]
    assert raised.value.request_id == REQUEST_ID
    assert raised.value.response is not None
    assert raised.value.response.content.startswith(b"{")
    assert paths.count(f"/v2/requests/{REQUEST_ID}") == 1


@pytest.mark.parametrize(("name", "is_image"), [("a.png", True), ("a", True), ("a.mp4", False), ("a.wav", False)])
def test_the_name_of_a_file_says_whether_it_is_an_image_if_the_model_is_not_known(name: str, is_image: bool) -> None:
    url = f"https://files.example/{name}"
    result = Result(JobResult({"request_id": REQUEST_ID, "output": url}))
    assert result.image_url == (url if is_image else None)


def test_a_copy_of_a_result_keeps_what_was_downloaded() -> None:
    async def use(client: Any) -> None:
        result = client.job(REQUEST_ID).wait()
        content = result.content
        for restored in (pickle.loads(pickle.dumps(result)), copy.copy(result), copy.deepcopy(result)):  # noqa: S301  made here
            assert (restored.content, restored.content_type) == (content, "image/png")

    play("sync", service_of("PNG", "v2"), use)
