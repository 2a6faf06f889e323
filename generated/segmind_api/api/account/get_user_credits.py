# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
"""GET /v1/get-user-credits: Read the balance.

The credits that are left on the account of the key. One credit is one US dollar.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ... import responses
from ...client import send, send_async
from ...models.credits import Credits
from ...models.error_response import ErrorResponse
from ...types import ApiRequest, ApiResponse, Bodies, TypedResponse, read_response

if TYPE_CHECKING:
    import httpx

OPERATION_ID = "getUserCredits"

_RESULTS: Mapping[int, Bodies[Credits]] = {200: responses.CREDITS}
_ERRORS: Mapping[int, Bodies[ErrorResponse | str]] = {
    401: responses.UNAUTHORIZED,
    404: responses.BALANCE_NOT_FOUND,
    405: responses.METHOD_NOT_ALLOWED,
    429: responses.RATE_LIMITED,
    500: responses.SERVER_ERROR,
    502: responses.BAD_GATEWAY,
    504: responses.TIMEOUT,
}


def build() -> ApiRequest:
    """The request, for whatever sends it."""
    return ApiRequest("GET", "/v1/get-user-credits")


def read(response: ApiResponse) -> TypedResponse[Credits, ErrorResponse | str]:
    """The response as the contract has it; never raises."""
    return read_response(response, _RESULTS, _ERRORS)


def call(client: httpx.Client) -> TypedResponse[Credits, ErrorResponse | str]:
    """Sends one request and reads its response. Raises what httpx raises."""
    return read(send(client, build()))


async def call_async(client: httpx.AsyncClient) -> TypedResponse[Credits, ErrorResponse | str]:
    """Sends one request and reads its response. Raises what httpx raises."""
    return read(await send_async(client, build()))
