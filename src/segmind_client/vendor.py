"""The interface of the vendor's own package: code written for it runs unchanged."""

from __future__ import annotations

import os
import time
import weakref
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn, TypeVar, cast

import attrs
import httpx

from segmind_api.calls import typed_function, typed_method
from segmind_api.catalog import POLL_DEADLINE_SECONDS, POLL_INTERVAL_SECONDS, Model
from segmind_api.client import API_KEY_HEADER, API_KEY_VARIABLE
from segmind_api.models import JobResult, JobStatus
from segmind_api.types import ApiResponse, RequestBody, ResponseObject
from segmind_client import ABSENT, absent, jobs, operations
from segmind_client.call import Call
from segmind_client.clients import Client, JobHandle
from segmind_client.drivers import SyncDriver
from segmind_client.errors import InferenceFailed, MayHaveBeenAccepted
from segmind_client.formats import Kind
from segmind_client.masking import Secret
from segmind_client.operations import model_of
from segmind_client.options import OptionChanges
from segmind_client.results import Result
from segmind_client.retry import Caller
from segmind_client.settings import BASE_URL_VARIABLE
from segmind_client.steps import Flow, then
from segmind_client.telemetry import OPERATION, traced
from segmind_client.transport import Sender

T = TypeVar("T")

DEFAULT_POLL_INTERVAL_S = POLL_INTERVAL_SECONDS
DEFAULT_POLL_TIMEOUT_S = POLL_DEADLINE_SECONDS

NO_SERVICE = "http://127.0.0.1"
"""The base URL of a sender that only fetches files, whose URLs are complete. No proxy is used for this machine."""

DEFAULT_CLIENTS = 4
"""The most clients that the module's functions keep, one for each key and URL."""


class ResponseDict(dict[str, Any]):
    """A JSON object that the service sent: a dict, with the typed attributes of `fields` as well."""

    def __init__(self, fields: ResponseObject) -> None:
        super().__init__(fields.to_dict())
        self._fields = fields

    def __getattr__(self, name: str) -> Any:
        # Unpickling asks for names such as __setstate__ before there are fields.
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._fields, name)


class FileDriver:
    """Fetches files without a key. Each file has a connection of its own, so none is kept."""

    def carry_out(self, flow: Flow[T]) -> T:
        return SyncDriver(Sender(NO_SERVICE, API_KEY_HEADER, Secret(""))).carry_out(flow)


class ResultDict(ResponseDict):
    """The result of a job as a dict, with what a `Result` has as well."""

    def __init__(self, result: JobResult, caller: Caller | None, kind: Kind | None = None) -> None:
        # Not with the client's driver: many results must not keep the connections of many clients open.
        super().__init__(Result(result, caller, FileDriver(), kind))

    @property
    def content(self) -> bytes:
        """The bytes of the output, as `Result.content` has them."""
        return cast(Result, self._fields).content

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Saves the output and returns the path of the file, as `Result.save` does."""
        return cast(Result, self._fields).save(path, overwrite=overwrite)


class AsyncJob:
    """A submitted job. (The vendor calls it async because it runs elsewhere; its methods block.)"""

    def __init__(self, handle: JobHandle, caller: Caller | None = None, kind: Kind | None = None) -> None:
        self._handle = handle
        self._caller = caller
        self._kind: Kind | None = kind
        self.submit_response = ResponseDict(handle.submitted)

    def __repr__(self) -> str:
        return f"AsyncJob(request_id={self.request_id!r})"

    @property
    def request_id(self) -> str:
        return self._handle.request_id

    @property
    def status_url(self) -> str | None:
        return self.submit_response.get("status_url")

    @property
    def response_url(self) -> str | None:
        return self.submit_response.get("response_url")

    def wait(self, timeout: float = DEFAULT_POLL_TIMEOUT_S, interval: float = DEFAULT_POLL_INTERVAL_S) -> ResultDict:
        """Polls every `interval` seconds until the job has completed.

        Raises InferenceFailed, and InferenceTimeout after `timeout` seconds.
        """
        return ResultDict(self._handle.wait(deadline=timeout, interval=interval), self._caller, self._kind)

    def status(self) -> ResponseDict:
        """The state of the job. FAILED is a state here, not an error."""
        try:
            return ResponseDict(self._handle.status())
        except InferenceFailed as error:
            return ResponseDict(JobStatus(error.status_body, error.response))

    def result(self) -> ResultDict:
        """The result of a job that has completed, or the response about one that failed."""
        try:
            return ResultDict(self._handle.result(), self._caller, self._kind)
        except InferenceFailed as error:
            return ResultDict(JobResult(error.status_body, error.response), self._caller)


class SegmindClient(Client):
    """`Client` by the vendor's name, with the vendor's methods and arguments.

    A `base_url` may end in /v1. `timeout` is in seconds, for each piece of a response; without one, `Client`'s
    options hold. Its connections are closed with it or, as the vendor's users do not close theirs, when neither it
    nor any of its jobs is in use any more.
    """

    def __init__(self, api_key: str | None = None, base_url: str | None = None, timeout: float | None = None) -> None:
        options: OptionChanges = {} if timeout is None else {"read_seconds": timeout, "generate_seconds": timeout}
        key = [api_key or None]
        # Tracebacks that show local variables do not show the key.
        api_key = None
        super().__init__(key.pop(), base_url=base_url, **options)
        self.timeout = timeout
        close_when_unused(self._driver)

    def __getattr__(self, name: str) -> NoReturn:
        raise (
            absent("SegmindClient", name)
            if name in ABSENT
            else AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        )

    @property
    def base_url(self) -> str:
        """The URL of v1, as the vendor's client has it."""
        return f"{self._driver.http.base_url}/v1"

    # The vendor's run returns a dict, which a Result cannot be as well.
    @typed_method
    def run(self, slug: str, **params: Any) -> ResultDict:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]
        """Submits a job, waits until it has completed, and returns its result (v2). Every keyword goes into the body,
        with whatever value: what the service refuses is an error with its status, and is not charged.
        """
        call, model = Call(), unchecked(slug)
        flow = traced(jobs.run(self._caller, call, model, renamed(slug, params)), OPERATION, model=model)
        return self._driver.complete(call, then(flow, lambda result: ResultDict(result, self._caller, model.output)))

    @typed_method
    def run_sync(self, slug: str, **params: Any) -> httpx.Response:
        """One blocking call (v1). Every keyword goes into the body, as with `run`."""
        call, began = Call(is_generation=True), time.monotonic()
        try:
            model = unchecked(slug)
            flow = traced(operations.generate(self._caller, call, model, renamed(slug, params)), OPERATION, model=model)
            response, _ = self._driver.carry_out(flow)
            return as_httpx(response, f"{self.base_url}/{slug}", time.monotonic() - began)
        except BaseException as error:
            # A success is returned with any body: the caller may understand more than the contract has.
            success = whole_success(error)
            if success is not None:
                return as_httpx(success, f"{self.base_url}/{slug}", time.monotonic() - began)
            call.fail(error)

    @typed_method
    def submit_async(self, slug: str, **params: Any) -> AsyncJob:
        """Submits a job (v2). Every keyword goes into the body, as with `run`."""
        call, model = Call(), unchecked(slug)
        flow = traced(operations.submit(self._caller, call, model, renamed(slug, params)), "submit", model=model)
        return self._driver.complete(
            call, then(flow, lambda job: AsyncJob(self._handle(job, model), self._caller, model.output))
        )


