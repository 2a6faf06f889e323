"""The option on_update: a function that is told of each state of a job while `run` or `wait` waits for it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import anyio
import pytest

from segmind_api.catalog import MODELS
from segmind_client import AsyncClient, Client, JobUpdate, errors
from segmind_mock import DEFAULT_KEY, Double, MovableClock
from segmind_mock.transport import DoubleTransport
from tests.support.clock import DoubleClock

SLUG = next(iter(MODELS))
MODEL = MODELS[SLUG]
PARAMETERS = {"prompt": "x"}


@pytest.fixture
def client(address: str, clock: MovableClock) -> Iterator[Client]:
    """A client that moves the double's clock by waiting."""
    with Client(DEFAULT_KEY, base_url=address, clock=DoubleClock(clock)) as client:
        yield client


def test_run_tells_each_state_once(client: Client) -> None:
    seen: list[JobUpdate] = []
    result = client.with_options(on_update=seen.append, interval=0.1).run_model(SLUG, PARAMETERS)
    assert [update.status for update in seen] == ["QUEUED", "PROCESSING", "COMPLETED"]
    assert {update.job["request_id"] for update in seen} == {result.request_id}


def test_wait_tells_each_state_once(client: Client) -> None:
    seen: list[str] = []
    client.submit_model(SLUG, PARAMETERS).wait(interval=0.1, on_update=lambda update: seen.append(update.status))
    assert seen == ["QUEUED", "PROCESSING", "COMPLETED"]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_async_run_tells_each_state_once(double: Double, clock: MovableClock, backend: str) -> None:
    seen: list[str] = []

    def tell(update: JobUpdate) -> None:
        seen.append(update.status)

    async def run() -> None:
        transport, url = DoubleTransport(double.app), "http://127.0.0.1"
        async with AsyncClient(DEFAULT_KEY, base_url=url, transport=transport, clock=DoubleClock(clock)) as client:
            await client.with_options(on_update=tell, interval=0.1).run_model(SLUG, PARAMETERS)

    anyio.run(run, backend=backend)
    assert seen == ["QUEUED", "PROCESSING", "COMPLETED"]


def test_the_time_left_of_the_first_job_follows_from_the_typical_latency_of_its_model(client: Client) -> None:
    updates = list(client.submit_model(SLUG, PARAMETERS).updates(interval=0.1))
    assert [update.remaining for update in updates] == pytest.approx(
        [MODEL.typical_latency_seconds, (MODEL.typical_latency_seconds or 0) * 0.9, 0], abs=0.2
    )


def test_the_time_left_of_later_jobs_follows_from_what_earlier_jobs_took(
    client: Client, double: Double, clock: MovableClock
) -> None:
    typical = MODEL.typical_latency_seconds or 0
    for _ in range(9):
        job = client.submit_model(SLUG, PARAMETERS)
        next(iter(job.updates()))
        clock.advance(typical * 0.3)
        double.complete(job.request_id)
        job.wait()
    first = next(iter(client.submit_model(SLUG, PARAMETERS).updates()))
    assert first.remaining is not None
    assert first.remaining < typical * 1.6


def test_the_time_left_of_a_job_that_was_picked_up_is_not_known(client: Client) -> None:
    request_id = client.submit_model(SLUG, PARAMETERS).request_id
    assert next(iter(client.job(request_id).updates())).remaining is None


def test_an_exception_of_the_function_is_logged_and_the_wait_goes_on(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: JobUpdate) -> None:
        raise RuntimeError("no terminal")

    with caplog.at_level(logging.WARNING):
        result = client.with_options(on_update=fail).run_model(SLUG, PARAMETERS)
    assert (
        f"on_update failed for the job {result.request_id}; the wait goes on: RuntimeError: no terminal" in caplog.text
    )


def test_an_exception_without_a_readable_message_is_logged_and_the_wait_goes_on(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    class Unreadable(Exception):
        def __str__(self) -> str:
            raise ValueError

    def fail(_: JobUpdate) -> None:
        raise Unreadable

    with caplog.at_level(logging.WARNING):
        result = client.with_options(on_update=fail).run_model(SLUG, PARAMETERS)
    assert f"on_update failed for the job {result.request_id}; the wait goes on: Unreadable" in caplog.text


def test_ctrl_c_in_the_function_ends_the_wait_and_names_the_job(client: Client, double: Double) -> None:
    def interrupt(_: JobUpdate) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as raised:
        client.with_options(on_update=interrupt).run_model(SLUG, PARAMETERS)
    assert double.jobs()[0].request_id in "".join(raised.value.__notes__)


def test_what_is_not_a_function_is_refused(client: Client) -> None:
    with pytest.raises(errors.InvalidParameter, match=r"on_update.*a function of one argument, or None"):
        client.with_options(on_update="print")  # type: ignore[arg-type]  # that is the mistake


def test_an_async_function_is_refused_since_it_would_not_be_awaited(client: Client) -> None:
    async def tell(_: JobUpdate) -> None: ...

    with pytest.raises(errors.InvalidParameter, match=r"on_update.*not an async function"):
        client.with_options(on_update=tell)
