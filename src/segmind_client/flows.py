"""What to send next, without sending it.

A flow is a generator. It yields a `Send` or a `Pause` and is resumed with a response, or with an exception that a
driver throws in: NotSent, ConnectionLost, RateLimited, what a sink raised, or an interruption.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NoReturn, TypeVar, cast

import attrs

from segmind_api.api.account import get_user_credits
from segmind_api.api.jobs import get_job_result, get_job_status
from segmind_api.catalog import JOB_RETENTION_SECONDS, Model
from segmind_api.models import Credits, GenerationOutput, JobResult, JobStatus, SubmittedJob
from segmind_api.types import ApiRequest, ApiResponse
from segmind_client.clock import Clock, SystemClock
from segmind_client.errors import (
    ConnectionLost,
    InferenceTimeout,
    NotFound,
    NotSent,
    RateLimited,
    SegmindError,
    cut,
    in_words,
)
from segmind_client.line import Line, Rank, Turn
from segmind_client.masking import masked, shown_url, without_key
from segmind_client.options import Options, check_options
from segmind_client.polling import SHORTEST_INTERVAL, Latencies, PollPlan, duration
from segmind_client.reading import (
    DOUBT,
    answers,
    check_completed,
    check_origin,
    check_state,
    error_message,
    expect,
    expect_of_post,
    is_refusal,
    is_retried,
    is_transient,
    is_untyped_image,
    job_failed,
    job_in_part,
    may_be_accepted,
    may_have_been_accepted,
    named_in,
    server_wait,
)
from segmind_client.steps import LARGEST_BODY, LARGEST_IMAGE_BODY, LAST_SECONDS, Flow, Pause, Send, Sent, Sink

T = TypeVar("T")

FIRST_BACKOFF = 0.5
LONGEST_BACKOFF = 8.0
"""Seconds."""
SHORTEST_WAIT = 1.0
"""Seconds. Shorter waits for a rate limit grow like a backoff."""
MOST_DOUBLINGS = 10
LONG_PAUSE = 15.0
"""Seconds after which a pause is a warning in the log."""

logger = logging.getLogger("segmind_client")


class Call:
    """One call of a public method, and what is known of it when something ends it."""

    def __init__(self, request_id: str | None = None, *, is_generation: bool = False) -> None:
        self.is_generation = is_generation
        """Whether it is a v1 call, whose response is the image."""
        self.request_id = request_id
        """Of a job that exists."""
        self.sent: Sent | None = None
        """The last POST."""
        self.response: ApiResponse | None = None
        """Of the last POST, as far as it was received."""

    def fail(self, error: BaseException) -> NoReturn:
        """Raises what ended the call, with what is known of the job: as a SegmindError, or an interruption as it is."""
        try:
            failure = self._failure(error)
        except BaseException as meanwhile:
            # A signal handler has raised, so that the error itself is not seen by an `except`.
            failure = self._failure(meanwhile)
        raise failure

    def _failure(self, error: BaseException) -> BaseException:
        request_id, stakes = self._stakes()
        if not isinstance(error, Exception):
            if stakes:
                error.add_note(stakes)
                error.__dict__.update(request_id=request_id, response=self.response)
                logger.warning("Interrupted by %s. %s", type(error).__name__, stakes)
            return error
        if not isinstance(error, SegmindError):
            unexpected = f"{type(error).__name__}: {error}"
            if self.sent is not None and self.sent.begun and self.request_id is None:
                failure: SegmindError = may_have_been_accepted(
                    self.sent.request,
                    f"then failed unexpectedly ({unexpected})",
                    self.response,
                    request_id,
                    is_generation=self.is_generation,
                )
            elif self.sent is not None and self.request_id is None:
                failure = NotSent(f"unexpected failure ({unexpected}) before anything was sent")
            else:
                failure = SegmindError(f"unexpected failure ({unexpected}). {stakes}".strip(), request_id=request_id)
            failure.detail = masked(failure.detail)
            failure.__cause__ = without_key(error)
            return failure
        if error.request_id is None:
            error.request_id = self.request_id
        error.detail = masked(error.detail)
        error.args = (error.detail,)
        return error

    def _stakes(self) -> tuple[str | None, str]:
        """The id of what was accepted, and what a person should know of it."""
        if self.request_id:
            stay = f"job({self.request_id!r}) picks it up"
            return self.request_id, f"The job {self.request_id} goes on, and is charged when it completes: {stay}."
        sent = self.sent
        if sent is None or not sent.begun:
            return None, ""
        what = f"{sent.request.method} {sent.request.path}"
        self.response = self.response or partial_response(sent)
        request_id = paid_request(sent, self.is_generation)
        if sent.status == 200 and self.is_generation:
            number = request_id or "without an id"
            return (
                request_id,
                f"{what} was accepted and is charged (request {number}); `response` is what was received.",
            )
        if request_id is not None:
            stay = f"job({request_id!r}) picks it up"
            return request_id, f"The job {request_id} was accepted, and is charged when it completes: {stay}."
        if self.response is not None and is_refusal(sent.request, self.response):
            return None, ""
        return None, f"{what} was interrupted on its way. {DOUBT}."


@attrs.frozen
class Submission:
    """Which model a job was submitted to, and when."""

    model: Model
    at: float
    """Monotonic."""


@attrs.frozen
class JobUpdate:
    """A change of a job's state."""

    status: str
    """QUEUED, PROCESSING or COMPLETED, or another if the service knows more."""
    elapsed: float
    """Seconds since the job was submitted, or since `updates` was called for one that was picked up."""
    job: JobStatus
    """The response of the service."""


