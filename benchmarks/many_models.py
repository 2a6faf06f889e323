"""What a contract with many models costs: to generate, to import, to call, and to check the types of.

benchmarks/many_models.py [--models 200]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
RUNS = 5

IMPORT = "import segmind_client; segmind_client.Client"
FIRST_CALL = """\
import httpx
from segmind_client import Client, SegmindError
transport = httpx.MockTransport(lambda _: httpx.Response(401, json={"error": "no"}))
try:
    Client("key", transport=transport).run("imagen-4", prompt="x")
except SegmindError:
    pass
"""
CALLS = """\
from segmind_client import Client

client = Client("key")
client.run("imagen-4", prompt="x", aspect_ratio="4:3")
client.run("imagen", prompt="x", person_generation="DONT_ALLOW")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure contracts with few and with many models.")
    parser.add_argument("--models", type=int, default=200)
    options = parser.parse_args()
    yaml: Any = YAML(typ="safe", pure=True)
    shipped = yaml.load((ROOT / "openapi" / "segmind.yaml").read_text(encoding="utf-8"))
    print(f"{'models':>6}  {'generate':>9}  {'import':>9}  {'first call':>10}  {'pyright':>9}")
    with tempfile.TemporaryDirectory() as name:
        for count in (len(slugs(shipped)), options.models):
            folder = Path(name) / str(count)
            folder.mkdir()
            contract = folder / "segmind.yaml"
            # JSON is YAML.
            contract.write_text(json.dumps(with_models(shipped, count)), encoding="utf-8")
            generate = [str(ROOT / "scripts" / "generate.py"), "--contract", str(contract)]
            took = [seconds([sys.executable, *generate, "--output", str(folder / "generated")])]
            environment = {"PYTHONPATH": os.pathsep.join((str(folder / "generated"), str(ROOT / "src")))}
            for program in (IMPORT, FIRST_CALL):
                # Once without measuring, which compiles it.
                runs = [seconds([sys.executable, "-c", program], **environment) for _ in range(RUNS + 1)]
                took.append(min(runs[1:]))
            took.append(pyright_seconds(folder))
            print(f"{count:>6}  {took[0]:>7.2f} s  {took[1]:>7.3f} s  {took[2]:>8.3f} s  {took[3]:>7.1f} s", flush=True)


def slugs(document: Any) -> list[str]:
    return [path.rpartition("/")[2] for path in document["paths"] if path.startswith("/v2/") and "{" not in path]


def with_models(document: Any, count: int) -> Any:
    """The contract with copies of its models, up to a number of models."""
    made = json.loads(json.dumps(document))
    known = slugs(document)
    for number in range(count - len(known)):
        slug = known[number % len(known)]
        for version in ("v1", "v2"):
            operation = json.loads(json.dumps(made["paths"][f"/{version}/{slug}"]["post"]))
            operation["operationId"] += f"Copy{number}"
            body = operation["requestBody"]["$ref"].rpartition("/")[2]
            copy = f"{body}Copy{number}"
            operation["requestBody"] = {"$ref": f"#/components/requestBodies/{copy}"}
            made["paths"][f"/{version}/{slug}-copy-{number}"] = {"post": operation}
            schemas, bodies = made["components"]["schemas"], made["components"]["requestBodies"]
            schemas[f"{copy}Request"] = schemas[f"{body}Request"]
            reference = {"$ref": f"#/components/schemas/{copy}Request"}
            bodies[copy] = {**bodies[body], "content": {"application/json": {"schema": reference}}}
    return made


def seconds(command: list[str], **environment: str) -> float:
    """CPU seconds of a command and what it starts."""
    before = os.times()
    subprocess.run(command, env={**os.environ, **environment}, check=True, capture_output=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def pyright_seconds(folder: Path) -> float:
    (folder / "program.py").write_text(CALLS, encoding="utf-8")
    paths = [str(folder / "generated"), str(ROOT / "src")]
    settings = {"include": ["program.py"], "extraPaths": paths, "typeCheckingMode": "strict"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    began = time.monotonic()
    command = [str(ROOT / "node_modules" / ".bin" / "pyright"), "--pythonpath", sys.executable, "-p", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return time.monotonic() - began


if __name__ == "__main__":
    main()
