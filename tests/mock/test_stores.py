"""One store interface: the same tests over memory, SQLite and a real Redis."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import redis

from segmind_mock import DEFAULT_KEY, Account, Double, FaultRule, Job, MemoryStore, MovableClock, Settings, SqliteStore
from segmind_mock.journal import JOURNAL_LENGTH, LONGEST_IN_JOURNAL, Entry, JournalRow, mask, row, truncate
from segmind_mock.records import NEVER, Transaction
from segmind_mock.redis_store import RedisStore
from segmind_mock.service import FORGOTTEN_AT_ONCE, LONGEST_TEXT
from segmind_mock.stores import Store
from segmind_mock.worker import VARIABLE, WorkerSettings, app, open_store

PROMPT = {"prompt": "x"}
JOBS = 200
MOST_POLLS = 400


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite:{tmp_path / 'state.db'}"


@pytest.fixture(params=["memory", "sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    store: Store
    match request.param:
        case "memory":
            store = MemoryStore()
        case "sqlite":
            store = SqliteStore(tmp_path / "state.db")
        case _:
            store = RedisStore(request.getfixturevalue("redis_url"))
            store.reset()
    yield store
    store.close()


JOB = Job("id", DEFAULT_KEY, "slug", {"prompt": "é", "n": 1.5}, 7, 0.06, 1.0, NEVER, NEVER, polls_left=3, error="no")


ENTRY: Entry = {
    "at": 1.5,
    "operation_id": "submitX",
    "method": "POST",
    "path": "/v2/x",
    "headers": {"a": "b", "k": DEFAULT_KEY},
    "key_header": "k",
    "body": b"{}",
    "status": 200,
    "response": b"\xff",
    "request_id": "id",
    "accepted": True,
    "fault": {"code": "1"},
}


def row_with(**fields: Any) -> JournalRow:
    return row(**truncate({**ENTRY, **fields}))


def test_a_record_comes_back_as_it_was_put(store: Store) -> None:
    account = Account("k", 1.5, 3, ["slug"], False, 0.5, [[NEVER, "id", 0.06]], 2.0, 1, opened_with=2.5)
    rule = FaultRule({"code": "500"}, "r", "op", "k", 3, 0.5, 1, 2)

    def put_all(tx: Transaction) -> None:
        for key, record in (("k", account), ("id", JOB), ("r", rule)):
            tx.put(key, replace(record))

    store.transact(put_all)
    assert store.transact(lambda tx: tx.get(Account, "k")) == account
    assert store.transact(lambda tx: tx.get(Job, "id")) == JOB
    assert store.transact(lambda tx: tx.get(FaultRule, "r")) == rule


def test_records_of_a_kind_are_counted_and_listed_in_the_order_of_their_first_put(store: Store) -> None:
    def work(tx: Transaction) -> None:
        for key in ("c", "a", "b"):
            tx.put(key, Account(key))
        tx.put("c", Account("c", credits=1))
        tx.put("id", JOB)
        tx.delete(Account, "a")
        tx.delete(Account, "never there")
        assert tx.get(Account, "a") is None
        assert [(account.key, account.credits) for account in tx.oldest(Account, 9)] == [("c", 1), ("b", 100)]
        assert [account.key for account in tx.oldest(Account, 1)] == ["c"]
        assert (tx.count(Account), tx.count(Job), tx.count(FaultRule)) == (2, 1, 0)

    store.transact(work)


def test_steps_of_several_threads_do_not_mix(store: Store) -> None:
    store.transact(lambda tx: tx.put("k", Account("k", credits=0)))

    def add_one(_: int) -> None:
        def work(tx: Transaction) -> None:
            account = tx.get(Account, "k")
            assert account is not None
            tx.put("k", replace(account, credits=account.credits + 1))

        store.transact(work)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add_one, range(200)))
    account = store.transact(lambda tx: tx.get(Account, "k"))
    assert account is not None
    assert account.credits == 200


def test_the_journal_is_kept_in_order_and_bounded(store: Store) -> None:
    for number in range(JOURNAL_LENGTH + 3):
        store.append({**ENTRY, "status": number})
    rows = store.journal()
    assert [row.status for row in rows] == list(range(3, JOURNAL_LENGTH + 3))
    row = rows[0]
    assert (row.body, row.response, row.fault) == ("{}", "\N{REPLACEMENT CHARACTER}", {"code": "1"})
    assert row.key not in (None, DEFAULT_KEY)
    assert [tuple(item) for item in row.headers] == [("a", "b")]


def test_the_clock_is_moved_for_all(store: Store) -> None:
    before = Double(store=store).clock.now()
    Double(store=store).clock.advance(hours=1)
    assert Double(store=store).clock.now() == pytest.approx(before + 3600, abs=60)


def test_a_fault_by_chance_strikes_the_same_calls_in_every_store(store: Store) -> None:
    def statuses(double: Double) -> list[int]:
        double.add_fault({"code": 502}, probability=0.5, seed=3)
        headers = {"x-api-key": DEFAULT_KEY}
        with httpx.Client(transport=double.transport(), base_url="http://double", headers=headers) as client:
            return [client.get("/v1/get-user-credits").status_code for _ in range(12)]

    found = statuses(Double(store=store))
    assert set(found) == {200, 502}
    assert found == statuses(Double())


def test_a_store_that_is_closed_has_let_go_of_its_file(sqlite: str) -> None:
    store = open_store(sqlite)
    store.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        store.journal()


def test_a_reset_forgets_everything(store: Store) -> None:
    store.transact(lambda tx: tx.put("id", JOB))
    store.append(ENTRY)
    store.add_shift(5)
    store.reset()
    assert (store.transact(lambda tx: tx.count(Job)), store.journal(), store.shift()) == (0, [], 0)


def test_a_double_remembers_what_another_on_its_store_was_told(store: Store) -> None:
    async def submit_here_and_fetch_there() -> None:
        headers = {"x-api-key": DEFAULT_KEY}
        transports = [httpx.ASGITransport(Double(store=store).app) for _ in range(2)]
        clients = [httpx.AsyncClient(transport=it, base_url="http://x", headers=headers) for it in transports]
        async with clients[0] as here, clients[1] as there:
            submitted = (await here.post("/v2/imagen", json={"prompt": "é"})).json()
            result = (await there.get(submitted["response_url"])).json()
            assert (result["prompt"], result["metrics"]["remaining_credits"]) == ("é", 99.94)
            assert (await there.get("/v1/get-user-credits")).json()["credits"] == 99.94
            failing = {"prefer": "fail=no"}
            failed = (await here.post("/v2/imagen", json={"prompt": "x"}, headers=failing)).json()
            assert (await there.get(failed["status_url"])).status_code == 422

    anyio.run(submit_here_and_fetch_there)


def test_an_error_in_redis_from_records_that_another_process_has_changed_meanwhile_is_not_raised(
    redis_url: str,
) -> None:
    url = f"{redis_url}/7"
    store, other = RedisStore(url), RedisStore(url)
    kind: Any = redis.Redis
    server = kind.from_url(url)
    store.reset()
    found: list[Account | None] = []

    def work(tx: Transaction) -> None:
        found.append(tx.get(Account, "k"))
        if found == [None]:
            # The other process goes on as soon as the lock of this one has expired.
            server.delete(*server.scan_iter("*:lock"))
            other.transact(lambda tx: tx.put("k", Account("k")))
            raise ValueError("records of two times contradict each other")

    store.transact(work)
    assert [account and account.key for account in found] == [None, "k"]
    for it in (store, other, server):
        it.close()


@pytest.mark.parametrize("kind", ["sqlite", "redis_url"])
def test_many_jobs_over_four_workers_none_lost_none_twice_no_false_404(
    request: pytest.FixtureRequest, kind: str
) -> None:
    store = request.getfixturevalue(kind)
    # A database of its own.
    store += "/1" if kind == "redis_url" else ""
    shape = ["--workers", "4", "--latency-factor", "0.02", "--latency-jitter", "0.5"]
    command = [sys.executable, "-m", "segmind_mock", "--port", "0", "--store", store, *shape]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            (address,) = re.findall(r"http://\S+", process.stdout.readline())
            results = asyncio.run(run_jobs(address))
        finally:
            process.terminate()
    assert len({result["request_id"] for result in results}) == JOBS
    balances = sorted((result["metrics"]["remaining_credits"] for result in results), reverse=True)
    assert balances == [pytest.approx(100 - 0.06 * (number + 1)) for number in range(JOBS)]


async def run_jobs(address: str) -> list[dict[str, Any]]:
    headers = {"x-api-key": DEFAULT_KEY, "connection": "close"}
    # A connection for each call, so that the calls of one job meet different workers.
    transport = httpx.AsyncHTTPTransport(retries=5, limits=httpx.Limits(max_connections=16))
    async with httpx.AsyncClient(transport=transport, base_url=address, headers=headers, timeout=60) as client:

        async def run_job() -> dict[str, Any]:
            submitted = await client.post("/v2/imagen", json={"prompt": "x"})
            assert submitted.status_code == 200, submitted.text
            for _ in range(MOST_POLLS):
                status = await client.get(submitted.json()["status_url"])
                assert status.status_code == 200, status.text
                if status.json()["status"] == "COMPLETED":
                    break
                await asyncio.sleep(0.02)
            result = await client.get(submitted.json()["response_url"])
            assert result.status_code == 200, result.text
            return dict(result.json())

        return list(await asyncio.gather(*(run_job() for _ in range(JOBS))))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workers", "2", "--store", "memory"], "several workers cannot share memory: leave out --store for SQLite"),
        (["--store", "postgres://x"], "expected memory, sqlite:FILE or redis://HOST"),
        (["--latency-factor", "-1"], "expected a latency factor of 0 or more"),
        (["--credits", "nan"], "credits of 0 or more"),
        (["--port", "99999"], "port must be 0-65535"),
        (["--workers", "0"], "expected 1 worker or more"),
        (["--store", "sqlite:/nowhere/at/all.db"], "cannot be used"),
        (["proxy", "--upstream", "nonsense"], "expected a URL such as https://host"),
        (["--store", "redis://127.0.0.1:1"], "refused"),
    ],
)
def test_a_command_that_makes_no_sense_says_so_in_a_line(arguments: list[str], message: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "segmind_mock", "--port", "0", *arguments],
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert run.returncode == 1
    assert message in run.stderr
    assert len(run.stderr.splitlines()) == 1


OPENED = Account(DEFAULT_KEY, credits=7, requests_per_minute=5)


def settings_of(store: str, **options: Any) -> WorkerSettings:
    asked: dict[str, Any] = {"credits": None, "requests_per_minute": None, **options}
    return WorkerSettings(store=store, key=DEFAULT_KEY, admin_access={}, settings={}, **asked)


@pytest.fixture(params=["sqlite", "redis"])
def used_store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The name of a store whose ready account was opened with options, and has spent since."""
    name = (
        f"sqlite:{tmp_path / 'state.db'}" if request.param == "sqlite" else request.getfixturevalue("redis_url") + "/6"
    )
    store = open_store(name)
    store.reset()
    double = Double(store=store, account=OPENED)
    spent = replace(double.account(), credits=3.5)
    store.transact(lambda tx: tx.put(DEFAULT_KEY, spent))
    store.close()
    return name


