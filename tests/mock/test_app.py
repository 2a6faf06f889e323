"""What the double adds to the rules of the contract: messages, metrics, images and dates."""

from __future__ import annotations

import io
import time
from email.utils import formatdate, parsedate_to_datetime
from typing import Any

import httpx
import pytest
from PIL import Image

from segmind_mock import Double, MovableClock


class TestMessages:
    @pytest.mark.parametrize("value", [255, 1025, "512", True, 512.5, None])
    def test_the_message_of_a_400_names_the_field(self, call: httpx.Client, value: Any) -> None:
        response = call.post("/v2/imagen-4-fast", json={"prompt": "x", "width": value})
        assert response.status_code == 400
        assert response.json()["error"].startswith("width: ")

    def test_the_message_of_a_400_that_quotes_a_long_value_is_cut(self, call: httpx.Client) -> None:
        response = call.post("/v2/imagen-4-fast", json={"prompt": "x", "width": "9" * 5000})
        assert response.status_code == 400
        assert len(response.json()["error"]) == 500

    def test_the_message_of_an_early_result_says_that_the_request_is_not_completed(self, call: httpx.Client) -> None:
        submitted = call.post("/v2/imagen-4", json={"prompt": "x"}).json()
        early = call.get(submitted["response_url"])
        assert (early.status_code, early.json()) == (404, {"error": "the request is not completed yet"})

    @pytest.mark.parametrize("path", ["/v2/no-such-model", "/v3"])
    def test_an_unknown_path_is_a_404_with_an_error_alone(self, call: httpx.Client, path: str) -> None:
        response = call.post(path, json={"prompt": "x"})
        assert (response.status_code, list(response.json())) == (404, ["error"])


class TestJobs:
    def test_a_job_is_in_the_queue_for_a_tenth_of_its_latency_and_its_metrics_say_what_has_passed(
        self, call: httpx.Client, clock: MovableClock
    ) -> None:
        submitted = call.post("/v2/imagen-4-fast", json={"prompt": "x"}).json()
        assert submitted["status"] == "QUEUED"
        found: list[tuple[str, dict[str, float]]] = []
        # Its typical latency is 5 seconds, of which it spends a tenth in the queue.
        for seconds in (0.25, 0.25, 4.25, 0.25):
            clock.advance(seconds)
            status = call.get(submitted["status_url"]).json()
            found.append((status["status"], status["metrics"]))
        times = {"queue_time": 0.5, "inference_time": 4.5, "total_time": 5.0}
        assert found == [
            ("QUEUED", {}),
            ("PROCESSING", {"queue_time": 0.5}),
            ("PROCESSING", {"queue_time": 0.5}),
            ("COMPLETED", {**times, "cost": 0.02, "remaining_credits": 99.98}),
        ]
        assert call.get(submitted["response_url"]).json()["metrics"] == found[-1][1]

    def test_the_file_name_of_an_image_is_the_id_of_its_job(self, call: httpx.Client, clock: MovableClock) -> None:
        submitted = call.post("/v2/imagen-4-fast", json={"prompt": "x"}).json()
        clock.advance(60)
        (image,) = call.get(submitted["response_url"]).json()["images"]
        assert image["file_name"] == f"{submitted['request_id']}.png"

    def test_a_submit_names_a_poll_url_under_v1(self, call: httpx.Client, address: str) -> None:
        submitted = call.post("/v2/imagen-4", json={"prompt": "x"}).json()
        assert submitted["poll_url"] == f"{address}/v1/requests/{submitted['request_id']}"


class TestImages:
    def test_an_image_is_a_png_that_decodes(self, call: httpx.Client) -> None:
        # Its URL is public, so that no key is sent.
        response = httpx.get(call.post("/v1/imagen-4-fast", json={"prompt": "x"}).json()["output"])
        assert response.headers["content-type"] == "image/png"
        with Image.open(io.BytesIO(response.content)) as image:
            image.load()
            assert image.format == "PNG"

    def test_a_width_that_is_sent_counts_before_an_aspect_ratio(self, call: httpx.Client) -> None:
        parameters = {"prompt": "x", "width": 700, "aspect_ratio": "16:9"}
        url = call.post("/v1/imagen-4-fast", json=parameters).json()["output"]
        with Image.open(io.BytesIO(httpx.get(url).content)) as image:
            assert image.size == (700, 512)


DATED = [
    ("POST", "/v2/imagen", 200),
    ("POST", "/v1/imagen", 200),
    ("GET", "/v1/get-user-credits", 200),
    ("GET", "/v1/imagen", 405),
    ("GET", "/nothing", 404),
    ("GET", "/_mock/accounts", 200),
    ("GET", "/_mock/nothing", 404),
    ("GET", "/_mock/files/nothing", 404),
]


@pytest.mark.parametrize(("method", "path", "status"), DATED)
def test_every_response_has_one_date_by_the_doubles_clock(
    call: httpx.Client, clock: MovableClock, method: str, path: str, status: int
) -> None:
    clock.advance(days=400, seconds=0.9)
    response = call.request(method, path, json={"prompt": "x"} if method == "POST" else None)
    assert response.status_code == status
    assert response.headers.get_list("date") == [formatdate(clock.now(), usegmt=True)]


def test_the_date_of_a_response_is_that_of_its_end_where_the_call_takes_time(
    call: httpx.Client, clock: MovableClock
) -> None:
    response = call.get("/v1/get-user-credits", headers={"prefer": "latency=90"})
    assert parsedate_to_datetime(response.headers["date"]).timestamp() == clock.now() == 1_800_000_090


class TestMachineTime:
    @pytest.fixture
    def double(self) -> Double:
        return Double()

    def test_the_date_follows_a_clock_of_the_machine_that_has_been_moved(
        self, call: httpx.Client, double: Double
    ) -> None:
        double.clock.advance(days=1)
        date = parsedate_to_datetime(call.get("/v1/get-user-credits").headers["date"])
        assert date.timestamp() == pytest.approx(time.time() + 86400, abs=60)
