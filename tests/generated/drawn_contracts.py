"""Draws contracts from the grammar of parameters, and values that they allow, nearly allow, or do not."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import strategies as st

from generator.contract import is_list

Facts = dict[str, Any]

AWKWARD = [
    "class",
    "self",
    "model",
    "2d",
    "model-name",
    "_x",
    "",
    "str",
    "to_dict",
    "PARAMETERS",
    "Literal",
    "$ref",
    "é",
]
NAMES = st.one_of(st.sampled_from(AWKWARD), st.from_regex(r"[a-z]{3,8}", fullmatch=True), st.text(max_size=4))
TEXTS = st.text("abAB19 \n\réé🦊/:.=-", max_size=6)
PATTERNS = ["^[a-z]{2,4}$", "[0-9]", r"^\d+$", "^a.*b$", r"\w-\w", r"[^a-z\s]", "^$", "b$"]
FORMATS = {
    "uri": ["https://h/x?y#z", "a:b", "/x", "h h:", "http://[::1]/"],
    "uuid": ["7c9e6679-7425-40de-944b-e07fc1f90ae7", "7C9E6679-7425-40DE-944B-E07FC1F90AE7", "7c9e6679"],
    "date-time": ["2026-01-31T12:00:00Z", "2026-02-30T12:00:00Z", "2016-12-31T23:59:60Z", "2026-01-31"],
    "byte": ["", "AAA=", "AAA", "é"],
}
NUMBERS = st.one_of(st.integers(-9, 9), st.sampled_from([0.5, -0.5, 2.25, 0.1, 1e3]))
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), NUMBERS, TEXTS, st.floats(-1e6, 1e6))
WILD = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))
COMPONENTS: Facts = {
    "Shade": {"type": "string", "enum": ["dark", "it's", 'a "b"', "x|y"]},
    "Label": {"type": "string", "minLength": 1, "maxLength": 4},
    "Count": {"type": "integer", "minimum": -2, "maximum": 9},
}


def without_none(**keywords: Any) -> Facts:
    return {name: value for name, value in keywords.items() if value is not None}


@st.composite
def strings(draw: st.DrawFn) -> Facts:
    low = draw(st.none() | st.integers(0, 3))
    high = draw(st.none() | st.integers(low or 0, 5))
    schema = without_none(type="string", minLength=low, maxLength=high)
    kind = draw(st.sampled_from(["plain", "pattern", "format"]))
    if kind == "pattern":
        schema["pattern"] = draw(st.sampled_from(PATTERNS))
    if kind == "format":
        schema = {"type": "string", "format": draw(st.sampled_from(sorted(FORMATS)))}
    return schema


@st.composite
def numbers(draw: st.DrawFn) -> Facts:
    kind = draw(st.sampled_from(["integer", "number"]))
    low, size = draw(NUMBERS), draw(st.sampled_from([1, 2.5, 40]))
    schema: Facts = {"type": kind}
    lower, upper = (
        draw(st.sampled_from(["minimum", "exclusiveMinimum", ""])),
        draw(st.sampled_from(["maximum", "exclusiveMaximum", ""])),
    )
    schema |= {lower: low} if lower else {}
    schema |= {upper: low + size} if upper else {}
    if draw(st.booleans()):
        schema["multipleOf"] = draw(st.sampled_from([1, 2, 3, 0.5, 0.1] if kind == "number" else [1, 2, 8]))
    return schema


@st.composite
def enums(draw: st.DrawFn) -> Facts:
    listed = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
    if draw(st.booleans()):
        return {"const": draw(listed)}
    return {"enum": draw(st.lists(listed, min_size=1, max_size=4, unique_by=json.dumps))}


def nullable(schema: Facts) -> Facts:
    return {**schema, "type": [schema["type"], "null"]} if isinstance(schema.get("type"), str) else schema


def references(objects: list[str]) -> st.SearchStrategy[Facts]:
    found: list[Facts] = [{"$ref": f"#/components/schemas/{name}"} for name in (*COMPONENTS, *objects)]
    beside: list[Facts] = [
        {**found[0], "enum": ["dark", "it's", "other"]},
        {**found[1], "minLength": 3, "description": "Narrower."},
        {**found[2], "maximum": 3, "minimum": -9, "deprecated": True},
    ]
    return st.sampled_from([*found, *beside])


@st.composite
def arrays(draw: st.DrawFn, items: st.SearchStrategy[Facts]) -> Facts:
    low, more = draw(st.none() | st.integers(0, 2)), draw(st.none() | st.integers(1, 3))
    high = more and (low or 0) + more
    unique = draw(st.none() | st.booleans())
    schema = without_none(type="array", items=draw(items), minItems=low, maxItems=high, uniqueItems=unique)
    return nullable(schema) if draw(st.booleans()) else schema


def parameters(objects: list[str]) -> st.SearchStrategy[Facts]:
    plain = st.one_of(strings(), numbers(), enums(), st.just({"type": "boolean"}), references(objects))
    return st.recursive(st.one_of(plain, plain.map(nullable)), arrays, max_leaves=3)


@st.composite
def objects(draw: st.DrawFn, inside: list[str]) -> Facts:
    names = draw(st.lists(NAMES, max_size=5, unique=True))
    required = [name for name in names if draw(st.booleans())]
    schema: Facts = {"type": "object", "properties": {name: draw(parameters(inside)) for name in names}}
    return {**schema, "required": required} if required else schema


AMOUNTS = st.sampled_from([None, {"value": 0.5, "source": "page"}, {"from": 0.1, "to": 0.4, "source": "inferred"}])
SLUGS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,9}", fullmatch=True)


@st.composite
def contracts(draw: st.DrawFn, shipped: Facts) -> Facts:
    """A contract with drawn models in place of the shipped ones."""
    document: Facts = json.loads(json.dumps(shipped))
    paths, components = document["paths"], document["components"]
    generate, submit = paths["/v1/imagen"]["post"], paths["/v2/imagen"]["post"]
    document["paths"] = {path: item for path, item in paths.items() if "get" in item}
    schemas: Facts = components["schemas"]
    schemas |= COMPONENTS | {"Inner": draw(objects([]))}
    schemas |= {"Outer": draw(objects(["Inner"]))}
    components["requestBodies"] = {}
    for index, slug in enumerate(draw(st.lists(SLUGS, min_size=1, max_size=3, unique=True))):
        name = f"Drawn{index}"
        facts = without_none(
            **{
                "x-price-usd": draw(AMOUNTS),
                "x-typical-latency-seconds": draw(AMOUNTS),
                "x-output": draw(st.sampled_from([None, "video", "json"])),
            }
        )
        schemas[f"{name}Request"] = {"description": "Drawn.", **draw(objects(["Inner", "Outer"])), **facts}
        reference = {"$ref": f"#/components/schemas/{name}Request"}
        components["requestBodies"][name] = {"content": {"application/json": {"schema": reference}}}
        for version, operation in (("v1", generate), ("v2", submit)):
            operation_id = f"{operation['x-role']}{name}"
            body = {"$ref": f"#/components/requestBodies/{name}"}
            document["paths"][f"/{version}/{slug}"] = {
                "post": {**operation, "operationId": operation_id, "requestBody": body}
            }
    return document


@st.composite
def values(draw: st.DrawFn, schema: Facts, schemas: Facts) -> Any:
    """A value that a schema allows, or nearly, or not."""
    if draw(st.integers(0, 11)) == 0:
        return draw(WILD)
    while "$ref" in schema:
        schema = {**schemas[schema["$ref"].rpartition("/")[2]], **{it: schema[it] for it in schema if it != "$ref"}}
    if "enum" in schema or "const" in schema:
        return draw(st.sampled_from(schema.get("enum", [schema.get("const")])))
    kind: Any = schema.get("type")
    if is_list(kind):
        if draw(st.integers(0, 3)) == 0:
            return None
        (kind,) = (it for it in kind if it != "null")
    if kind == "object":
        required = schema.get("required", ())
        known = {
            name: draw(values(inner, schemas))
            for name, inner in schema["properties"].items()
            if draw(st.integers(0, 15)) > (0 if name in required else 7)
        }
        return known | draw(st.dictionaries(st.from_regex(r"new[a-z]{3}", fullmatch=True), SCALARS, max_size=1))
    if kind == "array":
        low = schema.get("minItems", 0)
        size = draw(st.integers(max(0, low - 1), schema.get("maxItems", low + 2) + 1))
        return [draw(values(schema["items"], schemas)) for _ in range(size)]
    if kind == "boolean":
        return draw(st.booleans())
    return draw(text_near(schema) if kind == "string" else number_near(schema))


def text_near(schema: Facts) -> st.SearchStrategy[str]:
    if "format" in schema:
        return st.sampled_from(FORMATS[schema["format"]])
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], alphabet=st.characters(codec="ascii")) | TEXTS
    low, high = schema.get("minLength", 0), schema.get("maxLength", 6)
    return st.text("aé🦊", min_size=max(0, low - 1), max_size=high + 1)


def number_near(schema: Facts) -> st.SearchStrategy[float]:
    bounds = [schema[word] for word in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum") if word in schema]
    step = schema.get("multipleOf", 1)
    edges = [edge + move for edge in bounds or [0] for move in (-1, -step, 0, step, 1)]
    inside = range(math.ceil(min(bounds or [-3])), math.floor(max(bounds or [3])) + 1)
    whole = [edge for edge in edges if isinstance(edge, int)] or [0]
    steps = [number * step for number in range(-3, 4)]
    return st.sampled_from([*edges, *whole, *inside, *steps, 10**25])
