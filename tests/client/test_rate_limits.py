"""How the requests of one client share a rate limit, in virtual time."""

from __future__ import annotations

import itertools
import logging
import math
import re
import threading
import uuid
from collections.abc import Callable, Coroutine, Sequence
from email.utils import formatdate
from typing import Any

import attrs
import httpx
import pytest
import trio
import trio.testing

from segmind_api.catalog import MODELS
from segmind_client import AsyncClient, AsyncResult, Client, errors
from segmind_mock import DEFAULT_KEY, Account, Double, Settings
from segmind_mock.transport import DoubleTransport
from tests.support.clock import JumpingClock, in_virtual_time
from tests.support.internals import CAUTIOUS_SECONDS, CONNECTIONS

SLUG = "imagen-4-fast"
MODEL = MODELS[SLUG]
LATENCY = MODEL.typical_latency_seconds or 0.0
PRICE = MODEL.price_usd or 0.0
ROUND_TRIP = 0.1
"""Seconds."""
A_FEW = 15
"""Round trips."""
WINDOW = 60.0
"""Seconds in which the double counts requests."""
REQUESTS_OF_A_JOB = 3
"""At the least: submit, one poll, result."""
UTC_START = 1_800_000_000.0
BASE_URL = "http://double.localhost"


class TrioClock:
    """The virtual time as the double's."""

    def now(self) -> float:
        return UTC_START + trio.current_time()

    def advance(self, seconds: float = 0, *, minutes: float = 0, hours: float = 0, days: float = 0) -> None:
        raise NotImplementedError

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)


class DistantTransport(httpx.AsyncBaseTransport):
    """A double that is a round trip away, and dates its responses by the virtual time."""

    def __init__(self, double: Double) -> None:
        self._transport = DoubleTransport(double.app)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await trio.sleep(ROUND_TRIP / 2)
        response = await self._transport.handle_async_request(request)
        response.headers["date"] = formatdate(UTC_START + trio.current_time(), usegmt=True)
        await trio.sleep(ROUND_TRIP / 2)
        return response


@attrs.define
class Outcome:
    """What came of many calls at the same time."""

    seconds: float = 0.0
    failures: list[BaseException] = attrs.field(factory=list[BaseException])
    charged: float = 0.0


def limited_double(limit: int, *, jitter: float = 0.0) -> Double:
    settings = Settings(latency_factor=1, latency_jitter=jitter)
    account = Account(DEFAULT_KEY, credits=1e6, requests_per_minute=limit)
    return Double(settings, clock=TrioClock(), account=account, seed=1)


async def make(jobs: int, limit: int, clients: int, method: str, jitter: float) -> Outcome:
    double, outcome = limited_double(limit, jitter=jitter), Outcome()
    transport = DistantTransport(double)
    shared = [AsyncClient(DEFAULT_KEY, base_url=BASE_URL, allow_http=True, transport=transport) for _ in range(clients)]

    async def call(number: int) -> None:
        try:
            await getattr(shared[number % clients], method)(SLUG, {"prompt": f"cabin {number}"})
        except errors.SegmindError as error:
            outcome.failures.append(error)

    started = trio.current_time()
    async with trio.open_nursery() as nursery:
        for number in range(jobs):
            nursery.start_soon(call, number)
    outcome.seconds = trio.current_time() - started
    outcome.charged = 1e6 - double.account().credits
    return outcome


def allowed_seconds(jobs: int, limit: int, requests: int) -> float:
    """What the limit allows, with the latency of the last job."""
    return (math.ceil(requests * jobs / limit) - 1) * WINDOW + LATENCY + A_FEW * ROUND_TRIP


RUNS = [
    # jobs, requests a minute, clients with one key, jitter of the latency
    (1, 1, 1, 0.0),
    (10, 10, 1, 0.0),
    (20, 20, 1, 0.0),
    (10, 60, 1, 0.0),
    (15, 60, 1, 0.0),
    (50, 10, 1, 0.0),
    (100, 10, 1, 0.0),
    (100, 60, 1, 0.0),
    (200, 60, 1, 0.0),
    (50, 10, 1, 0.3),
    (100, 60, 1, 0.3),
    (20, 20, 2, 0.0),
    (50, 10, 2, 0.0),
    (100, 60, 2, 0.0),
    (100, 60, 3, 0.0),
]


