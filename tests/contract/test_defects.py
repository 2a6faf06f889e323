"""The checks of the contract notice a double that breaks it: a sample, `make defects` tries all."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.contract.defects.__main__ import table
from tests.contract.defects.catalogue import all_defects
from tests.contract.defects.trial import Catch, Verdict, caught_by_rules, caught_by_schemathesis

DEFECTS = {defect.name: defect for defect in all_defects()}
SEEN_BY_SCHEMATHESIS = (
    "Imagen4Fast: minimum of width moved by -1",
    "Scheduler: DPMSolverMultistep refused",
    "submit: 202 for 200",
    "v1 without x-remaining-credits",
    "status 422 without error",
    "result 200 without output",
    "any key is good",
    "totals that do not add up",
    "an id given again after forty",
)
SEEN_BY_RULES = (
    "AspectRatio: 21:9 accepted",
    "Imagen: x-typical-latency-seconds times 1.1",
    "retention ignored",
    "a foreign key's job visible",
    "a failed job charged",
    "poor only at zero",
    "a key compared by its prefix",
    "404 before 401",
    "NaN accepted",
    "any content type accepted",
    "one limit for all keys",
    "width and height swapped",
    "the seed that was sent ignored",
    "one message for both kinds of 401",
    "405 as JSON",
    "429 without x-rate-limit-remaining",
)


def test_there_are_many_defects_and_each_has_its_own_name() -> None:
    assert len(DEFECTS) == len(all_defects()) >= 60


@pytest.mark.parametrize("name", SEEN_BY_SCHEMATHESIS)
def test_schemathesis_catches_the_defect(name: str) -> None:
    assert caught_by_schemathesis(DEFECTS[name]) is not None


@pytest.mark.parametrize("name", SEEN_BY_RULES)
def test_a_rule_catches_the_defect(name: str) -> None:
    assert caught_by_rules(DEFECTS[name]) is not None


def test_the_command_says_what_catches_each_defect() -> None:
    command = [sys.executable, "-m", "tests.contract.defects", "--only", "submit: 20"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1 of 2: submit: 201 for 200: caught by status_code_conformance and by " in run.stdout
    assert "2 of 2 defects were caught: 2 by Schemathesis, 2 by the rules." in run.stdout


def test_the_table_has_a_row_for_each_defect_and_a_gap_where_nothing_caught_it() -> None:
    caught = Verdict("a field missing", Catch("response_schema_conformance", 19, ""), None)
    assert table([caught]).splitlines()[-1] == "| a field missing | response_schema_conformance | 19 |  |  |"
