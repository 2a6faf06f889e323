#!/usr/bin/env python3
"""The double beside Prism, serving the same contract: a validated POST with a key, one worker each.

    benchmarks/double.py                  rounds that alternate between the servers, then medians and ratios
    benchmarks/double.py --soak 1000000   the double alone: its memory over that many requests

Needs `npm ci --prefix benchmarks`, and Linux for the figures of /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import uvloop

ROOT = Path(__file__).resolve().parent.parent
PRISM = ROOT / "benchmarks" / "node_modules" / ".bin" / "prism"
CONTRACT = ROOT / "openapi" / "segmind.yaml"
KEY = "SG_0123456789abcdef"
BODY = b'{"prompt": "a cabin at sunrise", "aspect_ratio": "4:3"}'
REQUEST = (
    b"POST /v2/imagen-4 HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: %s\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%s" % (KEY.encode(), len(BODY), BODY)
)
SERVERS = {
    "double": [
        str(Path(sys.executable).with_name("segmind-mock")),
        *("--latency-factor", "0", "--credits", "1000000000", "--port"),
    ],
    "Prism, silent": [str(PRISM), "mock", "-v", "silent", str(CONTRACT), "-h", "127.0.0.1", "-p"],
    "Prism, default": [str(PRISM), "mock", str(CONTRACT), "-h", "127.0.0.1", "-p"],
}
REQUESTS = {"double": {1: 4000, 32: 20000}, "Prism, silent": {1: 1500, 32: 5000}, "Prism, default": {1: 1000, 32: 3000}}
WARM_UP = 500
START_SECONDS = 30.0
LOAD_SECONDS = 300.0
"""For one load, before an error."""
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Load:
    """What one load of one server took."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    """Of the server, per request."""


@dataclass(frozen=True)
class Round:
    start_s: float
    """From the start of the process to its first answer."""
    resident_mib: float
    """After the loads."""
    loads: dict[int, Load]
    """By number of connections."""


class Connection(asyncio.Protocol):
    """Sends the request again as soon as it is answered."""

    def __init__(self, load: ClosedLoop) -> None:
        self._load = load
        self._buffer = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def _send(self) -> None:
        if self._load.take():
            self._sent = time.perf_counter()
            self._transport.write(REQUEST)
        else:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        if not end or not complete(head.lower(), body):
            return
        self._load.done(head.startswith(b"HTTP/1.1 200"), time.perf_counter() - self._sent)
        self._buffer = b""
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the name is asyncio's
        self._load.closed()


def complete(head: bytes, body: bytes) -> bool:
    _, found, rest = head.partition(b"content-length:")
    if found:
        return len(body) >= int(rest.partition(b"\r\n")[0])
    return body.endswith(b"0\r\n\r\n")


class ClosedLoop:
    """A closed loop of a bounded number of requests."""

    def __init__(self, requests: int, connections: int) -> None:
        self._left = requests
        self._open = connections
        self.times: list[float] = []
        self.failures = 0
        self.finished = asyncio.Event()

    def take(self) -> bool:
        self._left -= 1
        return self._left >= 0

    def done(self, succeeded: bool, seconds: float) -> None:
        self.times.append(seconds)
        self.failures += not succeeded

    def closed(self) -> None:
        self._open -= 1
        if self._open == 0:
            self.finished.set()


async def generate(port: int, requests: int, connections: int) -> tuple[float, list[float]]:
    """Seconds in all, and of each request. Raises RuntimeError for an answer other than 200."""
    load = ClosedLoop(requests, connections)
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    for _ in range(connections):
        await loop.create_connection(lambda: Connection(load), "127.0.0.1", port)
    await asyncio.wait_for(load.finished.wait(), LOAD_SECONDS)
    seconds = time.perf_counter() - started
    if load.failures or len(load.times) != requests:
        raise RuntimeError(f"{load.failures} of {len(load.times)} answers were not 200, {requests} were wanted")
    return seconds, load.times


def processes(pid: int) -> list[int]:
    """A process and all below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(below for child in children for below in processes(int(child)))]


