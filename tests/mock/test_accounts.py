"""Accounts: plans, closed models, balances, and how the time and the polls decide over jobs and money."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from segmind_mock import DEFAULT_KEY, Double, MovableClock, Settings
from segmind_mock.stores import Store
from segmind_mock.worker import open_store
from tests.support.contract import problems_in

PROMPT = {"prompt": "x"}
OTHER_KEY = "SG_ffffffffffffffff"


@pytest.fixture
def settings() -> Settings:
    return Settings()


def test_the_ready_account_has_the_documented_key_and_100_dollars() -> None:
    (account,) = Double().accounts()
    assert (account.key, account.credits) == ("SG_0123456789abcdef", 100)


@pytest.mark.parametrize("balance", [0, 7.5])
def test_an_account_remembers_the_credits_that_it_was_opened_with(
    call: httpx.Client, double: Double, balance: float
) -> None:
    double.open_account(credits=balance)
    call.post("/v1/imagen", json=PROMPT)
    assert double.account().opened_with == balance


@pytest.mark.parametrize("started", [0.0, 0.001, 0.4, 0.999])
def test_a_limited_call_names_the_same_reset_until_the_window_ends_and_is_answered_at_that_time(
    call: httpx.Client, double: Double, clock: MovableClock, started: float
) -> None:
    double.open_account(requests_per_minute=1)
    clock.advance(started)
    call.get("/v1/get-user-credits")
    resets: set[str] = set()
    for seconds in (0, 30, 29.5, 0.4, 0.099):
        clock.advance(seconds)
        limited = call.get("/v1/get-user-credits")
        assert (limited.status_code, limited.headers["x-rate-limit-remaining"]) == (429, "0")
        resets.add(limited.headers["x-rate-limit-reset-at-utc"])
    (named,) = resets
    clock.advance(datetime.fromisoformat(named).timestamp() - clock.now())
    assert call.get("/v1/get-user-credits").status_code == 200


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"forbidden_models": ["imagen-9"]}, "no model has the slug 'imagen-9'"),
        ({"credits": -1}, "credits of 0 or more"),
        ({"credits": float("nan")}, "credits of 0 or more"),
        ({"requests_per_minute": 0}, "a limit of 1 or more"),
        ({"key": ""}, "a key"),
    ],
)
def test_an_account_with_an_impossible_value_is_refused(
    double: Double, properties: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        double.open_account(**properties)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  the point


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"credits": True}, "credits: expected a number"),
        ({"credits": "5"}, "credits: expected a number"),
        ({"requests_per_minute": True}, "requests_per_minute: expected a whole number"),
        ({"requests_per_minute": 2.0}, "requests_per_minute: expected a whole number"),
        ({"has_balance": 1}, "has_balance: expected true or false"),
        ({"key": 5}, "key: expected a string"),
    ],
)
def test_an_account_with_a_value_of_another_type_is_refused(
    double: Double, properties: dict[str, object], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        double.open_account(**properties)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  the point


class TestPolls:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(polls_to_complete=3)

    def test_a_job_ends_with_its_nth_poll_whatever_the_time(
        self, call: httpx.Client, double: Double, clock: MovableClock
    ) -> None:
        submitted = call.post("/v2/imagen", json=PROMPT).json()
        clock.advance(minutes=30)
        assert call.get(submitted["response_url"]).status_code == 404
        states = [call.get(submitted["status_url"]).json() for _ in range(4)]
        assert [it["status"] for it in states] == ["PROCESSING", "PROCESSING", "COMPLETED", "COMPLETED"]
        assert states[2]["metrics"] == states[3]["metrics"]
        assert states[2]["metrics"]["remaining_credits"] == 99.94 == double.account().credits
        assert call.get(submitted["response_url"]).status_code == 200

    def test_a_job_that_nobody_polls_to_its_end_expires_and_costs_nothing(
        self, call: httpx.Client, double: Double, clock: MovableClock
    ) -> None:
        double.open_account(credits=0.1)
        submitted = call.post("/v2/imagen", json=PROMPT).json()
        assert call.post("/v2/imagen", json=PROMPT).status_code == 406
        clock.advance(hours=2)
        assert call.get(submitted["status_url"]).status_code == 404
        assert call.post("/v2/imagen", json=PROMPT).status_code == 200

    def test_a_job_that_is_completed_now_stays_as_it_is(
        self, call: httpx.Client, double: Double, clock: MovableClock
    ) -> None:
        submitted = call.post("/v2/imagen", json=PROMPT).json()
        double.complete(submitted["request_id"])
        first = call.get(submitted["status_url"]).json()
        clock.advance(10)
        assert [call.get(submitted["status_url"]).json() for _ in range(4)] == [first] * 4
        assert double.account().credits == 99.94


class TestJitter:
    def test_latency_varies_within_its_share_and_follows_from_the_seed(self, clock: MovableClock) -> None:
        def latencies(seed: int) -> list[float]:
            double = Double(Settings(latency_factor=1, latency_jitter=0.5), clock=clock, seed=seed)
            model = double.contract.models["imagen-4"]
            return [double.service.latency(model) for _ in range(50)]

        assert latencies(1) == latencies(1) != latencies(2)
        assert all(5.8 <= latency <= 17.4 for latency in latencies(1))
        assert max(latencies(1)) - min(latencies(1)) > 5

    def test_a_jitter_of_1_varies_the_latency_between_nothing_and_twice_the_typical(self, clock: MovableClock) -> None:
        double = Double(Settings(latency_factor=1, latency_jitter=1), clock=clock, seed=1)
        drawn = [double.service.latency(double.contract.models["imagen-4"]) for _ in range(200)]
        assert min(drawn) == pytest.approx(0, abs=1)
        assert max(drawn) == pytest.approx(23.2, abs=1)
        assert sum(drawn) / 200 == pytest.approx(11.6, abs=1)

    def test_a_latency_factor_multiplies_the_typical_latency(self, clock: MovableClock) -> None:
        double = Double(Settings(latency_factor=2.5), clock=clock)
        assert double.service.latency(double.contract.models["imagen-4"]) == 29


class TestOneJobAtATime:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(latency_factor=1)

    def test_a_job_is_completed_now(self, call: httpx.Client, double: Double) -> None:
        submitted = call.post("/v2/imagen", json=PROMPT).json()
        double.complete(submitted["request_id"])
        assert call.get(submitted["response_url"]).json()["metrics"]["remaining_credits"] == 99.94

    def test_a_job_is_failed_now_and_only_once(self, call: httpx.Client, double: Double, clock: MovableClock) -> None:
        submitted = call.post("/v2/imagen", json=PROMPT).json()
        double.fail(submitted["request_id"], "gone")
        clock.advance(60)
        assert call.get(submitted["status_url"]).json()["error"] == "gone"
        for end in (double.complete, double.fail):
            with pytest.raises(ValueError, match="has ended already"):
                end(submitted["request_id"])
        assert double.account().credits == 100

    def test_only_what_was_answered_or_completed_is_billed(self, call: httpx.Client, double: Double) -> None:
        call.post("/v1/imagen", json=PROMPT)
        call.post("/v1/imagen", json={})
        done, failed, _ = (call.post("/v2/imagen", json=PROMPT).json()["request_id"] for _ in range(3))
        double.complete(done)
        double.fail(failed)
        assert [row.operation_id for row in double.billed_requests()] == ["generateImagen", "submitImagen"]
        assert len(double.requests(accepted=True)) == 4
        assert double.account().credits == pytest.approx(100 - 2 * 0.06)

    def test_a_job_that_is_forgotten_has_been_charged(
        self, call: httpx.Client, double: Double, clock: MovableClock
    ) -> None:
        double.open_account("SG_ffffffffffffffff")
        call.post("/v2/imagen", json=PROMPT)
        clock.advance(hours=1)
        call.post("/v2/imagen", json=PROMPT, headers={"x-api-key": "SG_ffffffffffffffff"})
        assert (double.account().credits, double.account().reserved) == (99.94, 0)

    def test_an_account_that_is_opened_anew_pays_for_what_is_on_its_way(
        self, call: httpx.Client, double: Double, clock: MovableClock
    ) -> None:
        call.post("/v2/imagen", json=PROMPT)
        double.open_account(credits=0.06)
        assert call.post("/v2/imagen", json=PROMPT).status_code == 406
        clock.advance(60)
        assert (double.account().credits, double.account().reserved) == (0, 0)

    def test_a_job_whose_account_is_opened_again_with_too_few_credits_fails_and_is_not_charged(
        self, call: httpx.Client, double: Double, clock: MovableClock
    ) -> None:
        jobs = [call.post("/v2/imagen", json=PROMPT).json() for _ in range(2)]
        double.open_account(credits=0.05)
        double.complete(jobs[0]["request_id"])
        clock.advance(60)
        for job in jobs:
            response = call.get(job["status_url"])
            assert response.status_code == 422
            assert response.json()["error"] == "the account was opened again with too few credits for this job"
        assert (double.account().credits, double.account().reserved) == (0.05, 0)

    def test_jobs_complete_and_are_charged_in_the_order_of_completion(
        self, call: httpx.Client, clock: MovableClock
    ) -> None:
        slow = call.post("/v2/imagen-4", json=PROMPT).json()["response_url"]
        fast = call.post("/v2/imagen-4-fast", json=PROMPT).json()["response_url"]
        clock.advance(60)
        balances = [call.get(url).json()["metrics"]["remaining_credits"] for url in (fast, slow)]
        assert balances == [99.98, 99.92]


def hang_up_during_the_wait(path: str, store: Store | None = None, **more_headers: str) -> Double:
    """A double that waits for ever before it responds, after a caller has hung up on it."""

    class EndlessClock(MovableClock):
        async def sleep(self, seconds: float) -> None:  # noqa: ARG002  the protocol has it
            await anyio.sleep_forever()

    double = Double(Settings(latency_factor=1), clock=EndlessClock(), store=store)
    messages: Iterator[dict[str, Any]] = iter(
        [{"type": "http.request", "body": b'{"prompt": "x"}'}, {"type": "http.disconnect"}]
    )
    headers = {"x-api-key": DEFAULT_KEY, "content-type": "application/json", "host": "double", **more_headers}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def receive() -> MutableMapping[str, Any]:
        return next(messages)

    async def send(message: MutableMapping[str, Any]) -> None:
        raise AssertionError(f"nobody is there to receive {message}")

    async def call_and_hang_up() -> None:
        scope = {"type": "http", "method": "POST", "path": path, "scheme": "http", "headers": raw}
        with anyio.fail_after(10):
            await double.app(scope, receive, send)

    anyio.run(call_and_hang_up)
    return double


@pytest.mark.parametrize("name", ["memory", "sqlite"])
def test_a_v1_call_whose_caller_hangs_up_is_not_charged(name: str, tmp_path: Path) -> None:
    store = open_store(name if name == "memory" else f"sqlite:{tmp_path / 'state.db'}")
    double = hang_up_during_the_wait("/v1/imagen", store)
    account = double.account()
    assert (account.credits, account.reserved) == (100, 0)
    assert [(row.status, row.accepted) for row in double.requests()] == [(499, False)]
    store.close()


def test_a_submit_whose_caller_hangs_up_during_its_latency_ends_at_once_and_is_in_the_journal_as_accepted() -> None:
    double = hang_up_during_the_wait("/v2/imagen", prefer="latency=3600")
    (row,) = double.requests()
    assert (row.status, row.accepted, row.fault) == (499, True, {"latency": "3600"})
    assert [job.request_id for job in double.jobs()] == [row.request_id]


class TestGenerateAs:
    @pytest.fixture(params=["json", "text", "image"])
    def settings(self, request: pytest.FixtureRequest) -> Settings:
        return Settings(generate_as=request.param)

    def test_v1_answers_with_each_documented_kind(self, call: httpx.Client, settings: Settings) -> None:
        response = call.post("/v1/imagen-4-fast", json={"prompt": "x", "seed": 7})
        assert problems_in("generateImagen4Fast", response) == []
        expected = {"json": "application/json", "text": "text/plain", "image": "image/png"}
        assert response.headers["content-type"] == expected[settings.generate_as]
        image = response.content
        if settings.generate_as != "image":
            url = response.json()["output"] if settings.generate_as == "json" else response.text
            image = call.get(url).content
        assert image.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "properties",
    [
        {"latency_factor": -1},
        {"latency_factor": float("nan")},
        {"latency_factor": float("inf")},
        {"latency_jitter": -0.001},
        {"latency_jitter": 1.001},
        {"polls_to_complete": 0},
        {"generate_as": "xml"},
        {"image_format": "gif"},
        {"largest_body": 0},
    ],
)
def test_settings_that_make_no_sense_are_refused(properties: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Settings(**properties)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  the point


@pytest.mark.parametrize(
    "settings",
    [
        {"latency_factor": 0},
        {"latency_jitter": 0},
        {"latency_jitter": 1},
        {"polls_to_complete": 1},
        {"generate_seconds": 0.001},
        {"largest_body": 1},
    ],
)
def test_settings_may_be_as_small_or_large_as_makes_sense(settings: dict[str, Any]) -> None:
    for name, value in settings.items():
        assert getattr(Settings(**settings), name) == value
