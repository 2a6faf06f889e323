"""Writes the editions of the contract that other tools take."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from generator.contract import Contract, GenerationError, Node, check_openapi, is_list, is_mapping, pointer
from generator.views import SCHEMAS, reachable_schemas
from generator.workflows import arazzo_document, vocabularies_overlay

ROOT = Path(__file__).resolve().parent.parent.parent
DOWN_CONVERTER = ROOT / "node_modules" / ".bin" / "openapi-down-convert"

PACKAGE_INIT = '''\
# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
"""Editions of the contract, as package data. Read one with `importlib.resources.files("segmind_openapi")`.

`segmind.json` is the contract itself, `segmind.codegen.json` its edition for code generators, and
`segmind.codegen-3.0.3.json` the same for tools that stop at OpenAPI 3.0. `segmind.strict-requests.json` refuses
parameters that no model has; `segmind.one-error-3.0.3.json` has one type of error. `info.x-edition` has the SHA-256 of
the contract that an edition was made from. `segmind.vocabularies.overlay.json` is an OpenAPI Overlay that says when to
poll and retry, `segmind.arazzo.json` has the calls of each model as Arazzo workflows.
"""
'''
RESERVED_NAMES = {"ErrorResponse": "ErrorBody"}
"""Schemas whose names a generated client's own runtime has, and what the edition calls them. Here: Swift's."""
WHAT_TO_KEEP = ("$ref", "type", "description", "properties", "items", "additionalProperties")
"""The keywords of a response's schema that do not make a client refuse a response; extensions stay too."""
UNAVAILABLE = (
    "The service, or a proxy before it, is unavailable. Nobody documents it; it is listed here because generated "
    "clients lose the body of a status that is not."
)
ONE_ERROR = "The call was refused, or the service broke; the status says which."
ANY_BODY = "The image, or JSON or text with its URL: tell them apart by Content-Type."


def write_editions(contract: Contract, folder: Path, *, source: bytes) -> None:
    """Writes a package of JSON files into a new folder; raises GenerationError.

    `source` is the file of the contract: each edition carries its SHA-256.
    """
    folder.mkdir()
    (folder / "__init__.py").write_text(PACKAGE_INIT, encoding="utf-8", newline="\n")
    (folder / "py.typed").touch()
    sha256 = hashlib.sha256(source).hexdigest()

    def write(name: str, document: Node, version: str) -> Path:
        check_openapi(document, version=version)
        path = folder / ".".join(filter(None, ("segmind", name, "json")))
        edition = {"name": name or "contract", "source": "segmind.yaml", "source-sha256": sha256}
        write_json({**document, "info": {**document["info"], "x-edition": edition}}, path)
        return path

    codegen = codegen_edition(contract)
    write("", contract.document, "3.1")
    path = write("codegen", codegen, "3.1")
    write("strict-requests", strict_requests_edition(codegen), "3.1")
    codegen_3_0 = down_convert(path)
    write("codegen-3.0.3", codegen_3_0, "3.0")
    write("one-error-3.0.3", one_error_edition(codegen_3_0), "3.0")
    write_json(vocabularies_overlay(contract), folder / "segmind.vocabularies.overlay.json")
    write_json(arazzo_document(contract), folder / "segmind.arazzo.json")


def write_json(document: Node, path: Path) -> None:
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")


