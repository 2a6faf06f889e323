#!/usr/bin/env python3
"""When the client polls, beside polling every second as the vendor's package does, on a clock that is moved.

Carries out the client's own flows. Exits with 1 unless the client sends fewer polls and knows earlier of the end of a
job than the vendor's package, on the mean and for 95 of 100 jobs, in each of the cases.
"""

from __future__ import annotations

import json
import math
import random
import statistics
import sys
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from segmind_api.catalog import MODELS
from segmind_api.headers import ResponseHeaders
from segmind_api.types import ApiResponse
from segmind_client import jobs
from segmind_client.call import Call
from segmind_client.polling import ENOUGH
from segmind_client.retry import Caller
from segmind_client.steps import Pause, Send

SEED = 1
ROUND_TRIP = 0.15
"""Seconds; a request arrives half way."""
VENDORS_INTERVAL = 1.0
"""Seconds from a response to the next poll; the first comes right after the submission."""
JOBS = 2500
"""Of each case, one after the other by one client."""
FRESH = 100
"""Clients that have learned nothing."""
LIMIT = 60
"""Requests a minute that an account may have."""
BESIDE_POLLS = 2
"""Requests for each job: its submission and its result."""
NOTHING = ResponseHeaders({"content-type": "application/json"})


def around(median: float, sigma: float) -> Callable[[random.Random], float]:
    return lambda chance: median * math.exp(sigma * chance.gauss(0, 1))


def with_cold_starts(chance: random.Random) -> float:
    return chance.uniform(60, 180) if chance.random() < 0.05 else around(8, 0.2)(chance)


@attrs.frozen
class Case:
    """How long jobs take, in seconds, typically and each."""

    name: str
    typical: float
    draw: Callable[[random.Random], float]


SPREADS = {1: (0.1, 0.3, 0.5), 8: (0.1, 0.2, 0.35, 0.5), 12: (0.1, 0.2, 0.35)}
CASES = [
    *(
        Case(f"{median} s, sigma {sigma}", median, around(median, sigma))
        for median, sigmas in SPREADS.items()
        for sigma in sigmas
    ),
    Case("8 s, 5% of 60-180 s", 8, with_cold_starts),
]


