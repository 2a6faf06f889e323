"""Thousands of submits while everything goes wrong, and what the double accepted of them: `make chaos`."""

from __future__ import annotations

import argparse
import logging
import random
import ssl
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

import anyio
import anyio.lowlevel
import attrs
import httpx

import segmind_client
from segmind_api.catalog import MODELS
from segmind_api.models import JobResult
from segmind_client import AsyncClient, Client, drivers, errors
from segmind_client.clock import Clock
from segmind_mock import DEFAULT_KEY, Account, Double, Settings
from segmind_mock.records import Job
from segmind_mock.service import MOST_JOBS
from tests.client.chaos_service import FAULTS, RAISED, REFUSED, ChaosService, Fault, FaultyCall, Window
from tests.client.servers import closed_port

SLUG = next(iter(MODELS))
POLLS_TO_COMPLETE = 2
THREADS = 32
CLIENTS_AT_ONCE = 32
"""Of async clients, each with one or several tasks."""
CALLS_OF_A_CLIENT = 20
LONGEST_RUN = 1800.0
"""Real seconds until a run that hangs is given up."""
DEADLINE = 3.0
RETRY_SECONDS = 60.0
BODY_SECONDS = 0.5
WRITE_SECONDS = 0.5
LIMITS = {"deadline": DEADLINE, "connect_seconds": 2.0, "read_seconds": 2.0, "retry_seconds": RETRY_SECONDS}
SUBMIT_SECONDS = RETRY_SECONDS + DEADLINE + 2.0 + 2.0 + BODY_SECONDS + WRITE_SECONDS
"""That a submit may take: its attempts, what it waits for a rate limit, and its last exchange."""
GRACE = 1.0
"""Seconds beyond its deadline that a wait may take."""
ABSURD: tuple[Mapping[str, Any], ...] = (
    *({"attempts": 50}, {"attempts": 1}, {"retry_seconds": 0}, {"interval": 0}, {"interval": 1e6}, {"deadline": 0}),
    *({"read_seconds": 1e6}, {"connect_seconds": 1e6}, {"generate_seconds": 1e-3}, {"deadline": 1e-3}),
)
IMPOSSIBLE: tuple[Mapping[str, Any], ...] = (
    *({"deadline": 10**400}, {"read_seconds": 1e10}, {"attempts": 1024}, {"attempts": 0}, {"interval": -1}),
    *({"deadline": float("nan")}, {"deadline": None}, {"connect_seconds": "3"}, {"read_seconds": 0}),
)
KINDS = ("own connections", "own connections, interrupted", "transport", "client", "shared", "absurd", "impossible")
WEIGHTS = (8, 4, 3, 3, 2, 4, 1)
"""How often there are clients of each kind."""
MOST_LINES = 700
"""Of the client's sources, up to which a call is interrupted."""
MOST_SECONDS = 0.3
"""Real ones, within which a task is cancelled."""
WORKERS = 6
"""Threads or tasks that share a client."""
TLS = ssl.create_default_context()
"""Made once, which takes longer than a call."""
SOURCES = str(Path(segmind_client.__file__).parent)


class SkippingClock:
    """Time that goes on by itself, unless it stands still, and that pauses skip. For one call at a time."""

    def __init__(self, *, stands_still: bool) -> None:
        self._skipped = 0.0
        self._stands_still = stands_still

    def monotonic(self) -> float:
        return self._skipped if self._stands_still else time.monotonic() + self._skipped

    def sleep_until(self, moment: float) -> None:
        self._skipped += max(0.0, moment - self.monotonic())

    async def sleep_until_async(self, moment: float) -> None:
        self.sleep_until(moment)
        await anyio.lowlevel.checkpoint()


@attrs.frozen
class Interruption:
    """What an interrupted call said of its job."""

    request_id: str | None
    note: str


Report = JobResult | errors.SegmindError | Interruption | Exception


