"""Writes docs/languages.md."""

from collections.abc import Sequence

from languages.expectations import Expectations
from languages.recipes import Recipe


def render(recipes: Sequence[Recipe], expectations: Expectations) -> str:
    raise NotImplementedError
