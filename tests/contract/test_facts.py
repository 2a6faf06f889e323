"""The contract says what is documented of the service, and no more."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.facts import MODELS, PATHS, Model, deviations, differences, facts_of


@pytest.mark.parametrize("path", PATHS)
def test_a_path_is_in_the_contract_as_it_is_documented(path: str, document: Any) -> None:
    assert list(differences(path, PATHS[path], facts_of(document)["paths"].get(path))) == []


def test_the_contract_has_no_fact_that_is_not_documented(document: Any) -> None:
    assert deviations(document) == []


def test_another_model_in_the_contract_is_no_deviation(document: Any) -> None:
    for version in ("v1", "v2"):
        document["paths"][f"/{version}/another"] = document["paths"][f"/{version}/imagen-4"]
    assert deviations(document) == []


@pytest.mark.parametrize(("slug", "model"), MODELS.items(), ids=MODELS)
def test_the_operations_of_a_model_are_summed_up_with_its_title(slug: str, model: Model, document: Any) -> None:
    for version in ("v1", "v2"):
        assert document["paths"][f"/{version}/{slug}"]["post"]["summary"].endswith(f" with {model.title}")
