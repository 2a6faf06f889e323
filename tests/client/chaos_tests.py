"""What holds for every submit while everything goes wrong, and that a client with a defect is found out."""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn
from unittest import mock

import anyio
import pytest

from segmind_api.models import JobResult
from segmind_api.types import ApiRequest, ApiResponse
from segmind_client import errors, reading
from segmind_client.flows import Call
from tests.client import chaos
from tests.client.chaos import (
    ENDED,
    IN_DOUBT,
    KINDS,
    NAMED,
    ON_TIME,
    ONCE,
    OURS,
    REFUSED_IS_NOT_ACCEPTED,
    Case,
    Group,
    Interruption,
    Runner,
    SkippingClock,
    broken_claims,
    make_groups,
    play,
    run_async,
    run_sync,
    run_tasks,
)
from tests.client.chaos_service import FAULTS, RATE_LIMIT, ChaosService

SEED = 7
MANY = 600
SOME = 120
ENDINGS = {
    *(JobResult, Interruption, errors.InferenceFailed, errors.InferenceTimeout, errors.InvalidParameter),
    *(errors.MayHaveBeenAccepted, errors.NotSent, errors.StatusError, errors.RateLimited),
}
QUICK = tuple(fault for fault in FAULTS if not fault.slow)
STEADY = tuple(fault for fault in QUICK if "surplus" not in fault.name)
"""Faults that do not depend on which bytes arrive first."""


def kind_of(case: Case) -> type:
    return next((kind for kind in ENDINGS if type(case.report) is kind), type(case.report).__mro__[1])


@pytest.mark.parametrize("runner", [run_sync, run_async])
def test_every_claim_holds_whatever_goes_wrong(runner: Runner) -> None:
    cases = play(runner, make_groups(MANY, SEED, faults=QUICK))
    assert broken_claims(cases) == {}
    assert {case.call.kind for case in cases} == set(KINDS)
    missing = {ending for ending in ENDINGS if not any(isinstance(case.report, ending) for case in cases)}
    assert missing == set()
    met = {(verb, fault) for case in cases for verb, fault in case.call.met}
    assert met >= {(verb, fault) for verb in ("POST", "GET") for fault in (None, RATE_LIMIT, *QUICK)}


@pytest.mark.parametrize("runner", [run_sync, run_async])
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.slow], ids=lambda fault: fault.name)
def test_every_claim_holds_while_a_service_is_slow(runner: Runner, fault: object) -> None:
    faults = [slow for slow in FAULTS if slow is fault] + [slow for slow in FAULTS if slow is fault]
    groups = make_groups(4, SEED, faults=faults, kinds=["own connections"])
    assert broken_claims(play(runner, groups)) == {}


def test_sync_asyncio_and_trio_send_the_same_and_end_alike() -> None:
    runners: list[Runner] = [run_sync, run_async, partial(run_async, backend="trio")]
    kinds = ("own connections", "transport", "client", "absurd")
    seen: list[list[Any]] = []
    for runner in runners:
        groups = make_groups(SOME, SEED, stands_still=True, faults=STEADY, kinds=kinds)
        seen.append([(str(case), case.call.met) for case in play(runner, groups)])
    assert seen[0] == seen[1] == seen[2]


@pytest.mark.parametrize("backend", ["threads", "asyncio", "trio"])
def test_no_thread_task_or_connection_is_left(backend: str) -> None:
    def use(url: str, groups: Sequence[Group]) -> float:
        seconds = run_sync(url, groups) if backend == "threads" else anyio.run(watch, url, groups, backend=backend)
        left.extend(connections_to(service_port(url)))
        return seconds

    async def watch(url: str, groups: Sequence[Group]) -> float:
        tasks = {task.id for task in anyio.get_running_tasks()}
        seconds = await run_tasks(url, groups)
        assert {task.id for task in anyio.get_running_tasks()} == tasks
        return seconds

    left: list[socket.socket] = []
    threads = threading.enumerate()
    play(use, make_groups(SOME, SEED, faults=QUICK, kinds=["own connections", "absurd"]))
    assert left == []
    assert threading.enumerate() == threads


def service_port(url: str) -> int:
    return int(url.rpartition(":")[2])


