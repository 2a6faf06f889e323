"""Counts which parts of the contract the exchanges of a run have met."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemathesis import Case, Response

from generator.contract import Contract
from tests.conftest import ROOT
from tests.contract.facts import PATHS

REPORT = ROOT / "build" / "contract" / "coverage.md"
REFUSED = frozenset({400})
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
BOUNDS = (
    ("minimum", -1),
    ("maximum", 1),
    ("minLength", -1),
    ("maxLength", 1),
    ("minItems", -1),
    ("maxItems", 1),
)
"""Keywords that bound a value or its size, and on which side what they refuse is."""


@dataclass(frozen=True, order=True)
class Item:
    """One thing that the contract says of an operation."""

    operation: str
    kind: str
    """`parameter`, `constraint`, `status`, `media type`, `header` or `link`."""
    name: str


class Coverage:
    """How often each item of the contract was met."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._operations = {it["operationId"]: it for _, _, it in contract.operations()}
        # All models share the links. Schemathesis starts no walk at one with a parameter that looks like a reference to
        # something that no operation makes, such as `model-name`.
        self._walked = {it["operationId"] for path, _, it in contract.operations() if path in PATHS}
        self.met: Counter[Item] = Counter(dict.fromkeys(self._items(), 0))

    def missing(self) -> list[Item]:
        return sorted(item for item, count in self.met.items() if count == 0)

    def add(self, case: Case[Any], response: Response, link: str | None = None) -> None:
        """Notes what one exchange has met."""
        name = case.operation.definition.raw["operationId"]
        if case.method.upper() != case.operation.method.upper():
            self._note_answer(name, response)
            return
        met = list(self._met_by_request(name, case, response.status_code))
        for kind, what in met:
            self._note(Item(name, kind, what))
        self._note_answer(name, response)
        if link is not None:
            source, status, link_name = self._taken(link)
            self._note(Item(source, "link", f"{link_name} of {status}"))

    def _note(self, item: Item) -> None:
        # What an answer has beyond the contract is for the checks to complain about.
        if item in self.met:
            self.met[item] += 1

    def _taken(self, link: str) -> tuple[str, str, str]:
        """Operation, status and name of a link, which Schemathesis writes as `POST /a -> [200] b -> GET /c`."""
        source, taken, _ = link.split(" -> ")
        method, _, path = source.partition(" ")
        status, _, name = taken.partition(" ")
        operation = self._contract.document["paths"][path][method.lower()]
        return operation["operationId"], status.strip("[]"), name

    def _note_answer(self, name: str, response: Response) -> None:
        status = response.status_code
        media_type = response.headers.get("content-type", [""])[0].partition(";")[0]
        self._note(Item(name, "status", str(status)))
        for written in (media_type, f"{media_type.partition('/')[0]}/*"):
            self._note(Item(name, "media type", f"{status} {written}"))
        for header in response.headers:
            self._note(Item(name, "header", f"{status} {header}"))

    def _items(self) -> Iterator[Item]:
        for name, operation in self._operations.items():
            for kind, what in self._input_items(operation):
                yield Item(name, kind, what)
            for status, written in operation["responses"].items():
                response, _ = self._contract.resolve(written, "")
                yield Item(name, "status", status)
                for media_type in response.get("content", {}):
                    yield Item(name, "media type", f"{status} {media_type}")
                for header in response.get("headers", {}):
                    yield Item(name, "header", f"{status} {header}")
                for link in response.get("links", {}) if name in self._walked else ():
                    yield Item(name, "link", f"{link} of {status}")

    def _input_items(self, operation: Any) -> Iterator[tuple[str, str]]:
        if "requestBody" not in operation:
            if operation["x-role"] in ("status", "result"):
                yield "parameter", "request_id of a job"
                yield "parameter", "request_id of no job"
            return
        schema = self._body_schema(operation)
        yield "constraint", "the body is an object"
        for name, written in schema["properties"].items():
            rules, _ = self._contract.resolve(written, "")
            yield "parameter", f"{name} sent"
            yield from ((kind, f"{name} {what}") for kind, what in self._rule_items(rules))
            if name in schema.get("required", ()):
                yield "constraint", f"{name} is required"
            else:
                yield "parameter", f"{name} left out"

    @staticmethod
    def _rule_items(rules: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        if "type" in rules:
            yield "constraint", f"is of type {rules['type']}"
        for bound, _ in BOUNDS:
            if bound in rules:
                yield "constraint", f"at its {bound} {rules[bound]}"
                yield "constraint", f"beyond its {bound} {rules[bound]}"
        if "enum" in rules:
            yield "constraint", "is one of its enum"
            yield from (("constraint", f"is {value}") for value in rules["enum"])

    def _body_schema(self, operation: Any) -> Any:
        body, _ = self._contract.resolve(operation["requestBody"], "")
        schema, _ = self._contract.resolve(body["content"]["application/json"]["schema"], "")
        return schema

    def _met_by_request(self, name: str, case: Case[Any], status: int) -> Iterator[tuple[str, str]]:
        operation = self._operations[name]
        if "requestBody" not in operation:
            if status in (200, 422):
                yield "parameter", "request_id of a job"
            elif status == 404:
                yield "parameter", "request_id of no job"
            return
        body = case.body
        if not isinstance(body, dict):
            if status in REFUSED:
                yield "constraint", "the body is an object"
            return
        schema = self._body_schema(operation)
        for parameter, written in schema["properties"].items():
            rules, _ = self._contract.resolve(written, "")
            if parameter in body:
                for kind, what in met_by_value(rules, body[parameter], status):
                    yield kind, f"{parameter} {what}"
            elif status in REFUSED and parameter in schema.get("required", ()):
                yield "constraint", f"{parameter} is required"
            elif status == 200:
                yield "parameter", f"{parameter} left out"


def met_by_value(rules: Mapping[str, Any], value: Any, status: int) -> Iterator[tuple[str, str]]:
    """What a value that was sent has met: what is allowed by being accepted, what is not by being refused."""
    accepted, refused = status == 200, status in REFUSED
    fits = is_of_type(value, rules.get("type", list(TYPES)))
    if accepted:
        yield "parameter", "sent"
    if refused and not fits:
        yield "constraint", f"is of type {rules['type']}"
    if not fits:
        return
    size: Any = len(value) if isinstance(value, str | list) else value  # pyright: ignore[reportUnknownArgumentType]
    for bound, beyond in BOUNDS:
        if bound in rules:
            if accepted and size == rules[bound]:
                yield "constraint", f"at its {bound} {rules[bound]}"
            if refused and (size - rules[bound]) * beyond > 0:
                yield "constraint", f"beyond its {bound} {rules[bound]}"
    if "enum" in rules:
        if accepted:
            yield "constraint", f"is {value}"
        if refused and value not in rules["enum"]:
            yield "constraint", "is one of its enum"


def is_of_type(value: Any, kinds: str | list[str]) -> bool:
    """As JSON Schema has it, except that 5.0 is no integer: whether it is, the service does not say."""
    if isinstance(kinds, list):
        return any(is_of_type(value, kind) for kind in kinds)
    return isinstance(value, TYPES[kinds]) and (kinds == "boolean" or not isinstance(value, bool))


def write(coverage: Coverage, path: Path = REPORT) -> None:
    """Writes the report as a table for people, and beside it as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = sorted(coverage.met.items())
    missing = len(coverage.missing())
    lines = [
        "# What the tests have met of the contract",
        "",
        f"{len(rows) - missing} of {len(rows)} items; how often each was met:",
        "",
        "| operation | kind | item | met |",
        "|---|---|---|---|",
        *(f"| {item.operation} | {item.kind} | {item.name} | {count or '**never**'} |" for item, count in rows),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    listed = [{"operation": i.operation, "kind": i.kind, "item": i.name, "met": count} for i, count in rows]
    path.with_suffix(".json").write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")
