"""What to send next, without sending it.

A flow is a generator. It yields a `Send` or a `Pause` and is resumed with what came of it: an answer,
or an exception that a driver throws in: NotSent, ConnectionLost, what a sink raised, or an interruption.
"""

from __future__ import annotations

import logging
import math
import random
import reprlib
import time
from collections.abc import Callable, Generator, Mapping
from types import TracebackType
from typing import Any, Protocol, TypeVar, cast
from urllib.parse import urlsplit

import attrs
from dateutil import parser as date_parser

from segmind_api.api.account import get_user_credits
from segmind_api.api.jobs import get_job_result, get_job_status
from segmind_api.catalog import Model
from segmind_api.client import BASE_URL
from segmind_api.models import Credits, ErrorResponse, FailedJob, GenerationOutput, JobResult, JobStatus, SubmittedJob
from segmind_api.types import Answer, ApiRequest, ApiResponse, json_body
from segmind_client.errors import (
    ConnectionLost,
    ForeignAddress,
    InferenceFailed,
    InferenceTimeout,
    InvalidParameter,
    MayHaveBeenAccepted,
    NotSent,
    SegmindError,
    StatusError,
    UnreadableAnswer,
    cut,
    masked,
)
from segmind_client.options import Options, check_options
from segmind_client.polling import Latencies, duration, every

T = TypeVar("T")
ResultT = TypeVar("ResultT")

REPEATED_AFTER = {"POST": frozenset({429, 500, 502, 503}), "GET": frozenset({408, 429, *range(500, 600)})}
"""Statuses after which a call is repeated: a POST only where the service says that it was not accepted."""

FIRST_BACKOFF = 0.5
LONGEST_BACKOFF = 8.0
"""Seconds."""
SHORTEST_READ = 1.0
"""Seconds that the last poll before a deadline has at least."""
SHORTEST_ANSWER = 5.0
"""Seconds that its answer as a whole has at least: it may be the result of a job that is paid for."""
LONGEST_TIME = 50
"""Characters of a time that the service names, in a message."""
LONG_PAUSE = 15.0
"""Seconds after which a pause is a warning in the log."""

DOUBT = (
    "It may have been accepted, and then it is charged: sending it again may pay twice, credits() says whether the "
    "balance fell"
)

logger = logging.getLogger("segmind_client")


class Sink(Protocol):
    """Takes a body piece by piece. What it raises ends the exchange, unless it is a ConnectionLost."""

    def begin(self, head: ApiResponse) -> bool:
        """Whether the body that comes after this head is wanted."""
        ...

    def write(self, piece: bytes) -> None: ...

    def end(self) -> None: ...


@attrs.frozen
class Send:
    """Send this, and wait so many seconds for each piece of the answer.

    With a sink, the request's path is a whole address. The key does not go there, and the body goes into the sink.
    """

    request: ApiRequest
    read_seconds: float
    connect_seconds: float
    whole_seconds: float = math.inf
    """From now to the end of the answer."""
    into: Sink | None = None


@attrs.frozen
class Pause:
    """Wait so many seconds."""

    seconds: float


Flow = Generator[Send | Pause, ApiResponse | None, T]


@attrs.frozen
class Clocks:
    """Where a flow takes its times and its chance from."""

    monotonic: Callable[[], float] = time.monotonic
    utc: Callable[[], float] = time.time
    chance: Callable[[], float] = random.random
    """From 0 to 1."""


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
    """What the service answered."""


@attrs.define
class Watch:
    """One wait for one job. Times are monotonic."""

    request_id: str
    started: float
    until: float
    submission: Submission | None
    pause: Callable[[float, int], float]
    """Seconds until the next poll, from the job's age and the number of polls."""
    polls: int = 0
    pending: float = 0.0
    """The last age at which the job was known to be on its way."""
    ended: float = 0.0
    asked: float = -math.inf
    """When the last poll was sent."""
    wanted: float = 0.0
    """Seconds that the service wants to pass before the next."""
    trouble: SegmindError | None = None
    """Why the last poll brought nothing."""
    state: str = ""
    """Of the last update."""

    @property
    def submitted(self) -> float:
        return self.submission.at if self.submission else self.started

    def bear(self, error: SegmindError, utc_now: float) -> None:
        """Takes an error that may pass; raises any other, with the id of the job."""
        if not may_pass(error):
            error.request_id = self.request_id
            raise error
        self.trouble = error
        self.wanted = server_wait(error.response, utc_now) if error.response else 0.0

    def interruption(self) -> str:
        picked_up = f"job({self.request_id!r}) picks it up"
        return f"The job {self.request_id} goes on, and is charged when it completes: {picked_up}."


