"""Sends a request and retries it where that cannot pay twice: exponential backoff with full jitter, and rate limits.

`Caller` is what all flows of one client share.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Self, cast

import attrs

from segmind_api.types import ApiRequest, ApiResponse
from segmind_client.call import Call, accepted_id, partial_response
from segmind_client.clock import Clock, SystemClock
from segmind_client.errors import ConnectionLost, NotSent, RateLimited, SegmindError, cut
from segmind_client.line import Line, Rank, Turn
from segmind_client.masking import shown_url
from segmind_client.options import Options, check_options
from segmind_client.polling import Latencies
from segmind_client.reading import belongs_to_job, error_message, is_retried, may_be_accepted, may_have_been_accepted
from segmind_client.server_time import server_wait
from segmind_client.steps import (
    LARGEST_BODY,
    LAST_SECONDS,
    CheckAddress,
    Fetch,
    Flow,
    Pause,
    Send,
    Sent,
    Sink,
    TooLarge,
)

FIRST_BACKOFF = 0.5
"""Seconds."""
MOST_DOUBLINGS = 4
SHORTEST_WAIT = 1.0
"""Seconds. Shorter waits for a rate limit grow like a backoff."""
LONG_PAUSE = 15.0
"""Seconds from which on a pause is a warning in the log."""

logger = logging.getLogger("segmind_client")


@attrs.frozen(kw_only=True)
class ServiceRequest:
    """A request to the service, with the key, and how it is sent. Times are monotonic."""

    request: ApiRequest
    rank: Rank
    line: Line
    options: Options
    since: float
    """The time of the call."""
    until: float
    """The deadline for its response."""
    expires: float
    """When the job is of no use any more."""
    read_seconds: float | None
    """For the response to a v1 call, which comes when the output is there."""
    request_id: str | None
    """Of the job that a GET asks for."""
    fresh: bool
    """Whether it needs a connection that has carried nothing before."""
    largest: int | None
    """The most bytes of the response's body; None for the usual."""

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.request.method} {self.request.path}"

    def step(self) -> Send:
        is_result = self.rank is Rank.RESULT
        accepts = partial(belongs_to_job, request_id=self.request_id, result=is_result) if self.request_id else None
        turn = Turn(
            self.rank,
            since=self.since,
            until=self.until + LAST_SECONDS,
            expires=self.expires,
            patience=self.options.deadline,
            slow=self.read_seconds is not None,
            request_id=self.request_id,
            path=self.request.path if self.rank is Rank.SUBMIT else "",
        )
        return Send(
            Sent(self.request, fresh=self.fresh, accepts=accepts, largest=self.largest or LARGEST_BODY),
            turn,
            self.line,
            self.options.connect_seconds,
            self.read_seconds or self.options.read_seconds,
            self.until,
        )

    def lost(self, sent: Sent, error: ConnectionLost) -> ConnectionLost:
        """Returns the error for a GET whose response was lost; raises MayHaveBeenAccepted for a POST."""
        if self.request.method == "GET":
            failure = ConnectionLost(f"{self.name} was sent, but its response was lost ({error.detail})")
            failure.__cause__ = error
            return failure
        is_generation = self.read_seconds is not None
        raise may_have_been_accepted(
            self.request,
            f"its response was lost ({error.detail})",
            partial_response(sent),
            accepted_id(sent, is_generation=is_generation),
            is_generation=is_generation,
        ) from error


@attrs.frozen(kw_only=True)
class FileRequest:
    """A GET of an output, without the key, whose body goes into a sink. The path of its request is a URL."""

    request: ApiRequest
    line: Line
    options: Options
    since: float
    until: float
    into: Sink
    check_address: CheckAddress | None

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.request.method} {shown_url(self.request.path)}"

    def step(self) -> Fetch:
        turn = Turn(Rank.RESULT, since=self.since, until=self.until + LAST_SECONDS)
        return Fetch(
            Sent(self.request),
            turn,
            self.line,
            self.options.connect_seconds,
            self.options.read_seconds,
            self.until,
            self.into,
            self.check_address,
        )

    def lost(self, _: Sent, error: ConnectionLost) -> ConnectionLost:
        return error


