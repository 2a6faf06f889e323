"""Which requests are refused, with which status, and which are let through."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from segmind_mock import DEFAULT_KEY
from tests.contract.faults import REQUEST_ID
from tests.contract.rules.rule import (
    AT_ONCE,
    JSON,
    POSTS,
    PRICES,
    PROMPT,
    REFUSED,
    V1,
    V2,
    OpenStage,
    finished,
    result,
    rule,
    status,
    submit,
)
from tests.support.contract import MODELS, OPERATIONS, path_of, problems_in

ODD_TEXTS = [
    "\u0000",
    "💥" * 100,
    "\u202e",
    "ﬀ\u0301",
    "\ud7ff",
    "a" * 5000,
    "'; --",
    "%00%ff",
    "\r\nx-cost: 0",
    "\ufeff",
]


def every_parameter() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Path, name and what is known of it."""
    for slug, model in MODELS.items():
        for version in ("v1", "v2"):
            for name, rules in model.parameters.items():
                yield f"/{version}/{slug}", name, rules


@rule
def only_the_whole_key_in_its_header_is_accepted(open_stage: OpenStage) -> None:
    stage = open_stage(AT_ONCE)
    wrong = [DEFAULT_KEY[:-1], DEFAULT_KEY + "0", DEFAULT_KEY[:4], DEFAULT_KEY.lower(), "SG_", "null", "*"]
    for method, path, body in EVERY_CALL:
        for key in wrong:
            assert stage.call(method, path, key=key, **body).status_code == 401, f"{key!r} opens {path}"
        bearer = {"authorization": f"Bearer {DEFAULT_KEY}"}
        assert stage.call(method, path, key=None, headers=bearer, **body).status_code == 401
        assert stage.call(method, path, key=None, params={"x-api-key": DEFAULT_KEY}, **body).status_code == 401
        assert stage.call(method, path, **body).status_code != 401


@rule
def a_missing_key_and_an_unknown_key_are_told_apart(open_stage: OpenStage) -> None:
    stage = open_stage(AT_ONCE)
    for operation_id, (method, path, body) in zip(OPERATIONS, EVERY_CALL, strict=True):
        responses = [stage.call(method, path, key=key, **body) for key in (None, "", "SG_0000000000000000")]
        assert [problems_in(operation_id, response) for response in responses] == [[], [], []]
        messages = [response.json()["error"] for response in responses]
        assert messages[0] == messages[1] != messages[2], f"{path}: {messages}"


@rule
def the_key_is_checked_before_anything_else(open_stage: OpenStage) -> None:
    stage = open_stage(AT_ONCE)
    assert status(stage, REQUEST_ID, key=None).status_code == 401
    assert result(stage, REQUEST_ID, key=None).status_code == 401
    for path in (V1, V2):
        for body in REFUSED:
            assert stage.call("POST", path, key=None, **body).status_code == 401


@rule
def a_body_that_is_not_json_of_the_documented_types_is_400(open_stage: OpenStage) -> None:
    stage = open_stage(AT_ONCE)
    bodies = [(operation_id, body) for operation_id in POSTS for body in BAD_BODIES]
    bodies += [(operation_id, body) for operation_id, path in POSTS.items() if path in (V1, V2) for body in BAD_VALUES]
    for operation_id, body in bodies:
        response = stage.call("POST", POSTS[operation_id], content=body, headers=JSON)
        assert response.status_code == 400, f"{operation_id}: {body!r} is {response.status_code}"
        assert problems_in(operation_id, response) == []


@rule
def a_body_of_another_or_no_type_is_406(open_stage: OpenStage) -> None:
    stage = open_stage(AT_ONCE)
    body = json.dumps(PROMPT).encode()
    for path in (V1, V2):
        for media_type in (
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonp",
            "text/json",
            "json",
            "",
        ):
            headers = {"content-type": media_type} if media_type else {}
            assert stage.call("POST", path, content=body, headers=headers).status_code == 406, media_type
        for media_type in ("application/json; charset=utf-8", "Application/JSON"):
            assert stage.call("POST", path, content=body, headers={"content-type": media_type}).status_code == 200


@rule
def every_bound_is_where_the_contract_has_it(open_stage: OpenStage) -> None:
    stage = open_stage(AT_ONCE)
    for path, name, rules in every_parameter():
        if "minimum" in rules:
            step = 1 if rules["type"] == "integer" else 0.001
            low, high = rules["minimum"], rules["maximum"]
            for value, code in ((low, 200), (high, 200), (low - step, 400), (high + step, 400)):
                response = stage.call("POST", path, json={**PROMPT, name: value})
                assert response.status_code == code, f"{path}: {name} {value} is {response.status_code}"


@rule
def every_enum_has_its_documented_values_and_no_more(open_stage: OpenStage) -> None:
    stage = open_stage(AT_ONCE)
    for path, name, rules in every_parameter():
        values = rules.get("enum", [])
        for value in (*values, *(f"{value} " for value in values), *(NEIGHBOURS.get(name, ()) if values else ())):
            response = stage.call("POST", path, json={**PROMPT, name: value})
            code = 200 if value in values else 400
            assert response.status_code == code, f"{path}: {name} {value!r} is {response.status_code}"


