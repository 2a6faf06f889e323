"""What is said of a program whose run is not as expected."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from languages.__main__ import summary
from languages.expectations import Expectations
from languages.recipes import Recipe
from languages.runs import differences, problems_at_the_double, run_recipe
from languages.scenarios import SCENARIOS, ScenarioApp
from segmind_mock import DEFAULT_KEY, serve

EXPECTED = {"first": "1", "second": "2"}


def recipe(
    folder: Path,
    generate: Sequence[str],
    needs: dict[str, str] | None = None,
    harmless: dict[str, str] | None = None,
) -> Recipe:
    return Recipe(
        folder=folder,
        language="Bash",
        generator="printf",
        version="1",
        pinned_in="recipe.toml",
        edition="segmind.json",
        why="",
        generate=generate,
        needs=needs or {},
        harmless=harmless or {},
    )


def problems(made: Recipe) -> list[str]:
    return run_recipe(made, Expectations({})).problems


@pytest.mark.parametrize(
    ("printed", "problem"),
    [
        ({"first": "1"}, "second: not printed, expected '2'"),
        ({"first": "1", "second": "3"}, "second: printed '3', expected '2'"),
        ({"first": "1", "second": "2", "third": "3"}, "third: printed, but not expected"),
    ],
)
def test_each_line_that_differs_is_a_problem(printed: dict[str, str], problem: str) -> None:
    assert list(differences(EXPECTED, printed)) == [problem]


def test_a_machine_that_lacks_something_is_named_and_no_success(tmp_path: Path) -> None:
    report = run_recipe(recipe(tmp_path, ["true"], needs={"Zig 9": "false", "bash": "true"}), Expectations({}))
    assert not report.is_as_expected
    assert "not run: this machine lacks Zig 9" in summary(report)


def test_a_command_that_fails_is_a_problem_with_its_output(tmp_path: Path) -> None:
    (problem,) = problems(recipe(tmp_path, ["echo no such edition; exit 3"]))
    assert "ended with 3" in problem
    assert "no such edition" in problem


def test_a_warning_of_the_generator_is_a_problem_unless_its_recipe_says_why_not(tmp_path: Path) -> None:
    command = ["echo 'WARN one'; echo 'warning: two'"]
    harmless = {"one": "a reason"}
    assert problems(recipe(tmp_path, command, harmless=harmless)) == ["warning of the generator: warning: two"]


def test_what_was_generated_before_is_removed_first(tmp_path: Path) -> None:
    (tmp_path / "generated").mkdir()
    (tmp_path / "generated" / "old").touch()
    assert problems(recipe(tmp_path, ["test ! -e generated/old"])) == []


def test_the_editions_of_another_contract_take_the_place_of_the_projects(tmp_path: Path) -> None:
    (tmp_path / "segmind.json").write_text("{}")
    made = recipe(tmp_path, ["test $(cat ../../generated/segmind_openapi/segmind.json) = '{}'"])
    assert run_recipe(made, Expectations({}), tmp_path).is_as_expected


def test_a_post_too_many_or_too_few_is_a_problem(tmp_path: Path) -> None:
    app = ScenarioApp()
    with serve(app) as url, httpx.Client(base_url=url, headers={"x-api-key": DEFAULT_KEY}) as http:
        for _ in range(2):
            http.post("/gateway/v2/imagen-4", json={"prompt": "a cabin"})
    found = list(problems_at_the_double(app, tmp_path / "v1.png"))
    assert "scenario gateway: 2 POSTs were sent, expected 1" in found
    assert "scenario busy: 0 POSTs were sent, expected 2" in found


def test_parameters_that_were_not_sent_as_they_should_are_a_problem(tmp_path: Path) -> None:
    app = ScenarioApp()
    app.bodies["parameters"]["/v2/imagen-4-fast"] = {"prompt": "a red fox asleep in snow", "guidance_scale": "8.5"}
    found = [problem for problem in problems_at_the_double(app, tmp_path / "v1.png") if "imagen-4-fast was" in problem]
    assert len(found) == 1


@pytest.mark.parametrize("saved", [None, b"", b"\x89PNG cut sho"])
def test_an_image_that_is_not_the_one_that_was_sent_is_a_problem(tmp_path: Path, saved: bytes | None) -> None:
    app = ScenarioApp()
    app.images["v1-image"] = b"\x89PNG cut short"
    path = tmp_path / "v1.png"
    if saved is not None:
        path.write_bytes(saved)
    assert "scenario v1-image: v1.png is not the image that the double sent" in list(problems_at_the_double(app, path))


def test_every_scenario_but_one_fixes_how_many_posts_a_program_sends() -> None:
    assert [name for name, scenario in SCENARIOS.items() if scenario.posts is None] == ["out-of-range"]