@attrs.define(eq=False)
class Watch:
    """One wait for one job. Times are monotonic."""

    request_id: str
    started: float
    until: float
    submission: Submission | None
    plan: PollPlan
    polls: int = 0
    failures: int = 0
    """Polls or fetches one after another that brought nothing."""
    wanted: float = 0.0
    """Seconds until the next poll, at least, after such a failure."""
    pending: float = 0.0
    """The last age at which the job was known not to have ended."""
    ended: float | None = None
    """The age at which the job was known to have ended."""
    asked: float = -math.inf
    """When the last poll was due."""
    answered: float = -math.inf
    """When its response came, or none."""
    trouble: SegmindError | None = None
    """Why the last poll or fetch brought nothing."""
    state: str = ""
    """Of the last update."""
    last_state: str = ""
    """Of the last poll."""

    @property
    def submitted(self) -> float:
        return self.submission.at if self.submission else self.started

    def record_transient(self, error: SegmindError, now: float, chance: float, utc: float) -> None:
        """Takes note of a transient error; raises any other, with the id of the job."""
        if isinstance(error, RateLimited):
            self.trouble = error
            raise self.timed_out(now) from error
        if not is_transient(error):
            error.request_id = self.request_id
            raise error
        self.trouble = error
        self.failures += 1
        asked = server_wait(error.response, utc) if error.response else 0.0
        # A wait beyond the deadline cannot be kept; a maintenance page may name one.
        self.wanted = max(chance * backoff(self.failures), asked if now + asked <= self.until else 0.0)

    def timed_out(self, now: float) -> InferenceTimeout:
        last = f" (the last response: {self.trouble.detail})" if self.trouble else ""
        limit = f"{self.until - self.started:g} s"
        if isinstance(self.trouble, RateLimited):
            what = f"the rate limit lets no request about the job through within {limit}"
        elif self.ended is not None:
            what = f"the job has completed, but its result was not fetched within {limit}"
        else:
            state = f"; its last state was {cut(self.last_state)}" if self.last_state and not last else ""
            what = f"the job did not end within {limit}{state}"
        error = InferenceTimeout(
            f"{what}{last}; pick it up with its request id",
            request_id=self.request_id,
            elapsed_s=now - self.started,
        )
        error.__cause__ = self.trouble
        return error