@pytest.mark.parametrize(("jobs", "limit", "clients", "jitter"), RUNS)
def test_any_number_of_jobs_takes_about_as_long_as_the_limit_allows(
    jobs: int, limit: int, clients: int, jitter: float
) -> None:
    outcome = in_virtual_time(make, jobs, limit, clients, "run_model", jitter)
    assert outcome.failures == []
    assert outcome.charged == pytest.approx(jobs * PRICE)
    assert outcome.seconds <= 1.1 * allowed_seconds(jobs, limit, REQUESTS_OF_A_JOB)


@pytest.mark.parametrize(("jobs", "limit", "clients"), [(1, 1, 1), (20, 10, 1), (100, 60, 1), (20, 10, 2), (20, 10, 3)])
def test_any_number_of_v1_calls_takes_about_as_long_as_the_limit_allows(jobs: int, limit: int, clients: int) -> None:
    outcome = in_virtual_time(make, jobs, limit, clients, "generate_model", 0.0)
    assert outcome.failures == []
    assert outcome.charged == pytest.approx(jobs * PRICE)
    assert outcome.seconds <= 1.1 * allowed_seconds(jobs, limit, requests=1)


async def generate_after_another_client(jobs: int, limit: int) -> Outcome:
    """v1 calls in a window that another client with the same key has nearly used up."""
    double, outcome = limited_double(limit), Outcome()
    options: dict[str, Any] = {"base_url": BASE_URL, "allow_http": True, "transport": DistantTransport(double)}
    other, client = AsyncClient(DEFAULT_KEY, **options), AsyncClient(DEFAULT_KEY, **options)
    for _ in range(limit - 1):
        await other.credits()
    started = trio.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(jobs):
            nursery.start_soon(client.generate_model, SLUG, {"prompt": "x"})
    outcome.seconds = trio.current_time() - started
    return outcome


def test_v1_calls_use_up_a_window_also_after_one_that_another_client_has_used_up() -> None:
    outcome = in_virtual_time(generate_after_another_client, 11, 10)
    assert outcome.seconds <= 1.1 * allowed_seconds(11, 10, requests=1)


@pytest.mark.parametrize("jobs", [4, 10, 40])
def test_each_wait_for_the_limit_is_logged_once_whatever_the_number_of_calls(
    caplog: pytest.LogCaptureFixture, jobs: int
) -> None:
    caplog.set_level(logging.INFO, logger="segmind_client")
    in_virtual_time(make, jobs, 10, 1, "run_model", 0.0)
    waits = [record for record in caplog.records if "rate limit" in record.getMessage()]
    assert len(waits) == math.ceil(REQUESTS_OF_A_JOB * jobs / 10) - 1
    assert {record.levelno for record in waits} == {logging.WARNING}
    assert all(
        re.match(r"The rate limit is used up \(429 for \w+ /.+\): \d+ requests wait \d+\.\d s until it resets", message)
        for message in (record.getMessage() for record in waits)
    )


async def make_with_short_deadline() -> tuple[Double, Outcome]:
    double, outcome = limited_double(10), Outcome()
    client = AsyncClient(
        DEFAULT_KEY, base_url=BASE_URL, allow_http=True, transport=DistantTransport(double), deadline=30
    )

    async def call() -> None:
        try:
            await client.run_model(SLUG, {"prompt": "x"})
        except errors.SegmindError as error:
            outcome.failures.append(error)

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(call)
    outcome.seconds = trio.current_time()
    return double, outcome


def test_a_limit_that_resets_after_the_deadline_is_raised_at_once_by_every_call_with_the_id_of_its_job() -> None:
    double, outcome = in_virtual_time(make_with_short_deadline)
    named = [error.request_id or "" for error in outcome.failures if isinstance(error, errors.InferenceTimeout)]
    accepted = [row.request_id or "" for row in double.requests() if row.accepted]
    assert sorted(named) == sorted(accepted)
    assert len(accepted) == 10
    assert sum(isinstance(error, errors.RateLimited) for error in outcome.failures) == 10
    # Calls that pause until their next poll hear of it then.
    assert outcome.seconds < LATENCY + A_FEW * ROUND_TRIP


JOBS = [str(uuid.UUID(int=number)) for number in range(1, 6)]


