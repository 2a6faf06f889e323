"""What a schema cannot say: rules over several calls, over time and over money, each a claim with its own double."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal, Protocol

import httpx
from PIL import Image

from segmind_mock import DEFAULT_KEY, Settings
from tests.contract.faults import REQUEST_ID
from tests.support.contract import DOCUMENTED, MODELS, OPERATIONS, path_of, problems_in
from tests.support.stage import OTHER_KEY, Stage

RETENTION = 3600
WINDOW = 60
PROMPT = {"prompt": "a cabin at sunrise"}
V1, V2 = "/v1/imagen-4-fast", "/v2/imagen-4-fast"
PRICES = {slug: model.price for slug, model in MODELS.items()}
LATENCIES = {slug: model.latency for slug, model in MODELS.items()}
POSTS = {name: path for name, (method, path, _) in OPERATIONS.items() if method == "POST"}
"""Paths by the operation id."""
AT_ONCE = Settings()
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
CREDITS = "/v1/get-user-credits"

Rule = Callable[["OpenStage"], None]
RULES: dict[str, Rule] = {}


class OpenStage(Protocol):
    """Opens a double of its own for a rule."""

    def __call__(self, settings: Settings | None = None) -> Stage: ...


def rule(claim: Rule) -> Rule:
    RULES[claim.__name__] = claim
    return claim


def submit(stage: Stage, path: str = V2, **parameters: Any) -> str:
    response = stage.call("POST", path, json={**PROMPT, **parameters})
    assert response.status_code == 200, f"a submit was answered with {response.status_code}: {response.text}"
    return str(response.json()["request_id"])


def status(stage: Stage, request_id: str, **call: Any) -> httpx.Response:
    return stage.call("GET", f"/v2/requests/{request_id}/status", **call)


def result(stage: Stage, request_id: str, **call: Any) -> httpx.Response:
    return stage.call("GET", f"/v2/requests/{request_id}", **call)


def balance(stage: Stage, key: str = DEFAULT_KEY) -> float:
    return float(stage.call("GET", CREDITS, key=key).json()["credits"])


def finished(stage: Stage, request_id: str) -> dict[str, Any]:
    stage.clock.advance(60)
    response = result(stage, request_id)
    assert response.status_code == 200, f"a completed job's result is {response.status_code}"
    body: dict[str, Any] = response.json()
    return body


def every_parameter() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Path, name and what is known of it."""
    for slug, model in MODELS.items():
        for version in ("v1", "v2"):
            for name, rules in model.parameters.items():
                yield f"/{version}/{slug}", name, rules


def near(one: float, other: float) -> bool:
    return math.isclose(one, other, abs_tol=1e-6)


@rule
def a_job_is_queued_then_processed_then_completed_and_stays_so(open_stage: OpenStage) -> None:
    stage = open_stage()
    job = submit(stage)
    seen: list[str] = []
    for _ in range(40):
        seen.append(status(stage, job).json()["status"])
        stage.clock.advance(0.25)
    assert sorted(set(seen), key=seen.index) == ["QUEUED", "PROCESSING", "COMPLETED"]
    assert seen == sorted(seen, key=["QUEUED", "PROCESSING", "COMPLETED"].index), f"a state came back: {seen}"


@rule
def a_job_takes_the_typical_latency_of_its_model(open_stage: OpenStage) -> None:
    for slug, seconds in LATENCIES.items():
        stage = open_stage()
        job = submit(stage, f"/v2/{slug}")
        stage.clock.advance(seconds - 0.1)
        assert status(stage, job).json()["status"] != "COMPLETED", f"{slug} completed before {seconds} s"
        stage.clock.advance(0.2)
        assert status(stage, job).json()["status"] == "COMPLETED", f"{slug} did not complete in {seconds} s"


