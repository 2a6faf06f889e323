"""The suite catches mistakes of the client, each seeded in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.client.mistakes import MISTAKES, VARIABLE, Mistake
from tests.conftest import ROOT

# Plugins that nobody asked for take longer to load than these tests to run.
PLUGINS = ["-p", "segmind_mock.pytest_plugin", "-p", "tests.client.mistakes", "-p", "no:cacheprovider"]
OPTIONS = ["-x", "-q", "-o", "addopts=", "--import-mode=importlib"]


def run_tests(tests: list[str], seeded: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, VARIABLE: seeded, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", *PLUGINS, *OPTIONS, *tests]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_the_suite_catches(mistake: Mistake) -> None:
    run = run_tests([mistake.caught_by.partition("[")[0]], mistake.name)
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout + run.stderr
    assert f"\nFAILED {mistake.caught_by}" in run.stdout


def test_without_a_mistake_the_same_tests_pass() -> None:
    run = run_tests(sorted({mistake.caught_by for mistake in MISTAKES}))
    assert run.returncode == pytest.ExitCode.OK, run.stdout + run.stderr
