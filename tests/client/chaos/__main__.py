"""Thousands of submits while everything goes wrong, compared with what the double accepted: `make chaos`."""

from __future__ import annotations

import argparse
import faulthandler
import logging
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

from segmind_mock.service import MOST_JOBS
from tests.client.chaos.calls import NEVER_ENDED, Group, make_groups
from tests.client.chaos.claims import CLAIMS, Case, broken_claims, broken_claims_of
from tests.client.chaos.runs import Runner, play, run_async, run_sync

RUNNERS: dict[str, Runner] = {"sync": run_sync, "async": run_async}
LONGEST_SECONDS = 1800
"""After which a run that hangs prints where each thread is, and ends."""
STDERR = 2
"""As a file descriptor, whatever sys.stderr is."""
PROGRESS_SECONDS = 1.0
MOST_SHOWN = 10
"""Cases that break a claim."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--submits", type=int, default=MOST_JOBS, help="of each client, up to %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="decides what goes wrong (default: %(default)s)")
    options = parser.parse_args(arguments)
    if not 0 < options.submits <= MOST_JOBS:
        parser.error("--submits: the double remembers no more jobs than that")
    faulthandler.dump_traceback_later(LONGEST_SECONDS, exit=True, file=STDERR)
    # The client warns thousands of times, and rightly.
    logging.disable(logging.WARNING)
    try:
        runs = {name: run(name, options.submits, options.seed) for name in RUNNERS}
    finally:
        logging.disable(logging.NOTSET)
        faulthandler.cancel_dump_traceback_later()
    broken = {name: broken_claims(cases) for name, cases in runs.items()}
    claims = {claim: {name: broken[name][claim] for name in runs} for claim in CLAIMS}
    tables = (kind_table(runs), fault_table(runs["sync"]), outcome_table(runs), table("broken claims", claims))
    print("", "\n\n".join(tables), sep="\n")
    for name, cases in runs.items():
        for case in [case for case in cases if broken_claims_of(case)][:MOST_SHOWN]:
            print(f"\n{name}: {case.call.prompt} over {case.call.kind}: {'; '.join(broken_claims_of(case))}")
            print(f"    {case.report!r:.300}, accepted {dict(case.accepted)}")
            print(
                f"    faults: {', '.join(f'{verb} {fault.name if fault else None}' for verb, fault in case.call.met)}"
            )
    return 1 if any(broken.values()) else 0


def run(name: str, submits: int, seed: int) -> list[Case]:
    started = time.monotonic()
    groups = make_groups(submits, seed)
    with progress(name, groups):
        cases = play(RUNNERS[name], groups)
    seconds = time.monotonic() - started
    print(f"{name}: {submits:,} submits in {seconds:.0f} s, {cases[0].lag:.2f} s late", flush=True)
    return cases


@contextmanager
def progress(name: str, groups: Sequence[Group]) -> Generator[None]:
    """Shows on a terminal how many calls have ended."""
    over = threading.Event()

    def show() -> None:
        while sys.stderr.isatty():
            is_over = over.wait(PROGRESS_SECONDS)
            ended = sum(call.report is not NEVER_ENDED for call in calls)
            sys.stderr.write(f"\r{name}: {ended:,} of {len(calls):,}" + ("\r\x1b[K" if is_over else ""))
            sys.stderr.flush()
            if is_over:
                return

    calls = [call for group in groups for call in group.calls]
    thread = threading.Thread(target=show)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def kind_table(runs: Mapping[str, Sequence[Case]]) -> str:
    """How many calls were made with each kind of client."""
    rows: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for name, cases in runs.items():
        for case in cases:
            rows[case.call.kind][name] += 1
    return table("client", rows)


def fault_table(cases: Sequence[Case]) -> str:
    """How many requests went wrong in each way."""
    rows: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for case in cases:
        for verb, fault in case.call.met:
            rows[fault.name if fault else "none"]["submits" if verb == "POST" else "polls and results"] += 1
    return table("fault", rows)


def outcome_table(runs: Mapping[str, Sequence[Case]]) -> str:
    """What the client reported for how many calls, and how many of these were accepted."""
    rows: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for name, cases in runs.items():
        for case in cases:
            for row in (str(case), "all"):
                rows[row].update({name: 1, f"{name}, accepted": bool(case.accepted)})
    return table("reported as", rows)


def table(title: str, rows: Mapping[str, Mapping[str, int]]) -> str:
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    lines = [[title, *columns], ["---", *("--:" for _ in columns)]]
    for name, row in sorted(rows.items(), key=lambda item: -sum(item[1].values())):
        lines.append([name, *(f"{row.get(column, 0):,}" for column in columns)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
