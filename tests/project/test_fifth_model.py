"""A new model takes one edit of the contract: everything else follows, and no line of `src/` is touched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from generator.contract import Contract
from tests.conftest import ROOT

SLUG = "made-up-5"
REQUEST_SCHEMA = {
    "description": "Parameters of a made-up model.",
    "type": "object",
    "additionalProperties": True,
    "x-price-usd": {"value": 0.5, "source": "inferred"},
    "x-typical-latency-seconds": {"value": 3, "source": "inferred"},
    "required": ["prompt"],
    "properties": {
        "prompt": {"$ref": "#/components/schemas/Prompt"},
        "sparkle": {"description": "How much it sparkles.", "type": "integer", "minimum": 1, "maximum": 9},
        "mood": {"description": "Mood.", "type": "string", "enum": ["calm", "wild"], "default": "calm"},
    },
}

RIGHT = """\
from segmind_client import Client, SegmindError
from segmind_mock import DEFAULT_KEY, Double, serve

with serve(Double().app) as address, Client(DEFAULT_KEY, base_url=address) as client:
    result = client.run("made-up-5", prompt="x", sparkle=9, mood="wild")
    print(result.status, result.metrics.cost, client.generate("made-up-5", prompt="x").headers.cost)
    try:
        client.run_model("made-up-5", {"prompt": "x", "sparkle": 10})
    except SegmindError as error:
        print(error)
    print(client.credits().credits)
"""
WRONG = """\
from segmind_client import Client

client = Client("key")
client.run("made-up-5", prompt="x", sparkle="9")
client.run("made-up-5", prompt="x", mood="grim")
client.run("made-up-5", sparkle=9)
client.run("made-up-6", prompt="x")
"""


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory, contract: Contract) -> Path:
    """What scripts/generate.py makes of a copy of the contract with a fifth model in it."""
    folder = tmp_path_factory.mktemp("fifth")
    document = json.loads(json.dumps(contract.document))
    template = document["paths"]["/v2/imagen-4"]["post"]
    document["components"]["schemas"]["MadeUp5Request"] = REQUEST_SCHEMA
    document["components"]["requestBodies"]["MadeUp5"] = {
        "description": "The parameters of a made-up model.",
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/MadeUp5Request"},
                "examples": {"least": {"summary": "Nothing but a prompt", "value": {"prompt": "x"}}},
            }
        },
    }
    for version, role, operation_id in (("v1", "generate", "generateMadeUp5"), ("v2", "submit", "submitMadeUp5")):
        document["paths"][f"/{version}/{SLUG}"] = {
            "post": {
                **template,
                "operationId": operation_id,
                "x-role": role,
                "requestBody": {"$ref": "#/components/requestBodies/MadeUp5"},
                "responses": document["paths"][f"/{version}/imagen-4"]["post"]["responses"],
            }
        }
    changed = folder / "segmind.yaml"
    # JSON is YAML.
    changed.write_text(json.dumps(document), encoding="utf-8")
    run = subprocess.run(
        [sys.executable, ROOT / "scripts" / "generate.py", "--contract", changed, "--output", folder / "generated"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return folder / "generated"


def test_it_is_called_by_slug_through_the_client_against_the_double(generated: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", RIGHT],
        env={**os.environ, "PYTHONPATH": str(generated)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [
        "COMPLETED 0.5 0.5",
        "MadeUp5Request.sparkle: expected an integer from 1 to 9, got 10",
        "99.0",
    ]


@pytest.mark.parametrize(("program", "lines"), [(RIGHT, []), (WRONG, [4, 5, 6, 7])], ids=["right", "wrong"])
def test_its_calls_are_checked_by_type(generated: Path, tmp_path: Path, program: str, lines: list[int]) -> None:
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", os.devnull, "--cache-dir", tmp_path, "program.py"],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": f"{generated}{os.pathsep}{ROOT / 'src'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = [line for line in run.stdout.splitlines() if ": error:" in line]
    assert [int(line.split(":")[1]) for line in found] == lines, run.stdout


def test_no_file_in_src_names_a_model(document: Any) -> None:
    posts = [path for path, item in document["paths"].items() if "requestBody" in item.get("post", {})]
    slugs = {path.rpartition("/")[2] for path in posts}
    assert slugs
    for path in (ROOT / "src").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not [slug for slug in slugs if f'"{slug}"' in text or f"'{slug}'" in text or f"/{slug}" in text], path
