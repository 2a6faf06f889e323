"""Waits for jobs: polls them at the times that `polling.py` gives, and decides what ends the wait."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import attrs

from segmind_api.catalog import JOB_RETENTION_SECONDS, Model
from segmind_api.models import JobResult, JobStatus
from segmind_client.call import Call
from segmind_client.errors import InferenceTimeout, RateLimited, SegmindError, cut
from segmind_client.masking import logged_only
from segmind_client.operations import Submission, result, status, submit
from segmind_client.polling import SHORTEST_INTERVAL, PollPlan, duration
from segmind_client.reading import check_state, is_transient, job_failed
from segmind_client.retry import Caller, backoff
from segmind_client.server_time import server_wait
from segmind_client.steps import Flow, Pause


@attrs.frozen
class JobUpdate:
    """A change of a job's state."""

    status: str
    """QUEUED, PROCESSING or COMPLETED, or another if the service knows more."""
    elapsed: float
    """Seconds since the job was submitted, or since `updates` was called for one that was picked up."""
    job: JobStatus
    """The response of the service."""
    remaining: float | None = None
    """Seconds until the job is likely to have completed, by the latencies of its model; None if none are known, and for
    a job that was picked up.
    """


@attrs.define
class Watch:
    """One wait for one job. Times are monotonic, ages are in seconds since the submission."""

    request_id: str
    started: float
    until: float
    submission: Submission | None
    plan: PollPlan
    polls: int = 0
    failures: int = 0
    """Polls or fetches in a row that ended with a transient error."""
    wanted: float = 0.0
    """Seconds until the next poll, at least, after such an error."""
    pending: float = 0.0
    """The last age at which the job was known not to have ended."""
    ended: float | None = None
    """The age at which the job was known to have ended."""
    polled: float = -math.inf
    """When the last poll was sent."""
    responded: float = -math.inf
    """When the response to it came, or its error."""
    trouble: SegmindError | None = None
    """The transient error of the last poll or fetch."""
    state: str | None = None
    """That was last reported to the user."""
    last_state: str | None = None
    """In the response to the last poll."""

    @property
    def submitted(self) -> float:
        return self.submission.at if self.submission else self.started

    @property
    def expires(self) -> float:
        """When requests about the job become pointless: at the deadline, or when the service forgets the job."""
        return min(self.until, self.submitted + JOB_RETENTION_SECONDS)

    def record_transient(self, error: SegmindError, now: float, chance: float, utc: float) -> None:
        """Records a transient error; raises any other with the id of the job, RateLimited as InferenceTimeout."""
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

    def record_poll(self, job: JobStatus, now: float) -> None:
        self.trouble, self.failures, self.wanted, self.last_state = None, 0, 0.0, job.status
        self.responded = now
        if job.status == "COMPLETED":
            self.ended = now - self.submitted
        else:
            self.pending = self.polled - self.submitted

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


def run(caller: Caller, call: Call, model: Model, parameters: Mapping[str, Any]) -> Flow[JobResult]:
    """Submits a job, waits until it has completed, and fetches its result."""
    # Only the id is kept while the job runs: many jobs may run at the same time, and responses use memory.
    request_id = (yield from submit(caller, call, model, parameters)).request_id
    return (yield from wait(caller, call, request_id, Submission(model, caller.clock.monotonic())))


