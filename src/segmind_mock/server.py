"""Serves the double on a real port, beside the code that uses it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from segmind_mock.app import ABORT

STARTUP_SECONDS = 10.0
SHUTDOWN_SECONDS = 1
"""For calls that are on their way when the server stops."""


class DroppingProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with a way to close a connection without an answer."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.app_state = {**self.app_state, ABORT: transport.abort}


def server_config(app: Any, **options: Any) -> uvicorn.Config:
    """uvicorn as the double needs it."""
    return uvicorn.Config(
        app,
        http=DroppingProtocol,
        ws="none",
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        # The application sends a Date header by its own clock.
        date_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        **options,
    )


@contextmanager
def serve(app: Any, *, host: str = "127.0.0.1", port: int = 0) -> Generator[str]:
    """Serves an ASGI application in a thread while the block runs, and gives its address.

    Port 0 takes a free one. Raises OSError for a port that is taken, RuntimeError if the server does not start.
    """
    with listen(host, port) as listener:
        server = uvicorn.Server(server_config(app))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            wait_for_start(server, thread)
            yield f"http://{host}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError for a port that is taken."""
    # With the protocol named, asyncio switches off the delay of small packets, which costs 40 ms an answer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    listener.set_inheritable(True)
    return listener


def wait_for_start(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + STARTUP_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("the double did not start; its log says why")
        time.sleep(0.001)
