"""A benchmark runs as it is written."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.conftest import ROOT


def test_a_test_on_a_port_in_process_and_with_respx_are_measured_side_by_side() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "in_tests.py"), "--turns", "1"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert run.returncode == 0, run.stdout + run.stderr
    rows = re.findall(r"^(on a port|in process|respx)((?:\s+\d+\.\d\d){3})$", run.stdout, re.MULTILINE)
    assert [way for way, _ in rows] == ["on a port", "in process", "respx"]
