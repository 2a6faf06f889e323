"""Tries every defect, in as many processes as there are cores, and writes the table: `make defects`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor

from tests.conftest import ROOT
from tests.contract.defects.catalogue import all_defects
from tests.contract.defects.trial import Verdict, try_defect

TABLE = ROOT / "build" / "contract" / "defects.md"


def try_number(number: int) -> Verdict:
    return try_defect(all_defects()[number])


def main() -> int:
    defects = all_defects()
    verdicts: list[Verdict] = []
    with ProcessPoolExecutor(os.cpu_count()) as processes:
        for verdict in processes.map(try_number, range(len(defects))):
            verdicts.append(verdict)
            print(f"{len(verdicts)} of {len(defects)}: {verdict}", flush=True)
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    TABLE.write_text(table(verdicts), encoding="utf-8")
    survivors = [verdict.defect for verdict in verdicts if not verdict.caught]
    print(summary(verdicts), f"The table is in {TABLE.relative_to(ROOT)}.", *survivors, sep="\n")
    return 1 if survivors else 0


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
            f"{catch.check} | {catch.requests}" if catch else "| " for catch in (verdict.schemathesis, verdict.rules)
        ]
        lines.append(f"| {verdict.defect} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
