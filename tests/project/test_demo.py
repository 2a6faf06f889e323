"""scripts/demo.py: against the double, and the way it asks before it spends money."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from demo import GAP, LABEL, TILE, contact_sheet
from segmind_api.catalog import MODELS
from segmind_mock import DEFAULT_KEY, Double, Settings
from tests.conftest import ROOT
from tests.support.models import add_model, generate

PROMPT = {"$ref": "#/components/schemas/Prompt"}


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
    assert (run.returncode, run.stderr) == (0, ""), run.stdout
    rows = [re.split(r"\s{2,}", row, maxsplit=5) for row in run.stdout.splitlines()]
    assert rows[0] == ["model", "route", "status", "time", "cost", "file"]
    assert [(row[0], row[1], row[2]) for row in rows[1:-1]] == [
        (slug, *route) for slug in MODELS for route in (("v1", "200"), ("v2", "COMPLETED"))
    ]
    for slug, route, _, _, cost, file in rows[1:-1]:
        assert cost == f"${MODELS[slug].price_usd:.2f}"
        assert file == str(tmp_path / f"{slug}-{route}.png")
        with Image.open(file) as image:
            image.verify()
    sheet = tmp_path / "contact-sheet.png"
    assert rows[-1] == [f"All of them in one picture: {sheet}"]
    assert {sheet, *(Path(row[5]) for row in rows[1:-1])} == set(tmp_path.iterdir())


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
    assert "8 calls, at the contract's prices 0.40 US dollars" in run.stdout
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
    assert len(list(tmp_path.glob("*-v?.png"))) == 2
    assert (tmp_path / "contact-sheet.png").exists()


def test_a_model_that_makes_a_video_and_requires_more_than_a_prompt_is_called_with_the_contracts_example(
    tmp_path: Path, document: Any
) -> None:
    properties = {"prompt": PROMPT, "still": {"description": "Its first picture.", "type": "string", "format": "uri"}}
    schema = {
        "description": "Parameters of a made-up model.",
        "x-output": "video",
        "required": ["prompt", "still"],
        "properties": properties,
    }
    add_model(document, "film-1.5", "Film15", schema, {"prompt": "x", "still": "https://images.example/a.png"})
    generated = generate(document, tmp_path)
    run = demo("--output", str(tmp_path / "made"), PYTHONPATH=str(generated))
    assert (run.returncode, run.stderr) == (0, ""), run.stdout
    for route in ("v1", "v2"):
        assert (tmp_path / "made" / f"film-1.5-{route}.mp4").read_bytes()[4:8] == b"ftyp"


def test_the_sheet_shows_images_and_the_format_of_other_files_each_above_its_name(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.png", "b.mp4")]
    Image.new("RGB", (500, 250), "red").save(paths[0])
    paths[1].write_bytes(b"no image")
    sheet = contact_sheet(paths)
    tiles = [sheet.crop((left, GAP, left + TILE, GAP + TILE)) for left in (GAP, 2 * GAP + TILE)]
    names = [sheet.crop((left, GAP + TILE + 1, left + TILE, sheet.height)) for left in (GAP, 2 * GAP + TILE)]
    dark = (0, 0, 0)
    assert tiles[0].getpixel((TILE // 2, TILE // 2)) == (255, 0, 0)
    assert [dark in colours_of(tile) for tile in tiles] == [False, True]
    assert [dark in colours_of(name) for name in names] == [True, True]


@pytest.mark.parametrize(("count", "rows"), [(1, 1), (4, 1), (5, 2), (9, 3)])
def test_the_sheet_has_rows_of_four(tmp_path: Path, count: int, rows: int) -> None:
    path = tmp_path / "a.txt"
    path.write_text("once", encoding="utf-8")
    assert contact_sheet([path] * count).size == (4 * (TILE + GAP) + GAP, rows * (TILE + LABEL + GAP) + GAP)


def colours_of(image: Image.Image) -> set[object]:
    return {colour for _, colour in image.getcolors(image.width * image.height) or ()}
