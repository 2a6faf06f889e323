"""The double as a caller sees it: routes, errors, jobs over time, money."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from email.utils import formatdate, parsedate_to_datetime
from typing import Any

import httpx
import pytest
from PIL import Image

from segmind_mock import DEFAULT_KEY, Double, MovableClock
from segmind_mock.contract import Contract, Operation
from tests.support.contract import problems_in

CONTRACT = Contract.load()
OPERATIONS = {operation.operation_id: operation for operation in CONTRACT.operations}
POSTS = {name: it for name, it in OPERATIONS.items() if it.method == "POST"}
SUBMITS = {name: it for name, it in POSTS.items() if it.role == "submit"}
JSON = {"content-type": "application/json"}


@pytest.fixture
def errors_in() -> Callable[[Operation, httpx.Response], list[str]]:
    """What the contract has against an answer: status, type, body and headers."""
    return lambda operation, response: problems_in(operation.operation_id, response)


def path_of(operation: Operation) -> str:
    return operation.path.format(request_id="7c9e6679-7425-40de-944b-e07fc1f90ae7")


class TestErrors:
    @pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
    def test_a_missing_and_an_unknown_key_are_401_with_different_messages(
        self, call: httpx.Client, errors_in: Any, operation: Operation
    ) -> None:
        messages: set[str] = set()
        for headers in ({"x-api-key": ""}, {"x-api-key": "SG_ffffffffffffffff"}, {"x-api-key": DEFAULT_KEY[:-1]}):
            response = call.request(operation.method, path_of(operation), headers=headers)
            assert response.status_code == 401
            assert errors_in(operation, response) == []
            messages.add(response.json()["error"])
        assert len(messages) == 2

    def test_a_bearer_token_is_no_key(self, address: str) -> None:
        response = httpx.get(f"{address}/v1/get-user-credits", headers={"authorization": f"Bearer {DEFAULT_KEY}"})
        assert response.status_code == 401

    @pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
    def test_another_verb_is_405_in_html(self, call: httpx.Client, errors_in: Any, operation: Operation) -> None:
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"} - {operation.method}:
            response = call.request(method, path_of(operation))
            assert response.status_code == 405, method
            assert response.headers["allow"] == operation.method
            assert errors_in(operation, response) == []

    @pytest.mark.parametrize("path", ["/", "/v1/no-such-model", "/v2/no-such-model", "/v1/imagen/", "/v3"])
    def test_an_unknown_path_is_404_in_the_documented_form(self, call: httpx.Client, path: str) -> None:
        response = call.post(path, json={"prompt": "x"})
        assert response.status_code == 404
        assert list(response.json()) == ["error"]

    @pytest.mark.parametrize("operation", POSTS.values(), ids=POSTS.keys())
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"[]",
            b"null",
            b'"prompt"',
            b"{}",
            b'{"prompt": ""}',
            b'{"prompt": 7}',
            b'{"prompt": NaN}',
            b'{"prompt": "x", "other": NaN}',
            b'{"prompt": "\\ud800"}',
            b'{"prompt": "\xff"}',
            b'{"prompt": "x", "aspect_ratio": "2:1"}',
            b'{"prompt": "x", "prompt": 7}',
        ],
    )
    def test_a_body_that_cannot_be_taken_is_400_and_costs_nothing(
        self, call: httpx.Client, double: Double, errors_in: Any, operation: Operation, body: bytes
    ) -> None:
        response = call.post(operation.path, content=body, headers=JSON)
        assert response.status_code == 400
        assert errors_in(operation, response) == []
        assert double.account().credits == 100

    @pytest.mark.parametrize(
        "body", [{"width": "wide"}, {"width": -3, "height": None}, {"seed": "abc"}, {"seed": 1e99}]
    )
    @pytest.mark.parametrize("version", ["v1", "v2"])
    def test_parameters_of_other_models_do_no_harm(self, call: httpx.Client, version: str, body: Any) -> None:
        assert call.post(f"/{version}/imagen-4", json={"prompt": "x", **body}).status_code == 200

    @pytest.mark.parametrize("value", [255, 1025, "512", True, 512.5, None])
    def test_the_message_of_a_400_names_the_field(self, call: httpx.Client, value: Any) -> None:
        response = call.post("/v2/imagen-4-fast", json={"prompt": "x", "width": value})
        assert response.status_code == 400
        assert response.json()["error"].startswith("width: ")

    @pytest.mark.parametrize("operation", POSTS.values(), ids=POSTS.keys())
    @pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "text/json"])
    def test_another_content_type_is_406(
        self, call: httpx.Client, errors_in: Any, operation: Operation, content_type: str
    ) -> None:
        response = call.post(operation.path, content=b'{"prompt": "x"}', headers={"content-type": content_type})
        assert response.status_code == 406
        assert errors_in(operation, response) == []

    def test_the_message_of_a_400_that_quotes_a_long_value_is_cut(self, call: httpx.Client) -> None:
        response = call.post("/v2/imagen-4-fast", json={"prompt": "x", "width": "9" * 5000})
        assert response.status_code == 400
        assert len(response.json()["error"]) == 500

    def test_a_content_type_may_name_its_charset(self, call: httpx.Client) -> None:
        headers = {"content-type": "Application/JSON; charset=utf-8"}
        assert call.post("/v2/imagen", content=b'{"prompt": "x"}', headers=headers).status_code == 200

    @pytest.mark.parametrize("operation", POSTS.values(), ids=POSTS.keys())
    def test_a_balance_below_the_price_is_406_and_nothing_is_charged(
        self, call: httpx.Client, double: Double, errors_in: Any, operation: Operation
    ) -> None:
        assert operation.model is not None
        account = double.open_account(credits=operation.model.price - 0.001)
        response = call.post(operation.path, json={"prompt": "x"})
        assert response.status_code == 406
        assert errors_in(operation, response) == []
        assert double.account().credits == account.credits == operation.model.price - 0.001
        double.open_account(credits=operation.model.price)
        assert call.post(operation.path, json={"prompt": "x"}).status_code == 200

    def test_an_id_that_was_never_given_out_is_404(self, call: httpx.Client, errors_in: Any) -> None:
        for name in ("getJobStatus", "getJobResult"):
            response = call.get(path_of(OPERATIONS[name]))
            assert response.status_code == 404
            assert errors_in(OPERATIONS[name], response) == []


class TestJobs:
    @pytest.mark.parametrize("operation", SUBMITS.values(), ids=SUBMITS.keys())
    def test_a_job_goes_from_queued_to_processing_to_completed_by_time(
        self, call: httpx.Client, clock: MovableClock, errors_in: Any, operation: Operation
    ) -> None:
        assert operation.model is not None
        latency = operation.model.typical_latency
        submitted = call.post(operation.path, json={"prompt": "x"})
        assert errors_in(operation, submitted) == []
        states: list[str] = []
        for seconds in (0, 0.09 * latency, 0.02 * latency, 0.88 * latency, 0.02 * latency):
            clock.advance(seconds)
            response = call.get(submitted.json()["status_url"])
            assert errors_in(OPERATIONS["getJobStatus"], response) == []
            states.append(response.json()["status"])
        assert states == ["QUEUED", "QUEUED", "PROCESSING", "PROCESSING", "COMPLETED"]

    def test_a_job_changes_its_state_exactly_at_its_moments_and_its_metrics_say_what_has_passed(
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

    def test_the_result_has_all_that_the_image_follows_from(self, call: httpx.Client, clock: MovableClock) -> None:
        submitted = call.post("/v2/imagen-4-fast", json={"prompt": "x", "seed": 7}).json()
        clock.advance(60)
        result = call.get(submitted["response_url"]).json()
        assert (result["prompt"], result["seed"], result["error"]) == ("x", 7, None)
        (image,) = result["images"]
        assert image["url"] == result["output"]
        assert image["file_name"] == f"{submitted['request_id']}.png"
        assert image["file_size"] == len(call.get(image["url"]).content)

    @pytest.mark.parametrize("operation", SUBMITS.values(), ids=SUBMITS.keys())
    def test_a_result_names_a_seed_where_the_model_takes_one(
        self, call: httpx.Client, clock: MovableClock, operation: Operation
    ) -> None:
        assert operation.model is not None
        submitted = call.post(operation.path, json={"prompt": "x"}).json()
        clock.advance(60)
        at_once = call.post(operation.path.replace("/v2/", "/v1/"), json={"prompt": "x"}).json()
        has_seed = "seed" in operation.model.parameters
        assert ("seed" in call.get(submitted["response_url"]).json()) == has_seed
        assert ("seed" in at_once) == has_seed

    def test_a_submit_names_a_poll_url_under_v1(self, call: httpx.Client, address: str) -> None:
        submitted = call.post("/v2/imagen-4", json={"prompt": "x"}).json()
        assert submitted["poll_url"] == f"{address}/v1/requests/{submitted['request_id']}"

    def test_a_result_is_not_available_before_completion(self, call: httpx.Client, clock: MovableClock) -> None:
        submitted = call.post("/v2/imagen-4", json={"prompt": "x"}).json()
        early = call.get(submitted["response_url"])
        assert (early.status_code, early.json()) == (404, {"error": "the request is not completed yet"})
        clock.advance(60)
        assert call.get(submitted["response_url"]).json()["status"] == "COMPLETED"

    def test_a_completed_job_is_charged_once_and_says_so(
        self, call: httpx.Client, double: Double, clock: MovableClock, errors_in: Any
    ) -> None:
        submitted = call.post("/v2/imagen-4", json={"prompt": "x"}).json()
        assert call.get("/v1/get-user-credits").json()["credits"] == 100
        clock.advance(60)
        assert call.get("/v1/get-user-credits").json()["credits"] == 99.94
        for _ in range(3):
            response = call.get(submitted["response_url"])
            assert errors_in(OPERATIONS["getJobResult"], response) == []
            metrics = response.json()["metrics"]
            assert (metrics["cost"], metrics["remaining_credits"]) == (0.06, 99.94)
            assert metrics["queue_time"] + metrics["inference_time"] == pytest.approx(metrics["total_time"])
        assert double.account().credits == 99.94

    def test_a_failed_job_is_422_on_status_and_result_and_costs_nothing(
        self, call: httpx.Client, double: Double, clock: MovableClock, errors_in: Any
    ) -> None:
        submitted = call.post("/v2/imagen-4", json={"prompt": "x"}).json()
        clock.advance(3)
        double.fail(submitted["request_id"], "blocked by the safety filter")
        for name, url in (("getJobStatus", "status_url"), ("getJobResult", "response_url")):
            response = call.get(submitted[url])
            assert response.status_code == 422
            assert errors_in(OPERATIONS[name], response) == []
            assert response.json()["error"] == "blocked by the safety filter"
        assert call.get("/v1/get-user-credits").json()["credits"] == 100

    def test_a_job_is_forgotten_an_hour_after_its_submission(self, call: httpx.Client, clock: MovableClock) -> None:
        submitted = call.post("/v2/imagen-4", json={"prompt": "x"}).json()
        clock.advance(minutes=59, seconds=59)
        assert call.get(submitted["response_url"]).status_code == 200
        clock.advance(seconds=1)
        assert call.get(submitted["response_url"]).status_code == 404
        assert call.get(submitted["status_url"]).status_code == 404

    def test_nobody_sees_the_job_of_another_key(self, call: httpx.Client, double: Double) -> None:
        double.open_account("SG_ffffffffffffffff")
        submitted = call.post("/v2/imagen-4", json={"prompt": "x"}).json()
        for url in (submitted["status_url"], submitted["response_url"]):
            assert call.get(url, headers={"x-api-key": "SG_ffffffffffffffff"}).status_code == 404

    def test_jobs_in_parallel_cannot_spend_the_same_credits(
        self, call: httpx.Client, double: Double, clock: MovableClock
    ) -> None:
        double.open_account(credits=0.15)
        statuses = [call.post("/v2/imagen-4", json={"prompt": "x"}).status_code for _ in range(4)]
        assert statuses == [200, 200, 406, 406]
        clock.advance(60)
        assert call.get("/v1/get-user-credits").json()["credits"] == 0.03

    def test_every_job_has_an_id_of_its_own(self, call: httpx.Client) -> None:
        ids = [call.post("/v2/imagen", json={"prompt": "x"}).json()["request_id"] for _ in range(20)]
        assert len(set(ids)) == 20


class TestGenerate:
    @pytest.mark.parametrize("name", [name for name, it in POSTS.items() if it.role == "generate"])
    def test_v1_answers_with_the_image_and_the_accounting(
        self, call: httpx.Client, double: Double, errors_in: Any, name: str
    ) -> None:
        model = OPERATIONS[name].model
        assert model is not None
        response = call.post(OPERATIONS[name].path, json={"prompt": "x"})
        assert response.status_code == 200
        assert errors_in(OPERATIONS[name], response) == []
        assert float(response.headers["x-cost"]) == model.price
        balance = double.account().credits
        assert float(response.headers["x-remaining-credits"]) == balance == pytest.approx(100 - model.price)
        assert float(response.headers["x-generation-time"]) == pytest.approx(model.typical_latency)
        assert ("x-seed-value" in response.headers) == ("seed" in model.parameters)


class TestImages:
    @pytest.mark.parametrize(
        ("slug", "parameters", "size"),
        [
            ("imagen-4-fast", {}, (512, 512)),
            ("imagen-4-fast", {"width": 256, "height": 1024}, (256, 1024)),
            ("imagen-4-fast", {"width": 300}, (300, 512)),
            ("imagen-4-fast", {"aspect_ratio": "16:9"}, (1024, 576)),
            ("imagen-4-fast", {"width": 700, "aspect_ratio": "16:9"}, (700, 512)),
            ("imagen-4", {}, (1024, 768)),
            ("imagen", {}, (1024, 576)),
            ("imagen", {"aspect_ratio": "9:16"}, (576, 1024)),
            ("imagen", {"aspect_ratio": "1:1"}, (1024, 1024)),
        ],
    )
    def test_an_image_is_a_png_of_the_asked_size(
        self, call: httpx.Client, slug: str, parameters: dict[str, Any], size: tuple[int, int]
    ) -> None:
        described = call.post(f"/v1/{slug}", json={"prompt": "x", **parameters}).json()["images"][0]
        # No key: the image's address is public.
        response = httpx.get(described["url"])
        assert response.headers["content-type"] == described["content_type"] == "image/png"
        assert len(response.content) == described["file_size"]
        with Image.open(io.BytesIO(response.content)) as image:
            image.load()
            assert (image.format, image.size) == ("PNG", size)

    def test_the_same_seed_and_parameters_give_the_same_image_and_another_seed_another(
        self, call: httpx.Client
    ) -> None:
        def image(**parameters: Any) -> bytes:
            return httpx.get(call.post("/v1/imagen-4-fast", json=parameters).json()["output"]).content

        first = image(prompt="x", seed=7)
        others = [image(prompt="x", seed=8), image(prompt="y", seed=7), image(prompt="x", seed=7, steps=9)]
        assert image(prompt="x", seed=7) == first
        assert len({first, *others}) == 4

    @pytest.mark.parametrize("seed", [{}, {"seed": -1}], ids=str)
    def test_a_seed_that_is_left_to_the_service_is_drawn_and_reported(
        self, call: httpx.Client, seed: dict[str, int]
    ) -> None:
        drawn = {call.post("/v1/imagen-4-fast", json={"prompt": "x", **seed}).json()["seed"] for _ in range(5)}
        assert len(drawn) == 5
        assert all(0 <= seed <= 2**31 - 1 for seed in drawn)

    def test_an_image_is_kept_for_seven_days(self, call: httpx.Client, clock: MovableClock) -> None:
        url = call.post("/v1/imagen", json={"prompt": "x"}).json()["output"]
        clock.advance(days=6, hours=23)
        assert call.get(url).status_code == 200
        clock.advance(hours=1)
        assert call.get(url).status_code == 404

    @pytest.mark.parametrize(
        ("size", "status"),
        [("1x1", 200), ("4096x1", 200), ("1x4096", 200), ("4097x1", 404), ("1x4097", 404)]
        + [(size, 404) for size in ("0x10", "10x0", "9999x10", "10x", "99999x1")],
    )
    def test_an_image_of_an_absurd_size_is_404(self, call: httpx.Client, size: str, status: int) -> None:
        name = f"7c9e6679-7425-40de-944b-e07fc1f90ae7-{'0' * 32}-{size}-1800000000"
        assert call.get(f"/_mock/images/{name}.png").status_code == status

    def test_an_image_of_another_format_than_the_doubles_is_404(self, call: httpx.Client) -> None:
        url = call.post("/v1/imagen", json={"prompt": "x"}).json()["output"]
        assert call.get(f"{url.removesuffix('.png')}.jpg").status_code == 404


DATED = [
    ("POST", "/v2/imagen", 200),
    ("POST", "/v1/imagen", 200),
    ("GET", "/v1/get-user-credits", 200),
    ("GET", "/v1/imagen", 405),
    ("GET", "/nothing", 404),
    ("GET", "/_mock/accounts", 200),
    ("GET", "/_mock/nothing", 404),
    ("GET", "/_mock/images/nothing", 404),
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
