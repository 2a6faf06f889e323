"""Thousands of submits while everything goes wrong, and what the double accepted of them: `make chaos`."""

from __future__ import annotations

import argparse
import random
import socket
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing, contextmanager

import anyio
import attrs
import httpx

from segmind_api.catalog import MODELS
from segmind_api.models import JobResult
from segmind_api.types import ApiResponse
from segmind_client import errors
from segmind_client.drivers import AsyncDriver, SyncDriver
from segmind_client.flows import Caller, Clocks, Flow
from segmind_client.options import Options
from segmind_client.transport import AsyncConnections, AsyncSender, Connections, Sender
from segmind_mock import DEFAULT_KEY, Account, Double, Settings, serve
from segmind_mock.records import Job
from segmind_mock.service import MOST_JOBS

MODEL = next(iter(MODELS.values()))
KEY = {"x-api-key": DEFAULT_KEY}
UTC_START = 1_800_000_000.0
DEADLINE = 20.0
POLLS_TO_COMPLETE = 2
THREADS = 32
LONGEST_RUN = 1800.0
"""Real seconds until a run that hangs is given up."""
SHORTEST_READ = 0.1
LATE = 10.0
"""Real seconds that a slow answer is waited for, and those after which it would come."""
SHARES = (0.02, 0.05, 0.1, 0.2, 0.4, 1.0)
"""Of the requests of one call, those that go wrong. One share is for its submit, one for its polls and its result."""
KINDS = 2
"""Of faults that one call meets: an outage is of one kind, and lasts."""
FAILING_JOBS = 0.1


@attrs.frozen
class Fault:
    """How one request goes wrong."""

    name: str
    prefer: str = ""
    """What the double is asked for."""
    refused: bool = False
    """Whether the request goes to a port where nobody listens."""
    slow: bool = False
    instead: Callable[[], httpx.Response] | None = None
    """What a proxy answers in place of the service, which has carried out the call."""
    doubtful: bool = False
    """Whether a caller cannot know if a submit was accepted."""


FAULTS = (
    Fault("refused connection", refused=True),
    Fault("connection lost before acceptance", "drop=before", doubtful=True),
    Fault("connection lost after acceptance", "drop=after", doubtful=True),
    Fault("slow read", f"latency={LATE}", slow=True, doubtful=True),
    Fault("truncated body", "truncate=0.5", doubtful=True),
    Fault("truncated body of a 500", "code=500, truncate=0.5", doubtful=True),
    Fault("2xx that is no JSON", "malformed=json", doubtful=True),
    Fault("403", "code=403"),
    Fault("429", "code=429"),
    Fault("500", "code=500"),
    Fault("502", "code=502"),
    Fault("503", "code=503"),
    Fault("504", "code=504", doubtful=True),
    Fault("504 after acceptance", instead=lambda: httpx.Response(504, json={"error": "too slow"}), doubtful=True),
    Fault("a proxy's 502", "html=502", doubtful=True),
    Fault("a proxy's 502 after acceptance", instead=lambda: httpx.Response(502, html="<html>"), doubtful=True),
)


class Call:
    """One submit with a clock, a chance and faults of its own, so that it ends alike in whatever company."""

    def __init__(self, seed: int, number: int) -> None:
        self._random = random.Random(f"{seed}:{number}")  # noqa: S311  no secret
        self.shares = {verb: self._random.choice(SHARES) for verb in ("POST", "GET")}
        self._kinds = self._random.sample(FAULTS, KINDS)
        self._job_fails = self._random.random() < FAILING_JOBS
        self.prompt = f"cabin {number}"
        self.elapsed = 0.0
        self.met: list[tuple[str, Fault | None]] = []
        """The verb of each request, and what went wrong with it."""

    def flow(self) -> Flow[JobResult]:
        clocks = Clocks(lambda: self.elapsed, lambda: UTC_START + self.elapsed, self._random.random)
        return Caller(Options(deadline=DEADLINE), clocks).run(MODEL, {"prompt": self.prompt})

    def sleep(self, seconds: float) -> None:
        self.elapsed += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.elapsed += seconds

    def meet(self, request: httpx.Request, closed_port: int) -> Fault | None:
        """Draws what goes wrong with a request, and prepares the request for it."""
        struck = self._random.random() < self.shares[request.method]
        fault = self._random.choice(self._kinds) if struck else None
        self.met.append((request.method, fault))
        prefer = [fault.prefer] if fault and fault.prefer else []
        if self._job_fails and request.method == "POST":
            prefer.append("fail=blocked")
        request.headers["prefer"] = ", ".join(prefer)
        if fault and fault.refused:
            request.url = request.url.copy_with(port=closed_port)
        if fault and fault.slow:
            request.extensions["timeout"]["read"] = SHORTEST_READ
        return fault


@attrs.frozen
class Network(httpx.BaseTransport):
    """What the requests of one call go through."""

    call: Call
    connections: Connections
    closed_port: int

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        fault = self.call.meet(request, self.closed_port)
        came = self.connections.exchange(lambda: request, request.extensions)
        return fault.instead() if fault and fault.instead else as_it_came(came)


@attrs.frozen
class AsyncNetwork(httpx.AsyncBaseTransport):
    """`Network` with `await`."""

    call: Call
    connections: AsyncConnections
    closed_port: int

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        fault = self.call.meet(request, self.closed_port)
        came = await self.connections.exchange(lambda: request, request.extensions)
        return fault.instead() if fault and fault.instead else as_it_came(came)


