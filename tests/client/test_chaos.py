"""What holds for every submit while everything goes wrong, and that a client with a defect is noticed."""

from __future__ import annotations

import gc
import io
import logging
import random
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn

import anyio
import pytest

from segmind_api.models import JobResult
from segmind_api.types import ApiRequest, ApiResponse
from segmind_client import errors
from tests.client.chaos import __main__ as command
from tests.client.chaos.calls import KINDS, Group, Interruption, SkippingClock, make_groups
from tests.client.chaos.claims import (
    CLAIMS,
    ENDED,
    IN_DOUBT,
    NAMED,
    ON_TIME,
    ONCE,
    OURS,
    REFUSED_IS_NOT_ACCEPTED,
    Case,
    broken_claims,
)
from tests.client.chaos.interrupts import ignore_unraisable, interrupt_after
from tests.client.chaos.runs import Runner, play, run_async, run_sync, run_tasks
from tests.client.chaos.service import FAULTS, RATE_LIMIT, ChaosService
from tests.support.internals import Call, reading

SEED = 7
MANY = 600
SOME = 120
FEW = 60
SIZE = 10
"""Calls of a client."""
ENDINGS = {
    *(JobResult, Interruption, errors.InferenceFailed, errors.InferenceTimeout, errors.InvalidParameter),
    *(errors.MayHaveBeenAccepted, errors.StatusError),
}
QUICK = tuple(fault for fault in FAULTS if not fault.slow)
SLOW = tuple(fault for fault in FAULTS if fault.slow)
STEADY = tuple(fault for fault in QUICK if "surplus" not in fault.name and fault.name != "truncated gzip")
"""Faults that do not depend on which bytes are received first, or on the id of the job."""
OWN_CONNECTIONS = ("own connections",)
INTERRUPTED = ("own connections, interrupted",)


