"""When to poll a job."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from threading import Lock

import attrs

from segmind_api.catalog import POLL_INTERVAL_SECONDS, Model
from segmind_api.errors import UnreadableField
from segmind_api.models import JobResult

PRICE_OF_A_POLL = 0.05
"""As the square of a delay in seconds; squares, since one long delay is worse than many short ones."""

SHORTEST = 0.25
LONGEST = 0.8
"""Seconds between two polls at the age at which jobs usually end."""
LONGEST_SHARE = 1 / 20
LONGEST_OF_ALL = 2.0
"""Later, a share of the job's age, but no more than so many seconds."""

ENOUGH = 8
"""So many durations show how a model's durations vary. Fewer, the typical one among them, stand for others too."""
AROUND = (0.6, 0.8, 1.0, 1.25, 1.6)
"""Those others, as multiples."""

DURATIONS_KEPT = 32
"""Of each model, the last ones."""
PLANNED_EVERY = 8
"""So many durations change a schedule; planning takes longer than a call."""
MODELS_KEPT = 64


@attrs.frozen
class PollSchedule:
    """When to poll one job. Ages are in seconds since its submission."""

    times: Sequence[float] = ()
    """The best ages for a poll, ascending; without any, the pauses are as long as they may be."""
    at_once: bool = True
    """Whether to poll right away and a few times before the first of `times`, in case the job is much faster."""

    def pause(self, age: float, polls: int) -> float:
        """Seconds until the next poll of a job of this age that was polled so often."""
        if not polls:
            return 0.0 if self.at_once else max(0.0, self.times[0] - age)
        if self.times and age < self.times[0]:
            longest = max(POLL_INTERVAL_SECONDS, age)
        else:
            longest = min(max(LONGEST, age * LONGEST_SHARE), LONGEST_OF_ALL)
        best = next((time for time in self.times if time > age), math.inf)
        return min(max(best - age, SHORTEST), longest)


@attrs.define
class Learned:
    """How long the last jobs of one model took, and the schedule that follows."""

    durations: deque[float] = attrs.field(factory=lambda: deque(maxlen=DURATIONS_KEPT))
    schedule: PollSchedule | None = None
    since: int = 0
    """Durations that the schedule does not know of."""

    def take(self, seconds: float) -> None:
        self.durations.append(seconds)
        self.since += 1
        if self.since == PLANNED_EVERY or len(self.durations) <= ENOUGH:
            self.schedule = None

    def plan(self, typical: float | None) -> PollSchedule:
        self.since = 0
        if len(self.durations) >= ENOUGH:
            return PollSchedule(best_times(self.durations), at_once=False)
        if typical is None:
            return PollSchedule()
        times = best_times([seconds * multiple for seconds in (typical, *self.durations) for multiple in AROUND])
        return PollSchedule(times, at_once=not self.durations)


class Latencies:
    """How long the last jobs of each model took, as far as one client has seen; safe to share between threads."""

    def __init__(self) -> None:
        self._models: dict[str, Learned] = {}
        self._lock = Lock()

    def learn(self, slug: str, seconds: float) -> None:
        with self._lock:
            self._of(slug).take(seconds)

    def schedule(self, model: Model | None) -> PollSchedule:
        """For a job of this model, or of one that is not known."""
        if model is None:
            return PollSchedule()
        with self._lock:
            learned = self._of(model.slug)
            learned.schedule = learned.schedule or learned.plan(model.typical_latency_seconds)
            return learned.schedule

    def _of(self, slug: str) -> Learned:
        learned = self._models.pop(slug, None) or Learned()
        self._models[slug] = learned
        if len(self._models) > MODELS_KEPT:
            del self._models[next(iter(self._models))]
        return learned


def best_times(durations: Iterable[float]) -> tuple[float, ...]:
    """The ages at which polls would have cost least, had jobs taken so long."""
    ends = sorted(durations)
    # One plan for the first none, one, two … of the jobs. The last poll of a plan is at the end of its last job, and
    # is for all jobs whose end an earlier poll has not found.
    plans: list[tuple[float, tuple[float, ...]]] = [(0.0, ())]
    for count, last in enumerate(ends, start=1):
        options: list[tuple[float, int]] = []
        delays = 0.0
        for found in reversed(range(count)):
            delays += (last - ends[found]) ** 2
            options.append((plans[found][0] + PRICE_OF_A_POLL * (len(ends) - found) + delays, found))
        cost, found = min(options)
        plans.append((cost, (*plans[found][1], last)))
    return plans[-1][1]


def duration(result: JobResult, pending: float, ended: float) -> float:
    """Seconds that a job took: what its metrics say, but not less than an age at which it was pending, and no more
    than one at which it had ended."""
    try:
        seconds = result.metrics.total_time
    except UnreadableField:
        seconds = (pending + ended) / 2
    return min(max(seconds, pending), ended)


def every(interval: float) -> Callable[[float, int], float]:
    """The pauses of a fixed interval: a first poll at once, then always so many seconds."""
    return lambda _, polls: interval if polls else 0.0