def cpu_seconds(pid: int) -> float:
    fields = [Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split() for one in processes(pid)]
    return sum(int(field[11]) + int(field[12]) for field in fields) / TICKS


def resident_mib(pid: int) -> float:
    lines = [Path(f"/proc/{one}/status").read_text().splitlines() for one in processes(pid)]
    sizes = [int(line.split()[1]) for status in lines for line in status if line.startswith("VmRSS")]
    return sum(sizes) / 1024


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def running(command: Sequence[str]) -> Generator[tuple[int, int, float]]:
    """A server: its process, its port, and the seconds until its first answer."""
    port = free_port()
    started = time.perf_counter()
    with subprocess.Popen([*command, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while not answers(port):
                if time.perf_counter() - started > START_SECONDS or process.poll() is not None:
                    raise RuntimeError(f"{command[0]} did not start")
                time.sleep(0.002)
            yield process.pid, port, time.perf_counter() - started
        finally:
            process.terminate()


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=START_SECONDS) as connection:
            connection.sendall(REQUEST)
            return connection.recv(100).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def measure(name: str) -> Round:
    with running(SERVERS[name]) as (pid, port, start_s):
        uvloop.run(generate(port, WARM_UP, 8))
        loads: dict[int, Load] = {}
        for connections, requests in REQUESTS[name].items():
            before = cpu_seconds(pid)
            seconds, times = uvloop.run(generate(port, requests, connections))
            cpu = cpu_seconds(pid) - before
            quantiles = statistics.quantiles(times, n=100)
            loads[connections] = Load(
                per_second=requests / seconds,
                p50_ms=quantiles[49] * 1000,
                p99_ms=quantiles[98] * 1000,
                cpu_us=cpu / requests * 1e6,
            )
        return Round(start_s, resident_mib(pid), loads)


def compare(rounds: int) -> None:
    results: dict[str, list[Round]] = {name: [] for name in SERVERS}
    for number in range(rounds):
        for name in SERVERS:
            print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
            results[name].append(measure(name))

    def median(name: str, figure: str, connections: int = 0) -> float:
        values: list[float] = [getattr(one.loads[connections] if connections else one, figure) for one in results[name]]
        return statistics.median(values)

    row = "{:<34}" + "{:>16}" * len(SERVERS) + "{:>18}"
    print(row.format(f"medians of {rounds} rounds", *SERVERS, "silent / double"))
    figures = [(title, figure, count) for count in (1, 32) for title, figure in LOAD_FIGURES]
    for title, figure, count in [*figures, *ROUND_FIGURES]:
        values = [median(name, figure, count) for name in SERVERS]
        label = f"{title}, {count} connection{'s' * (count > 1)}" if count else title
        print(row.format(label, *(f"{value:,.2f}" for value in values), f"{values[1] / values[0]:.2f}"))


LOAD_FIGURES = [("requests/s", "per_second"), ("p50 ms", "p50_ms"), ("p99 ms", "p99_ms"), ("CPU µs/request", "cpu_us")]
ROUND_FIGURES = [("start to first answer, s", "start_s", 0), ("resident memory, MiB", "resident_mib", 0)]


def soak(requests: int) -> None:
    step = max(requests // 10, 1)
    with running(SERVERS["double"]) as (pid, port, _):
        for done in range(0, requests, step):
            uvloop.run(generate(port, min(step, requests - done), 32))
            print(f"{done + min(step, requests - done):>10,} requests: {resident_mib(pid):.1f} MiB", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="The double beside Prism.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--soak", type=int, metavar="REQUESTS", help="only the double's memory, over so many requests")
    options = parser.parse_args()
    if options.soak:
        soak(options.soak)
    elif not PRISM.exists():
        print("Prism is missing; install it with: npm ci --prefix benchmarks", file=sys.stderr)
        return 1
    else:
        compare(options.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
