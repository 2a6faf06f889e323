"""How a result is shown in a notebook, and the media type of its content."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from segmind_api.catalog import MODELS
from segmind_api.models import JobResult
from segmind_api.types import ApiResponse
from segmind_client import Client, Generation, Result
from segmind_mock import DEFAULT_KEY, Settings

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
