"""Tries every defect, in as many processes as there are cores, and writes the table: `make defects`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor

from tests.conftest import ROOT
from tests.contract.defects.catalogue import all_defects
from tests.contract.defects.trial import Verdict, try_defect

TABLE = ROOT / "build" / "contract" / "defects.md"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make defects", description=__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="those with this in their name, without the table")
    options = parser.parse_args(arguments)
    names = [defect.name for defect in all_defects() if options.only in defect.name]
    verdicts: list[Verdict] = []
    with ProcessPoolExecutor(os.cpu_count()) as processes:
        for verdict in processes.map(try_name, names):
            verdicts.append(verdict)
            print(f"{len(verdicts)} of {len(names)}: {verdict}", flush=True)
    survivors = [f"Not caught: {verdict.defect}" for verdict in verdicts if not verdict.caught]
    print(*survivors, summary(verdicts), sep="\n")
    if not options.only:
        TABLE.parent.mkdir(parents=True, exist_ok=True)
        TABLE.write_text(table(verdicts), encoding="utf-8")
        print(f"The table is in {TABLE.relative_to(ROOT)}.")
    return 1 if survivors or not verdicts else 0


def try_name(name: str) -> Verdict:
    return try_defect(next(defect for defect in all_defects() if defect.name == name))


def summary(verdicts: Iterable[Verdict]) -> str:
    verdicts = list(verdicts)
    caught = sum(verdict.caught for verdict in verdicts)
    by_schemathesis = sum(verdict.schemathesis is not None for verdict in verdicts)
    by_rules = sum(verdict.rules is not None for verdict in verdicts)
    return (
        f"{caught} of {len(verdicts)} defects were caught: {by_schemathesis} by Schemathesis, {by_rules} by the rules."
    )


def table(verdicts: Iterable[Verdict]) -> str:
    verdicts = list(verdicts)
    lines = [
        "# Which check catches which defect",
        "",
        summary(verdicts),
        "",
        "| defect | Schemathesis | after requests | rule | after requests |",
        "|---|---|---|---|---|",
    ]
    for verdict in verdicts:
        cells = [
            f"{catch.check} | {catch.requests}" if catch else " | " for catch in (verdict.schemathesis, verdict.rules)
        ]
        lines.append(f"| {verdict.defect} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
