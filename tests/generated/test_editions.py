"""The editions of the contract for other tools."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator

from generator.contract import Contract, check_openapi, checked_contract, is_list
from generator.editions import codegen_edition, one_error_edition, strict_requests_edition, write_editions
from tests.conftest import ROOT
from tests.support.contract import nodes

CODEGEN = ["segmind.codegen.json", "segmind.codegen-3.0.3.json", "segmind.strict-requests.json"]
EDITIONS = ["segmind.json", *CODEGEN, "segmind.one-error-3.0.3.json"]


def edition(name: str) -> Any:
    return json.loads((files("segmind_openapi") / name).read_text(encoding="utf-8"))


def objects(node: Any) -> Iterator[dict[str, Any]]:
    return (dict(it) for _, it in nodes(Contract(node).document))


def responses_of(name: str) -> dict[str, Any]:
    """The schemas of an edition that its responses reach, by their names."""
    document = edition(name)
    schemas, waiting = document["components"]["schemas"], [document["components"]["responses"]]
    found: dict[str, Any] = {}
    while waiting:
        for it in objects(waiting.pop()):
            name = str(it.get("$ref")).removeprefix("#/components/schemas/")
            if name in schemas and name not in found:
                found[name] = schemas[name]
                waiting.append(schemas[name])
    return found


def test_the_bundled_edition_is_the_contract_but_for_its_origin(contract: Contract) -> None:
    document = edition("segmind.json")
    del document["info"]["x-edition"]
    assert document == contract.document


@pytest.mark.parametrize("name", EDITIONS)
def test_an_edition_is_valid_by_the_schema_of_its_version(name: str) -> None:
    document = edition(name)
    assert document["openapi"] == ("3.0.3" if "3.0.3" in name else "3.1.0")
    validator = OpenAPIV30SpecValidator if "3.0.3" in name else OpenAPIV31SpecValidator
    assert list(validator(document).iter_errors()) == []


@pytest.mark.parametrize("name", EDITIONS)
def test_an_edition_carries_its_version_and_the_hash_of_the_contract(name: str, contract: Contract) -> None:
    info = edition(name)["info"]
    assert info["version"] == contract.document["info"]["version"]
    source = (ROOT / "openapi" / info["x-edition"]["source"]).read_bytes()
    assert info["x-edition"]["source-sha256"] == hashlib.sha256(source).hexdigest()


def test_every_edition_carries_another_name() -> None:
    assert len({edition(name)["info"]["x-edition"]["name"] for name in EDITIONS}) == len(EDITIONS)


@pytest.mark.parametrize("name", [*CODEGEN, "segmind.one-error-3.0.3.json"])
class TestEditionForGenerators:
    def test_describes_itself_in_one_sentence(self, name: str) -> None:
        assert edition(name)["info"]["description"] == (
            "An independent contract of the part of Segmind's HTTP API that makes images from text, with Imagen 3, "
            "Imagen 4, Imagen 4 Fast and Imagen 4 Ultra."
        )

    def test_has_no_default_that_a_generator_could_send(self, name: str) -> None:
        schemas = edition(name)["components"]["schemas"]
        assert not [it for it in objects(schemas) if "default" in it]
        width = schemas["Imagen4FastRequest"]["properties"]["width"]
        assert width["description"] == "Width of the image, in pixels. The service's default: 512."

    def test_keeps_the_description_behind_a_reference_beside_the_default(self, name: str) -> None:
        ratio = edition(name)["components"]["schemas"]["ImagenRequest"]["properties"]["aspect_ratio"]
        assert ratio["description"] == 'Shape of the image, width to height. The service\'s default: "16:9".'

    def test_is_as_exact_as_the_contract_about_requests(self, name: str) -> None:
        schemas = edition(name)["components"]["schemas"]
        assert schemas["AspectRatio"]["enum"] == ["1:1", "4:3", "3:4", "9:16", "16:9"]
        assert schemas["AspectRatio"]["x-enum-varnames"][0] == "SQUARE_1_1"
        assert schemas["Imagen4Request"]["required"] == ["prompt"]
        assert schemas["Imagen4FastRequest"]["properties"]["width"]["maximum"] == 1024

    def test_requires_nothing_of_a_response_but_the_id_of_a_new_job(self, name: str) -> None:
        required = {it: schema["required"] for it, schema in responses_of(name).items() if "required" in schema}
        assert required == {"SubmittedJob": ["request_id"]}

    def test_takes_null_for_every_other_value_of_a_response_that_is_no_object(self, name: str) -> None:
        refused = [
            (schema_name, property_name)
            for schema_name, schema in responses_of(name).items()
            for property_name, value in schema.get("properties", {}).items()
            if "type" in value and not (value.get("nullable") or "null" in value["type"])
        ]
        assert refused == [("SubmittedJob", "request_id")]

    def test_takes_any_value_of_the_right_type_in_a_response_and_lists_the_known_ones(self, name: str) -> None:
        limits = {"enum", "const", "format", "pattern", "minimum", "maximum", "minLength", "maxLength", "propertyNames"}
        limited = [it for it in objects(responses_of(name)) if limits & it.keys() and it.get("format") != "double"]
        assert limited == []
        state = responses_of(name)["JobStatus"]["properties"]["status"]
        assert state["description"].endswith("Known values: QUEUED, PROCESSING, COMPLETED.")

    def test_takes_any_request_id_for_a_parameter(self, name: str) -> None:
        assert edition(name)["components"]["schemas"]["RequestId"] == {
            "description": "Id of a job, a UUID.",
            "type": "string",
        }

    def test_has_each_number_in_double_precision(self, name: str) -> None:
        schemas = edition(name)["components"]["schemas"]
        types = [(it["type"], it.get("format")) for it in objects(schemas) if "type" in it]
        numbers = [format_ for kind, format_ in types if kind == "number" or (is_list(kind) and "number" in kind)]
        assert numbers
        assert set(numbers) == {"double"}

    def test_has_one_binary_body_for_a_generation(self, name: str) -> None:
        (body,) = edition(name)["components"]["responses"]["Generated"]["content"].items()
        assert (body[0], body[1]["schema"]["type"], body[1]["schema"]["format"]) == ("*/*", "string", "binary")

    def test_takes_any_text_for_a_header_of_a_response_or_none(self, name: str) -> None:
        headers = edition(name)["components"]["headers"].values()
        assert headers
        assert {(header["schema"]["type"], header["required"]) for header in headers} == {("string", False)}

    def test_has_no_schema_named_like_a_type_of_a_generated_runtime(self, name: str) -> None:
        assert not edition(name)["components"]["schemas"].keys() & {"Error", "ErrorResponse", "Response", "Request"}

    def test_has_no_component_that_nothing_refers_to(self, name: str) -> None:
        document = edition(name)
        references = {it["$ref"] for it in objects(document) if "$ref" in it}
        assert {
            f"#/components/{section}/{component}"
            for section, components in document["components"].items()
            if section != "securitySchemes"
            for component in components
        } == references


def statuses(name: str) -> dict[str, set[str]]:
    paths = edition(name)["paths"].values()
    operations = [operation for item in paths for method, operation in item.items() if method in {"get", "post"}]
    return {operation["operationId"]: set(operation["responses"]) for operation in operations}


@pytest.mark.parametrize("name", CODEGEN)
def test_an_edition_for_generators_has_the_statuses_of_the_contract_and_503(name: str) -> None:
    assert statuses(name) == {it: documented | {"503"} for it, documented in statuses("segmind.json").items()}


@pytest.mark.parametrize("name", CODEGEN)
def test_an_edition_for_generators_lists_html_before_json(name: str) -> None:
    responses = edition(name)["components"]["responses"]
    assert list(responses["BadGateway"]["content"]) == ["text/html", "application/json"]
    assert list(responses["Unavailable"]["content"]) == ["text/html", "application/json"]


def test_the_edition_with_one_error_has_one_type_of_error_and_none_that_a_proxy_sends_in_html() -> None:
    document = edition("segmind.one-error-3.0.3.json")
    assert set(map(frozenset, statuses("segmind.one-error-3.0.3.json").values())) == {frozenset({"200", "4XX", "500"})}
    errors = [document["components"]["responses"][name] for name in ("Failure", "ServerError")]
    assert [list(error["content"]) for error in errors] == [["application/json"], ["application/json"]]
    schemas = [error["content"]["application/json"]["schema"] for error in errors]
    assert schemas == [{"$ref": "#/components/schemas/Failure"}] * 2
    assert {"error", "request_id", "metrics"} <= document["components"]["schemas"]["Failure"]["properties"].keys()


REQUESTS = ["ImagenRequest", "Imagen4Request", "Imagen4FastRequest", "Imagen4UltraRequest"]


@pytest.mark.parametrize(
    ("name", "additional"),
    [("segmind.codegen.json", None), ("segmind.codegen-3.0.3.json", None), ("segmind.strict-requests.json", False)],
)
def test_what_an_edition_says_of_parameters_that_no_model_has(name: str, additional: bool | None) -> None:
    schemas = edition(name)["components"]["schemas"]
    assert {it: schemas[it].get("additionalProperties") for it in REQUESTS} == dict.fromkeys(REQUESTS, additional)
    assert responses_of(name)["JobResult"]["additionalProperties"] is True


def test_the_edition_with_strict_requests_refuses_unknown_parameters_of_nested_objects(document: Any) -> None:
    schemas = document["components"]["schemas"]
    schemas["Shot"] = {"type": "object", "additionalProperties": True, "properties": {"prompt": {"type": "string"}}}
    schemas["Imagen4Request"]["properties"]["shots"] = {"type": "array", "items": {"$ref": "#/components/schemas/Shot"}}
    strict = strict_requests_edition(codegen_edition(Contract(document)))
    assert strict["components"]["schemas"]["Shot"]["additionalProperties"] is False


EDITS: dict[str, tuple[str, Any]] = {
    "a parameter with a format": ("schemas/Imagen4Request/properties/mask", {"type": "string", "format": "uri"}),
    "a parameter that may be null": ("schemas/Imagen4Request/properties/style", {"type": ["string", "null"]}),
    "a list of numbers": (
        "schemas/Imagen4Request/properties/weights",
        {"type": "array", "items": {"type": "number"}, "default": [0.5]},
    ),
    "another default": ("schemas/Imagen4FastRequest/properties/width/default", 768),
    "another price": ("schemas/ImagenRequest/x-price-usd", {"from": 0.01, "to": 0.02, "source": "page"}),
    "another value of an enum": ("schemas/AspectRatio/enum", ["1:1", "4:3", "3:4", "9:16", "16:9", "21:9"]),
    "a number in a response": ("schemas/JobResult/properties/score", {"type": "number", "format": "float"}),
    "a list in a response": ("schemas/JobResult/properties/tags", {"type": "array", "items": {"type": "string"}}),
    "a link in a response": ("schemas/JobStatus/properties/log", {"$ref": "#/components/schemas/ImageUrl"}),
    "a property of an error": ("schemas/ErrorResponse/properties/code", {"type": "integer", "minimum": 1}),
}


def edited(document: Any, *names: str) -> Contract:
    for name in names:
        place, value = EDITS[name]
        *parents, key = place.split("/")
        node = document["components"]
        for parent in parents:
            node = node[parent]
        node[key] = value
    return checked_contract(document)


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_of_the_contract_shows_in_an_edition_that_stays_valid(
    name: str, document: Any, contract: Contract
) -> None:
    codegen = codegen_edition(edited(document, name))
    assert codegen != codegen_edition(contract)
    for made in (codegen, strict_requests_edition(codegen), one_error_edition(codegen)):
        check_openapi(made, version="3.1")


def test_a_contract_with_all_edits_makes_each_edition_and_document(document: Any, tmp_path: Path) -> None:
    write_editions(edited(document, *EDITS), tmp_path / "made", source=b"")
    committed = {path.name for path in (ROOT / "generated" / "segmind_openapi").glob("*.json")}
    assert {path.name for path in (tmp_path / "made").glob("*.json")} == committed
    schemas = json.loads((tmp_path / "made" / "segmind.codegen-3.0.3.json").read_text())["components"]["schemas"]
    assert schemas["JobResult"]["properties"]["score"] == {"type": "number", "nullable": True, "format": "double"}
    assert schemas["ErrorBody"]["properties"]["code"] == {"type": "integer", "nullable": True}
    assert schemas["Imagen4Request"]["properties"]["style"] == {"type": "string", "nullable": True}