class Call(FaultyCall):
    """One submit, and what came of it."""

    def __init__(self, seed: int, number: int, kind: str, faults: Sequence[Fault], window: Window | None) -> None:
        super().__init__(seed, number, faults, window)
        self.kind = kind
        self.is_interrupted = "interrupted" in kind or (kind == "shared" and self.random.random() < 0.1)
        self.interrupt_after = self.random.random()
        """As a share of the most lines or seconds."""
        self.waits_apart = self.random.random() < 0.5
        """Whether it submits and waits, instead of running."""
        self.breaks = self.random.choice((0.0, 0.1, 0.5)) if kind in ("transport", "client") else 0.0
        self.report: Report = RuntimeError("the call never ended")
        self.took = 0.0
        """Seconds by the client's clock."""
        self.may_take = 0.0
        if window is not None:
            # By a real clock, outages would take minutes.
            self.shares = dict.fromkeys(self.shares, 0.05)

    def begin(self, clock: Clock, may_take: float) -> None:
        self._clock, self._began, self.may_take = clock, clock.monotonic(), may_take

    def end(self, report: Report) -> None:
        self.report, self.took = report, self._clock.monotonic() - self._began

    def interrupted(self, error: BaseException) -> None:
        self.end(Interruption(getattr(error, "request_id", None), " ".join(getattr(error, "__notes__", []))))


@attrs.define
class Group:
    """Calls that share a client."""

    kind: str
    calls: list[Call]
    options: Mapping[str, Any]
    clock: Clock | None
    """The client's own where it is None."""
    current: Call | None = None
    """That which is carried out, where it is one at a time."""

    @property
    def deadline(self) -> float:
        return float(self.options.get("deadline", DEADLINE))

    @property
    def workers(self) -> int:
        return 1 if self.clock else WORKERS

    def clock_of(self, default: Clock) -> Clock:
        return self.clock or default


def make_groups(
    submits: int,
    seed: int,
    *,
    stands_still: bool = False,
    faults: Sequence[Fault] = FAULTS,
    kinds: Sequence[str] = KINDS,
) -> list[Group]:
    groups: list[Group] = []
    for first in range(0, submits, CALLS_OF_A_CLIENT):
        chance = random.Random(f"{seed}:group:{first}")  # noqa: S311  no secret
        kind = chance.choices(kinds, [WEIGHTS[KINDS.index(kind)] for kind in kinds])[0]
        window = Window(30, 0.5) if kind == "shared" else None
        more = chance.choice(ABSURD if kind == "absurd" else IMPOSSIBLE if kind == "impossible" else ({},))
        numbers = range(first, min(first + CALLS_OF_A_CLIENT, submits))
        groups.append(
            Group(
                kind,
                [Call(seed, number, kind, faults, window) for number in numbers],
                {**LIMITS, **more},
                None if kind == "shared" else SkippingClock(stands_still=stands_still),
            )
        )
    return groups


ERRORS: tuple[Callable[[], Exception], ...] = (
    *(partial(kind, "audit") for kind in (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)),
    *(partial(kind, "audit") for kind in (httpx.ProxyError, httpx.ReadTimeout, ConnectionRefusedError, KeyError)),
    *(partial(kind, "audit") for kind in (UnicodeError, StopIteration, OverflowError, AttributeError)),
)


class BreakingStream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that raises after its last byte."""

    def __init__(self, stream: Any, error: Exception) -> None:
        self._stream = stream
        self._error = error

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream
        raise self._error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            yield piece
        raise self._error

    def close(self) -> None:
        self._stream.close()

    async def aclose(self) -> None:
        await self._stream.aclose()


class BreakingTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Sends requests, and raises before, after, or while the response is read."""

    def __init__(self, group: Group, closed: int) -> None:
        self._group = group
        self._closed = closed
        self._sync = httpx.HTTPTransport(verify=TLS)
        self._async = httpx.AsyncHTTPTransport(verify=TLS)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        way, call, error = self._before(request)
        received = self._sync.handle_request(request)
        if way == "after":
            received.close()
        return self._after(way, call, error, request, received)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        way, call, error = self._before(request)
        received = await self._async.handle_async_request(request)
        if way == "after":
            await received.aclose()
        return self._after(way, call, error, request, received)

    def close(self) -> None:
        self._sync.close()

    async def aclose(self) -> None:
        await self._async.aclose()

    def _before(self, request: httpx.Request) -> tuple[str, Call, Exception]:
        call = current_call(self._group)
        error = call.random.choice(ERRORS)()
        way = call.random.choice(("before", "refused", "after", "body")) if call.random.random() < call.breaks else ""
        if way in ("before", "refused"):
            call.met.append((request.method, REFUSED))
        if way == "before":
            raise error
        if way == "refused":
            request.url = request.url.copy_with(port=self._closed)
        return way, call, error

    def _after(
        self, way: str, call: Call, error: Exception, request: httpx.Request, received: httpx.Response
    ) -> httpx.Response:
        if way in ("after", "body"):
            call.met.append((request.method, RAISED))
        if way == "after":
            raise error
        if way == "body":
            stream = BreakingStream(received.stream, error)
            return httpx.Response(received.status_code, headers=received.headers, stream=stream)
        return received


