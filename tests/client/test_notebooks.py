"""How a result is shown in a notebook, and the media type of its content."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from segmind_api.catalog import MODELS
from segmind_api.models import JobResult
from segmind_api.types import ApiResponse
from segmind_client import Client, Generation, Result
from segmind_mock import DEFAULT_KEY, Settings
from tests.support.files import FILES

SLUG = next(iter(MODELS))
PARAMETERS = {"prompt": "x"}
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def settings() -> Settings:
    """Jobs complete at once."""
    return Settings()


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    with Client(DEFAULT_KEY, base_url=address) as client:
        yield client


@pytest.mark.parametrize("method", ["run_model", "generate_model"])
def test_a_result_is_shown_as_its_image(client: Client, method: str) -> None:
    result = getattr(client, method)(SLUG, PARAMETERS)
    shown = result._repr_mimebundle_(include=None, exclude=None)
    assert shown == {"text/plain": repr(result), "image/png": result.content}
    assert result._repr_png_() == result.content


def test_the_media_type_is_shown_by_the_first_bytes() -> None:
    octets = Generation(ApiResponse(200, {"content-type": "application/octet-stream"}, PNG), PNG)
    assert octets._repr_mimebundle_()["image/png"] == PNG  # pyright: ignore[reportPrivateUsage]  # notebooks call it


def test_a_result_without_an_image_is_shown_as_text_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    result = Result(JobResult({"request_id": "id", "output": "no URL"}), kind="image")
    assert result._repr_mimebundle_() == {"text/plain": repr(result)}  # pyright: ignore[reportPrivateUsage]  # the same
    assert result._repr_png_() is None  # pyright: ignore[reportPrivateUsage]  # the same
    assert "The output cannot be shown: NoOutput" in caplog.text


def test_the_media_type_of_a_job_is_known_once_its_image_is_downloaded(client: Client) -> None:
    result = client.run_model(SLUG, PARAMETERS)
    assert result.content_type is None
    assert result.content.startswith(PNG)
    assert result.content_type == "image/png"


def shown(kind: Any, content_type: str, content: bytes) -> dict[str, Any]:
    made = Generation(ApiResponse(200, {"content-type": content_type}, content), content, kind)
    return made._repr_mimebundle_()  # pyright: ignore[reportPrivateUsage]  # notebooks call it


@pytest.mark.parametrize(("kind", "name", "media_type"), [("video", "MP4", "video/mp4"), ("audio", "WAV", "audio/wav")])
def test_a_video_and_a_sound_are_shown_with_a_player(kind: str, name: str, media_type: str) -> None:
    data = base64.b64encode(FILES[name]).decode()
    html = shown(kind, "application/octet-stream", FILES[name])["text/html"]
    assert html == f'<{kind} controls src="data:{media_type};base64,{data}"></{kind}>'


def test_a_video_that_is_too_large_to_be_a_part_of_a_notebook_is_not_shown() -> None:
    assert set(shown("video", "video/mp4", FILES["MP4"] + bytes(20_000_000))) == {"text/plain"}


def test_a_text_and_json_are_shown_as_such() -> None:
    assert Result(JobResult({"output": "once"}), kind="text")._repr_mimebundle_() == {"text/plain": "once"}  # pyright: ignore[reportPrivateUsage]  # the same
    assert shown("json", "application/json", b"[1]")["application/json"] == [1]