@pytest.mark.parametrize("options", [{}, {"credits": 7.0}, {"requests_per_minute": 5}])
def test_a_store_that_is_used_again_goes_on_with_its_account(used_store: str, options: dict[str, Any]) -> None:
    double = settings_of(used_store, **options).double()
    account = double.account()
    assert (account.credits, account.requests_per_minute) == (3.5, 5)
    double.store.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"credits": 9.0}, "was opened with --credits 7, not with 9; leave --credits out to go on with it"),
        ({"requests_per_minute": 6}, "was opened with --requests-per-minute 5, not with 6"),
    ],
)
def test_a_store_whose_account_was_opened_with_other_options_is_refused(
    used_store: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as refusal:
        settings_of(used_store, **options).double()
    assert DEFAULT_KEY not in str(refusal.value)


def test_a_limit_that_was_not_there_before_is_refused(sqlite: str) -> None:
    settings_of(sqlite).double().store.close()
    with pytest.raises(ValueError, match="was opened without --requests-per-minute, not with 6"):
        settings_of(sqlite, requests_per_minute=6).double()


def test_the_command_refuses_an_existing_file_with_other_options(sqlite: str) -> None:
    settings_of(sqlite, credits=7.0).double().store.close()
    run = subprocess.run(
        [sys.executable, "-m", "segmind_mock", "--port", "0", "--store", sqlite, "--credits", "9"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (run.returncode, run.stdout) == (1, "")
    assert "was opened with --credits 7, not with 9" in run.stderr


def test_a_worker_that_is_started_anew_serves_an_account_that_was_opened_with_other_credits_meanwhile(
    sqlite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(sqlite, credits=7.0)
    settings.double().open_account(credits=2)
    monkeypatch.setenv(VARIABLE, "")
    settings.export()
    app()


def submit_all(double: Double, bodies: Iterable[dict[str, Any]], **headers: str) -> list[dict[str, Any]]:
    """What each submit was answered with, in process."""

    async def submit() -> list[dict[str, Any]]:
        transport = httpx.ASGITransport(double.app)
        sent = {"x-api-key": DEFAULT_KEY, **headers}
        async with httpx.AsyncClient(transport=transport, base_url="http://x", headers=sent) as client:
            return [dict((await client.post("/v2/imagen-4-fast", json=body)).json()) for body in bodies]

    return anyio.run(submit)


def fetch(double: Double, path: str) -> httpx.Response:
    async def get() -> httpx.Response:
        transport = httpx.ASGITransport(double.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.get(path, headers={"x-api-key": DEFAULT_KEY})

    return anyio.run(get)


def test_long_prompts_do_not_fill_the_memory() -> None:
    double = Double()
    submit_all(double, [PROMPT])
    tracemalloc.start()
    try:
        submit_all(
            double, ({"prompt": f"{number:06}" * 80_000, "negative_prompt": "y" * 300_000} for number in range(50))
        )
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Of 39 MB that were sent.
    assert kept < 3_000_000
    assert len(double.requests(accepted=True)) == 51


def test_a_long_prompt_is_cut_in_the_result_and_its_image_still_follows_from_the_whole() -> None:
    double = Double()
    prompts = [character * 20_000 + end for character, end in (("x", "a"), ("x", "b"), ("x", "a"))]
    jobs = submit_all(double, ({"prompt": prompt, "seed": 7} for prompt in prompts))
    results = [fetch(double, job["response_url"]).json() for job in jobs]
    assert [result["prompt"] for result in results] == ["x" * LONGEST_TEXT] * 3
    images = [fetch(double, result["output"]).content for result in results]
    assert images[0] == images[2] != images[1]


def test_a_prompt_up_to_the_limit_comes_back_whole() -> None:
    double = Double()
    (job,) = submit_all(double, [{"prompt": "é" * LONGEST_TEXT}])
    assert fetch(double, job["response_url"]).json()["prompt"] == "é" * LONGEST_TEXT


def test_long_headers_and_paths_are_cut_in_the_journal_and_the_key_is_still_told_apart() -> None:
    double = Double()
    submit_all(double, [PROMPT], **{f"x-{number:03}": "v" * 1000 for number in range(100)})
    fetch(double, "/" + "p" * 30_000)
    row, unknown = double.requests()
    assert sum(len(name) + len(value) for name, value in row.headers) <= LONGEST_IN_JOURNAL
    assert len(double.requests(key=DEFAULT_KEY)) == 2
    assert len(unknown.path) == LONGEST_IN_JOURNAL


def test_each_part_of_a_row_of_the_journal_is_cut_to_what_it_keeps() -> None:
    long = "v" * (LONGEST_IN_JOURNAL + 1)
    rows = [
        row_with(body=long.encode()).body,
        row_with(response=long.encode()).response,
        row_with(path=long).path,
    ]
    assert [len(part) for part in rows] == [LONGEST_IN_JOURNAL] * 3


def test_a_row_of_the_journal_that_just_fits_is_kept_whole() -> None:
    body = b"v" * (LONGEST_IN_JOURNAL - len("/v2/x") - len(b"\xff"))
    headers = {"k": DEFAULT_KEY, "a": "v" * (LONGEST_IN_JOURNAL - len(DEFAULT_KEY) - 2)}
    row = row_with(body=body, headers=headers)
    assert row.body == body.decode()
    assert row.headers == [("a", headers["a"])]


def test_headers_that_do_not_fit_are_cut_after_the_last_character_that_does() -> None:
    headers = {"a": "v" * 6000, "b": "v" * 6000, "c": "v", "k": DEFAULT_KEY}
    row = row_with(headers=headers)
    assert row.key == mask(DEFAULT_KEY)
    left = LONGEST_IN_JOURNAL - len("k" + DEFAULT_KEY) - 6001 - 1
    assert row.headers == [("a", headers["a"]), ("b", "v" * left)]


@pytest.mark.parametrize(("room", "kept"), [(1, []), (2, []), (3, [("bb", "v")]), (4, [("bb", "vv")])])
def test_a_header_is_in_the_journal_if_a_character_of_its_value_fits(room: int, kept: list[tuple[str, str]]) -> None:
    filling = "v" * (LONGEST_IN_JOURNAL - len("k" + DEFAULT_KEY) - len("a") - room)
    row = row_with(headers={"k": DEFAULT_KEY, "a": filling, "bb": "vv", "c": "does not fit"})
    assert row.headers == [("a", filling), *kept]


def test_a_row_of_the_journal_has_the_time_at_which_the_call_arrived() -> None:
    double = Double(Settings(latency_factor=1), clock=MovableClock())
    arrived = double.clock.now()
    headers = {"x-api-key": DEFAULT_KEY}
    with httpx.Client(transport=double.transport(), base_url="http://double", headers=headers, timeout=60) as client:
        client.post("/v1/imagen", json=PROMPT)
    assert double.clock.now() > arrived
    assert [row.at for row in double.requests()] == [arrived]


def test_a_body_that_is_no_text_is_in_the_journal_with_replacement_characters() -> None:
    assert row_with(body=b"\xff").body == "\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    ("key", "start"), [("SG_0123456789abcdef", "SG_…"), ("twelve-chars", "twe…"), ("eleven-char", "…"), ("x", "…")]
)
def test_a_masked_key_shows_its_start_only_where_much_more_is_hidden(key: str, start: str) -> None:
    masked = mask(key)
    assert masked is not None
    assert masked.startswith(start)
    assert len(masked) == len(start) + 8
    assert mask(key + "x") != masked


def test_a_missing_key_is_masked_as_none() -> None:
    assert mask(None) is None


def test_a_step_that_fails_changes_nothing_in_a_shared_store(sqlite: str) -> None:
    store = open_store(sqlite)

    def work(tx: Transaction) -> None:
        tx.put("id", JOB)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.transact(work)
    assert store.transact(lambda tx: tx.count(Job)) == 0
    store.close()


def test_moves_of_the_clock_add_up(store: Store) -> None:
    store.add_shift(5)
    store.add_shift(2.5)
    assert store.shift() == 7.5


def test_jobs_that_nobody_polls_do_not_keep_others_from_being_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segmind_mock.service.MOST_JOBS", 250)
    double = Double(Settings(polls_to_complete=1))
    unpolled = [job["request_id"] for job in submit_all(double, [PROMPT] * (FORGOTTEN_AT_ONCE + 50))]
    for _ in range(400):
        (job,) = submit_all(double, [PROMPT])
        double.complete(job["request_id"])
    assert len(double.jobs()) < 250 + FORGOTTEN_AT_ONCE
    assert [double.job(request_id).state(double.clock.now()) for request_id in unpolled] == ["QUEUED"] * len(unpolled)


def test_a_job_that_has_not_ended_is_not_forgotten_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segmind_mock.service.MOST_JOBS", 50)
    double = Double(Settings(polls_to_complete=1))
    submit_all(double, [PROMPT] * 400)
    assert len(double.jobs()) == 400


def test_the_jobs_and_the_calls_that_a_double_remembers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segmind_mock.service.MOST_JOBS", 50)
    double = Double(Settings())

    async def submit_many() -> None:
        headers = {"x-api-key": DEFAULT_KEY}
        transport = httpx.ASGITransport(double.app)
        double.open_account(credits=1000)
        async with httpx.AsyncClient(transport=transport, base_url="http://x", headers=headers) as client:
            for _ in range(JOURNAL_LENGTH + 100):
                await client.post("/v2/imagen", json={"prompt": "x"})

    anyio.run(submit_many)
    assert double.store.transact(lambda tx: tx.count(Job)) < 50 + FORGOTTEN_AT_ONCE
    assert len(double.requests()) == JOURNAL_LENGTH
    assert double.account().pending == []
