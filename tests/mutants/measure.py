"""What each test runs, and how long it takes."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path

import attrs
import coverage
import pytest

PYTEST = (
    *("-o", "addopts=", "--import-mode=importlib", "-q", "-p", "no:cacheprovider", "-p", "no:faulthandler"),
    *("-p", "no:xdist", "-p", "no:cov"),
    # To rewrite assertions, pytest loads the modules of plugins itself: those of `segmind_mock`, without the mistake.
    "--assert=plain",
)
"""In this process, without workers."""


@attrs.frozen
class Measured:
    """One test."""

    name: str
    seconds: float
    lines: dict[str, frozenset[int]]
    """That it runs, by the path of the file."""

    @property
    def file(self) -> str:
        return self.name.partition("::")[0]


class Measuring:
    """A plugin of pytest that takes note of what each test runs."""

    def __init__(self, measured: coverage.Coverage) -> None:
        self._coverage = measured
        self._trace = sys.gettrace()
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, bool, bool]:
        self._coverage.switch_context(item.nodeid)
        try:
            return (yield)
        finally:
            self._coverage.switch_context("")
            # Some tests trace as well, and leave nothing behind.
            sys.settrace(self._trace)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration
        if not report.passed:
            self.failed.add(report.nodeid)


def measure(source: Path, file: str) -> list[Measured]:
    """What the tests in a file run of the sources in a folder. One that fails without a mistake decides nothing."""
    measured = coverage.Coverage(data_file=None, source=[str(source)], config_file=False)
    measured.start()
    plugin = Measuring(measured)
    pytest.main([*PYTEST, file], plugins=[plugin])
    measured.stop()
    data = measured.get_data()
    found: list[Measured] = []
    for name in plugin.seconds.keys() - plugin.failed:
        data.set_query_context(name)
        ran = {path: frozenset(data.lines(path) or ()) for path in data.measured_files()}
        found.append(Measured(name, plugin.seconds[name], {path: lines for path, lines in ran.items() if lines}))
    return sorted(found, key=lambda test: test.name)
