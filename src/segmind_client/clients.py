"""The two clients, sync and async, and the handles of the jobs they submit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from segmind_api import catalog
from segmind_api.calls import typed_method
from segmind_api.catalog import POLL_DEADLINE_SECONDS
from segmind_api.client import API_KEY_HEADER, API_KEY_VARIABLE, BASE_URL
from segmind_api.models import Credits, JobStatus, SubmittedJob
from segmind_client.drivers import AsyncDriver, AsyncImages, Images, SyncDriver
from segmind_client.errors import InvalidParameter, MissingKey
from segmind_client.flows import READ_SECONDS, Caller, Submission
from segmind_client.results import AsyncGeneration, AsyncResult, Generation, Result
from segmind_client.transport import AsyncSender, Sender

BASE_URL_VARIABLE = "SEGMIND_BASE_URL"


class Client:
    """A client of the service, to be closed or used as a context manager.

    The key is `api_key` or the environment's SEGMIND_API_KEY, the address `base_url` or the environment's
    SEGMIND_BASE_URL or the service itself. `read_seconds` is how long a call waits for the next piece of
    an answer; a v1 call, which blocks until the image is there, waits longer. Raises MissingKey. Every
    method raises SegmindError.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        transport: httpx.BaseTransport | None = None,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._caller = Caller(read_seconds=read_seconds)
        self._driver = SyncDriver(Sender(base_address(base_url), key_header(api_key), transport), Images(transport))

    @typed_method
    def run(self, model: str, /, **parameters: Any) -> Result:
        """Queues a job, waits until it has completed, and gives its result (v2).

        Like `submit` and `generate`, it takes the models and parameters of the contract; `run_model` takes any.
        """
        return self.run_model(catalog.known_model(model, parameters).slug, parameters)

    @typed_method
    def submit(self, model: str, /, **parameters: Any) -> JobHandle:
        """Queues a job (v2)."""
        return self.submit_model(catalog.known_model(model, parameters).slug, parameters)

    @typed_method
    def generate(self, model: str, /, **parameters: Any) -> Generation:
        """Makes an image in one blocking call (v1)."""
        return self.generate_model(catalog.known_model(model, parameters).slug, parameters)

    def run_model(self, model: str, parameters: Mapping[str, Any]) -> Result:
        """`run` for any slug, also one that the contract does not know; untyped."""
        completed = self._driver.carry_out(
            self._caller.run(catalog.model(model), parameters, deadline=POLL_DEADLINE_SECONDS)
        )
        return Result(completed, self._caller, self._driver)

    def submit_model(self, model: str, parameters: Mapping[str, Any]) -> JobHandle:
        """`submit` for any slug, also one that the contract does not know; untyped."""
        called = catalog.model(model)
        submitted = self._driver.carry_out(self._caller.submit(called, parameters))
        return JobHandle(self._caller, self._driver, submitted, Submission(called, self._caller.clocks.monotonic()))

    def generate_model(self, model: str, parameters: Mapping[str, Any]) -> Generation:
        """`generate` for any slug, also one that the contract does not know; untyped."""
        response, output = self._driver.carry_out(self._caller.generate(catalog.model(model), parameters))
        return Generation(response, output, self._caller, self._driver)

    def job(self, request_id: str) -> JobHandle:
        """Picks up a job that was submitted before, in this process or another."""
        return JobHandle(self._caller, self._driver, SubmittedJob({"request_id": request_id}))

    def credits(self) -> Credits:
        """The balance of the account."""
        return self._driver.carry_out(self._caller.credits())

    def close(self) -> None:
        self._driver.http.close()
        self._driver.images.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={str(self._driver.http.base_url)!r})"


