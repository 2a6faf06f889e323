"""Services that several tests call: within a transport of httpx, and on a port."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

import httpx

from tests.support.servers import REQUEST_ID, End, HostileServer, Request, Step, response

PROCESSING = json.dumps({"request_id": REQUEST_ID, "status": "PROCESSING", "metrics": {}}).encode()
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


class GatedService:
    """Gives every request the same response, in two parts, of which the second waits for a gate."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.body = PROCESSING
        self.headers: dict[str, Any] = {}
        self.hangs_up = False
        self.before_gate = 0
        """Bytes of a response that are sent while the gate is shut."""
        self.server = HostileServer(self.respond)

    def respond(self, _: Request) -> Iterable[Step]:
        content = response(self.body, **self.headers)
        parts: list[Step] = [content[: self.before_gate], self.gate, content[self.before_gate :]]
        return [*parts, End.CLOSE] if self.hangs_up else parts

    def wait_for_requests(self, count: int) -> None:
        self.server.wait_until(lambda: len(self.server.requests) == count)

    def let_through_at_once(self, count: int) -> Callable[[], None]:
        """Lets so many requests, the first ones, wait for each other, so that each has a connection of its own."""

        def open_gate() -> None:
            self.wait_for_requests(count)
            self.gate.set()

        def shut_gate() -> None:
            self.gate.clear()
            threading.Thread(target=open_gate, daemon=True).start()

        return shut_gate
