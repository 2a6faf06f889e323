"""Which submits are made, with which client, options and interruptions. A seed decides all of it."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from typing import Any

import anyio.lowlevel
import attrs

from segmind_api.models import JobResult
from segmind_client import AsyncJobHandle, JobHandle, errors
from tests.client.chaos.service import FAULTS, Fault, FaultyCall, Window
from tests.support.internals import Clock

CALLS_OF_A_CLIENT = 20
DEADLINE = 3.0
RETRY_SECONDS = 60.0
CONNECT_SECONDS = 2.0
READ_SECONDS = 2.0
BODY_SECONDS = 0.5
WRITE_SECONDS = 0.5
"""These two replace constants of the client, which no option sets."""
LIMITS = {
    "deadline": DEADLINE,
    "connect_seconds": CONNECT_SECONDS,
    "read_seconds": READ_SECONDS,
    "retry_seconds": RETRY_SECONDS,
}
SUBMIT_SECONDS = RETRY_SECONDS + DEADLINE + CONNECT_SECONDS + READ_SECONDS + BODY_SECONDS + WRITE_SECONDS
"""The time limit of a submit: its attempts, what it waits for a rate limit, and its last exchange."""
GRACE = 1.0
"""Seconds that a call may take beyond its time limit."""
ABSURD: tuple[Mapping[str, Any], ...] = (
    *({"attempts": 50}, {"attempts": 1}, {"retry_seconds": 0}, {"interval": 0}, {"interval": 1e6}, {"deadline": 0}),
    *({"read_seconds": 1e6}, {"connect_seconds": 1e6}, {"generate_seconds": 1e-3}, {"deadline": 1e-3}),
)
"""Options that a client accepts."""
IMPOSSIBLE: tuple[Mapping[str, Any], ...] = (
    *({"deadline": 10**400}, {"read_seconds": 1e10}, {"attempts": 1024}, {"attempts": 0}, {"interval": -1}),
    *({"deadline": float("nan")}, {"deadline": None}, {"connect_seconds": "3"}, {"read_seconds": 0}),
)
"""Options that a client has to refuse."""
KINDS = {
    "own connections": 8,
    "own connections, interrupted": 4,
    "transport": 3,
    "client": 3,
    "shared": 2,
    "absurd": 4,
    "impossible": 1,
}
"""The kinds of clients, and how often each is used."""
INTERRUPTED_WHEN_SHARED = 0.1
WORKERS = 6
"""Threads or tasks that share a client."""
SHARED_LIMIT = (10, 0.5)
"""Requests of a shared client in so many seconds."""


class SkippingClock:
    """Real time, or time that stands still; pauses end at once and move it forward. For one call at a time."""

    def __init__(self, *, stands_still: bool = False) -> None:
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
    """What an interrupted call says about its job."""

    request_id: str | None
    note: str


Report = JobResult | errors.SegmindError | Interruption | Exception
NEVER_ENDED = RuntimeError("the call never ended")


class Call(FaultyCall):
    """One submit, and how it ended."""

    def __init__(self, seed: int, number: int, kind: str, faults: Sequence[Fault], window: Window | None) -> None:
        super().__init__(seed, number, faults, window)
        self.kind = kind
        self.is_interrupted = "interrupted" in kind or (
            kind == "shared" and self.random.random() < INTERRUPTED_WHEN_SHARED
        )
        self.interrupt_after = self.random.random()
        """A share of the most function calls, or of the most seconds."""
        self.waits_apart = self.random.random() < 0.5
        """Whether it calls submit and wait, instead of run."""
        self.breaks = self.random.choice((0.0, 0.1, 0.5)) if kind in ("transport", "client") else 0.0
        """How often its hook or transport raises."""
        self.report: Report = NEVER_ENDED
        self.job: JobHandle | AsyncJobHandle | None = None
        """What submit has returned."""
        self.took = 0.0
        """Seconds by the client's clock."""
        self.may_take = 0.0
        if window is not None:
            # With a real clock, retries take real seconds.
            self.shares = dict.fromkeys(self.shares, 0.05)

    def begin(self, clock: Clock, may_take: float) -> None:
        self._clock, self._began, self.may_take = clock, clock.monotonic(), may_take

    def end(self, report: Report) -> None:
        self.report, self.took = report, self._clock.monotonic() - self._began

    def interrupt(self, error: BaseException) -> None:
        # A signal that arrives before the client has looked at another error leaves that as the context, which Python
        # prints as well.
        context = error.__context__ if isinstance(error.__context__, errors.SegmindError) else None
        notes = [*getattr(error, "__notes__", []), str(context or "")]
        request_id = getattr(error, "request_id", context.request_id if context else None)
        if request_id is None and self.job is not None:
            request_id = self.job.request_id
        self.end(Interruption(request_id, " ".join(notes)))


@attrs.define
class Group:
    """Calls that share a client."""

    kind: str
    calls: list[Call]
    options: Mapping[str, Any]
    clock: SkippingClock | None
    """None for the client's own clock; its calls run at the same time then."""
    current: Call | None = None
    """The call that is running, where only one runs at a time."""

    @property
    def deadline(self) -> float:
        return float(self.options.get("deadline", DEADLINE))

    @property
    def workers(self) -> int:
        return 1 if self.clock else WORKERS

    @property
    def client_options(self) -> dict[str, Any]:
        return {**self.options, **({"clock": self.clock} if self.clock else {})}

    def running_call(self) -> Call:
        assert self.current is not None
        return self.current

    def begin(self, call: Call) -> None:
        self.current = call
        call.begin(self.clock or SkippingClock(), SUBMIT_SECONDS + self.deadline + GRACE)

    def begin_wait(self, call: Call) -> None:
        call.begin(self.clock or SkippingClock(), self.deadline + GRACE)


def make_groups(
    submits: int,
    seed: int,
    *,
    stands_still: bool = False,
    faults: Sequence[Fault] = FAULTS,
    kinds: Sequence[str] = tuple(KINDS),
    size: int = CALLS_OF_A_CLIENT,
) -> list[Group]:
    groups: list[Group] = []
    for first in range(0, submits, size):
        chance = random.Random(f"{seed}:group:{first}")  # noqa: S311  no secret
        kind = chance.choices(kinds, [KINDS[kind] for kind in kinds])[0]
        window = Window(*SHARED_LIMIT) if kind == "shared" else None
        more = chance.choice(ABSURD if kind == "absurd" else IMPOSSIBLE if kind == "impossible" else ({},))
        numbers = range(first, min(first + size, submits))
        calls = [Call(seed, number, kind, faults, window) for number in numbers]
        clock = None if kind == "shared" else SkippingClock(stands_still=stands_still)
        groups.append(Group(kind, calls, {**LIMITS, **more}, clock))
    return groups
