"""The sync client, the handle of the jobs that it submits, and what they share with the async ones."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Generic, NoReturn, Self, TypedDict, TypeVar, Unpack

import httpx

from segmind_api.calls import typed_method
from segmind_api.catalog import Model
from segmind_api.client import API_KEY_HEADER
from segmind_api.models import Credits, JobResult, JobStatus, SubmittedJob
from segmind_client import jobs, operations
from segmind_client.call import Call
from segmind_client.clock import Clock, SystemClock
from segmind_client.custom import CustomSender
from segmind_client.drivers import AsyncDriver, SyncDriver
from segmind_client.errors import ClientUnusable, MissingKey
from segmind_client.formats import Kind
from segmind_client.jobs import JobUpdate
from segmind_client.operations import Submission, known_slug, model_of
from segmind_client.options import OptionChanges
from segmind_client.reading import check_request_id
from segmind_client.results import Generation, Result
from segmind_client.retry import Caller
from segmind_client.settings import check_custom, read_base_url, read_key
from segmind_client.steps import Flow, then
from segmind_client.telemetry import OPERATION, traced
from segmind_client.transport import Sender
from segmind_client.urls import trusted_prefixes

DriverT = TypeVar("DriverT", SyncDriver, AsyncDriver)


class WaitChanges(TypedDict, total=False):
    """Options of one wait."""

    deadline: float
    interval: float | None
    on_update: Callable[[JobUpdate], object] | None


class BaseClient(Generic[DriverT]):
    """What the two clients have in common."""

    _caller: Caller
    _driver: DriverT

    def with_options(self, **changes: Unpack[OptionChanges]) -> Self:
        """The same client with other options. Both share their connections: closing one closes the other.

        Raises InvalidParameter.
        """
        changed = object.__new__(type(self))
        changed.__dict__.update(self.__dict__, _caller=self._caller.with_options(changes))
        return changed

    def __repr__(self) -> str:
        # A client whose __init__ has raised has no driver, and is shown in tracebacks.
        driver = vars(self).get("_driver")
        return f"{type(self).__name__}(base_url={str(driver.http.base_url)!r})" if driver else type(self).__name__

    def __reduce__(self) -> NoReturn:
        raise not_portable(self)


class BaseHandle(Generic[DriverT]):
    """What the handles of both clients have in common."""

    def __init__(
        self, caller: Caller, driver: DriverT, submitted: SubmittedJob, submission: Submission | None = None
    ) -> None:
        self._caller = caller
        self._driver: DriverT = driver
        self._submission = submission
        self.submitted = submitted
        """The response to the submit."""

    @property
    def request_id(self) -> str:
        return self.submitted.request_id

    @property
    def _kind(self) -> Kind | None:
        """What the model makes; None if that is not known, as for a job that was picked up."""
        return self._submission.model.output if self._submission else None

    def _waiting(self, call: Call, changes: WaitChanges) -> Flow[JobResult]:
        model = self._submission.model if self._submission else None
        flow = jobs.wait(self._caller, call, self.request_id, self._submission, changes)
        return traced(flow, "wait", model=model, request_id=self.request_id)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.submitted.get('request_id')!r})"

    def __reduce__(self) -> NoReturn:
        raise not_portable(self)


class Client(BaseClient[SyncDriver]):
    """A client of the service, to be closed or used as a context manager.

    The key is `api_key` or the environment's SEGMIND_API_KEY; the URL is `base_url`, the environment's
    SEGMIND_BASE_URL or the service's own. It has to be https, except on this machine or with `allow_http`, whose
    default is the environment's SEGMIND_ALLOW_HTTP: 1, true or yes, or else 0, false, no or nothing.
    `http_client` is a custom `httpx.Client`, with its proxies, hooks and TLS, which stays open; `transport` is a custom
    transport. `clock` replaces the machine's clock, in tests. Further arguments are `Options`. A client may be shared
    between threads, not between processes. Raises MissingKey and InvalidParameter. Every method raises SegmindError.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        allow_http: bool | None = None,
        http_client: httpx.Client | None = None,
        transport: httpx.BaseTransport | None = None,
        clock: Clock | None = None,
        **options: Unpack[OptionChanges],
    ) -> None:
        key, problem = read_key(api_key)
        # Tracebacks that show local variables do not show the key.
        api_key = None
        if key is None:
            raise MissingKey(problem)
        url = read_base_url(base_url, allow_http=allow_http)
        check_custom(http_client, httpx.Client, transport, httpx.BaseTransport, clock)
        clock = clock or SystemClock()
        self._caller = caller_of(url, clock).with_options(options)
        sender: Sender | CustomSender = (
            Sender(url, API_KEY_HEADER, key)
            if http_client is None and transport is None
            else CustomSender(url, API_KEY_HEADER, key, client=http_client, transport=transport)
        )
        self._driver = SyncDriver(sender, clock)

    @typed_method
    def run(self, model: str, /, **parameters: Any) -> Result:
        """Submits a job, waits until it has completed, and returns its result (v2).

        Like `submit` and `generate`, it takes the models and parameters of the contract; `run_model` takes any.
        """
        return self.run_model(known_slug(model, parameters), parameters)

    @typed_method
    def submit(self, model: str, /, **parameters: Any) -> JobHandle:
        """Submits a job (v2)."""
        return self.submit_model(known_slug(model, parameters), parameters)

    @typed_method
    def generate(self, model: str, /, **parameters: Any) -> Generation:
        """Makes an output in one blocking call (v1)."""
        return self.generate_model(known_slug(model, parameters), parameters)

    def run_model(self, model: str, parameters: Mapping[str, Any]) -> Result:
        """`run` for any slug, also one that the contract does not know; untyped."""
        call, called = Call(), model_of(model)
        flow = traced(jobs.run(self._caller, call, called, parameters), OPERATION, model=called)
        return self._driver.complete(
            call, then(flow, lambda result: Result(result, self._caller, self._driver, called.output))
        )

    def submit_model(self, model: str, parameters: Mapping[str, Any]) -> JobHandle:
        """`submit` for any slug, also one that the contract does not know; untyped."""
        call, called = Call(), model_of(model)
        flow = traced(operations.submit(self._caller, call, called, parameters), "submit", model=called)
        return self._driver.complete(call, then(flow, lambda job: self._handle(job, called)))

    def generate_model(self, model: str, parameters: Mapping[str, Any]) -> Generation:
        """`generate` for any slug, also one that the contract does not know; untyped."""
        call, called = Call(is_generation=True), model_of(model)
        flow = traced(operations.generate(self._caller, call, called, parameters), OPERATION, model=called)
        return self._driver.complete(
            call, then(flow, lambda made: Generation(*made, called.output, self._caller, self._driver))
        )

    def job(self, request_id: str) -> JobHandle:
        """Picks up a job that was submitted before, in this process or another."""
        return JobHandle(self._caller, self._driver, submitted_as(request_id))

    def credits(self) -> Credits:
        """The balance of the account."""
        return self._driver.complete(Call(), operations.balance(self._caller))

    def close(self) -> None:
        """Closes the connections. Calls that wait raise ClientUnusable before they send their next request."""
        # A forked process must leave the connections of its parent alone.
        if self._driver.process == os.getpid():
            self._caller.line.close()
            self._driver.http.close()

    def _handle(self, job: SubmittedJob, model: Model) -> JobHandle:
        return JobHandle(self._caller, self._driver, job, Submission(model, self._caller.clock.monotonic()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class JobHandle(BaseHandle[SyncDriver]):
    """A submitted job."""

    def status(self) -> JobStatus:
        """How far the job is. Raises InferenceFailed for one that failed."""
        return self._driver.complete(Call(self.request_id), operations.status(self._caller, self.request_id))

    def result(self) -> Result:
        """The result of a job that has completed. Raises NotFound before that."""
        flow = operations.present_result(self._caller, self.request_id, self._submission)
        return self._driver.complete(Call(self.request_id), then(flow, self._result))

    def wait(self, **changes: Unpack[WaitChanges]) -> Result:
        """Polls until the job has completed: when it is likely to have, or every `interval` seconds.

        Raises InferenceFailed, and InferenceTimeout after `deadline` seconds.
        """
        call = Call(self.request_id)
        return self._driver.complete(call, then(self._waiting(call, changes), self._result))

    def updates(self, **changes: Unpack[WaitChanges]) -> Iterator[JobUpdate]:
        """The job's state now and each time it changes, until the job has completed. Raises what `wait` raises."""
        call, caller = Call(self.request_id), self._caller.with_options(changes)
        watch = jobs.watch_job(caller, self.request_id, self._submission)
        while (update := self._driver.complete(call, jobs.update(caller, watch))) is not None:
            yield update

    def _result(self, result: JobResult) -> Result:
        return Result(result, self._caller, self._driver, self._kind)


def caller_of(url: str, clock: Clock) -> Caller:
    return Caller(clock=clock, trusted=trusted_prefixes(url), is_https=url.startswith("https:"))


def submitted_as(request_id: str) -> SubmittedJob:
    """What is known of a job that is picked up. Raises InvalidParameter for what cannot be an id."""
    check_request_id(request_id)
    return SubmittedJob({"request_id": request_id})


def not_portable(thing: object) -> ClientUnusable:
    return ClientUnusable(
        f"a {type(thing).__name__} cannot be pickled, it has a key and connections: make a client in the other "
        f"process, and give it the request ids, which job(request_id) picks up there"
    )
