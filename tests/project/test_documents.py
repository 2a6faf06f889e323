"""Each command and each program in the documents does what the document says."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from segmind_mock import DEFAULT_KEY, Settings, serve
from tests.conftest import ROOT
from tests.support.stage import Stage

DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "PYTHONPATH": "",
}


def blocks(language: str) -> Iterator[tuple[str, str]]:
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for match in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            line = text[: match.start()].count("\n") + 2
            yield f"{document.relative_to(ROOT)}:{line}", match[1]


@pytest.fixture
def settings() -> Settings:
    return Settings()


def run(command: str) -> None:
    finished = subprocess.run(
        shlex.split(command), cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


def run_dry(command: str) -> None:
    """For what would run these tests again."""
    run(command.replace("make", "make --dry-run"))


def resolve_only(command: str) -> None:
    """For what would change the environment that runs these tests; test_wheel.py does it in another."""
    run(command.replace("pip install", "pip install --dry-run --quiet --no-deps --no-build-isolation"))


def serve_until_interrupted(command: str) -> None:
    arguments = [*shlex.split(command), "--port", "0"]
    with subprocess.Popen(arguments, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert "listens on" in process.stdout.readline()
        finally:
            process.terminate()


def run_in_an_empty_folder(command: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        finished = subprocess.run(
            shlex.split(command), cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
        )
    assert finished.returncode == 0, finished.stdout + finished.stderr


def run_against_a_double(command: str) -> None:
    stage = Stage()
    stage.let_jobs_live()
    with serve(stage) as address, pytest.MonkeyPatch.context() as patch:
        patch.setitem(ENVIRONMENT, "SEGMIND_API_KEY", DEFAULT_KEY)
        run(re.sub(r"http://127.0.0.1:\d+", address, command))
    assert (ROOT / "build" / "contract" / "junit.xml").exists()
    assert (ROOT / "build" / "contract" / "html" / "index.html").exists()


def run_with_a_saved_page(command: str) -> None:
    """With a copy of the contract; a page can be checked once its model has been drafted."""
    with tempfile.TemporaryDirectory() as folder:
        contract = Path(folder) / "segmind.yaml"
        shutil.copy(ROOT / "openapi" / "segmind.yaml", contract)
        page = ROOT / "tests" / "pages" / "saved" / "paper-press.txt"
        command = command.replace(".venv/bin/python", sys.executable).replace("paper-press.txt", f"{page}")
        for step in ("draft", "check") if " check " in command else ("draft",):
            run(f"{command.replace(' check ', f' {step} ')} --contract {contract}")


OTHERWISE: dict[str, Callable[[str], None]] = {
    "make contract-": run_dry,
    "make defects": run_dry,
    "make mutants": run_dry,
    "make languages": run_dry,
    "st run": run_against_a_double,
    "make setup": run_dry,
    "make test": run_dry,
    "make generate": run_dry,
    "pip install": resolve_only,
    ".venv/bin/python scripts/pages.py": run_with_a_saved_page,
    "segmind ": run_in_an_empty_folder,
    "segmind-mock": serve_until_interrupted,
}
"""Commands that are not simply run, by how they begin; the longest beginning counts."""

COMMANDS = [(place, command) for place, block in blocks("sh") for command in block.splitlines() if command]


@pytest.mark.parametrize("command", [pytest.param(command, id=f"{place} {command}") for place, command in COMMANDS])
def test_a_command_works_as_it_is_written(command: str) -> None:
    beginning = next((it for it in OTHERWISE if command.startswith(it)), None)
    (OTHERWISE[beginning] if beginning else run)(command)


@pytest.mark.parametrize("program", [pytest.param(program, id=place) for place, program in blocks("python")])
def test_a_program_runs_as_it_is_written(program: str, address: str, tmp_path: Path) -> None:
    service = {"SEGMIND_API_KEY": DEFAULT_KEY, "SEGMIND_BASE_URL": address}
    path = tmp_path / "test_program.py"
    path.write_text(program, encoding="utf-8")
    how = ["-m", "pytest", "-q"] if program.startswith("# run with pytest") else []
    finished = subprocess.run(
        [sys.executable, *how, path],
        cwd=tmp_path,
        env={**ENVIRONMENT, **service},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_the_programs_pass_a_strict_type_checker_as_a_users_own_code(tmp_path: Path) -> None:
    for place, program in blocks("python"):
        name = re.sub(r"\W", "_", place)
        # Empty lines before it, so that mypy names the line of the document.
        lines_before = "\n" * (int(place.rpartition(":")[2]) - 1)
        (tmp_path / f"{name}.py").write_text(lines_before + program, encoding="utf-8")
    programs = [path.name for path in tmp_path.glob("*.py")]
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", "cache", *programs]
    finished = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr


SAVING = [pytest.param(program, id=place) for place, program in blocks("python") if ".save(" in program]


@pytest.mark.parametrize("settings", [Settings(), Settings(image_format="jpeg")], ids=["PNG", "JPEG"])
@pytest.mark.parametrize("program", SAVING)
def test_a_program_that_saves_images_runs_twice_whatever_their_format(
    program: str, settings: Settings, address: str, tmp_path: Path
) -> None:
    for _ in range(2):
        test_a_program_runs_as_it_is_written(program, address, tmp_path)
    saved = {path.suffix for path in tmp_path.iterdir()} - {".py"}
    assert saved == {".jpg" if settings.image_format == "jpeg" else ".png"}


def test_the_documents_have_commands_and_programs() -> None:
    assert {"make demo", "make test"} <= {command for _, command in COMMANDS}
    assert len(list(blocks("python"))) >= 3


def test_the_paths_that_documents_link_to_exist() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document}: {target}"


def test_ci_calls_the_readmes_test_command_and_nothing_else() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if "make" in line or "pytest" in line] == ["exec make test"]
