"""The names and the meaning of the vendor's own package, so that code written for it runs as it is."""

from __future__ import annotations

import atexit
import json
import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from segmind_api.calls import typed_function, typed_method
from segmind_api.catalog import POLL_DEADLINE_SECONDS, POLL_INTERVAL_SECONDS
from segmind_api.client import API_KEY_VARIABLE
from segmind_api.headers import ResponseHeaders
from segmind_api.models import JobResult, JobStatus, SubmittedJob
from segmind_api.types import ApiResponse
from segmind_client.clients import BASE_URL_VARIABLE, Client, JobHandle
from segmind_client.errors import InferenceFailed, MayHaveBeenAccepted
from segmind_client.options import OptionChanges
from segmind_client.results import Result

DEFAULT_POLL_INTERVAL_S = POLL_INTERVAL_SECONDS
DEFAULT_POLL_TIMEOUT_S = POLL_DEADLINE_SECONDS


class AsyncJob:
    """A submitted job. (The vendor calls it async because it runs elsewhere; its methods block.)"""

    def __init__(self, handle: JobHandle) -> None:
        self._handle = handle

    @property
    def request_id(self) -> str:
        return self._handle.request_id

    @property
    def status_url(self) -> str | None:
        return self.submit_response.get("status_url")

    @property
    def response_url(self) -> str | None:
        return self.submit_response.get("response_url")

    @property
    def submit_response(self) -> SubmittedJob:
        return self._handle.submitted

    def wait(self, timeout: float = DEFAULT_POLL_TIMEOUT_S, interval: float = DEFAULT_POLL_INTERVAL_S) -> Result:
        """Polls every `interval` seconds until the job has completed.

        Raises InferenceFailed, and InferenceTimeout after `timeout` seconds.
        """
        return self._handle.wait(deadline=timeout, interval=interval)

    def status(self) -> JobStatus:
        """How far the job is; also that it failed, which is no error here."""
        try:
            return self._handle.status()
        except InferenceFailed as error:
            return JobStatus(error.status_body, error.response)

    def result(self) -> Result:
        """The result of a job that has completed; also what the service says of one that failed."""
        try:
            return self._handle.result()
        except InferenceFailed as error:
            return Result(JobResult(error.status_body, error.response))


class Response:
    """The answer to one v1 call, with the names that the vendor's users know from httpx."""

    def __init__(self, response: ApiResponse) -> None:
        self._response = response

    def __repr__(self) -> str:
        return f"<Response [{self.status_code}]>"

    @property
    def status_code(self) -> int:
        return self._response.status

    @property
    def headers(self) -> ResponseHeaders:
        return self._response.headers

    @property
    def content(self) -> bytes:
        """The body as it came."""
        return self._response.content

    @property
    def text(self) -> str:
        return self.content.decode(errors="replace")

    def json(self) -> Any:
        """The body as JSON. Raises ValueError where it is none."""
        return json.loads(self.content)


class SegmindClient(Client):
    """`Client` by the vendor's name, with the vendor's methods and arguments.

    A `base_url` may end in /v1. `timeout` is in seconds, for each piece of an answer; `Client`'s without one.
    """

    def __init__(self, api_key: str | None = None, base_url: str | None = None, timeout: float | None = None) -> None:
        options: OptionChanges = {} if timeout is None else {"read_seconds": timeout, "generate_seconds": timeout}
        super().__init__(api_key, base_url=base_url, **options)

    @typed_method
    def run(self, slug: str, /, **params: Any) -> Result:
        """Queues a job, waits until it has completed, and gives its result (v2). Every keyword goes into the body."""
        return self.run_model(slug, params)

    @typed_method
    def run_sync(self, slug: str, /, **params: Any) -> Response:
        """One blocking call (v1). Every keyword goes into the body."""
        return generated(self, slug, params)

    @typed_method
    def submit_async(self, slug: str, /, **params: Any) -> AsyncJob:
        """Queues a job (v2). Every keyword goes into the body."""
        return AsyncJob(self.submit_model(slug, params))


@typed_function
def run(slug: str, /, **params: Any) -> Result:
    """Queues a job, waits until it has completed, and gives its result (v2). Every keyword goes into the body."""
    return default_client().run_model(slug, params)


@typed_function
def run_sync(slug: str, /, **params: Any) -> Response:
    """One blocking call (v1). Every keyword goes into the body."""
    return generated(default_client(), slug, params)


@typed_function
def submit_async(slug: str, /, **params: Any) -> AsyncJob:
    """Queues a job (v2). Every keyword goes into the body."""
    return AsyncJob(default_client().submit_model(slug, params))


def generated(client: Client, slug: str, params: Mapping[str, Any]) -> Response:
    """Whatever a success came with: what the contract does not have, the caller may be able to read."""
    try:
        return Response(client.generate_model(slug, params).response)
    except MayHaveBeenAccepted as error:
        if error.response is None or error.response.status >= 400:
            raise
        return Response(error.response)


def default_client() -> Client:
    """The client for the key and the address that the environment holds now, in this process."""
    return client_of(os.getpid(), os.environ.get(API_KEY_VARIABLE), os.environ.get(BASE_URL_VARIABLE))


@lru_cache(maxsize=4)
def client_of(_process: int, api_key: str | None, base_url: str | None) -> Client:
    client = Client(api_key, base_url=base_url)
    atexit.register(client.close)
    return client
