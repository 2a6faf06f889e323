"""Money in unusual circumstances: resets, killed processes, calls that are cut off, balances read in several places."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from segmind_mock import DEFAULT_KEY, Account, Double, Job, MovableClock, Settings
from segmind_mock.stores import Store
from segmind_mock.transport import DoubleTransport
from segmind_mock.worker import open_store
from tests.support.contract import problems_in

PROMPT = {"prompt": "x"}
WITH_KEY = {"x-api-key": DEFAULT_KEY}
SOON = 10
"""Seconds of real time after which a test has failed."""


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """In SQLite only what is put back has changed."""
    store = open_store("memory" if request.param == "memory" else f"sqlite:{tmp_path / 'state.db'}")
    yield store
    store.close()


class HeldClock(MovableClock):
    """A clock by which calls sleep until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.held = anyio.Event()

    async def sleep(self, seconds: float) -> None:  # noqa: ARG002  the protocol has it
        await self.held.wait()


def during_a_v1_call(
    settings: Settings,
    meanwhile: Callable[[Double, httpx.AsyncClient], Awaitable[None]],
    balance: float = 1.0,
    store: Store | None = None,
) -> tuple[Double, httpx.Response]:
    """What a v1 call is answered with when something happens between its acceptance and its response."""

    async def call() -> tuple[Double, httpx.Response]:
        clock = HeldClock()
        double = Double(settings, clock=clock, store=store)
        double.open_account(credits=balance)
        responses: list[httpx.Response] = []

        async def generate() -> None:
            responses.append(await client.post("/v1/imagen", json=PROMPT))

        headers = {"x-api-key": DEFAULT_KEY}
        transport = DoubleTransport(double.app)
        client = httpx.AsyncClient(transport=transport, base_url="http://double", headers=headers, timeout=3600)
        async with client:
            with anyio.fail_after(SOON):
                async with anyio.create_task_group() as group:
                    group.start_soon(generate)
                    while not double.account().reserved:
                        await anyio.lowlevel.checkpoint()
                    await meanwhile(double, client)
                    clock.held.set()
        return double, responses[0]

    return anyio.run(call)


def test_a_v1_call_that_is_in_flight_across_a_reset_neither_charges_nor_releases_anything_of_the_new_account() -> None:
    async def reset_and_submit(double: Double, client: httpx.AsyncClient) -> None:
        double.reset()
        await client.post("/v2/imagen", json=PROMPT)

    double, response = during_a_v1_call(Settings(latency_factor=1), reset_and_submit)
    assert response.status_code == 504
    assert problems_in("generateImagen", response) == []
    assert (double.account().credits, double.account().reserved) == (100, 0.06)
    assert [row.operation_id for row in double.requests(accepted=True)] == ["submitImagen"]


def test_a_v1_call_that_is_in_flight_while_its_account_is_opened_anew_is_charged_to_it() -> None:
    async def open_anew(double: Double, _: httpx.AsyncClient) -> None:
        double.open_account(credits=5)

    double, response = during_a_v1_call(Settings(latency_factor=1), open_anew)
    assert (response.status_code, response.headers["x-remaining-credits"]) == (200, "4.940000")
    assert (double.account().credits, double.account().reserved) == (4.94, 0)


def test_a_v1_call_whose_account_is_opened_again_with_too_few_credits_is_504_and_not_charged() -> None:
    async def open_again(double: Double, _: httpx.AsyncClient) -> None:
        double.open_account(credits=0.05)

    double, response = during_a_v1_call(Settings(latency_factor=1), open_again)
    assert response.status_code == 504
    assert problems_in("generateImagen", response) == []
    assert (double.account().credits, double.account().reserved) == (0.05, 0)


def test_a_v1_call_is_charged_once_although_the_clock_is_moved_past_its_reservation() -> None:
    async def move(double: Double, client: httpx.AsyncClient) -> None:
        double.clock.advance(hours=1)
        await client.get("/v1/get-user-credits")

    double, response = during_a_v1_call(Settings(latency_factor=1), move)
    assert response.status_code == 200
    assert (double.account().credits, double.account().reserved) == (0.94, 0)


