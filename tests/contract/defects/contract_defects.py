"""Defects of the contract that a double reads: bounds, enums, prices, required fields."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.contract.defects.kinds import DOCUMENT, Defect, at, holding, in_contract, lacking

MODELS = ("Imagen", "Imagen4", "Imagen4Fast", "Imagen4Ultra")
ADDED = {
    "AspectRatio": "21:9",
    "PersonGeneration": "ALLOW_ALL",
    "SafetyFilterLevel": "BLOCK_NONE",
    "Scheduler": "KLMS",
}
BOUNDED = ("width", "height", "steps", "guidance_scale", "seed")


def bounds() -> Iterator[Defect]:
    """Each bound of each bounded parameter is one too wide or one too narrow."""
    document = json.loads(DOCUMENT)
    for model in ("Imagen4Fast", "Imagen4Ultra"):
        for parameter in BOUNDED:
            for bound in ("minimum", "maximum"):
                place = ("components", "schemas", f"{model}Request", "properties", parameter)
                for step in (-1, 1):
                    moved = at(document, place)[bound] + step
                    yield in_contract(
                        f"{model}: {bound} of {parameter} moved by {step:+}", holding(bound, moved, *place)
                    )


def enums() -> Iterator[Defect]:
    """Each value of each enum is refused, and one more is accepted."""
    document = json.loads(DOCUMENT)
    for name, added in ADDED.items():
        place = ("components", "schemas", name)
        values = at(document, place)["enum"]
        for value in values:
            others = [other for other in values if other != value]
            yield in_contract(f"{name}: {value} refused", holding("enum", others, *place))
        yield in_contract(f"{name}: {added} accepted", holding("enum", [*values, added], *place))


def request_schemas() -> Iterator[Defect]:
    schemas = ("components", "schemas")
    place: tuple[str, ...]
    for model in MODELS:
        place = (*schemas, f"{model}Request")
        yield in_contract(f"{model}: prompt not required", holding("required", [], *place))
        yield in_contract(f"{model}: unknown parameters refused", holding("additionalProperties", False, *place))
    yield in_contract("an empty prompt accepted", lacking("minLength", *schemas, "Prompt"))
    yield in_contract("a prompt of 1,000 characters at most", holding("maxLength", 1000, *schemas, "Prompt"))
    yield in_contract("a prompt of any type", lacking("type", *schemas, "Prompt"))
    yield in_contract("a negative prompt of any type", lacking("type", *schemas, "NegativePrompt"))
    for parameter in BOUNDED:
        place = (*schemas, "Imagen4FastRequest", "properties", parameter)
        yield in_contract(f"{parameter} of any type", lacking("type", *place))


def figures() -> Iterator[Defect]:
    """Prices, times and defaults that are not those of the contract."""
    document = json.loads(DOCUMENT)
    place: tuple[str, ...]
    for model in MODELS:
        for extension, factor in (("x-price-usd", 2), ("x-typical-latency-seconds", 1.1)):
            place = ("components", "schemas", f"{model}Request", extension)
            value = at(document, place)["value"] * factor
            yield in_contract(f"{model}: {extension} times {factor:g}", holding("value", value, *place))
    for model, parameter, default in (
        ("Imagen", "aspect_ratio", "1:1"),
        ("Imagen4", "aspect_ratio", "16:9"),
        ("Imagen4Fast", "width", 768),
        ("Imagen4Ultra", "height", 513),
    ):
        place = ("components", "schemas", f"{model}Request", "properties", parameter)
        yield in_contract(f"{model}: {parameter} is {default} where none is sent", holding("default", default, *place))
    for seconds in (3500, 3601, 86400):

        def retain(document: Any, s: int = seconds) -> None:
            for item in document["paths"].values():
                if "x-retention-seconds" in item.get("get", {}):
                    item["get"]["x-retention-seconds"]["value"] = s

        yield in_contract(f"jobs are known for {seconds} s", retain)
    yield in_contract(
        "images are gone after an hour",
        holding("value", 3600, "components", "schemas", "ImageUrl", "x-retention-seconds"),
    )
    yield in_contract(
        "the key in another header", holding("name", "api-key", "components", "securitySchemes", "ApiKey")
    )


GROUPS = (bounds, enums, request_schemas, figures)