def current_call(group: Group) -> Call:
    if group.current is None:
        raise AssertionError("a request without a call")
    return group.current


def hook_of(group: Group) -> Callable[[httpx.Response], None]:
    def hook(received: httpx.Response) -> None:
        call = current_call(group)
        if call.random.random() < call.breaks:
            call.met.append((received.request.method, RAISED))
            raise call.random.choice(ERRORS)()
        received.raise_for_status()

    return hook


def settings_of(group: Group) -> dict[str, Any]:
    return {**group.options, **({"clock": group.clock} if group.clock else {})}


@contextmanager
def sync_client(group: Group, url: str, closed: int) -> Generator[Client]:
    with ExitStack() as stack:
        more: dict[str, Any] = {}
        if group.kind == "transport":
            more = {"transport": BreakingTransport(group, closed)}
        elif group.kind == "client":
            hook = hook_of(group)

            def read_and_raise(received: httpx.Response) -> None:
                received.read()
                hook(received)

            http = httpx.Client(transport=BreakingTransport(group, closed), event_hooks={"response": [read_and_raise]})
            more = {"http_client": stack.enter_context(http)}
        yield stack.enter_context(Client(DEFAULT_KEY, base_url=url, **more, **settings_of(group)))


@contextmanager
def interrupt_after(lines: int) -> Generator[None]:
    """Raises a KeyboardInterrupt after so many lines of the client in this thread."""
    left = lines

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(SOURCES):
            return None
        if event == "line":
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