@pytest.fixture(autouse=True)
def _without_logs_and_garbage(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Before Python 3.13, logging leaves its lock held where a call is interrupted within it: others would hang.

    What was being opened when a call was interrupted is closed by the garbage collector, before another test is blamed.
    """
    monkeypatch.setattr(sys, "unraisablehook", ignore_unraisable)
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)
    gc.collect()


@pytest.mark.parametrize("runner", [run_sync, run_async])
def test_every_claim_holds_whatever_goes_wrong(runner: Runner) -> None:
    cases = play(runner, make_groups(MANY, SEED, faults=QUICK, size=SIZE))
    assert broken_claims(cases) == {}
    assert {case.call.kind for case in cases} == set(KINDS)
    assert {ending for ending in ENDINGS if not any(isinstance(case.report, ending) for case in cases)} == set()
    met = {(verb, fault) for case in cases for verb, fault in case.call.met}
    assert met >= {(verb, fault) for verb in ("POST", "GET") for fault in (None, RATE_LIMIT, *QUICK)}


@pytest.mark.parametrize("runner", [run_sync, run_async])
def test_every_claim_holds_while_a_service_is_slow(runner: Runner) -> None:
    cases = play(runner, make_groups(len(SLOW) * 3, SEED, faults=SLOW, kinds=OWN_CONNECTIONS, size=1))
    assert broken_claims(cases) == {}
    assert {fault for case in cases for _, fault in case.call.met} >= set(SLOW)


def test_sync_asyncio_and_trio_send_equal_requests_and_have_equal_outcomes() -> None:
    runners: list[Runner] = [run_sync, run_async, partial(run_async, backend="trio")]
    kinds = ("own connections", "transport", "client", "absurd")
    seen: list[list[Any]] = []
    for runner in runners:
        seen.append([])
        for group in make_groups(SOME, SEED, stands_still=True, faults=STEADY, kinds=kinds, size=SIZE):
            # Decides how long the client waits before it retries.
            random.seed(SEED)
            seen[-1] += [(case.call.prompt, str(case), case.call.met) for case in play(runner, [group])]
    assert seen[0] == seen[1] == seen[2]


@pytest.mark.parametrize("backend", ["threads", "asyncio", "trio"])
def test_no_connection_or_task_is_left(backend: str) -> None:
    left: list[object] = []

    def use(url: str, groups: Sequence[Group]) -> None:
        if backend == "threads":
            run_sync(url, groups)
        else:
            anyio.run(watch, url, groups, backend=backend)
        left.extend(connections_to(url))

    async def watch(url: str, groups: Sequence[Group]) -> None:
        before = {task.id for task in anyio.get_running_tasks()}
        await run_tasks(url, groups)
        left.extend(task for task in anyio.get_running_tasks() if task.id not in before)

    play(use, make_groups(SOME, SEED, faults=QUICK, kinds=("own connections", "absurd"), size=SIZE))
    assert left == []


def connections_to(url: str) -> list[socket.socket]:
    """The sockets of this process that are connected to a service on this machine."""
    port = int(url.rpartition(":")[2])
    sockets = [found for found in gc.get_objects() if type(found) is socket.socket and found.fileno() >= 0]
    return [found for found in sockets if port_of_peer(found) == port]


def port_of_peer(connection: socket.socket) -> int | None:
    try:
        return int(connection.getpeername()[1])
    except (OSError, IndexError):
        return None


def test_an_interrupt_leaves_no_lock_held() -> None:
    def use(lock: threading.RLock) -> None:
        with lock:
            len("")
        max(sorted([1]))

    interrupted = 0
    for function_calls in range(1, 100):
        lock = threading.RLock()
        try:
            interrupt_after(function_calls)
            use(lock)
            break
        except KeyboardInterrupt:
            interrupted += 1
        finally:
            sys.setprofile(None)
        with pytest.raises(RuntimeError, match="un-acquired"):
            lock.release()
    assert interrupted > 3


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


def retries_a_post_after(*statuses: int) -> object:
    return {**reading.RETRIED, "POST": frozenset(statuses)}


NEVER_BEGUN = property(sees_no_difference)
Patches = Mapping[str, object]
LOST = ("closed after acceptance", "reset after acceptance")
REFUSED = ("refusal",)
LEFT_OVER = ("surplus bytes", "response about another job")
DEFECTS: list[tuple[str, Patches, Sequence[str], str]] = [
    ("says of a lost response that nothing was sent", {"steps.Sent.begun": NEVER_BEGUN}, LOST, REFUSED_IS_NOT_ACCEPTED),
    ("retries after a lost response", {"steps.Sent.begun": NEVER_BEGUN}, LOST, ONCE),
    (
        "retries after a 504",
        {"reading.RETRIED": retries_a_post_after(500, 502, 503, 504)},
        ("504 after acceptance",),
        ONCE,
    ),
    (
        "retries after a 2xx that it cannot read",
        {"retry.is_retried": retries_what_it_cannot_read},
        ("200 that is no JSON",),
        ONCE,
    ),
    (
        "takes what a proxy says for what the service says",
        {"reading.is_of_service": believes_anything},
        ("a proxy's 502 after acceptance",),
        ONCE,
    ),
    ("loses the id of a job", {"call.Call.fail": forgets_the_id}, LOST, NAMED),
    ("is in doubt where there is none", {"reading.RETRIED": retries_a_post_after()}, REFUSED, IN_DOUBT),
    (
        "believes what is said about another job",
        {"retry.belongs_to_job": believes_anything, "reading.other_job": sees_no_difference},
        LEFT_OVER,
        ENDED,
    ),
    (
        "raises what others raise",
        {"call.Call.fail": raises_as_it_is, "drivers.as_outcome": gives_as_it_is},
        LOST,
        OURS,
    ),
]


@pytest.mark.parametrize(("patches", "names", "claim"), [pytest.param(*row[1:], id=row[0]) for row in DEFECTS])
def test_a_client_with_a_defect_breaks_a_claim(
    patches: Patches, names: Sequence[str], claim: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place, value in patches.items():
        monkeypatch.setattr(f"segmind_client.{place}", value)
    faults = [fault for fault in FAULTS if fault.name in names]
    assert claim in broken_claims(play(run_sync, make_groups(FEW, SEED, faults=faults, kinds=OWN_CONNECTIONS)))


@pytest.mark.parametrize("runner", [run_sync, run_async])
def test_a_client_that_loses_the_id_of_an_interrupted_job_breaks_a_claim(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Call, "fail", raises_as_it_is)
    assert NAMED in broken_claims(play(runner, make_groups(FEW, SEED, faults=QUICK, kinds=INTERRUPTED)))


def test_a_client_that_pauses_too_long_breaks_a_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    sleep_until: Callable[[SkippingClock, float], None] = SkippingClock.sleep_until

    def oversleep(self: SkippingClock, moment: float) -> None:
        sleep_until(self, moment + 1000.0)

    monkeypatch.setattr(SkippingClock, "sleep_until", oversleep)
    assert ON_TIME in broken_claims(play(run_sync, make_groups(FEW, SEED, faults=QUICK, kinds=OWN_CONNECTIONS)))


def test_a_service_is_noticed_that_accepts_what_it_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    carry_out = ChaosService.carry_out

    def carry_out_twice(self: ChaosService, *arguments: Any) -> Any:
        carry_out(self, *arguments)
        return carry_out(self, *arguments)

    monkeypatch.setattr(ChaosService, "carry_out", carry_out_twice)
    assert ONCE in broken_claims(play(run_sync, make_groups(FEW, SEED, faults=QUICK, kinds=OWN_CONNECTIONS)))


@pytest.mark.parametrize(
    ("error", "lag", "holds"),
    [
        (errors.MayHaveBeenAccepted("ReadTimeout: timed out"), 2.0, True),
        (errors.MayHaveBeenAccepted("ReadTimeout: timed out"), 0.5, False),
        (errors.MayHaveBeenAccepted("ReadError: reset"), 2.0, False),
        (errors.InferenceTimeout("ReadTimeout: timed out", request_id="x", elapsed_s=3.0), 2.0, True),
    ],
)
def test_doubt_without_a_fault_is_accepted_only_after_a_timeout_on_a_busy_machine(
    error: errors.SegmindError, lag: float, holds: bool
) -> None:
    (group,) = make_groups(1, SEED)
    group.calls[0].report = error
    assert CLAIMS[IN_DOUBT](Case(group.calls[0], {}, lag)) is holds


def test_the_command_prints_each_claim_and_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--submits", "20", "--seed", "3"]) == 0
    printed = capsys.readouterr().out
    assert all(claim in printed for claim in CLAIMS)


def test_the_command_fails_and_prints_the_calls_where_a_claim_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(CLAIMS, OURS, lambda case: case.call.prompt != "cabin 3")
    assert command.main(["--submits", "20", "--seed", "3"]) == 1
    broken = [line for line in capsys.readouterr().out.splitlines() if line.endswith(f": {OURS}")]
    assert [line[: line.index(" over")] for line in broken] == ["sync: cabin 3", "async: cabin 3"]


def test_the_command_shows_its_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    command.main(["--submits", "20", "--seed", "3"])
    assert "async: 20 of 20" in terminal.getvalue()