@rule
def a_result_is_404_until_its_job_has_completed(open_stage: OpenStage) -> None:
    stage = open_stage()
    job = submit(stage)
    for seconds in (0, 1, 3.5):
        stage.clock.advance(seconds)
        early = result(stage, job)
        assert early.status_code == 404, f"the result of a {status(stage, job).json()['status']} job was served"
        assert problems_in("getJobResult", early) == []
    assert finished(stage, job)["status"] == "COMPLETED"


@rule
def a_job_is_known_for_an_hour(open_stage: OpenStage) -> None:
    stage = open_stage()
    job = submit(stage)
    stage.clock.advance(RETENTION - 1)
    assert [status(stage, job).status_code, result(stage, job).status_code] == [200, 200]
    stage.clock.advance(1)
    assert [status(stage, job).status_code, result(stage, job).status_code] == [404, 404]


@rule
def a_failed_job_is_422_with_its_reason_and_without_a_cost(open_stage: OpenStage) -> None:
    stage = open_stage()
    job = submit(stage)
    stage.clock.advance(2)
    stage.double.fail(job, "blocked by the safety filter")
    for ask, operation_id in ((status, "getJobStatus"), (result, "getJobResult")):
        for _ in range(2):
            response = ask(stage, job)
            assert response.status_code == 422
            assert problems_in(operation_id, response) == []
            assert response.json()["error"] == "blocked by the safety filter"
            assert not {"cost", "remaining_credits"} & response.json()["metrics"].keys()
            stage.clock.advance(60)


@rule
def a_job_is_charged_once_when_it_completes(open_stage: OpenStage) -> None:
    for slug, price in PRICES.items():
        stage = open_stage()
        before = balance(stage)
        job = submit(stage, f"/v2/{slug}")
        assert balance(stage) == before, f"{slug} was charged before it completed"
        finished(stage, job)
        for _ in range(3):
            status(stage, job)
            result(stage, job)
        assert near(before - balance(stage), price), f"{slug} was charged {before - balance(stage)}"


@rule
def a_failed_job_is_not_charged(open_stage: OpenStage) -> None:
    stage = open_stage()
    before = balance(stage)
    submitted = stage.call("POST", V2, json=PROMPT, headers={"prefer": "fail=blocked"}).json()
    stage.clock.advance(60)
    assert status(stage, submitted["request_id"]).status_code == 422
    assert balance(stage) == before


@rule
def a_v1_call_is_charged_when_it_is_answered(open_stage: OpenStage) -> None:
    for slug, price in PRICES.items():
        stage = open_stage()
        before = balance(stage)
        response = stage.call("POST", f"/v1/{slug}", json=PROMPT)
        assert response.status_code == 200
        after = balance(stage)
        assert near(before - after, price), f"{slug} was charged {before - after}"
        assert near(float(response.headers["x-cost"]), price)
        assert near(float(response.headers["x-remaining-credits"]), after)


@rule
def no_error_of_any_documented_status_is_charged(open_stage: OpenStage) -> None:
    for operation_id, code in DOCUMENTED:
        if code == 200:
            continue
        stage = open_stage(AT_ONCE)
        before = balance(stage)
        body: dict[str, Any] = {"json": PROMPT} if OPERATIONS[operation_id][0] == "POST" else {}
        answer = stage.call(
            OPERATIONS[operation_id][0], path_of(operation_id), headers={"prefer": f"code={code}"}, **body
        )
        assert answer.status_code == code
        stage.clock.advance(60)
        assert balance(stage) == before, f"{operation_id} was charged for a {code}"


@rule
def no_refused_call_is_charged(open_stage: OpenStage) -> None:
    stage = open_stage(AT_ONCE)
    before = balance(stage)
    for path in (V1, V2):
        for refused in REFUSED:
            assert stage.call("POST", path, **refused).status_code in (400, 406)
        assert stage.call("GET", path).status_code == 405
        assert stage.call("POST", path, key="SG_0000000000000000", json=PROMPT).status_code == 401
    stage.clock.advance(60)
    assert balance(stage) == before


