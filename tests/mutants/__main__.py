"""Makes the mistakes in the modules that are named, all in the table without any, and prints what no test notices.

Each mutant is run in a fork of one process that has imported everything else, with the tests that run the mutant's
line, until one fails.
"""

from __future__ import annotations

import argparse
import difflib
import faulthandler
import hashlib
import importlib
import itertools
import os
import pickle
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

import attrs
import pytest

from tests.mutants.forks import Work, in_forks
from tests.mutants.measure import PYTEST, Measured, measure
from tests.mutants.operators import Mutant, mutants

ROOT = Path(__file__).resolve().parents[2]
TABLE = Path(__file__).with_name("modules.toml")
EXPLAINED = Path(__file__).with_name("explained.toml")
CACHE = ROOT / ".mutants_cache"
"""What each test runs and how long it takes, by a digest of its file and of the sources."""

MOST_SECONDS = 8.0
"""Of the quickest tests for one mutant, and as many of others."""
LONGEST_TEST = 5.0
"""Seconds, added to ten times what the test takes: one that hangs has noticed."""
ROW = "{:36} {:>8} {:>8} {:>10} {:>12}"


@attrs.frozen
class Survivor:
    """A mutant that no test notices."""

    mutant: Mutant
    path: Path

    @property
    def change(self) -> str:
        """What is changed where, without a number of a line: what `explained.toml` knows it by."""
        old, new = self._lines()
        return (
            f"{self.mutant.scope or 'module'}: {' '.join(' '.join(old).split())} -> {' '.join(' '.join(new).split())}"
        )

    @property
    def diff(self) -> str:
        old, new = self._lines()
        first = self.mutant.lines.start
        lines = [*(f"- {line}" for line in old), *(f"+ {line}" for line in new)]
        return "\n".join((f"{self.path.relative_to(ROOT)}:{first} {self.mutant.scope}", *lines))

    def _lines(self) -> tuple[list[str], list[str]]:
        before, after = self.mutant.module.code.splitlines(), self.mutant.code.splitlines()
        lines = list(difflib.unified_diff(before, after, n=0, lineterm=""))[3:]
        return [it[1:] for it in lines if it[0] == "-"], [it[1:] for it in lines if it[0] == "+"]


class Loader(SourceFileLoader):
    """Loads other code from a path than what is there."""

    def __init__(self, name: str, path: str, code: str) -> None:
        super().__init__(name, path)
        self._code = code

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - its name is that of SourceFileLoader
        return compile(self._code, self.path, "exec")


class Finder(MetaPathFinder):
    """Finds one module with other code."""

    def __init__(self, path: Path, code: str) -> None:
        self._path = path
        self._code = code

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.origin != str(self._path):
            return None
        spec.loader = Loader(name, str(self._path), self._code)
        return spec


class Watching:
    """A plugin of pytest that runs some tests only, in an order, each for a limited time, and says which one runs."""

    def __init__(self, tests: Sequence[Measured], say: Callable[[object], None]) -> None:
        self._order = {test.name: number for number, test in enumerate(tests)}
        self._seconds = {test.name: test.seconds for test in tests}
        self._say = say

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if item.nodeid in self._order]
        items.sort(key=lambda item: self._order[item.nodeid])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, bool, bool]:
        self._say(item.nodeid)
        # Ends the process from a thread of C, whatever Python does meanwhile.
        faulthandler.dump_traceback_later(LONGEST_TEST + 10 * self._seconds[item.nodeid], exit=True, file=DEVNULL)
        try:
            return (yield)
        finally:
            faulthandler.cancel_dump_traceback_later()


DEVNULL = Path(os.devnull).open("w")  # noqa: SIM115 - for as long as this process runs


def main() -> int:
    table: dict[str, list[str]] = tomllib.loads(TABLE.read_text("utf-8"))
    explained: dict[str, dict[str, str]] = tomllib.loads(EXPLAINED.read_text("utf-8"))
    parser = argparse.ArgumentParser(description="Make mistakes in modules and look whether their tests notice.")
    parser.add_argument("modules", nargs="*", metavar="module", help=f"such as {next(iter(table))}; all, without")
    options = parser.parse_args()
    if unknown := set(options.modules) - set(table):
        parser.error(f"{', '.join(sorted(unknown))}: not in {TABLE.relative_to(ROOT)}")
    chosen: list[str] = options.modules or list(table)
    measured = measure_all({file: (ROOT / name).parent for name in chosen for file in table[name]})
    rows = [ROW.format("module", "mutants", "killed", "explained", "unexplained")]
    unexplained = 0
    for name in chosen:
        tests = [test for file in table[name] for test in measured[file]]
        known = explained.get(name, {})
        made, survivors = try_module(ROOT / name, tests, known)
        new = [it for it in survivors if it.change not in known]
        for change in set(known) - {it.change for it in survivors}:
            print(f"\n{name}: explained, but noticed or not made any more: {change}", flush=True)
        unexplained += len(new)
        rows.append(ROW.format(name, made, made - len(survivors), len(survivors) - len(new), len(new)))
        print(f"\n{rows[-1]}", flush=True)
    print("\n".join(("", *rows, f"{unexplained} unexplained")))
    return 1 if unexplained else 0