@attrs.frozen
class Caller:
    """What every flow of one client shares."""

    options: Options = attrs.field(factory=Options)
    clocks: Clocks = Clocks()
    latencies: Latencies = attrs.field(factory=Latencies)
    trusted: tuple[str, ...] = ()
    """How the addresses begin at which a job may be; any may be, without."""

    def with_options(self, changes: Mapping[str, Any]) -> Caller:
        """Raises InvalidParameter."""
        if not changes:
            return self
        check_options(changes.items())
        return attrs.evolve(self, options=attrs.evolve(self.options, **changes))

    def exchange(
        self,
        request: ApiRequest,
        *,
        read_seconds: float | None = None,
        until: float = math.inf,
        into: Sink | None = None,
    ) -> Flow[ApiResponse]:
        """One call, repeated where that is safe, until a monotonic time at the latest."""
        read_seconds = read_seconds or self.options.read_seconds
        last = min(until, self.clocks.monotonic() + self.options.retry_seconds)
        attempt = 0
        while True:
            attempt += 1
            left = until - self.clocks.monotonic()
            read, connect = (
                min(seconds, max(SHORTEST_READ, left)) for seconds in (read_seconds, self.options.connect_seconds)
            )
            step = Send(request, read, connect, max(SHORTEST_ANSWER, left), into)
            outcome: ApiResponse | SegmindError
            wanted = 0.0
            try:
                if request.method == "GET":
                    outcome = cast(ApiResponse, (yield step))
                else:
                    with noted(lambda: f"{request.method} {request.path} was interrupted on its way. {DOUBT}."):
                        outcome = cast(ApiResponse, (yield step))
            except NotSent as error:
                outcome = error
            except ConnectionLost as error:
                if request.method != "GET":
                    raise may_have_been_accepted(request, f"its answer was lost ({error.detail})") from error
                outcome = error if into else lost(request, error)
            if isinstance(outcome, ApiResponse):
                if not may_be_repeated(request, outcome):
                    return outcome
                wanted = server_wait(outcome, self.clocks.utc())
            pause = max(wanted, self.clocks.chance() * backoff(attempt))
            if attempt == self.options.attempts or self.clocks.monotonic() + pause > last:
                if isinstance(outcome, SegmindError):
                    raise outcome
                return outcome
            logger.log(
                logging.INFO if pause < LONG_PAUSE else logging.WARNING,
                "%s %s is sent again in %.1f s, attempt %d of %d: %s",
                *(request.method, request.path, pause, attempt + 1, self.options.attempts),
                f"the answer was {outcome.status}" if isinstance(outcome, ApiResponse) else outcome,
            )
            yield Pause(pause)

    def generate(
        self, model: Model, parameters: Mapping[str, Any]
    ) -> Flow[tuple[ApiResponse, GenerationOutput | str | bytes]]:
        body = model.request.from_parameters(parameters).to_dict()
        request = ApiRequest("POST", model.generate_path, body)
        response = yield from self.exchange(
            request, read_seconds=max(self.options.generate_seconds, self.options.read_seconds)
        )
        return response, expect_of_post(request, model.read_generated(response))

    def submit(self, model: Model, parameters: Mapping[str, Any]) -> Flow[SubmittedJob]:
        body = model.request.from_parameters(parameters).to_dict()
        request = ApiRequest("POST", model.submit_path, body)
        response = yield from self.exchange(request)
        with noted(lambda: f"{request.path} was answered with {response.status}{naming(job_in(response))}."):
            job = expect_of_post(request, model.read_submitted(response))
            if named_in(job) is None:
                raise may_have_been_accepted(request, "its answer names no job that can be asked for", response)
            logger.info("%s was accepted as the job %s", request.path, job.request_id)
            check_origin(job, self.trusted)
        return job

    def status(self, request_id: str, *, until: float = math.inf) -> Flow[JobStatus]:
        response = yield from self.exchange(get_job_status.build(request_id), until=until)
        return expect(get_job_status.read(response), request_id)

    def result(self, request_id: str, *, until: float = math.inf) -> Flow[JobResult]:
        response = yield from self.exchange(get_job_result.build(request_id), until=until)
        return expect(get_job_result.read(response), request_id)

    def credits(self) -> Flow[Credits]:
        response = yield from self.exchange(get_user_credits.build())
        return expect(get_user_credits.read(response), None)

    def watch(self, request_id: str, submission: Submission | None) -> Watch:
        started, interval = self.clocks.monotonic(), self.options.interval
        model = submission.model if submission else None
        pause = self.latencies.schedule(model).pause if interval is None else every(interval)
        return Watch(request_id, started, started + self.options.deadline, submission, pause)

    def poll(self, watch: Watch) -> Flow[JobStatus]:
        """Waits until it is time, then asks until an answer comes. Raises InferenceTimeout after the deadline.

        A poll that fails for a reason that may pass is no end: the next one may succeed.
        """
        with noted(watch.interruption):
            while True:
                now = self.clocks.monotonic()
                if watch.asked >= watch.until:
                    raise timed_out(watch, now - watch.started)
                pause = max(watch.wanted, watch.pause(now - watch.submitted, watch.polls))
                seconds = min(pause, watch.until - now)
                if seconds > 0:
                    yield Pause(seconds)
                watch.polls += 1
                watch.asked = self.clocks.monotonic()
                try:
                    status = yield from self.status(watch.request_id, until=watch.until)
                except SegmindError as error:
                    watch.bear(error, self.clocks.utc())
                    continue
                if status.get("status") == "FAILED":
                    raise job_failed(status, status.response, watch.request_id)
                watch.trouble, watch.wanted = None, 0.0
                if status.get("status") == "COMPLETED":
                    watch.ended = self.clocks.monotonic() - watch.submitted
                else:
                    watch.pending = watch.asked - watch.submitted
                return status

    def update(self, watch: Watch) -> Flow[JobUpdate | None]:
        """Polls until the job's state is another than at the last update; None after the job has completed."""
        while watch.state != "COMPLETED":
            status = yield from self.poll(watch)
            if status.status != watch.state:
                watch.state = status.status
                return JobUpdate(watch.state, self.clocks.monotonic() - watch.submitted, status)
        return None

    def wait(self, request_id: str, submission: Submission | None = None) -> Flow[JobResult]:
        """Polls until the job ends, and fetches its result."""
        watch = self.watch(request_id, submission)
        while True:
            if (yield from self.poll(watch)).get("status") != "COMPLETED":
                continue
            with noted(watch.interruption):
                try:
                    result = yield from self.result(request_id, until=watch.until)
                except SegmindError as error:
                    watch.bear(error, self.clocks.utc())
                    continue
            if submission is not None:
                seconds = duration(result, watch.pending, watch.ended)
                self.latencies.learn(submission.model.slug, seconds)
            return result

    def run(self, model: Model, parameters: Mapping[str, Any]) -> Flow[JobResult]:
        # Of the answers, only the id is kept while the job runs: many may run at the same time.
        request_id = (yield from self.submit(model, parameters)).request_id
        return (yield from self.wait(request_id, Submission(model, self.clocks.monotonic())))