@rule
def the_balance_after_each_job_adds_up(open_stage: OpenStage) -> None:
    stage = open_stage()
    left = balance(stage)
    for slug, price in PRICES.items():
        metrics = finished(stage, submit(stage, f"/v2/{slug}"))["metrics"]
        left -= price
        assert near(metrics["cost"], price), f"{slug} is said to cost {metrics['cost']}"
        assert near(metrics["remaining_credits"], left), f"{metrics['remaining_credits']} are said to be left of {left}"
        assert near(metrics["queue_time"] + metrics["inference_time"], metrics["total_time"])
        assert near(metrics["total_time"], LATENCIES[slug])


@rule
def a_call_that_costs_more_than_is_left_is_406(open_stage: OpenStage) -> None:
    for operation_id, path in POSTS.items():
        price = PRICES[path.rpartition("/")[2]]
        # Jobs under v2 have not completed when the next is submitted: their credits are reserved.
        stage = open_stage()
        stage.double.open_account(credits=2.5 * price)
        responses = [stage.call("POST", path, json=PROMPT) for _ in range(3)]
        assert [response.status_code for response in responses] == [200, 200, 406], path
        assert problems_in(operation_id, responses[2]) == []
        stage.clock.advance(60)
        assert near(balance(stage), 0.5 * price)
        stage.double.open_account(credits=price)
        assert stage.call("POST", path, json=PROMPT).status_code == 200, "the exact price was not enough"


@rule
def an_account_without_a_balance_has_no_credits_to_show_or_to_pay_with(open_stage: OpenStage) -> None:
    stage = open_stage()
    stage.double.open_account(OTHER_KEY, has_balance=False)
    response = stage.call("GET", CREDITS, key=OTHER_KEY)
    assert response.status_code == 404
    assert problems_in("getUserCredits", response) == []
    assert stage.call("POST", V2, key=OTHER_KEY, json=PROMPT).status_code == 406


@rule
def a_model_that_is_closed_to_an_account_is_403(open_stage: OpenStage) -> None:
    stage = open_stage()
    stage.double.open_account(forbidden_models=["imagen-4-fast"])
    before = balance(stage)
    for path, operation_id in ((V1, "generateImagen4Fast"), (V2, "submitImagen4Fast")):
        response = stage.call("POST", path, json=PROMPT)
        assert response.status_code == 403
        assert problems_in(operation_id, response) == []
    stage.clock.advance(60)
    assert balance(stage) == before
    assert stage.call("POST", "/v2/imagen", json=PROMPT).status_code == 200


@rule
def a_rate_limit_is_a_window_of_one_key(open_stage: OpenStage) -> None:
    stage = open_stage()
    stage.double.open_account(requests_per_minute=3)
    assert [stage.call("GET", CREDITS).status_code for _ in range(4)] == [200, 200, 200, 429]
    limited = stage.call("POST", V2, json=PROMPT)
    assert limited.status_code == 429
    assert problems_in("submitImagen4Fast", limited) == []
    assert limited.headers["x-rate-limit-remaining"] == "0"
    assert "retry-after" not in limited.headers
    reset = datetime.fromisoformat(limited.headers["x-rate-limit-reset-at-utc"]).timestamp()
    assert WINDOW - 1 <= reset - stage.clock.now() <= WINDOW + 1, "a window is a minute"
    assert stage.call("GET", CREDITS, key=OTHER_KEY).status_code == 200, "the limit of one key held for another"
    stage.clock.advance(reset - stage.clock.now() - 1.5)
    assert stage.call("GET", CREDITS).status_code == 429, "the window ended early"
    stage.clock.advance(1.5)
    assert stage.call("GET", CREDITS).status_code == 200, "the window did not end when it should"


