"""What holds for every submit while everything goes wrong, and that a client with a defect is found out."""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import Callable

import anyio
import httpx
import pytest

from segmind_api.models import JobResult
from segmind_api.types import ApiRequest, ApiResponse
from segmind_client import drivers, errors, flows
from segmind_client.flows import Caller, Flow
from segmind_mock.pytest_plugin import Stage
from tests.client.chaos import (
    FAULTS,
    IN_DOUBT,
    NAMED,
    ONCE,
    REFUSED_IS_NOT_ACCEPTED,
    Call,
    Case,
    Runner,
    broken_claims,
    make_double,
    play,
    run_async,
    run_sync,
    run_tasks,
)

SEED = 7
MANY = 1000
SOME = 150
ENDINGS = {
    JobResult,
    errors.BadGateway,
    errors.Forbidden,
    errors.InferenceFailed,
    errors.InferenceTimeout,
    errors.MayHaveBeenAccepted,
    errors.NotSent,
    errors.RateLimited,
    errors.ServerError,
    errors.StatusError,
}

Play = Callable[[Runner, int], list[Case]]


@pytest.fixture
def chaos(segmind_double_stage: tuple[Stage, str]) -> Play:
    """Runs so many calls against a new double."""

    def run(runner: Runner, submits: int) -> list[Case]:
        stage, address = segmind_double_stage
        stage.double = make_double()
        return play(runner, address, stage.double, submits, SEED)

    return run


@pytest.mark.parametrize("runner", [run_sync, run_async])
def test_every_claim_holds_whatever_goes_wrong(chaos: Play, runner: Runner) -> None:
    cases = chaos(runner, MANY)
    assert broken_claims(cases) == {}
    assert {type(case.report) for case in cases} == ENDINGS
    met = {(verb, fault) for case in cases for verb, fault in case.call.met}
    assert met == {(verb, fault) for verb in ("POST", "GET") for fault in (None, *FAULTS)}


def test_sync_asyncio_and_trio_send_the_same_and_end_alike(chaos: Play) -> None:
    runners: list[Runner] = [run_sync, run_async, lambda address, calls: run_async(address, calls, "trio")]
    seen = [[(str(case), case.call.met) for case in chaos(runner, SOME)] for runner in runners]
    assert seen[0] == seen[1] == seen[2]


@pytest.mark.parametrize("backend", ["threads", "asyncio", "trio"])
def test_no_thread_task_or_connection_is_left(segmind_double_stage: tuple[Stage, str], backend: str) -> None:
    async def use() -> None:
        tasks = {task.id for task in anyio.get_running_tasks()}
        await run_tasks(address, calls)
        assert {task.id for task in anyio.get_running_tasks()} == tasks
        assert connections_to(address) == connections

    # Calls that fail to their end would take all kept connections with them, and leave none to be closed.
    calls = [call for call in (Call(SEED, number) for number in range(SOME)) if max(call.shares.values()) < 1]
    stage, address = segmind_double_stage
    stage.double = make_double()
    threads, connections = threading.enumerate(), connections_to(address)
    if backend == "threads":
        run_sync(address, calls)
    else:
        anyio.run(use, backend=backend)
    assert threading.enumerate() == threads
    assert connections_to(address) == connections


def connections_to(address: str) -> list[socket.socket]:
    """The sockets of this process that are connected to an address."""
    sockets = [found for found in gc.get_objects() if type(found) is socket.socket and found.fileno() >= 0]
    return [found for found in sockets if port_of_peer(found) == httpx.URL(address).port]


def port_of_peer(connection: socket.socket) -> int | None:
    try:
        return int(connection.getpeername()[1])
    except (OSError, IndexError):
        return None


def gives_the_same_message(_: ApiResponse) -> str:
    return "down"


def repeats_what_it_cannot_read(_: ApiRequest, response: ApiResponse) -> bool:
    return not response.content.endswith(b"}")


def loses_the_id(self: Caller, request_id: str, *_: object) -> Flow[JobResult]:
    while (yield from self.status(request_id)).status != "COMPLETED":
        pass
    return (yield from self.result(request_id))


def repeats_a_post_after(*statuses: int) -> object:
    return {**flows.REPEATED_AFTER, "POST": frozenset(statuses)}


DEFECTS: list[tuple[str, str, object, str]] = [
    ("says of a lost answer that nothing was sent", "drivers.NEVER_SENT", (httpx.HTTPError,), REFUSED_IS_NOT_ACCEPTED),
    ("repeats after a lost answer", "drivers.NEVER_SENT", (httpx.HTTPError,), ONCE),
    ("repeats after a read timeout", "drivers.NEVER_SENT", (*drivers.NEVER_SENT, httpx.ReadTimeout), ONCE),
    ("repeats after a 504", "flows.REPEATED_AFTER", repeats_a_post_after(429, 500, 502, 503, 504), ONCE),
    ("repeats after a 2xx that it cannot read", "flows.may_be_repeated", repeats_what_it_cannot_read, ONCE),
    ("takes a proxy's word for the service's", "flows.error_message", gives_the_same_message, ONCE),
    ("loses the id of a job", "flows.Caller.wait", loses_the_id, NAMED),
    ("is in doubt where there is none", "flows.REPEATED_AFTER", repeats_a_post_after(), IN_DOUBT),
]


@pytest.mark.parametrize(("place", "value", "claim"), [pytest.param(*row[1:], id=row[0]) for row in DEFECTS])
def test_a_client_is_found_out_that(
    chaos: Play, monkeypatch: pytest.MonkeyPatch, place: str, value: object, claim: str
) -> None:
    monkeypatch.setattr(f"segmind_client.{place}", value)
    assert claim in broken_claims(chaos(run_sync, SOME))
