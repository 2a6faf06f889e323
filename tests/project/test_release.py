"""scripts/release.py: what it refuses, and that a commit always makes the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from release import ReleaseError, check_release, check_same, run

PYPROJECT = '[project]\nversion = "0.2.0"\n'
CHANGELOG = "# Changelog\n\n## Unreleased\n\n## 0.2.0\n\n- Contract 0.2.0: breaking.\n\n## 0.1.0\n\n- The first.\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose one commit is release 0.2.0."""
    (tmp_path / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG, encoding="utf-8")
    for command in ("init --quiet", "add .", "-c user.name=x -c user.email=x@example.org commit --quiet -m x"):
        run("git", *command.split(), cwd=tmp_path)
    return tmp_path


def test_a_release_takes_its_section_of_the_changelog(repository: Path) -> None:
    assert check_release(repository, "0.2.0") == "- Contract 0.2.0: breaking.\n"


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        ("pyproject.toml", PYPROJECT.replace("0.2.0", "0.1.9"), r"pyproject.toml: the version is 0.1.9, not 0.2.0"),
        ("CHANGELOG.md", "# Changelog\n\n## Unreleased\n\n- More.\n", r'CHANGELOG.md: no text under "## 0.2.0"'),
        ("CHANGELOG.md", "# Changelog\n\n## 0.2.0\n\n## 0.1.0\n\n- More.\n", r'CHANGELOG.md: no text under "## 0.2.0"'),
        ("CHANGELOG.md", CHANGELOG + "- More.\n", r"the working tree has changes; commit them first:\n M CHANGELOG.md"),
        ("left-over.txt", "x", r"the working tree has changes; commit them first:\n\?\? left-over.txt"),
    ],
)
def test_a_commit_that_is_not_the_release_is_refused(repository: Path, file: str, text: str, problem: str) -> None:
    (repository / file).write_text(text, encoding="utf-8")
    with pytest.raises(ReleaseError, match=problem):
        check_release(repository, "0.2.0")


@pytest.mark.parametrize("damage", ["changed", "missing", "added"])
def test_two_builds_that_differ_are_refused(tmp_path: Path, damage: str) -> None:
    for name in ("first", "second"):
        (tmp_path / name / "editions").mkdir(parents=True)
        (tmp_path / name / "editions" / "segmind.json").write_text("{}", encoding="utf-8")
        (tmp_path / name / "CHANGES.md").write_text("x", encoding="utf-8")
    match damage:
        case "changed":
            (tmp_path / "second" / "editions" / "segmind.json").write_text("[]", encoding="utf-8")
        case "missing":
            (tmp_path / "second" / "editions" / "segmind.json").unlink()
        case _:
            (tmp_path / "first" / "editions" / "segmind.json").unlink()
    with pytest.raises(ReleaseError, match=r"two builds of this commit differ: editions/segmind.json"):
        check_same(tmp_path / "first", tmp_path / "second")


def test_two_builds_that_are_alike_pass(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "CHANGES.md").write_text("x", encoding="utf-8")
    check_same(tmp_path / "first", tmp_path / "second")
