"""Faults on demand: by header, by rule, and every documented status of every operation."""

from __future__ import annotations

import contextlib
import json
import time
from datetime import datetime
from typing import Any

import httpx
import pytest

from segmind_mock import DEFAULT_KEY, Double, FaultRule, MovableClock, Settings
from segmind_mock.faults import FIELDS, parse_prefer
from tests.support.contract import DOCUMENTED, OPERATIONS, path_of, problems_in

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


def test_an_example_that_the_contract_does_not_have_is_400_and_named(call: httpx.Client, double: Double) -> None:
    response = call.post("/v2/imagen", json=PROMPT, headers={"prefer": "code=401, example=typo"})
    assert response.status_code == 400
    assert response.json()["error"] == "Prefer: the contract has no example 'typo' for submitImagen and 401"
    assert double.requests(accepted=True) == []


def test_a_status_that_the_contract_does_not_have_can_be_provoked(call: httpx.Client) -> None:
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

    def test_a_fault_befalls_a_v1_call_that_takes_its_typical_latency(self, call: httpx.Client, double: Double) -> None:
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


@pytest.mark.parametrize("prefer", ["fail", "fail=", 'fail=""'])
def test_a_job_that_is_told_to_fail_without_a_text_has_the_default_error(call: httpx.Client, prefer: str) -> None:
    submitted = call.post("/v2/imagen", json=PROMPT, headers={"prefer": prefer}).json()
    response = call.get(submitted["status_url"])
    assert (response.status_code, response.json()["error"]) == (422, "failed on demand")


@pytest.mark.parametrize(
    "prefer",
    [
        "code=99",
        "code=199",
        "code=600",
        "html=199",
        "html=600",
        "code=x",
        "code=502.5",
        "code",
        "latency=-1",
        "latency=3600.1",
        "latency=nan",
        "truncate=-0.1",
        "truncate=1.01",
        "drop=later",
        "drop",
        "malformed",
        "fail=" + "x" * 10_001,
    ],
)
def test_a_fault_that_makes_no_sense_is_400_and_says_what_is_allowed(call: httpx.Client, prefer: str) -> None:
    response = call.get("/v1/get-user-credits", headers={"prefer": prefer})
    assert response.status_code == 400
    assert "expected" in response.json()["error"]


@pytest.mark.parametrize(
    ("prefer", "status"),
    [
        ("code=200", 200),
        ("code=599", 599),
        ("html=599", 599),
        ("latency=0", 200),
        ("latency=3600", 200),
        ("truncate=1", 200),
        ("fail=" + "x" * 10_000, 200),
    ],
    ids=lambda it: str(it)[:20],
)
def test_a_fault_may_have_the_least_and_the_most_of_each_range(call: httpx.Client, prefer: str, status: int) -> None:
    assert call.get("/v1/get-user-credits", headers={"prefer": prefer}).status_code == status


def test_the_message_of_an_impossible_number_names_the_range_and_what_was_sent(call: httpx.Client) -> None:
    message = call.get("/v1/get-user-credits", headers={"prefer": "latency=3601"}).json()["error"]
    assert message == "Prefer: latency: expected a number from 0 to 3600, got '3601'"


@pytest.mark.parametrize(("share", "sent"), [(0, 0.0), (0.5, 0.5), (1, 1.0)])
def test_a_truncated_body_has_the_share_that_was_asked_for(double: Double, share: float, sent: float) -> None:
    whole = asked(double, "/v1/get-user-credits")
    assert asked(double, "/v1/get-user-credits", truncate=share) == whole[: int(len(whole) * sent)]


def asked(double: Double, path: str, **fault: float) -> bytes:
    """The bytes of the body that come before the connection ends."""
    prefer = ", ".join(f"{name}={value}" for name, value in fault.items())
    parts: list[bytes] = []
    headers = {"x-api-key": DEFAULT_KEY, "prefer": prefer}
    with (
        httpx.Client(transport=double.transport(), base_url="http://double", headers=headers) as client,
        contextlib.suppress(httpx.TransportError),
        client.stream("GET", path) as response,
    ):
        parts.extend(response.iter_raw())
    return b"".join(parts)


@pytest.mark.parametrize(
    "prefer",
    [
        "respond-async, wait=10",
        "return=minimal, handling=lenient",
        'return=representation; include="a, code=502"',
        "depth-noroot, Safe",
        "subscribe-enhanced-get",
        "odata.maxpagesize=5",
        "",
        ", ,",
    ],
)
def test_registered_preferences_are_ignored(call: httpx.Client, prefer: str) -> None:
    assert call.get("/v1/get-user-credits", headers={"prefer": prefer}).status_code == 200


