"""Models that a test adds to a copy of the contract."""

from __future__ import annotations

from typing import Any


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