async def wait_for_jobs(resets: Sequence[float]) -> list[tuple[float, BaseException]]:
    """What comes of waiting for all JOBS, and when, where each request is refused and the limit resets in so long."""
    raised: list[tuple[float, BaseException]] = []
    seconds = itertools.chain(resets, itertools.repeat(resets[-1]))

    async def refuse(_: httpx.Request) -> httpx.Response:
        reset = next(seconds)
        await trio.sleep(ROUND_TRIP)
        return httpx.Response(429, json={"error": "too many"}, headers={"retry-after": str(reset)})

    client = AsyncClient(DEFAULT_KEY, base_url="https://x.example", transport=httpx.MockTransport(refuse))

    async def wait(request_id: str) -> None:
        try:
            await client.job(request_id).wait()
        except errors.SegmindError as error:
            raised.append((trio.current_time(), error))

    started = trio.current_time()
    async with trio.open_nursery() as nursery:
        for request_id in JOBS:
            nursery.start_soon(wait, request_id)
    return [(at - started, error) for at, error in raised]


@pytest.mark.parametrize(
    ("resets", "at"), [([3600], 0), ([*[60] * 5, 3600], 60)], ids=["at the first refusal", "while all wait"]
)
def test_every_wait_ends_at_once_and_names_its_job_when_the_limit_resets_after_its_deadline(
    resets: list[float], at: float
) -> None:
    raised = in_virtual_time(wait_for_jobs, resets)
    assert sorted(error.request_id for _, error in raised) == JOBS
    assert {type(error) for _, error in raised} == {errors.InferenceTimeout}
    assert all("the rate limit resets in 3600" in str(error) for _, error in raised)
    assert all(at <= seconds <= at + 4 * ROUND_TRIP for seconds, _ in raised)


def test_the_log_says_once_for_which_jobs_a_limit_resets_too_late(caplog: pytest.LogCaptureFixture) -> None:
    in_virtual_time(wait_for_jobs, [3600])
    (record,) = [record.getMessage() for record in caplog.records if "rate limit" in record.getMessage()]
    _, _, named = record.partition("it resets in 3600.0 s; too late for the jobs ")
    assert sorted(named.split(", ")) == JOBS


async def cancel_half() -> list[int]:
    """How many requests are under way before and after those of the first half are cancelled."""
    under_way, seen = 0, list[int]()

    async def hang(_: httpx.Request) -> httpx.Response:
        nonlocal under_way
        under_way += 1
        try:
            await trio.sleep_forever()
            raise AssertionError
        finally:
            under_way -= 1

    client = AsyncClient(DEFAULT_KEY, base_url="https://x.example", transport=httpx.MockTransport(hang))
    async with trio.open_nursery() as rest:
        async with trio.open_nursery() as first:
            for _ in range(CONNECTIONS):
                first.start_soon(client.credits)
            await trio.testing.wait_all_tasks_blocked()
            for _ in range(CONNECTIONS):
                rest.start_soon(client.credits)
            await trio.testing.wait_all_tasks_blocked()
            seen.append(under_way)
            first.cancel_scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        seen.append(under_way)
        rest.cancel_scope.cancel()
    return seen


def test_cancelled_calls_free_their_places() -> None:
    assert in_virtual_time(cancel_half) == [CONNECTIONS] * 2


Handler = Callable[[httpx.Request], Coroutine[Any, Any, httpx.Response]]
TOO_MANY = {"error": "too many"}
PATIENCE = 1_000.0
"""Virtual seconds after which a test gives up."""
CALLS = 7


def client_of(handler: Handler, **options: Any) -> AsyncClient:
    return AsyncClient(
        DEFAULT_KEY, base_url=BASE_URL, allow_http=True, transport=httpx.MockTransport(handler), **options
    )


async def submit_model_that_is_always_refused(method: str) -> tuple[float, Exception]:
    """What comes of a call for one model, and when, while every submit of another one is accepted."""
    raised: list[tuple[float, Exception]] = []

    async def handle(request: httpx.Request) -> httpx.Response:
        await trio.sleep(ROUND_TRIP)
        if request.url.path.endswith("/refused"):
            return httpx.Response(429, json=TOO_MANY, headers={"retry-after": "1"})
        return httpx.Response(200, json={"request_id": str(uuid.uuid4()), "status": "QUEUED"})

    client = client_of(handle, deadline=5)

    async def submit_others() -> None:
        while True:
            await client.submit_model("accepted", {})
            await trio.sleep(ROUND_TRIP)

    with trio.move_on_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(submit_others)
            await trio.sleep(1)
            started = trio.current_time()
            try:
                await getattr(client, method)("refused", {})
            except errors.SegmindError as error:
                raised.append((trio.current_time() - started, error))
            nursery.cancel_scope.cancel()
    return raised[0]