@pytest.mark.parametrize(
    "prefer", ["cod=502", "code=200, colour=red", "respond-async, x", "=5", 'fail="no end', 'code="502"x', '"code"=502']
)
def test_a_preference_that_is_neither_known_nor_registered_is_400_and_nothing_is_charged(
    call: httpx.Client, double: Double, prefer: str
) -> None:
    response = call.post("/v2/imagen", json=PROMPT, headers={"prefer": prefer})
    assert response.status_code == 400
    assert response.json()["error"].startswith("Prefer: ")
    assert (double.account().credits, double.requests(accepted=True)) == (100, [])


def test_the_message_of_an_unknown_preference_names_the_known_ones(call: httpx.Client) -> None:
    message = call.get("/v1/get-user-credits", headers={"prefer": "colour=red"}).json()["error"]
    assert message == f"Prefer: no fault has the field 'colour'; known are {', '.join(FIELDS)}"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("prefer", "code=503"), ("prefer", "wait=10")], 503),
        ([("prefer", "code=503, code=502")], 503),
        ([("prefer", 'CODE = "503" ; why=not , latency=0')], 503),
    ],
)
def test_preferences_are_read_as_the_standard_has_it(
    call: httpx.Client, headers: list[tuple[str, str]], status: int
) -> None:
    assert call.get("/v1/get-user-credits", headers=headers).status_code == status


def test_a_quoted_value_may_hold_quotes(call: httpx.Client) -> None:
    headers = {"prefer": r'fail="say \"no\""'}
    submitted = call.post("/v2/imagen", json=PROMPT, headers=headers).json()
    assert call.get(submitted["status_url"]).json()["error"] == 'say "no"'


@pytest.mark.parametrize("header", ["code=5" + " " * 200_000 + '"', 'fail="' + r"\"" * 100_000, "wait," * 50_000])
def test_a_long_preference_is_read_in_a_time_that_is_linear_in_its_length(header: str) -> None:
    before = time.process_time()
    with contextlib.suppress(ValueError):
        parse_prefer(header)
    assert time.process_time() - before < 5


@pytest.mark.parametrize("seconds", [0, 0.25, 0.999])
@pytest.mark.parametrize("how", ["rule", "header"])
def test_a_429_on_demand_names_a_reset_to_come_by_the_doubles_clock_and_no_calls_that_are_left(
    call: httpx.Client, double: Double, clock: MovableClock, how: str, seconds: float
) -> None:
    clock.advance(seconds)
    headers = {"prefer": "code=429"} if how == "header" else {}
    if how == "rule":
        double.fail_next(status=429)
    response = call.get("/v1/get-user-credits", headers=headers)
    reset = datetime.fromisoformat(response.headers["x-rate-limit-reset-at-utc"]).timestamp()
    assert 1 <= reset - clock.now() <= 2
    assert response.headers["x-rate-limit-remaining"] == "0"