def test_a_v1_call_whose_credits_were_spent_after_its_reservation_is_504_and_takes_no_balance_below_zero() -> None:
    async def move_and_spend(double: Double, client: httpx.AsyncClient) -> None:
        double.clock.advance(hours=1)
        await client.post("/v2/imagen", json=PROMPT)
        double.clock.advance(hours=1)

    double, response = during_a_v1_call(Settings(latency_factor=1), move_and_spend, balance=0.06)
    assert response.status_code == 504
    assert (double.account().credits, double.account().reserved) == (0, 0)


def test_the_balance_that_a_v1_call_reports_is_that_after_the_jobs_that_completed_meanwhile() -> None:
    async def submit_and_move(double: Double, client: httpx.AsyncClient) -> None:
        await client.post("/v2/imagen-4-fast", json=PROMPT)
        double.clock.advance(30)

    _, response = during_a_v1_call(Settings(latency_factor=1), submit_and_move)
    assert response.headers["x-remaining-credits"] == "0.920000"


def test_a_v1_call_does_not_spend_what_a_job_has_reserved() -> None:
    async def submit_and_open_again(double: Double, client: httpx.AsyncClient) -> None:
        await client.post("/v2/imagen", json=PROMPT)
        double.open_account(credits=0.06)

    double, response = during_a_v1_call(Settings(latency_factor=1), submit_and_open_again)
    assert response.status_code == 504
    double.clock.advance(60)
    assert (double.account().credits, double.account().reserved) == (0, 0)
    assert [job.error for job in double.jobs()] == [None]


@pytest.mark.parametrize(("factor", "status", "charged"), [(1, 200, 0.06), (100, 504, 0)])
def test_however_a_v1_call_ends_its_price_is_charged_or_free_again_and_nothing_stays_reserved(
    factor: float, status: int, charged: float, store: Store
) -> None:
    async def look(double: Double, client: httpx.AsyncClient) -> None:
        assert (double.account().credits, double.account().reserved) == (0.06, 0.06)
        assert (await client.post("/v2/imagen", json=PROMPT)).status_code == 406

    double, response = during_a_v1_call(Settings(latency_factor=factor), look, balance=0.06, store=store)
    assert response.status_code == status
    account = double.account()
    assert (account.credits, account.reserved, account.pending) == (0.06 - charged, 0, [])


@pytest.mark.parametrize(("seconds", "reserved"), [(8.16 + 59.9, 0.06), (8.16 + 60.1, 0)])
def test_the_price_of_a_v1_call_that_never_ends_stays_reserved_for_a_minute_after_its_time(
    seconds: float, reserved: float
) -> None:
    found: list[float] = []

    async def move(double: Double, _: httpx.AsyncClient) -> None:
        # The typical latency of Imagen is 8.16 seconds.
        double.clock.advance(seconds)
        found.append(double.account().reserved)

    during_a_v1_call(Settings(latency_factor=1), move)
    assert found == [reserved]


BY_TIME, BY_POLLS = Settings(latency_factor=1), Settings(polls_to_complete=2)


def advance(**move: float) -> Callable[[Double, str], None]:
    return lambda double, _: double.clock.advance(**move)


