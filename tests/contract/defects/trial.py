"""Lets the checks of the contract loose on a defect, and says which of them catch it, and how soon."""

from __future__ import annotations

from dataclasses import dataclass

from segmind_mock import Settings
from tests.contract import faults, suite
from tests.contract.defects.kinds import Defect
from tests.contract.rules import RULES
from tests.support.stage import Stage


@dataclass(frozen=True)
class Catch:
    """What caught a defect."""

    check: str
    requests: int
    """Requests until it did, those of the check alone."""
    complaint: str


def caught_by_schemathesis(defect: Defect) -> Catch | None:
    """The first complaint of Schemathesis in any of its phases, or about an answer that was asked for."""
    with defect.mischief():
        stage = defect.open_stage()
        stage.let_jobs_live()
        try:
            report = suite.run(stage, stop=lambda report: bool(report.failures))
            if not report.failures:
                report = faults.provoke(defect.open_stage(Settings()))
        except RuntimeError as error:
            if stage.calls == 0:
                raise
            return Catch("the run breaks", stage.calls, str(error))
    if not report.failures:
        return None
    first = report.failures[0]
    return Catch(first.check, first.requests, str(first))


def caught_by_rules(defect: Defect) -> Catch | None:
    """The first rule that does not hold."""
    for name, rule in RULES.items():
        stages: list[Stage] = []

        def open_stage(settings: Settings | None = None, opened: list[Stage] = stages) -> Stage:
            opened.append(defect.open_stage(settings))
            return opened[-1]

        try:
            with defect.mischief():
                rule(open_stage)
        # Whatever a rule trips over shows that the answer is not what it relies on.
        except Exception as error:
            return Catch(name, sum(stage.calls for stage in stages), f"{type(error).__name__}: {error}")
    return None


@dataclass(frozen=True)
class Verdict:
    """What caught a defect, of the two kinds of checks."""

    defect: str
    schemathesis: Catch | None
    rules: Catch | None

    @property
    def caught(self) -> bool:
        return self.schemathesis is not None or self.rules is not None

    def __str__(self) -> str:
        names = [catch.check if catch else "nothing" for catch in (self.schemathesis, self.rules)]
        return f"{self.defect}: caught by {names[0]} and by {names[1]}"


def try_defect(defect: Defect) -> Verdict:
    return Verdict(defect.name, caught_by_schemathesis(defect), caught_by_rules(defect))
