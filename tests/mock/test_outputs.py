"""What a model makes is a real file, or a text, of the format that a parameter asks for."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from mutagen import mp3, mp4
from PIL import Image

from segmind_mock import DEFAULT_KEY, Double, MovableClock, Settings, serve
from segmind_mock.contract import Contract
from segmind_mock.settings import ImageFormat
from tests.support.models import add_model

PARAMETERS: dict[str, dict[str, Any]] = {
    "image": {"output_format": {"type": "string", "enum": ["png", "jpg", "webp", "gif"]}},
    "video": {"container": {"type": "string", "enum": ["webm", "mp4"], "default": "mp4"}},
    "audio": {"format": {"type": "string", "enum": ["mp3_44100_128", "wav", "flac"], "default": "mp3_44100_128"}},
    "text": {},
    "json": {"mode": {"type": "string", "enum": ["json", "text"]}},
}
"""Parameters of the model of each kind, beside the prompt."""
INLINE = ("text", "json")
PNG, JPEG, WEBP = (("image", f"image/{name}") for name in ("png", "jpeg", "webp"))
MP4_FILE, MP3_FILE, WAV_FILE = ("video", "video/mp4"), ("audio", "audio/mpeg"), ("audio", "audio/wav")
CASES: list[tuple[dict[str, Any], tuple[str, str]]] = [
    ({}, PNG),
    ({"output_format": "png"}, PNG),
    ({"output_format": "jpg"}, JPEG),
    ({"output_format": "webp"}, WEBP),
    ({"output_format": "gif"}, PNG),
    ({}, MP4_FILE),
    ({"container": "webm"}, MP4_FILE),
    ({}, MP3_FILE),
    ({"format": "wav"}, WAV_FILE),
    ({"format": "flac"}, WAV_FILE),
    ({}, ("text", "text/plain; charset=utf-8")),
    ({}, ("json", "application/json")),
    ({"mode": "text"}, ("json", "application/json")),
]
SUFFIXES = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "video/mp4": "mp4",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
}

Call = Callable[..., httpx.Response]

read_mp3: Any = mp3.MP3
read_mp4: Any = mp4.MP4
"""mutagen has no types."""


@pytest.fixture(scope="module")
def kinds(contract: Any) -> Contract:
    """The contract with a model of each kind, `makes-image` and so on."""
    document = json.loads(json.dumps(contract.document))
    for kind, parameters in PARAMETERS.items():
        properties = {"prompt": {"type": "string"}, "seed": {"type": "integer"}, **parameters}
        schema = {"x-output": kind, "required": ["prompt"], "properties": properties}
        add_model(document, f"makes-{kind}", f"Makes{kind.title()}", schema, {"prompt": "x"})
    return Contract(document)


@pytest.fixture
def call(kinds: Contract) -> Call:
    """Calls a new double with some settings."""

    def send(method: str, url: str, *, settings: Settings | None = None, **request: Any) -> httpx.Response:
        double = Double(settings, contract=kinds, clock=MovableClock())
        headers = {"x-api-key": DEFAULT_KEY}
        with httpx.Client(transport=double.transport(), base_url="http://double", headers=headers) as client:
            response = client.request(method, url, **request)
            if url.startswith("/v2/") and method == "POST":
                return client.get(response.json()["response_url"])
            return response

    return send


def check_file(content: bytes, media_type: str) -> None:
    """Reads a file of a format to its end."""
    file = io.BytesIO(content)
    match media_type:
        case "video/mp4":
            assert read_mp4(file).info.length == pytest.approx(2, abs=0.1)
        case "audio/mpeg":
            assert read_mp3(file).info.length == pytest.approx(1, abs=0.1)
        case "audio/wav":
            with wave.open(file) as sound:
                frames = sound.readframes(sound.getnframes())
                assert (sound.getnframes(), sound.getframerate()) == (8000, 8000)
                assert min(frames) < 128 < max(frames)
        case _:
            with Image.open(file) as image:
                image.load()
                assert Image.MIME[image.format or ""] == media_type


def check_inline(output: str, kind: str) -> None:
    assert "a cabin" in output
    if kind == "json":
        assert json.loads(output)["prompt"] == "a cabin"


@pytest.mark.parametrize(("parameters", "expected"), CASES, ids=str)
@pytest.mark.parametrize("route", ["v1", "v2"])
def test_a_response_has_the_url_of_a_file_or_the_text_itself(
    call: Call, route: str, parameters: dict[str, Any], expected: tuple[str, str]
) -> None:
    kind, media_type = expected
    body = call("POST", f"/{route}/makes-{kind}", json={"prompt": "a cabin", **parameters}).json()
    assert body["prompt"] == "a cabin"
    assert ("images" in body) == (kind == "image")
    if kind in INLINE:
        check_inline(body["output"], kind)
        return
    assert httpx.URL(body["output"]).path.endswith(f".{SUFFIXES[media_type]}")
    # Another double responds to it: the URL holds all that the file is made from.
    file = call("GET", body["output"])
    assert file.headers["content-type"] == media_type
    check_file(file.content, media_type)
    if kind == "image":
        (described,) = body["images"]
        assert described["url"] == body["output"]
        assert described["content_type"] == media_type
        assert described["file_name"].endswith(f".{SUFFIXES[media_type]}")
        assert described.get("file_size") == (len(file.content) if media_type == "image/png" else None)


@pytest.mark.parametrize(("parameters", "expected"), CASES, ids=str)
def test_a_v1_response_may_be_the_file_or_the_value_itself(
    call: Call, parameters: dict[str, Any], expected: tuple[str, str]
) -> None:
    kind, media_type = expected
    request = {"prompt": "a cabin", "seed": 7, **parameters}
    response = call("POST", f"/v1/makes-{kind}", json=request, settings=Settings(generate_as="image"))
    assert response.headers["content-type"] == media_type
    if kind in INLINE:
        check_inline(response.text, kind)
    else:
        check_file(response.content, media_type)
        url = call("POST", f"/v1/makes-{kind}", json=request).json()["output"]
        assert response.content == call("GET", url).content


@pytest.mark.parametrize("kind", PARAMETERS)
def test_a_v1_response_may_be_the_output_as_plain_text(call: Call, kind: str) -> None:
    settings = Settings(generate_as="text")
    response = call("POST", f"/v1/makes-{kind}", json={"prompt": "a cabin"}, settings=settings)
    assert response.headers["content-type"] == "text/plain"
    if kind in INLINE:
        check_inline(response.text, kind)
    else:
        assert call("GET", response.text).status_code == 200


@pytest.mark.parametrize("kind", PARAMETERS)
def test_the_same_parameters_and_seed_make_the_same_output_and_others_make_another(call: Call, kind: str) -> None:
    def made(**parameters: Any) -> bytes:
        request = {"prompt": "a cabin", "seed": 7, **parameters}
        return call("POST", f"/v1/makes-{kind}", json=request, settings=Settings(generate_as="image")).content

    assert made() == made()
    # Longer than what a file shows of a prompt.
    others: list[dict[str, Any]] = [{"seed": 8}, {"prompt": "a cliff"}, {"prompt": "x" * 300}, {"prompt": "x" * 301}]
    assert len({made(), *(made(**other) for other in others)}) == 5


@pytest.mark.parametrize("image_format", ["png", "jpeg", "webp"])
def test_the_setting_is_the_format_of_images_that_no_parameter_chooses(call: Call, image_format: ImageFormat) -> None:
    settings = Settings(image_format=image_format)
    for parameters, expected in (({}, f"image/{image_format}"), ({"output_format": "png"}, "image/png")):
        request = {"prompt": "x", **parameters}
        body = call("POST", "/v2/makes-image", json=request, settings=settings).json()
        assert body["images"][0]["content_type"] == expected


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_the_title_of_a_file_has_model_seed_and_prompt(call: Call, kind: str) -> None:
    request = {"prompt": "été \U0001f600", "seed": 7}
    content = call("POST", f"/v1/makes-{kind}", json=request, settings=Settings(generate_as="image")).content
    file = io.BytesIO(content)
    title = read_mp4(file)["\xa9nam"][0] if kind == "video" else read_mp3(file)["TIT2"].text[0]
    assert title.startswith(f"makes-{kind}, seed 7: été \U0001f600 (")


@pytest.mark.parametrize(
    ("name", "schema", "value", "media_type"),
    [
        ("any", {"type": "string", "enum": ["image/webp", "image/png"]}, "image/webp", "image/webp"),
        ("any", {"type": "string", "enum": ["JPEG", "PNG"]}, "JPEG", "image/jpeg"),
        ("any", {"type": "string", "enum": [".jpg", ".png"]}, ".jpg", "image/jpeg"),
        ("any", {"type": ["string", "null"], "enum": ["webp", None]}, None, "image/png"),
        ("image_format", {"type": "integer", "enum": [1, 2]}, 2, "image/png"),
        ("image_format", {"type": "string", "enum": ["portrait", "landscape"]}, "portrait", "image/png"),
        ("image_format", {"type": "string"}, "webp", "image/webp"),
        ("style", {"type": "string"}, "webp", "image/png"),
    ],
    ids=str,
)
def test_a_parameter_asks_for_a_format_by_its_values_or_where_it_is_open_by_its_name(
    contract: Any, name: str, schema: dict[str, Any], value: object, media_type: str
) -> None:
    document = json.loads(json.dumps(contract.document))
    add_model(document, "any", "Any", {"properties": {name: schema}}, {})
    double = Double(contract=Contract(document), clock=MovableClock())
    headers = {"x-api-key": DEFAULT_KEY}
    with httpx.Client(transport=double.transport(), base_url="http://double", headers=headers) as client:
        body = client.post("/v1/any", json={name: value}).json()
    assert body["images"][0]["content_type"] == media_type


def test_an_image_shows_the_prompt_also_when_its_job_is_forgotten(kinds: Contract) -> None:
    clock = MovableClock()
    double = Double(contract=kinds, clock=clock)
    headers = {"x-api-key": DEFAULT_KEY}
    with httpx.Client(transport=double.transport(), base_url="http://double", headers=headers) as client:
        submitted = client.post("/v2/makes-image", json={"prompt": "a cabin & a 50% lake/river?", "seed": 7}).json()
        url = client.get(submitted["response_url"]).json()["output"]
        before = client.get(url).content
        clock.advance(hours=2)
        assert client.get(submitted["status_url"]).status_code == 404
        assert client.get(url).content == before
    assert url.endswith(f"/{submitted['request_id']}.png")


def test_the_url_of_a_file_holds_any_prompt_on_a_port_too(call: Call, kinds: Contract) -> None:
    headers = {"x-api-key": DEFAULT_KEY}
    with (
        serve(Double(contract=kinds).app) as url,
        httpx.Client(base_url=url, headers=headers, timeout=30) as client,
    ):
        for prompt in ("a&b=c", "50% of/it", "a+b c", "\u00e9\U0001f600", "#?;", "%2F%252F", "", "../.."):
            request = {"prompt": prompt, "seed": 7}
            made = call("POST", "/v1/makes-video", json=request, settings=Settings(generate_as="image"))
            assert client.get(client.post("/v1/makes-video", json=request).json()["output"]).content == made.content


DIGEST = "0" * 32
FILE = f"/_mock/files/digest={DIGEST}&size=1x1&made=1800000000/7c9e6679-7425-40de-944b-e07fc1f90ae7.png"


@pytest.mark.parametrize(
    ("url", "status"),
    [
        (FILE, 200),
        (FILE.replace("&size", "&model=any&seed=7&prompt=x%2520%2526&size"), 200),
        *((FILE.replace("1x1", size), 200) for size in ("4096x1", "1x4096")),
        *(
            (FILE.replace("1x1", size), 404)
            for size in ("4097x1", "1x4097", "0x10", "10x0", "9999x10", "10x", "", "-1x1")
        ),
        *((FILE.replace(DIGEST, digest), 404) for digest in ("", "0" * 31, "g" * 32)),
        *((FILE.replace("1800000000", made), 404) for made in ("", "x", "0", "-1", "9" * 16)),
        *((FILE.replace(".png", suffix), 404) for suffix in ("", ".gif", ".txt", ".json", ".png.png")),
        *((FILE.replace(".png", suffix), 200) for suffix in (".jpg", ".webp", ".mp4", ".mp3", ".wav")),
        (FILE.replace(f"digest={DIGEST}&size=1x1&made=1800000000", "x"), 404),
        (FILE.replace("&size", f"&prompt={'x' * 10_000}&size"), 200),
    ],
)
def test_a_url_that_the_double_has_not_made_is_404(call: Call, url: str, status: int) -> None:
    assert call("GET", url).status_code == status
