#!/usr/bin/env python3
"""What a pytest test of a sync client costs: against the double on a port, in process, and against respx.

    benchmarks/in_tests.py             tests that alternate between the three, then medians and ratios
    benchmarks/in_tests.py --turns 5   the same, quickly

A test makes a client, runs one job (a submit, a poll and its result) and looks at what was sent. What pytest measures
is taken: setup with fixtures, call and teardown. The server on a port is started once, before the first turn.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import respx

from segmind_client import Client
from segmind_mock import DEFAULT_KEY, Double

LOOPBACK = "http://127.0.0.1"
REQUEST_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
CALLS_FOR_A_JOB = 3
TURNS = 100


def run_job(url: str, transport: httpx.BaseTransport | None) -> None:
    with Client(DEFAULT_KEY, base_url=url, transport=transport) as client:
        assert client.run("imagen-4", prompt="a cabin").status == "COMPLETED"


def on_a_port(request: pytest.FixtureRequest) -> None:
    double: Double = request.getfixturevalue("segmind_double")
    run_job(request.getfixturevalue("segmind_double_url"), None)
    assert len(double.requests()) == CALLS_FOR_A_JOB


def in_process(request: pytest.FixtureRequest) -> None:
    double: Double = request.getfixturevalue("segmind_double")
    run_job(LOOPBACK, double.transport())
    assert len(double.requests()) == CALLS_FOR_A_JOB


def with_respx(_: pytest.FixtureRequest) -> None:
    router = respx.Router()
    job = {"request_id": REQUEST_ID, "metrics": {"inference_time": 1.0, "cost": 0.05}}
    path = f"/v2/requests/{REQUEST_ID}"
    urls = {"status_url": f"{LOOPBACK}{path}/status", "response_url": f"{LOOPBACK}{path}"}
    router.post(f"{LOOPBACK}/v2/imagen-4").respond(json={"request_id": REQUEST_ID, "status": "QUEUED", **urls})
    router.get(urls["status_url"]).respond(json={**job, "status": "COMPLETED"})
    router.get(urls["response_url"]).respond(json={**job, "status": "COMPLETED", "output": "https://images.example/a"})
    run_job(LOOPBACK, httpx.MockTransport(router.handler))
    assert router.calls.call_count == CALLS_FOR_A_JOB


WAYS: dict[str, Callable[[pytest.FixtureRequest], None]] = {
    "on a port": on_a_port,
    "in process": in_process,
    "respx": with_respx,
}


def test_job(way: str, request: pytest.FixtureRequest) -> None:
    WAYS[way](request)


class Measurement:
    """A pytest plugin: makes the turns, and adds up what each test takes."""

    def __init__(self, turns: int) -> None:
        self._turns = turns
        self.seconds: dict[str, float] = {}
        """By test."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        cases = [pytest.param(way, id=f"{way} {turn}") for turn in range(self._turns + 1) for way in WAYS]
        metafunc.parametrize("way", cases)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration

    def milliseconds(self, way: str) -> list[float]:
        """Of one way, without its first test, which starts the server and imports what is used."""
        taken = [seconds * 1000 for test, seconds in self.seconds.items() if f"[{way} " in test]
        return sorted(taken[1:])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=TURNS, help="tests of each way (default: %(default)s)")
    turns = parser.parse_args().turns
    measurement = Measurement(turns)
    # Plain asserts, since respx is imported before pytest could rewrite its own.
    options = [
        "-q",
        "--no-header",
        "--no-summary",
        "-o",
        "addopts=",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "--assert=plain",
    ]
    failed = pytest.main([*options, str(Path(__file__).resolve())], plugins=[measurement])
    if failed:
        return int(failed)
    times = {way: measurement.milliseconds(way) for way in WAYS}
    respx_median = statistics.median(times["respx"])
    print(f"\nms for a test, {turns} turns\n{'':12}{'median':>8}{'p95':>8}{'/ respx':>9}")
    for way, taken in times.items():
        median = statistics.median(taken)
        print(f"{way:12}{median:8.2f}{taken[len(taken) * 95 // 100]:8.2f}{median / respx_median:9.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