@attrs.frozen
class Errand:
    """One request and how it is to be sent, as often as it is."""

    request: ApiRequest
    rank: Rank
    line: Line
    options: Options
    since: float
    until: float = math.inf
    expires: float = math.inf
    read_seconds: float | None = None
    """Where the response comes only when an image is there."""
    request_id: str | None = None
    """Of the job that is asked for."""
    fresh: bool = False
    into: Sink | None = None
    check_address: Callable[[str], None] | None = None

    @property
    def name(self) -> str:
        """The request in messages."""
        path = self.request.path if self.into is None else shown_url(self.request.path)
        return f"{self.request.method} {path}"

    def send(self) -> Send:
        is_result = self.rank is Rank.RESULT
        accepts = partial(answers, request_id=self.request_id, result=is_result) if self.request_id else None
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
            Sent(
                self.request,
                fresh=self.fresh,
                accepts=accepts,
                largest=LARGEST_BODY if self.read_seconds is None else LARGEST_IMAGE_BODY,
            ),
            turn,
            self.line,
            self.options.connect_seconds,
            self.read_seconds or self.options.read_seconds,
            self.until,
            self.into,
            self.check_address,
        )


@attrs.frozen
class Caller:
    """What every flow of one client shares."""

    options: Options = attrs.field(factory=Options)
    clock: Clock = attrs.field(factory=SystemClock)
    chance: Callable[[], float] = random.random
    """From 0 to 1."""
    utc: Callable[[], float] = time.time
    """Of this machine, for services that do not tell the time."""
    latencies: Latencies = attrs.field(factory=Latencies)
    line: Line = attrs.field(factory=Line)
    image_line: Line = attrs.field(factory=Line)
    trusted: tuple[str, ...] = ()
    """URL prefixes under which a job may be; any, without."""
    is_https: bool = False
    """Whether the service is called over https."""

    def with_options(self, changes: Mapping[str, Any]) -> Caller:
        """Raises InvalidParameter."""
        if not changes:
            return self
        check_options(changes.items())
        return attrs.evolve(self, options=attrs.evolve(self.options, **changes))

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
    ) -> Flow[ApiResponse]:
        """One request, retried where that is safe, until a monotonic time at the latest. Raises RateLimited.

        The response to a GET about a job comes over a connection that is known to be in step, or names the job.
        """
        errand = Errand(
            request,
            rank,
            self.line,
            self.options,
            since=self.clock.monotonic(),
            until=until,
            expires=expires,
            read_seconds=read_seconds,
            request_id=request_id,
            fresh=fresh,
        )
        return self._carry_out(errand, call)

    def fetch(
        self, url: str, sink: Sink, until: float, check_address: Callable[[str], None] | None = None
    ) -> Flow[ApiResponse]:
        """A GET without the key, whose body goes into a sink; retried like any other."""
        request, since = ApiRequest("GET", url), self.clock.monotonic()
        errand = Errand(
            request,
            Rank.RESULT,
            self.image_line,
            self.options,
            since=since,
            until=until,
            into=sink,
            check_address=check_address,
        )
        return self._carry_out(errand, None)

    def _carry_out(self, errand: Errand, call: Call | None) -> Flow[ApiResponse]:
        last = min(errand.until, errand.since + self.options.retry_seconds)
        attempt = refusals = 0
        while True:
            step, request = errand.send(), errand.request
            if call is not None:
                call.sent = step.sent
            outcome: ApiResponse | SegmindError
            wanted = 0.0
            try:
                outcome = cast(ApiResponse, (yield step))
            except NotSent as error:
                outcome = error
            except ConnectionLost as error:
                if request.method != "GET":
                    raise may_have_been_accepted(
                        request,
                        f"its response was lost ({error.detail})",
                        partial_response(step.sent),
                        paid_request(step.sent, step.turn.slow),
                        is_generation=step.turn.slow,
                    ) from error
                outcome = error if step.into else lost(request, error)
            except RateLimited as error:
                if step.into is None or error.response is None:
                    raise
                return error.response
            now = self.clock.monotonic()
            if isinstance(outcome, ApiResponse):
                if outcome.status == 429 and (request.method == "GET" or not may_be_accepted(outcome)):
                    wanted = server_wait(outcome, self.utc())
                    if wanted < SHORTEST_WAIT:
                        refusals += 1
                        longer = max(wanted, self.chance() * backoff(refusals))
                        # No deadline is given up for a time that the service has not named.
                        wanted = max(wanted, min(longer, errand.until - now)) if now < errand.until else longer
                    message = cut(error_message(outcome) or "too many requests")
                    step.line.limit(step.turn, now, wanted, outcome, errand.name, message)
                    if step.into is not None and step.turn.is_late:
                        return outcome
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
                *(errand.name, pause, attempt + 1, self.options.attempts),
                f"the response was {outcome.status}" if isinstance(outcome, ApiResponse) else outcome,
            )
            yield Pause(pause)

    def generate(
        self, call: Call, model: Model, parameters: Mapping[str, Any]
    ) -> Flow[tuple[ApiResponse, GenerationOutput | str | bytes]]:
        body = model.request.from_parameters(parameters).to_dict()
        request = ApiRequest("POST", model.generate_path, body)
        read_seconds = max(self.options.generate_seconds, self.options.read_seconds)
        response = yield from self.exchange(request, Rank.SUBMIT, call=call, read_seconds=read_seconds)
        if response.status == 200:
            call.response = response
        if is_untyped_image(response):
            return response, response.content
        return response, expect_of_post(request, model.read_generated(response), is_generation=True)

    def submit(self, call: Call, model: Model, parameters: Mapping[str, Any]) -> Flow[SubmittedJob]:
        body = model.request.from_parameters(parameters).to_dict()
        request = ApiRequest("POST", model.submit_path, body)
        response = yield from self.exchange(request, Rank.SUBMIT, call=call)
        job = expect_of_post(request, model.read_submitted(response))
        call.request_id = named_in(job)
        if call.request_id is None:
            raise may_have_been_accepted(request, "the response is missing request_id", response)
        logger.info("%s was accepted as the job %s", request.path, job.request_id)
        check_origin(job, self.trusted)
        return job

    def status(self, request_id: str, *, until: float | None = None, expires: float = math.inf) -> Flow[JobStatus]:
        until = self.clock.monotonic() + self.options.deadline if until is None else until
        request = get_job_status.build(request_id)
        response = yield from self.exchange(request, Rank.POLL, until=until, expires=expires, request_id=request_id)
        return expect(get_job_status.read(response), request_id)

    def result(self, request_id: str, *, until: float | None = None, expires: float = math.inf) -> Flow[JobResult]:
        until = self.clock.monotonic() + self.options.deadline if until is None else until
        request = get_job_result.build(request_id)
        response = yield from self.exchange(request, Rank.RESULT, until=until, expires=expires, request_id=request_id)
        return check_completed(expect(get_job_result.read(response), request_id), request_id)

    def present_result(self, request_id: str, submission: Submission | None) -> Flow[JobResult]:
        """The result of a job that has completed. Raises NotFound, which says whether it is running or expired."""
        try:
            return (yield from self.result(request_id))
        except NotFound as error:
            try:
                status = yield from self.status(request_id)
            except NotFound:
                age = self.clock.monotonic() - submission.at if submission else 0.0
                if age >= JOB_RETENTION_SECONDS:
                    error.detail = (
                        f"the job has expired: it was submitted {age / 60:.0f} minutes ago, and the service keeps a "
                        f"job for {in_words(JOB_RETENTION_SECONDS)}"
                    )
                raise error from None
            error.detail = f"there is no result yet: the job is {status.get('status')}; wait() waits for it"
            raise

    def credits(self) -> Flow[Credits]:
        until = self.clock.monotonic() + self.options.deadline
        response = yield from self.exchange(get_user_credits.build(), Rank.POLL, until=until, fresh=True)
        return expect(get_user_credits.read(response), None)

    def watch(self, request_id: str, submission: Submission | None) -> Watch:
        started, interval = self.clock.monotonic(), self.options.interval
        model = submission.model if submission else None
        plan = self.latencies.plan(model, None if interval is None else max(interval, SHORTEST_INTERVAL))
        return Watch(request_id, started, started + self.options.deadline, submission, plan)

    def poll(self, watch: Watch) -> Flow[JobStatus]:
        """Waits until it is time, then asks until a response comes. Raises InferenceTimeout after the deadline.

        A poll that fails with a transient error is no end: the next one may succeed.
        """
        while True:
            now = self.clock.monotonic()
            if watch.asked >= watch.until:
                raise watch.timed_out(now)
            yield from self._pause_before_poll(watch)
            watch.polls += 1
            watch.asked = self.clock.monotonic()
            try:
                status = yield from self.status(watch.request_id, until=watch.until, expires=expiry(watch))
                check_state(status, watch.request_id)
            except SegmindError as error:
                watch.answered = self.clock.monotonic()
                watch.record_transient(error, watch.answered, self.chance(), self.utc())
                continue
            if status.get("status") == "FAILED":
                raise job_failed(status, status.response, watch.request_id)
            watch.trouble, watch.failures, watch.wanted, watch.last_state = None, 0, 0.0, status.status
            watch.answered = self.clock.monotonic()
            if status.get("status") == "COMPLETED":
                watch.ended = watch.answered - watch.submitted
            else:
                watch.pending = watch.asked - watch.submitted
            return status

    def _pause_before_poll(self, watch: Watch) -> Flow[None]:
        last = watch.answered if watch.polls else watch.started
        while True:
            now = self.clock.monotonic()
            sparing = self.line.is_scarce(now)
            pause = max(watch.wanted, watch.plan.pause(last - watch.submitted, watch.polls, sparing=sparing))
            # What the jobs of others teach meanwhile may bring the poll forward.
            look_again = watch.plan.look_again(now - watch.submitted, sparing=sparing)
            due = min(last + pause, watch.until)
            if now >= due:
                return
            yield Pause(min(due - now, look_again))

    def update(self, watch: Watch) -> Flow[JobUpdate | None]:
        """Polls until the job's state is another than at the last update; None after the job has completed."""
        try:
            while watch.state != "COMPLETED":
                status = yield from self.poll(watch)
                if status.status != watch.state:
                    watch.state = status.status
                    return JobUpdate(watch.state, self.clock.monotonic() - watch.submitted, status)
            return None
        finally:
            # Nobody knows when the next update is asked for, and others may wait for what this job shows.
            watch.plan.release()

    def wait(self, call: Call, request_id: str, submission: Submission | None = None) -> Flow[JobResult]:
        """Polls until the job ends, and fetches its result."""
        call.request_id = request_id
        watch = self.watch(request_id, submission)
        try:
            while (yield from self.poll(watch)).get("status") != "COMPLETED":
                pass
            result = yield from self._completed_result(watch)
        finally:
            watch.plan.release()
        if submission is not None:
            self.latencies.learn(submission.model.slug, duration(result, watch.pending, watch.ended or 0.0))
        return result

    def _completed_result(self, watch: Watch) -> Flow[JobResult]:
        # The status is not asked for again: whatever the requests that are left in a window, this is the next one.
        while True:
            try:
                return (yield from self.result(watch.request_id, until=watch.until, expires=expiry(watch)))
            except SegmindError as error:
                now = self.clock.monotonic()
                watch.record_transient(error, now, self.chance(), self.utc())
                if now >= watch.until:
                    raise watch.timed_out(now) from error
                yield Pause(min(max(0.0, watch.until - now), watch.wanted))

    def run(self, call: Call, model: Model, parameters: Mapping[str, Any]) -> Flow[JobResult]:
        # Of the responses, only the id is kept while the job runs: many may run at the same time.
        request_id = (yield from self.submit(call, model, parameters)).request_id
        return (yield from self.wait(call, request_id, Submission(model, self.clock.monotonic())))


def expiry(watch: Watch) -> float:
    """When the job is of no use any more: after the deadline of the wait, or when the service forgets it."""
    return min(watch.until, watch.submitted + JOB_RETENTION_SECONDS)


def backoff(attempt: int) -> float:
    """Seconds: a bound that doubles with each attempt. With full jitter, a pause is anything up to it."""
    return min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0 ** min(attempt, MOST_DOUBLINGS))


def partial_response(sent: Sent) -> ApiResponse | None:
    """A response as far as it was received."""
    return None if sent.status is None else ApiResponse(sent.status, sent.headers, bytes(sent.received))


def paid_request(sent: Sent, is_generation: bool) -> str | None:
    """The id of the job, or of the v1 call, that a response names as far as it was received."""
    return sent.headers.get("x-request-id") if is_generation else job_in_part(sent)


def lost(request: ApiRequest, error: ConnectionLost) -> ConnectionLost:
    failure = ConnectionLost(f"{request.method} {request.path} was sent, but its response was lost ({error.detail})")
    failure.__cause__ = error
    return failure