class Lag:
    """How late threads or tasks run at most, on a machine that is busy."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._over = threading.Event()

    def watch(self) -> None:
        while not self._over.is_set():
            due = time.monotonic() + 0.05
            time.sleep(0.05)
            self.seconds = max(self.seconds, time.monotonic() - due)

    async def watch_async(self) -> None:
        while not self._over.is_set():
            due = time.monotonic() + 0.05
            await anyio.sleep(0.05)
            self.seconds = max(self.seconds, time.monotonic() - due)

    def end(self) -> None:
        self._over.set()


Runner = Callable[[str, Sequence[Group]], float]
"""Carries out the calls of groups against the service at a URL, and gives by how much the machine was late at most."""


def run_sync(url: str, groups: Sequence[Group]) -> float:
    """Carries out the groups on some threads."""
    lag = Lag()
    with closed_port() as closed, ThreadPoolExecutor(THREADS + 1) as threads:
        watching = threads.submit(lag.watch)
        try:
            # Raises what no call should: a mistake of this module.
            for _ in threads.map(partial(carry_out_group, url, closed), groups, timeout=LONGEST_RUN):
                pass
        finally:
            lag.end()
        watching.result()
    return lag.seconds


def carry_out_group(url: str, closed: int, group: Group) -> None:
    try:
        with sync_client(group, url, closed) as client:
            carry = partial(carry_out, client, group)
            if group.workers == 1:
                for call in group.calls:
                    carry(call)
            else:
                with ThreadPoolExecutor(group.workers) as threads:
                    list(threads.map(carry, group.calls))
    except errors.InvalidParameter as error:
        for call in group.calls:
            call.report = error


def carry_out(client: Client, group: Group, call: Call) -> None:
    group.current = call
    lines = 1 + int(call.interrupt_after * MOST_LINES) if call.is_interrupted else 0
    clock = group.clock_of(RealClock())
    call.begin(clock, SUBMIT_SECONDS + group.deadline + GRACE)
    try:
        with interrupt_after(lines) if lines else ExitStack():
            if call.waits_apart:
                job = client.submit_model(SLUG, {"prompt": call.prompt})
                call.begin(clock, group.deadline + GRACE)
                call.end(job.wait())
            else:
                call.end(client.run_model(SLUG, {"prompt": call.prompt}))
    except Exception as error:
        call.end(error)
    except KeyboardInterrupt as error:
        call.interrupted(error)


class RealClock(SkippingClock):
    def __init__(self) -> None:
        super().__init__(stands_still=False)


def run_async(url: str, groups: Sequence[Group], backend: str = "asyncio") -> float:
    """Carries out the groups as tasks."""
    return anyio.run(run_tasks, url, groups, backend=backend)


async def run_tasks(url: str, groups: Sequence[Group]) -> float:
    lag = Lag()
    limiter = anyio.CapacityLimiter(CLIENTS_AT_ONCE)
    with anyio.fail_after(LONGEST_RUN), closed_port() as closed:
        async with anyio.create_task_group() as watching:
            watching.start_soon(lag.watch_async)
            async with anyio.create_task_group() as tasks:
                for group in groups:
                    tasks.start_soon(carry_out_group_async, url, closed, group, limiter)
            lag.end()
    return lag.seconds


async def carry_out_group_async(url: str, closed: int, group: Group, limiter: anyio.CapacityLimiter) -> None:
    http: httpx.AsyncClient | None = None
    async with limiter:
        try:
            more: dict[str, Any] = {}
            if group.kind == "transport":
                more = {"transport": BreakingTransport(group, closed)}
            elif group.kind == "client":
                hook = hook_of(group)

                async def read_and_raise(received: httpx.Response) -> None:
                    await received.aread()
                    hook(received)

                hooks = {"response": [read_and_raise]}
                http = httpx.AsyncClient(transport=BreakingTransport(group, closed), event_hooks=hooks)
                more = {"http_client": http}
            async with AsyncClient(DEFAULT_KEY, base_url=url, **more, **settings_of(group)) as client:
                calls = iter(group.calls)
                async with anyio.create_task_group() as tasks:
                    for _ in range(group.workers):
                        tasks.start_soon(carry_out_in_turn, client, group, calls)
        except errors.InvalidParameter as error:
            for call in group.calls:
                call.report = error
        finally:
            if http is not None:
                await http.aclose()


async def carry_out_in_turn(client: AsyncClient, group: Group, calls: Iterator[Call]) -> None:
    for call in calls:
        await carry_out_async(client, group, call)


async def carry_out_async(client: AsyncClient, group: Group, call: Call) -> None:
    group.current = call
    seconds = call.interrupt_after * MOST_SECONDS if call.is_interrupted else LONGEST_RUN
    clock = group.clock_of(RealClock())
    call.begin(clock, SUBMIT_SECONDS + group.deadline + GRACE)
    with anyio.move_on_after(seconds):
        try:
            if call.waits_apart:
                job = await client.submit_model(SLUG, {"prompt": call.prompt})
                call.begin(clock, group.deadline + GRACE)
                call.end(await job.wait())
            else:
                call.end(await client.run_model(SLUG, {"prompt": call.prompt}))
        except Exception as error:
            call.end(error)
        except anyio.get_cancelled_exc_class() as error:
            call.interrupted(error)
            raise


@attrs.frozen
class Case:
    """A call, what the client said of it, and what the double knows of it."""

    call: Call
    accepted: Mapping[str, str]
    """The request ids of the jobs that were accepted, and their states."""
    lag: float

    @property
    def report(self) -> Report:
        return self.call.report

    @property
    def named(self) -> str | None:
        """The request id that the client told."""
        return getattr(self.report, "request_id", None)

    @property
    def is_raw(self) -> bool:
        return not isinstance(self.report, JobResult | errors.SegmindError | Interruption)

    @property
    def says_nothing_was_accepted(self) -> bool:
        if isinstance(self.report, Interruption):
            return not self.named and not self.says_maybe_accepted
        refused = isinstance(self.report, errors.NotSent | errors.StatusError | errors.InvalidParameter)
        return refused and self.named is None

    @property
    def says_maybe_accepted(self) -> bool:
        if isinstance(self.report, Interruption):
            return "may have been accepted" in self.report.note
        return isinstance(self.report, errors.MayHaveBeenAccepted)

    @property
    def is_in_doubt(self) -> bool:
        """Whether the response to the last submit leaves open what came of it."""
        met = [fault for verb, fault in self.call.met if verb == "POST"]
        return bool(met) and met[-1] is not None and met[-1].doubtful

    @property
    def reported_state(self) -> str | None:
        """The state that the job must have, by the report."""
        if isinstance(self.report, JobResult):
            return "COMPLETED"
        return "FAILED" if isinstance(self.report, errors.InferenceFailed) else None

    def __str__(self) -> str:
        if isinstance(self.report, JobResult):
            return "finished"
        return f"{type(self.report).__name__}{', with its id' if self.named else ''}"


REFUSED_IS_NOT_ACCEPTED = "what is reported as not sent or refused was not accepted"
ONCE = "nothing is accepted twice"
NAMED = "what was accepted is named by its id, or reported as maybe accepted"
IN_DOUBT = "maybe accepted is said where there is doubt, and nowhere else"
ENDED = "a job has ended as it is reported"
ON_TIME = "no call takes more than a second longer than it may"
OURS = "nothing is raised but a SegmindError, or an interruption"
CLAIMS: dict[str, Callable[[Case], bool]] = {
    REFUSED_IS_NOT_ACCEPTED: lambda case: not (case.says_nothing_was_accepted and case.accepted),
    ONCE: lambda case: len(case.accepted) <= 1,
    NAMED: lambda case: (
        case.says_maybe_accepted or (case.named in case.accepted if case.accepted else case.named is None)
    ),
    IN_DOUBT: lambda case: isinstance(case.report, Interruption) or case.says_maybe_accepted == case.is_in_doubt,
    ENDED: lambda case: case.reported_state in (None, case.accepted.get(case.named or "")),
    ON_TIME: lambda case: case.call.took <= case.call.may_take + case.lag,
    OURS: lambda case: not case.is_raw,
}


def make_double() -> Double:
    return Double(Settings(polls_to_complete=POLLS_TO_COMPLETE), account=Account(DEFAULT_KEY, credits=1e6))


def play(runner: Runner, groups: Sequence[Group]) -> list[Case]:
    """Runs the calls against a double, and puts together what each side knows of them."""
    double = make_double()
    calls = [call for group in groups for call in group.calls]
    service = ChaosService(double, calls)
    quick = mock.patch.multiple(drivers, BODY_SECONDS=BODY_SECONDS, WRITE_SECONDS=WRITE_SECONDS)
    with service.server, quick:
        lag = runner(service.url, groups)
    accepted: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for job in double.store.transact(lambda tx: tx.oldest(Job, tx.count(Job))):
        accepted[job.parameters["prompt"]][job.request_id] = job.state(double.clock.now())
    return [Case(call, accepted[call.prompt], lag) for call in calls]


def broken_claims(cases: Sequence[Case]) -> Counter[str]:
    """The claims that do not hold, and of how many cases."""
    return Counter(claim for case in cases for claim, holds in CLAIMS.items() if not holds(case))


def outcome_table(runs: Mapping[str, Sequence[Case]]) -> str:
    """As what the client reported how many calls, and how many of them the double had accepted."""
    rows: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for name, cases in runs.items():
        for case in cases:
            for row in (str(case), "all"):
                rows[row].update({name: 1, f"{name}, accepted": bool(case.accepted)})
    return table("reported as", rows)


def kind_table(runs: Mapping[str, Sequence[Case]]) -> str:
    """Over what and how how many calls were made."""
    rows: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for name, cases in runs.items():
        for case in cases:
            rows[case.call.kind][name] += 1
    return table("calls over", rows)


def fault_table(cases: Sequence[Case]) -> str:
    """How many requests went wrong in which way."""
    rows: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for case in cases:
        for verb, fault in case.call.met:
            rows[fault.name if fault else "none"]["submits" if verb == "POST" else "polls and results"] += 1
    return table("fault", rows)


def table(title: str, rows: Mapping[str, Mapping[str, int]]) -> str:
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    lines = [[title, *columns], ["---", *("--:" for _ in columns)]]
    for name, row in sorted(rows.items(), key=lambda item: -sum(item[1].values())):
        lines.append([name, *(f"{row.get(column, 0):,}" for column in columns)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--submits", type=int, default=MOST_JOBS, help="of each client, up to %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="decides what goes wrong (default: %(default)s)")
    options = parser.parse_args(arguments)
    if not 0 < options.submits <= MOST_JOBS:
        parser.error("--submits: the double remembers no more jobs than that")
    # Thousands of warnings, each of which is right.
    logging.disable(logging.WARNING)
    runs: dict[str, list[Case]] = {}
    for name, runner in {"sync": run_sync, "async": run_async}.items():
        started = time.monotonic()
        runs[name] = play(runner, make_groups(options.submits, options.seed))
        lag = runs[name][0].lag
        print(
            f"{name}: {options.submits:,} submits in {time.monotonic() - started:.0f} s, {lag:.2f} s late", flush=True
        )
    broken = {name: broken_claims(cases) for name, cases in runs.items()}
    claims = {claim: {name: broken[name][claim] for name in runs} for claim in CLAIMS}
    tables = (kind_table(runs), fault_table(runs["sync"]), outcome_table(runs), table("broken claims", claims))
    print("", "\n\n".join(tables), sep="\n")
    for name, cases in runs.items():
        for case in [case for case in cases if any(not holds(case) for holds in CLAIMS.values())][:10]:
            print(f"{name}: {case.call.prompt} over {case.call.kind}: {case.report!r:.300}, accepted {case.accepted}")
    return 1 if any(broken.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