class TestRules:
    def statuses(self, call: httpx.Client, count: int) -> list[int]:
        return [call.get("/v1/get-user-credits").status_code for _ in range(count)]

    def test_a_rule_ends_after_its_times(self, call: httpx.Client, double: Double) -> None:
        double.fail_next("getUserCredits", status=502, times=2)
        assert self.statuses(call, 4) == [502, 502, 200, 200]

    def test_the_first_rule_counts_until_it_has_ended_and_then_the_next(
        self, call: httpx.Client, double: Double
    ) -> None:
        double.fail_next("submitImagen", status=500)
        double.fail_next(status=502)
        double.fail_next(status=503)
        double.add_fault({"code": 504})
        assert self.statuses(call, 4) == [502, 503, 504, 504]
        assert call.post("/v2/imagen", json=PROMPT).status_code == 500

    def test_a_rule_counts_the_calls_that_match_and_those_that_are_left_to_go_wrong(
        self, call: httpx.Client, double: Double
    ) -> None:
        rule = double.add_fault({"code": 502}, times=5, probability=0.5, seed=3)
        struck = self.statuses(call, 8).count(502)
        found = double.store.transact(lambda tx: tx.get(FaultRule, rule.rule_id))
        assert found is not None
        assert 0 < struck < 5
        assert (found.seen, found.times) == (8, 5 - struck)

    def test_which_calls_go_wrong_by_chance_follows_from_the_seed_which_is_0_by_default(
        self, call: httpx.Client, double: Double
    ) -> None:
        struck: list[list[int]] = []
        seeds: tuple[dict[str, Any], ...] = ({}, {"seed": 0}, {"seed": 1})
        for seed in seeds:
            double.clear_faults()
            double.add_fault({"code": 502}, probability=0.5, **seed)
            struck.append(self.statuses(call, 20))
        assert struck[0] == struck[1] != struck[2]

    def test_cleared_rules_are_all_gone(self, call: httpx.Client, double: Double) -> None:
        for _ in range(100):
            double.add_fault({"code": 502})
        double.clear_faults()
        assert self.statuses(call, 1) == [200]

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

    def test_the_next_submit_is_accepted_and_its_job_fails(self, call: httpx.Client, double: Double) -> None:
        double.fail_next("submitImagen", fail="out of memory")
        failed, completed = (call.post("/v2/imagen", json=PROMPT).json()["status_url"] for _ in range(2))
        assert (call.get(failed).status_code, call.get(failed).json()["error"]) == (422, "out of memory")
        assert call.get(completed).json()["status"] == "COMPLETED"
        assert double.account().credits == 99.94

    @pytest.mark.parametrize(
        ("fault", "method", "path"),
        [({"fail": "no"}, "GET", "/v1/get-user-credits"), ({"state": "PAUSED"}, "POST", "/v2/imagen")],
    )
    def test_a_rule_about_jobs_is_not_used_up_by_other_calls(
        self, call: httpx.Client, double: Double, fault: dict[str, str], method: str, path: str
    ) -> None:
        rule = double.add_fault(fault, times=1)
        call.request(method, path, json=PROMPT if method == "POST" else None)
        assert double.store.transact(lambda tx: tx.get(FaultRule, rule.rule_id)) == rule
        assert (rule.times, rule.seen) == (1, 0)

    @pytest.mark.parametrize(
        ("fault", "status"),
        [({"code": 502}, 502), ({"code": 502.0}, 502), ({"html": 503}, 503), ({"code": "504"}, 504)],
    )
    def test_a_status_is_given_as_a_number_or_as_a_text(
        self, call: httpx.Client, double: Double, fault: dict[str, str | float], status: int
    ) -> None:
        double.add_fault(fault, times=1)
        assert self.statuses(call, 2) == [status, 200]

    def test_a_share_is_given_as_a_number(self, call: httpx.Client, double: Double) -> None:
        double.add_fault({"truncate": 0.5}, times=1)
        with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
            call.get("/v1/get-user-credits")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({}, "expected a status, or one of code, example, latency"),
            (
                {"operation_id": "submitNothing", "status": 502},
                "no operation is called 'submitNothing'; known are gener",
            ),
            ({"operation_id": "getJobStatus", "fail": "no"}, "fail: getJobStatus is not a submit operation"),
            ({"operation_id": "submitImagen", "state": "PAUSED"}, "state: submitImagen is not a status operation"),
            ({"status": 502.5}, "code: expected a whole number"),
            ({"status": True}, "code: expected a string or a number"),
            ({"fail": 5}, "fail: expected a string"),
            ({"status": 502, "colour": "red"}, "no fault has the field 'colour'"),
            ({"cod": 502}, "no fault has the field 'cod'; known are code, example, "),
        ],
    )
    def test_a_next_failure_that_makes_no_sense_is_refused(
        self, double: Double, arguments: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(ValueError, match=message):
            double.fail_next(**arguments)

    def test_to_ask_for_the_requests_of_an_unknown_operation_is_an_error(self, double: Double) -> None:
        with pytest.raises(ValueError, match="no operation is called 'typo'; known are generateImagen, "):
            double.requests("typo")

    @pytest.mark.parametrize(
        ("rule", "message"),
        [
            ({"fault": {"code": "abc"}}, "expected a number"),
            ({"fault": {"colour": "red"}}, "no fault has the field 'colour'"),
            ({"fault": {"cod": 502}}, "no fault has the field 'cod'; known are code, example, "),
            ({"fault": {"cod": None}}, "no fault has the field 'cod'; known are code, example, "),
            ({"fault": {}, "operation_id": "submitNothing"}, "no operation is called 'submitNothing'"),
            ({"fault": {}, "probability": 0}, "probability"),
            ({"fault": {}, "probability": 1.001}, "probability"),
            ({"fault": {}, "probability": float("nan")}, "probability"),
            ({"fault": {}, "times": 0}, "times"),
        ],
    )
    def test_a_rule_that_makes_no_sense_is_refused(self, double: Double, rule: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            double.add_fault(**rule)

    @pytest.mark.parametrize(
        ("rule", "message"),
        [
            ({"fault": [("code", 502)]}, "fault: expected an object"),
            ({"fault": {"code": 502}, "times": 1.5}, "times: expected a whole number"),
        ],
    )
    def test_a_rule_of_another_type_is_refused(self, double: Double, rule: dict[str, Any], message: str) -> None:
        with pytest.raises(TypeError, match=message):
            double.add_fault(**rule)

    def test_there_is_an_end_to_the_number_of_rules(self, double: Double) -> None:
        for _ in range(100):
            double.add_fault({"code": "500"}, key="nobody's")
        with pytest.raises(ValueError, match="clear them first"):
            double.add_fault({"code": "500"})


def test_every_field_has_a_test_of_its_own() -> None:
    assert set(FIELDS) == {"code", "example", "latency", "drop", "truncate", "html", "state", "fail", "malformed"}