@rule
def the_addresses_in_an_answer_lead_to_the_same_job(open_stage: OpenStage) -> None:
    stage = open_stage()
    one, other = (stage.call("POST", V2, json=PROMPT).json() for _ in range(2))
    stage.clock.advance(60)
    for submitted in (one, other):
        polled = stage.call("GET", submitted["status_url"]).json()
        fetched = stage.call("GET", submitted["response_url"]).json()
        assert {polled["request_id"], fetched["request_id"]} == {submitted["request_id"]}
        assert (polled["status_url"], polled["response_url"]) == (submitted["status_url"], submitted["response_url"])


@rule
def no_request_id_is_given_twice(open_stage: OpenStage) -> None:
    stage = open_stage(AT_ONCE)
    ids = [submit(stage) for _ in range(60)]
    assert len(set(ids)) == len(ids)


@rule
def a_job_is_known_only_to_the_key_that_submitted_it(open_stage: OpenStage) -> None:
    stage = open_stage(AT_ONCE)
    job = submit(stage)
    assert [ask(stage, job, key=OTHER_KEY).status_code for ask in (status, result)] == [404, 404]
    assert [ask(stage, job).status_code for ask in (status, result)] == [200, 200]


@rule
def an_id_that_was_never_given_out_is_404(open_stage: OpenStage) -> None:
    stage = open_stage(AT_ONCE)
    job = submit(stage)
    for unknown in (REQUEST_ID, "x", job[:-1], job + "0", job.replace("-", "")):
        for ask, operation_id in ((status, "getJobStatus"), (result, "getJobResult")):
            response = ask(stage, unknown)
            assert response.status_code == 404, f"{unknown} is {response.status_code}"
            assert problems_in(operation_id, response) == []


@rule
def only_the_whole_key_in_its_header_opens_anything(open_stage: OpenStage) -> None:
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
def a_key_is_asked_for_before_anything_else(open_stage: OpenStage) -> None:
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
def an_image_has_the_size_and_the_shape_that_were_asked_for(open_stage: OpenStage) -> None:
    stage = open_stage(AT_ONCE)
    for slug, parameters, size in SIZES:
        for image in image_v1(stage, slug, parameters), image_v2(stage, slug, parameters):
            assert image.size == size, f"{slug} {parameters} is {image.size}"


@rule
def the_same_seed_gives_the_same_image_and_another_gives_another(open_stage: OpenStage) -> None:
    stage = open_stage(AT_ONCE)

    def drawn(**parameters: Any) -> bytes:
        fetched: dict[str, Any] = finished(stage, submit(stage, **parameters))
        return stage.call("GET", fetched["output"]).content

    assert drawn(seed=7) == drawn(seed=7)
    assert drawn(seed=7) != drawn(seed=8)
    assert drawn(seed=7) != drawn(seed=7, prompt="another")
    assert drawn(seed=7) != drawn(seed=7, steps=26)
    assert drawn() != drawn(), "two drawn seeds gave one image"


@rule
def a_seed_is_reported_by_the_models_that_have_one(open_stage: OpenStage) -> None:
    stage = open_stage(AT_ONCE)
    for seed in (0, 7, 2147483647):
        generated = stage.call("POST", V1, json={**PROMPT, "seed": seed})
        assert generated.headers["x-seed-value"] == str(seed)
        assert generated.json()["seed"] == seed
        assert finished(stage, submit(stage, seed=seed))["seed"] == seed
    drawn = [finished(stage, submit(stage, **seed))["seed"] for seed in ({}, {}, {"seed": -1}, {"seed": -1})]
    assert len(set(drawn)) == 4
    assert min(drawn) >= 0
    for slug, model in MODELS.items():
        generated = stage.call("POST", f"/v1/{slug}", json=PROMPT)
        reports = ["x-seed-value" in generated.headers, "seed" in generated.json()]
        assert [*reports, "seed" in finished(stage, submit(stage, f"/v2/{slug}"))] == ["seed" in model.parameters] * 3