@attrs.frozen
class noted:  # noqa: N801  it reads as a statement, and as a generator it would take longer
    """Says what is at stake, in a note and in the log, where something else ends a flow than an error of the client."""

    note: Callable[[], str]

    def __enter__(self) -> None: ...

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        if error is not None and not isinstance(error, SegmindError | GeneratorExit):
            text = self.note()
            logger.warning("Interrupted by %s. %s", type(error).__name__, text)
            error.add_note(text)


def backoff(attempt: int) -> float:
    """Seconds: a bound that doubles with each attempt. A pause is anything up to it."""
    return min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0**attempt)


def timed_out(watch: Watch, elapsed: float) -> InferenceTimeout:
    last = f" (the last poll: {watch.trouble.detail})" if watch.trouble else ""
    error = InferenceTimeout(
        f"the job did not end within {watch.until - watch.started:g} s{last}; it may still complete, pick it up with "
        f"its request id",
        request_id=watch.request_id,
        elapsed_s=elapsed,
    )
    error.__cause__ = watch.trouble
    return error


def check_origin(job: SubmittedJob, trusted: tuple[str, ...]) -> None:
    """Raises ForeignAddress for a job that is said to be elsewhere than at the service or where the call went."""
    for name in ("status_url", "response_url", "poll_url"):
        address = job.get(name)
        if not isinstance(address, str) or not trusted or address.startswith(trusted):
            continue
        origin = origin_of(address)
        if origin not in ("", *map(origin_of, trusted)):
            raise ForeignAddress(
                f"the job was accepted, but its {name} is at {origin}; nothing was sent there. Pick the job up with "
                f"its request id",
                request_id=job.request_id,
                response=job.response,
            )


