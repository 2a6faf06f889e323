"""The editions of the contract for other tools."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator

from generator.contract import Contract


def edition(name: str) -> Any:
    return json.loads((files("segmind_openapi") / name).read_text(encoding="utf-8"))


def test_the_bundled_edition_is_the_contract(contract: Contract) -> None:
    assert edition("segmind.json") == contract.document


@pytest.mark.parametrize(
    ("name", "validator"),
    [
        ("segmind.json", OpenAPIV31SpecValidator),
        ("segmind.codegen.json", OpenAPIV31SpecValidator),
        ("segmind.codegen-3.0.3.json", OpenAPIV30SpecValidator),
    ],
)
def test_an_edition_is_valid_by_the_schema_of_its_version(name: str, validator: Any) -> None:
    document = edition(name)
    assert document["openapi"] == ("3.0.3" if "3.0.3" in name else "3.1.0")
    assert list(validator(document).iter_errors()) == []


@pytest.mark.parametrize("name", ["segmind.codegen.json", "segmind.codegen-3.0.3.json"])
class TestCodegenEdition:
    def test_has_the_operations_and_statuses_of_the_contract(self, name: str, document: Any) -> None:
        def statuses(paths: Any) -> Any:
            return {
                (path, method): sorted(operation["responses"])
                for path, item in paths.items()
                for method, operation in item.items()
                if method in {"get", "post"}
            }

        assert statuses(edition(name)["paths"]) == statuses(document["paths"])

    def test_has_no_default_that_a_generator_could_send(self, name: str) -> None:
        schemas = edition(name)["components"]["schemas"]
        properties = [it for schema in schemas.values() for it in schema.get("properties", {}).values()]
        assert [it for it in properties if "default" in it] == []
        width = schemas["Imagen4FastRequest"]["properties"]["width"]
        assert width["description"] == "Width of the image, in pixels. The service's default: 512."

    def test_keeps_the_description_behind_a_reference_beside_the_default(self, name: str) -> None:
        ratio = edition(name)["components"]["schemas"]["ImagenRequest"]["properties"]["aspect_ratio"]
        assert ratio["description"] == 'Shape of the image, width to height. The service\'s default: "16:9".'

    def test_takes_any_state_in_an_answer_and_lists_the_known_ones(self, name: str) -> None:
        state = edition(name)["components"]["schemas"]["JobStatus"]["properties"]["status"]
        assert "enum" not in state
        assert state["description"].endswith("Known values: QUEUED, PROCESSING, COMPLETED.")

    def test_is_as_strict_as_the_contract_about_requests(self, name: str) -> None:
        schemas = edition(name)["components"]["schemas"]
        assert schemas["AspectRatio"]["enum"] == ["1:1", "4:3", "3:4", "9:16", "16:9"]
        assert schemas["AspectRatio"]["x-enum-varnames"][0] == "SQUARE_1_1"
        assert schemas["Imagen4Request"]["required"] == ["prompt"]
        assert schemas["Imagen4FastRequest"]["properties"]["width"]["maximum"] == 1024

    def test_requires_nothing_of_an_error(self, name: str) -> None:
        schemas = edition(name)["components"]["schemas"]
        assert "required" not in schemas["ErrorResponse"]
        assert schemas["SubmittedJob"]["required"] == ["request_id", "status", "status_url"]