def codegen_edition(contract: Contract) -> dict[str, Any]:
    """The contract for generators: exact about requests, lenient about responses.

    Generated code that cannot read a response loses what was paid for, and sends defaults that nobody set.
    CONTRIBUTING.md has the evidence for each change.
    """
    document = copy_of(contract.document)
    info, components = document["info"], document["components"]
    # Generators copy it into every file.
    info["description"] = first_sentence(info.get("description", ""))
    returned = reachable_schemas(contract, components["responses"])
    requests = reachable_schemas(contract, components["requestBodies"])
    needed = needed_by_links(contract)
    for name, schema in components["schemas"].items():
        describe_defaults(contract, schema)
        if name in returned:
            loosen(contract, schema, needed.get(name, set()))
        elif name in requests:
            schema.pop("additionalProperties", None)
    for schema in components["schemas"].values():
        for node in objects_in(schema):
            kind = node.get("type")
            if kind == "number" or (is_list(kind) and "number" in kind):
                # Without it Go has 32 bits, and Kotlin sends strings.
                node["format"] = "double"
    for header in components.get("headers", {}).values():
        # One that cannot be read must not cost the response that it came with.
        header |= {"required": False, "schema": {"type": "string"}}
        if "example" in header:
            header["example"] = str(header["example"])
    for response in components["responses"].values():
        # Some generators read the first type alone, and HTML is no JSON.
        response["content"] = dict(sorted(response["content"].items(), reverse=True))
        if any(media_type.startswith("image/") for media_type in response["content"]):
            response["content"] = {"*/*": {"schema": {"type": "string", "format": "binary", "description": ANY_BODY}}}
    add_unavailable(document)
    return without_unused(with_unreserved_names(document))


def first_sentence(text: str) -> str:
    return f"{' '.join(text.split()).partition('. ')[0].removesuffix('.')}."


def needed_by_links(contract: Contract) -> dict[str, set[str]]:
    """By the names of responses' schemas, the properties without which a caller cannot go on: links read them."""
    needed: dict[str, set[str]] = {}
    for response in contract.document["components"]["responses"].values():
        for link in response.get("links", {}).values():
            for expression in contract.resolve(link, "")[0].get("parameters", {}).values():
                name = str(expression).removeprefix("$response.body#/")
                for media in response["content"].values() if name != expression else ():
                    needed.setdefault(media["schema"].get("$ref", "").removeprefix(SCHEMAS), set()).add(name)
    return needed


def objects_in(node: Any) -> Iterator[dict[str, Any]]:
    if is_mapping(node):
        yield cast(dict[str, Any], node)
        for value in node.values():
            yield from objects_in(value)
    elif is_list(node):
        for item in node:
            yield from objects_in(item)


def describe_defaults(contract: Contract, schema: dict[str, Any]) -> None:
    for property_schema in (schema, *schema.get("properties", {}).values()):
        if "default" in property_schema:
            # What is written beside a $ref hides the description behind it.
            property_schema.setdefault("description", contract.resolve(property_schema, "")[0].get("description", ""))
            default = json.dumps(property_schema.pop("default"), ensure_ascii=False)
            add_to_description(property_schema, f"The service's default: {default}.")


def loosen(contract: Contract, schema: dict[str, Any], needed: set[str]) -> None:
    """Has a response's schema take any value of its type, and nothing for what is not needed to go on."""
    required = [name for name in schema.get("required", ()) if name in needed]
    for name, written in schema.get("properties", {}).items():
        resolved = copy_of(contract.resolve(written, "")[0])
        if "properties" not in resolved:
            # A $ref cannot be null.
            schema["properties"][name] = loose_value(resolved, nullable=name not in required)
    loose = loose_value(schema, nullable=False)
    schema.clear()
    schema |= loose | ({"required": required} if required else {})


def loose_value(schema: Node, *, nullable: bool) -> dict[str, Any]:
    loose = {key: value for key, value in schema.items() if key in WHAT_TO_KEEP or key.startswith("x-")}
    known = schema.get("enum") or [schema.get("const")]
    if known != [None]:
        add_to_description(loose, f"Known values: {', '.join(map(str, known))}.")
    kind = schema.get("type")
    if is_list(kind):
        # A union of primitives has no counterpart in 3.0 and breaks several targets.
        del loose["type"]
    elif kind == "null":
        loose["type"] = ["string", "null"]
    elif kind is not None and nullable:
        loose["type"] = [kind, "null"]
    return loose


def add_to_description(schema: dict[str, Any], sentence: str) -> None:
    schema["description"] = f"{schema.get('description', '').strip()} {sentence}".strip()


