"""generated/models.md: each model's price, latency and parameters, for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from generator.contract import Contract
from generator.models_table import write_models_table
from generator.views import Views
from segmind_api.catalog import MODELS


@pytest.fixture
def lines(contract: Contract, tmp_path: Path) -> list[str]:
    return written(contract, tmp_path)


def written(contract: Contract, folder: Path) -> list[str]:
    path = folder / "models.md"
    write_models_table(Views(contract), path)
    return path.read_text(encoding="utf-8").splitlines()


def section(lines: list[str], slug: str) -> list[str]:
    """The lines below the heading of a model, up to the next one."""
    start = lines.index(f"## {slug}") + 1
    ends = (index for index, line in enumerate(lines) if index > start and line.startswith("## "))
    return lines[start : next(ends, len(lines))]


@pytest.mark.parametrize("slug", MODELS)
def test_a_model_has_its_price_and_its_typical_latency_with_their_sources(lines: list[str], slug: str) -> None:
    (row,) = (line for line in lines if line.startswith(f"| [`{slug}`]"))
    price, latency = row.split("|")[3:5]
    assert (float(price.split("(")[0]), float(latency.split("(")[0])) == (
        MODELS[slug].price_usd,
        MODELS[slug].typical_latency_seconds,
    )
    assert price.split("(")[1].strip() in {"page)", "inferred)"}


@pytest.mark.parametrize("slug", MODELS)
def test_a_model_has_a_row_for_each_of_its_parameters(lines: list[str], slug: str) -> None:
    rows = [line for line in section(lines, slug) if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == list(MODELS[slug].request.names())


@pytest.mark.parametrize(
    "row",
    [
        "| `prompt` | a string that is not empty | required | What the image should show. ",
        "| `width` | an integer from 256 to 1024 | `512` | Width of the image, in pixels. |",
        "| `negative_prompt` | a string |  | What the image should not show. |",
    ],
    ids=["required", "with a default", "neither"],
)
def test_a_row_says_what_a_parameter_may_be_its_default_and_its_meaning(lines: list[str], row: str) -> None:
    assert any(line.startswith(row) for line in section(lines, "imagen-4-fast"))


def test_a_description_with_line_breaks_and_bars_stays_one_cell(document: Any, tmp_path: Path) -> None:
    document["components"]["schemas"]["NegativePrompt"]["description"] = "Either|or,\nor neither.\n"
    row = "| `negative_prompt` | a string |  | Either\\|or, or neither. |"
    assert row in section(written(Contract(document), tmp_path), "imagen-4-fast")
