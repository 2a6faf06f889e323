"""The vendor's own package, unmodified, against the double on a real port."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import pytest

from segmind_mock import DEFAULT_KEY, Double, MovableClock, Settings

# The package is untyped.
segmind: Any = import_module("segmind")
SegmindError: type[Exception] = segmind.SegmindError
SLUG = "imagen-4"


@pytest.fixture
def settings() -> Settings:
    return Settings()


@contextmanager
def vendors_client(address: str, key: str = DEFAULT_KEY) -> Generator[Any]:
    client = segmind.SegmindClient(api_key=key, base_url=f"{address}/v1")
    yield client
    # It has no way to close its connections.
    client._client.close()


@pytest.fixture
def client(address: str) -> Iterator[Any]:
    with vendors_client(address) as client:
        yield client


def test_run_gives_the_result(client: Any, double: Double) -> None:
    result = client.run(SLUG, prompt="x", negative_prompt="y", aspect_ratio="4:3")
    assert (result["status"], result["metrics"]["cost"]) == ("COMPLETED", 0.06)
    assert result["output"].endswith(".png")
    assert double.account().credits == 99.94


def test_run_sync_gives_the_answer_of_v1(client: Any) -> None:
    assert client.run_sync(SLUG, prompt="x").json()["output"].endswith(".png")


def test_submit_async_gives_a_job_to_wait_for(client: Any) -> None:
    job = client.submit_async(SLUG, prompt="x")
    assert job.status()["status"] == "COMPLETED"
    assert job.wait()["request_id"] == job.request_id
    assert job.result()["status"] == "COMPLETED"


def test_a_failed_job_raises(client: Any, double: Double) -> None:
    double.add_fault({"fail": "blocked"}, times=1)
    with pytest.raises(segmind.InferenceFailed) as raised:
        client.run(SLUG, prompt="x")
    assert "blocked" in str(raised.value)


def test_an_expired_job_raises(client: Any, clock: MovableClock) -> None:
    job = client.submit_async(SLUG, prompt="x")
    clock.advance(hours=1)
    with pytest.raises(SegmindError) as raised:
        job.status()
    assert vars(raised.value)["status"] == 404


def test_an_unauthorised_call_raises(address: str) -> None:
    with vendors_client(address, "SG_ffffffffffffffff") as stranger, pytest.raises(SegmindError) as raised:
        stranger.run(SLUG, prompt="x")
    assert vars(raised.value)["status"] == 401


def test_credits_run_out(client: Any, double: Double) -> None:
    double.open_account(credits=0.1)
    client.run(SLUG, prompt="x")
    with pytest.raises(SegmindError) as raised:
        client.run(SLUG, prompt="x")
    assert vars(raised.value)["status"] == 406


class TestSlow:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(latency_factor=1)

    def test_a_job_that_does_not_end_times_out(self, client: Any) -> None:
        with pytest.raises(segmind.InferenceTimeout):
            client.submit_async(SLUG, prompt="x").wait(timeout=0, interval=0)
