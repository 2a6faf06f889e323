"""When to poll a job."""

from __future__ import annotations

import math
import weakref
from collections import deque
from collections.abc import Iterable, Sequence
from statistics import median_low
from threading import RLock

import attrs

from segmind_api.catalog import POLL_INTERVAL_SECONDS, Model
from segmind_api.errors import UnreadableField
from segmind_api.models import JobResult

PRICE_OF_A_POLL = 0.05
"""What a poll costs, as the square of a delay in seconds: one long delay is worse than many short ones."""

SHORTEST = 0.25
LONGEST = 0.8
"""The shortest and longest seconds between two polls while the job is as old as jobs usually get."""
LATE_SHARE = 1 / 20
LONGEST_OF_ALL = 2.0
"""The pause between later polls: a share of the job's age, and the most seconds."""
SPARING_SHARE = 1 / 4
"""The same share while a rate limit makes polls scarce; there is no limit in seconds then."""
SHORTEST_INTERVAL = 0.1
"""Seconds; the shortest `interval`."""
FIRST_LOOK = 0.05
LOOK_SHARE = 0.1
"""When a job waits for the duration of another job, it checks after so many seconds, later after a share of its age."""

LONGEST_LOOK = 5.0
"""The same in seconds while requests are scarce."""

ENOUGH = 8
"""So many durations show how much the durations of a model vary. If there are fewer, each stands for others around it.
"""
AROUND = (0.6, 0.8, 1.0, 1.25, 1.6)
"""These others, as multiples."""

DURATIONS_KEPT = 32
"""The most recent durations of each model."""
PLANNED_EVERY = 8
"""A schedule is planned again after so many durations: planning takes more CPU than a call."""
MODELS_KEPT = 64


@attrs.frozen
class PollSchedule:
    """When to poll one job. Ages are in seconds since its submission."""

    times: Sequence[float] = ()
    """The best ages for a poll, ascending. Without any, each pause is the longest that is allowed."""
    at_once: bool = True
    """Whether to poll at once, and at growing intervals until the first of `times`, since the job may be much faster.
    """
    late_share: float = LATE_SHARE
    """The pause after the last of `times`, as a share of the job's age."""

    def pause(self, age: float, polls: int) -> float:
        """Seconds until the next poll of a job of this age, after so many polls."""
        if not polls:
            return 0.0 if self.at_once else max(0.0, self.times[0] - age)
        if self.times and age < self.times[0]:
            longest = max(POLL_INTERVAL_SECONDS, age)
        else:
            most = LONGEST_OF_ALL if self.late_share == LATE_SHARE else math.inf
            longest = min(max(LONGEST, age * self.late_share), most)
        best = next((time for time in self.times if time > age), math.inf)
        return min(max(best - age, SHORTEST), longest)


@attrs.define
class Learned:
    """How long the last jobs of one model took, and which jobs are waited for."""

    durations: deque[float] = attrs.field(factory=lambda: deque(maxlen=DURATIONS_KEPT))
    schedule: PollSchedule | None = None
    since: int = 0
    """Durations that were added after the schedule was planned."""
    waiting: weakref.WeakSet[PollPlan] = attrs.field(factory=lambda: weakref.WeakSet[PollPlan]())
    scout: weakref.ref[PollPlan] | None = None
    """The plan of the one job that is polled early and often while no duration is known; the other jobs wait for it."""

    def take(self, seconds: float) -> None:
        self.durations.append(seconds)
        self.since += 1
        if self.since == PLANNED_EVERY or len(self.durations) <= ENOUGH:
            self.schedule = None

    def is_scout(self, plan: PollPlan) -> bool:
        if self.scout is None or self.scout() is None:
            self.scout = weakref.ref(plan)
        return self.scout() is plan

    def likely_end(self, typical: float | None) -> float:
        """An age at which most jobs have ended. A job that took much longer than all others does not count."""
        known = self.durations if typical is None else (typical, *self.durations)
        usual = max(median_low(known), typical or 0.0)
        return min(max(self.durations), usual * AROUND[-1])

    def planned(self, typical: float | None) -> PollSchedule:
        if self.schedule is None:
            self.since = 0
            self.schedule = self._plan(typical)
        return self.schedule

    def _plan(self, typical: float | None) -> PollSchedule:
        if len(self.durations) >= ENOUGH:
            return PollSchedule(best_times(self.durations), at_once=False)
        if typical is None:
            return PollSchedule()
        times = best_times([seconds * multiple for seconds in (typical, *self.durations) for multiple in AROUND])
        return PollSchedule(times, at_once=not self.durations)