@pytest.mark.parametrize(
    ("settings", "headers", "end", "credits_left"),
    [
        pytest.param(BY_TIME, {}, advance(seconds=9), 0, id="completes by time"),
        pytest.param(BY_TIME, {"prefer": "fail=no"}, advance(seconds=9), 0.06, id="fails by time"),
        pytest.param(BY_TIME, {}, Double.complete, 0, id="is completed"),
        pytest.param(BY_TIME, {}, Double.fail, 0.06, id="is failed"),
        pytest.param(BY_POLLS, {}, advance(hours=1), 0.06, id="expires without polls"),
        pytest.param(BY_POLLS, {}, Double.complete, 0, id="is completed before its polls"),
        pytest.param(BY_POLLS, {}, Double.fail, 0.06, id="is failed before its polls"),
        pytest.param(Settings(), {}, advance(), 0, id="completes at once"),
        pytest.param(Settings(), {"prefer": "fail=no"}, advance(), 0.06, id="fails at once"),
    ],
)
def test_however_a_job_ends_its_price_is_charged_or_free_again_and_nothing_stays_reserved(
    settings: Settings, headers: dict[str, str], end: Callable[[Double, str], Any], credits_left: float, store: Store
) -> None:
    double = Double(settings, clock=MovableClock(), store=store)
    double.open_account(credits=0.06)
    with httpx.Client(transport=double.transport(), base_url="http://double", headers=WITH_KEY) as client:
        submitted = client.post("/v2/imagen", json=PROMPT, headers=headers).json()
        if settings != Settings():
            assert (double.account().credits, double.account().reserved) == (0.06, 0.06)
            assert client.post("/v2/imagen", json=PROMPT).status_code == 406
        end(double, submitted["request_id"])
        account = double.account()
        assert (account.credits, account.reserved, account.pending) == (credits_left, 0, [])
        state = double.job(submitted["request_id"]).state(double.clock.now())
        assert state == ("FAILED" if credits_left else "COMPLETED")
        assert client.post("/v2/imagen", json=PROMPT).status_code == (200 if credits_left else 406)


@pytest.mark.parametrize("polled", [1, 2])
def test_a_job_is_charged_with_its_last_poll_and_not_before(polled: int, store: Store) -> None:
    double = Double(BY_POLLS, clock=MovableClock(), store=store)
    with httpx.Client(transport=double.transport(), base_url="http://double", headers=WITH_KEY) as client:
        url = client.post("/v2/imagen", json=PROMPT).json()["status_url"]
        for _ in range(polled):
            client.get(url)
    expected = (100, 0.06) if polled == 1 else (99.94, 0)
    assert (double.account().credits, double.account().reserved) == expected


@pytest.mark.parametrize("settings", [Settings(), BY_TIME], ids=["charged at once", "reserved"])
def test_a_balance_of_ten_prices_pays_ten_jobs(settings: Settings, store: Store) -> None:
    double = Double(settings, clock=MovableClock(), store=store)
    # Not exactly ten times the price, in binary.
    double.open_account(credits=0.02 * 3 + 0.02 * 7)
    with httpx.Client(transport=double.transport(), base_url="http://double", headers=WITH_KEY) as client:
        statuses = [client.post("/v2/imagen-4-fast", json=PROMPT).status_code for _ in range(11)]
    assert statuses == [200] * 10 + [406]


def test_a_job_that_is_ended_leaves_what_others_have_reserved() -> None:
    double = Double(BY_TIME, clock=MovableClock())
    with httpx.Client(transport=double.transport(), base_url="http://double", headers=WITH_KEY) as client:
        slugs = ("imagen-4-fast", "imagen", "imagen-4-fast")
        _, middle, _ = (client.post(f"/v2/{slug}", json=PROMPT).json()["request_id"] for slug in slugs)
    double.fail(middle)
    assert (double.account().credits, double.account().reserved) == (100, 0.04)
    double.clock.advance(60)
    assert (double.account().credits, double.account().reserved) == (99.96, 0)


def test_what_is_charged_when_it_is_read_is_stored_as_charged(store: Store) -> None:
    double = Double(BY_TIME, clock=MovableClock(), store=store)
    with httpx.Client(transport=double.transport(), base_url="http://double", headers=WITH_KEY) as client:
        request_id = client.post("/v2/imagen", json=PROMPT).json()["request_id"]
    double.clock.advance(9)
    double.account()
    account, job = store.transact(lambda tx: (tx.get(Account, DEFAULT_KEY), tx.get(Job, request_id)))
    assert account is not None
    assert job is not None
    assert (account.credits, account.reserved, account.pending) == (99.94, 0, [])
    assert job.remaining_credits == 99.94


def test_a_job_that_is_read_is_charged_first(store: Store) -> None:
    double = Double(BY_TIME, clock=MovableClock(), store=store)
    with httpx.Client(transport=double.transport(), base_url="http://double", headers=WITH_KEY) as client:
        request_id = client.post("/v2/imagen", json=PROMPT).json()["request_id"]
    double.clock.advance(9)
    assert double.job(request_id).remaining_credits == 99.94


