"""What the contract has against an answer, by a validator that the double does not use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import httpx
from jsonschema import Draft202012Validator, FormatChecker

from generator.contract import Contract, PlacedNode, is_list, load_contract, pointer
from tests.conftest import ROOT

CONTRACT: Contract = load_contract(ROOT / "openapi" / "segmind.yaml")
OPERATIONS: dict[str, tuple[str, str, Any]] = {
    operation["operationId"]: (method, path, operation) for path, method, operation in CONTRACT.operations()
}
SUBMIT_PATHS = {
    path.removeprefix("/v2/"): path for _, path, operation in OPERATIONS.values() if operation["x-role"] == "submit"
}
"""The paths of the models under v2, by their slugs."""
DOCUMENTED = [(name, int(status)) for name, (_, _, it) in OPERATIONS.items() for status in it["responses"]]
REQUEST_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


@attrs.frozen
class Model:
    """What the contract says of a model."""

    price: float
    latency: float
    parameters: dict[str, Any]
    """Their schemas, by their names."""


def model_of(path: str) -> Model:
    body, _ = CONTRACT.resolve(CONTRACT.document["paths"][path]["post"]["requestBody"], "")
    schema, _ = CONTRACT.resolve(body["content"]["application/json"]["schema"], "")
    parameters = {name: dict(CONTRACT.resolve(written, "")[0]) for name, written in schema["properties"].items()}
    return Model(schema["x-price-usd"]["value"], schema["x-typical-latency-seconds"]["value"], parameters)


MODELS = {slug: model_of(path) for slug, path in SUBMIT_PATHS.items()}


def nodes(node: Any, place: str = "#") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every object of the contract, with its place."""
    if isinstance(node, PlacedNode):
        yield place, node
        for key, value in node.items():
            yield from nodes(value, place + pointer(key)[1:])
    elif is_list(node):
        for index, item in enumerate(node):
            yield from nodes(item, f"{place}/{index}")


def path_of(operation_id: str) -> str:
    return OPERATIONS[operation_id][1].format(request_id=REQUEST_ID)


def problems_in(operation_id: str, response: httpx.Response) -> list[str]:
    """What is wrong with the status, the type, the body and the headers of an answer."""
    documented = OPERATIONS[operation_id][2]["responses"].get(str(response.status_code))
    if documented is None:
        return [f"status {response.status_code}"]
    documented, _ = CONTRACT.resolve(documented, "")
    media_type = response.headers["content-type"].partition(";")[0]
    content = documented["content"]
    media = content.get(media_type) or content.get(f"{media_type.partition('/')[0]}/*")
    if media is None:
        return [f"content type {media_type}"]
    problems: list[str] = []
    if media_type == "application/json":
        problems.extend(problems_by(media["schema"], response.json()))
    for name, written in documented.get("headers", {}).items():
        header, _ = CONTRACT.resolve(written, "")
        if name in response.headers:
            kinds: dict[str, Any] = {"number": float, "integer": int, "string": str}
            problems.extend(problems_by(header["schema"], kinds[header["schema"]["type"]](response.headers[name])))
        elif header["required"]:
            problems.append(f"header {name} is missing")
    return problems


def problems_by(schema: Any, value: Any) -> list[str]:
    complete = {**schema, "components": CONTRACT.document["components"]}
    validator: Any = Draft202012Validator(complete, format_checker=FormatChecker())
    return [error.message for error in validator.iter_errors(value)]