class PollPlan:
    """When to poll one job."""

    __slots__ = ("__weakref__", "_interval", "_latencies", "_model")

    def __init__(self, latencies: Latencies, model: Model | None, interval: float | None) -> None:
        self._latencies = latencies
        self._model = model
        self._interval = interval

    def pause(self, age: float, polls: int, *, sparing: bool = False) -> float:
        """Seconds until the next poll of a job of this age, after so many polls."""
        if self._interval is not None:
            return self._interval if polls else 0.0
        return self._latencies.schedule(self._model, self, sparing=sparing).pause(age, polls)

    def look_again(self, age: float, *, sparing: bool = False) -> float:
        """Seconds after which `pause` may have become shorter, because other jobs have ended."""
        if self._interval is not None:
            return math.inf
        if self._latencies.may_learn(self._model, self, sparing=sparing):
            return max(FIRST_LOOK, age * LOOK_SHARE)
        return LONGEST_LOOK if sparing else math.inf

    def release(self) -> None:
        """Ends the wait for the job."""
        self._latencies.release(self._model, self)


class Latencies:
    """How long the last jobs of each model took, as one client has seen; safe to share between threads."""

    def __init__(self) -> None:
        self._models: dict[str, Learned] = {}
        # Reentrant: a signal handler or the garbage collector may call these methods while the same thread holds the
        # lock.
        self._lock = RLock()

    def plan(self, model: Model | None, interval: float | None = None) -> PollPlan:
        """The plan for a job of this model, or of an unknown one; at a fixed interval, where there is one."""
        plan = PollPlan(self, model, interval)
        if model is not None and interval is None:
            with self._lock:
                self._of(model.slug).waiting.add(plan)
        return plan

    def learn(self, slug: str, seconds: float) -> None:
        with self._lock:
            self._of(slug).take(seconds)

    def remaining(self, model: Model | None, age: float) -> float | None:
        """Seconds until a job of this age is likely to have ended; None for an unknown model."""
        if model is None:
            return None
        with self._lock:
            learned, typical = self._of(model.slug), model.typical_latency_seconds
            end = learned.likely_end(typical) if learned.durations else typical
        return None if end is None else max(0.0, end - age)

    def release(self, model: Model | None, plan: PollPlan) -> None:
        if model is not None:
            with self._lock:
                learned = self._of(model.slug)
                learned.waiting.discard(plan)
                if learned.scout is not None and learned.scout() is plan:
                    learned.scout = None

    def may_learn(self, model: Model | None, plan: PollPlan, *, sparing: bool) -> bool:
        """Whether the durations of other jobs may bring the next poll of this one forward."""
        if model is None:
            return False
        with self._lock:
            learned = self._of(model.slug)
            return not learned.durations and (sparing or not learned.is_scout(plan))

    def schedule(self, model: Model | None, plan: PollPlan | None = None, *, sparing: bool = False) -> PollSchedule:
        """For a job of this model, or of an unknown one. A sparing schedule has fewer polls and longer delays."""
        if model is None:
            return PollSchedule(late_share=SPARING_SHARE) if sparing else PollSchedule()
        with self._lock:
            learned = self._of(model.slug)
            typical = model.typical_latency_seconds
            late_share = SPARING_SHARE if sparing else LATE_SHARE
            is_one_of_many = plan is not None and len(learned.waiting) > 1
            if learned.durations and (sparing or (is_one_of_many and len(learned.durations) < ENOUGH)):
                return PollSchedule((learned.likely_end(typical),), at_once=False, late_share=late_share)
            if typical is not None and not learned.durations:
                if sparing:
                    return PollSchedule((typical,), at_once=False, late_share=late_share)
                if is_one_of_many and plan is not None and not learned.is_scout(plan):
                    return PollSchedule((typical * AROUND[-1],), at_once=False)
            return learned.planned(typical)

    def _of(self, slug: str) -> Learned:
        learned = self._models.pop(slug, None) or Learned()
        self._models[slug] = learned
        if len(self._models) > MODELS_KEPT:
            del self._models[next(iter(self._models))]
        return learned


def best_times(durations: Iterable[float]) -> tuple[float, ...]:
    """The ages at which polls would have cost least for jobs of these durations."""
    ends = sorted(durations)
    # The best plan for the first 0, 1, 2 … jobs, each from those before it. The last poll of a plan is at the end of
    # its last job, and also finds the jobs that ended after the poll before it.
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
    """Seconds that a job took: by its metrics, but not less than an age at which it was pending, and not more than one
    at which it had ended.
    """
    try:
        seconds = result.metrics.total_time
    except UnreadableField:
        seconds = (pending + ended) / 2
    return min(max(seconds, pending), ended)
