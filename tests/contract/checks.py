"""Checks of our own for Schemathesis, which loads this file: what a job may do in its life, what a call may cost."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

import schemathesis
from schemathesis import Case, CheckContext, Response

RANKS = {"QUEUED": 0, "PROCESSING": 1, "COMPLETED": 2, "FAILED": 2}


class JobLife:
    """A job has one id, is known only to those who submitted it, and its state never goes back."""

    def __init__(self) -> None:
        self._submitted: dict[str, str] = {}
        """The case that was answered with each request id."""
        self._states: dict[str, str] = {}

    def after_response(
        self,
        ctx: CheckContext,  # noqa: ARG002  the name is Schemathesis's
        response: Response,
        case: Case[Any],
    ) -> None:
        body = json_object(response)
        if body is not None and response.status_code in (200, 422):
            with readable():
                self._check(body, case)

    def _check(self, body: dict[str, Any], case: Case[Any]) -> None:
        role = case.operation.definition.raw["x-role"]
        if role == "submit":
            first = self._submitted.setdefault(body["request_id"], case.id)
            expect(first == case.id, f"the request id {body['request_id']} was given out twice")
            names_the_job(body, body["request_id"])
        elif role in ("status", "result"):
            request_id = str(case.path_parameters["request_id"])
            expect(request_id in self._submitted, f"{request_id} was never given out, and is answered")
            expect(body["request_id"] == request_id, f"asked for {request_id}, answered for {body['request_id']}")
            self._follow(request_id, body["status"])
            names_the_job(body, request_id)
            adds_up(body["metrics"])

    def _follow(self, request_id: str, state: str) -> None:
        before = self._states.get(request_id, "QUEUED")
        back = RANKS[state] < RANKS[before] or (RANKS[before] == 2 and state != before)
        expect(not back, f"{request_id} went from {before} to {state}")
        self._states[request_id] = state


schemathesis.check(JobLife)


@schemathesis.check
def documented_price(_ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """What a call or a job is said to cost is a price that the contract has."""
    document: Any = case.operation.schema.raw_schema
    prices = [schema["x-price-usd"] for schema in document["components"]["schemas"].values() if "x-price-usd" in schema]
    role = case.operation.definition.raw["x-role"]
    if role == "generate" and response.status_code == 200:
        reference = document["paths"][case.operation.path]["post"]["requestBody"]["$ref"].rpartition("/")[2]
        content = document["components"]["requestBodies"][reference]["content"]["application/json"]
        price = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]].get("x-price-usd")
        with readable():
            cost = float(response.headers["x-cost"][0])
        expect(price is None or is_price(cost, price), f"the call cost {cost}, its price is {price}")
    body = json_object(response)
    if role in ("status", "result") and response.status_code == 200 and body is not None:
        with readable():
            cost = body["metrics"].get("cost")
            # Without a price, a job may cost anything, and its result doesn't say which model it is of.
            known = cost is None or any(is_price(cost, price) for price in prices) or has_model_without_price(document)
        expect(known, f"the job cost {cost}, which is the price of no model")


def is_price(cost: float, price: dict[str, float]) -> bool:
    """Whether a cost is the price of a model, or in its range."""
    return cost == price["value"] if "value" in price else price["from"] <= cost <= price["to"]


def has_model_without_price(document: Any) -> bool:
    components = document["components"]
    bodies = (body["content"]["application/json"]["schema"]["$ref"] for body in components["requestBodies"].values())
    return any("x-price-usd" not in components["schemas"][name.rpartition("/")[2]] for name in bodies)


def json_object(response: Response) -> dict[str, Any] | None:
    """The body of an answer in JSON; None for another, and for one that other checks complain about."""
    if not response.headers.get("content-type", [""])[0].startswith("application/json"):
        return None
    try:
        body: Any = response.json()
    except ValueError:
        return None
    return cast(dict[str, Any], body) if isinstance(body, dict) else None


@contextmanager
def readable() -> Generator[None]:
    """What is missing or of another type is the answer's fault."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AssertionError(f"the answer cannot be read: {type(error).__name__}: {error}") from error


def names_the_job(body: dict[str, Any], request_id: str) -> None:
    for name, ending in (("status_url", f"/v2/requests/{request_id}/status"), ("response_url", f"/{request_id}")):
        expect(body.get(name, ending).endswith(ending), f"{name} is {body.get(name)}, which is not of {request_id}")


def adds_up(metrics: dict[str, float]) -> None:
    parts = [metrics.get(name) for name in ("queue_time", "inference_time", "total_time")]
    if None not in parts:
        queue, inference, total = parts
        near = math.isclose(float(queue or 0) + float(inference or 0), float(total or 0), abs_tol=0.01)
        expect(near, f"{queue} s in the queue and {inference} s of computing are not {total} s")


def expect(holds: bool, complaint: str) -> None:
    if not holds:
        raise AssertionError(complaint)
