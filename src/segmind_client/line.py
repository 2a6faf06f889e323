"""The queue in which requests of one client wait for a free connection and for the rate limit to reset."""

from __future__ import annotations

import heapq
import itertools
import logging
import math
import threading
import weakref
from collections.abc import Callable
from enum import IntEnum

import anyio

from segmind_api.types import ApiResponse
from segmind_client.clock import Clock
from segmind_client.errors import ClientUnusable, NotSent, RateLimited

CONNECTIONS = 100
"""The most requests that one client sends at the same time."""
RESERVED = 10
"""Connections that v1 calls leave free for polls, results and submits."""
HEARTBEAT_SECONDS = 1.0
"""The longest sleep of a waiting thread. Another 429 may have extended the limit, or an exception of a signal handler
may have prevented the call that wakes the thread.
"""
CAUTIOUS_SECONDS = 60.0
"""Seconds after the reset of a rate limit during which requests are sent about as fast as in the window before."""
CAUTIOUS_SHARE = 10
"""During that time, one request is in flight for every so many requests that passed in the window before."""
DOUBLING_SECONDS = 1.0
"""After each of these periods without a 429, twice as many v1 calls may be in flight: another client with the same key
may have used up the window before.
"""
LONGEST_HOLD_SECONDS = 120.0
"""The longest time for which one 429 stops other requests. It may name a later time, but that may be wrong, or be about
one model only.
"""
MOST_NAMED = 20
"""The most jobs that one log record names."""

CLOSED = "the client is closed: make another one; job(request_id) picks up there what was submitted here"

logger = logging.getLogger("segmind_client")


class Rank(IntEnum):
    """The order in which requests are admitted: those for paid results first."""

    RESULT = 0
    POLL = 1
    SUBMIT = 2


class Turn:
    """The place of one request in the line. Times are monotonic."""

    __slots__ = (
        *("__weakref__", "admitted", "expires", "gone", "is_late", "path", "patience", "rank", "request_id"),
        *("since", "slow", "until", "wake"),
    )

    def __init__(
        self,
        rank: Rank,
        *,
        since: float,
        until: float = math.inf,
        expires: float = math.inf,
        patience: float = math.inf,
        slow: bool = False,
        request_id: str | None = None,
        path: str = "",
    ) -> None:
        self.rank = rank
        self.since = since
        """When the request was first to be sent."""
        self.until = until
        """Its deadline."""
        self.expires = expires
        """When its job expires. Of two turns of one rank, the one that expires first is admitted first."""
        self.patience = patience
        """Seconds after which it gives up if every request of its rank and path was refused with 429."""
        self.path = path
        """The path of a submit, which names its model: a limit may hold for one model only."""
        self.slow = slow
        """Whether it is a v1 call, whose response comes when the image is there."""
        self.request_id = request_id
        self.admitted = False
        self.gone = False
        self.is_late = False
        """Whether the rate limit resets after its deadline."""
        self.wake: Callable[[], object] | None = None


Waiting = tuple[int, float, int, Turn]
"""Rank, expiry, number and turn; tuples sort in the order of admission."""


