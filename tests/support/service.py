"""A service within a transport of httpx."""

from __future__ import annotations

from typing import Any

import httpx

from tests.support.servers import REQUEST_ID

PICTURE = b"\x89PNG\r\n\x1a\n"
COMPLETED = {
    "request_id": REQUEST_ID,
    "status": "COMPLETED",
    "output": "https://images.example/a.png",
    "metrics": {"cost": 0.06},
}
Response = tuple[int, dict[str, Any]]
"""Status and body."""


class Service:
    """Accepts every submit; its jobs have completed."""

    def __init__(self, **responses: Response) -> None:
        self.calls: list[httpx.Request] = []
        self.responses = responses

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls.append(request)
        if request.url.host == "images.example":
            return httpx.Response(200, content=PICTURE, headers={"content-type": "image/png"})
        if request.method in self.responses:
            status, body = self.responses[request.method]
            return httpx.Response(status, json=body)
        return httpx.Response(200, json=COMPLETED if request.method == "GET" else {"request_id": REQUEST_ID})

    def count(self, method: str) -> int:
        return [request.method for request in self.calls].count(method)
