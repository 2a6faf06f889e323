# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
"""Where the service is, how it knows its callers, and how httpx sends a request.

The operations take any `httpx.Client` that knows both:

    httpx.Client(base_url=BASE_URL, headers={API_KEY_HEADER: key})
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .types import ApiRequest, ApiResponse

if TYPE_CHECKING:
    import httpx

BASE_URL = "https://api.segmind.com"
API_KEY_HEADER = "x-api-key"
API_KEY_VARIABLE = "SEGMIND_API_KEY"
API_KEY_PATTERN = "^SG_[0-9A-Fa-f]{16}$"
"""The form of a key."""


def send(client: httpx.Client, request: ApiRequest) -> ApiResponse:
    """Sends one request. Raises what httpx raises."""
    response = client.request(request.method, request.path, json=request.body)
    return ApiResponse(response.status_code, response.headers, response.content)


async def send_async(client: httpx.AsyncClient, request: ApiRequest) -> ApiResponse:
    """Sends one request. Raises what httpx raises."""
    response = await client.request(request.method, request.path, json=request.body)
    return ApiResponse(response.status_code, response.headers, response.content)
