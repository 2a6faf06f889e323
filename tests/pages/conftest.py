"""What the tests of pages share: saved pages, what they say, and a contract with all their models."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ruamel.yaml import YAML

from generator.contract import Contract, load_contract
from tests.conftest import ROOT

HERE = Path(__file__).resolve().parent
SAVED = HERE / "saved"
YAML_READER: Any = YAML(typ="safe", pure=True)
FACTS: dict[str, dict[str, Any]] = YAML_READER.load((HERE / "facts.yaml").read_text(encoding="utf-8"))
"""What each page says, by slug."""


def text_of(slug: str) -> str:
    return (SAVED / f"{slug}.txt").read_text(encoding="utf-8")


def run_pages(command: str, *pages: Path, contract: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "pages.py", command, "--contract", contract, *pages],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1"},
        check=False,
    )


class Drafted(NamedTuple):
    path: Path
    """A copy of the contract with the models of all saved pages."""
    unsure: str
    """What the draft was not sure of."""

    @property
    def contract(self) -> Contract:
        return load_contract(self.path)


@pytest.fixture(scope="session")
def drafted(tmp_path_factory: pytest.TempPathFactory) -> Drafted:
    path = tmp_path_factory.mktemp("drafted") / "segmind.yaml"
    shutil.copy(ROOT / "openapi" / "segmind.yaml", path)
    run = run_pages("draft", *sorted(SAVED.glob("*.txt")), contract=path)
    assert run.returncode == 0, run.stderr
    return Drafted(path, run.stderr)


@pytest.fixture(scope="session")
def with_pages(drafted: Drafted) -> Contract:
    """The contract with the models of all saved pages."""
    return drafted.contract
