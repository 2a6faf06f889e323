"""Faults on demand: by header, by rule, and every documented status of every operation."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from segmind_mock import Double, MovableClock, Settings
from segmind_mock.faults import FIELDS
from tests.mock.checks import DOCUMENTED, OPERATIONS, path_of, problems_in

PROMPT = {"prompt": "x"}


@pytest.fixture
def settings() -> Settings:
    return Settings()


@pytest.mark.parametrize(("operation_id", "status"), DOCUMENTED)
def test_every_documented_status_of_every_operation_can_be_provoked(
    call: httpx.Client, double: Double, operation_id: str, status: int
) -> None:
    method, _, operation = OPERATIONS[operation_id]
    body = PROMPT if "requestBody" in operation else None
    response = call.request(method, path_of(operation_id), json=body, headers={"prefer": f"code={status}"})
    assert response.status_code == status
    assert problems_in(operation_id, response) == []
    double.fail_next(operation_id, status=status)
    by_rule = call.request(method, path_of(operation_id), json=body)
    assert (by_rule.status_code, by_rule.content) == (status, response.content)
    assert double.account().credits == 100
    assert double.requests(accepted=True) == []


def test_a_named_example_is_answered_with(call: httpx.Client) -> None:
    response = call.post("/v2/imagen", json=PROMPT, headers={"prefer": "code=401, example=platform-variant"})
    assert response.json()["status_code"] == 401


def test_a_status_that_the_contract_does_not_have_can_be_provoked_too(call: httpx.Client) -> None:
    assert call.post("/v2/imagen", json=PROMPT, headers={"prefer": "code=520"}).status_code == 520


@pytest.mark.parametrize("prefer", ["code=204", "code=304", "html=204"])
def test_a_status_without_a_body_leaves_the_connection_usable(call: httpx.Client, prefer: str) -> None:
    response = call.get("/v1/get-user-credits", headers={"prefer": prefer})
    assert (str(response.status_code), response.content) == (prefer[-3:], b"")
    assert call.get("/v1/get-user-credits").status_code == 200


def test_latency_delays_the_answer(call: httpx.Client, clock: MovableClock) -> None:
    before = clock.now()
    call.get("/v1/get-user-credits", headers={"prefer": "latency=2.5"})
    assert clock.now() == before + 2.5


@pytest.mark.parametrize("route", ["v1", "v2"])
@pytest.mark.parametrize(("when", "accepted"), [("before", 0), ("after", 1)])
def test_a_dropped_connection_leaves_a_call_accepted_or_not(
    call: httpx.Client, double: Double, route: str, when: str, accepted: int
) -> None:
    with pytest.raises(httpx.TransportError):
        call.post(f"/{route}/imagen", json=PROMPT, headers={"prefer": f"drop={when}"})
    assert len(double.requests(accepted=True)) == accepted
    assert [row.status for row in double.requests()] == [0]
    assert double.account().credits == 100 - 0.06 * accepted


def test_a_truncated_body_ends_before_its_declared_length(call: httpx.Client, double: Double) -> None:
    with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
        call.post("/v2/imagen", json=PROMPT, headers={"prefer": "truncate=0.5"})
    assert len(double.requests(accepted=True)) == 1


def test_an_html_page_stands_for_a_proxy(call: httpx.Client) -> None:
    response = call.get("/v1/get-user-credits", headers={"prefer": "html=503"})
    assert (response.status_code, response.headers["content-type"]) == (503, "text/html")
    assert response.text.startswith("<!doctype html>")


def test_a_job_can_report_a_state_that_nobody_knows(call: httpx.Client) -> None:
    url = call.post("/v2/imagen", json=PROMPT).json()["status_url"]
    assert call.get(url, headers={"prefer": "state=PAUSED"}).json()["status"] == "PAUSED"
    assert call.get(url).json()["status"] == "COMPLETED"


def test_malformed_json_is_no_json_and_the_call_is_carried_out(call: httpx.Client, double: Double) -> None:
    response = call.post("/v2/imagen", json=PROMPT, headers={"prefer": "malformed=json"})
    with pytest.raises(json.JSONDecodeError):
        response.json()
    assert len(double.requests(accepted=True)) == 1


class TestSlow:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(latency_factor=1)

    def test_a_fault_also_befalls_a_v1_call_that_takes_its_time(self, call: httpx.Client, double: Double) -> None:
        response = call.post("/v1/imagen", json=PROMPT, headers={"prefer": "malformed=json"})
        assert (response.status_code, response.content) == (200, b'{"error": ')
        assert double.account().credits == 99.94


def test_a_job_can_be_told_to_fail(call: httpx.Client, double: Double) -> None:
    submitted = call.post("/v2/imagen", json=PROMPT, headers={"prefer": 'fail="out of paint, and ideas"'}).json()
    for name, url in (("getJobStatus", "status_url"), ("getJobResult", "response_url")):
        response = call.get(submitted[url])
        assert problems_in(name, response) == []
        assert (response.status_code, response.json()["error"]) == (422, "out of paint, and ideas")
    assert double.account().credits == 100


@pytest.mark.parametrize("prefer", ["code=99", "code=x", "latency=-1", "latency=nan", "truncate=2", "drop=later"])
def test_a_fault_that_makes_no_sense_is_400_and_says_what_is_allowed(call: httpx.Client, prefer: str) -> None:
    response = call.get("/v1/get-user-credits", headers={"prefer": prefer})
    assert response.status_code == 400
    assert "expected" in response.json()["error"]


def test_other_preferences_are_left_alone(call: httpx.Client) -> None:
    assert call.get("/v1/get-user-credits", headers={"prefer": "respond-async, wait=10"}).status_code == 200


class TestRules:
    def statuses(self, call: httpx.Client, count: int) -> list[int]:
        return [call.get("/v1/get-user-credits").status_code for _ in range(count)]

    def test_a_rule_ends_after_its_times(self, call: httpx.Client, double: Double) -> None:
        double.fail_next("getUserCredits", status=502, times=2)
        assert self.statuses(call, 4) == [502, 502, 200, 200]

    def test_a_rule_is_for_one_operation_or_one_key(self, call: httpx.Client, double: Double) -> None:
        double.open_account("SG_ffffffffffffffff")
        double.fail_next("submitImagen", status=500)
        double.add_fault({"code": "504"}, key="SG_ffffffffffffffff")
        assert self.statuses(call, 2) == [200, 200]
        assert call.get("/v1/get-user-credits", headers={"x-api-key": "SG_ffffffffffffffff"}).status_code == 504
        assert call.post("/v2/imagen", json=PROMPT).status_code == 500

    def test_chance_follows_from_the_seed(self, call: httpx.Client, double: Double) -> None:
        def struck(seed: int) -> list[int]:
            double.clear_faults()
            double.add_fault({"code": "500"}, probability=0.5, seed=seed)
            return self.statuses(call, 40)

        assert struck(1) == struck(1)
        assert struck(1) != struck(2)
        assert 8 < struck(1).count(500) < 32

    def test_the_header_of_a_call_comes_before_a_rule(self, call: httpx.Client, double: Double) -> None:
        double.fail_next(status=500)
        assert call.get("/v1/get-user-credits", headers={"prefer": "code=429"}).status_code == 429
        assert self.statuses(call, 2) == [500, 200]

    @pytest.mark.parametrize(
        ("rule", "message"),
        [
            ({"fault": {"code": "abc"}}, "expected a number"),
            ({"fault": {"colour": "red"}}, "no fault has the field 'colour'"),
            ({"fault": {}, "operation_id": "submitNothing"}, "no operation is called 'submitNothing'"),
            ({"fault": {}, "probability": 0}, "probability"),
            ({"fault": {}, "times": 0}, "times"),
        ],
    )
    def test_a_rule_that_makes_no_sense_is_refused(self, double: Double, rule: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            double.add_fault(**rule)

    def test_there_is_an_end_to_the_number_of_rules(self, double: Double) -> None:
        for _ in range(100):
            double.add_fault({"code": "500"}, key="nobody's")
        with pytest.raises(ValueError, match="clear them first"):
            double.add_fault({"code": "500"})


def test_every_field_has_a_test_of_its_own() -> None:
    assert set(FIELDS) == {"code", "example", "latency", "drop", "truncate", "html", "state", "fail", "malformed"}
