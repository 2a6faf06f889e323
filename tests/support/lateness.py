"""How late this process runs on a machine that is busy, for claims about seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

import attrs

SLEEP_SECONDS = 0.01


@attrs.define
class Lateness:
    seconds: float = 0.0
    """By which a thread that does nothing but sleep was late, over all its sleeps."""
    longest: float = 0.0
    """Seconds by which one of its sleeps was late."""


@contextmanager
def lateness() -> Generator[Lateness]:
    """Measures until the end of this block."""
    late, over = Lateness(), threading.Event()

    def watch() -> None:
        while not over.is_set():
            due = time.monotonic() + SLEEP_SECONDS
            time.sleep(SLEEP_SECONDS)
            seconds = time.monotonic() - due
            late.seconds += seconds
            late.longest = max(late.longest, seconds)

    # Not a task, which would also be late where a client blocks the event loop.
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield late
    finally:
        over.set()
        thread.join()
