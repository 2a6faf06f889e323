"""Every documented answer of every operation, brought about on demand and checked by Schemathesis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks as openapi_checks

from segmind_mock import DEFAULT_KEY
from tests.contract.suite import Exchange, Failure, Report, load

NAMES = (
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "status_code_conformance",
)
CHECKS: list[Any] = [getattr(openapi_checks, name) for name in NAMES]
REQUEST_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


def provoke(app: Any) -> Report:
    """Asks for each documented status of each operation, in each form that the contract shows."""
    report = Report()
    case: Any
    for case, status in documented_answers(load(app)):
        response = case.call()
        prefer = case.headers["Prefer"]
        report.cases["faults"] += 1
        report.exchanges.append(Exchange(case, response, None))
        operation = case.operation.label
        sample = case.as_curl_command()
        if response.status_code != status:
            message = f"{status} was asked for with {prefer}, {response.status_code} came"
            report.failures.append(
                Failure("provoked_status", "faults", operation, message, sample, len(report.exchanges))
            )
        try:
            case.validate_response(response, checks=CHECKS)
        except FailureGroup as group:
            for failure in group.exceptions:
                name = type(failure).__name__
                report.failures.append(Failure(name, "faults", operation, str(failure), sample, len(report.exchanges)))
    return report


def documented_answers(schema: Any) -> Iterator[tuple[Any, int]]:
    document = schema.raw_schema
    for result in schema.get_all_operations():
        operation = result.ok()
        raw = operation.definition.raw
        for status, written in raw["responses"].items():
            response = document["components"]["responses"][written["$ref"].rpartition("/")[2]]
            names = {name for media in response["content"].values() for name in media.get("examples", {})}
            for name in sorted(names):
                headers = {"x-api-key": DEFAULT_KEY, "Prefer": f"code={status}, example={name}"}
                case = operation.Case(headers=headers)
                if "requestBody" in raw:
                    case.body, case.media_type = {"prompt": "x"}, "application/json"
                if "{" in operation.path:
                    case.path_parameters["request_id"] = REQUEST_ID
                yield case, int(status)
