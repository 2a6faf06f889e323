"""Reads the contract, refusing one that cannot be generated from."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeGuard, cast
from urllib.parse import quote

import jsonschema_rs
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

Node = Mapping[str, Any]
"""An object of the contract."""
EXCLUSIVE = ("exclusiveMinimum", "exclusiveMaximum")
BASE_URI = "urn:contract"
LONGEST_MESSAGE = 300
"""Characters; the tools' messages may hold the whole contract."""


class GenerationError(Exception):
    """The contract cannot be generated from; says where and why."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")


class PlacedNode(dict[str, Any]):
    """An object of the contract that knows its place; a key that is missing is an error that names it."""

    def __init__(self, node: Node, place: str) -> None:
        super().__init__({key: placed(value, place + pointer(str(key))[1:]) for key, value in node.items()})
        self.place = place

    def __missing__(self, key: str) -> Any:
        raise GenerationError(self.place, f"{key} is missing")


def placed(value: Any, place: str) -> Any:
    if isinstance(value, Mapping):
        return PlacedNode(cast(Node, value), place)
    if is_list(value):
        return [placed(item, f"{place}/{index}") for index, item in enumerate(value)]
    return value


class Contract:
    """The contract as plain data, addressed by JSON pointer (`#/components/schemas/Prompt`)."""

    def __init__(self, document: Node) -> None:
        self.document: Node = PlacedNode(document, "#")

    def at(self, pointer: str) -> Any:
        node: Any = self.document
        for part in pointer.removeprefix("#/").split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(node, Mapping) or name not in node:
                raise GenerationError(pointer, "is not there")
            node = cast(Node, node)[name]
        return node

    def resolve(self, node: Node, place: str) -> tuple[Node, str]:
        """The object that a `$ref` points to, with the siblings of the `$ref` laid over it, and its place."""
        if not is_mapping(node):
            raise GenerationError(place, "is no object")
        seen: set[str] = set()
        while "$ref" in node:
            place = str(node["$ref"])
            if place in seen:
                raise GenerationError(place, "refers to itself")
            seen.add(place)
            siblings = {key: value for key, value in node.items() if key != "$ref"}
            node = PlacedNode({**self.at(place), **siblings}, place)
        return node, place

    def operations(self) -> Iterator[tuple[str, str, Node]]:
        """Path, method in upper case and operation, in the order of the file."""
        for path, item in self.document["paths"].items():
            for method in ("get", "put", "post", "delete", "options", "head", "patch", "trace"):
                if method in item:
                    yield path, method.upper(), item[method]


def pointer(*parts: str) -> str:
    return "#/" + "/".join(part.replace("~", "~0").replace("/", "~1") for part in parts)


def is_list(node: Any) -> TypeGuard[list[Any]]:
    return isinstance(node, list)


def is_mapping(node: Any) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(node, Mapping)


def load_contract(path: Path) -> Contract:
    """Raises GenerationError for what is no YAML, repeats a key, points to nothing or is no OpenAPI 3.1."""
    yaml: Any = YAML(typ="safe", pure=True)
    try:
        document = yaml.load(path.read_text(encoding="utf-8"))
    except MarkedYAMLError as error:
        mark: Any = cast(Any, error).problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "the file"
        raise GenerationError(place, str(cast(Any, error).problem)) from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise GenerationError("the file", f"is no YAML in UTF-8: {error}") from error
    except OSError as error:
        raise GenerationError("the file", f"cannot be read: {error.strerror}") from error
    if not isinstance(document, dict):
        raise GenerationError("#", "is no OpenAPI document")
    return checked_contract(cast(Node, document))


def checked_contract(document: Node) -> Contract:
    """Raises GenerationError for a document that points to nothing or is no OpenAPI 3.1."""
    contract = Contract(document)
    check_keys_and_references(contract, contract.document, "#")
    check_schemas(contract)
    check_openapi(document, version="3.1")
    return contract


def check_keys_and_references(contract: Contract, node: Any, place: str) -> None:
    """Raises GenerationError for a key that is no text and a `$ref` that points to nothing."""
    if is_mapping(node):
        for key, value in node.items():
            below = f"{place}{pointer(str(key))[1:]}"
            if not isinstance(key, str):
                raise GenerationError(below, f"the key {key!r} is no text; put it in quotes")
            if key == "$ref" and isinstance(value, str):
                if not value.startswith("#/"):
                    raise GenerationError(below, f"{value} leads out of the file")
                try:
                    contract.at(value)
                except GenerationError as error:
                    raise GenerationError(below, f"{value} is not there") from error
            check_keys_and_references(contract, value, below)
    elif is_list(node):
        for index, item in enumerate(node):
            check_keys_and_references(contract, item, f"{place}/{index}")


def check_schemas(contract: Contract) -> None:
    """Raises GenerationError for a schema that is none, or a default that its schema forbids, `$ref` or not."""
    schemas = contract.document["components"]["schemas"]
    if not isinstance(schemas, Mapping):
        raise GenerationError("#/components/schemas", "is no object")
    for name, schema in cast(Node, schemas).items():
        place = pointer("components", "schemas", name)
        contract.resolve(schema, place)
        try:
            jsonschema_rs.meta.validate(schema)
        except jsonschema_rs.ValidationError as error:
            raise GenerationError(
                place + pointer(*map(str, error.instance_path))[1:], shorten(error.message)
            ) from error
    registry = jsonschema_rs.Registry([(BASE_URI, {"components": contract.document["components"]})])
    for name, schema in cast(Node, schemas).items():
        place = pointer("components", "schemas", name)
        for required in schema.get("required", ()):
            if required not in schema.get("properties", {}):
                raise GenerationError(f"{place}/required", f"no property is {required!r}")
        for property_name, written in schema.get("properties", {}).items():
            inside = f"{place}/properties{pointer(property_name)[1:]}"
            check_bounds(contract.resolve(written, inside)[0], inside)
            if "default" in written:
                schema_of_default = {"$ref": f"{BASE_URI}{quote(inside, safe='#/~')}"}
                validator = jsonschema_rs.Draft202012Validator(schema_of_default, registry=registry)
                for problem in validator.iter_errors(written["default"]):
                    raise GenerationError(f"{inside}/default", shorten(problem.message))


def check_openapi(document: Node, *, version: str) -> None:
    """Raises GenerationError, naming the place, for a document that is no valid OpenAPI of that version."""
    declared = str(document.get("openapi"))
    if not declared.startswith(f"{version}."):
        raise GenerationError("#/openapi", f"expected {version}.x, found {declared}")
    if openapi_schema(version).is_valid(document):
        return
    # It takes a hundred times as long to say what is wrong.
    from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator

    validator = {"3.0": OpenAPIV30SpecValidator, "3.1": OpenAPIV31SpecValidator}[version]
    try:
        errors = list(validator(cast(Any, document)).iter_errors())
    except Exception as broken:  # The validator passes on whatever its parts raise, for a dangling $ref above all.
        raise GenerationError("#", shorten(f"cannot be validated: {broken}")) from broken
    for error in errors:
        raise GenerationError(pointer(*map(str, error.absolute_path)), shorten(error.message))


@cache
def openapi_schema(version: str) -> jsonschema_rs.Validator:
    """The schema of OpenAPI documents, from the package that `make contract` validates the contract with."""
    # Importing it would take half a second.
    found = find_spec("openapi_spec_validator")
    (folder,) = (found.submodule_search_locations if found else None) or [""]
    text = (Path(folder) / "resources" / "schemas" / f"v{version}" / "schema.json").read_text(encoding="utf-8")
    return jsonschema_rs.validator_for(json.loads(text))


def check_bounds(schema: Node, place: str) -> None:
    for low, high in (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems")):
        if schema.get(low, -math.inf) > schema.get(high, math.inf):
            raise GenerationError(place, f"{low} is above {high}")
    for low, high in (("minimum", "exclusiveMaximum"), ("exclusiveMinimum", "maximum"), EXCLUSIVE):
        if schema.get(low, -math.inf) >= schema.get(high, math.inf):
            raise GenerationError(place, f"{low} is not below {high}")


def shorten(message: str) -> str:
    line = message.partition("\n")[0]
    return line if len(line) <= LONGEST_MESSAGE else f"{line[:LONGEST_MESSAGE]}…"
