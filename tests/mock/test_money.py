"""Money in unusual circumstances: resets, killed processes, calls that are cut off, balances read in several places."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from segmind_mock import DEFAULT_KEY, Double, MovableClock, Settings
from segmind_mock.transport import DoubleTransport
from segmind_mock.worker import open_store
from tests.mock.checks import problems_in

PROMPT = {"prompt": "x"}
SOON = 10
"""Seconds of real time after which a test has failed."""


class HeldClock(MovableClock):
    """A clock by which calls sleep until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.held = anyio.Event()

    async def sleep(self, seconds: float) -> None:  # noqa: ARG002  the protocol has it
        await self.held.wait()


def during_a_v1_call(
    settings: Settings, meanwhile: Callable[[Double, httpx.AsyncClient], Awaitable[None]], balance: float = 1.0
) -> tuple[Double, httpx.Response]:
    """What a v1 call is answered with when something happens between its acceptance and its response."""

    async def call() -> tuple[Double, httpx.Response]:
        clock = HeldClock()
        double = Double(settings, clock=clock)
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