@typed_function
def run(slug: str, **params: Any) -> ResultDict:
    """Submits a job, waits until it has completed, and returns its result (v2), as `SegmindClient.run` does."""
    client: Any = default_client()
    return cast(ResultDict, client.run(slug, **params))


@typed_function
def run_sync(slug: str, **params: Any) -> httpx.Response:
    """One blocking call (v1), as `SegmindClient.run_sync` makes."""
    client: Any = default_client()
    return cast(httpx.Response, client.run_sync(slug, **params))


@typed_function
def submit_async(slug: str, **params: Any) -> AsyncJob:
    """Submits a job (v2), as `SegmindClient.submit_async` does."""
    client: Any = default_client()
    return cast(AsyncJob, client.submit_async(slug, **params))


def unchecked(slug: str) -> Model:
    """The model, with parameters that only the service checks, as with the vendor's package.

    Raises InvalidParameter for a slug that cannot be called.
    """
    return attrs.evolve(model_of(slug), request=RequestBody)


def renamed(slug: str, params: dict[str, Any]) -> dict[str, Any]:
    """The parameters by their names in the contract, which Python may not be able to say."""
    known = model_of(slug).request.PARAMETERS
    return {known[name].name if name in known else name: value for name, value in params.items()}


def as_httpx(response: ApiResponse, url: str, seconds: float) -> httpx.Response:
    """The response as the vendor's package returns it, with a request that does not hold the key."""
    # The content is decoded already; httpx would decode it again.
    plain = [
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in response.headers.items()
        if name != "content-encoding"
    ]
    request = httpx.Request("POST", url)
    made = httpx.Response(response.status, headers=plain, content=response.content, request=request)
    made.elapsed = timedelta(seconds=seconds)
    return made


def whole_success(error: BaseException) -> ApiResponse | None:
    """The response of an error about the body of a success. None for a response that was cut off."""
    # An error about a response that was cut off has a cause.
    if not isinstance(error, MayHaveBeenAccepted) or error.__cause__ is not None or error.response is None:
        return None
    return error.response if 200 <= error.response.status < 300 else None


def default_client() -> SegmindClient:
    """The client of this process for the key and the URL in the environment."""
    return client_of(os.getpid(), os.environ.get(API_KEY_VARIABLE), os.environ.get(BASE_URL_VARIABLE))


@lru_cache(maxsize=DEFAULT_CLIENTS)
def client_of(_process: int, api_key: str | None, base_url: str | None) -> SegmindClient:
    # A client that leaves the cache is closed as soon as no thread and no job uses it.
    key = [api_key]
    # Tracebacks that show local variables do not show the key.
    api_key = None
    return SegmindClient(key.pop(), base_url)


def close_when_unused(driver: SyncDriver) -> None:
    """Closes the connections of a driver when nothing refers to it any more, at the latest when Python exits."""
    weakref.finalize(driver, driver.http.close)