@rule
def any_text_is_a_prompt_and_comes_back_as_it_was(open_stage: OpenStage) -> None:
    for text in ODD_TEXTS:
        stage = open_stage(AT_ONCE)
        for slug in PRICES:
            generated = stage.call("POST", f"/v1/{slug}", json={"prompt": text})
            assert generated.status_code == 200, f"{text[:20]!r} is {generated.status_code}"
            assert generated.json()["prompt"] == text
        assert finished(stage, submit(stage, prompt=text))["prompt"] == text


@rule
def parameters_that_nobody_documents_are_let_through(open_stage: OpenStage) -> None:
    stage = open_stage(AT_ONCE)
    named = {name for model in MODELS.values() for name in model.parameters}
    for slug, model in MODELS.items():
        others: list[dict[str, Any]] = [
            {"num_images": 3, "": None, "x-y": {"z": []}},
            *(dict.fromkeys(named - model.parameters.keys(), value) for value in ("wide", 1e99, -3, None)),
        ]
        for version in ("v1", "v2"):
            for other in others:
                response = stage.call("POST", f"/{version}/{slug}", json={**PROMPT, **other})
                assert response.status_code == 200, f"{slug}: {other} is {response.status_code}"


@rule
def a_wrong_verb_is_405_in_html_with_the_right_ones(open_stage: OpenStage) -> None:
    stage = open_stage(AT_ONCE)
    for operation_id, (method, _, _) in OPERATIONS.items():
        for wrong in {"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"} - {method}:
            response = stage.call(wrong, path_of(operation_id))
            assert response.status_code == 405, f"{wrong} {path_of(operation_id)} is {response.status_code}"
            assert problems_in(operation_id, response) == []
            assert response.headers["allow"] == method
            assert "<" in response.text or wrong == "HEAD"


@rule
def a_path_that_does_not_exist_is_404_in_json(open_stage: OpenStage) -> None:
    stage = open_stage(AT_ONCE)
    for path in ("/v1/imagen-5", "/v2/imagen-5", "/v3/imagen", "/v1/imagen/", "/v2/requests", "/"):
        response = stage.call("POST", path, json=PROMPT)
        assert response.status_code == 404, f"{path} is {response.status_code}"
        assert isinstance(response.json()["error"], str)


@rule
def every_parameter_refuses_what_is_of_another_type(open_stage: OpenStage) -> None:
    stage = open_stage(AT_ONCE)
    for path, name, rules in every_parameter():
        assert stage.call("POST", path, json={}).status_code == 400, f"{path} takes a body without a prompt"
        for value in OTHERS[rules["type"]]:
            response = stage.call("POST", path, json={**PROMPT, name: value})
            assert response.status_code == 400, f"{path}: {name} {value!r} is {response.status_code}"


EVERY_CALL: list[tuple[str, str, dict[str, Any]]] = [
    (method, path_of(name), {"json": PROMPT} if method == "POST" else {}) for name, (method, _, _) in OPERATIONS.items()
]
NEIGHBOURS = {
    "aspect_ratio": ["2:1", "21:9", "3:2", "1:2", "16:10", "1", "4/3", "SQUARE"],
    "person_generation": ["ALLOW_ALL", "DONT_ALLOW_ADULT", "allow_adult", "ALLOW", ""],
    "safety_filter_level": ["BLOCK_NONE", "block_only_high", "BLOCK_ALL", ""],
    "scheduler": ["KLMS", "ddim", "EulerDiscrete", "UniPC", "DPMSolver", ""],
}
"""What other services or editions call such values."""
NO_SCALARS: list[Any] = [None, [], {}, True]
OTHERS = {
    "string": [7, 7.5, *NO_SCALARS],
    "integer": ["7", 7.5, "", *NO_SCALARS],
    "number": ["7.5", "", *NO_SCALARS],
}
BAD_BODIES = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"prompt"',
    b"7",
    b"{}",
    b'{"prompt": null}',
    b'{"prompt": ""}',
    b'{"prompt": 7}',
    b'{"prompt": ["x"]}',
    b'{"prompt": NaN}',
    b'{"prompt": "x", "other": NaN}',
    b'{"prompt": "x", "prompt": 7}',
    b'{"prompt": "\\ud800"}',
    b'{"prompt": "\xff"}',
    b"{'prompt': 'x'}",
    b'{"prompt": "x",}',
    b'{"prompt": "x"} {}',
]
BAD_VALUES = [
    b'{"prompt": "x", "guidance_scale": NaN}',
    b'{"prompt": "x", "guidance_scale": Infinity}',
    b'{"prompt": "x", "guidance_scale": "7.5"}',
    b'{"prompt": "x", "guidance_scale": true}',
    b'{"prompt": "x", "width": "512"}',
    b'{"prompt": "x", "width": 512.5}',
    b'{"prompt": "x", "width": true}',
    b'{"prompt": "x", "width": null}',
    b'{"prompt": "x", "negative_prompt": 1}',
    b'{"prompt": "x", "scheduler": 1}',
]