def as_it_came(answer: ApiResponse) -> httpx.Response:
    return httpx.Response(answer.status, headers=dict(answer.headers), content=answer.content)


Report = JobResult | errors.SegmindError
Runner = Callable[[str, Sequence[Call]], list[Report]]


def run_sync(address: str, calls: Sequence[Call]) -> list[Report]:
    """Carries out the calls on some threads."""
    with closing(Connections(None)) as connections, closed_port() as port, ThreadPoolExecutor(THREADS) as threads:

        def carry_out(call: Call) -> Report:
            sender = Sender(address, KEY, Network(call, connections, port))
            try:
                return SyncDriver(sender, sleep=call.sleep).carry_out(call.flow())
            except errors.SegmindError as error:
                return error

        return list(threads.map(carry_out, calls, timeout=LONGEST_RUN))


def run_async(address: str, calls: Sequence[Call], backend: str = "asyncio") -> list[Report]:
    """Carries out the calls all at once."""
    return anyio.run(run_tasks, address, calls, backend=backend)


async def run_tasks(address: str, calls: Sequence[Call]) -> list[Report]:
    reports: dict[str, Report] = {}

    async def carry_out(call: Call, connections: AsyncConnections, port: int) -> None:
        sender = AsyncSender(address, KEY, AsyncNetwork(call, connections, port))
        try:
            reports[call.prompt] = await AsyncDriver(sender, sleep=call.sleep_async).carry_out(call.flow())
        except errors.SegmindError as error:
            reports[call.prompt] = error

    with anyio.fail_after(LONGEST_RUN), closed_port() as port:
        async with aclosing(AsyncConnections(None)) as connections, anyio.create_task_group() as group:
            for call in calls:
                group.start_soon(carry_out, call, connections, port)
    return [reports[call.prompt] for call in calls]


@contextmanager
def closed_port() -> Generator[int]:
    """A port that is taken, and where nobody listens."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@attrs.frozen
class Case:
    """A call, what the client said of it, and what the double knows of it."""

    call: Call
    report: Report
    accepted: Mapping[str, str]
    """The request ids of the jobs that were accepted, and their states."""

    @property
    def named(self) -> str | None:
        """The request id that the client told."""
        return self.report.request_id

    @property
    def says_nothing_was_accepted(self) -> bool:
        return isinstance(self.report, errors.NotSent | errors.StatusError) and self.named is None

    @property
    def says_maybe_accepted(self) -> bool:
        return isinstance(self.report, errors.MayHaveBeenAccepted)

    @property
    def is_in_doubt(self) -> bool:
        """Whether the answer to the last submit leaves open what came of it."""
        last = [fault for verb, fault in self.call.met if verb == "POST"][-1]
        return last is not None and last.doubtful

    @property
    def reported_state(self) -> str | None:
        """The state that the job must have, by the report."""
        states: Mapping[type[Report], str] = {JobResult: "COMPLETED", errors.InferenceFailed: "FAILED"}
        return states.get(type(self.report))

    def __str__(self) -> str:
        if isinstance(self.report, JobResult):
            return "finished"
        return f"{type(self.report).__name__}{', with its id' if self.named else ''}"


REFUSED_IS_NOT_ACCEPTED = "what is reported as not sent or refused was not accepted"
ONCE = "nothing is accepted twice"
NAMED = "what was accepted is named by its id, or reported as maybe accepted"
IN_DOUBT = "maybe accepted is said where there is doubt, and nowhere else"
CLAIMS: dict[str, Callable[[Case], bool]] = {
    REFUSED_IS_NOT_ACCEPTED: lambda case: not (case.says_nothing_was_accepted and case.accepted),
    ONCE: lambda case: len(case.accepted) <= 1,
    NAMED: lambda case: (
        case.says_maybe_accepted or (case.named in case.accepted if case.accepted else case.named is None)
    ),
    IN_DOUBT: lambda case: case.says_maybe_accepted == case.is_in_doubt,
    "a job has ended as it is reported": lambda case: (
        case.reported_state in (None, case.accepted.get(case.named or ""))
    ),
    "no call takes longer than it may": lambda case: case.call.elapsed <= Options().retry_seconds + DEADLINE,
}


def make_double() -> Double:
    return Double(Settings(polls_to_complete=POLLS_TO_COMPLETE), account=Account(DEFAULT_KEY, credits=1e6))


def play(runner: Runner, address: str, double: Double, submits: int, seed: int) -> list[Case]:
    """Runs so many calls against the double at the address, and puts together what each side knows of them."""
    calls = [Call(seed, number) for number in range(submits)]
    reports = runner(address, calls)
    accepted: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for job in double.store.transact(lambda tx: tx.oldest(Job, tx.count(Job))):
        accepted[job.parameters["prompt"]][job.request_id] = job.state(double.clock.now())
    return [Case(call, report, accepted[call.prompt]) for call, report in zip(calls, reports, strict=True)]


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
    runs: dict[str, list[Case]] = {}
    for name, runner in {"sync": run_sync, "async": run_async}.items():
        double, started = make_double(), time.monotonic()
        with serve(double.app) as address:
            runs[name] = play(runner, address, double, options.submits, options.seed)
        print(f"{name}: {options.submits:,} submits in {time.monotonic() - started:.0f} s", flush=True)
    broken = {name: broken_claims(cases) for name, cases in runs.items()}
    claims = {claim: {name: broken[name][claim] for name in runs} for claim in CLAIMS}
    print("", fault_table(runs["sync"]), "", outcome_table(runs), "", table("broken claims", claims), sep="\n")
    return 1 if any(broken.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
