"""What type checkers make of the generated signatures: the right calls pass, the wrong ones do not."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segmind_client import Client
from tests.conftest import ROOT

CALLS = Path(__file__).with_name("typed_calls.py")
FIRST_PARTY = [str(ROOT / "generated"), str(ROOT / "src")]


def mypy_errors(path: Path, folder: Path) -> set[int]:
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", folder, path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode in {0, 1}, run.stderr
    return {int(line) for line in re.findall(rf"{path.name}:(\d+): error:", run.stdout)}


def pyright_errors(path: Path, folder: Path) -> set[int]:
    return {item["range"]["start"]["line"] + 1 for item in pyright_found(path, folder)}


def pyright_messages(path: Path, folder: Path) -> list[str]:
    return [item["message"] for item in pyright_found(path, folder)]


def pyright_found(path: Path, folder: Path) -> list[Any]:
    settings = {"include": [path.name], "extraPaths": FIRST_PARTY, "typeCheckingMode": "strict"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    run = subprocess.run(
        [
            ROOT / "node_modules" / ".bin" / "pyright",
            "--outputjson",
            "--pythonpath",
            sys.executable,
            "--project",
            folder,
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(run.stdout)["generalDiagnostics"]
    return [item for item in found if item["severity"] == "error"]


@pytest.mark.parametrize("errors_in", [mypy_errors, pyright_errors])
def test_a_type_checker_rejects_the_wrong_calls_and_passes_the_right_ones(
    errors_in: Callable[[Path, Path], set[int]], tmp_path: Path
) -> None:
    lines = CALLS.read_text(encoding="utf-8").splitlines()
    rejected = {number for number, line in enumerate(lines, start=1) if line.endswith("# rejected")}
    assert len(rejected) > 20
    assert errors_in(Path(shutil.copy(CALLS, tmp_path)), tmp_path) == rejected


def test_the_error_about_a_wrong_parameter_names_the_model_that_was_called(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    lines = ["from segmind_client import Client", 'Client("key").run("imagen-4", prompt="x", width=512)']
    program.write_text("\n".join(lines), encoding="utf-8")
    (message,) = [it for it in pyright_messages(program, tmp_path) if "width" in it]
    assert '"NoImagen4Parameters"' in message


def test_the_documentation_of_a_call_lists_the_parameters_of_each_model() -> None:
    documentation = str(Client.run.__doc__)
    assert "    aspect_ratio = '4:3': one of '1:1', '4:3', '3:4', '9:16', '16:9'\n" in documentation
    assert "    prompt: a string that is not empty, required\n" in documentation
    assert (
        "imagen-4-ultra: Makes an image, for 0.06 US dollars (inferred), usually in 12.07 seconds (page)"
        in documentation
    )