def connections_to(port: int) -> list[socket.socket]:
    """The sockets of this process that are connected to a port of this machine."""
    sockets = [found for found in gc.get_objects() if type(found) is socket.socket and found.fileno() >= 0]
    return [found for found in sockets if port_of_peer(found) == port]


def port_of_peer(connection: socket.socket) -> int | None:
    try:
        return int(connection.getpeername()[1])
    except (OSError, IndexError):
        return None


def gives_the_same_message(_: ApiResponse) -> str:
    return "down"


def retries_what_it_cannot_read(_: ApiRequest, response: ApiResponse) -> bool:
    return not response.content.endswith(b"}")


def forgets_the_id(_: Call, error: BaseException) -> NoReturn:
    if isinstance(error, errors.SegmindError):
        error.request_id = None
    raise error


def raises_as_it_is(_: Call, error: BaseException) -> NoReturn:
    raise error


def gives_as_it_is(error: BaseException, *_: object) -> BaseException:
    return error


def believes_anything(*_: object, **__: object) -> bool:
    return True


def sees_no_difference(*_: object) -> bool:
    return False


def oversleeps(self: SkippingClock, moment: float) -> None:
    SLEEP_UNTIL(self, moment + 1000.0)


SLEEP_UNTIL = SkippingClock.sleep_until


def retries_a_post_after(*statuses: int) -> object:
    return {**reading.RETRIED, "POST": frozenset(statuses)}


NEVER_BEGUN = property(sees_no_difference)
Patches = Mapping[str, object]
CLIENT = "segmind_client"
DEFECTS: list[tuple[str, Patches, str]] = [
    ("says of a lost response that nothing was sent", {"steps.Sent.begun": NEVER_BEGUN}, REFUSED_IS_NOT_ACCEPTED),
    ("retries after a lost response", {"steps.Sent.begun": NEVER_BEGUN}, ONCE),
    ("retries after a 504", {"reading.RETRIED": retries_a_post_after(500, 502, 503, 504)}, ONCE),
    ("retries after a 2xx that it cannot read", {"flows.is_retried": retries_what_it_cannot_read}, ONCE),
    ("takes a proxy's word for the service's", {"reading.error_message": gives_the_same_message}, ONCE),
    ("loses the id of a job", {"flows.Call.fail": forgets_the_id}, NAMED),
    ("is in doubt where there is none", {"reading.RETRIED": retries_a_post_after()}, IN_DOUBT),
    (
        "believes what is said about another job",
        {"flows.answers": believes_anything, "reading.other_job": sees_no_difference},
        ENDED,
    ),
    (
        "raises what others raise",
        {"flows.Call.fail": raises_as_it_is, "drivers.as_outcome": gives_as_it_is},
        OURS,
    ),
]


@pytest.mark.parametrize(("patches", "claim"), [pytest.param(*row[1:], id=row[0]) for row in DEFECTS])
def test_a_client_is_found_out_that(patches: Patches, claim: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for place, value in patches.items():
        monkeypatch.setattr(f"{CLIENT}.{place}", value)
    assert claim in broken_claims(play(run_sync, quick_groups()))


def test_a_client_is_found_out_that_pauses_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SkippingClock, "sleep_until", oversleeps)
    assert ON_TIME in broken_claims(play(run_sync, quick_groups()))


def test_a_service_is_found_out_that_accepts_what_it_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    carry_out = ChaosService.carry_out

    def carry_out_twice(self: ChaosService, *arguments: Any) -> Any:
        carry_out(self, *arguments)
        return carry_out(self, *arguments)

    monkeypatch.setattr(ChaosService, "carry_out", carry_out_twice)
    assert ONCE in broken_claims(play(run_sync, quick_groups()))


def quick_groups() -> list[Group]:
    return make_groups(SOME, SEED, faults=QUICK, kinds=["own connections"])


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Groups of few calls, so that there are many kinds of them among few calls."""
    monkeypatch.setattr(chaos, "CALLS_OF_A_CLIENT", 10)
    with mock.patch("segmind_client.line.logger"):
        yield


def test_the_command_tells_of_each_claim(capsys: pytest.CaptureFixture[str]) -> None:
    command: Callable[[Sequence[str]], int] = chaos.main
    assert command(["--submits", "20", "--seed", "3"]) == 0
    printed = capsys.readouterr().out
    assert all(claim in printed for claim in chaos.CLAIMS)
