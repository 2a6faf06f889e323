"""The grammar of a model's parameters: what their schemas may say, and the Python that says the same."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jsonschema_rs

from generator.contract import Contract, GenerationError, Node, is_list, is_mapping

WORDING = ("description", "title", "default", "example", "examples", "deprecated", "$comment", "type", "enum", "const")
"""Keywords that any parameter can have."""
NUMERIC = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
KEYWORDS: Mapping[str, tuple[str, ...]] = {
    "string": ("minLength", "maxLength", "pattern", "format"),
    "integer": NUMERIC,
    "number": NUMERIC,
    "boolean": (),
    "array": ("items", "minItems", "maxItems", "uniqueItems"),
    "object": ("properties", "required", "additionalProperties"),
    "null": (),
}
"""Keywords that a parameter of each type can have besides."""
FORMATS = {
    "uri": "a URI",
    "uuid": "a UUID",
    "date-time": "a date and time such as 2026-01-31T12:00:00Z",
    "byte": "base64",
}
FILE_FORMS = ("data-url",)
"""How a file can be sent in a parameter that is a URI."""
PYTHON_TYPES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
INSTEAD = {
    "oneOf": "give the parameter one type, and say the rest in its description",
    "anyOf": "give the parameter one type, and say the rest in its description",
    "allOf": "write its keywords beside the type, or beside a $ref",
    "not": "list what is allowed in enum",
    "nullable": "write type: [string, 'null']",
    "patternProperties": "leave it out: an object may have other properties",
    "prefixItems": "write items, and minItems and maxItems",
    "contentEncoding": "write format: byte",
}
"""What to write in place of a keyword that cannot be generated."""
LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems")
UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
ECMA_SPACE = r"\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"


@dataclass(frozen=True)
class Value:
    """What a parameter, or an item of one, can be."""

    annotation: str
    check: str
    """Expression that makes its check."""
    allowed: str
    """What it can be, as the end of «expected …»."""
    component: str | None = None
    """Place of the component that it is, if it is no more and no less than that."""
    classes: frozenset[str] = frozenset()
    """Places of the components whose classes the annotation or the check names."""


class Grammar:
    """Reads the schemas of parameters; `classes` has the Python name of each component that becomes one, by place."""

    def __init__(self, contract: Contract, classes: Mapping[str, str]) -> None:
        self._contract = contract
        self._classes = classes

    def value(self, written: Node, place: str, within: tuple[str, ...] = ()) -> Value:
        """Raises GenerationError for what is outside the grammar. `within` has the objects that it is inside of."""
        schema, component = self.flattened(written, place)
        kind, is_nullable = kind_of(schema, place)
        refuse_unknown(schema, kind, place)
        if "enum" in schema or "const" in schema:
            return self._one_of(schema, component, place)
        if kind is None:
            raise GenerationError(place, f"has no type; write one of {', '.join(PYTHON_TYPES)}, array, or a $ref")
        found = self._of_type(kind, schema, component, place, within)
        if not is_nullable:
            return found
        allowed = f"None or {found.allowed}" if kind == "array" else f"{found.allowed} or None"
        check = f"checks.nullable({found.check}, allowed={allowed!r})"
        return replace(found, annotation=f"{found.annotation} | None", check=check, allowed=allowed)

    def flattened(self, written: Node, place: str) -> tuple[Node, str | None]:
        """A schema with what is behind its `$ref` in it, both of which hold.

        With it, the place of the component that it is, if its siblings change nothing of what is allowed.
        """
        if not is_mapping(written):
            raise GenerationError(place, "is no object")
        if "$ref" not in written:
            return written, None
        reference = str(written["$ref"])
        target, component = self.flattened(self._contract.at(reference), reference)
        siblings = {word: value for word, value in written.items() if word != "$ref"}
        merged = {**target, **siblings}
        for word, value in siblings.items():
            if word in target and word not in ("description", "title", "default", "example", "examples", "deprecated"):
                merged[word] = value if word.startswith("x-") else narrowed(word, target[word], value, place)
        is_narrower = any(not same_json(merged[word], target.get(word)) for word in checking(merged))
        return merged, None if is_narrower else (component or reference)

    def _one_of(self, schema: Node, component: str | None, place: str) -> Value:
        values: list[Any] = schema["enum"] if "enum" in schema else [schema["const"]]
        if not all(value is None or isinstance(value, str | int | float) for value in values):
            raise GenerationError(place, "an enum of lists or objects cannot be generated; describe the values instead")
        # Every keyword holds: a value of another type, or out of range, is not allowed though it is listed.
        rule = {word: schema[word] for word in checking(schema)}
        values = [value for value in values if jsonschema_rs.is_valid(json.loads(json.dumps(rule)), value)]
        if not values:
            raise GenerationError(place, "no value is allowed")
        listed = ", ".join(map(repr, values))
        allowed = f"one of {listed}" if len(values) > 1 else listed
        alias = component if component in self._classes else None
        return Value(
            annotation=self._classes[alias] if alias else literal(values),
            check=f"checks.one_of({listed}, allowed={allowed!r})",
            allowed=allowed,
            component=alias,
            classes=frozenset({alias} if alias else ()),
        )

    def _of_type(self, kind: str, schema: Node, component: str | None, place: str, within: tuple[str, ...]) -> Value:
        if kind == "object":
            return self._object(component, place, within)
        if kind == "array":
            return self._array(schema, place, within)
        if kind == "null":
            return Value("None", "checks.one_of(None, allowed='None')", "None")
        allowed, arguments = describe(kind, schema, place)
        written = "".join(f"{name}={value!r}, " for name, value in arguments.items())
        found = Value(PYTHON_TYPES[kind], f"checks.{kind}({written}allowed={allowed!r})", allowed)
        return file_or(found, schema, place) if "x-file" in schema else found

    def _object(self, component: str | None, place: str, within: tuple[str, ...]) -> Value:
        if component is None or component not in self._classes:
            raise GenerationError(place, "an object has to be a component; move it to #/components/schemas and $ref it")
        if component in within:
            raise GenerationError(place, f"{component} is inside itself, which cannot be generated")
        name = self._classes[component]
        # What is inside it is refused here if need be, not only where it is generated.
        for inner, written in self._contract.at(component).get("properties", {}).items():
            self.value(written, f"{component}/properties/{inner}", (*within, component))
        allowed = f"{'an' if name[0] in 'AEIOU' else 'a'} {name} or a mapping of its parameters"
        check = f"checks.instance_of({name}, {name}.from_parameters, allowed={allowed!r})"
        return Value(f"{name} | {name}Dict", check, allowed, component, frozenset({component}))

    def _array(self, schema: Node, place: str, within: tuple[str, ...]) -> Value:
        if "items" not in schema:
            raise GenerationError(place, "says nothing of its items; write items")
        item = self.value(schema["items"], f"{place}/items", within)
        low, high = schema.get("minItems", 0), schema.get("maxItems")
        count = {
            (False, False): "",
            (True, False): f"{low} or more",
            (False, True): f"up to {high}",
            (True, True): f"{low}" if low == high else f"{low} to {high}",
        }[low > 0, high is not None]
        unique = bool(schema.get("uniqueItems"))
        items = " ".join(filter(None, (count, "items that differ" if unique else "")))
        allowed = f"a list{' of ' if items else ''}{items}, each {item.allowed}"
        arguments = "".join(
            f"{name}={value!r}, "
            for name, value in (("min_items", low or None), ("max_items", high), ("unique_items", unique or None))
            if value is not None
        )
        return Value(
            annotation=f"Sequence[{item.annotation}]",
            check=f"checks.array({item.check}, {arguments}allowed={allowed!r})",
            allowed=allowed,
            classes=item.classes,
        )


def file_or(url: Value, schema: Node, place: str) -> Value:
    """What a parameter can be that takes a URI, or a file that is sent as a `data:` URL."""
    form = schema["x-file"]
    if schema.get("format") != "uri":
        raise GenerationError(f"{place}/x-file", "only a string of the format uri can be a file")
    if not is_mapping(form) or set(form) != {"value", "source"} or form["value"] not in FILE_FORMS:
        raise GenerationError(f"{place}/x-file", f"expected value, one of {', '.join(FILE_FORMS)}, and source")
    allowed = f"{url.allowed}, or a file as a Path or as bytes"
    check = f"files.file({url.check}, allowed={allowed!r})"
    return replace(url, annotation="str | bytes | PathLike[str]", check=check, allowed=allowed)


def kind_of(schema: Node, place: str) -> tuple[str | None, bool]:
    """The type of a schema besides null, and whether null is allowed too."""
    written = schema.get("type")
    kinds: list[Any] = written if is_list(written) else [] if written is None else [written]
    others = [kind for kind in kinds if kind != "null"]
    if len(others) > 1 or not all(kind in KEYWORDS for kind in kinds):
        raise GenerationError(
            place, f"a parameter of type {written!r} cannot be generated; give it one type, or one type and 'null'"
        )
    if kinds == ["null"]:
        return "null", False
    return (others[0] if others else None), "null" in kinds


def checking(schema: Node) -> list[str]:
    """The keywords of a schema that say what is allowed."""
    words = ("description", "title", "default", "example", "examples", "deprecated", "$comment")
    return [word for word in schema if word not in words and not word.startswith("x-")]


def refuse_unknown(schema: Node, kind: str | None, place: str) -> None:
    for word in schema:
        if word in WORDING or word.startswith("x-") or (kind and word in KEYWORDS[kind]):
            continue
        if kind is None and any(word in words for words in KEYWORDS.values()):
            continue
        instead = f"; {INSTEAD[word]}" if word in INSTEAD else ""
        raise GenerationError(place, f"the keyword {word!r} cannot be generated{instead}")
    if schema.get("additionalProperties", True) is not True:
        raise GenerationError(place, "additionalProperties can only be true: a request may have other parameters")


def narrowed(word: str, behind: Any, beside: Any, place: str) -> Any:
    """What a keyword says that stands both behind a `$ref` and beside it."""
    if word in LOWER:
        return max(behind, beside)
    if word in UPPER:
        return min(behind, beside)
    if word == "uniqueItems":
        return behind or beside
    if word == "enum":
        return [value for value in behind if any(same_json(value, other) for other in beside)]
    if not same_json(behind, beside):
        raise GenerationError(place, f"{word} is another behind the $ref; write the schema here, without the $ref")
    return behind


def same_json(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def literal(values: list[Any]) -> str:
    """An annotation for some values; it is wider for numbers that are no integers, which Literal cannot hold."""
    listed = ", ".join(repr(value) for value in values if not isinstance(value, float))
    parts = [f"Literal[{listed}]" if listed else "", "float" if any(isinstance(it, float) for it in values) else ""]
    return " | ".join(filter(None, parts))


def describe(kind: str, schema: Node, place: str) -> tuple[str, dict[str, Any]]:
    """What a string, a number or a boolean can be, in words and as the arguments of its check."""
    if kind == "string":
        return describe_string(schema, place)
    if kind == "boolean":
        return "a boolean", {}
    article = "an" if kind == "integer" else "a"
    low, above, high, below = (
        schema.get(word) for word in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
    )
    # The one that says more, where both are there.
    if low is not None and above is not None:
        low, above = (low, None) if low > above else (None, above)
    if high is not None and below is not None:
        high, below = (high, None) if high < below else (None, below)
    text = f"{article} {kind}"
    if low is not None and high is not None:
        text += f" from {low} to {high}"
    else:
        lower = f"of {low} or more" if low is not None else f"above {above}" if above is not None else ""
        upper = f"up to {high}" if high is not None else f"below {below}" if below is not None else ""
        text += "".join(f" {part}" for part in (" and ".join(filter(None, (lower, upper))),) if part)
    step = schema.get("multipleOf")
    if step is not None:
        text += f" that is a multiple of {step}"
    arguments = {"minimum": low, "maximum": high, "above": above, "below": below, "multiple_of": step}
    return text, {name: value for name, value in arguments.items() if value is not None}


def describe_string(schema: Node, place: str) -> tuple[str, dict[str, Any]]:
    low, high = schema.get("minLength") or None, schema.get("maxLength")
    pattern, form = schema.get("pattern"), schema.get("format")
    if form is not None and form not in FORMATS:
        raise GenerationError(place, f"the format {form!r} cannot be generated, only {', '.join(FORMATS)}")
    text = "a string"
    if low is not None and high is not None:
        text += f" of {low} characters" if low == high else f" from {low} to {high} characters"
    elif high is not None:
        text += f" up to {high} characters"
    elif low is not None:
        text += " that is not empty" if low == 1 else f" of {low} or more characters"
    qualities = [f"is {FORMATS[form]}"] if form is not None else []
    qualities += [f"matches {pattern}"] if pattern is not None else []
    if qualities:
        text += f"{' and' if low == 1 and high is None else ' that'} {' and '.join(qualities)}"
    arguments = {"min_length": low, "max_length": high, "format": form}
    if pattern is not None:
        arguments["pattern"] = python_pattern(pattern, place)
    return text, {name: value for name, value in arguments.items() if value is not None}


def python_pattern(pattern: str, place: str) -> str:
    """A regular expression of JSON Schema, which are those of JavaScript, for Python's `re` with `re.ASCII`."""
    found: list[str] = []
    is_in_class = False
    for part in re.findall(r"\\.|.", pattern, re.DOTALL):
        if part == r"\s":
            part = ECMA_SPACE if is_in_class else f"[{ECMA_SPACE}]"
        elif part == r"\S" and not is_in_class:
            part = f"[^{ECMA_SPACE}]"
        elif part in (r"\A", r"\Z", r"\a", r"\S"):
            raise GenerationError(place, f"the pattern has {part} at a place where JavaScript and Python differ")
        elif part == "$" and not is_in_class:
            part = r"\Z"
        elif part == "." and not is_in_class:
            part = r"[^\n\r\u2028\u2029]"
        is_in_class = part == "[" or (is_in_class and part != "]")
        found.append(part)
    made = "".join(found)
    try:
        re.compile(made, re.ASCII)
    except re.error as error:
        raise GenerationError(place, f"the pattern cannot be generated: {error}") from error
    return made
