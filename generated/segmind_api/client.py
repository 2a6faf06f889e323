# Copied by scripts/generate.py from scripts/generator/runtime/client.py; do not edit.
"""Sends requests with httpx.

The operations take any `httpx.Client` with the service's URL and a key:

    httpx.Client(base_url=BASE_URL, headers={API_KEY_HEADER: key})
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .service import API_KEY_HEADER, API_KEY_PATTERN, API_KEY_VARIABLE, BASE_URL
from .types import ApiRequest, ApiResponse

if TYPE_CHECKING:
    import httpx

__all__ = ("API_KEY_HEADER", "API_KEY_PATTERN", "API_KEY_VARIABLE", "BASE_URL", "send", "send_async")


def send(client: httpx.Client, request: ApiRequest) -> ApiResponse:
    """Sends one request. Raises what httpx raises."""
    response = client.request(request.method, request.path, json=request.body)
    return ApiResponse(response.status_code, response.headers, response.content)


async def send_async(client: httpx.AsyncClient, request: ApiRequest) -> ApiResponse:
    """Sends one request. Raises what httpx raises."""
    response = await client.request(request.method, request.path, json=request.body)
    return ApiResponse(response.status_code, response.headers, response.content)
