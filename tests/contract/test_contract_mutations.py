"""A contract that says something else than is documented does not pass, nor does the Python from it."""

from __future__ import annotations

import re

import pytest

from generator.contract import Contract, pointer
from tests.contract.facts import NO_FACTS, deviations
from tests.contract.mutations import Mutation, broken_claims_from, mutations, the_contract
from tests.support.contract import nodes

MADE = list(mutations(the_contract()))
SAYS_NOTHING_OF_THE_SERVICE = re.compile(
    rf"""
      \#/(openapi|info|tags|servers/1)(/.*)?
    | \#/(paths|components(/\w+){{0,2}}|security/0/ApiKey)
    | .*/({"|".join(NO_FACTS)})(/.*)?
    | .*/minimum
    """,
    re.VERBOSE,
)

SCHEMAS = "#/components/schemas"
STATUS = "#/paths/~1v2~1requests~1{request_id}~1status/get"
BREAKS = [
    ("minimum: lowered", f"{SCHEMAS}/Imagen4FastRequest/properties/width/minimum", "imagen-4-fast refuses width=255"),
    ("maximum: lowered", f"{SCHEMAS}/Imagen4UltraRequest/properties/steps/maximum", "imagen-4-ultra sends steps=100"),
    (
        "maximum: dropped",
        f"{SCHEMAS}/Imagen4FastRequest/properties/seed/maximum",
        "imagen-4-fast refuses seed=2147483648",
    ),
    ("type: changed", f"{SCHEMAS}/Imagen4FastRequest/properties/steps/type", "imagen-4-fast refuses steps=1.5"),
    ("enum: one dropped", f"{SCHEMAS}/AspectRatio/enum", "imagen-4-fast sends aspect_ratio='1:1'"),
    ("enum: one added", f"{SCHEMAS}/PersonGeneration/enum", "imagen refuses person_generation='words'"),
    ("enum: reordered", f"{SCHEMAS}/SafetyFilterLevel/enum", "imagen offers the values of safety_filter_level"),
    ("required: dropped", f"{SCHEMAS}/ImagenRequest/required", "imagen refuses to go without prompt"),
    ("required: one added", f"{SCHEMAS}/Imagen4Request/required", "imagen-4 sends nothing that is not set"),
    ("property: renamed", f"{SCHEMAS}/Imagen4FastRequest/properties/height", "imagen-4-fast refuses height=255"),
    ("value: raised", f"{SCHEMAS}/Imagen4FastRequest/x-price-usd/value", "imagen-4-fast has its price"),
    ("value: lowered", f"{SCHEMAS}/ImagenRequest/x-typical-latency-seconds/value", "imagen has its latency"),
    ("required: one dropped", f"{SCHEMAS}/FailedJob/required", "getJobStatus 422 reads no request_id as unreadable"),
    ("type: one dropped", f"{SCHEMAS}/ReportedSeed/type", "getJobResult 200 reads seed=7 as 7"),
    ("property: dropped", f"{SCHEMAS}/JobResult/properties/images", "getJobResult 200 knows the documented fields"),
    ("status: dropped", "#/paths/~1v1~1imagen-4/post/responses/429", "generateImagen4 reads 429 in application/json"),
    (
        "status: renamed",
        "#/paths/~1v2~1imagen-4/post/responses/410",
        "submitImagen4 does not read 418 in application/json",
    ),
    ("$ref: changed", f"{STATUS}/responses/422/$ref", "getJobStatus 422 reads metrics={} as {}"),
    (
        "media type: dropped",
        "#/components/responses/Generated/content/text~1plain",
        "generateImagen reads 200 in text/plain",
    ),
    (
        "header: dropped",
        "#/components/responses/RateLimited/headers/x-rate-limit-remaining",
        "x-rate-limit-remaining: 7 is read as 7",
    ),
    ("deadline-seconds: raised", f"{STATUS}/x-polling/deadline-seconds", "polling has its deadline"),
    ("name: changed", "#/components/securitySchemes/ApiKey/name", "the header of the key is known"),
    ("url: changed", "#/servers/0/url", "the server is known"),
    (
        "default: changed",
        "#/components/schemas/ImagenRequest/properties/aspect_ratio/default",
        "imagen shows the default of aspect_ratio",
    ),
]


def test_every_entry_of_the_contract_is_changed() -> None:
    document = Contract(the_contract()).document
    entries = {place + pointer(key)[1:] for place, node in nodes(document) for key in node}
    unchanged = entries - {mutation.pointer for mutation in MADE}
    assert [place for place in sorted(unchanged) if not SAYS_NOTHING_OF_THE_SERVICE.fullmatch(place)] == []


@pytest.mark.parametrize("kind", dict.fromkeys(mutation.kind for mutation in MADE))
def test_the_facts_see_every_change_and_name_what_changed(kind: str) -> None:
    assert [str(mutation) for mutation in MADE if mutation.kind == kind and not is_named(mutation)] == []


def is_named(mutation: Mutation) -> bool:
    found = deviations(mutation.of(the_contract()))
    return any(not mutation.names.isdisjoint(line.partition(": ")[0].split(" > ")) for line in found)


@pytest.mark.parametrize(("kind", "place", "claim"), BREAKS, ids=[claim for _, _, claim in BREAKS])
def test_python_that_is_generated_from_the_change_does_what_is_not_documented(
    kind: str, place: str, claim: str
) -> None:
    mutation = next(mutation for mutation in MADE if (mutation.kind, mutation.pointer) == (kind, place))
    assert claim in (broken_claims_from(mutation.of(the_contract())) or [])


def test_what_only_the_contract_says_is_not_in_the_code() -> None:
    mutation = next(mutation for mutation in MADE if mutation.kind == "x-source: changed")
    assert broken_claims_from(mutation.of(the_contract())) is None
