"""The steps that a flow yields to a driver: send a request, fetch a file, pause."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any, Protocol, TypeVar

import attrs
import httpx

from segmind_api.types import ApiRequest, ApiResponse
from segmind_client.errors import ConnectionLost, UnreadableResponse
from segmind_client.line import Line, Turn

T = TypeVar("T")
MadeT = TypeVar("MadeT")

LAST_SECONDS = 0.5
"""The least time for the last request before a deadline: it may fetch a result that is paid for. Requests after it
share another half second.
"""
SHORTEST_SECONDS = 0.1
WRITE_SECONDS = 30.0
SLOWEST_UPLOAD = 10_000
"""Bytes a second."""
BODY_SECONDS = 300.0
"""For the body of a response as a whole."""
LARGEST_BODY = 4_000_000
LARGEST_GENERATION = 100_000_000
"""Bytes of a response's body, encoded and decoded; the second for a v1 call, more where one output may be larger."""

CheckAddress = Callable[[str], None]
"""Raises for an IP address that is not to be connected to."""


class TooLarge(UnreadableResponse):
    """A response that is not read to its end. A retry would end in the same way."""


class Sink(Protocol):
    """Receives a body piece by piece. What it raises ends the exchange; after a ConnectionLost, there is a retry."""

    def begin(self, head: ApiResponse) -> bool:
        """Whether the body that follows this head is wanted."""
        ...

    def write(self, piece: bytes) -> None: ...

    def end(self) -> None: ...


class Sent:
    """One request, and how far it and its response came. Exceptions do not tell that."""

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
        """Whether a response belongs to this request, and is not bytes left over from another one."""
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.received = bytearray()
        """The body of the response, encoded, as far as it was received."""
        self.given_up = False
        self.on_begin: Callable[[], object] | None = None
        """Called before the body is sent, when the connection is open."""
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
        """Whether sending the body has begun; always, for a request without one."""
        return self.request.body is None or self._states.get("begun", False)

    def begin(self) -> None:
        """Raises ConnectionLost for a request that was given up in the meantime."""
        # Atomic: one call of a dict, whatever other threads do.
        if not self._states.setdefault("begun", True):
            raise ConnectionLost("the request was given up before it was sent")
        if self.on_begin is not None:
            self.on_begin()

    def give_up(self) -> bool:
        """Stops the request, or the reading of its response. Whether sending it had not begun."""
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
        """Raises TooLarge, and ConnectionLost for a request that was given up in the meantime."""
        self.check_wanted()
        self.received += piece
        if len(self.received) > self.largest:
            raise self.too_large()

    def too_large(self) -> TooLarge:
        detail = f"the response is larger than {self.largest} bytes; `response` has its beginning"
        return TooLarge(detail, response=ApiResponse(self.status or 0, self.headers, bytes(self.received)))


class RequestBody(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of a request, which records that it is read: what was never read was never sent."""

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
class Times:
    """The time limits of one exchange, in seconds."""

    connect: float
    write: float
    read: float
    """For the head of the response, and for each piece of its body."""
    total: float

    @property
    def head(self) -> float:
        """From the start to the end of the response's head, however slowly its bytes arrive."""
        return min(self.connect + self.write + self.read, self.total)

    def extensions(self) -> dict[str, Any]:
        """As httpx and httpcore take them."""
        return {
            "timeout": {
                "connect": min(self.connect, self.total),
                "read": min(self.read, self.total),
                "write": min(self.write, self.total),
                "pool": self.total,
            }
        }


@attrs.frozen
class Send:
    """Wait for the turn in the line, then send the request to the service and receive its response."""

    sent: Sent
    turn: Turn
    line: Line
    connect_seconds: float
    read_seconds: float
    """For the head of the response, and for each piece of its body."""
    until: float
    """The deadline for the whole response; monotonic."""

    @property
    def request(self) -> ApiRequest:
        return self.sent.request

    def times(self, now: float) -> Times:
        """The limits of an exchange that begins now. It ends in time however slowly bytes are sent and received."""
        upload = sum(len(str(value)) for value in (self.request.body or {}).values()) / SLOWEST_UPLOAD
        longest = self.connect_seconds + WRITE_SECONDS + self.read_seconds + upload + BODY_SECONDS
        left = self.until - now
        total = min(max(LAST_SECONDS, left), max(SHORTEST_SECONDS, left + 2 * LAST_SECONDS - SHORTEST_SECONDS), longest)
        return Times(self.connect_seconds, WRITE_SECONDS + upload, self.read_seconds, total)


@attrs.frozen
class Fetch(Send):
    """The same without the key, for an output: the path of the request is a URL, the body goes into a sink."""

    into: Sink
    check_address: CheckAddress | None


@attrs.frozen
class Pause:
    """Wait so many seconds."""

    seconds: float


Flow = Generator[Send | Pause, ApiResponse | None, T]
"""Yields steps, and is resumed with the response of each, or with the exception that the driver throws into it."""


def then(flow: Flow[T], make: Callable[[T], MadeT]) -> Flow[MadeT]:
    """The flow, with its result passed to a function."""
    return make((yield from flow))