class Line:
    """Admits requests by rank, then by expiry, while connections are free and no rate limit holds.

    What one 429 says holds for every request in the line. Safe to share between threads, or between the tasks of one
    event loop.
    """

    def __init__(self, connections: int = CONNECTIONS) -> None:
        # Reentrant: a signal handler may send a request while its thread holds the lock. Admitted turns are held by
        # weak references: if an interrupt loses a turn, its place is free again.
        self._mutex = threading.RLock()
        self._connections = connections
        self._numbers = itertools.count()
        self._waiting: tuple[list[Waiting], list[Waiting]] = ([], [])
        self._sending: tuple[dict[int, weakref.ref[Turn]], dict[int, weakref.ref[Turn]]] = ({}, {})
        self._timekeeper: Turn | None = None
        self._opens = -math.inf
        self._resets = -math.inf
        self._refusal: ApiResponse | None = None
        self._message = ""
        self._passed = 0
        self._passed_at: dict[tuple[Rank, str], float] = {}
        self._budget = connections
        self._swept_at = -math.inf
        self._closed = False

    def is_limited(self, now: float) -> bool:
        """Whether the rate limit holds, or has reset a short while ago."""
        return now < self._opens + CAUTIOUS_SECONDS

    def is_scarce(self, now: float) -> bool:
        """Whether requests are waiting, or may soon have to."""
        return any(self._first(slow) for slow in (False, True)) or self.is_limited(now)

    def passed(self, turn: Turn, now: float) -> None:
        """Records a response other than 429 to the request of a turn."""
        with self._mutex:
            self._passed_at[turn.rank, turn.path] = now
            self._passed += now >= self._opens

    def limit(self, turn: Turn, now: float, seconds: float, response: ApiResponse, what: str, message: str) -> None:
        """Records a 429 to the request of a turn: the limit resets in so many seconds."""
        with self._mutex:
            opens, is_news = now + min(seconds, LONGEST_HOLD_SECONDS), now >= self._opens
            self._refusal, self._message = response, message
            self._resets = now + seconds if is_news else max(self._resets, now + seconds)
            if is_news:
                # Requests in flight count as passed until a 429 to them arrives.
                self._budget, self._passed = self._passed + sum(map(len, self._sending)) + 1, 0
            self._budget = max(1, self._budget - 1)
            if opens > self._opens + HEARTBEAT_SECONDS:
                self._opens = opens
                self._give_up_late_turns(turn, what, now, seconds)
            turn.is_late = self._is_late(turn, now + seconds)
            self._opens = max(self._opens, opens)
            self._wake_first()

    def _give_up_late_turns(self, refused: Turn, what: str, now: float, seconds: float) -> None:
        references = [reference for sending in self._sending for reference in sending.values()]
        sending = [turn for reference in references if (turn := reference()) is not None]
        waiting = [refused, *sending, *(turn for turns in self._waiting for *_, turn in turns if not turn.gone)]
        late = [turn for turn in waiting if self._is_late(turn, now + seconds)]
        jobs = list(dict.fromkeys(turn.request_id for turn in late if turn.request_id))
        more = f" and {len(jobs) - MOST_NAMED} more" if len(jobs) > MOST_NAMED else ""
        beyond = f"; too late for the jobs {', '.join(jobs[:MOST_NAMED])}{more}" if jobs else ""
        still = len(waiting) - len(late)
        waits = f"{still} requests wait {seconds:.1f} s until it resets" if still else f"it resets in {seconds:.1f} s"
        logger.warning("The rate limit is used up (429 for %s): %s%s", what, waits, beyond)
        for turn in late:
            turn.is_late = True
            if turn.wake is not None:
                turn.wake()

    def close(self) -> None:
        """Ends the wait of every turn."""
        with self._mutex:
            self._closed = True
            for *_, turn in (waiting for turns in self._waiting for waiting in turns):
                if turn.wake is not None:
                    turn.wake()

    def check(self, turn: Turn, now: float) -> None:
        """Raises ClientUnusable once it is closed, RateLimited for a turn that cannot wait until the limit resets, and
        NotSent for one whose time is over.
        """
        if self._closed:
            raise ClientUnusable(CLOSED)
        if self._refusal is not None and (turn.is_late or (now < self._opens and self._is_late(turn, self._opens))):
            raise RateLimited(
                f"429 from the service: {self._message} (the rate limit resets in {self._resets - now:.1f} s, "
                f"which is too late for this request: give a longer deadline, or send fewer requests a minute)",
                response=self._refusal,
                request_id=turn.request_id,
            )
        if now >= turn.until:
            raise NotSent("no connection came free before the deadline")

    def _is_late(self, turn: Turn, opens: float) -> bool:
        passed = self._passed_at.get((turn.rank, turn.path), -math.inf)
        return opens > min(turn.until, max(turn.since, passed) + turn.patience)

    def take(self, turn: Turn, clock: Clock) -> None:
        """Blocks until the turn is admitted. Raises RateLimited and NotSent. `leave` must follow, also after an
        exception.
        """
        woken = threading.Lock()
        turn.wake = lambda: woken.release() if woken.locked() else None
        self._push(turn)
        while True:
            now = clock.monotonic()
            self._admit(now)
            if turn.admitted:
                return
            self.check(turn, now)
            if now < self._opens:
                clock.sleep_until(min(self._opens, turn.until, now + HEARTBEAT_SECONDS))
            else:
                woken.acquire(blocking=False)
                if not turn.admitted:
                    woken.acquire(timeout=max(0.0, min(HEARTBEAT_SECONDS, turn.until - now)))

    async def take_async(self, turn: Turn, clock: Clock) -> None:
        """`take` with `await`."""
        self._push(turn)
        while True:
            now = clock.monotonic()
            self._admit(now)
            if turn.admitted:
                return
            self.check(turn, now)
            if now < self._opens and self._timekeeper is None:
                # One turn sleeps until the reset and then wakes the others: thousands of timers would take more CPU
                # than requests.
                self._timekeeper = turn
                try:
                    await clock.sleep_until_async(min(self._opens, turn.until, now + HEARTBEAT_SECONDS))
                finally:
                    self._timekeeper = None
            else:
                woken = anyio.Event()
                turn.wake = woken.set
                is_next = self.is_limited(now) and self._is_first(turn)
                longest = HEARTBEAT_SECONDS if is_next else math.inf
                with anyio.move_on_after(min(turn.until - now, longest)):
                    await woken.wait()

    def leave(self, turn: Turn, clock: Clock) -> None:
        """Frees the place of a turn, admitted or not."""
        with self._mutex:
            turn.gone = True
            self._sending[turn.slow].pop(id(turn), None)
            if any(self._waiting):
                self._admit(clock.monotonic())
                # Only the first turn wakes up by itself, and this one may have been the first.
                self._wake_first()

    def _push(self, turn: Turn) -> None:
        with self._mutex:
            heapq.heappush(self._waiting[turn.slow], (turn.rank, turn.expires, next(self._numbers), turn))

    def _admit(self, now: float) -> None:
        with self._mutex:
            if now < self._opens:
                return
            admits = False
            while (turn := self._next(now)) is not None:
                # In this order: an interrupt of this thread may come in between, and the turn may be that of another
                # thread.
                turn.admitted = admits = True
                self._sending[turn.slow][id(turn)] = weakref.ref(turn)
                heapq.heappop(self._waiting[turn.slow])
                if turn.wake is not None:
                    turn.wake()
            if admits:
                self._wake_first()

    def _next(self, now: float) -> Turn | None:
        """The first turn that can be admitted. Slow and other requests have separate places."""
        firsts = [waiting for slow in (False, True) if (waiting := self._first(slow)) is not None]
        return next((turn for *_, turn in sorted(firsts) if self._has_place(turn, now)), None)

    def _first(self, slow: bool) -> Waiting | None:
        with self._mutex:
            waiting = self._waiting[slow]
            while waiting:
                turn = waiting[0][-1]
                if not turn.gone and not turn.admitted:
                    return waiting[0]
                heapq.heappop(waiting)
            return None

    def _is_first(self, turn: Turn) -> bool:
        first = self._first(turn.slow)
        return first is not None and first[-1] is turn

    def _has_place(self, turn: Turn, now: float) -> bool:
        same, other = self._sending[turn.slow], self._sending[not turn.slow]
        allowed = self._connections
        if turn.slow:
            # Paid results can be fetched even while v1 calls take all other connections.
            allowed -= min(RESERVED, allowed - 1)
        if self.is_limited(now):
            # One after another, slow requests would not use up a window.
            doublings = min(now - self._opens, CAUTIOUS_SECONDS) / DOUBLING_SECONDS
            budget = self._budget * 2**doublings if turn.slow else max(1, self._budget / CAUTIOUS_SHARE)
            allowed = min(allowed, int(budget))
        full = len(same) >= allowed or len(same) + len(other) >= self._connections
        if full and now > self._swept_at + HEARTBEAT_SECONDS:
            self._swept_at = now
            for sending in self._sending:
                for number in [number for number, reference in sending.items() if reference() is None]:
                    sending.pop(number, None)
        return len(same) < allowed and len(same) + len(other) < self._connections

    def _wake_first(self) -> None:
        for slow in (False, True):
            first = self._first(slow)
            if first is not None and first[-1].wake is not None:
                first[-1].wake()
