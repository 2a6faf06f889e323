"""Writes the list of models for people: prices, latencies and parameters, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from generator.contract import Contract, Node
from generator.views import describe_allowed

HEAD = """\
<!-- Written by scripts/generate.py from openapi/segmind.yaml; do not edit. -->
# Models

What each model costs, how long it usually takes and which parameters it takes. In parentheses: how the fact is known;
[the contract](../openapi/segmind.yaml) describes the sources.

| model | US dollars per image | typical seconds per image |
|---|---|---|
"""
PARAMETERS = """\
| parameter | value | default | meaning |
|---|---|---|---|
"""


def write_models_table(contract: Contract, path: Path) -> None:
    """Writes a Markdown file. The contract must be one that `write_python_package` accepts."""
    requests = dict(requests_by_slug(contract))
    prices = (
        f"| [`{slug}`](#{slug}) | {fact(schema['x-price-usd'])} | {fact(schema['x-typical-latency-seconds'])} |\n"
        for slug, schema in requests.items()
    )
    sections = (
        f"\n## {slug}\n\n{schema.get('description', '').strip()}\n\n{PARAMETERS}{''.join(rows(contract, schema))}"
        for slug, schema in requests.items()
    )
    path.write_text(HEAD + "".join(prices) + "".join(sections), encoding="utf-8", newline="\n")


def requests_by_slug(contract: Contract) -> Iterator[tuple[str, Node]]:
    """Each model's slug and the schema of its parameters, in the order of the contract."""
    for path, _, operation in contract.operations():
        if operation["x-role"] == "submit":
            body, place = contract.resolve(operation["requestBody"], path)
            (media,) = body["content"].values()
            yield path.rpartition("/")[2], contract.resolve(media["schema"], place)[0]


def rows(contract: Contract, request: Node) -> Iterator[str]:
    """One row per parameter."""
    for name, written in request["properties"].items():
        schema, _ = contract.resolve(written, name)
        default = "required" if name in request.get("required", ()) else ""
        if "default" in schema:
            default = f"`{schema['default']}`"
        yield f"| `{name}` | {cell(describe_allowed(schema))} | {default} | {cell(schema.get('description', ''))} |\n"


def fact(sourced: Node) -> str:
    return f"{sourced['value']} ({sourced['source']})"


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