def try_module(path: Path, tests: list[Measured], known: Mapping[str, str]) -> tuple[int, list[Survivor]]:
    """How many mutants there are, and those that no test notices. Prints those that are not known."""
    code, kills = path.read_text("utf-8"), Counter[str]()
    found = mutants(code)
    control = partial(run_tests, path, code, by_file(affordable(sorted(tests, key=lambda test: test.seconds)), tests))
    for _, ran, ended in in_forks([(None, lambda: control)]):
        if ended:
            raise SystemExit(f"{path}: without any mistake, a test fails in a fork: {ran[-1:]}")
    survivors: list[Survivor] = []

    def try_mutant(mutant: Mutant) -> Work:
        return partial(run_tests, path, mutant.code, choose(mutant, path, tests, kills))

    for mutant, ran, ended in in_forks((it, partial(try_mutant, it)) for it in found):
        if ended in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            survivors.append(Survivor(mutant, path))
            if survivors[-1].change not in known:
                print(f"\n{survivors[-1].diff}\n  {survivors[-1].change!r} ({len(ran)} tests)", flush=True)
        elif ran:
            kills[ran[-1]] += 1
    return len(found), survivors


def choose(mutant: Mutant, path: Path, tests: list[Measured], kills: Counter[str]) -> list[Measured]:
    """The tests that run the line of a mutant, by file: the quickest, and some of each function. In each file, those
    that have noticed others come first, then one of each function, then another of each.
    """
    for lines in (mutant.lines, mutant.function):
        chosen = [test for test in tests if not test.lines.get(str(path), frozenset()).isdisjoint(lines)]
        if chosen:
            break
    else:
        # A constant: the tests that run a line with its name. What belongs to a class is for all tests to notice.
        named = re.compile(rf"\b(?:{'|'.join(mutant.names)})\b") if mutant.names else None
        users = {str(file): lines_with(named, file) for file in path.parent.glob("*.py")} if named else {}
        chosen = [
            test for test in tests if any(not ran.isdisjoint(users.get(it, ())) for it, ran in test.lines.items())
        ]
    quickest = sorted(chosen or tests, key=lambda test: test.seconds)
    of_function = Counter[str]()
    numbers: dict[str, int] = {}
    for test in quickest:
        function = test.name.partition("[")[0]
        numbers[test.name] = of_function[function]
        of_function[function] += 1
    varied = sorted(quickest, key=lambda test: (-kills[test.name], numbers[test.name], test.seconds))
    names = {test.name for test in (*affordable(quickest), *affordable(varied))}
    return by_file([test for test in varied if test.name in names], tests)


def affordable(tests: list[Measured]) -> list[Measured]:
    """Those that come first, as many as there is time for."""
    total = itertools.accumulate(test.seconds for test in tests)
    return [test for test, seconds in zip(tests, total, strict=True) if seconds <= MOST_SECONDS]


def by_file(chosen: list[Measured], tests: list[Measured]) -> list[Measured]:
    """Sorted by their files, which the table names in order, and otherwise as they are."""
    files = list(dict.fromkeys(test.file for test in tests))
    return sorted(chosen, key=lambda test: files.index(test.file))


def lines_with(pattern: re.Pattern[str], file: Path) -> frozenset[int]:
    lines = file.read_text("utf-8").splitlines()
    return frozenset(number for number, line in enumerate(lines, start=1) if pattern.search(line))


def measure_all(sources: Mapping[str, Path]) -> dict[str, list[Measured]]:
    """The tests of each file, measured anew where a file or the sources have changed. Imports what they import that
    neither is a test nor under test.
    """
    keys = {file: CACHE / digest([ROOT / file, *sorted(source.glob("*.py"))]) for file, source in sources.items()}
    CACHE.mkdir(exist_ok=True)
    new = [(file, partial(partial, measured_in, sources[file], file)) for file, key in keys.items() if not key.exists()]
    for file, messages, ended in in_forks(new):
        if ended:
            raise SystemExit(f"{file}: the tests cannot be run")
        keys[file].write_bytes(pickle.dumps(messages[0]))
    found: dict[str, list[Measured]] = {}
    under_test = {"tests", "generator", *(source.name for source in sources.values())}
    for file, key in keys.items():
        found[file], modules = pickle.loads(key.read_bytes())  # noqa: S301 - this program has written it
        for module in modules:
            if module.partition(".")[0] not in under_test:
                importlib.import_module(module)
    return found


def digest(files: list[Path]) -> str:
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def measured_in(source: Path, file: str, say: Callable[[object], None]) -> int:
    tests = measure(source, file)
    say((tests, [name for name, it in sys.modules.items() if getattr(it, "__spec__", None) and name != "__main__"]))
    return 0


def run_tests(path: Path, code: str, tests: list[Measured], say: Callable[[object], None]) -> int:
    """What pytest ends with where a module has this code; one file after another, since collecting takes longest."""
    for number in (1, 2):
        os.dup2(DEVNULL.fileno(), number)
    sys.meta_path.insert(0, Finder(path, code))
    for file, its in itertools.groupby(tests, key=lambda test: test.file):
        if ended := pytest.main([*PYTEST, "-x", file], plugins=[Watching(list(its), say)]):
            return int(ended)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
