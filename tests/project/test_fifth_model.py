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
from tests.support.models import add_model, generate

SLUG = "Flux-1.1.5"
SCHEMAS: dict[str, Any] = {
    "Shot": {
        "description": "One part of the video.",
        "type": "object",
        "required": ["prompt"],
        "properties": {
            "prompt": {"$ref": "#/components/schemas/Prompt"},
            "duration": {"description": "Seconds.", "type": "integer", "minimum": 0, "maximum": 9},
        },
    },
    "Flux115Request": {
        "description": "Parameters of a made-up model.",
        "type": "object",
        "additionalProperties": True,
        "x-output": "video",
        "x-price-usd": {"from": 0.25, "to": 0.5, "source": "inferred"},
        "required": ["prompt"],
        "properties": {
            "prompt": {"$ref": "#/components/schemas/Prompt"},
            "class": {"description": "Kind of film.", "type": "string", "enum": ["calm", "wild"], "default": "calm"},
            "2d": {"description": "Whether it is flat.", "type": "boolean"},
            "image_urls": {
                "description": "Pictures to begin with.",
                "type": "array",
                "items": {"type": "string", "format": "uri"},
                "maxItems": 2,
            },
            "last_image": {
                "description": "The picture to end with.",
                "type": "string",
                "format": "uri",
                "x-file": {"value": "data-url", "source": "inferred"},
            },
            "multi_prompt": {
                "description": "The parts.",
                "type": "array",
                "items": {"$ref": "#/components/schemas/Shot"},
            },
            "fps": {"description": "Pictures a second.", "type": ["integer", "null"], "enum": [24, 30, None]},
        },
    },
}

RIGHT = """\
import json

from segmind_api.catalog import MODELS
from segmind_api.models import Shot
from segmind_client import Client, SegmindClient, SegmindError
from segmind_mock import DEFAULT_KEY, Double, serve

double = Double()
with serve(double.app) as address, Client(DEFAULT_KEY, base_url=address) as client:
    result = client.run(
        "Flux-1.1.5",
        prompt="x",
        class_="wild",
        p_2d=True,
        image_urls=["https://images.example/a.png"],
        last_image=b"GIF89a",
        multi_prompt=[Shot(prompt="y"), {"prompt": "z", "duration": 0}],
        fps=None,
    )
    print(result.status, result.metrics.cost, client.generate("Flux-1.1.5", prompt="x").headers.cost)
    print(json.loads(double.requests()[0].body))
    shots = [{"prompt": "y"}, {"prompt": "z", "duration": -1}]
    for parameters in ({"class": "grim"}, {"image_urls": ["x"]}, {"multi_prompt": shots}):
        try:
            client.run_model("Flux-1.1.5", {"prompt": "x", **parameters})
        except SegmindError as error:
            print(error)
    print(client.credits().credits)
with serve(double.app) as address, SegmindClient(DEFAULT_KEY, base_url=address) as vendors:
    vendors.run("Flux-1.1.5", prompt="x", class_="wild")
    print(json.loads(double.requests(operation_id="submitFlux115")[-1].body))
model = MODELS["Flux-1.1.5"]
print(model.output, model.price_usd, model.price_range_usd, model.typical_latency_seconds)
"""
WRONG = """\
from segmind_client import Client

client = Client("key")
client.run("Flux-1.1.5", prompt="x", p_2d="9")
client.run("Flux-1.1.5", prompt="x", class_="grim")
client.run("Flux-1.1.5", p_2d=True)
client.run("Flux-1.1.6", prompt="x")
client.run("Flux-1.1.5", prompt="x", image_urls=[1])
client.run("Flux-1.1.5", prompt="x", multi_prompt=[{"prompt": "y", "duration": "3"}])
client.run("Flux-1.1.5", prompt="x", fps=25)
client.run("Flux-1.1.5", prompt="x", width=512)
client.run("Flux-1.1.5", prompt="x", last_image=5)
"""


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory, contract: Contract) -> Path:
    """What scripts/generate.py makes of a copy of the contract with a fifth model in it."""
    folder = tmp_path_factory.mktemp("fifth")
    document = json.loads(json.dumps(contract.document))
    document["components"]["schemas"]["Shot"] = SCHEMAS["Shot"]
    add_model(document, SLUG, "Flux115", SCHEMAS["Flux115Request"], {"prompt": "x"})
    return generate(document, folder)


def test_a_fifth_model_is_called_by_slug_through_the_client_against_the_double(generated: Path) -> None:
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
        str(
            {
                "prompt": "x",
                "class": "wild",
                "2d": True,
                "image_urls": ["https://images.example/a.png"],
                "last_image": "data:image/gif;base64,R0lGODlh",
                "multi_prompt": [{"prompt": "y"}, {"prompt": "z", "duration": 0}],
                "fps": None,
            }
        ),
        "Flux115Request.class_: expected one of 'calm', 'wild', got 'grim'",
        "Flux115Request.image_urls[0]: expected a string that is a URI, got 'x'",
        "Flux115Request.multi_prompt[1].duration: expected an integer from 0 to 9, got -1",
        "99.0",
        "{'prompt': 'x', 'class': 'wild'}",
        "video 0.5 (0.25, 0.5) None",
    ]


@pytest.mark.parametrize(
    ("program", "lines"), [(RIGHT, []), (WRONG, [4, 5, 6, 7, 8, 9, 10, 11, 12])], ids=["right", "wrong"]
)
def test_the_calls_of_a_fifth_model_are_checked_by_type(
    generated: Path, tmp_path: Path, program: str, lines: list[int]
) -> None:
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
