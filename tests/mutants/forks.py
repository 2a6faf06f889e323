"""Runs work in forks of this process, a few at a time."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

import attrs

AT_ONCE = 2
LONGEST_RUN = 300.0
"""Seconds."""

Work = Callable[[Callable[[object], None]], int]
"""Is given what sends a message to this process, and returns its exit code."""


@attrs.define
class Fork:
    """A process at work."""

    job: Any
    hears: Connection
    until: float
    messages: list[Any] = attrs.field(factory=list[Any])


def in_forks(jobs: Iterable[tuple[Any, Callable[[], Work]]]) -> Iterator[tuple[Any, list[Any], int]]:
    """Each job with its messages and its exit code, in the order in which they end."""
    waiting, running = iter(jobs), dict[int, Fork]()
    more = True
    while more or running:
        while more and len(running) < AT_ONCE:
            job = next(waiting, None)
            if job is None:
                more = False
            else:
                pid, hears = fork(job[1]())
                running[pid] = Fork(job[0], hears, time.monotonic() + LONGEST_RUN)
        for it in running.values():
            receive(it)
        pid, status = os.waitpid(-1, os.WNOHANG) if running else (0, 0)
        if pid in running:
            ended = running.pop(pid)
            # What a test has started ends with it.
            kill_group(pid)
            receive(ended)
            ended.hears.close()
            yield ended.job, ended.messages, os.waitstatus_to_exitcode(status)
        elif running:
            for late in [pid for pid, it in running.items() if time.monotonic() > it.until]:
                kill_group(late)
            wait([it.hears for it in running.values()], timeout=0.01)
            time.sleep(0.005)


def fork(work: Work) -> tuple[int, Connection]:
    hears, says = multiprocessing.Pipe(duplex=False)
    pid = os.fork()
    if not pid:
        code = 1
        try:
            os.setsid()
            code = work(says.send)
        except BaseException:
            traceback.print_exc()
        os._exit(code)
    says.close()
    return pid, hears


def receive(it: Fork) -> None:
    with contextlib.suppress(EOFError, OSError):
        while it.hears.poll():
            it.messages.append(it.hears.recv())


def kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
