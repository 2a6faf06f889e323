"""The recipes of clients/, and the page that is written from them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from languages.expectations import read_expectations
from languages.page import render
from languages.recipes import CLIENTS, EDITIONS, ROOT, Recipe, read_recipes

RECIPES = read_recipes()
PROGRAMS = [recipe for recipe in RECIPES if recipe.run]
MOST_LINES = 60
LOCK_FILES = ("package-lock.json", "go.sum", "requirements.txt")

each_recipe = pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)


def committed() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "clients"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    return listed.stdout.splitlines()


def test_at_least_twelve_programs_are_run_in_at_least_eight_languages() -> None:
    assert len(PROGRAMS) >= 12
    assert len({recipe.language for recipe in PROGRAMS}) >= 8


def test_typescript_go_and_java_are_part_of_make_test() -> None:
    assert {recipe.language for recipe in RECIPES if recipe.quick} == {"TypeScript", "Go", "Java"}


@each_recipe
def test_the_version_of_a_generator_is_pinned_where_its_recipe_says(recipe: Recipe) -> None:
    assert recipe.version in (recipe.folder / recipe.pinned_in).read_text()


@each_recipe
def test_a_recipe_generates_from_the_edition_that_it_names(recipe: Recipe) -> None:
    path = f"{EDITIONS}/{recipe.edition}"
    assert (recipe.folder / path).exists()
    in_source = [it.read_text() for it in recipe.folder.glob("src/*.rs")]
    assert any(path in text for text in [*recipe.commands, *in_source])


@pytest.mark.parametrize("recipe", PROGRAMS, ids=lambda recipe: recipe.name)
def test_waiting_and_repeating_take_at_most_sixty_lines(recipe: Recipe) -> None:
    assert recipe.waiting is not None
    lines = (recipe.folder / recipe.waiting).read_text().splitlines()
    assert len([line for line in lines if line.strip()]) <= MOST_LINES


def test_generated_code_is_not_committed() -> None:
    assert [path for path in committed() if "/generated/" in path or "/node_modules/" in path] == []


@pytest.mark.parametrize("path", [it for it in committed() if it.endswith(LOCK_FILES)])
def test_a_lock_file_holds_no_address_of_a_registry(path: str) -> None:
    lines = (ROOT / path).read_text().splitlines()
    # npm notes where a package asks for money; that is no registry.
    assert [line for line in lines if "://" in line and '"url":' not in line] == []


def test_the_page_is_what_the_recipes_and_the_expected_lines_say() -> None:
    page = render(RECIPES, read_expectations(CLIENTS / "expected.txt"))
    assert Path(ROOT / "docs" / "languages.md").read_text() == page
