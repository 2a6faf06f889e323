"""Runs functions on other threads: those that cannot be interrupted, and those that would block an event loop."""

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
"""The most threads of one event loop for work with files."""
WORKERS: RunVar[anyio.CapacityLimiter | None] = RunVar("segmind_client_workers")


def on_thread(
    work: Callable[[], T], seconds: float, more_seconds: float = 0.0, goes_on: Callable[[], bool] = lambda: False
) -> T:
    """The result of a function that cannot be interrupted. Raises queue.Empty after so many seconds.

    If `goes_on` returns True by then, the function has more seconds. Its thread is never stopped.
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
    """The result of work with files, on a thread apart from anyio's own, all of which callers may occupy."""
    limiter = WORKERS.get(None)
    if limiter is None:
        limiter = anyio.CapacityLimiter(MOST_WORKERS)
        WORKERS.set(limiter)
    return await to_thread.run_sync(work, *arguments, limiter=limiter)
