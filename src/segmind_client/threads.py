"""Work on other threads: what cannot be interrupted, and what would block an event loop."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, TypeVar, cast

import anyio
from anyio import to_thread
from anyio.lowlevel import RunVar

T = TypeVar("T")
MOST_WORKERS = 8
"""Threads of one event loop that work with files."""
WORKERS: RunVar[anyio.CapacityLimiter | None] = RunVar("segmind_client_workers")


def on_thread(
    work: Callable[[], T], seconds: float, more_seconds: float = 0.0, goes_on: Callable[[], bool] = lambda: False
) -> T:
    """The result of what cannot be interrupted. Raises queue.Empty after so many seconds; the work goes on unheard.

    Where it `goes_on` by then, it has more seconds.
    """
    outcome: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()
    context = copy_context()

    def run() -> None:
        try:
            outcome.put((context.run(work), None))
        except BaseException as error:
            outcome.put((None, error))

    threading.Thread(target=run, name="segmind-client", daemon=True).start()
    try:
        result, error = outcome.get(timeout=max(0.0, min(seconds, threading.TIMEOUT_MAX)))
    except queue.Empty:
        if not goes_on():
            raise
        result, error = outcome.get(timeout=max(0.0, min(more_seconds, threading.TIMEOUT_MAX)))
    if error is not None:
        raise error
    return cast(T, result)


async def on_worker(work: Callable[..., T], *arguments: Any) -> T:
    """The result of work with files, on a thread that is free even where callers occupy all of anyio's own."""
    limiter = WORKERS.get(None)
    if limiter is None:
        limiter = anyio.CapacityLimiter(MOST_WORKERS)
        WORKERS.set(limiter)
    return await to_thread.run_sync(work, *arguments, limiter=limiter)
