"""The checking proxy, before a service that obeys the contract and before one that does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from segmind_mock import DEFAULT_KEY, Double, serve
from segmind_mock.proxy import proxy_app
from tests.mock.checks import DOCUMENTED, OPERATIONS, path_of

PROMPT = {"prompt": "x"}


@pytest.fixture
def reported() -> list[str]:
    return []


@pytest.fixture
def call(address: str, reported: list[str]) -> Iterator[httpx.Client]:
    """A caller of a proxy in front of the double."""
    with (
        serve(proxy_app(address, reported.append)) as proxy,
        httpx.Client(base_url=proxy, headers={"x-api-key": DEFAULT_KEY}) as client,
    ):
        yield client


def test_what_fits_the_contract_is_passed_through_without_a_word(
    call: httpx.Client, reported: list[str], double: Double
) -> None:
    for operation_id, status in DOCUMENTED:
        method, _, operation = OPERATIONS[operation_id]
        body = PROMPT if "requestBody" in operation else None
        response = call.request(method, path_of(operation_id), json=body, headers={"prefer": f"code={status}"})
        assert response.status_code == status
    assert call.post("/v1/imagen-4-fast", json={"prompt": "x", "seed": 7}).headers["x-seed-value"] == "7"
    submitted = call.post("/v2/imagen", json=PROMPT)
    assert submitted.json()["status"] == "QUEUED"
    assert len(double.requests(accepted=True)) == 2
    assert reported == []


MISFITS: dict[str, tuple[Callable[[httpx.Client], Any], str]] = {
    "a value out of range": (
        lambda call: call.post("/v1/imagen-4-fast", json={"prompt": "x", "width": 9}),
        "POST /v1/imagen-4-fast: the request: width: 9 is less than the minimum of 256",
    ),
    "a body that is no JSON": (
        lambda call: call.post("/v2/imagen", content=b"{", headers={"content-type": "application/json"}),
        "POST /v2/imagen: the request: its body is no JSON",
    ),
    "a body of another type": (
        lambda call: call.post("/v2/imagen", content=b"{}"),
        "POST /v2/imagen: the request: its Content-Type is not application/json",
    ),
    "no key": (
        lambda call: call.get("/v1/get-user-credits", headers={"x-api-key": ""}),
        "GET /v1/get-user-credits: the request: there is no x-api-key header",
    ),
    "a path that the contract does not have": (
        lambda call: call.get("/v3"),
        "GET /v3: the request: the contract has no such path",
    ),
    "a verb that the contract does not have": (
        lambda call: call.put("/v2/imagen"),
        "PUT /v2/imagen: the request: the contract has no such verb here",
    ),
    "a status that the contract does not have": (
        lambda call: call.get("/v1/get-user-credits", headers={"prefer": "code=418"}),
        "GET /v1/get-user-credits: the answer, 418: the contract does not have this status here",
    ),
    "an answer of another type": (
        lambda call: call.get("/v1/get-user-credits", headers={"prefer": "html=504"}),
        "GET /v1/get-user-credits: the answer, 504: its Content-Type is text/html, the contract has application/json",
    ),
    "an answer that is no JSON": (
        lambda call: call.get("/v1/get-user-credits", headers={"prefer": "malformed=json"}),
        "GET /v1/get-user-credits: the answer, 200: its body is no JSON",
    ),
    "a connection that is dropped": (
        lambda call: call.get("/v1/get-user-credits", headers={"prefer": "drop=before"}),
        "did not answer",
    ),
}


@pytest.mark.parametrize(("misfit", "line"), MISFITS.values(), ids=MISFITS.keys())
def test_what_does_not_fit_is_reported_in_a_line(
    call: httpx.Client, reported: list[str], misfit: Callable[[httpx.Client], Any], line: str
) -> None:
    misfit(call)
    assert any(line in report for report in reported), reported
    assert DEFAULT_KEY not in "".join(reported)


def test_a_state_and_a_header_that_the_contract_does_not_have_are_reported(reported: list[str]) -> None:
    answers = {
        "/v1/imagen": httpx.Response(200, json={}, headers={"x-cost": "much", "x-request-id": "1"}),
        "/v2/requests/a/status": httpx.Response(200, json={"request_id": "a", "status": "PAUSED", "metrics": {}}),
    }
    transport = httpx.MockTransport(lambda request: answers[request.url.path])
    with serve(proxy_app("https://service.example", reported.append, transport=transport)) as proxy:
        httpx.post(f"{proxy}/v1/imagen", json=PROMPT, headers={"x-api-key": "k"})
        httpx.get(f"{proxy}/v2/requests/a/status", headers={"x-api-key": "k"})
    text = "\n".join(reported)
    assert "the header x-cost is 'much', the contract has a value of type number" in text
    assert "the header x-remaining-credits is missing" in text
    assert 'status: "PAUSED" is not one of' in text
    assert 'request_id: "a" is not a "uuid"' in text