def trusted_beginnings(address: str) -> tuple[str, ...]:
    """How the addresses begin of a service that is called at this address."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}/", f"{BASE_URL}/"


def origin_of(address: str) -> str:
    """Scheme, host and port of an address; nothing for one that leads to where it came from."""
    try:
        parts = urlsplit(address)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return f"an address that cannot be read, {reprlib.repr(address)}"
    return f"{parts.scheme}://{parts.hostname}:{port}" if parts.scheme or parts.netloc else ""


def may_pass(error: SegmindError) -> bool:
    """Whether the same GET may succeed later."""
    if error.status is None:
        return isinstance(error, NotSent | ConnectionLost)
    return error.status in REPEATED_AFTER["GET"] or isinstance(error, UnreadableAnswer)


def expect(answer: Answer[ResultT, ErrorResponse | FailedJob | str], request_id: str | None) -> ResultT:
    """The result of an answer to a GET, or the error that it stands for."""
    if answer.result is not None:
        return answer.result
    if isinstance(answer.error, FailedJob):
        raise job_failed(answer.error, answer.response, request_id)
    if answer.status < 400:
        raise UnreadableAnswer(
            f"the service's answer cannot be read: {answer.problem}", response=answer.response, request_id=request_id
        )
    raise status_error(answer, request_id=request_id)


def job_failed(body: Mapping[str, Any], response: ApiResponse | None, request_id: str | None) -> InferenceFailed:
    detail = body.get("error")
    return InferenceFailed(
        masked(detail) if isinstance(detail, str) else "",
        response=response,
        request_id=request_id,
        status_body=body,
    )


def may_be_repeated(request: ApiRequest, response: ApiResponse) -> bool:
    """Whether a call may be sent again after this answer; a POST only if the service itself says that it failed."""
    if response.status not in REPEATED_AFTER[request.method]:
        return False
    return request.method == "GET" or response.status == 429 or error_message(response) is not None


def expect_of_post(request: ApiRequest, answer: Answer[ResultT, ErrorResponse | str]) -> ResultT:
    """The result of an answer to a POST, or the error that it stands for."""
    if answer.result is not None:
        return answer.result
    # What a proxy answers says nothing about the service behind it, and a service that was cut off may go on.
    message = error_message(answer.response)
    says_failed = answer.status in REPEATED_AFTER["POST"] and message is not None
    if not says_failed and not 400 <= answer.status < 500:
        problem = answer.problem or f"the answer was {answer.status}, not from the service itself"
        if message is not None:
            problem = f"the answer was {answer.status}: {cut(message)}"
        raise may_have_been_accepted(request, problem, answer.response)
    raise status_error(answer)


def lost(request: ApiRequest, error: ConnectionLost) -> ConnectionLost:
    failure = ConnectionLost(f"{request.method} {request.path} was sent, but its answer was lost ({error.detail})")
    failure.__cause__ = error
    return failure


def may_have_been_accepted(
    request: ApiRequest, what_happened: str, response: ApiResponse | None = None
) -> MayHaveBeenAccepted:
    request_id = job_in(response) if response else None
    return MayHaveBeenAccepted(
        f"{request.method} {request.path} was sent, but {what_happened}. {DOUBT}{naming(request_id)}",
        response=response,
        request_id=request_id,
    )


def job_in(response: ApiResponse) -> str | None:
    """The id of the job that an answer names, whatever its status and its Content-Type."""
    return named_in(json_body(SubmittedJob.from_raw)(response) or {})


def named_in(fields: Mapping[str, Any]) -> str | None:
    """The id of a job; a job that cannot be asked for is as lost as one without an id."""
    request_id: Any = fields.get("request_id")
    try:
        get_job_status.build(request_id)
    except InvalidParameter:
        return None
    return str(request_id)


def naming(request_id: str | None) -> str:
    return f". It names the job {cut(request_id)}, which job(request_id) picks up" if request_id else ""


def error_message(response: ApiResponse) -> str | None:
    """The service's own message; None where it sent none in its documented form."""
    error = json_body(ErrorResponse.from_raw)(response) or ErrorResponse({})
    message = error.get("error")
    if not isinstance(message, str):
        return None
    return f"{message}: {error.error_description}" if error.error_description else message


def status_error(
    answer: Answer[Any, ErrorResponse | FailedJob | str] | Answer[Any, ErrorResponse | str],
    *,
    request_id: str | None = None,
) -> StatusError:
    """The error class of a status, with the service's message where it sent one, documented or not."""
    response = answer.response
    detail = cut(error_message(response) or answer.problem or "no message")
    kind = StatusError.by_status.get(response.status, StatusError)
    advice = kind.advice_on_job if request_id else kind.advice
    until = response.headers.get("retry-after") or response.headers.rate_limit_reset_at_utc
    if until:
        advice += f"; the service says until when: {until[:LONGEST_TIME]}"
    return kind(f"{response.status} from the service: {detail} ({advice})", response=response, request_id=request_id)


def server_wait(response: ApiResponse, utc_now: float) -> float:
    """Seconds that the service asks to wait; 0 where it asks for nothing that can be read."""
    retry_after = response.headers.get("retry-after", "")
    try:
        if retry_after.strip().isdigit():
            return float(retry_after)
        # A zone that is missing or unknown is UTC, on every machine.
        text = retry_after or response.headers.rate_limit_reset_at_utc or ""
        until = date_parser.parse(text, tzinfos=lambda _, offset: offset or 0)
        return max(0.0, until.timestamp() - utc_now)
    except (ValueError, ArithmeticError):
        return 0.0
