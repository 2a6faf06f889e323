"""Models that a test adds to a copy of the contract."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conftest import ROOT


def add_model(document: Any, slug: str, name: str, schema: dict[str, Any], example: dict[str, Any]) -> None:
    """Adds `/v1/slug` and `/v2/slug`, with the operations `generateName` and `submitName`, to the contract."""
    components = document["components"]
    components["schemas"][f"{name}Request"] = {"type": "object", "additionalProperties": True, **schema}
    components["requestBodies"][name] = {
        "description": "The parameters of a made-up model.",
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": f"#/components/schemas/{name}Request"},
                "examples": {"least": {"summary": "What is required", "value": example}},
            }
        },
    }
    for version, role in (("v1", "generate"), ("v2", "submit")):
        sibling = next(path for path in document["paths"] if path.startswith(f"/{version}/"))
        document["paths"][f"/{version}/{slug}"] = {
            "post": {
                **document["paths"][sibling]["post"],
                "operationId": f"{role}{name}",
                "requestBody": {"$ref": f"#/components/requestBodies/{name}"},
            }
        }


def generate(document: Any, folder: Path) -> Path:
    """What scripts/generate.py makes of a contract."""
    changed, generated = folder / "segmind.yaml", folder / "generated"
    # JSON is YAML.
    changed.write_text(json.dumps(document), encoding="utf-8")
    run = subprocess.run(
        [sys.executable, ROOT / "scripts" / "generate.py", "--contract", changed, "--output", generated],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return generated
