"""What the linters do not see in openapi/segmind.yaml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from generator.contract import Contract, is_list
from tests.support.contract import CONTRACT, OPERATIONS, nodes, problems_by

COMPONENTS = CONTRACT.document["components"]

ON_EVERY_OPERATION = {"200", "401", "404", "405", "429", "500", "502", "504"}
STATUSES_BY_ROLE = {
    "generate": ON_EVERY_OPERATION | {"400", "403", "406", "410"},
    "submit": ON_EVERY_OPERATION | {"400", "403", "406", "410"},
    "status": ON_EVERY_OPERATION | {"422"},
    "result": ON_EVERY_OPERATION | {"422"},
    "credits": ON_EVERY_OPERATION,
}


DEFAULTS = [(place, node) for place, node in nodes(CONTRACT.document) if "default" in node and "servers" not in place]


@pytest.mark.parametrize("schema", [pytest.param(schema, id=place) for place, schema in DEFAULTS])
def test_a_default_fits_its_own_schema(schema: Mapping[str, Any]) -> None:
    assert problems_by({key: value for key, value in schema.items() if key != "default"}, schema["default"]) == []


def test_defaults_beside_a_ref_are_among_those_that_are_checked() -> None:
    assert any("$ref" in schema for _, schema in DEFAULTS)
    assert problems_by(COMPONENTS["schemas"]["Imagen4Request"]["properties"]["aspect_ratio"], "2:1")


def named_examples() -> Iterator[tuple[str, Mapping[str, Any], Any]]:
    for place, node in nodes(CONTRACT.document):
        if "schema" in node and "example" in node:
            yield place, node["schema"], node["example"]
        examples: Any = node.get("examples", ())
        for name, example in enumerate(examples) if is_list(examples) else dict(examples).items():
            if is_list(examples):
                yield f"{place}/examples/{name}", node, example
            else:
                yield f"{place}/examples/{name}", node["schema"], example["value"]


EXAMPLES = list(named_examples())


@pytest.mark.parametrize(("schema", "example"), [pytest.param(*rest, id=place) for place, *rest in EXAMPLES])
def test_an_example_fits_its_own_schema(schema: Mapping[str, Any], example: Any) -> None:
    assert problems_by(schema, example) == []


@pytest.mark.parametrize("name", COMPONENTS["requestBodies"])
def test_every_request_body_has_a_named_example(name: str) -> None:
    (media,) = COMPONENTS["requestBodies"][name]["content"].values()
    assert media["examples"]


@pytest.mark.parametrize("name", COMPONENTS["responses"])
def test_every_response_has_a_named_example_for_each_type_that_is_text(name: str) -> None:
    for media_type, media in COMPONENTS["responses"][name]["content"].items():
        assert media_type == "image/*" or media["examples"], media_type


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_every_status_is_documented_on_each_operation_where_it_can_occur(operation_id: str) -> None:
    _, _, operation = OPERATIONS[operation_id]
    assert set(operation["responses"]) == STATUSES_BY_ROLE[operation["x-role"]]


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_every_operation_says_where_it_is_from(operation_id: str) -> None:
    _, _, operation = OPERATIONS[operation_id]
    assert operation["x-source"] in {"page", "sample", "guide", "sdk", "inferred"}


def test_every_error_is_in_the_documented_form() -> None:
    forms = {
        (status, media["schema"].get("$ref", media["schema"].get("type")))
        for _, _, operation in OPERATIONS.values()
        for status, response in operation["responses"].items()
        for media in CONTRACT.resolve(response, "")[0]["content"].values()
        if not status.startswith("2")
    }
    error, failed = "#/components/schemas/ErrorResponse", "#/components/schemas/FailedJob"
    as_json = {(status, error) for status in ("400", "401", "403", "404", "406", "410", "429", "500", "502", "504")}
    assert forms == as_json | {("422", failed), ("405", "string"), ("502", "string")}


LINKED = {
    "submit": "$response.body#/request_id",
    "status": "$request.path.request_id",
    "result": "$request.path.request_id",
}
"""By the role of an operation, where its links have the request id from."""
JOB_OPERATIONS = [name for name, (_, _, operation) in OPERATIONS.items() if operation["x-role"] in LINKED]


@pytest.mark.parametrize("operation_id", JOB_OPERATIONS)
def test_an_operation_about_a_job_links_to_the_status_and_the_result_of_that_job(operation_id: str) -> None:
    operation = OPERATIONS[operation_id][2]
    response, _ = CONTRACT.resolve(operation["responses"]["200"], "")
    links = [CONTRACT.resolve(link, "")[0] for link in response["links"].values()]
    roles = {OPERATIONS[link["operationId"]][2]["x-role"]: link["parameters"] for link in links}
    linked = {"request_id": LINKED[operation["x-role"]]}
    # A result is the last of a job: from there only its status is left.
    assert roles == ({"status": linked} if operation["x-role"] == "result" else {"status": linked, "result": linked})


def test_every_object_schema_is_a_named_component() -> None:
    inline = [
        place
        for place, node in nodes(CONTRACT.document)
        if node.get("type") == "object" and place.count("/") != 3 and "example" not in place
    ]
    assert inline == []


def test_both_sides_of_the_conflict_about_aspect_ratio_are_written_down(contract: Contract) -> None:
    for name in ("Imagen4FastRequest", "Imagen4UltraRequest"):
        properties = contract.at(f"#/components/schemas/{name}/properties")
        assert {"width", "height", "aspect_ratio"} <= set(properties)
        assert properties["aspect_ratio"]["x-source"] == "sample"
        assert "default" not in properties["aspect_ratio"]
        assert "parameter" in properties["aspect_ratio"]["description"]