@rule
def an_image_is_kept_for_seven_days(open_stage: OpenStage) -> None:
    stage = open_stage(AT_ONCE)
    url = finished(stage, submit(stage))["output"]
    stage.clock.advance(7 * 86400 - 120)
    assert stage.call("GET", url, key=None).status_code == 200
    stage.clock.advance(120)
    assert stage.call("GET", url, key=None).status_code == 404


@rule
def every_parameter_refuses_what_is_of_another_type(open_stage: OpenStage) -> None:
    stage = open_stage(AT_ONCE)
    for path, name, rules in every_parameter():
        assert stage.call("POST", path, json={}).status_code == 400, f"{path} takes a body without a prompt"
        for value in OTHERS[rules["type"]]:
            response = stage.call("POST", path, json={**PROMPT, name: value})
            assert response.status_code == 400, f"{path}: {name} {value!r} is {response.status_code}"


@rule
def a_result_describes_its_image(open_stage: OpenStage) -> None:
    stage = open_stage(AT_ONCE)
    body = finished(stage, submit(stage))
    (described,) = body["images"]
    served = stage.call("GET", described["url"], key=None)
    assert body["output"] == described["url"]
    assert (described["content_type"], described["file_size"]) == (served.headers["content-type"], len(served.content))
    assert body["error"] is None
    assert re.fullmatch(r"[\w-]+\.png", described["file_name"])


@rule
def every_answer_to_a_v1_call_is_accounted_for(open_stage: OpenStage) -> None:
    for form, media_type in FORMS:
        stage = open_stage(Settings(latency_factor=1.0, generate_as=form))
        for slug, seconds in LATENCIES.items():
            response = stage.call("POST", f"/v1/{slug}", json=PROMPT)
            operation_id = next(name for name in OPERATIONS if path_of(name) == f"/v1/{slug}")
            assert response.headers["content-type"].partition(";")[0] == media_type
            assert problems_in(operation_id, response) == []
            assert near(float(response.headers["x-generation-time"]), seconds)


def image_v1(stage: Stage, slug: str, parameters: Mapping[str, Any]) -> Image.Image:
    url = stage.call("POST", f"/v1/{slug}", json={**PROMPT, **parameters}).json()["output"]
    return Image.open(io.BytesIO(stage.call("GET", url, key=None).content))


def image_v2(stage: Stage, slug: str, parameters: Mapping[str, Any]) -> Image.Image:
    url = finished(stage, submit(stage, f"/v2/{slug}", **parameters))["output"]
    return Image.open(io.BytesIO(stage.call("GET", url, key=None).content))


JSON = {"content-type": "application/json"}
TEXT = {"content-type": "text/plain"}
REFUSED: list[dict[str, Any]] = [{"json": {}}, {"content": b"{", "headers": JSON}, {"content": b"{}", "headers": TEXT}]
FORMS: list[tuple[Literal["json", "text", "image"], str]] = [
    ("json", "application/json"),
    ("text", "text/plain"),
    ("image", "image/png"),
]
"""What v1 may answer with."""
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
SIZES: list[tuple[str, dict[str, Any], tuple[int, int]]] = [
    ("imagen-4-fast", {}, (512, 512)),
    ("imagen-4-fast", {"width": 256, "height": 1024}, (256, 1024)),
    ("imagen-4-ultra", {"width": 300}, (300, 512)),
    ("imagen-4-ultra", {"height": 301}, (512, 301)),
    ("imagen-4-fast", {"aspect_ratio": "16:9"}, (1024, 576)),
    ("imagen-4", {}, (1024, 768)),
    ("imagen-4", {"aspect_ratio": "3:4"}, (768, 1024)),
    ("imagen", {}, (1024, 576)),
    ("imagen", {"aspect_ratio": "1:1"}, (1024, 1024)),
    ("imagen", {"aspect_ratio": "9:16"}, (576, 1024)),
]
