"""Asks the real service a few things and reports where it differs from the contract: `make contract-live`.

By default only what the contract says is free. Nothing is sent before the most that it can cost was agreed to.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from segmind_mock.contract import Contract, Model
from tests.conftest import ROOT
from tests.support.contract import OPERATIONS, REQUEST_ID, path_of, problems_in

REPORT = ROOT / "build" / "contract" / "live.md"
UNKNOWN_KEY = "SG_0000000000000000"
JSON = {"content-type": "application/json"}
POLLS = 120
POLL_SECONDS = 2.0
TIMEOUT = httpx.Timeout(30.0, read=120.0)


@dataclass(frozen=True)
class Probe:
    """One call, and what the contract expects of it."""

    name: str
    operation_id: str
    expected: int
    key: bool = True
    method: str = ""
    """Another than the operation's own."""
    request: dict[str, Any] = field(default_factory=dict[str, Any])
    price: float = 0.0
    """US dollars that it costs if it is accepted."""


@dataclass
class Finding:
    probe: str
    status: int | None
    """None where it was not sent."""
    differences: list[str]


class Session:
    """Sends probes within a budget."""

    def __init__(self, client: httpx.Client, key: str, budget: float, sleep: Callable[[float], None]) -> None:
        self._client = client
        self._key = key
        self._budget = budget
        self._sleep = sleep
        self.spent = 0.0
        """US dollars, as the answers say, or else as the contract has it."""
        self.findings: list[Finding] = []

    def ask(self, probe: Probe) -> httpx.Response | None:
        """Sends a probe and notes what differs; None where it would exceed the budget, or gets no answer."""
        if self.spent + probe.price > self._budget + 1e-9:
            self.findings.append(Finding(probe.name, None, [f"not sent: it may cost ${probe.price:g}"]))
            return None
        operation = OPERATIONS[probe.operation_id]
        headers = {**probe.request.get("headers", {}), **({"x-api-key": self._key} if probe.key else {})}
        request: dict[str, Any] = {**probe.request, "headers": headers}
        try:
            response = self._client.request(probe.method or operation[0], path_of(probe.operation_id), **request)
        except httpx.HTTPError as error:
            # Nobody knows whether it was accepted.
            self.spent += probe.price
            self.findings.append(Finding(probe.name, None, [f"no answer: {type(error).__name__}: {error}"]))
            return None
        if response.is_success:
            self.spent += float(response.headers.get("x-cost", probe.price))
        self.note(probe.name, probe.operation_id, probe.expected, response)
        return response

    def note(self, name: str, operation_id: str, expected: int, response: httpx.Response) -> None:
        differences = problems_in(operation_id, response)
        if response.status_code != expected:
            differences.insert(0, f"the contract expects {expected}")
        self.findings.append(Finding(name, response.status_code, differences))

    def follow(self, submitted: httpx.Response) -> None:
        """Polls a job to its end, and notes what differs on the way."""
        request_id = submitted.json()["request_id"]
        headers = {"x-api-key": self._key}
        polled = self._client.get(f"/v2/requests/{request_id}/status", headers=headers)
        polls = 1
        while polls < POLLS and polled.status_code == 200 and polled.json().get("status") != "COMPLETED":
            self._sleep(POLL_SECONDS)
            polled = self._client.get(f"/v2/requests/{request_id}/status", headers=headers)
            polls += 1
        self.note("poll the job", "getJobStatus", 200, polled)
        fetched = self._client.get(f"/v2/requests/{request_id}", headers=headers)
        self.note("fetch the result", "getJobResult", 200, fetched)


def free_probes(model: Model) -> Iterator[Probe]:
    """What the contract says is free. A POST with a key would cost something if the service accepted it."""
    submit = next(name for name, (_, path, _) in OPERATIONS.items() if path == f"/v2/{model.slug}")
    generate = next(name for name, (_, path, _) in OPERATIONS.items() if path == f"/v1/{model.slug}")
    body = {"prompt": "a cabin at sunrise"}
    yield Probe("the balance", "getUserCredits", 200)
    for operation_id, (method, _, _) in OPERATIONS.items():
        request: dict[str, Any] = {"json": body} if method == "POST" else {}
        yield Probe(f"{operation_id} without a key", operation_id, 401, key=False, request=request)
        unknown = {**request, "headers": {"x-api-key": UNKNOWN_KEY}}
        yield Probe(f"{operation_id} with a key that nobody holds", operation_id, 401, key=False, request=unknown)
        wrong = "GET" if method == "POST" else "DELETE"
        yield Probe(f"{operation_id} with {wrong}", operation_id, 405, method=wrong)
    for operation_id in ("getJobStatus", "getJobResult"):
        yield Probe(f"{operation_id} of {REQUEST_ID}, which was never given out", operation_id, 404)
    refused: list[tuple[str, int, dict[str, Any]]] = [
        ("a body that is no JSON", 400, {"content": b"{", "headers": JSON}),
        ("no prompt", 400, {"json": {}}),
        ("a prompt that is a number", 400, {"json": {"prompt": 7}}),
        ("an aspect ratio that does not exist", 400, {"json": {**body, "aspect_ratio": "7:1"}}),
        ("text/plain", 406, {"content": b"{}", "headers": {"content-type": "text/plain"}}),
    ]
    for operation_id in (submit, generate):
        for name, expected, request in refused:
            yield Probe(f"{operation_id} with {name}", operation_id, expected, request=request, price=model.price)


