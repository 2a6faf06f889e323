"""scripts/demo.py: against the double, and the way it asks before it spends money."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from segmind_api.catalog import MODELS
from segmind_mock import DEFAULT_KEY, Double, Settings
from tests.conftest import ROOT


def demo(*arguments: str, typed: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SEGMIND_")}
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "demo.py", *arguments],
        env={**kept, **environment},
        input=typed,
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_makes_an_image_with_each_model_through_both_routes_without_a_key(tmp_path: Path) -> None:
    run = demo("--output", str(tmp_path))
    assert run.returncode == 0, run.stdout
    rows = [re.split(r"\s{2,}", row, maxsplit=5) for row in run.stdout.splitlines()]
    assert rows[0] == ["model", "route", "status", "time", "cost", "file"]
    assert [(row[0], row[1], row[2]) for row in rows[1:]] == [
        (slug, *route) for slug in MODELS for route in (("v1", "200"), ("v2", "COMPLETED"))
    ]
    for slug, _, _, _, cost, file in rows[1:]:
        assert cost == f"${MODELS[slug].price_usd:.2f}"
        with Image.open(file) as image:
            image.verify()
    assert {Path(row[5]) for row in rows[1:]} == set(tmp_path.iterdir())


@pytest.fixture
def settings() -> Settings:
    return Settings()


@pytest.fixture
def live(address: str) -> dict[str, str]:
    """The environment of a live run, which leads to the double."""
    return {"SEGMIND_API_KEY": DEFAULT_KEY, "SEGMIND_BASE_URL": address}


@pytest.mark.parametrize("typed", ["", "no\n", "y\n"])
def test_a_live_run_says_what_it_costs_and_sends_nothing_without_a_yes(
    tmp_path: Path, double: Double, live: dict[str, str], typed: str
) -> None:
    run = demo("--live", "--output", str(tmp_path), typed=typed, **live)
    assert run.returncode == 1
    assert "8 images, at the contract's prices 0.40 US dollars" in run.stdout
    assert "Nothing was sent." in run.stdout
    assert double.account().credits == 100


def test_a_live_run_with_a_yes_costs_what_it_said(tmp_path: Path, double: Double, live: dict[str, str]) -> None:
    run = demo("--live", "--output", str(tmp_path), typed="yes\n", **live)
    assert run.returncode == 0, run.stdout
    assert double.account().credits == 99.6
    assert DEFAULT_KEY not in run.stdout + run.stderr


def test_a_live_run_without_a_key_says_what_is_missing(tmp_path: Path) -> None:
    run = demo("--live", "--output", str(tmp_path))
    assert (run.returncode, run.stderr) == (1, "--live needs a key: set SEGMIND_API_KEY. Nothing was sent.\n")


def test_a_call_that_fails_is_a_row_and_the_others_go_on(tmp_path: Path, double: Double, live: dict[str, str]) -> None:
    double.open_account(credits=0.05)
    run = demo("--live", "--output", str(tmp_path), typed="yes\n", **live)
    assert run.returncode == 1
    assert run.stdout.count("the balance is below the price") == 6
    assert run.stdout.count(".png") == 2
