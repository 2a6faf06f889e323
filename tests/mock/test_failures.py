"""Failures of the double itself: a store that breaks, Redis that comes back empty, processes that die."""

from __future__ import annotations

import http.client
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import redis

from segmind_mock import DEFAULT_KEY, Account, Double, MemoryStore
from segmind_mock.journal import Entry
from segmind_mock.records import Transaction
from segmind_mock.redis_store import RedisStore
from segmind_mock.worker import open_store
from tests.support.contract import problems_in
from tests.support.redis_server import redis_server
from tests.support.servers import free_port

T = TypeVar("T")
PROMPT = {"prompt": "x"}


class BreakableStore(MemoryStore):
    """A store that breaks when it is told to."""

    broken = False
    journal_broken = False
    """The clock breaks with it."""
    clock_broken = False

    def transact(self, work: Callable[[Transaction], T]) -> T:
        if self.broken:
            raise LookupError("out of order")
        return super().transact(work)

    def append(self, entry: Entry) -> None:
        if self.journal_broken:
            self.clock_broken = True
            raise LookupError("out of order")
        super().append(entry)

    def shift(self) -> float:
        if self.clock_broken:
            raise LookupError("out of order")
        return super().shift()


@pytest.fixture
def store() -> BreakableStore:
    return BreakableStore()


@pytest.fixture
def double(store: BreakableStore) -> Double:
    return Double(store=store)