def test_a_job_that_its_account_can_no_longer_pay_is_not_among_the_billed_requests() -> None:
    double = Double(BY_TIME, clock=MovableClock())
    with httpx.Client(transport=double.transport(), base_url="http://double", headers=WITH_KEY) as client:
        client.post("/v2/imagen", json=PROMPT)
    double.open_account(credits=0)
    double.clock.advance(9)
    assert double.billed_requests() == []


def test_the_reason_for_which_a_job_is_failed_is_a_text() -> None:
    double = Double(BY_TIME, clock=MovableClock())
    with httpx.Client(transport=double.transport(), base_url="http://double", headers=WITH_KEY) as client:
        request_id = client.post("/v2/imagen", json=PROMPT).json()["request_id"]
    with pytest.raises(TypeError, match="error: expected a string"):
        double.fail(request_id, 5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  the point


def test_an_account_that_is_opened_can_spend_all_its_credits() -> None:
    double = Double(clock=MovableClock())
    double.open_account("SG_another", credits=0.06)
    with httpx.Client(transport=double.transport(), base_url="http://double") as client:
        statuses = [
            client.post("/v2/imagen", json=PROMPT, headers={"x-api-key": "SG_another"}).status_code for _ in range(2)
        ]
    assert statuses == [200, 406]


def test_a_v1_call_that_never_ends_keeps_no_job_from_being_charged() -> None:
    found: list[float] = []

    async def submit_and_move(double: Double, client: httpx.AsyncClient) -> None:
        # Submitted late enough to end after the reservation of the v1 call.
        double.clock.advance(65)
        await client.post("/v2/imagen", json=PROMPT)
        double.clock.advance(minutes=30)
        found.append(double.account().credits)

    during_a_v1_call(BY_TIME, submit_and_move)
    assert found == [0.94]


def test_what_has_completed_before_a_job_is_ended_is_charged_before_it() -> None:
    double = Double(BY_TIME, clock=MovableClock())
    with httpx.Client(transport=double.transport(), base_url="http://double", headers=WITH_KEY) as client:
        slow, fast = (client.post(f"/v2/{slug}", json=PROMPT).json() for slug in ("imagen-4", "imagen-4-fast"))
    double.clock.advance(5)
    double.complete(slow["request_id"])
    balances = {job.request_id: job.remaining_credits for job in double.jobs()}
    assert balances == {fast["request_id"]: 99.98, slow["request_id"]: 99.92}


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_the_price_of_a_v1_call_does_not_stay_reserved_when_its_process_is_killed(
    request: pytest.FixtureRequest, kind: str, tmp_path: Path
) -> None:
    store = f"sqlite:{tmp_path / 'state.db'}" if kind == "sqlite" else request.getfixturevalue("redis_url") + "/2"
    command = [sys.executable, "-m", "segmind_mock", "--port", "0", "--store", store, "--latency-factor", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            (address,) = re.findall(r"http://\S+", process.stdout.readline())
            caller = threading.Thread(target=generate_until_the_connection_breaks, args=[address])
            caller.start()
            wait_for_a_reservation(address)
        finally:
            process.send_signal(signal.SIGKILL)
        caller.join(SOON)
    double = Double(store=open_store(store))
    assert double.account().reserved == 0.06
    double.clock.advance(minutes=2)
    assert (double.account().credits, double.account().reserved) == (100, 0)
    double.store.close()


def generate_until_the_connection_breaks(address: str) -> None:
    transport = httpx.HTTPTransport(retries=6)
    client = httpx.Client(transport=transport, headers={"x-api-key": DEFAULT_KEY}, timeout=60)
    with client, pytest.raises(httpx.TransportError):
        client.post(f"{address}/v1/imagen", json=PROMPT)


def wait_for_a_reservation(address: str) -> None:
    deadline = time.monotonic() + SOON
    with httpx.Client(transport=httpx.HTTPTransport(retries=6)) as client:
        while client.get(f"{address}/_mock/accounts").json()[0]["reserved"] == 0:
            assert time.monotonic() < deadline


class TestCutOff:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(latency_factor=1, generate_seconds=5)

    def test_a_v1_call_that_takes_longer_than_generate_seconds_is_504_then_and_is_not_charged(
        self, call: httpx.Client, double: Double, clock: MovableClock
    ) -> None:
        before = clock.now()
        response = call.post("/v1/imagen", json=PROMPT)
        assert response.status_code == 504
        assert problems_in("generateImagen", response) == []
        assert clock.now() == before + 5
        assert (double.account().credits, double.account().reserved) == (100, 0)
        assert double.requests(accepted=True) == []

    def test_a_v1_call_that_takes_exactly_generate_seconds_is_answered(self, call: httpx.Client) -> None:
        # Its typical latency is five seconds.
        assert call.post("/v1/imagen-4-fast", json=PROMPT).status_code == 200

    def test_a_job_of_v2_may_take_longer(self, call: httpx.Client, clock: MovableClock) -> None:
        url = call.post("/v2/imagen", json=PROMPT).json()["status_url"]
        clock.advance(10)
        assert call.get(url).json()["status"] == "COMPLETED"


def test_a_v1_call_may_take_a_minute_by_default() -> None:
    async def nothing(*_: Any) -> None: ...

    _, within = during_a_v1_call(Settings(latency_factor=7), nothing)
    _, beyond = during_a_v1_call(Settings(latency_factor=8), nothing)
    assert (within.status_code, beyond.status_code) == (200, 504)


def test_the_command_cuts_a_v1_call_off_after_its_generate_seconds() -> None:
    options = ["--port", "0", "--latency-factor", "100", "--generate-seconds", "0.01"]
    with subprocess.Popen(
        [sys.executable, "-m", "segmind_mock", *options], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            (address,) = re.findall(r"http://\S+", process.stdout.readline())
            with httpx.Client(transport=httpx.HTTPTransport(retries=6), headers={"x-api-key": DEFAULT_KEY}) as client:
                assert client.post(f"{address}/v1/imagen", json=PROMPT).status_code == 504
        finally:
            process.terminate()


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_generate_seconds_that_make_no_sense_are_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="generate_seconds"):
        Settings(generate_seconds=seconds)


class TestAgreement:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(latency_factor=1)

    def test_the_admin_interface_shows_the_credits_that_the_credits_endpoint_shows(
        self, call: httpx.Client, clock: MovableClock, address: str
    ) -> None:
        call.post("/v2/imagen", json=PROMPT)
        clock.advance(60)
        (account,) = httpx.get(f"{address}/_mock/accounts").json()
        assert (account["credits"], account["reserved"]) == (99.94, 0)
        assert call.get("/v1/get-user-credits").json()["credits"] == account["credits"]

    @pytest.mark.parametrize("path", ["/jobs", "/jobs/{id}"])
    def test_the_admin_interface_shows_a_completed_job_as_charged(
        self, call: httpx.Client, clock: MovableClock, address: str, path: str
    ) -> None:
        request_id = call.post("/v2/imagen", json=PROMPT).json()["request_id"]
        clock.advance(60)
        shown: Any = httpx.get(f"{address}/_mock{path}".format(id=request_id)).json()
        job: Any = shown[0] if path == "/jobs" else shown
        assert (job["state"], job["remaining_credits"]) == ("COMPLETED", 99.94)

    def test_a_job_that_has_expired_before_it_ended_is_failed_wherever_it_is_read(self, clock: MovableClock) -> None:
        double = Double(Settings(polls_to_complete=3), clock=clock)

        async def submit() -> str:
            headers = {"x-api-key": DEFAULT_KEY}
            transport = DoubleTransport(double.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://double", headers=headers) as client:
                return str((await client.post("/v2/imagen", json=PROMPT)).json()["request_id"])

        request_id = anyio.run(submit)
        clock.advance(hours=1)
        assert [job.error for job in (double.job(request_id), *double.jobs())] == ["expired"] * 2
        assert double.billed_requests() == []