def paid_probes(model: Model) -> Iterator[Probe]:
    body = {"json": {"prompt": "a cabin at sunrise"}}
    for operation_id, (method, path, _) in OPERATIONS.items():
        if method == "POST" and path.endswith(f"/{model.slug}"):
            yield Probe(f"{operation_id}, accepted", operation_id, 200, request=body, price=model.price)


def run(session: Session, probes: Sequence[Probe]) -> None:
    for number, probe in enumerate(probes, 1):
        print(f"{number} of {len(probes)}: {probe.name}", file=sys.stderr, flush=True)
        response = session.ask(probe)
        if response is not None and response.is_success and OPERATIONS[probe.operation_id][2]["x-role"] == "submit":
            session.follow(response)


def report(session: Session, address: str) -> str:
    differing = sum(bool(finding.differences) for finding in session.findings)
    lines = [
        f"# {address} and the contract",
        "",
        f"{len(session.findings)} answers, {differing} that differ from the contract; ${session.spent:g} spent.",
        "",
        "| call | status | differs |",
        "|---|---|---|",
    ]
    lines += [f"| {it.probe} | {it.status or '-'} | {'; '.join(it.differences)} |" for it in session.findings]
    return "\n".join(lines) + "\n"


def agreed(question: str) -> bool:
    """Whether the person at the terminal says yes; without a terminal nobody does."""
    return sys.stdin.isatty() and input(f"{question} [yes/no] ").strip().lower() == "yes"


def main(arguments: Sequence[str] | None = None, *, sleep: Callable[[float], None] = time.sleep) -> int:
    parser = argparse.ArgumentParser(prog="make contract-live", description=__doc__)
    contract = Contract.load()
    cheapest = min(contract.models.values(), key=lambda model: model.price)
    parser.add_argument("--url", default=os.environ.get("SEGMIND_BASE_URL", "https://api.segmind.com"))
    parser.add_argument("--paid", action="store_true", help=f"also one job and one v1 call of {cheapest.slug}")
    parser.add_argument("--budget", type=float, help="US dollars (default: what the calls cost at most)")
    parser.add_argument("--yes", action="store_true", help="do not ask before the first call")
    parser.add_argument("--report", type=Path, default=REPORT)
    options = parser.parse_args(arguments)
    key = os.environ.get("SEGMIND_API_KEY", "")
    if not key:
        print("Set SEGMIND_API_KEY to the key of the account that is to be used.", file=sys.stderr)
        return 2
    paid = list(paid_probes(cheapest)) if options.paid else []
    # One more than is meant to be paid for: the first call that ought to be free and is not is the last one.
    most = sum(probe.price for probe in paid) + cheapest.price
    budget = most if options.budget is None else min(options.budget, most)
    print(
        f"{len(paid)} calls to {options.url} are meant to be accepted and paid for. The others are free, says the "
        f"contract; if the service accepts one all the same, no other is risked. At most this costs ${budget:g}."
    )
    if not options.yes and not agreed("Go on?"):
        print("Nothing was sent. Say yes at a terminal, or pass --yes.", file=sys.stderr)
        return 2
    with httpx.Client(base_url=options.url, timeout=TIMEOUT) as client:
        session = Session(client, key, budget, sleep)
        run(session, [*paid, *free_probes(cheapest)])
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(report(session, options.url), encoding="utf-8")
    differing = [finding for finding in session.findings if finding.differences]
    for finding in differing:
        print(f"{finding.probe}: {finding.status or 'no answer'}: {'; '.join(finding.differences)}")
    print(f"{len(differing)} of {len(session.findings)} differ, ${session.spent:g} spent. The report: {options.report}")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
