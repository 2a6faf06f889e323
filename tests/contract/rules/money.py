"""What is charged, when, and to whom; balances and rate limits."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, Literal

from segmind_mock import DEFAULT_KEY, Settings
from tests.contract.rules.rule import (
    AT_ONCE,
    LATENCIES,
    POSTS,
    PRICES,
    PROMPT,
    REFUSED,
    V1,
    V2,
    OpenStage,
    finished,
    result,
    rule,
    status,
    submit,
)
from tests.support.contract import DOCUMENTED, OPERATIONS, path_of, problems_in
from tests.support.stage import OTHER_KEY, Stage

WINDOW = 60
CREDITS = "/v1/get-user-credits"


def balance(stage: Stage, key: str = DEFAULT_KEY) -> float:
    return float(stage.call("GET", CREDITS, key=key).json()["credits"])


def near(one: float, other: float) -> bool:
    return math.isclose(one, other, abs_tol=1e-6)


@rule
def a_job_is_charged_once_when_it_completes(open_stage: OpenStage) -> None:
    for slug, price in PRICES.items():
        stage = open_stage()
        before = balance(stage)
        job = submit(stage, f"/v2/{slug}")
        assert balance(stage) == before, f"{slug} was charged before it completed"
        finished(stage, job)
        for _ in range(3):
            status(stage, job)
            result(stage, job)
        assert near(before - balance(stage), price), f"{slug} was charged {before - balance(stage)}"


@rule
def a_failed_job_is_not_charged(open_stage: OpenStage) -> None:
    stage = open_stage()
    before = balance(stage)
    submitted = stage.call("POST", V2, json=PROMPT, headers={"prefer": "fail=blocked"}).json()
    stage.clock.advance(60)
    assert status(stage, submitted["request_id"]).status_code == 422
    assert balance(stage) == before


@rule
def a_v1_call_is_charged_when_it_is_answered(open_stage: OpenStage) -> None:
    for slug, price in PRICES.items():
        stage = open_stage()
        before = balance(stage)
        response = stage.call("POST", f"/v1/{slug}", json=PROMPT)
        assert response.status_code == 200
        after = balance(stage)
        assert near(before - after, price), f"{slug} was charged {before - after}"
        assert near(float(response.headers["x-cost"]), price)
        assert near(float(response.headers["x-remaining-credits"]), after)


@rule
def no_error_of_any_documented_status_is_charged(open_stage: OpenStage) -> None:
    for operation_id, code in DOCUMENTED:
        if code == 200:
            continue
        stage = open_stage(AT_ONCE)
        before = balance(stage)
        body: dict[str, Any] = {"json": PROMPT} if OPERATIONS[operation_id][0] == "POST" else {}
        answer = stage.call(
            OPERATIONS[operation_id][0], path_of(operation_id), headers={"prefer": f"code={code}"}, **body
        )
        assert answer.status_code == code
        stage.clock.advance(60)
        assert balance(stage) == before, f"{operation_id} was charged for a {code}"


@rule
def no_refused_call_is_charged(open_stage: OpenStage) -> None:
    stage = open_stage(AT_ONCE)
    before = balance(stage)
    for path in (V1, V2):
        for refused in REFUSED:
            assert stage.call("POST", path, **refused).status_code in (400, 406)
        assert stage.call("GET", path).status_code == 405
        assert stage.call("POST", path, key="SG_0000000000000000", json=PROMPT).status_code == 401
    stage.clock.advance(60)
    assert balance(stage) == before


@rule
def the_balance_after_each_job_adds_up(open_stage: OpenStage) -> None:
    stage = open_stage()
    left = balance(stage)
    for slug, price in PRICES.items():
        metrics = finished(stage, submit(stage, f"/v2/{slug}"))["metrics"]
        left -= price
        assert near(metrics["cost"], price), f"{slug} is said to cost {metrics['cost']}"
        assert near(metrics["remaining_credits"], left), f"{metrics['remaining_credits']} are said to be left of {left}"
        assert near(metrics["queue_time"] + metrics["inference_time"], metrics["total_time"])
        assert near(metrics["total_time"], LATENCIES[slug])


@rule
def a_call_that_costs_more_than_is_left_is_406(open_stage: OpenStage) -> None:
    for operation_id, path in POSTS.items():
        price = PRICES[path.rpartition("/")[2]]
        # Jobs under v2 have not completed when the next is submitted: their credits are reserved.
        stage = open_stage()
        stage.double.open_account(credits=2.5 * price)
        responses = [stage.call("POST", path, json=PROMPT) for _ in range(3)]
        assert [response.status_code for response in responses] == [200, 200, 406], path
        assert problems_in(operation_id, responses[2]) == []
        stage.clock.advance(60)
        assert near(balance(stage), 0.5 * price)
        stage.double.open_account(credits=price)
        assert stage.call("POST", path, json=PROMPT).status_code == 200, "the exact price was not enough"


@rule
def an_account_without_a_balance_has_no_credits_to_show_or_to_pay_with(open_stage: OpenStage) -> None:
    stage = open_stage()
    stage.double.open_account(OTHER_KEY, has_balance=False)
    response = stage.call("GET", CREDITS, key=OTHER_KEY)
    assert response.status_code == 404
    assert problems_in("getUserCredits", response) == []
    assert stage.call("POST", V2, key=OTHER_KEY, json=PROMPT).status_code == 406


@rule
def a_model_that_is_closed_to_an_account_is_403(open_stage: OpenStage) -> None:
    stage = open_stage()
    stage.double.open_account(forbidden_models=["imagen-4-fast"])
    before = balance(stage)
    for path, operation_id in ((V1, "generateImagen4Fast"), (V2, "submitImagen4Fast")):
        response = stage.call("POST", path, json=PROMPT)
        assert response.status_code == 403
        assert problems_in(operation_id, response) == []
    stage.clock.advance(60)
    assert balance(stage) == before
    assert stage.call("POST", "/v2/imagen", json=PROMPT).status_code == 200


@rule
def a_rate_limit_is_a_window_of_one_key(open_stage: OpenStage) -> None:
    stage = open_stage()
    stage.double.open_account(requests_per_minute=3)
    assert [stage.call("GET", CREDITS).status_code for _ in range(4)] == [200, 200, 200, 429]
    limited = stage.call("POST", V2, json=PROMPT)
    assert limited.status_code == 429
    assert problems_in("submitImagen4Fast", limited) == []
    assert limited.headers["x-rate-limit-remaining"] == "0"
    assert "retry-after" not in limited.headers
    reset = datetime.fromisoformat(limited.headers["x-rate-limit-reset-at-utc"]).timestamp()
    assert WINDOW - 1 <= reset - stage.clock.now() <= WINDOW + 1, "a window is a minute"
    assert stage.call("GET", CREDITS, key=OTHER_KEY).status_code == 200, "the limit of one key held for another"
    stage.clock.advance(reset - stage.clock.now() - 1.5)
    assert stage.call("GET", CREDITS).status_code == 429, "the window ended early"
    stage.clock.advance(1.5)
    assert stage.call("GET", CREDITS).status_code == 200, "the window did not end when it should"


@rule
def every_response_to_a_v1_call_has_its_accounting_headers(open_stage: OpenStage) -> None:
    for form, media_type in FORMS:
        stage = open_stage(Settings(latency_factor=1.0, generate_as=form))
        for slug, seconds in LATENCIES.items():
            response = stage.call("POST", f"/v1/{slug}", json=PROMPT)
            operation_id = next(name for name in OPERATIONS if path_of(name) == f"/v1/{slug}")
            assert response.headers["content-type"].partition(";")[0] == media_type
            assert problems_in(operation_id, response) == []
            assert near(float(response.headers["x-generation-time"]), seconds)


FORMS: list[tuple[Literal["json", "text", "image"], str]] = [
    ("json", "application/json"),
    ("text", "text/plain"),
    ("image", "image/png"),
]
"""What v1 may answer with."""
