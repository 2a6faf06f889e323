"""The wheel, installed alone into an empty environment."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from segmind_mock import DEFAULT_KEY, Settings
from tests.conftest import ROOT

MOST_PACKAGES = 12
"""Of the client alone, pip not counted."""

PROGRAM = """\
import json, sys
from importlib.metadata import distribution
from importlib.resources import files
from segmind_client import Client
contract = json.loads((files("segmind_openapi") / "segmind.json").read_text())
yaml = (files("segmind_openapi") / "segmind.yaml").read_text()
with Client(sys.argv[1], base_url=sys.argv[2]) as client:
    result = client.run("imagen-4", prompt="x")
print(json.dumps([result.status, contract["info"]["title"], yaml[:14], distribution("segmind-openapi").version]))
"""


@pytest.fixture
def settings() -> Settings:
    return Settings()


def run(*command: str | Path, cwd: Path | None = None, umask: int = -1) -> str:
    finished = subprocess.run(command, cwd=cwd, umask=umask, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


def test_the_packages_are_the_same_from_another_folder_and_with_another_umask(wheel: Path, tmp_path: Path) -> None:
    source = tmp_path / "another folder"
    source.mkdir()
    for name in (".gitignore", "CHANGELOG.md", "LICENSE", "README.md", "generated", "openapi", "pyproject.toml", "src"):
        run("cp", "--recursive", "--no-preserve=all", "--parents", name, source, cwd=ROOT, umask=0o077)
    build = (sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp_path / "dist")
    run(*build, source, umask=0o077)
    for package in (wheel, *wheel.parent.glob("*.tar.gz")):
        assert (tmp_path / "dist" / package.name).read_bytes() == package.read_bytes(), package.name


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds the wheel and what it needs, nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    interpreter = folder / "bin" / "python"
    locked = (ROOT / "requirements" / "demo.txt").read_text(encoding="utf-8")
    (folder / "constraints.txt").write_text("\n".join(re.findall(r"^[\w-]+==[\w.]+", locked, re.MULTILINE)))
    run(interpreter, "-m", "pip", "install", "--quiet", "--constraint", folder / "constraints.txt", wheel)
    return interpreter


def test_a_wheel_imports_runs_against_the_double_and_carries_the_contract(
    python: Path, tmp_path: Path, address: str
) -> None:
    printed = run(python, "-c", PROGRAM, DEFAULT_KEY, address, cwd=tmp_path)
    assert json.loads(printed) == ["COMPLETED", "Segmind image API", "openapi: 3.1.0", "0.1.0"]


def test_the_client_alone_installs_little_and_no_server(python: Path) -> None:
    installed = {package["name"] for package in json.loads(run(python, "-m", "pip", "list", "--format", "json"))}
    assert {"httpx", "attrs", "python-dateutil"} <= installed
    assert not installed & {"starlette", "uvicorn", "orjson", "jsonschema-rs"}
    assert len(installed - {"pip", "setuptools"}) <= MOST_PACKAGES, installed


def test_each_package_says_that_it_is_typed(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for package in ("segmind_api", "segmind_cli", "segmind_client", "segmind_mock", "segmind_openapi"):
        assert f"{package}/py.typed" in names
    assert {name.partition("/")[0] for name in names} == {
        "segmind_api",
        "segmind_cli",
        "segmind_client",
        "segmind_mock",
        "segmind_openapi",
        "segmind_openapi-0.1.0.dist-info",
    }