@pytest.mark.parametrize("method", ["submit_model", "generate_model"])
def test_a_model_whose_submits_are_always_refused_ends_at_its_deadline_while_those_of_another_pass(method: str) -> None:
    seconds, error = in_virtual_time(submit_model_that_is_always_refused, method)
    assert isinstance(error, errors.RateLimited)
    assert 3 < seconds <= 5 + ROUND_TRIP


@attrs.define
class ImageHost:
    """Lets so many requests through in each window, and says when the next one begins."""

    limit: int
    window: float
    _opened: float = -math.inf
    _taken: int = 0

    async def handle(self, request: httpx.Request) -> httpx.Response:
        await trio.sleep(ROUND_TRIP)
        if request.url.host != "images.example":
            body = {"request_id": request.url.path.split("/")[3], "status": "COMPLETED"}
            return httpx.Response(200, json={**body, "output": "https://images.example/a.png"})
        now = trio.current_time()
        if now >= self._opened + self.window:
            self._opened, self._taken = now, 0
        if self._taken >= self.limit:
            return httpx.Response(429, headers={"retry-after": f"{self._opened + self.window - now:.3f}"})
        self._taken += 1
        return httpx.Response(200, content=b"\x89PNG", headers={"content-type": "image/png"})


async def fetch_images(count: int, host: ImageHost) -> Outcome:
    client, outcome = client_of(host.handle), Outcome()
    results = [await client.job(str(uuid.UUID(int=number))).result() for number in range(count)]

    async def fetch(result: AsyncResult) -> None:
        try:
            assert await result.content() == b"\x89PNG"
        except errors.SegmindError as error:
            outcome.failures.append(error)

    started = trio.current_time()
    async with trio.open_nursery() as nursery:
        for result in results:
            nursery.start_soon(fetch, result)
    outcome.seconds = trio.current_time() - started
    return outcome


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Virtual time does not wait for threads."""

    async def run_here(work: Callable[..., Any], *arguments: Any, **_: Any) -> Any:
        return work(*arguments)

    monkeypatch.setattr("anyio.to_thread.run_sync", run_here)


@pytest.mark.usefixtures("no_threads")
def test_any_number_of_images_takes_about_as_long_as_the_limit_of_their_host_allows() -> None:
    host = ImageHost(limit=10, window=5)
    outcome = in_virtual_time(fetch_images, 100, host)
    assert outcome.failures == []
    assert outcome.seconds <= 1.1 * (9 * host.window + A_FEW * ROUND_TRIP)


@pytest.mark.usefixtures("no_threads")
def test_a_limit_of_an_image_host_that_resets_after_the_time_for_a_download_is_an_error_at_once() -> None:
    host = ImageHost(limit=1, window=3_600)
    # The last ones wait for a connection when the limit is met.
    outcome = in_virtual_time(fetch_images, CONNECTIONS + 5, host)
    assert {type(error) for error in outcome.failures} == {errors.DownloadFailed}
    assert [getattr(error, "status", None) for error in outcome.failures] == [429] * (CONNECTIONS + 4)
    assert outcome.seconds <= 3 * ROUND_TRIP


async def call_while_the_first_takes_long(method: str, cancelled: int, cancelled_at: float) -> list[float]:
    """When each of seven calls passes of which all but the first are refused once; each takes very long."""
    passed, very_long = list[float](), PATIENCE / 2
    started, number = trio.current_time(), itertools.count()

    async def handle(_: httpx.Request) -> httpx.Response:
        if 1 <= next(number) < CALLS:
            await trio.sleep(ROUND_TRIP)
            return httpx.Response(429, json=TOO_MANY, headers={"retry-after": "1"})
        passed.append(trio.current_time() - started)
        await trio.sleep(very_long)
        return httpx.Response(200, json={"request_id": str(uuid.uuid4()), "status": "QUEUED"})

    client = client_of(handle, read_seconds=PATIENCE, generate_seconds=PATIENCE)
    scopes = [trio.CancelScope() for _ in range(CALLS)]

    async def call(scope: trio.CancelScope) -> None:
        with scope:
            await getattr(client, method)("any", {})

    with trio.move_on_after(very_long - 1):
        async with trio.open_nursery() as nursery:
            for scope in scopes:
                nursery.start_soon(call, scope)
                await trio.testing.wait_all_tasks_blocked()
            await trio.sleep(cancelled_at)
            for scope in scopes[1 : 1 + cancelled]:
                scope.cancel()
    return passed


@pytest.mark.parametrize(
    ("cancelled", "cancelled_at"),
    [(0, 0), (1, 0.5), (1, 1.2), (3, 1.2)],
    ids=["none cancelled", "one cancelled while the limit holds", "one cancelled later", "three cancelled later"],
)
@pytest.mark.parametrize(("method", "seconds"), [("generate_model", 5), ("submit_model", 1 + CAUTIOUS_SECONDS + 1)])
def test_calls_that_are_held_back_after_a_limit_are_let_go_while_those_that_were_sent_take_long(
    method: str, seconds: float, cancelled: int, cancelled_at: float
) -> None:
    passed = in_virtual_time(call_while_the_first_takes_long, method, cancelled, cancelled_at)
    assert len(passed) == CALLS - cancelled
    assert max(passed) <= seconds


class WorkersClock(JumpingClock):
    """Jumps as soon as all threads that work sleep."""

    def __init__(self, workers: int) -> None:
        super().__init__()
        self._workers = workers
        self._moments: list[float] = []
        self._changed = threading.Condition()

    def sleep_until(self, moment: float) -> None:
        with self._changed:
            self._moments.append(moment)
            self._jump()
            assert self._changed.wait_for(lambda: self.time >= moment, timeout=20)
            self._moments.remove(moment)

    def leave(self) -> None:
        """A thread has no more work."""
        with self._changed:
            self._workers -= 1
            self._jump()

    def _jump(self) -> None:
        if self._moments and len(self._moments) >= self._workers:
            self.time = max(self.time, min(self._moments))
            self._changed.notify_all()


class LimitedService(httpx.BaseTransport):
    """A service whose jobs take LATENCY, and that takes so many requests in each window; safe to share."""

    def __init__(self, requests_per_minute: int, clock: JumpingClock) -> None:
        self._limit = requests_per_minute
        self._clock = clock
        self._lock = threading.Lock()
        self._opened = -math.inf
        self._taken = 0
        self.ends: dict[str, float] = {}
        """When each job ends, by its id."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        with self._lock:
            now = self._clock.monotonic()
            if now >= self._opened + WINDOW:
                self._opened, self._taken = now, 0
            if self._taken >= self._limit:
                wait = self._opened + WINDOW - now
                return httpx.Response(429, json={"error": "too many"}, headers={"retry-after": f"{wait:.3f}"})
            self._taken += 1
            return self._respond(request, now)

    def _respond(self, request: httpx.Request, now: float) -> httpx.Response:
        if request.method == "POST":
            request_id = str(uuid.uuid4())
            self.ends[request_id] = now + LATENCY
            return httpx.Response(200, json={"request_id": request_id, "status": "QUEUED"})
        request_id = request.url.path.split("/")[3]
        status = "COMPLETED" if now >= self.ends[request_id] else "PROCESSING"
        body = {"request_id": request_id, "status": status, "metrics": {"total_time": LATENCY, "cost": 0.02}}
        return httpx.Response(200, json=body)


@pytest.mark.parametrize(("jobs", "limit", "threads"), [(4, 4, 1), (10, 10, 1), (6, 6, 3), (12, 12, 4), (20, 10, 4)])
def test_jobs_of_several_threads_take_about_as_long_as_the_limit_allows(jobs: int, limit: int, threads: int) -> None:
    clock = WorkersClock(threads)
    service = LimitedService(limit, clock)
    left = iter(range(jobs))
    failures: list[BaseException] = []

    def work() -> None:
        for number in left:
            try:
                client.run_model(SLUG, {"prompt": f"cabin {number}"})
            except BaseException as error:
                failures.append(error)
        clock.leave()

    started = clock.time
    with Client(DEFAULT_KEY, base_url="https://x.example", transport=service, clock=clock) as client:
        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
    assert failures == []
    assert len(service.ends) == jobs
    # Jobs one after another take their latency each, and one more poll each until the client has learned from them.
    one_by_one = math.ceil(jobs / threads) * LATENCY
    assert clock.time - started <= 1.1 * (allowed_seconds(jobs, limit, REQUESTS_OF_A_JOB + 1) + one_by_one)
