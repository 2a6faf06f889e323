# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
"""GET /v2/requests/{request_id}/status: Ask how far a job is.

Light enough to poll: the answer holds no output. A job that failed answers 422. Safe to repeat.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ... import responses
from ...client import send, send_async
from ...models.error_response import ErrorResponse
from ...models.failed_job import FailedJob
from ...models.job_status import JobStatus
from ...types import ApiRequest, ApiResponse, Bodies, TypedResponse, path_segment, read_response

if TYPE_CHECKING:
    import httpx

OPERATION_ID = "getJobStatus"

_RESULTS: Mapping[int, Bodies[JobStatus]] = {200: responses.JOB_STATUS}
_ERRORS: Mapping[int, Bodies[ErrorResponse | str | FailedJob]] = {
    401: responses.UNAUTHORIZED,
    404: responses.JOB_NOT_FOUND,
    405: responses.METHOD_NOT_ALLOWED,
    422: responses.JOB_FAILED,
    429: responses.RATE_LIMITED,
    500: responses.SERVER_ERROR,
    502: responses.BAD_GATEWAY,
    504: responses.TIMEOUT,
}


def build(request_id: str) -> ApiRequest:
    """The request, for whatever sends it."""
    request_id = path_segment("request_id", request_id)
    return ApiRequest("GET", f"/v2/requests/{request_id}/status")


def read(response: ApiResponse) -> TypedResponse[JobStatus, ErrorResponse | str | FailedJob]:
    """The response as the contract has it; never raises."""
    return read_response(response, _RESULTS, _ERRORS)


def call(client: httpx.Client, request_id: str) -> TypedResponse[JobStatus, ErrorResponse | str | FailedJob]:
    """Sends one request and reads its response. Raises what httpx raises."""
    return read(send(client, build(request_id)))


async def call_async(
    client: httpx.AsyncClient, request_id: str
) -> TypedResponse[JobStatus, ErrorResponse | str | FailedJob]:
    """Sends one request and reads its response. Raises what httpx raises."""
    return read(await send_async(client, build(request_id)))
