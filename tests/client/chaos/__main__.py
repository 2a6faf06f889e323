"""Thousands of submits while everything goes wrong, compared with what the double accepted: `make chaos`."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from segmind_mock.service import MOST_JOBS
from tests.client.chaos.calls import make_groups
from tests.client.chaos.claims import CLAIMS, Case, broken_claims
from tests.client.chaos.runs import play, run_async, run_sync


def outcome_table(runs: Mapping[str, Sequence[Case]]) -> str:
    """As what the client reported how many calls, and how many of them the double had accepted."""
    rows: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for name, cases in runs.items():
        for case in cases:
            for row in (str(case), "all"):
                rows[row].update({name: 1, f"{name}, accepted": bool(case.accepted)})
    return table("reported as", rows)


def kind_table(runs: Mapping[str, Sequence[Case]]) -> str:
    """Over what and how how many calls were made."""
    rows: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for name, cases in runs.items():
        for case in cases:
            rows[case.call.kind][name] += 1
    return table("calls over", rows)


def fault_table(cases: Sequence[Case]) -> str:
    """How many requests went wrong in which way."""
    rows: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for case in cases:
        for verb, fault in case.call.met:
            rows[fault.name if fault else "none"]["submits" if verb == "POST" else "polls and results"] += 1
    return table("fault", rows)


def table(title: str, rows: Mapping[str, Mapping[str, int]]) -> str:
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    lines = [[title, *columns], ["---", *("--:" for _ in columns)]]
    for name, row in sorted(rows.items(), key=lambda item: -sum(item[1].values())):
        lines.append([name, *(f"{row.get(column, 0):,}" for column in columns)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--submits", type=int, default=MOST_JOBS, help="of each client, up to %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="decides what goes wrong (default: %(default)s)")
    options = parser.parse_args(arguments)
    if not 0 < options.submits <= MOST_JOBS:
        parser.error("--submits: the double remembers no more jobs than that")
    # Thousands of warnings, each of which is right.
    logging.disable(logging.WARNING)
    runs: dict[str, list[Case]] = {}
    for name, runner in {"sync": run_sync, "async": run_async}.items():
        started = time.monotonic()
        runs[name] = play(runner, make_groups(options.submits, options.seed))
        lag = runs[name][0].lag
        print(
            f"{name}: {options.submits:,} submits in {time.monotonic() - started:.0f} s, {lag:.2f} s late", flush=True
        )
    broken = {name: broken_claims(cases) for name, cases in runs.items()}
    claims = {claim: {name: broken[name][claim] for name in runs} for claim in CLAIMS}
    tables = (kind_table(runs), fault_table(runs["sync"]), outcome_table(runs), table("broken claims", claims))
    print("", "\n\n".join(tables), sep="\n")
    for name, cases in runs.items():
        for case in [case for case in cases if any(not holds(case) for holds in CLAIMS.values())][:10]:
            print(f"{name}: {case.call.prompt} over {case.call.kind}: {case.report!r:.300}, accepted {case.accepted}")
    return 1 if any(broken.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
