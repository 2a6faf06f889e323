"""Runs the programs of clients/ against the double; scripts/ has to be on the PYTHONPATH.

python -m languages             all of them; writes docs/languages.md if every one was as expected
python -m languages --quick     those that `make test` runs
python -m languages NAME …      those that are named by their folder
"""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from languages.expectations import read_expectations
from languages.page import render
from languages.recipes import CLIENTS, ROOT, Recipe, read_recipes
from languages.runs import Report, run_recipe

AT_ONCE = 2
"""A first build is mostly waiting for downloads."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the programs of clients/ against the double.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a folder of clients/; by default all")
    parser.add_argument("--quick", action="store_true", help="only those that make test runs")
    parser.add_argument("--editions", type=Path, help="folder with editions of another contract")
    options = parser.parse_args()
    recipes = read_recipes()
    unknown = set(options.names) - {recipe.name for recipe in recipes}
    if unknown:
        parser.error(f"no recipe in clients/ for {', '.join(sorted(unknown))}")
    expectations = read_expectations(CLIENTS / "expected.txt")
    chosen = [it for it in recipes if (not options.names or it.name in options.names) and it.quick >= options.quick]
    reports: list[Report] = []

    def run(recipe: Recipe) -> Report:
        return run_recipe(recipe, expectations, options.editions)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for report in pool.map(run, chosen):
            print(summary(report), flush=True)
            reports.append(report)
    # A contributor may lack a compiler; CI may not.
    lenient = options.quick and os.environ.get("CI") != "true"
    failed = [report for report in reports if not (report.is_as_expected or (lenient and report.missing))]
    if all(report.is_as_expected for report in reports) and len(chosen) == len(recipes) and options.editions is None:
        (ROOT / "docs" / "languages.md").write_text(render(recipes, expectations))
    if failed:
        print(f"{len(failed)} of {len(reports)} are not as expected.", file=sys.stderr)
    return bool(failed)


def summary(report: Report) -> str:
    name = f"{report.recipe.name:<28} {report.seconds:5.0f} s  "
    if report.missing:
        return f"{name}not run: this machine lacks {', '.join(report.missing)}"
    if report.problems:
        return "\n    ".join([f"{name}not as expected", *report.problems])
    return f"{name}{f'{report.lines} lines as expected' if report.recipe.run else 'generated without a warning'}"


if __name__ == "__main__":
    sys.exit(main())
