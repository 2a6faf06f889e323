"""What to send next, without sending it.

A flow is a generator. It yields a `Send` or a `Pause` and is resumed with what came of it: an answer,
or one of the two exceptions that a driver throws in, NotSent and ConnectionLost.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any, Protocol, TypeVar, cast

import attrs
from dateutil import parser as date_parser

from segmind_api.api.account import get_user_credits
from segmind_api.api.jobs import get_job_result, get_job_status
from segmind_api.catalog import Model
from segmind_api.errors import UnreadableField
from segmind_api.models import Credits, ErrorResponse, FailedJob, GenerationOutput, JobResult, JobStatus, SubmittedJob
from segmind_api.types import Answer, ApiRequest, ApiResponse, json_body
from segmind_client.errors import (
    ConnectionLost,
    InferenceFailed,
    InferenceTimeout,
    InvalidParameter,
    MayHaveBeenAccepted,
    NotSent,
    SegmindError,
    StatusError,
    UnreadableAnswer,
)
from segmind_client.polling import Latencies, duration, every

T = TypeVar("T")
ResultT = TypeVar("ResultT")

REPEATED_AFTER = {"POST": frozenset({429, 500, 502, 503}), "GET": frozenset({408, 429, *range(500, 600)})}
"""Statuses after which a call is repeated: a POST only where the service says that it was not accepted."""

READ_SECONDS = 30.0
BLOCKING_READ_SECONDS = 180.0
"""For a v1 call, which answers when the image is there."""


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
class RetryPolicy:
    """How often a call is sent, and how long the pauses are, in seconds."""

    attempts: int = 4
    first_backoff: float = 0.5
    longest_backoff: float = 8.0
    total: float = 60.0
    """From the first attempt until the last is sent."""

    def backoff(self, attempt: int, chance: float) -> float:
        """Full jitter: anything up to a bound that doubles with each attempt."""
        return chance * min(self.longest_backoff, self.first_backoff * 2.0**attempt)


@attrs.frozen
class Caller:
    """What every flow of one client shares."""

    clocks: Clocks = Clocks()
    retry: RetryPolicy = RetryPolicy()
    read_seconds: float = READ_SECONDS
    latencies: Latencies = attrs.field(factory=Latencies)

    def exchange(
        self, request: ApiRequest, *, read_seconds: float = 0.0, until: float = math.inf, into: Sink | None = None
    ) -> Flow[ApiResponse]:
        """One call, repeated where that is safe, until a monotonic time at the latest."""
        until = min(until, self.clocks.monotonic() + self.retry.total)
        attempt = 0
        while True:
            attempt += 1
            response: ApiResponse | None = None
            failure: SegmindError | None = None
            wanted = 0.0
            try:
                response = yield Send(request, max(read_seconds, self.read_seconds), into)
            except NotSent as error:
                failure = error
            except ConnectionLost as error:
                if request.method != "GET":
                    raise may_have_been_accepted(request, f"its answer was lost ({error.detail})") from error
                failure = error
            if response is not None:
                if not may_be_repeated(request, response):
                    return response
                wanted = server_wait(response, self.clocks.utc())
            pause = max(wanted, self.retry.backoff(attempt, self.clocks.chance()))
            if attempt < self.retry.attempts and self.clocks.monotonic() + pause <= until:
                yield Pause(pause)
            elif failure is not None:
                raise failure
            else:
                return cast(ApiResponse, response)

    def generate(
        self, model: Model, parameters: Mapping[str, Any]
    ) -> Flow[tuple[ApiResponse, GenerationOutput | str | bytes]]:
        body = model.request.from_parameters(parameters).to_dict()
        request = ApiRequest("POST", model.generate_path, body)
        response = yield from self.exchange(request, read_seconds=BLOCKING_READ_SECONDS)
        return response, expect_of_post(request, model.read_generated(response))

    def submit(self, model: Model, parameters: Mapping[str, Any]) -> Flow[SubmittedJob]:
        body = model.request.from_parameters(parameters).to_dict()
        request = ApiRequest("POST", model.submit_path, body)
        response = yield from self.exchange(request)
        job = expect_of_post(request, model.read_submitted(response))
        try:
            # A job that cannot be asked for is as lost as one without an id.
            get_job_status.build(job.request_id)
        except (UnreadableField, InvalidParameter) as error:
            raise may_have_been_accepted(request, f"its answer names no job: {error.detail}", response) from error
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

    def wait(
        self,
        request_id: str,
        *,
        deadline: float,
        interval: float | None = None,
        submission: Submission | None = None,
    ) -> Flow[JobResult]:
        """Polls until the job ends, for `deadline` seconds at most; every `interval` seconds, if that is given.

        A poll that fails for a reason that may pass is no end: the next one may succeed.
        """
        for name, seconds in (("deadline", deadline), ("interval", interval or 0.0)):
            if not 0 <= seconds < math.inf:
                raise InvalidParameter("wait", name, seconds, "a number of seconds, 0 or more and not without end")
        started = self.clocks.monotonic()
        model, submitted = (submission.model, submission.at) if submission else (None, started)
        until = started + deadline
        pause = self.latencies.schedule(model).pause if interval is None else every(interval)
        polls, pending = 0, 0.0
        trouble: SegmindError | None = None
        while True:
            now = self.clocks.monotonic()
            seconds = min(pause(now - submitted, polls), until - now)
            if seconds > 0:
                yield Pause(seconds)
            asked = self.clocks.monotonic() - submitted
            try:
                status = yield from self.status(request_id, until=until)
                if status.get("status") == "COMPLETED":
                    ended = self.clocks.monotonic() - submitted
                    result = yield from self.result(request_id, until=until)
                    if model is not None:
                        self.latencies.learn(model.slug, duration(result, pending, ended))
                    return result
                if status.get("status") == "FAILED":
                    raise job_failed(status, None, request_id)
                pending, trouble = asked, None
            except SegmindError as error:
                if not may_pass(error):
                    error.request_id = request_id
                    raise
                trouble = error
            polls += 1
            elapsed = self.clocks.monotonic() - started
            if elapsed >= deadline:
                last = f" (the last poll: {trouble.detail})" if trouble else ""
                raise InferenceTimeout(
                    f"the job did not end within {deadline:g} s{last}; it may still complete, pick it up with its "
                    f"request id",
                    request_id=request_id,
                    elapsed_s=elapsed,
                ) from trouble

    def run(
        self, model: Model, parameters: Mapping[str, Any], *, deadline: float, interval: float | None = None
    ) -> Flow[JobResult]:
        job = yield from self.submit(model, parameters)
        submission = Submission(model, self.clocks.monotonic())
        return (yield from self.wait(job.request_id, deadline=deadline, interval=interval, submission=submission))


def may_pass(error: SegmindError) -> bool:
    """Whether the same GET may succeed later."""
    if error.status is None:
        return isinstance(error, NotSent | ConnectionLost)
    return error.status in REPEATED_AFTER["GET"] or isinstance(error, UnreadableAnswer)


def expect(answer: Answer[ResultT, ErrorResponse | FailedJob | str], request_id: str | None) -> ResultT:
    """The result of an answer, or the error that it stands for."""
    if answer.result is not None:
        return answer.result
    if isinstance(answer.error, FailedJob):
        raise job_failed(answer.error, answer.response, request_id)
    if answer.status < 400:
        raise UnreadableAnswer(
            f"the service's answer cannot be read: {answer.problem}", response=answer.response, request_id=request_id
        )
    raise status_error(answer.response, problem=answer.problem, request_id=request_id)


def job_failed(body: Mapping[str, Any], response: ApiResponse | None, request_id: str | None) -> InferenceFailed:
    detail = body.get("error")
    return InferenceFailed(
        f"the job failed: {detail if isinstance(detail, str) else 'the service does not say why'}",
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
    # What a proxy answers says nothing about the service behind it, and a service that was cut off may go on.
    message = error_message(answer.response)
    says_failed = answer.status in REPEATED_AFTER["POST"] and message is not None
    if answer.result is None and not says_failed and not 400 <= answer.status < 500:
        problem = answer.problem or f"the answer was {answer.status}, not from the service itself"
        if message is not None:
            problem = f"the answer was {answer.status}: {message}"
        raise may_have_been_accepted(request, problem, answer.response)
    return expect(answer, None)


def may_have_been_accepted(
    request: ApiRequest, what_happened: str, response: ApiResponse | None = None
) -> MayHaveBeenAccepted:
    return MayHaveBeenAccepted(
        f"{request.method} {request.path} was sent, but {what_happened}. It may have been accepted, and then it is "
        f"charged: sending it again may pay twice.",
        response=response,
    )


def error_message(response: ApiResponse) -> str | None:
    """The service's own message; None where it sent none in its documented form."""
    error = json_body(ErrorResponse.from_raw)(response) or ErrorResponse({})
    message = error.get("error")
    if not isinstance(message, str):
        return None
    return f"{message}: {error.error_description}" if error.error_description else message


def status_error(response: ApiResponse, *, problem: str | None, request_id: str | None) -> StatusError:
    """The error class of a status, with the service's message where it sent one, documented or not."""
    detail = error_message(response) or problem or "no message"
    kind = StatusError.by_status.get(response.status, StatusError)
    return kind(f"{response.status} from the service: {detail}", response=response, request_id=request_id)


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
    except (ValueError, OverflowError):
        return 0.0