@attrs.frozen
class Caller:
    """What every flow of one client shares."""

    options: Options = attrs.field(factory=Options)
    clock: Clock = attrs.field(factory=SystemClock)
    chance: Callable[[], float] = random.random
    """A random number from 0 to 1, for the jitter."""
    utc: Callable[[], float] = time.time
    """Seconds since the epoch by this machine, for responses without a Date header."""
    latencies: Latencies = attrs.field(factory=Latencies)
    line: Line = attrs.field(factory=Line)
    file_line: Line = attrs.field(factory=Line)
    trusted: tuple[str, ...] = ()
    """The URLs of a job must begin with one of these; an empty tuple allows any."""
    is_https: bool = False
    """Whether the service is called over https."""

    def with_options(self, changes: Mapping[str, Any]) -> Self:
        """Raises InvalidParameter."""
        if not changes:
            return self
        check_options(changes.items())
        return attrs.evolve(self, options=attrs.evolve(self.options, **changes))

    def deadline(self) -> float:
        """The monotonic time at which a wait that begins now ends."""
        return self.clock.monotonic() + self.options.deadline

    def exchange(
        self,
        request: ApiRequest,
        rank: Rank,
        *,
        call: Call | None = None,
        read_seconds: float | None = None,
        until: float = math.inf,
        expires: float = math.inf,
        request_id: str | None = None,
        fresh: bool = False,
        largest: int | None = None,
    ) -> Flow[ApiResponse]:
        """The response to a request, retried where that is safe, until a monotonic time at the latest.

        The response to a GET about a job names the job, or comes over a connection that has carried nothing before.
        Raises NotSent, ConnectionLost, UnreadableResponse, MayHaveBeenAccepted and RateLimited.
        """
        sending = ServiceRequest(
            request=request,
            rank=rank,
            line=self.line,
            options=self.options,
            since=self.clock.monotonic(),
            until=until,
            expires=expires,
            read_seconds=read_seconds,
            request_id=request_id,
            fresh=fresh,
            largest=largest,
        )
        return self._send(sending, call)

    def fetch(self, url: str, sink: Sink, until: float, check_address: CheckAddress | None = None) -> Flow[ApiResponse]:
        """The head of the response to a GET without the key, retried like any other. The body goes into the sink.

        Raises NotSent and ConnectionLost.
        """
        sending = FileRequest(
            request=ApiRequest("GET", url),
            line=self.file_line,
            options=self.options,
            since=self.clock.monotonic(),
            until=until,
            into=sink,
            check_address=check_address,
        )
        try:
            return (yield from self._send(sending, None))
        except RateLimited as error:
            # Reported by `downloads.py`, like any other response of the host of a file.
            return cast(ApiResponse, error.response)

    def _send(self, sending: ServiceRequest | FileRequest, call: Call | None) -> Flow[ApiResponse]:
        last = min(sending.until, sending.since + self.options.retry_seconds)
        attempt = refusals = 0
        while True:
            step, request = sending.step(), sending.request
            if call is not None:
                call.sent = step.sent
            outcome: ApiResponse | SegmindError
            wanted = 0.0
            try:
                outcome = cast(ApiResponse, (yield step))
            except NotSent as error:
                outcome = error
            except ConnectionLost as error:
                outcome = sending.lost(step.sent, error)
            except TooLarge as error:
                if request.method == "GET":
                    raise
                outcome = sending.lost(step.sent, ConnectionLost(error.detail))
            now = self.clock.monotonic()
            if isinstance(outcome, ApiResponse):
                if outcome.status == 429 and (request.method == "GET" or not may_be_accepted(outcome)):
                    wanted = server_wait(outcome, self.utc())
                    if wanted < SHORTEST_WAIT:
                        refusals += 1
                        wanted = self._longer_wait(wanted, refusals, sending.until - now)
                    message = cut(error_message(outcome) or "too many requests")
                    step.line.limit(step.turn, now, wanted, outcome, sending.name, message)
                    step.line.check(step.turn, now)
                    # It waits in the line, like every other request of the client.
                    continue
                step.line.passed(step.turn, now)
                if not is_retried(request, outcome):
                    return outcome
                wanted = server_wait(outcome, self.utc())
            attempt += 1
            pause = max(wanted, self.chance() * backoff(attempt))
            if attempt == self.options.attempts or now + pause > last:
                if isinstance(outcome, SegmindError):
                    raise outcome
                return outcome
            logger.log(
                logging.INFO if pause < LONG_PAUSE else logging.WARNING,
                "%s is retried in %.1f s, attempt %d of %d: %s",
                *(sending.name, pause, attempt + 1, self.options.attempts),
                f"the response was {outcome.status}" if isinstance(outcome, ApiResponse) else outcome,
            )
            yield Pause(pause)

    def _longer_wait(self, wanted: float, refusals: int, left: float) -> float:
        """How long to wait after repeated 429s that name no time, or less than a second."""
        longer = max(wanted, self.chance() * backoff(refusals))
        # A wait that the service has not named never goes past the deadline.
        return max(wanted, min(longer, left)) if left > 0 else longer


def backoff(attempt: int) -> float:
    """The bound of a pause in seconds, which doubles with each attempt. With full jitter, a pause is 0 to the bound."""
    return FIRST_BACKOFF * 2.0 ** min(attempt, MOST_DOUBLINGS)
