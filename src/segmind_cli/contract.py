"""The models of the contract and their parameters, as the command line offers them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

EDITIONS_PACKAGE = "segmind_openapi"
SUBMIT = "/v2/"


class Amount(NamedTuple):
    """A price in US dollars or a latency in seconds, which may be a range."""

    low: float
    high: float
    source: str

    def __str__(self) -> str:
        return f"{self.low:g}" if self.low == self.high else f"{self.low:g} to {self.high:g}"


class Parameter(NamedTuple):
    """A parameter of a model, its schema without references."""

    name: str
    schema: dict[str, Any]
    required: bool

    @property
    def kind(self) -> str:
        """Its JSON type besides null; empty if the schema has none."""
        written = self.schema.get("type", "")
        kinds = [written] if isinstance(written, str) else [kind for kind in written if kind != "null"]
        return str(kinds[0]) if len(kinds) == 1 else ""

    @property
    def values(self) -> list[Any]:
        """Those that are allowed, if the contract lists them."""
        listed = self.schema.get("enum", [self.schema["const"]] if "const" in self.schema else [])
        return [value for value in listed if value is not None]


class Model(NamedTuple):
    """A model of the contract."""

    slug: str
    description: str
    output: str
    """image, video, audio, text or json."""
    parameters: list[Parameter]
    price: Amount | None
    latency: Amount | None


@cache
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((files(EDITIONS_PACKAGE) / "segmind.json").read_bytes())
    return loaded


def slugs() -> list[str]:
    return [path.removeprefix(SUBMIT) for path, item in document()["paths"].items() if is_submit(path, item)]


def model(slug: str) -> Model:
    """Raises KeyError for a slug that the contract does not know."""
    path = SUBMIT + slug
    item = document()["paths"][path]
    if not is_submit(path, item):
        raise KeyError(slug)
    body = resolved(item["post"]["requestBody"])
    schema = resolved(body["content"]["application/json"]["schema"])
    return Model(
        slug,
        schema.get("description", ""),
        schema.get("x-output", "image"),
        list(parameters(schema)),
        amount(schema.get("x-price-usd")),
        amount(schema.get("x-typical-latency-seconds")),
    )


def parameters(schema: dict[str, Any]) -> Iterator[Parameter]:
    required = schema.get("required", ())
    for name, written in schema.get("properties", {}).items():
        yield Parameter(name, resolved(written), name in required)


def is_submit(path: str, item: dict[str, Any]) -> bool:
    return path.startswith(SUBMIT) and item.get("post", {}).get("x-role") == "submit"


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """An object of the contract with what its `$ref` points to, and the keywords beside the `$ref` over that."""
    while "$ref" in node:
        target: Any = document()
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        node = {**target, **{word: value for word, value in node.items() if word != "$ref"}}
    return node


def amount(fact: dict[str, Any] | None) -> Amount | None:
    if fact is None:
        return None
    low, high = (fact["from"], fact["to"]) if "from" in fact else (fact["value"], fact["value"])
    return Amount(low, high, fact["source"])
