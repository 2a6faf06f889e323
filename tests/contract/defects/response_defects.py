"""Defects of responses: fields, statuses, media types and headers."""

# A replacement takes what the function takes that it replaces, and a lambda cannot say so:
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from segmind_mock.calls import Outcome
from tests.contract.defects.kinds import Defect, becoming, holding, in_answers, in_body, lacking


def fields() -> Iterator[Defect]:
    """Fields of answers that are missing, or of another type or form."""
    required = {
        ("submit", 200): ("request_id", "status", "status_url"),
        ("status", 200): ("request_id", "status", "metrics"),
        ("result", 200): ("request_id", "status", "output", "metrics"),
        ("status", 422): ("request_id", "status", "error", "metrics"),
        ("result", 422): ("request_id", "status", "error", "metrics"),
        ("credits", 200): ("credits", "free-credits"),
        ("*", 400): ("error",),
        ("*", 401): ("error",),
    }
    for (role, status), names in required.items():
        for name in names:
            yield in_body(f"{role} {status} without {name}", role, status, lacking(name))
    wrong: list[tuple[str, int, str, Any]] = [
        ("submit", 200, "status", "PENDING"),
        ("submit", 200, "request_id", "job-1"),
        ("submit", 200, "status_url", "status"),
        ("submit", 200, "response_url", 7),
        ("status", 200, "status", "DONE"),
        ("status", 200, "metrics", []),
        ("result", 200, "status", "FINISHED"),
        ("result", 200, "output", None),
        ("result", 200, "images", {}),
        ("result", 200, "images", [{}]),
        ("result", 200, "seed", [7]),
        ("result", 200, "error", "none"),
        ("result", 200, "prompt", 7),
        ("result", 422, "status", "ERROR"),
        ("status", 422, "error", {"message": "blocked"}),
        ("generate", 200, "output", "no URL"),
        ("generate", 200, "seed", None),
        ("credits", 200, "credits", "12.50"),
        ("credits", 200, "free-credits", None),
        ("*", 400, "error", ["prompt"]),
        ("*", 401, "status_code", "401"),
    ]
    for role, status, name, value in wrong:
        yield in_body(f"{role} {status}: {name} is {value!r}", role, status, holding(name, value))
    metrics: list[tuple[str, Any]] = [("cost", "0.02"), ("total_time", -1), ("inference_time", None), ("cost", 0.5)]
    for name, value in metrics:
        yield in_body(f"result: {name} is {value!r}", "result", 200, holding(name, value, "metrics"))
    for role in ("status", "result"):
        yield in_body(f"{role} of a failed job with a cost", role, 422, holding("cost", 0.02, "metrics"))
    yield in_body(
        "totals that do not add up", "result", 200, lambda b: b["metrics"].update(total_time=b["metrics"]["queue_time"])
    )
    yield in_body("no remaining credits", "result", 200, lacking("remaining_credits", "metrics"))
    yield in_body(
        "the status of another job", "status", 200, lambda body: body.update(request_id=body["request_id"][::-1])
    )
    yield in_body(
        "a status_url of another job",
        "submit",
        200,
        lambda body: body.update(status_url=body["status_url"][:-8] + "0/status"),
    )


def statuses() -> Iterator[Defect]:
    moved = [
        ("submit", 200, 201),
        ("submit", 200, 202),
        ("generate", 200, 201),
        ("status", 200, 202),
        ("status", 422, 200),
        ("result", 422, 200),
        ("result", 404, 202),
        ("status", 404, 410),
        ("credits", 200, 204),
        ("*", 400, 422),
        ("*", 401, 403),
        ("*", 403, 401),
        ("*", 404, 400),
        ("*", 405, 404),
        ("*", 406, 415),
        ("*", 406, 402),
        ("*", 429, 503),
    ]
    for role, status, other in moved:
        yield in_answers(f"{role}: {other} for {status}", role, status, becoming(status=other))


def media_types() -> Iterator[Defect]:
    for role, status in (("submit", 200), ("status", 200), ("result", 200), ("result", 422), ("*", 400), ("*", 401)):
        yield in_answers(f"{role} {status} as text/html", role, status, becoming(content_type="text/html"))
    yield in_answers("v1 as application/xml", "generate", 200, becoming(content_type="application/xml"))

    def as_json(outcome: Outcome) -> None:
        outcome.body, outcome.content_type = b'{"error": "method not allowed"}', "application/json"

    yield in_answers("405 as JSON", "*", 405, as_json)
    yield in_answers("405 without the verbs", "*", 405, becoming(headers=None))
    yield in_answers("a body that is no JSON", "status", 200, becoming(body=b"{"))


def headers() -> Iterator[Defect]:
    accounting = ("x-request-id", "x-cost", "x-remaining-credits", "x-generation-time", "x-seed-value")
    limits = ("x-rate-limit-reset-at-utc", "x-rate-limit-remaining")

    def without(name: str) -> Callable[[Outcome], None]:
        def change(outcome: Outcome) -> None:
            outcome.headers = {key: value for key, value in (outcome.headers or {}).items() if key != name}

        return change

    def header(name: str, value: str) -> Callable[[Outcome], None]:
        def change(outcome: Outcome) -> None:
            outcome.headers = {**(outcome.headers or {}), name: value}

        return change

    for name in accounting:
        yield in_answers(f"v1 without {name}", "generate", 200, without(name))
    for name in limits:
        yield in_answers(f"429 without {name}", "*", 429, without(name))
    for name, value in (
        ("x-request-id", ""),
        ("x-cost", "$0.02"),
        ("x-cost", "-0.02"),
        ("x-cost", "0"),
        ("x-remaining-credits", "plenty"),
        ("x-remaining-credits", "0"),
        ("x-generation-time", "8s"),
        ("x-generation-time", "0"),
        ("x-seed-value", "seven"),
        ("x-seed-value", "42"),
    ):
        yield in_answers(f"v1: {name} is {value!r}", "generate", 200, header(name, value))
    for name, value in (
        ("x-rate-limit-remaining", "none"),
        ("x-rate-limit-remaining", "-1"),
        ("x-rate-limit-remaining", "3"),
        ("x-rate-limit-reset-at-utc", ""),
        ("x-rate-limit-reset-at-utc", "2020-01-01T00:00:00Z"),
        ("retry-after", "5"),
    ):
        yield in_answers(f"429: {name} is {value!r}", "*", 429, header(name, value))


GROUPS = (fields, statuses, media_types, headers)