@attrs.frozen
class Figures:
    """What waiting for jobs took."""

    polls: float
    """Status requests for a job."""
    mean: float
    """Seconds from a job's end until the client knows."""
    p95: float

    @classmethod
    def of(cls, jobs: Sequence[tuple[int, float]]) -> Figures:
        delays = sorted(delay for _, delay in jobs)
        return cls(
            statistics.fmean(polls for polls, _ in jobs), statistics.fmean(delays), delays[len(jobs) * 95 // 100]
        )

    def __str__(self) -> str:
        return f"{self.polls:8.2f}{self.mean:6.2f}{self.p95:6.2f}"


class World:
    """A clock, and a service whose jobs take as long as they are told to."""

    def __init__(self, *, typical: float | None, tells_times: bool = True) -> None:
        self._now = 0.0
        self._tells_times = tells_times
        self._model = attrs.evolve(next(iter(MODELS.values())), typical_latency_seconds=typical)
        self._caller = Caller(clock=self)

    def monotonic(self) -> float:
        return self._now

    def sleep_until(self, moment: float) -> None:
        self._now = max(self._now, moment)

    async def sleep_until_async(self, moment: float) -> None:
        self.sleep_until(moment)

    def run(self, seconds: float, *, interval: float | None) -> tuple[int, float]:
        """A job that takes so long: its polls, and the seconds until its end was known."""
        options = {"deadline": 3600, "interval": interval}
        flow = jobs.run(self._caller.with_options(options), Call(), self._model, {"prompt": "x"})
        polls, accepted, known = 0, self._now + ROUND_TRIP / 2, 0.0
        body: dict[str, Any] = {}
        step: Send | Pause = next(flow)
        try:
            while True:
                if isinstance(step, Pause):
                    self._now += step.seconds
                    step = next(flow)
                    continue
                arrives = self._now + ROUND_TRIP / 2
                self._now += ROUND_TRIP
                if step.request.method == "POST":
                    body = {"request_id": "id", "status": "QUEUED"}
                elif not step.request.path.endswith("/status"):
                    body = {"status": "COMPLETED", "metrics": {"total_time": seconds} if self._tells_times else {}}
                else:
                    polls += 1
                    ended = arrives >= accepted + seconds
                    body = {"status": "COMPLETED" if ended else "PROCESSING"}
                    known = self._now
                step = flow.send(ApiResponse(200, NOTHING, json.dumps(body).encode()))
        except StopIteration:
            return polls, known - accepted - seconds


Jobs = list[tuple[int, float]]


def run_jobs(case: Case, world: World, count: int, *, seed: int = SEED, interval: float | None = None) -> Jobs:
    chance = random.Random(seed)  # noqa: S311  has to come out the same each time
    return [world.run(case.draw(chance), interval=interval) for _ in range(count)]


def compare() -> int:
    """How many figures are not better than the vendor's."""
    print(f"{JOBS} jobs one after the other: polls a job, mean and 95th percentile of the delay in seconds")
    row = "{:<20}" + "{:>25}" * 3 + "{:>20}"
    print(row.format("jobs of", "every second", "this client", "it, not told the times", f"jobs in {LIMIT} requests"))
    worse = 0
    for case in CASES:
        vendors = Figures.of(run_jobs(case, World(typical=None), JOBS, interval=VENDORS_INTERVAL))
        ours = Figures.of(run_jobs(case, World(typical=case.typical), JOBS))
        untold = Figures.of(run_jobs(case, World(typical=case.typical, tells_times=False), JOBS))
        rates = " -> ".join(f"{LIMIT / (one.polls + BESIDE_POLLS):.1f}" for one in (vendors, ours))
        print(row.format(case.name, str(vendors), str(ours), str(untold), rates), flush=True)
        worse += sum(mine >= theirs for mine, theirs in zip(attrs.astuple(ours), attrs.astuple(vendors), strict=True))
    return worse


TYPICAL = {"typical time right": 1.0, "half of it": 0.5, "twice": 2.0, "unknown": None}
"""What the contract says, times what is true."""


def while_little_is_learned() -> None:
    firsts: dict[tuple[str, str], Jobs] = {}
    others: dict[tuple[str, str], Jobs] = {}
    for case in CASES:
        for name, factor in TYPICAL.items():
            for seed in range(FRESH):
                world = World(typical=factor and factor * case.typical)
                first, *following = run_jobs(case, world, ENOUGH, seed=seed)
                firsts.setdefault((case.name, name), []).append(first)
                others.setdefault((case.name, name), []).extend(following)
    for title, shown in ((f"first jobs of {FRESH} clients", firsts), (f"their jobs 2 to {ENOUGH}", others)):
        print(f"\n{title:<28}" + "".join(f"{name:>22}" for name in TYPICAL))
        for case in CASES:
            print(f"{case.name:<28}" + "".join(f"{Figures.of(shown[case.name, name])!s:>22}" for name in TYPICAL))


def single_jobs() -> None:
    row = "{:<40}" + "{:>20}" * 2
    print("\n" + row.format("one job: polls, delay in seconds", "every second", "this client"))
    for before, typical, lengths in ((0, 12, (0, 0.6, 1.2, 6, 12)), (100, 8, (60, 120, 180, 600))):
        for seconds in lengths:
            cells: list[str] = []
            for interval in (VENDORS_INTERVAL, None):
                world = World(typical=typical)
                run_jobs(CASES[4], world, before)
                polls, delay = world.run(seconds, interval=interval)
                cells.append(f"{polls}{delay:8.2f}")
            print(row.format(f"{seconds:g} s, after {before} where {typical} s are typical", *cells))


def main() -> int:
    worse = compare()
    while_little_is_learned()
    single_jobs()
    print(f"\n{worse} of {3 * len(CASES)} figures are not better than those of polling every second")
    return min(worse, 1)


if __name__ == "__main__":
    sys.exit(main())
