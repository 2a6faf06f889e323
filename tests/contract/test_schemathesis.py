"""The double obeys the contract: Schemathesis in all its phases, every documented answer, and what they have met."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from generator.contract import Contract
from tests.contract import coverage, faults, suite
from tests.contract.facts import without_models_from_pages
from tests.contract.rules import FORMS
from tests.support.stage import SETTINGS, Stage


@pytest.fixture(scope="session")
def report() -> suite.Report:
    """One run of all phases, over jobs that complete, fail and expire."""
    stage = Stage()
    stage.let_jobs_live()
    return suite.run(stage)


@pytest.fixture(scope="session")
def reports(report: suite.Report) -> list[suite.Report]:
    """That run, v1 in each form that the vendor documents, and every answer that only a fault brings about."""
    forms = [Stage(replace(SETTINGS, generate_as=form)) for form, _ in FORMS]
    return [report, *(suite.run(stage, phases=["examples"]) for stage in forms), faults.provoke(Stage())]


def test_every_phase_has_run(report: suite.Report) -> None:
    assert {phase: count for phase, count in report.cases.items() if count >= 20}.keys() == set(suite.PHASES)


def test_the_double_obeys_the_contract_in_every_phase(reports: list[suite.Report]) -> None:
    assert [str(failure) for report in reports for failure in report.failures] == []


def test_every_operation_is_accepted_and_refused(report: suite.Report) -> None:
    statuses: defaultdict[str, set[int]] = defaultdict(set)
    for exchange in report.exchanges:
        statuses[exchange.case.operation.label].add(exchange.response.status_code)
    assert {name for name, seen in statuses.items() if not {200, 401, 405} <= seen} == set()


def test_every_link_is_followed_to_every_end_that_a_job_can_have(report: suite.Report, document: Any) -> None:
    """A job that failed has no result to go on from."""
    ends: defaultdict[str, set[str]] = defaultdict(set)
    for exchange in report.exchanges:
        if exchange.link is not None:
            ends[exchange.link].add(end_of(exchange.response))
    links = set(links_of(without_models_from_pages(document)))
    assert links <= set(ends)
    wanted = {"COMPLETED", "FAILED", "expired"}
    without = {link: wanted - ends[link] for link in links if not wanted <= ends[link]}
    assert without == {link: {"FAILED"} for link in links if link.startswith("GET /v2/requests/{request_id} ->")}


def links_of(document: Any) -> Iterator[str]:
    """The contract's links, as Schemathesis writes them."""
    operations = {
        operation["operationId"]: (f"{method.upper()} {path}", operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in ("get", "post")
    }
    components = document["components"]
    for label, operation in operations.values():
        for status, response in operation["responses"].items():
            links = components["responses"][response["$ref"].rpartition("/")[2]].get("links", {})
            for name, link in links.items():
                target = components["links"][link["$ref"].rpartition("/")[2]]["operationId"]
                yield f"{label} -> [{status}] {name} -> {operations[target][0]}"


def end_of(response: Any) -> str:
    body = response.json()
    if response.status_code == 404:
        return "expired" if "expired" in body["error"] else "not completed"
    return str(body.get("status"))


def test_everything_that_the_contract_documents_is_met(reports: list[suite.Report], contract: Contract) -> None:
    met = coverage.Coverage(contract)
    for report in reports:
        for exchange in report.exchanges:
            met.add(exchange.case, exchange.response, exchange.link)
    coverage.write(met)
    assert met.missing() == []
    kinds = Counter(item.kind for item in met.met)
    assert kinds.keys() == {"parameter", "constraint", "status", "media type", "header", "link"}
