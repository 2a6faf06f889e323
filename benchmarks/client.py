#!/usr/bin/env python3
"""The client beside bare httpx and the vendor's own package, against the double in another process.

    benchmarks/client.py              rounds that alternate between the callers, then medians and ratios
    benchmarks/client.py --rounds 1   the same, quickly

CPU is that of the calling process alone. Needs the development environment of `make test`, which has the vendor's
package, and Linux for the figures of /proc. With httpx-aiohttp installed, its transport is measured as well.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import resource
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, cast

import httpx

from segmind_client import AsyncClient, Client

KEY = "SG_0123456789abcdef"
HEADERS = {"x-api-key": KEY}
SLUG = "imagen-4"
BODY = {"prompt": "a cabin at sunrise", "aspect_ratio": "4:3"}
DOUBLE = [sys.executable, "-m", "segmind_mock", "--latency-factor", "0", "--credits", "1000000000", "--port", "0"]
ANSWER_SECONDS = 0.1
"""Until each answer, while many jobs are in flight."""
JOBS, MANY_JOBS = 1000, 5000
TURNS = 40
"""Of each caller in a round, one call at a time."""
FRESH_PROCESSES = 9
"""Of each caller in a round."""
SAMPLE_SECONDS = 0.05
ESTABLISHED = "01"
LONGEST_SECONDS = 600.0
"""For one measurement, before an error."""

Figures = dict[str, float]
Report = Callable[[BaseException], None]


def vendors_client(url: str) -> Any:
    return import_module("segmind").SegmindClient(api_key=KEY, base_url=f"{url}/v1")


def measure_turns(url: str) -> Figures:
    """Microseconds of CPU for a call and for a finished job, the callers taking turns."""
    raw = httpx.Client(base_url=url, headers=HEADERS)
    client = Client(KEY, base_url=url)
    vendor = vendors_client(url)

    def raw_job() -> None:
        request_id = raw.post(f"/v2/{SLUG}", json=BODY).json()["request_id"]
        raw.get(f"/v2/requests/{request_id}/status").json()
        raw.get(f"/v2/requests/{request_id}").json()

    callers: dict[str, tuple[int, Callable[[], object]]] = {
        "call, httpx": (40, lambda: raw.post(f"/v2/{SLUG}", json=BODY).json()),
        "call, client": (40, lambda: client.submit("imagen-4", prompt=BODY["prompt"], aspect_ratio="4:3")),
        "job, httpx": (15, raw_job),
        "job, client": (15, lambda: client.run("imagen-4", prompt=BODY["prompt"], aspect_ratio="4:3")),
        "job, vendor": (15, lambda: vendor.run(SLUG, **BODY)),
    }
    used: dict[str, list[float]] = {name: [] for name in callers}
    for turn in range(TURNS + 1):
        for name, (times, call) in callers.items():
            before = time.process_time()
            for _ in range(times):
                call()
            if turn:
                used[name].append((time.process_time() - before) / times * 1e6)
    return {name: statistics.median(values) for name, values in used.items()}


def measure_jobs(caller: str, url: str, jobs: int) -> Figures:
    """What jobs in flight at the same time take, all of them submitted, polled and fetched."""
    failures: list[BaseException] = []
    connections = 0
    finished = threading.Event()

    def watch() -> None:
        nonlocal connections
        while not finished.wait(SAMPLE_SECONDS):
            connections = max(connections, connections_to(url))

    before_mib, before, started = resident_mib(), cpu(), time.monotonic()
    watching = threading.Thread(target=watch)
    watching.start()
    CALLERS[caller](url, failures.append, jobs)
    finished.set()
    watching.join()
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "cpu_s": cpu() - before,
        "wall_s": time.monotonic() - started,
        "failed": len(failures),
        "connections": connections,
        "peak_mib": peak_mib,
        "grown_mib": peak_mib - before_mib,
    }


def connections_to(url: str) -> int:
    port = f":{int(url.rpartition(':')[2]):04X}"
    table = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    # A table that changes while it is read may show a connection twice.
    return len({local for _, local, remote, state, *_ in table if remote.endswith(port) and state == ESTABLISHED})


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def resident_mib() -> float:
    return int(re.findall(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())[0]) / 1024


async def in_tasks(job: Callable[[], Coroutine[Any, Any, object]], report: Report, jobs: int) -> None:
    async def one() -> None:
        try:
            await job()
        except Exception as error:
            report(error)

    async with asyncio.TaskGroup() as group:
        for _ in range(jobs):
            group.create_task(one())


def in_threads(job: Callable[[], object], report: Report, jobs: int) -> None:
    def one() -> None:
        try:
            job()
        except Exception as error:
            report(error)

    threads = [threading.Thread(target=one) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


async def client_jobs(url: str, report: Report, jobs: int, transport: httpx.AsyncBaseTransport | None = None) -> None:
    async with AsyncClient(KEY, base_url=url, transport=transport) as client:
        await in_tasks(lambda: client.run_model(SLUG, BODY), report, jobs)


async def client_jobs_over_aiohttp(url: str, report: Report, jobs: int) -> None:
    await client_jobs(url, report, jobs, import_module("httpx_aiohttp").AiohttpTransport())


async def httpx_jobs(url: str, report: Report, jobs: int) -> None:
    async with httpx.AsyncClient(base_url=url, headers=HEADERS, timeout=30) as client:

        async def job() -> None:
            request_id = (await client.post(f"/v2/{SLUG}", json=BODY)).json()["request_id"]
            (await client.get(f"/v2/requests/{request_id}/status")).json()
            (await client.get(f"/v2/requests/{request_id}")).json()

        await in_tasks(job, report, jobs)


def client_threads(url: str, report: Report, jobs: int) -> None:
    with Client(KEY, base_url=url) as client:
        in_threads(lambda: client.run_model(SLUG, BODY), report, jobs)


def vendor_threads(url: str, report: Report, jobs: int) -> None:
    client = vendors_client(url)
    in_threads(lambda: client.run(SLUG, **BODY), report, jobs)


Caller = Callable[[str, Report, int], object]


def in_a_loop(jobs_of: Callable[[str, Report, int], Coroutine[Any, Any, None]]) -> Caller:
    return lambda url, report, jobs: asyncio.run(jobs_of(url, report, jobs))


CALLERS: dict[str, Caller] = {
    "client": in_a_loop(client_jobs),
    "client over aiohttp": in_a_loop(client_jobs_over_aiohttp),
    "client in threads": client_threads,
    "vendor in threads": vendor_threads,
    "httpx": in_a_loop(httpx_jobs),
}
FRESH = {
    "import httpx": "start(); import httpx; stop()",
    "import segmind_client": "start(); import segmind_client; stop()",
    "first call, httpx": f"start(); import httpx; client = httpx.Client(base_url=url, headers={HEADERS}); "
    f"client.post('/v2/{SLUG}', json={BODY}).json(); stop()",
    "first call, client": f"start(); from segmind_client import Client; client = Client('{KEY}', base_url=url); "
    f"client.submit_model('{SLUG}', {BODY}); stop()",
    "second client": f"from segmind_client import Client; Client('{KEY}', base_url=url).credits(); "
    f"start(); Client('{KEY}', base_url=url); stop()",
}
STOPWATCH = """
import sys
from time import process_time
url = sys.argv[1]
def start(): global before; before = process_time()
def stop(): print((process_time() - before) * 1000)
"""


def measure_fresh(url: str) -> Figures:
    """Milliseconds of CPU in processes that have done nothing before."""
    used: dict[str, list[float]] = {name: [] for name in FRESH}
    for _ in range(FRESH_PROCESSES):
        for name, program in FRESH.items():
            used[name].append(float(output_of("-c", STOPWATCH + program, url)))
    return {name: statistics.median(values) for name, values in used.items()}


def output_of(*arguments: str) -> str:
    # What a program leaves open when it ends is no matter here.
    command = [sys.executable, "-W", "ignore", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=LONGEST_SECONDS).stdout


def in_own_process(*arguments: str) -> Figures:
    print(*arguments, file=sys.stderr, flush=True)
    figures: Figures = json.loads(output_of(__file__, "--measure", *arguments))
    return figures


@contextmanager
def double() -> Generator[str]:
    with subprocess.Popen(DOUBLE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield cast(IO[str], process.stdout).readline().split()[-1]
        finally:
            process.terminate()


def delay_answers(url: str) -> None:
    fault = json.dumps({"fault": {"latency": str(ANSWER_SECONDS)}}).encode()
    headers = {"content-type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(f"{url}/_mock/faults", fault, headers)).close()  # noqa: S310


def compare(rounds: int) -> None:
    callers = [name for name in CALLERS if name != "client over aiohttp" or find_spec("httpx_aiohttp")]
    loads = [*((name, JOBS) for name in callers), ("client", MANY_JOBS)]
    results: dict[tuple[str, ...], list[Figures]] = {}

    def measure(*arguments: str) -> None:
        results.setdefault(arguments[:1] + arguments[2:], []).append(in_own_process(*arguments))

    for _ in range(rounds):
        with double() as url:
            measure("turns", url)
            measure("fresh", url)
            delay_answers(url)
            for name, jobs in loads:
                measure("jobs", url, name, str(jobs))

    def median(figure: str, *what: str) -> float:
        return statistics.median(figures[figure] for figures in results[what])

    def row(title: str, value: float, unit: str, other: float, base: str) -> None:
        print(f"{title:<34}{value:>10,.1f} {unit:<3}{value / other:>10.3f} of {base}")

    print(f"medians of {rounds} rounds, CPU of the calling process")
    for what, other in ONE_BY_ONE:
        row(what, median(what, "turns"), "µs", median(other, "turns"), other)
    for what, other in FRESHLY:
        row(what, median(what, "fresh"), "ms", median(other, "fresh"), other)
    for other in callers[1:]:
        ours = "client in threads" if other == "vendor in threads" else "client"
        cpu_s = median("cpu_s", "jobs", other, str(JOBS))
        row(f"{JOBS:,} jobs, {ours}", median("cpu_s", "jobs", ours, str(JOBS)), "s", cpu_s, f"{other}: {cpu_s:.1f} s")
    heading = ("CPU s", "seconds", "failed", "connections", "MiB", "MiB more")
    print(("{:<34}" + "{:>12}" * len(heading)).format("jobs in flight", *heading))
    for name, jobs in loads:
        figures = ("cpu_s", "wall_s", "failed", "connections", "peak_mib", "grown_mib")
        values = [median(figure, "jobs", name, str(jobs)) for figure in figures]
        print(f"{f'{jobs:,}, {name}':<34}" + "".join(f"{value:>12,.1f}" for value in values))


ONE_BY_ONE = [
    ("call, client", "call, httpx"),
    ("job, client", "job, httpx"),
    ("job, client", "job, vendor"),
]
FRESHLY = [
    ("import segmind_client", "import httpx"),
    ("first call, client", "first call, httpx"),
    ("second client", "first call, client"),
]


def main() -> None:
    parser = argparse.ArgumentParser(description="The client beside httpx and the vendor's package.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.measure:
        compare(options.rounds)
        return
    kind, url, *rest = options.measure
    if kind == "turns":
        figures = measure_turns(url)
    elif kind == "fresh":
        figures = measure_fresh(url)
    else:
        figures = measure_jobs(rest[0], url, int(rest[1]))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