def wait(
    caller: Caller,
    call: Call,
    request_id: str,
    submission: Submission | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Flow[JobResult]:
    """Polls until the job ends, and fetches its result. `changes` are options of this wait.

    Raises InferenceFailed, InferenceTimeout and InvalidParameter.
    """
    call.request_id = request_id
    caller = caller.with_options(changes or {})
    watch = watch_job(caller, request_id, submission)
    try:
        while (job := (yield from next_change(caller, watch))) is not None:
            tell(caller, watch, job)
        completed = yield from completed_result(caller, watch)
    finally:
        watch.plan.release()
    if submission is not None:
        caller.latencies.learn(submission.model.slug, duration(completed, watch.pending, watch.ended or 0.0))
    return completed


def watch_job(caller: Caller, request_id: str, submission: Submission | None) -> Watch:
    started, interval = caller.clock.monotonic(), caller.options.interval
    model = submission.model if submission else None
    plan = caller.latencies.plan(model, None if interval is None else max(interval, SHORTEST_INTERVAL))
    return Watch(request_id, started, started + caller.options.deadline, submission, plan)


def update(caller: Caller, watch: Watch) -> Flow[JobUpdate | None]:
    """Polls until the job's state differs from the last update; None after the job has completed."""
    try:
        job = yield from next_change(caller, watch)
        return None if job is None else job_update(caller, watch, job)
    finally:
        # The next update may never be asked for, and other jobs of the model may wait for the duration of this one.
        watch.plan.release()


def next_change(caller: Caller, watch: Watch) -> Flow[JobStatus | None]:
    """Polls until the job's state differs from the last one that this returned; None after COMPLETED."""
    while watch.state != "COMPLETED":
        job = yield from poll(caller, watch)
        if job.status != watch.state:
            watch.state = job.status
            return job
    return None


def tell(caller: Caller, watch: Watch, job: JobStatus) -> None:
    """Calls `on_update`. Its exceptions are logged: they must not end the wait for a job that is paid for."""
    if caller.options.on_update is not None:
        with logged_only(f"on_update failed for the job {watch.request_id}; the wait goes on"):
            caller.options.on_update(job_update(caller, watch, job))


def job_update(caller: Caller, watch: Watch, job: JobStatus) -> JobUpdate:
    elapsed = caller.clock.monotonic() - watch.submitted
    model = watch.submission.model if watch.submission else None
    remaining = 0.0 if job.status == "COMPLETED" else caller.latencies.remaining(model, elapsed)
    return JobUpdate(job.status, elapsed, job, remaining)


def poll(caller: Caller, watch: Watch) -> Flow[JobStatus]:
    """The response to the next poll. Raises InferenceFailed, and InferenceTimeout after the deadline.

    A poll that ends with a transient error is followed by another.
    """
    while True:
        if watch.polled >= watch.until:
            raise watch.timed_out(caller.clock.monotonic())
        yield from pause_before_poll(caller, watch)
        watch.polls += 1
        watch.polled = caller.clock.monotonic()
        try:
            job = yield from status(caller, watch.request_id, until=watch.until, expires=watch.expires)
            check_state(job, watch.request_id)
        except SegmindError as error:
            watch.responded = caller.clock.monotonic()
            watch.record_transient(error, watch.responded, caller.chance(), caller.utc())
            continue
        if job.status == "FAILED":
            raise job_failed(job, job.response, watch.request_id)
        watch.record_poll(job, caller.clock.monotonic())
        return job


def pause_before_poll(caller: Caller, watch: Watch) -> Flow[None]:
    last = watch.responded if watch.polls else watch.started
    while True:
        now = caller.clock.monotonic()
        sparing = caller.line.is_scarce(now)
        pause = max(watch.wanted, watch.plan.pause(last - watch.submitted, watch.polls, sparing=sparing))
        # The durations of other jobs may bring the poll forward.
        look_again = watch.plan.look_again(now - watch.submitted, sparing=sparing)
        due = min(last + pause, watch.until)
        if now >= due:
            return
        yield Pause(min(due - now, look_again))


def completed_result(caller: Caller, watch: Watch) -> Flow[JobResult]:
    """The result of a completed job, without another poll: a window may have only one request left."""
    while True:
        try:
            return (yield from result(caller, watch.request_id, until=watch.until, expires=watch.expires))
        except SegmindError as error:
            now = caller.clock.monotonic()
            watch.record_transient(error, now, caller.chance(), caller.utc())
            if now >= watch.until:
                raise watch.timed_out(now) from error
            yield Pause(min(watch.until - now, watch.wanted))