def test_a_failure_of_the_double_is_a_documented_500_and_is_logged_with_its_traceback(
    call: httpx.Client, store: BreakableStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.broken = True
    response = call.post("/v2/imagen", json=PROMPT)
    assert response.status_code == 500
    assert problems_in("submitImagen", response) == []
    assert response.json()["error"] == "the double itself failed with LookupError; its log has the traceback"
    (record,) = caplog.records
    assert (record.name, record.levelno, record.getMessage()) == (
        "segmind_mock",
        logging.ERROR,
        "POST /v2/imagen failed in the double itself",
    )
    assert record.exc_info is not None
    assert record.exc_info[0] is LookupError


def test_a_failure_of_the_double_is_in_the_journal(call: httpx.Client, double: Double, store: BreakableStore) -> None:
    store.broken = True
    response = call.post("/v2/imagen", json=PROMPT)
    (row,) = double.requests()
    assert (row.status, row.operation_id, row.body) == (500, "submitImagen", '{"prompt":"x"}')
    assert (row.response, row.accepted) == (response.text, False)


def test_an_accepted_call_gets_its_own_response_although_the_store_breaks_afterwards(
    call: httpx.Client, double: Double, store: BreakableStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.journal_broken = True
    response = call.post("/v2/imagen", json=PROMPT)
    assert (response.status_code, response.json()["status"]) == (200, "QUEUED")
    assert "date" not in response.headers
    store.clock_broken = False
    assert double.account().credits == 99.94
    assert [record.getMessage() for record in caplog.records] == [
        "POST /v2/imagen is missing in the journal",
        "the clock cannot be read",
    ]


@pytest.mark.parametrize("path", ["/v1/get-user-credits", "/_mock/accounts"])
def test_the_connection_stays_usable_after_a_failure_of_the_double(
    address: str, store: BreakableStore, path: str
) -> None:
    connection = http.client.HTTPConnection(httpx.URL(address).netloc.decode(), timeout=10)
    with closing(connection):
        store.broken = True
        connection.request("GET", path, headers={"x-api-key": DEFAULT_KEY})
        with connection.getresponse() as response:
            assert (response.status, response.read()[:9]) == (500, b'{"error":')
        store.broken = False
        connection.auto_open = 0
        connection.request("GET", path, headers={"x-api-key": DEFAULT_KEY})
        with connection.getresponse() as response:
            assert response.status == 200


def test_a_failure_in_the_admin_interface_is_json_and_logged_once(
    address: str, store: BreakableStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.broken = True
    response = httpx.get(f"{address}/_mock/accounts")
    assert (response.status_code, response.headers["content-type"]) == (500, "application/json")
    assert response.json()["error"].startswith("the double itself failed with LookupError")
    assert [record.name for record in caplog.records if record.name.startswith("segmind")] == ["segmind_mock"]


PROGRAM = """
import httpx
from segmind_mock import DEFAULT_KEY, Double, MemoryStore, serve

class Broken(MemoryStore):
    def count(self, kind):
        raise LookupError("out of order")

with serve(Double(store=Broken()).app) as url:
    print(httpx.get(f"{url}/v1/get-user-credits", headers={"x-api-key": DEFAULT_KEY}).status_code)
"""


def test_the_traceback_of_a_failure_goes_to_stderr_where_no_log_is_set_up() -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert run.stdout == "500\n"
    assert "LookupError: out of order" in run.stderr
    assert DEFAULT_KEY not in run.stderr


class TestRedisRestarted:
    @pytest.fixture
    def port(self) -> int:
        return free_port()

    @pytest.fixture
    def double(self, port: int) -> Iterator[Double]:
        with redis_server(port) as url:
            double = Double(store=RedisStore(url), account=Account(DEFAULT_KEY, credits=7, requests_per_minute=50))
        yield double
        double.store.close()

    def test_the_ready_key_works_again_by_itself_after_redis_comes_back_empty(
        self, call: httpx.Client, port: int
    ) -> None:
        assert call.get("/v1/get-user-credits").status_code == 500
        with redis_server(port):
            assert call.get("/v1/get-user-credits").json()["credits"] == 7
            assert call.get("/v1/get-user-credits", headers={"x-api-key": "SG_ffffffffffffffff"}).status_code == 401

    def test_the_admin_interface_shows_the_ready_account_after_redis_comes_back_empty(
        self, address: str, port: int
    ) -> None:
        with redis_server(port):
            (account,) = httpx.get(f"{address}/_mock/accounts").json()
            assert (account["credits"], account["requests_per_minute"]) == (7, 50)


class TestRedisThatHangs:
    @pytest.fixture
    def redis_process(self) -> Iterator[tuple[str, int]]:
        """The URL and the process id of a Redis server of this test alone."""
        untyped_redis: Any = redis.Redis
        with redis_server(free_port()) as url, untyped_redis.from_url(url) as client:
            yield url, client.info()["process_id"]

    @pytest.fixture
    def double(self, redis_process: tuple[str, int]) -> Iterator[Double]:
        double = Double(store=RedisStore(redis_process[0]))
        yield double
        double.store.close()

    def test_a_call_is_a_500_within_a_few_seconds_until_redis_responds_again(
        self, call: httpx.Client, redis_process: tuple[str, int]
    ) -> None:
        _, process_id = redis_process
        os.kill(process_id, signal.SIGSTOP)
        try:
            before = time.monotonic()
            assert call.get("/_mock/health", timeout=30).status_code == 500
            assert time.monotonic() - before < 5
        finally:
            os.kill(process_id, signal.SIGCONT)
        assert call.post("/v2/imagen", json=PROMPT).status_code == 200


def die_in_the_middle(store: str, log: Path) -> None:
    """A process dies in its transaction, after one of two changes."""
    program = f"""
import os, pathlib, signal
from segmind_mock import Account, Job
from segmind_mock.worker import open_store

def work(tx):
    tx.put("a", Account("a"))
    tx.get(Account, "a")
    pathlib.Path({str(log)!r}).write_text("in the middle")
    os.kill(os.getpid(), signal.SIGKILL)

open_store({store!r}).transact(work)
"""
    run = subprocess.run([sys.executable, "-c", program], env={**os.environ}, check=False)
    assert (run.returncode, log.read_text()) == (-signal.SIGKILL, "in the middle")


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_a_process_that_dies_in_a_transaction_leaves_nothing_half_done_and_stops_the_others_for_a_moment_at_most(
    request: pytest.FixtureRequest, kind: str, tmp_path: Path
) -> None:
    name = f"sqlite:{tmp_path / 'state.db'}" if kind == "sqlite" else request.getfixturevalue("redis_url") + "/3"
    store = open_store(name)
    store.reset()
    die_in_the_middle(name, tmp_path / "log")
    before = time.monotonic()
    assert store.transact(lambda tx: tx.get(Account, "a")) is None
    assert time.monotonic() - before < 3
    store.close()


def test_a_transaction_in_redis_that_another_process_interferes_with_is_repeated(redis_url: str) -> None:
    one, other = RedisStore(redis_url + "/4"), RedisStore(redis_url + "/4")
    one.reset()
    one.transact(lambda tx: tx.put("k", Account("k", credits=1)))
    attempts: list[float] = []

    def add_one(tx: Transaction) -> None:
        account = tx.get(Account, "k")
        assert account is not None
        attempts.append(account.credits)
        if len(attempts) == 1:
            # Its turn is over before it has written.
            other.transact(lambda tx: tx.put("k", Account("k", credits=10)))
        account.credits += 1
        tx.put("k", account)

    one.transact(add_one)
    assert attempts == [1, 10]
    found: Any = one.transact(lambda tx: tx.get(Account, "k"))
    assert found.credits == 11
    one.close()
    other.close()


def test_a_transaction_in_redis_that_is_always_interfered_with_ends_in_an_error(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segmind_mock.redis_store.LOCK_SECONDS", 0.05)
    monkeypatch.setattr("segmind_mock.redis_store.TURN_SECONDS", 0.02)
    one, other = RedisStore(redis_url + "/5"), RedisStore(redis_url + "/5")

    def interfered(tx: Transaction) -> None:
        other.transact(lambda tx: tx.put("k", Account("k")))
        tx.put("k", Account("k"))

    with pytest.raises(TimeoutError, match="other processes kept writing"):
        one.transact(interfered)
    one.close()
    other.close()
