"""Writes docs/languages.md from the recipes and from what every program prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from languages.expectations import Expectations
from languages.recipes import Recipe

TEMPLATE = "page.md.jinja"


def render(recipes: Sequence[Recipe], expectations: Expectations) -> str:
    programs = [recipe for recipe in recipes if recipe.run]
    differing = [
        (recipe.name, name, expectations.shortfalls[recipe.name][name])
        for name in expectations.lines
        for recipe in programs
        if name in expectations.shortfalls.get(recipe.name, {})
    ]
    notes = [(number, *it) for number, it in enumerate(differing, 1)]
    numbers = {(target, name): str(number) for number, target, name, _ in notes}
    rows = [
        (f"{name}: {outcome}", [numbers.get((recipe.name, name), "yes") for recipe in programs])
        for name, outcome in expectations.lines.items()
    ]
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701  Markdown, not HTML
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE).render(
        recipes=recipes,
        programs=programs,
        generated=[recipe for recipe in recipes if not recipe.run],
        rows=rows,
        notes=notes,
    )
