"""Writes the editions of the contract that other tools take: bundled, codegen, 3.0.3."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, cast

from generator.contract import Contract, GenerationError, Node, check_openapi, is_list
from generator.views import reachable_schemas

ROOT = Path(__file__).resolve().parent.parent.parent
DOWN_CONVERTER = ROOT / "node_modules" / ".bin" / "openapi-down-convert"

PACKAGE_INIT = '''\
# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
"""Editions of the contract, as package data.

`segmind.json` is the contract itself, `segmind.codegen.json` its edition for code generators, and
`segmind.codegen-3.0.3.json` the same for tools that stop at OpenAPI 3.0. Read one with
`importlib.resources.files("segmind_openapi")`.
"""
'''


def write_editions(contract: Contract, folder: Path) -> None:
    """Writes a package of JSON files into a new folder; raises GenerationError."""
    folder.mkdir()
    (folder / "__init__.py").write_text(PACKAGE_INIT, encoding="utf-8", newline="\n")
    (folder / "py.typed").touch()
    codegen = codegen_edition(contract)
    check_openapi(codegen, version="3.1")
    write_json(contract.document, folder / "segmind.json")
    write_json(codegen, folder / "segmind.codegen.json")
    down_converted = down_convert(folder / "segmind.codegen.json")
    check_openapi(down_converted, version="3.0")
    write_json(down_converted, folder / "segmind.codegen-3.0.3.json")


def write_json(document: Node, path: Path) -> None:
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")


def codegen_edition(contract: Contract) -> Node:
    """The contract for generators that send defaults nobody set and break on values nobody listed.

    Defaults move into descriptions. Schemas of answers take any value where the contract lists the
    known ones, and those of errors require nothing.
    """
    document = cast(dict[str, Any], json.loads(json.dumps(contract.document)))
    schemas = document["components"]["schemas"]
    answers = reachable_schemas(contract, document["components"]["responses"])
    results = reachable_schemas(
        contract,
        [
            contract.resolve(response, status)[0]
            for _, _, operation in contract.operations()
            for status, response in operation["responses"].items()
            if status.startswith("2")
        ],
    )
    for name, schema in schemas.items():
        describe_defaults(contract, schema)
        if name in answers:
            open_values(schema)
        if name in answers - results:
            schema.pop("required", None)
    return document


def describe_defaults(contract: Contract, schema: dict[str, Any]) -> None:
    for property_schema in (schema, *schema.get("properties", {}).values()):
        if "default" in property_schema:
            # What is written beside a $ref hides the description behind it.
            property_schema.setdefault("description", contract.resolve(property_schema, "")[0].get("description", ""))
            default = json.dumps(property_schema.pop("default"), ensure_ascii=False)
            add_to_description(property_schema, f"The service's default: {default}.")


def open_values(schema: dict[str, Any]) -> None:
    schema.pop("propertyNames", None)
    for property_schema in (schema, *schema.get("properties", {}).values()):
        known = property_schema.pop("enum", None) or [property_schema.pop("const", None)]
        if known != [None]:
            add_to_description(property_schema, f"Known values: {', '.join(map(str, known))}.")
        kind = property_schema.get("type")
        if kind == "null":
            property_schema["type"] = ["string", "null"]
        elif is_list(kind):
            # A union of primitives has no counterpart in 3.0 and breaks several targets.
            del property_schema["type"]


def add_to_description(schema: dict[str, Any], sentence: str) -> None:
    schema["description"] = f"{schema.get('description', '').strip()} {sentence}".strip()


def down_convert(path: Path) -> Node:
    if shutil.which("node") is None or not DOWN_CONVERTER.exists():
        raise GenerationError(
            "the 3.0.3 edition",
            "needs Node.js 20.19 or later and `npm ci`, which installs the down-converter",
        )
    command = [str(DOWN_CONVERTER), "--allOf", "--input", str(path)]
    run = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False)
    if run.returncode != 0:
        raise GenerationError("the 3.0.3 edition", f"openapi-down-convert failed: {run.stderr.strip()}")
    return cast(Node, json.loads(run.stdout))