class JobHandle:
    """A submitted job."""

    def __init__(
        self, caller: Caller, driver: SyncDriver, submitted: SubmittedJob, submission: Submission | None = None
    ) -> None:
        self._caller = caller
        self._driver = driver
        self._submission = submission
        self.submitted = submitted
        """What the submit answered with."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.submitted.get('request_id')!r})"

    @property
    def request_id(self) -> str:
        return self.submitted.request_id

    def status(self) -> JobStatus:
        """How far the job is. Raises InferenceFailed for one that failed."""
        return self._driver.carry_out(self._caller.status(self.request_id))

    def result(self) -> Result:
        """The result of a job that has completed. Raises NotFound before that."""
        completed = self._driver.carry_out(self._caller.result(self.request_id))
        return Result(completed, self._caller, self._driver)

    def wait(self, *, deadline: float = POLL_DEADLINE_SECONDS, interval: float | None = None) -> Result:
        """Polls until the job has completed: when it is likely to have, or every `interval` seconds.

        Raises InferenceFailed, and InferenceTimeout after `deadline` seconds.
        """
        flow = self._caller.wait(self.request_id, deadline=deadline, interval=interval, submission=self._submission)
        return Result(self._driver.carry_out(flow), self._caller, self._driver)


class AsyncClient:
    """`Client` with `await`, under asyncio or trio."""

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._caller = Caller(read_seconds=read_seconds)
        self._driver = AsyncDriver(
            AsyncSender(base_address(base_url), key_header(api_key), transport), AsyncImages(transport)
        )

    @typed_method
    async def run(self, model: str, /, **parameters: Any) -> AsyncResult:
        """Queues a job, waits until it has completed, and gives its result (v2).

        Like `submit` and `generate`, it takes the models and parameters of the contract; `run_model` takes any.
        """
        return await self.run_model(catalog.known_model(model, parameters).slug, parameters)

    @typed_method
    async def submit(self, model: str, /, **parameters: Any) -> AsyncJobHandle:
        """Queues a job (v2)."""
        return await self.submit_model(catalog.known_model(model, parameters).slug, parameters)

    @typed_method
    async def generate(self, model: str, /, **parameters: Any) -> AsyncGeneration:
        """Makes an image in one blocking call (v1)."""
        return await self.generate_model(catalog.known_model(model, parameters).slug, parameters)

    async def run_model(self, model: str, parameters: Mapping[str, Any]) -> AsyncResult:
        """`run` for any slug, also one that the contract does not know; untyped."""
        completed = await self._driver.carry_out(
            self._caller.run(catalog.model(model), parameters, deadline=POLL_DEADLINE_SECONDS)
        )
        return AsyncResult(completed, self._caller, self._driver)

    async def submit_model(self, model: str, parameters: Mapping[str, Any]) -> AsyncJobHandle:
        """`submit` for any slug, also one that the contract does not know; untyped."""
        called = catalog.model(model)
        submitted = await self._driver.carry_out(self._caller.submit(called, parameters))
        return AsyncJobHandle(
            self._caller, self._driver, submitted, Submission(called, self._caller.clocks.monotonic())
        )

    async def generate_model(self, model: str, parameters: Mapping[str, Any]) -> AsyncGeneration:
        """`generate` for any slug, also one that the contract does not know; untyped."""
        response, output = await self._driver.carry_out(self._caller.generate(catalog.model(model), parameters))
        return AsyncGeneration(response, output, self._caller, self._driver)

    def job(self, request_id: str) -> AsyncJobHandle:
        """Picks up a job that was submitted before, in this process or another."""
        return AsyncJobHandle(self._caller, self._driver, SubmittedJob({"request_id": request_id}))

    async def credits(self) -> Credits:
        """The balance of the account."""
        return await self._driver.carry_out(self._caller.credits())

    async def close(self) -> None:
        await self._driver.http.aclose()
        await self._driver.images.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={str(self._driver.http.base_url)!r})"


class AsyncJobHandle:
    """A job submitted by an `AsyncClient`."""

    def __init__(
        self, caller: Caller, driver: AsyncDriver, submitted: SubmittedJob, submission: Submission | None = None
    ) -> None:
        self._caller = caller
        self._driver = driver
        self._submission = submission
        self.submitted = submitted
        """What the submit answered with."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.submitted.get('request_id')!r})"

    @property
    def request_id(self) -> str:
        return self.submitted.request_id

    async def status(self) -> JobStatus:
        """How far the job is. Raises InferenceFailed for one that failed."""
        return await self._driver.carry_out(self._caller.status(self.request_id))

    async def result(self) -> AsyncResult:
        """The result of a job that has completed. Raises NotFound before that."""
        completed = await self._driver.carry_out(self._caller.result(self.request_id))
        return AsyncResult(completed, self._caller, self._driver)

    async def wait(self, *, deadline: float = POLL_DEADLINE_SECONDS, interval: float | None = None) -> AsyncResult:
        """Polls until the job has completed: when it is likely to have, or every `interval` seconds.

        Raises InferenceFailed, and InferenceTimeout after `deadline` seconds.
        """
        flow = self._caller.wait(self.request_id, deadline=deadline, interval=interval, submission=self._submission)
        return AsyncResult(await self._driver.carry_out(flow), self._caller, self._driver)


def key_header(api_key: str | None) -> dict[str, str]:
    key = api_key or os.environ.get(API_KEY_VARIABLE)
    if not key:
        raise MissingKey(f"no API key: pass api_key, or set {API_KEY_VARIABLE} in the environment")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise MissingKey("the API key cannot be sent: it holds a space, a line break or a character that no key has")
    return {API_KEY_HEADER: key}


def base_address(base_url: str | None) -> str:
    """The address that the paths of the contract come after; one that ends in a version loses it."""
    address = (base_url or os.environ.get(BASE_URL_VARIABLE) or BASE_URL).strip().rstrip("/")
    allowed = "an address such as https://host or http://host:port"
    try:
        parsed = httpx.URL(address)
    except httpx.InvalidURL as error:
        raise InvalidParameter("Client", "base_url", address, f"{allowed} ({error})") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise InvalidParameter("Client", "base_url", address, allowed)
    return address.removesuffix("/v1").removesuffix("/v2")
