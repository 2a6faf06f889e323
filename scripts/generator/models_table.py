"""Writes the list of models for people: prices, latencies and parameters, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from generator.documentation import fact, one_line
from generator.views import ModelView, Views

HEAD = """\
<!-- Written by scripts/generate.py from openapi/segmind.yaml; do not edit. -->
# Models

What each model makes, what it costs, how long it usually takes and which parameters it takes. In parentheses: how the
fact is known; [the contract](../openapi/segmind.yaml) describes the sources. A price or a latency may be a range, and
is left out where nobody says it.

| model | makes | US dollars | typical seconds |
|---|---|---|---|
"""
PARAMETERS = """\
| parameter | value | default | meaning |
|---|---|---|---|
"""


def write_models_table(views: Views, path: Path) -> None:
    """Writes a Markdown file."""
    prices: list[str] = []
    sections: list[str] = []
    for entry in views.catalog:
        amounts = (fact(amount) if amount else "" for amount in (entry.price_usd, entry.typical_latency_seconds))
        prices.append(f"| [`{entry.slug}`](#{anchor(entry.slug)}) | {entry.output} | {' | '.join(amounts)} |\n")
        model = views.models[entry.request]
        sections.append(f"\n## {entry.slug}\n\n{model.description.strip()}\n\n{PARAMETERS}{''.join(rows(model))}")
    path.write_text(HEAD + "".join(prices) + "".join(sections), encoding="utf-8", newline="\n")


def rows(model: ModelView) -> Iterator[str]:
    """One row per parameter."""
    for item in model.properties:
        default = "required" if item.required else ""
        if item.has_default:
            default = code(str(item.default_value))
        name = code(item.name) + (f" ({code(item.python_name)} in Python)" if item.name != item.python_name else "")
        yield f"| {name} | {cell(item.allowed)} | {default} | {cell(item.meaning)} |\n"


def anchor(heading: str) -> str:
    """Of a heading, as GitHub makes it: in lower case, without dots."""
    return heading.lower().replace(".", "").replace("~", "")


def code(text: str) -> str:
    quoted = one_line(text).replace("|", "\\|")
    return f"`` {quoted} ``" if "`" in quoted else f"`{quoted}`"


def cell(text: str) -> str:
    return one_line(text).replace("|", "\\|")
