"""The grammar of parameters: what a schema lets through, what the generated Python calls it, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from generator.contract import Contract, GenerationError
from generator.grammar import Grammar
from segmind_api import checks, files
from segmind_api.checks import Check, Refused
from segmind_api.types import RequestBody

PLACE = "#/components/schemas/Made/properties/it"
COMPONENTS: dict[str, Any] = {
    "Ratio": {"type": "string", "enum": ["1:1", "4:3"]},
    "Text": {"type": "string", "minLength": 2},
    "Alias": {"$ref": "#/components/schemas/Ratio", "description": "The same."},
    "Shot": {"type": "object", "properties": {"seconds": {"type": "integer", "minimum": 1}}},
    "Inside": {"type": "object", "properties": {"again": {"$ref": "#/components/schemas/Inside"}}},
}


def reference(name: str, **siblings: Any) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}", **siblings}


def grammar() -> Grammar:
    document = {"components": {"schemas": json.loads(json.dumps(COMPONENTS))}}
    names = {f"#/components/schemas/{name}": name for name in ("Ratio", "Shot", "Inside")}
    return Grammar(Contract(document), names)


def check_of(schema: dict[str, Any]) -> Check:
    made: Check = eval(grammar().value(schema, PLACE).check, {"checks": checks, "files": files, "Shot": RequestBody})  # noqa: S307  ours
    return made


def accepts(check: Check, value: Any) -> bool:
    try:
        check.read(value)
    except Refused:
        return False
    return True


UUID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
ALLOWED: list[tuple[dict[str, Any], str, str, list[Any], list[Any]]] = [
    ({"type": "string"}, "str", "a string", ["", "é"], [None, 1, b"x", "\ud800", ["x"]]),
    ({"type": "string", "minLength": 0}, "str", "a string", [""], [None]),
    ({"type": "string", "minLength": 1}, "str", "a string that is not empty", ["x"], [""]),
    (
        {"type": "string", "minLength": 2, "maxLength": 3},
        "str",
        "a string from 2 to 3 characters",
        ["🦊🦊"],
        ["x", "xxxx"],
    ),
    ({"type": "string", "maxLength": 3}, "str", "a string up to 3 characters", ["", "xxx"], ["xxxx"]),
    ({"type": "string", "minLength": 4}, "str", "a string of 4 or more characters", ["xxxx"], ["xxx"]),
    ({"type": "string", "pattern": "^a.$"}, "str", "a string that matches ^a.$", ["ab"], ["ab\n", "a\r", "ba", "xab"]),
    ({"type": "string", "pattern": r"^\d$"}, "str", r"a string that matches ^\d$", ["1"], ["٣", "x"]),
    ({"type": "string", "pattern": r"^\s[\s]$"}, "str", r"a string that matches ^\s[\s]$", ["\u00a0\ufeff"], ["x "]),
    ({"type": "string", "pattern": "[$.]"}, "str", "a string that matches [$.]", ["a$", "."], ["a"]),
    ({"type": "string", "format": "uri"}, "str", "a string that is a URI", ["https://h/x?y#z", "a:"], ["/x", "h h:"]),
    ({"type": "string", "format": "uuid"}, "str", "a string that is a UUID", [UUID, UUID.upper()], [UUID[1:]]),
    ({"type": "string", "format": "byte"}, "str", "a string that is base64", ["", "AAA="], ["AAA", "é"]),
    (
        {"type": "string", "format": "date-time"},
        "str",
        "a string that is a date and time such as 2026-01-31T12:00:00Z",
        ["2026-01-31T12:00:00Z", "2026-01-31t12:00:00.5+01:00", "2016-12-31T23:59:60Z", "0000-02-29T00:00:00Z"],
        ["2026-02-30T12:00:00Z", "2026-01-31", "2026-01-31T12:00:60Z", "2026-01-31T12:00:00+24:00"],
    ),
    ({"type": "integer"}, "int", "an integer", [0, -(10**20)], [True, 5.0, "5", None]),
    ({"type": "integer", "minimum": 0}, "int", "an integer of 0 or more", [0], [-1]),
    ({"type": "integer", "minimum": 0, "maximum": 0}, "int", "an integer from 0 to 0", [0], [-1, 1]),
    ({"type": "number", "exclusiveMinimum": 0}, "float", "a number above 0", [0.1, 1], [0, -1, True, float("nan")]),
    ({"type": "number", "exclusiveMinimum": 0, "maximum": 1}, "float", "a number above 0 and up to 1", [1], [0, 1.1]),
    ({"type": "number", "minimum": 0, "exclusiveMaximum": 1}, "float", "a number of 0 or more and below 1", [0], [1]),
    ({"type": "number", "minimum": 0, "exclusiveMinimum": 0}, "float", "a number above 0", [0.1], [0]),
    ({"type": "number", "minimum": 1, "exclusiveMinimum": 0}, "float", "a number of 1 or more", [1], [0.5]),
    ({"type": "number", "maximum": 0}, "float", "a number up to 0", [0], [0.1]),
    ({"type": "number", "multipleOf": 0.1}, "float", "a number that is a multiple of 0.1", [0.3, 1, -0.7], [0.35]),
    (
        {"type": "integer", "minimum": 256, "maximum": 1024, "multipleOf": 8},
        "int",
        "an integer from 256 to 1024 that is a multiple of 8",
        [256, 1024],
        [257, 1032],
    ),
    ({"type": "boolean"}, "bool", "a boolean", [True, False], [0, 1, "true", None]),
    ({"enum": [1, 2]}, "Literal[1, 2]", "one of 1, 2", [1], [3, True, 1.0, "1"]),
    ({"type": "number", "enum": [0.5, 1]}, "Literal[1] | float", "one of 0.5, 1", [0.5, 1], [1.5, 1.0]),
    ({"type": "number", "enum": [1.0]}, "float", "1.0", [1, 1.0], [True, 2]),
    ({"enum": ["a", 1, None, True]}, "Literal['a', 1, None, True]", "one of 'a', 1, None, True", [None, True], [False]),
    ({"type": "string", "enum": ["a", 1]}, "Literal['a']", "'a'", ["a"], [1]),
    ({"type": "string", "enum": ["a", "bb"], "maxLength": 1}, "Literal['a']", "'a'", ["a"], ["bb"]),
    ({"const": "pro"}, "Literal['pro']", "'pro'", ["pro"], ["std"]),
    ({"type": "null"}, "None", "None", [None], [0]),
    ({"type": ["string", "null"]}, "str | None", "a string or None", ["x", None], [1]),
    ({"type": ["string", "null"], "enum": ["a", None]}, "Literal['a', None]", "one of 'a', None", ["a", None], ["b"]),
    (
        {"type": "array", "items": {"type": "string"}},
        "Sequence[str]",
        "a list, each a string",
        [[], ["x"], ("x",)],
        ["x", b"x", [1], {"x": 1}, None],
    ),
    (
        {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2, "uniqueItems": True},
        "Sequence[int]",
        "a list of 1 to 2 items that differ, each an integer",
        [[1], [1, 2]],
        [[], [1, 1], [1, 2, 3], [True]],
    ),
    (
        {"type": "array", "items": {"enum": [1, True, 1.5]}, "uniqueItems": True},
        "Sequence[Literal[1, True] | float]",
        "a list of items that differ, each one of 1, True, 1.5",
        [[1, True]],
        [[1, 1]],
    ),
    (
        {"type": "array", "items": {"type": ["array", "null"], "items": {"type": "boolean"}}, "maxItems": 2},
        "Sequence[Sequence[bool] | None]",
        "a list of up to 2, each None or a list, each a boolean",
        [[[True], None]],
        [[[1]], [0]],
    ),
    (reference("Ratio"), "Ratio", "one of '1:1', '4:3'", ["1:1"], ["2:1"]),
    (reference("Alias"), "Ratio", "one of '1:1', '4:3'", ["1:1"], ["2:1"]),
    (reference("Ratio", enum=["4:3", "9:9"]), "Literal['4:3']", "'4:3'", ["4:3"], ["1:1", "9:9"]),
    (reference("Text", maxLength=3), "str", "a string from 2 to 3 characters", ["xx"], ["x", "xxxx"]),
    (reference("Text", minLength=1), "str", "a string of 2 or more characters", ["xx"], ["x"]),
    (reference("Shot"), "Shot | ShotDict", "a Shot or a mapping of its parameters", [{"new": 1}], [[], "x", None]),
]


@pytest.mark.parametrize(
    ("schema", "annotation", "allowed", "within", "beyond"), ALLOWED, ids=[str(it[0]) for it in ALLOWED]
)
def test_a_schema_has_a_type_a_description_and_a_check(
    schema: dict[str, Any], annotation: str, allowed: str, within: list[Any], beyond: list[Any]
) -> None:
    value, check = grammar().value(schema, PLACE), check_of(schema)
    assert (value.annotation, value.allowed, check.allowed) == (annotation, allowed, allowed)
    assert [it for it in within if not accepts(check, it)] == []
    assert [it for it in beyond if accepts(check, it)] == []


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, f"{PLACE}: has no type; write one of string, integer, number, boolean, array, or a $ref"),
    ({"type": "file"}, f"{PLACE}: a parameter of type 'file' cannot be generated"),
    (
        {"type": ["string", "integer"]},
        f"{PLACE}: a parameter of type ['string', 'integer'] cannot be generated; give it",
    ),
    ({"oneOf": []}, f"{PLACE}: the keyword 'oneOf' cannot be generated; give the parameter one type"),
    ({"type": "string", "allOf": []}, "'allOf' cannot be generated; write its keywords beside the type"),
    ({"type": "string", "nullable": True}, "'nullable' cannot be generated; write type: [string, 'null']"),
    ({"type": "string", "minimum": 1}, f"{PLACE}: the keyword 'minimum' cannot be generated"),
    ({"type": "integer", "minLength": 1}, "the keyword 'minLength' cannot be generated"),
    ({"type": "string", "format": "color"}, "the format 'color' cannot be generated, only uri, uuid, date-time, byte"),
    ({"type": "string", "pattern": r"(?<x>a)"}, "the pattern cannot be generated"),
    ({"type": "string", "pattern": r"a\Z"}, r"the pattern has \Z at a place where JavaScript and Python differ"),
    ({"type": "array"}, f"{PLACE}: says nothing of its items; write items"),
    ({"type": "array", "items": {"type": "object"}}, f"{PLACE}/items: an object has to be a component"),
    ({"type": "object", "properties": {}}, "an object has to be a component; move it to #/components/schemas"),
    ({"enum": [[1]]}, "an enum of lists or objects cannot be generated"),
    ({"type": "string", "enum": [1]}, f"{PLACE}: no value is allowed"),
    (reference("Text", type="integer"), f"{PLACE}: type is another behind the $ref"),
    (reference("Inside"), "#/components/schemas/Inside is inside itself, which cannot be generated"),
]


@pytest.mark.parametrize(("schema", "message"), REFUSED, ids=[str(it[0]) for it in REFUSED])
def test_what_is_outside_the_grammar_is_refused_by_its_place(schema: dict[str, Any], message: str) -> None:
    with pytest.raises(GenerationError) as refusal:
        grammar().value(schema, PLACE)
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("schema", "value", "path", "got"),
    [
        ({"type": "array", "items": {"type": "integer"}}, [1, 2, "x"], "[2]", "x"),
        ({"type": "array", "items": {"type": "array", "items": {"type": "integer"}}}, [[1], [2, "x"]], "[1][1]", "x"),
        ({"type": ["array", "null"], "items": {"type": "integer"}}, ["x"], "[0]", "x"),
        ({"type": ["array", "null"], "items": {"type": "integer"}}, "x", "", "x"),
    ],
)
def test_a_refusal_names_the_place_inside_the_value(schema: dict[str, Any], value: Any, path: str, got: Any) -> None:
    with pytest.raises(Refused) as refusal:
        check_of(schema).read(value)
    assert (refusal.value.path, refusal.value.value) == (path, got)


def test_what_is_read_from_a_list_does_not_change_with_the_list() -> None:
    given = [["x"]]
    kept = check_of({"type": "array", "items": {"type": "array", "items": {"type": "string"}}}).read(given)
    given[0].append("y")
    given.append([])
    assert kept == (("x",),)
