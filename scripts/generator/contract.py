"""Reads the contract, refusing one that cannot be generated from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeGuard, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

Node = Mapping[str, Any]
"""An object of the contract."""


class GenerationError(Exception):
    """The contract cannot be generated from; says where and why."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")


class PlacedNode(dict[str, Any]):
    """An object of the contract that knows its place; a key that is missing is an error that names it."""

    def __init__(self, node: Node, place: str) -> None:
        super().__init__({key: placed(value, place + pointer(key)[1:]) for key, value in node.items()})
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
                raise GenerationError(pointer, "a $ref points here, and nothing is here")
            node = cast(Node, node)[name]
        return node

    def resolve(self, node: Node, place: str) -> tuple[Node, str]:
        """The object that a `$ref` points to, with the siblings of the `$ref` laid over it, and its place."""
        while "$ref" in node:
            place = str(node["$ref"])
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


def load_contract(path: Path) -> Contract:
    """Raises GenerationError for what is no YAML, repeats a key or is no OpenAPI 3.1."""
    yaml: Any = YAML(typ="safe", pure=True)
    try:
        document = yaml.load(path.read_bytes())
    except MarkedYAMLError as error:
        mark: Any = cast(Any, error).problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "the file"
        raise GenerationError(place, str(cast(Any, error).problem)) from error
    except OSError as error:
        raise GenerationError("the file", f"cannot be read: {error.strerror}") from error
    if not isinstance(document, dict):
        raise GenerationError("#", "is no OpenAPI document")
    check_openapi(cast(Node, document), version="3.1")
    contract = Contract(cast(Node, document))
    check_schemas(contract)
    return contract


def check_schemas(contract: Contract) -> None:
    """Raises GenerationError for a schema that is none, or a default that its schema forbids, `$ref` or not."""
    for name, schema in contract.document["components"]["schemas"].items():
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            place = pointer("components", "schemas", name, *map(str, error.path))
            raise GenerationError(place, error.message) from error
        for property_name, written in schema.get("properties", {}).items():
            resolved, _ = contract.resolve(written, "")
            validator: Any = Draft202012Validator({**resolved, "components": contract.document["components"]})
            for problem in validator.iter_errors(written["default"]) if "default" in written else ():
                place = pointer("components", "schemas", name, "properties", property_name, "default")
                raise GenerationError(place, problem.message)


def check_openapi(document: Node, *, version: str) -> None:
    """Raises GenerationError, naming the place, for a document that is no valid OpenAPI of that version."""
    declared = str(document.get("openapi"))
    if not declared.startswith(f"{version}."):
        raise GenerationError("#/openapi", f"expected {version}.x, found {declared}")
    validator = {"3.0": OpenAPIV30SpecValidator, "3.1": OpenAPIV31SpecValidator}[version]
    try:
        errors = list(validator(cast(Any, document)).iter_errors())
    except Exception as broken:  # The validator passes on whatever its parts raise, for a dangling $ref above all.
        raise GenerationError("#", f"cannot be validated: {broken}") from broken
    for error in errors:
        if not error.absolute_path:
            # The validator finds a bad default without saying where.
            check_schemas(Contract(document))
        raise GenerationError(pointer(*map(str, error.absolute_path)), error.message.partition("\n")[0])
