"""Compares what a page says with what the contract says of the same model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from generator.contract import Contract, Node, is_list, is_mapping, pointer
from generator.grammar import Grammar, kind_of
from generator.views import OUTPUTS
from model_pages.page import UNSAID, Amount, Kind, Page, Parameter

JOB_FAILED = 422
LINE_LENGTH = 120
"""Of the contract. A default that makes a longer line is an example there."""


class Comparison:
    """What a page and the contract say differently, and what the page leaves out."""

    def __init__(self, contract: Contract, page: Page) -> None:
        self.differences: list[tuple[int, str]] = []
        """Line of the page and what differs."""
        self.left_out: list[str] = []
        """What the contract has and the page does not show, which is no difference."""
        self._contract = contract
        self._grammar = Grammar(contract, {})
        self._compare(page)

    def _compare(self, page: Page) -> None:
        operations = self._operations(page.slug)
        if not operations:
            self._differs(page.line, "the contract does not have this model")
            return
        body, place = self._contract.resolve(operations["v1" if "v1" in operations else "v2"]["requestBody"], "")
        schema, place = self._contract.resolve(body["content"]["application/json"]["schema"], place)
        self._parameters(page.parameters, schema, place, page.line, "", page.in_sample_only)
        self._amount("price", page.price, schema.get("x-price-usd"))
        self._amount("latency", page.latency, schema.get("x-typical-latency-seconds"))
        self._output(page, schema.get("x-output", OUTPUTS[0]))
        self._statuses(page, operations)

    def _operations(self, slug: str) -> dict[str, Node]:
        paths = self._contract.document["paths"]
        return {
            version: paths[f"/{version}/{slug}"]["post"]
            for version in ("v1", "v2")
            if "requestBody" in paths.get(f"/{version}/{slug}", {}).get("post", {})
        }

    def _differs(self, line: int, text: str) -> None:
        self.differences.append((line, text))

    def _parameters(
        self,
        rows: Iterable[Parameter],
        schema: Node,
        place: str,
        line: int,
        within: str,
        in_sample: tuple[str, ...] = (),
    ) -> None:
        properties: Node = schema.get("properties", {})
        required = schema.get("required", ())
        seen: set[str] = set()
        for row in rows:
            seen.add(row.name)
            name = f"{within}{row.name}"
            if row.name not in properties:
                self._differs(row.line, f"{name}: the page has this parameter, the contract does not")
                continue
            if row.required != (row.name in required):
                needs = {True: "required", False: "optional"}
                self._differs(
                    row.line, f"{name}: {needs[row.required]} on the page, {needs[not row.required]} in the contract"
                )
            written, _ = self._grammar.flattened(properties[row.name], f"{place}/properties{pointer(row.name)[1:]}")
            self._parameter(row, name, written)
        for other in properties:
            if other in seen:
                continue
            source = properties[other].get("x-source", "page")
            if source == "page":
                self._differs(line, f"{within}{other}: the contract has this parameter, the page does not")
            else:
                where = " and in the sample code" if other in in_sample else ""
                self.left_out.append(f"{within}{other}: only in the contract (source: {source}){where}")

    def _parameter(self, row: Parameter, name: str, schema: Node) -> None:
        kind, line = kind_in(schema, self._grammar), row.line
        if str(kind) != str(row.kind) and (
            row.kind.may_have_format or (kind.name, kind.is_array) != (row.kind.name, False)
        ):
            self._differs(line, f"{name}: the type is {row.kind} on the page, {kind} in the contract")
            return
        items: Node = self._items(schema) if row.kind.is_array else schema
        self._default(row, name, schema)
        for bound in ("minimum", "maximum"):
            shown, known = getattr(row, bound), schema.get(bound)
            if shown is not None and shown != known:
                self._differs(
                    line, f"{name}: the {bound} is {in_words(shown)} on the page, {in_words(known)} in the contract"
                )
            elif shown is None and known is not None:
                self.left_out.append(f"{name}: the {bound}, {known}")
        self._values(row, name, items)
        if row.items:
            self._parameters(row.items, items, "", line, f"{name}[].")
        elif row.kind.name == "object" and items.get("properties"):
            self.left_out.append(f"{name}: the properties of its items")

    def _items(self, schema: Node) -> Node:
        return self._grammar.flattened(schema["items"], "")[0]

    def _default(self, row: Parameter, name: str, schema: Node) -> None:
        known = schema.get("default", UNSAID)
        if row.default is UNSAID:
            if known is not UNSAID:
                self.left_out.append(f"{name}: the default, {in_words(known)}")
            return
        if known is UNSAID and row.required:
            self.left_out.append(f"{name}: the text that its form starts with, which is no default")
            return
        examples = schema.get("examples", ()) if is_longer_than_a_line(row.default) else ()
        if known is UNSAID and any(same(row.default, example) for example in examples):
            return
        if known is UNSAID or not same(row.default, known):
            self._differs(
                row.line,
                f"{name}: the default is {in_words(row.default)} on the page, {in_words(known)} in the contract",
            )

    def _values(self, row: Parameter, name: str, schema: Node) -> None:
        allowed: list[Any] | None = schema.get("enum", [schema["const"]] if "const" in schema else None)
        if not row.values:
            if allowed is not None:
                self.left_out.append(f"{name}: the allowed values")
            return
        if allowed is None:
            if row.is_closed:
                self._differs(row.line, f"{name}: {in_words(list(row.values))} on the page, any value in the contract")
            else:
                self.left_out.append(f"{name}: {some(row.hidden_values)} of its allowed values")
            return
        more = [value for value in row.values if not any(same(value, other) for other in allowed)]
        others = [value for value in allowed if value is not None and not any(same(value, it) for it in row.values)]
        if more:
            self._differs(row.line, f"{name}: {in_words(more)} allowed on the page, not in the contract")
        if row.is_closed and others:
            self._differs(row.line, f"{name}: {in_words(others)} allowed in the contract, not on the page")
        elif others and row.hidden_values is not None and len(others) != row.hidden_values:
            self._differs(
                row.line, f"{name}: the page hides {row.hidden_values} values, the contract has {len(others)} others"
            )
        elif not row.is_closed:
            self.left_out.append(f"{name}: {some(row.hidden_values)} of its allowed values")

    def _amount(self, what: str, shown: Amount | None, known: Mapping[str, Any] | None) -> None:
        if shown is None:
            if known is not None:
                self.left_out.append(f"the {what}, {amount_in_words(known)} in the contract")
            return
        if known is None or (shown.low, shown.high) != (
            known.get("from", known.get("value")),
            known.get("to", known.get("value")),
        ):
            in_contract = "not" if known is None else amount_in_words(known)
            self._differs(shown.line, f"the {what} is {shown} on the page, {in_contract} in the contract")

    def _output(self, page: Page, known: str) -> None:
        if page.output is None:
            self.left_out.append(f"what it makes ({known} in the contract)")
        elif page.output != known:
            self._differs(page.output_line, f"makes: {page.output} on the page, {known} in the contract")

    def _statuses(self, page: Page, operations: Mapping[str, Node]) -> None:
        paths = self._contract.document["paths"]
        jobs = [it for item in paths.values() for it in item.values() if is_job(it)]
        for status, line in page.statuses.items():
            asked = (
                jobs
                if status == JOB_FAILED
                else [it for version, it in operations.items() if version == "v1" or page.has_v2]
            )
            if not all(str(status) in it["responses"] for it in asked):
                self._differs(line, f"status {status} is on the page, not in the contract")
        known = {int(status) for it in operations.values() for status in it["responses"]}
        others = sorted(known - page.statuses.keys())
        if others:
            self.left_out.append(f"status {', '.join(map(str, others))}")


def is_job(operation: Any) -> bool:
    return is_mapping(operation) and operation.get("x-role") in ("status", "result")


def kind_in(schema: Node, grammar: Grammar) -> Kind:
    """The type of a parameter in the contract, as a page would say it."""
    name, _ = kind_of(schema, "")
    if name == "array":
        items, _ = grammar.flattened(schema.get("items", {}), "")
        return Kind(str(kind_of(items, "")[0] or ""), is_array=True)
    if name is None:
        values = schema.get("enum", [schema.get("const")])
        return Kind(type_of(value for value in values if value is not None))
    return Kind(name, format="uri" if schema.get("format") == "uri" else None)


def type_of(values: Iterable[Any]) -> str:
    """The type of the values of an enum that does not say it."""
    names = {"bool": "boolean", "int": "integer", "float": "number", "str": "string"}
    found: Iterator[str] = (names.get(value.__class__.__name__, "object") for value in values)
    kinds = set(found)
    return kinds.pop() if len(kinds) == 1 else "number" if kinds == {"integer", "number"} else "mixed"


def is_longer_than_a_line(default: Any) -> bool:
    text = json.dumps(default, ensure_ascii=False)
    return len(text) > LINE_LENGTH - len("          default: ") or "\n" in str(default)


def same(one: Any, other: Any) -> bool:
    """As JSON has it: 1 is 1.0, and true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if is_list(one) and is_list(other):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def in_words(value: Any) -> str:
    if value is UNSAID or value is None:
        return "not given"
    if is_list(value):
        return ", ".join(map(in_words, value)) or "[]"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LINE_LENGTH else f"{text[:LINE_LENGTH]}…"


def some(count: int | None) -> str:
    return "perhaps some" if count is None else str(count)


def amount_in_words(known: Mapping[str, Any]) -> str:
    return f"{known['from']:g} to {known['to']:g}" if "from" in known else f"{known['value']:g}"
