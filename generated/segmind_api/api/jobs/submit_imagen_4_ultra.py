# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
"""POST /v2/imagen-4-ultra: Queue an image with Imagen 4 Ultra.

Answers at once with the request id of a new job.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ... import responses
from ...client import send, send_async
from ...models.error_response import ErrorResponse
from ...models.imagen_4_ultra_request import Imagen4UltraRequest
from ...models.submitted_job import SubmittedJob
from ...types import ApiRequest, ApiResponse, Bodies, TypedResponse, read_response

if TYPE_CHECKING:
    import httpx

OPERATION_ID = "submitImagen4Ultra"

_RESULTS: Mapping[int, Bodies[SubmittedJob]] = {200: responses.SUBMITTED}
_ERRORS: Mapping[int, Bodies[ErrorResponse | str]] = {
    400: responses.BAD_REQUEST,
    401: responses.UNAUTHORIZED,
    403: responses.FORBIDDEN,
    404: responses.MODEL_NOT_FOUND,
    405: responses.METHOD_NOT_ALLOWED,
    406: responses.INSUFFICIENT_CREDITS,
    410: responses.MODEL_RETIRED,
    429: responses.RATE_LIMITED,
    500: responses.SERVER_ERROR,
    502: responses.BAD_GATEWAY,
    504: responses.TIMEOUT,
}


def build(body: Imagen4UltraRequest) -> ApiRequest:
    """The request, for whatever sends it."""
    return ApiRequest("POST", "/v2/imagen-4-ultra", body.to_dict())


def read(response: ApiResponse) -> TypedResponse[SubmittedJob, ErrorResponse | str]:
    """The response as the contract has it; never raises."""
    return read_response(response, _RESULTS, _ERRORS)


def call(client: httpx.Client, body: Imagen4UltraRequest) -> TypedResponse[SubmittedJob, ErrorResponse | str]:
    """Sends one request and reads its response. Raises what httpx raises."""
    return read(send(client, build(body)))


async def call_async(
    client: httpx.AsyncClient, body: Imagen4UltraRequest
) -> TypedResponse[SubmittedJob, ErrorResponse | str]:
    """Sends one request and reads its response. Raises what httpx raises."""
    return read(await send_async(client, build(body)))
