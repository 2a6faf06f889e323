"""What a flow asks a driver to do."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Protocol, TypeVar

import attrs
import httpx

from segmind_api.types import ApiRequest, ApiResponse
from segmind_client.errors import ConnectionLost
from segmind_client.line import Line, Turn

T = TypeVar("T")

LAST_SECONDS = 0.5
"""That the last request before a deadline has at least: it may be for a result that is paid for. Further ones share
as much again.
"""
LARGEST_BODY = 4_000_000
LARGEST_IMAGE_BODY = 100_000_000
"""Bytes of a response's body, encoded and decoded; the second where it may be an image."""


class Sink(Protocol):
    """Takes a body piece by piece. What it raises ends the exchange, unless it is a ConnectionLost."""

    def begin(self, head: ApiResponse) -> bool:
        """Whether the body that follows this head is wanted."""
        ...

    def write(self, piece: bytes) -> None: ...

    def end(self) -> None: ...


class Sent:
    """One request, and what is known of how far it came: neither an exception nor its class says as much."""

    __slots__ = (
        "_states",
        "accepts",
        "fresh",
        "given_up",
        "headers",
        "largest",
        "on_begin",
        "received",
        "request",
        "status",
    )

    def __init__(
        self,
        request: ApiRequest,
        *,
        fresh: bool = False,
        accepts: Callable[[ApiResponse], bool] | None = None,
        largest: int = LARGEST_BODY,
    ) -> None:
        self.request = request
        self.largest = largest
        self.fresh = fresh
        """Whether it needs a connection that has carried nothing before."""
        self.accepts = accepts
        """Tells whether a response answers this request, where bytes left over from another one might."""
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.received = bytearray()
        """The body of the response, encoded, as far as it was received."""
        self.given_up = False
        self.on_begin: Callable[[], object] | None = None
        """Called when the body is begun: there is a connection, and the limits of its opening are over."""
        self._states: dict[str, bool] = {}

    @property
    def encoding(self) -> str:
        """The Content-Encoding of the response, empty without one."""
        names = (name.strip() for name in self.headers.get("content-encoding", "").lower().split(","))
        return ", ".join(name for name in names if name not in ("", "identity"))

    @property
    def needs_fresh_connection(self) -> bool:
        return self.fresh or self.request.method != "GET"

    @property
    def begun(self) -> bool:
        """Whether the body of the request was begun; what has no body counts as begun."""
        return self.request.body is None or self._states.get("begun", False)

    def begin(self) -> None:
        """Raises ConnectionLost for a request that was given up in the meantime."""
        # One call of a dict decides, whichever threads ask.
        if not self._states.setdefault("begun", True):
            raise ConnectionLost("the request was given up before it was sent")
        if self.on_begin is not None:
            self.on_begin()

    def give_up(self) -> bool:
        """Keeps the request from being sent, and its response from being read on; whether it was not sent already."""
        self.given_up = True
        return not self._states.setdefault("begun", False)

    def start_response(self, status: int, headers: dict[str, str]) -> ApiResponse:
        self.status, self.headers = status, headers
        self.received.clear()
        return ApiResponse(status, headers, b"")

    def check_wanted(self) -> None:
        """Raises ConnectionLost for a request that was given up in the meantime."""
        if self.given_up:
            raise ConnectionLost("the request was given up")

    def receive(self, piece: bytes) -> None:
        """Raises ConnectionLost for a body that is too large, or not wanted any more."""
        self.check_wanted()
        self.received += piece
        if len(self.received) > self.largest:
            raise ConnectionLost(f"the response is larger than {self.largest} bytes")


class RequestBody(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of a request, which takes note of being read: what was never read was never sent."""

    def __init__(self, sent: Sent) -> None:
        self.content = json.dumps(sent.request.body, ensure_ascii=False, separators=(",", ":")).encode()
        self._sent = sent

    def __iter__(self) -> Iterator[bytes]:
        self._sent.begin()
        yield self.content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._sent.begin()
        yield self.content


@attrs.frozen
class Send:
    """Wait for the turn in the line, then send the request and receive its response.

    With a sink, the request's path is a whole URL. The key is not sent there, and the body goes into the sink.
    """

    sent: Sent
    turn: Turn
    line: Line
    connect_seconds: float
    read_seconds: float
    """For the head of the response, and for each piece of its body."""
    until: float = math.inf
    """When the response has to be complete; monotonic."""
    into: Sink | None = None
    check_address: Callable[[str], None] | None = None
    """Raises for an IP address from which no image is fetched."""

    @property
    def request(self) -> ApiRequest:
        return self.sent.request


@attrs.frozen
class Pause:
    """Wait so many seconds."""

    seconds: float


Flow = Generator[Send | Pause, ApiResponse | None, T]
