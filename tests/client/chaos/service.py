"""A service over raw sockets that carries out what a double does, and goes wrong on the way back."""

from __future__ import annotations

import gzip
import json
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import attrs
import httpx

from segmind_mock import Double
from tests.support.servers import DRIP_SECONDS, End, HostileServer, Request, Step, response

SHARES = (0.02, 0.05, 0.1, 0.2, 0.4, 1.0)
"""Of the requests of one call, those that go wrong. One share is for its submit, one for its polls and its result."""
KINDS = 2
"""Of faults that one call meets: an outage is of one kind, and lasts."""
FAILING_JOBS = 0.1
RARE = 0.1
"""How often a fault that takes real seconds is drawn, against one that takes none."""
SILENT_SECONDS = 3.0
KEPT_REQUESTS = 1000
REFUSALS = (403, 429, 500, 502, 503)
ANOTHER_ID = "11111111-2222-4333-8444-555555555555"
SURPLUS = (
    response({"error": "broken"}, "500 Internal Server Error"),
    response({"request_id": ANOTHER_ID, "status": "COMPLETED", "output": "https://images.example/a.png"}),
    response({"request_id": ANOTHER_ID, "status": "FAILED", "error": "no", "metrics": None}, "422 Unprocessable"),
    response({"error": "no prompt"}, "400 Bad Request"),
    b"\x00\x01\x02",
)


class Exchange:
    """One request of a call, and the double's response to it, once somebody asks for it."""

    def __init__(self, service: ChaosService, call: FaultyCall, request: Request) -> None:
        self.random: random.Random = call.random
        self.method = request.method
        self._service = service
        self._call = call
        self._request = request
        self._response: httpx.Response | None = None

    @property
    def response(self) -> httpx.Response:
        """Has the request carried out."""
        if self._response is None:
            self._response = self._service.carry_out(self._call, self._request)
        return self._response

    @property
    def head(self) -> bytes:
        """Up to the headers that say how the body is sent."""
        status = self.response.status_code
        return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n".encode()

    @property
    def body(self) -> bytes:
        return self.response.content

    @property
    def whole(self) -> bytes:
        return self.sized(self.body)

    def sized(self, body: bytes, *, more: int = 0, headers: bytes = b"") -> bytes:
        """A response with this body. `more` is by how much its length is said to be larger."""
        return self.head + b"content-length: %d\r\n%b\r\n%b" % (len(body) + more, headers, body)

    def cut(self, body: bytes) -> bytes:
        """The body without its end."""
        return body[: self.random.randrange(len(body))]


Play = Callable[[Exchange], Iterable[Step]]


@attrs.frozen
class Fault:
    """How one exchange goes wrong."""

    name: str
    play: Play = attrs.field(default=lambda exchange: [exchange.whole], eq=False)
    doubtful: bool = False
    """Whether a caller cannot know if a submit was accepted."""
    slow: bool = False
    """Whether it takes real seconds."""


def unseen(*steps: Step) -> Play:
    """The service never hears of the request."""
    return lambda _: steps


def hidden(*steps: Step) -> Play:
    """The service carries out the request, and its response is lost."""
    return lambda exchange: (exchange.body and b"", *steps)


def refusal(exchange: Exchange) -> Iterable[Step]:
    status = exchange.random.choice(REFUSALS)
    waits: list[dict[str, Any]] = [{"retry_after": "5"}, {"retry_after": "1.5"}, {}]
    headers = exchange.random.choice(waits) if status == 429 else {}
    return [response({"error": "not now"}, f"{status} {HTTPStatus(status).phrase}", **headers)]


def refusal_of_an_accepted_job(exchange: Exchange) -> Iterable[Step]:
    status = exchange.random.choice((429, 500, 502, 503))
    fields = {"error": "too late", "request_id": exchange.response.json().get("request_id")}
    return [response(fields, f"{status} {HTTPStatus(status).phrase}")]