def add_unavailable(document: dict[str, Any]) -> None:
    """Adds 503 to each operation that has 502, with the same types of bodies."""
    components = document["components"]
    for operation in operations_of(document):
        responses = operation["responses"]
        if "502" in responses and "503" not in responses:
            gateway = Contract(document).resolve(responses["502"], "")[0]
            content = {media_type: {"schema": media["schema"]} for media_type, media in gateway["content"].items()}
            components["responses"]["Unavailable"] = {"description": UNAVAILABLE, "content": content}
            responses["503"] = {"$ref": "#/components/responses/Unavailable"}
            operation["responses"] = dict(sorted(responses.items()))


def operations_of(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in document["paths"].values():
        yield from (item[method] for method in ("get", "put", "post", "delete", "patch") if method in item)


def with_unreserved_names(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document["components"]["schemas"]
    for name, other in RESERVED_NAMES.items():
        if name in schemas:
            schemas[other] = schemas.pop(name)
            for node in objects_in(document):
                if node.get("$ref") == f"{SCHEMAS}{name}":
                    node["$ref"] = f"{SCHEMAS}{other}"
    return document


def strict_requests_edition(codegen: Node) -> dict[str, Any]:
    """The edition for generators, with every parameter refused that is not in the contract."""
    document = copy_of(codegen)
    components = document["components"]
    returned = reachable_schemas(Contract(document), components["responses"])
    for name in reachable_schemas(Contract(document), components["requestBodies"]) - returned:
        if "properties" in components["schemas"][name]:
            components["schemas"][name]["additionalProperties"] = False
    return document


def one_error_edition(codegen: Node) -> dict[str, Any]:
    """The edition for generators that take one type of error for an operation.

    502, 503 and 504 are left out: a proxy may send them in HTML, and an undocumented response keeps its status.
    """
    document = copy_of(codegen)
    contract = Contract(codegen)
    components = document["components"]
    merged: set[str] = set()
    properties: dict[str, Any] = {}
    headers: dict[str, Any] = {}
    for operation in operations_of(document):
        responses = operation["responses"]
        operation["responses"] = {status: it for status, it in responses.items() if status.startswith("2")}
        operation["responses"]["4XX"] = {"$ref": "#/components/responses/Failure"}
        if "500" in responses:
            operation["responses"]["500"] = responses["500"]
        for response in (contract.resolve(it, "")[0] for status, it in responses.items() if status.startswith("4")):
            headers |= response.get("headers", {})
            if "application/json" in response["content"]:
                schema, place = contract.resolve(response["content"]["application/json"]["schema"], "")
                merged.add(place)
                properties = {**schema["properties"], **properties}
    for node in objects_in(components["responses"]):
        if node.get("$ref") in merged:
            node["$ref"] = f"{SCHEMAS}Failure"
    components["schemas"]["Failure"] = {
        "description": ONE_ERROR,
        "type": "object",
        "additionalProperties": True,
        "properties": copy_of(properties),
    }
    components["responses"]["Failure"] = {
        "description": ONE_ERROR,
        "headers": copy_of(headers),
        "content": {"application/json": {"schema": {"$ref": f"{SCHEMAS}Failure"}}},
    }
    return without_unused(document)


def without_unused(document: dict[str, Any]) -> dict[str, Any]:
    """The document without the components that nothing refers to."""
    components = document["components"]
    sections = [section for section in components if section != "securitySchemes"]
    while True:
        used = {node.get("$ref") for node in objects_in(document)}
        unused = [
            (section, name)
            for section in sections
            for name in components[section]
            if pointer("components", section, name) not in used
        ]
        if not unused:
            return document
        for section, name in unused:
            del components[section][name]


def copy_of(node: Node) -> dict[str, Any]:
    """A deep copy that knows no places."""
    return cast(dict[str, Any], json.loads(json.dumps(node)))


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
