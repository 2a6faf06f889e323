"""Servers on real ports, run by threads."""

from __future__ import annotations

import enum
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Self

import attrs

REQUEST_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
LONGEST_WAIT = 20.0
"""Seconds until a test gives up on what should happen at once."""
DRIP_SECONDS = 0.02
FORGOTTEN_AT_ONCE = 500
"""Threads that have ended."""
RECEIVED_AT_ONCE = 65_536
LONGEST_HEAD = 1_000_000
"""Bytes of a request."""
RST_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with a time of 0."""


class End(enum.Enum):
    """How a connection ends."""

    CLOSE = enum.auto()
    RESET = enum.auto()


@attrs.frozen
class Request:
    """What a client sent."""

    method: str
    path: str
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes
    connection: int
    """The number of the connection, from 1."""


Step = bytes | float | threading.Event | Callable[[bytes], object] | End
"""Bytes to send at once, seconds to pause, something to wait for, what takes the next bytes that are received, or an
end of the connection.
"""
Script = Callable[[Request], Iterable[Step]]
"""What to do after a request. The connection is kept after the last step, unless that is an end."""


class HostileServer:
    """A server of HTTP/1.1 that does what a test scripts, byte by byte, after each request.

    `greeting` is sent on every new connection, before a request is read. What takes longer than `patience` seconds is
    given up, be it a script or a silence of the client: a client without limits fails instead of hanging.
    """

    def __init__(
        self, script: Script | None = None, *, greeting: Iterable[Step] = (), patience: float = LONGEST_WAIT
    ) -> None:
        self.script: Script = script or respond_with({})
        self.requests: list[Request] = []
        self.opened = self.closed = self.responded = self.most_at_once = 0
        self.gave_up = False
        """Whether a script was given up."""
        self._greeting = greeting
        self._patience = patience
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._failures: list[Exception] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Raises what a script raised."""
        self.close()
        if kind is None and self._failures:
            raise self._failures[0]

    def close(self) -> None:
        """Ends all connections and threads."""
        self._stopping.set()
        with suppress(OSError):
            # Closing alone does not end a call of accept.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(LONGEST_WAIT)
        for connection in tuple(self._sockets):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(LONGEST_WAIT)

    def count(self, method: str, path: str = "") -> int:
        """How many requests came with this method, to a path that begins like this."""
        return sum(request.method == method and request.path.startswith(path) for request in tuple(self.requests))

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Waits until something holds that follows from the counts."""
        with self._changed:
            assert self._changed.wait_for(condition, LONGEST_WAIT)

    def all_closed(self) -> bool:
        return self.closed == self.opened

    def _note(self, *, opened: int = 0, closed: int = 0, responded: int = 0, request: Request | None = None) -> None:
        with self._changed:
            self.opened += opened
            self.closed += closed
            self.responded += responded
            self.most_at_once = max(self.most_at_once, self.opened - self.closed)
            if request is not None:
                self.requests.append(request)
            self._changed.notify_all()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets.add(connection)
                self._note(opened=1)
                number = self.opened
                self._threads.append(threading.Thread(target=self._serve, args=(connection, number), daemon=True))
                self._threads[-1].start()
                if number % FORGOTTEN_AT_ONCE == 0:
                    self._threads = [thread for thread in self._threads if thread.is_alive()]

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            if self._play(connection, self._greeting):
                while (request := read_request(connection, number)) is not None:
                    self._note(request=request)
                    if not self._play(connection, self.script(request)):
                        break
                    self._note(responded=1)
        except OSError:
            # The client has closed the connection, or is silent.
            pass
        except Exception as error:
            self._failures.append(error)
        connection.close()
        self._sockets.discard(connection)
        self._note(closed=1)

    def _play(self, connection: socket.socket, steps: Iterable[Step]) -> bool:
        """Whether the connection stays open."""
        until = time.monotonic() + self._patience
        for step in steps:
            if isinstance(step, End):
                if step is End.RESET:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
                return False
            if isinstance(step, bytes):
                connection.settimeout(max(0.001, until - time.monotonic()))
                connection.sendall(step)
            elif callable(step):
                step(connection.recv(RECEIVED_AT_ONCE))
            elif isinstance(step, threading.Event):
                while not step.wait(DRIP_SECONDS) and not self._stopping.is_set() and time.monotonic() < until:
                    pass
            else:
                self._stopping.wait(step)
            if self._stopping.is_set():
                return False
            if time.monotonic() >= until:
                self.gave_up = True
                return False
        connection.settimeout(self._patience)
        return True


def read_request(connection: socket.socket, number: int) -> Request | None:
    """The next request of a connection; None when the client has closed it."""
    received = b""
    while b"\r\n\r\n" not in received and len(received) < LONGEST_HEAD:
        piece = connection.recv(RECEIVED_AT_ONCE)
        if not piece:
            return None
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        piece = connection.recv(RECEIVED_AT_ONCE)
        if not piece:
            return None
        body += piece
    return Request(method, path, headers, body, number)


def response(
    body: bytes | Mapping[str, Any] = b"",
    status: str = "200 OK",
    *,
    media_type: str = "application/json",
    length: int | None = None,
    **headers: str,
) -> bytes:
    """A whole response.

    `length` is what Content-Length says, where that is to be wrong. An empty media type or header is left out.
    """
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    size = len(content) if length is None else length
    fields = {"content-type": media_type, "content-length": str(size), **headers}
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items() if value]
    return "".join([f"HTTP/1.1 {status}\r\n", *lines, "\r\n"]).encode() + content


def respond_with(body: bytes | Mapping[str, Any], *arguments: str, **more: Any) -> Script:
    """A script that responds to every request alike, as `response` has it."""
    content = response(body, *arguments, **more)
    return lambda _: [content]


def drips(beginning: bytes, piece: bytes) -> Script:
    """A script that sends the beginning of a response and then the same bytes over and over."""

    def drip(_: Request) -> Iterator[Step]:
        yield beginning
        while True:
            yield DRIP_SECONDS
            if piece:
                yield piece

    return drip


@contextmanager
def closed_port() -> Generator[int]:
    """A port that is taken, and where nobody listens."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def free_port() -> int:
    """A port that was free a moment ago."""
    with closed_port() as port:
        return port
