"""A strict double refuses the parameters that the contract lacks."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from segmind_mock import DEFAULT_KEY, Double, MovableClock, Settings
from segmind_mock.contract import Contract
from tests.support.models import add_model

SCHEMA: dict[str, Any] = {
    "required": ["prompt"],
    "properties": {
        "prompt": {"type": "string"},
        "shots": {"type": "array", "items": {"$ref": "#/components/schemas/Shot"}},
        "properties": {"type": "string"},
        "extra": {"type": "object"},
    },
}
SHOT = {"type": "object", "properties": {"text": {"type": "string"}}}
UNKNOWN: list[tuple[dict[str, Any], str]] = [
    ({"promt": "x"}, "the body: Additional properties are not allowed ('promt' was unexpected)"),
    ({"shots": [{}, {"txt": "x"}]}, "shots.1: Additional properties are not allowed ('txt' was unexpected)"),
]
KNOWN: list[dict[str, Any]] = [
    {},
    {"shots": []},
    {"shots": [{"text": "x"}]},
    {"properties": "x"},
    {"extra": {"any": "x"}},
]


@pytest.fixture(scope="module")
def strict_contract(contract: Any) -> Contract:
    document = json.loads(json.dumps(contract.document))
    document["components"]["schemas"]["Shot"] = SHOT
    add_model(document, "any", "Any", SCHEMA, {"prompt": "x"})
    return Contract(document)


def post(contract: Contract, parameters: dict[str, Any], route: str = "v2", *, strict: bool) -> httpx.Response:
    double = Double(Settings(strict=strict), contract=contract, clock=MovableClock())
    headers = {"x-api-key": DEFAULT_KEY}
    with httpx.Client(transport=double.transport(), base_url="http://double", headers=headers) as client:
        response = client.post(f"/{route}/any", json={"prompt": "x", **parameters})
    assert len(double.billed_requests()) == (response.status_code == 200)
    return response


@pytest.mark.parametrize("route", ["v1", "v2"])
@pytest.mark.parametrize(("parameters", "message"), UNKNOWN, ids=str)
def test_an_unknown_parameter_is_refused_with_400_and_costs_nothing(
    strict_contract: Contract, route: str, parameters: dict[str, Any], message: str
) -> None:
    response = post(strict_contract, parameters, route, strict=True)
    assert (response.status_code, response.json()) == (400, {"error": message})


@pytest.mark.parametrize("parameters", KNOWN, ids=str)
def test_known_parameters_are_accepted(strict_contract: Contract, parameters: dict[str, Any]) -> None:
    assert post(strict_contract, parameters, strict=True).status_code == 200


@pytest.mark.parametrize("parameters", [unknown for unknown, _ in UNKNOWN], ids=str)
def test_a_double_that_is_not_strict_accepts_unknown_parameters(
    strict_contract: Contract, parameters: dict[str, Any]
) -> None:
    assert post(strict_contract, parameters, strict=False).status_code == 200


def test_what_is_invalid_is_refused_by_a_strict_double_too(strict_contract: Contract) -> None:
    response = post(strict_contract, {"prompt": 1}, strict=True)
    assert (response.status_code, response.json()["error"]) == (400, 'prompt: 1 is not of type "string"')