def drip(beginning: bytes, piece: bytes) -> Iterator[Step]:
    yield beginning
    until = time.monotonic() + SILENT_SECONDS
    while time.monotonic() < until:
        yield DRIP_SECONDS
        yield piece
    yield End.CLOSE


def late_surplus(exchange: Exchange) -> Iterator[Step]:
    surplus = exchange.random.choice(SURPLUS)
    yield exchange.whole
    yield 0.001
    yield surplus


def about_another_job(exchange: Exchange) -> Iterable[Step]:
    # Nobody could tell of the response to a submit.
    return [exchange.whole if exchange.method == "POST" else exchange.random.choice(SURPLUS[:4])]


def chunked(exchange: Exchange, end: bytes) -> bytes:
    return exchange.head + b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n%b" % (
        len(exchange.body),
        exchange.body,
        end,
    )


def zipped(exchange: Exchange) -> bytes:
    return gzip.compress(exchange.body, mtime=0)


def half_zipped(exchange: Exchange) -> bytes:
    content = zipped(exchange)
    return content[: len(content) // 2]


GZIP = b"content-encoding: gzip\r\n"
HALF_A_500 = response({"error": "broken"}, "500 Internal Server Error")[:-5]

FAULTS = (
    Fault("closed before acceptance", unseen(End.CLOSE), doubtful=True),
    Fault("reset before acceptance", unseen(End.RESET), doubtful=True),
    Fault("closed after acceptance", hidden(End.CLOSE), doubtful=True),
    Fault("reset after acceptance", hidden(End.RESET), doubtful=True),
    Fault("silence", hidden(SILENT_SECONDS, End.CLOSE), doubtful=True, slow=True),
    Fault("dripped head", lambda x: drip(x.head + b"x-long: ", b"a"), doubtful=True, slow=True),
    Fault("dripped body", lambda x: drip(x.sized(x.body, more=1_000_000), b" "), doubtful=True, slow=True),
    Fault(
        "informational responses without end", lambda _: drip(b"", b"HTTP/1.1 103 A\r\n\r\n"), doubtful=True, slow=True
    ),
    Fault("truncated body", lambda x: [x.sized(x.cut(x.body), more=99), End.CLOSE], doubtful=True),
    Fault("truncated body of a 500", unseen(HALF_A_500, End.CLOSE), doubtful=True),
    Fault("Content-Length one too large", lambda x: [x.sized(x.body, more=1), End.CLOSE], doubtful=True),
    Fault("last chunk missing", lambda x: [chunked(x, b""), End.CLOSE], doubtful=True),
    Fault("truncated gzip", lambda x: [x.sized(half_zipped(x), headers=GZIP)], doubtful=True),
    Fault("200 that is no JSON", hidden(response(b'{"error": ')), doubtful=True),
    Fault("refusal that names a job", refusal_of_an_accepted_job, doubtful=True),
    Fault("504", unseen(response({"error": "too slow"}, "504 Gateway Timeout")), doubtful=True),
    Fault("504 after acceptance", hidden(response({"error": "too slow"}, "504 Gateway Timeout")), doubtful=True),
    Fault("a proxy's 502", unseen(response(b"<html>", "502 Bad Gateway", media_type="text/html")), doubtful=True),
    Fault("a proxy's 502 after acceptance", hidden(response(b"<html>", "502 Bad Gateway")), doubtful=True),
    Fault("refusal", refusal),
    Fault("surplus bytes", lambda x: [x.whole + x.random.choice(SURPLUS)]),
    Fault("surplus bytes later", late_surplus),
    Fault("response about another job", about_another_job),
    Fault("informational response before", lambda x: [b"HTTP/1.1 103 A\r\n\r\n" + x.whole]),
    Fault("gzip", lambda x: [x.sized(zipped(x), headers=GZIP)]),
    Fault("chunks", lambda x: [chunked(x, b"0\r\n\r\n")]),
)
RATE_LIMIT = Fault("rate limit")
REFUSED = Fault("refused connection")
RAISED = Fault("raised by a hook or a transport", doubtful=True)


class Window:
    """A rate limit of so many requests in so many real seconds."""

    def __init__(self, requests: int, seconds: float) -> None:
        self._requests = requests
        self._seconds = seconds
        self._started = 0.0
        self._count = 0
        self._lock = threading.Lock()

    def refuse(self) -> float:
        """Seconds until the window resets, where it is used up; else 0."""
        with self._lock:
            now = time.monotonic()
            if now >= self._started + self._seconds:
                self._started, self._count = now, 0
            self._count += 1
            return 0.0 if self._count <= self._requests else self._started + self._seconds - now


class FaultyCall:
    """One call, with a chance and faults of its own, so that it meets the same in whatever company."""

    def __init__(self, seed: int, number: int, faults: Iterable[Fault] = FAULTS, window: Window | None = None) -> None:
        self.random = random.Random(f"{seed}:{number}")  # noqa: S311  no secret
        self.shares = {verb: self.random.choice(SHARES) for verb in ("POST", "GET")}
        self._kinds = self._draw_kinds(list(faults))
        self.job_fails = self.random.random() < FAILING_JOBS
        self.prompt = f"cabin {number}"
        self.met: list[tuple[str, Fault | None]] = []
        """The verb of each request, and what went wrong with it."""
        self._window = window

    def _draw_kinds(self, faults: list[Fault]) -> list[Fault]:
        quick = [fault for fault in faults if not fault.slow]
        rarely = [fault for fault in faults if fault.slow and (not quick or self.random.random() < RARE)]
        kinds = quick + rarely
        return self.random.sample(kinds, min(KINDS, len(kinds)))

    def draw(self, verb: str) -> tuple[Fault | None, float]:
        """What goes wrong with a request, and seconds until a rate limit resets."""
        seconds = self._window.refuse() if self._window else 0.0
        if seconds:
            fault: Fault | None = RATE_LIMIT
        else:
            struck = self.random.random() < self.shares[verb]
            fault = self.random.choice(self._kinds) if struck else None
        self.met.append((verb, fault))
        return fault, seconds


class ChaosService:
    """Knows of each request which call it belongs to, by its prompt or by its job."""

    def __init__(self, double: Double, calls: Iterable[FaultyCall]) -> None:
        self._transport = double.transport()
        self._by_prompt = {call.prompt: call for call in calls}
        self._by_job: dict[str, FaultyCall] = {}
        self.server = HostileServer(self._respond)
        self.url = self.server.url

    def carry_out(self, call: FaultyCall, request: Request) -> httpx.Response:
        """The double's response."""
        headers = {name: request.headers[name] for name in ("x-api-key", "content-type") if name in request.headers}
        if call.job_fails and request.method == "POST":
            headers["prefer"] = "fail=blocked"
        sent = httpx.Request(request.method, self.url + request.path, headers=headers, content=request.body)
        received = self._transport.handle_request(sent)
        received.read()
        if request.method == "POST" and received.status_code == 200:
            self._by_job[received.json()["request_id"]] = call
        return received

    def _respond(self, request: Request) -> Iterator[Step]:
        if len(self.server.requests) > KEPT_REQUESTS:
            self.server.requests.clear()
        call = self._call_of(request)
        if call is None:
            yield response({"error": "nobody's request"}, "404 Not Found")
            return
        fault, seconds = call.draw(request.method)
        if fault is RATE_LIMIT:
            yield response({"error": "too many"}, "429 Too Many Requests", retry_after=f"{seconds:.3f}")
            return
        exchange = Exchange(self, call, request)
        yield from [exchange.whole] if fault is None else fault.play(exchange)

    def _call_of(self, request: Request) -> FaultyCall | None:
        if request.method == "POST":
            with suppress(ValueError):
                fields: Mapping[str, Any] = json.loads(request.body)
                return self._by_prompt.get(str(fields.get("prompt")))
        return next((self._by_job[part] for part in request.path.split("/") if part in self._by_job), None)
