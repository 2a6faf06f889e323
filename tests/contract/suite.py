"""Runs Schemathesis over the contract against an application, with the settings of `schemathesis.toml`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from schemathesis import BaseSchema, Case, Response
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder

from segmind_mock import DEFAULT_KEY
from tests.conftest import ROOT

PHASES = ("examples", "coverage", "fuzzing", "stateful")


@dataclass(frozen=True)
class Failure:
    """What a check had against an answer."""

    check: str
    phase: str
    operation: str
    message: str
    sample: str
    """A curl command that repeats the call."""
    requests: int
    """Answers that were seen until then."""

    def __str__(self) -> str:
        return f"{self.operation}, {self.phase}, {self.check}: {self.message}\n    {self.sample}"


@dataclass(frozen=True)
class Exchange:
    """One case and its answer."""

    case: Case[Any]
    response: Response
    link: str | None
    """The link of the contract that led here."""


@dataclass
class Report:
    """What a run has seen."""

    failures: list[Failure] = field(default_factory=list[Failure])
    exchanges: list[Exchange] = field(default_factory=list[Exchange])
    cases: Counter[str] = field(default_factory=Counter[str])
    """Number of test cases, by phase."""


def load(app: Any, *, key: str = DEFAULT_KEY, phases: Collection[str] = PHASES) -> BaseSchema:
    """The contract, to be tested against an ASGI application."""
    config = SchemathesisConfig.from_str(
        (ROOT / "schemathesis.toml").read_text(encoding="utf-8").replace("${SEGMIND_API_KEY}", key),
        base_dir=str(ROOT),
    )
    for phase in PHASES:
        config.projects.default.phases.get_by_name(name=phase).enabled = phase in phases
    document = json.loads((ROOT / "generated" / "segmind_openapi" / "segmind.json").read_text(encoding="utf-8"))
    # With more models there are more links to follow; the file's number is for four.
    walks = config.projects.default.phases.stateful.generation
    submits = sum(path.startswith("/v2/") and "post" in item for path, item in document["paths"].items())
    walks.max_examples = (walks.max_examples or 0) * max(4, submits) // 4
    schema = schemathesis.openapi.from_dict(document, config=config)
    schema.app = app
    return schema


def run(app: Any, *, phases: Collection[str] = PHASES, stop: Callable[[Report], bool] = lambda _: False) -> Report:
    """Runs the phases until they are over or until `stop` has seen enough. Raises RuntimeError if they cannot run."""
    report = Report()
    stream = from_schema(load(app, phases=phases)).execute()
    for event in stream:
        match event:
            case events.FatalError():
                raise RuntimeError("Schemathesis broke") from event.exception
            case events.NonFatalError():
                raise RuntimeError(f"Schemathesis could not test {event.label}") from event.value
            case events.ScenarioFinished():
                note(report, event.phase.value, event.recorder)
                if stop(report):
                    stream.stop()
            case _:
                pass
    return report


def note(report: Report, phase: str, recorder: ScenarioRecorder) -> None:
    nodes: Any = recorder.cases
    for case_id, node in nodes.items():
        case: Case[Any] = node.value
        interaction = recorder.interactions.get(case_id)
        report.cases[phase] += 1
        if interaction is not None and interaction.response is not None:
            link = node.transition.id if node.transition is not None and node.is_transition_applied else None
            report.exchanges.append(Exchange(case, interaction.response, link))
        for check in recorder.checks.get(case_id, []):
            if check.failure_info is not None:
                failure = check.failure_info.failure
                message = f"{failure.title}: {failure.message}"
                operation = case.operation.label
                sample, seen = check.failure_info.code_sample, len(report.exchanges)
                report.failures.append(Failure(check.name, phase, operation, message, sample, seen))
