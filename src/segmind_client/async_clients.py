"""The async client, and the handle of the jobs that it submits."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Self, Unpack

import httpx

from segmind_api.calls import typed_method
from segmind_api.catalog import Model
from segmind_api.client import API_KEY_HEADER
from segmind_api.models import Credits, JobResult, JobStatus, SubmittedJob
from segmind_client import jobs, operations
from segmind_client.call import Call
from segmind_client.clients import BaseClient, BaseHandle, WaitChanges, caller_of, submitted_as
from segmind_client.clock import Clock, EventLoopClock
from segmind_client.custom import CustomAsyncSender
from segmind_client.drivers import AsyncDriver
from segmind_client.errors import MissingKey
from segmind_client.jobs import JobUpdate, Watch
from segmind_client.operations import Submission, known_slug, model_of
from segmind_client.options import OptionChanges
from segmind_client.results import AsyncGeneration, AsyncResult
from segmind_client.retry import Caller
from segmind_client.settings import check_custom, read_base_url, read_key
from segmind_client.steps import then
from segmind_client.telemetry import OPERATION, traced
from segmind_client.transport import AsyncSender


class AsyncClient(BaseClient[AsyncDriver]):
    """`Client` with `await`, under asyncio or trio. May be shared between the tasks of one event loop."""

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        allow_http: bool | None = None,
        http_client: httpx.AsyncClient | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock | None = None,
        **options: Unpack[OptionChanges],
    ) -> None:
        key, problem = read_key(api_key)
        # Tracebacks that show local variables do not show the key.
        api_key = None
        if key is None:
            raise MissingKey(problem)
        url = read_base_url(base_url, allow_http=allow_http)
        check_custom(http_client, httpx.AsyncClient, transport, httpx.AsyncBaseTransport, clock)
        clock = clock or EventLoopClock()
        self._caller = caller_of(url, clock).with_options(options)
        sender: AsyncSender | CustomAsyncSender = (
            AsyncSender(url, API_KEY_HEADER, key)
            if http_client is None and transport is None
            else CustomAsyncSender(url, API_KEY_HEADER, key, client=http_client, transport=transport)
        )
        self._driver = AsyncDriver(sender, clock)

    @typed_method
    async def run(self, model: str, /, **parameters: Any) -> AsyncResult:
        """Submits a job, waits until it has completed, and returns its result (v2).

        Like `submit` and `generate`, it takes the models and parameters of the contract; `run_model` takes any.
        """
        return await self.run_model(known_slug(model, parameters), parameters)

    @typed_method
    async def submit(self, model: str, /, **parameters: Any) -> AsyncJobHandle:
        """Submits a job (v2)."""
        return await self.submit_model(known_slug(model, parameters), parameters)

    @typed_method
    async def generate(self, model: str, /, **parameters: Any) -> AsyncGeneration:
        """Makes an output in one blocking call (v1)."""
        return await self.generate_model(known_slug(model, parameters), parameters)

    async def run_model(self, model: str, parameters: Mapping[str, Any]) -> AsyncResult:
        """`run` for any slug, also one that the contract does not know; untyped."""
        call, called = Call(), model_of(model)
        flow = traced(jobs.run(self._caller, call, called, parameters), OPERATION, model=called)
        return await self._driver.complete(
            call, then(flow, lambda result: AsyncResult(result, self._caller, self._driver, called.output))
        )

    async def submit_model(self, model: str, parameters: Mapping[str, Any]) -> AsyncJobHandle:
        """`submit` for any slug, also one that the contract does not know; untyped."""
        call, called = Call(), model_of(model)
        flow = traced(operations.submit(self._caller, call, called, parameters), "submit", model=called)
        return await self._driver.complete(call, then(flow, lambda job: self._handle(job, called)))

    async def generate_model(self, model: str, parameters: Mapping[str, Any]) -> AsyncGeneration:
        """`generate` for any slug, also one that the contract does not know; untyped."""
        call, called = Call(is_generation=True), model_of(model)
        flow = traced(operations.generate(self._caller, call, called, parameters), OPERATION, model=called)
        return await self._driver.complete(
            call, then(flow, lambda made: AsyncGeneration(*made, called.output, self._caller, self._driver))
        )

    def job(self, request_id: str) -> AsyncJobHandle:
        """Picks up a job that was submitted before, in this process or another."""
        return AsyncJobHandle(self._caller, self._driver, submitted_as(request_id))

    async def credits(self) -> Credits:
        """The balance of the account."""
        return await self._driver.complete(Call(), operations.balance(self._caller))

    async def close(self) -> None:
        """Closes the connections. Calls that wait raise ClientUnusable before they send their next request.

        Raises ClientUnusable itself in another event loop than the one in which the client was used.
        """
        # A forked process must leave the connections of its parent alone.
        if self._driver.process == os.getpid():
            self._caller.line.close()
            await self._driver.close()

    def _handle(self, job: SubmittedJob, model: Model) -> AsyncJobHandle:
        return AsyncJobHandle(self._caller, self._driver, job, Submission(model, self._caller.clock.monotonic()))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


class AsyncJobHandle(BaseHandle[AsyncDriver]):
    """A job submitted by an `AsyncClient`."""

    async def status(self) -> JobStatus:
        """How far the job is. Raises InferenceFailed for one that failed."""
        return await self._driver.complete(Call(self.request_id), operations.status(self._caller, self.request_id))

    async def result(self) -> AsyncResult:
        """The result of a job that has completed. Raises NotFound before that."""
        flow = operations.present_result(self._caller, self.request_id, self._submission)
        return await self._driver.complete(Call(self.request_id), then(flow, self._result))

    async def wait(self, **changes: Unpack[WaitChanges]) -> AsyncResult:
        """Polls until the job has completed: when it is likely to have, or every `interval` seconds.

        Raises InferenceFailed, and InferenceTimeout after `deadline` seconds.
        """
        call = Call(self.request_id)
        return await self._driver.complete(call, then(self._waiting(call, changes), self._result))

    def updates(self, **changes: Unpack[WaitChanges]) -> AsyncIterator[JobUpdate]:
        """The job's state now and each time it changes, until the job has completed. Raises what `wait` raises."""
        return Updates(self._caller.with_options(changes), self._driver, self.request_id, self._submission)

    def _result(self, result: JobResult) -> AsyncResult:
        return AsyncResult(result, self._caller, self._driver, self._kind)


class Updates(AsyncIterator[JobUpdate]):
    """The changes of a job's state. Not a generator, which would have to be closed by whoever leaves it halfway."""

    def __init__(self, caller: Caller, driver: AsyncDriver, request_id: str, submission: Submission | None) -> None:
        self._call = Call(request_id)
        self._caller = caller
        self._driver = driver
        self._request_id = request_id
        self._submission = submission
        self._watch: Watch | None = None

    async def __anext__(self) -> JobUpdate:
        self._watch = self._watch or jobs.watch_job(self._caller, self._request_id, self._submission)
        update = await self._driver.complete(self._call, jobs.update(self._caller, self._watch))
        if update is None:
            raise StopAsyncIteration
        return update
