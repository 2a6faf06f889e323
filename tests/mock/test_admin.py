"""The admin interface and the journal."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from segmind_mock import DEFAULT_KEY, Double, MovableClock, Settings
from segmind_mock.journal import JOURNAL_LENGTH, LONGEST_IN_JOURNAL, mask
from segmind_mock.records import Job

PROMPT = {"prompt": "x"}


@pytest.fixture
def admin(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{address}/_mock") as client:
        yield client


def test_accounts_are_opened_and_listed(admin: httpx.Client, call: httpx.Client) -> None:
    key = "SG_ffffffffffffffff"
    opened = admin.post("/accounts", json={"key": key, "credits": 5, "requests_per_minute": 2})
    assert (opened.status_code, opened.json()["credits"]) == (200, 5)
    assert [account["key"] for account in admin.get("/accounts").json()] == [mask(DEFAULT_KEY), mask(key)]
    assert call.get("/v1/get-user-credits", headers={"x-api-key": key}).json()["credits"] == 5


def test_faults_are_set_listed_and_cleared(admin: httpx.Client, call: httpx.Client) -> None:
    admin.post("/faults", json={"fault": {"code": "502"}, "operation_id": "getUserCredits", "times": 5})
    assert call.get("/v1/get-user-credits").status_code == 502
    (rule,) = admin.get("/faults").json()
    assert (rule["times"], rule["seen"]) == (4, 1)
    admin.delete("/faults")
    assert call.get("/v1/get-user-credits").status_code == 200


def test_the_clock_is_moved_and_jobs_are_completed_and_failed(admin: httpx.Client, call: httpx.Client) -> None:
    ids = [call.post("/v2/imagen", json=PROMPT).json()["request_id"] for _ in range(3)]
    assert [job["state"] for job in admin.get("/jobs").json()] == ["QUEUED"] * 3
    assert admin.post(f"/jobs/{ids[0]}/complete").json()["state"] == "COMPLETED"
    assert admin.post(f"/jobs/{ids[1]}/fail", json={"error": "no"}).json()["error"] == "no"
    now = admin.get("/clock").json()["now"]
    assert admin.post("/clock", json={"minutes": 1}).json()["now"] == now + 60
    assert admin.get(f"/jobs/{ids[2]}").json()["state"] == "COMPLETED"


def test_the_job_in_the_path_is_the_one_that_is_failed(admin: httpx.Client, call: httpx.Client) -> None:
    one, other = (call.post("/v2/imagen", json=PROMPT).json()["request_id"] for _ in range(2))
    failed = admin.post(f"/jobs/{one}/fail", json={"request_id": other, "error": None}).json()
    assert (failed["request_id"], failed["state"], failed["error"]) == (one, "FAILED", "failed on demand")


def test_a_reset_forgets_everything_but_the_ready_account(admin: httpx.Client, call: httpx.Client) -> None:
    url = call.post("/v2/imagen", json=PROMPT).json()["status_url"]
    admin.post("/faults", json={"fault": {"code": "502"}})
    admin.post("/reset")
    assert (admin.get("/journal").json(), admin.get("/jobs").json(), admin.get("/faults").json()) == ([], [], [])
    assert call.get(url).status_code == 404
    assert call.get("/v1/get-user-credits").json()["credits"] == 100


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/accounts", {"credit": 5}, "there is no field 'credit'; known are key, credits, requests_per_minute, "),
        ("/accounts", {"credits": "many"}, 'credits: "many" is not of type "number"'),
        ("/accounts", {"credits": "5"}, 'credits: "5" is not of type "number"'),
        ("/accounts", {"credits": True}, 'credits: true is not of type "number"'),
        ("/accounts", {"credits": None}, 'credits: null is not of type "number"'),
        ("/accounts", {"credits": -1}, "credits of 0 or more"),
        ("/accounts", {"key": 5}, 'key: 5 is not of type "string"'),
        ("/accounts", {"key": ""}, "expected a key"),
        ("/accounts", {"requests_per_minute": 2.0}, "requests_per_minute: 2.0 is not of types"),
        ("/accounts", {"requests_per_minute": True}, "requests_per_minute: true is not of types"),
        ("/accounts", {"forbidden_models": "imagen"}, 'forbidden_models: "imagen" is not of type "array"'),
        ("/accounts", {"forbidden_models": [5]}, 'forbidden_models.0: 5 is not of type "string"'),
        ("/accounts", {"has_balance": 1}, 'has_balance: 1 is not of type "boolean"'),
        ("/accounts", [], "expected a JSON object"),
        ("/faults", {"fault": {"code": "x"}}, "code: expected a number from 200 to 599, got 'x'"),
        ("/faults", {"fault": {"code": True}}, "code: expected a string or a number"),
        ("/faults", {"fault": {"fail": None}}, "fail: expected a string"),
        ("/faults", {}, '"fault" is a required property'),
        ("/faults", {"fault": []}, 'fault: [] is not of type "object"'),
        ("/faults", {"fault": {"code": 502}, "times": "1"}, 'times: "1" is not of types'),
        ("/faults", {"fault": {"code": 502}, "probability": "1"}, 'probability: "1" is not of type "number"'),
        ("/faults", {"fault": {"code": 502}, "rule_id": "r"}, "there is no field 'rule_id'"),
        ("/clock", {"days": 1e8}, "up to 1e+09 seconds"),
        ("/clock", {"hours": -1}, "only forward"),
        ("/clock", {"hours": "x"}, 'hours: "x" is not of type "number"'),
        ("/clock", {"weeks": 1}, "there is no field 'weeks'; known are seconds, minutes, hours, days"),
        ("/reset", {"all": True}, "there is no field 'all'; this call takes none"),
        ("/jobs/no-such-id/fail", [], "expected a JSON object"),
        ("/jobs/no-such-id/fail", {"error": 5}, "error: 5 is not of types"),
        ("/jobs/no-such-id/fail", {"reason": "x"}, "there is no field 'reason'; known are request_id, error"),
    ],
)
def test_what_makes_no_sense_is_400_in_words_of_json(
    admin: httpx.Client, path: str, body: object, message: str
) -> None:
    response = admin.post(path, json=body)
    assert response.status_code == 400
    assert message in response.json()["error"]


def test_a_body_that_is_no_json_is_400(admin: httpx.Client) -> None:
    response = admin.post("/accounts", content=b"{", headers={"content-type": "application/json"})
    assert response.status_code == 400
    assert response.json()["error"].startswith("the body is not valid JSON: ")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"operation_id": "typo"}, "no operation is called 'typo'; known are generateImagen, "),
        ({"operation": "submitImagen"}, "there is no field 'operation'; known are operation_id, key, status, accepted"),
        ({"status": "many"}, "status: expected a number such as 200"),
        ({"accepted": "maybe"}, "accepted: expected true or false"),
    ],
)
@pytest.mark.parametrize("path", ["/journal", "/journal/counts"])
def test_a_query_that_makes_no_sense_is_400(
    admin: httpx.Client, path: str, query: dict[str, str], message: str
) -> None:
    response = admin.get(path, params=query)
    assert response.status_code == 400
    assert message in response.json()["error"]


@pytest.mark.parametrize(("method", "end"), [("GET", ""), ("POST", "/complete"), ("POST", "/fail")])
def test_an_unknown_job_is_404(admin: httpx.Client, method: str, end: str) -> None:
    response = admin.request(method, f"/jobs/no-such-id{end}")
    assert response.status_code == 404
    assert response.json() == {"error": "no job has the request id 'no-such-id'"}


def test_a_job_that_has_ended_cannot_be_ended_again(admin: httpx.Client, call: httpx.Client) -> None:
    request_id = call.post("/v2/imagen", json=PROMPT).json()["request_id"]
    assert [admin.post(f"/jobs/{request_id}/{end}").status_code for end in ("complete", "fail")] == [200, 400]


def test_a_fault_may_name_its_status_as_a_number(admin: httpx.Client, call: httpx.Client) -> None:
    rule = admin.post("/faults", json={"fault": {"code": 502, "latency": 0.5}, "times": 1}).json()
    assert rule["fault"] == {"code": "502", "latency": "0.5"}
    assert call.get("/v1/get-user-credits").status_code == 502


def test_a_fault_with_an_unknown_field_is_400_and_names_the_field(admin: httpx.Client) -> None:
    response = admin.post("/faults", json={"fault": {"cod": 502}})
    assert response.status_code == 400
    assert response.json()["error"].startswith("no fault has the field 'cod'; known are code, example, ")


def test_an_unknown_path_is_404_and_another_verb_405(admin: httpx.Client) -> None:
    assert admin.get("/nothing").status_code == 404
    assert admin.get("/reset").status_code == 405


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "error"),
    [
        ("GET", "/nothing", {}, 404, "no GET at /_mock/nothing"),
        ("POST", "/clock", {"content-type": "text/plain"}, 415, "a body needs the header Content-Type: app"),
        ("GET", "/reset", {}, 405, "no GET at /_mock/reset"),
    ],
)
def test_an_error_is_a_json_object_that_says_what_is_wrong(
    admin: httpx.Client, method: str, path: str, headers: dict[str, str], status: int, error: str
) -> None:
    response = admin.request(method, path, headers=headers, content=b"{}" if method == "POST" else None)
    assert (response.status_code, response.headers["content-type"]) == (status, "application/json")
    assert response.json()["error"].startswith(error)


def test_the_name_of_a_field_that_there_is_not_is_cut_in_the_message(admin: httpx.Client) -> None:
    message = admin.post("/reset", json={"x" * 5000: 1}).json()["error"]
    assert message == f"there is no field '{'x' * 100}'; this call takes none"


def test_the_value_of_a_field_is_cut_in_the_message(admin: httpx.Client) -> None:
    assert len(admin.post("/accounts", json={"credits": "9" * 5000}).json()["error"]) == 500


def test_an_account_and_a_fault_take_each_of_their_fields(admin: httpx.Client, double: Double) -> None:
    told: dict[str, Any] = {
        "credits": 5,
        "requests_per_minute": None,
        "forbidden_models": ["imagen"],
        "has_balance": False,
    }
    admin.post("/accounts", json={"key": "bob", **told})
    account = double.account("bob")
    assert {name: getattr(account, name) for name in told} == told
    told = {"fault": {"code": 502}, "operation_id": None, "times": None, "probability": 0.5, "seed": 4}
    rule = admin.post("/faults", json={**told, "key": "bob"}).json()
    assert {name: rule[name] for name in told} == {**told, "fault": {"code": "502"}}
    assert (rule["key"], rule["seen"]) == (mask("bob"), 0)


class TestDouble:
    """What the admin interface does, from Python."""

    def test_an_account_has_100_dollars_a_balance_and_no_limit_by_default(self, double: Double) -> None:
        account = double.open_account("bob")
        assert (account.credits, account.requests_per_minute, account.forbidden_models, account.has_balance) == (
            100,
            None,
            [],
            True,
        )

    def test_an_unknown_key_is_not_shown_whole(self, double: Double) -> None:
        with pytest.raises(KeyError, match="no account has the key") as error:
            double.account("SG_5ec4e75ec4e75ec4")
        assert "SG_5ec4e75ec4e75ec4" not in str(error.value)

    def test_a_job_without_a_message_fails_on_demand(self, call: httpx.Client, double: Double) -> None:
        ids = [call.post("/v2/imagen", json=PROMPT).json()["request_id"] for _ in range(2)]
        assert [double.fail(ids[0]).error, double.fail(ids[1], "").error] == ["failed on demand"] * 2

    @pytest.mark.parametrize("end", [Double.complete, Double.fail])
    def test_a_job_can_be_ended_until_the_moment_at_which_it_ends(
        self, call: httpx.Client, double: Double, clock: MovableClock, end: Callable[[Double, str], Job]
    ) -> None:
        one, other = (call.post("/v2/imagen-4-fast", json=PROMPT).json()["request_id"] for _ in range(2))
        clock.advance(4.75)
        assert end(double, one).ended_at == clock.now()
        clock.advance(0.25)
        with pytest.raises(ValueError, match="has ended already"):
            end(double, other)

    def test_the_ready_account_is_opened_again_with_a_reset(self, double: Double) -> None:
        double.open_account("bob")
        double.open_account(credits=1)
        double.reset()
        assert [(account.key, account.credits) for account in double.accounts()] == [(DEFAULT_KEY, 100)]

    def test_requests_are_found_by_operation_key_status_and_acceptance(
        self, call: httpx.Client, double: Double
    ) -> None:
        double.open_account("bob")
        for key in (DEFAULT_KEY, "bob", "eve"):
            call.post("/v2/imagen", json=PROMPT, headers={"x-api-key": key})
            call.get("/v1/get-user-credits", headers={"x-api-key": key})
        call.get("/nothing")
        found = [
            double.requests(),
            double.requests("getUserCredits"),
            double.requests(key="bob"),
            double.requests(status=401, key="eve"),
            double.requests(status=404),
            double.requests(accepted=False),
        ]
        assert [len(rows) for rows in found] == [7, 3, 2, 2, 1, 5]
        assert [row.key for row in double.requests(accepted=True)] == [mask(DEFAULT_KEY), mask("bob")]
        assert double.requests(key=mask("bob")) == double.requests(key="bob")
        assert double.requests("submitImagen", status=200, key="eve") == []

    def test_billed_requests_are_those_of_a_key(self, call: httpx.Client, double: Double, clock: MovableClock) -> None:
        double.open_account("bob")
        for key in (DEFAULT_KEY, "bob", "bob"):
            call.post("/v2/imagen", json=PROMPT, headers={"x-api-key": key})
        assert double.billed_requests() == []
        clock.advance(60)
        assert [len(double.billed_requests(key=key)) for key in (None, DEFAULT_KEY, "bob", "eve")] == [3, 1, 2, 0]


class TestJournal:
    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"status": "0"}, 0),
            ({"status": "200"}, 1),
            ({"accepted": "True"}, 1),
            ({"accepted": "FALSE"}, 2),
            ({"operation_id": "submitImagen"}, 2),
            ({"key": DEFAULT_KEY}, 2),
            ({"key": "bob"}, 1),
        ],
    )
    def test_the_journal_is_filtered_by_the_fields_of_a_query(
        self, admin: httpx.Client, call: httpx.Client, query: dict[str, str], found: int
    ) -> None:
        call.post("/v2/imagen", json=PROMPT)
        call.post("/v2/imagen", json={})
        call.get("/v1/get-user-credits", headers={"x-api-key": "bob"})
        assert len(admin.get("/journal", params=query).json()) == found
        assert sum(admin.get("/journal/counts", params=query).json().values()) == found

    @pytest.mark.parametrize("status", ["2000", "20 0", "-1", "\u0664", ""])
    def test_a_status_is_up_to_three_digits(self, admin: httpx.Client, status: str) -> None:
        response = admin.get("/journal", params={"status": status})
        assert response.status_code == 400
        assert response.json()["error"] == "status: expected a number such as 200, or 0 for a dropped connection"

    def test_calls_without_a_key_are_counted(self, admin: httpx.Client, address: str) -> None:
        for _ in range(2):
            httpx.get(f"{address}/v1/get-user-credits")
        assert admin.get("/journal/counts").json() == {"": 2}

    def test_a_call_is_written_with_its_answer_and_a_masked_key(
        self, admin: httpx.Client, call: httpx.Client, clock: MovableClock
    ) -> None:
        request_id = call.post("/v2/imagen", json=PROMPT, headers={"x-trace": "7"}).json()["request_id"]
        response = admin.get("/journal")
        (row,) = response.json()
        assert (row["operation_id"], row["method"], row["path"], row["status"]) == (
            "submitImagen",
            "POST",
            "/v2/imagen",
            200,
        )
        assert (row["body"], row["request_id"], row["accepted"], row["at"]) == (
            '{"prompt":"x"}',
            request_id,
            True,
            clock.now(),
        )
        assert request_id in row["answer"]
        assert row["key"].startswith("SG_…")
        assert ["x-trace", "7"] in row["headers"]
        assert DEFAULT_KEY not in response.text

    def test_an_authorization_header_is_not_written_to_the_journal(
        self, admin: httpx.Client, call: httpx.Client
    ) -> None:
        call.get("/v1/get-user-credits", headers={"authorization": f"Bearer {DEFAULT_KEY}"})
        assert DEFAULT_KEY not in admin.get("/journal").text

    def test_calls_are_counted_by_key(self, admin: httpx.Client, call: httpx.Client, double: Double) -> None:
        # Alike at both ends.
        alike = DEFAULT_KEY.replace("0123", "3210")
        double.open_account(alike)
        double.open_account("bob")
        for key, times in ((DEFAULT_KEY, 3), (alike, 2), ("bob", 1)):
            for _ in range(times):
                call.post("/v2/imagen", json=PROMPT, headers={"x-api-key": key})
        call.post("/v2/imagen", json={})
        call.get("/v1/get-user-credits")
        query = {"operation_id": "submitImagen", "accepted": "true"}
        assert sorted(admin.get("/journal/counts", params=query).json().values()) == [1, 2, 3]
        assert len(admin.get("/journal", params={"status": "400"}).json()) == 1
        assert [len(double.requests("submitImagen", key=key)) for key in (DEFAULT_KEY, alike, "bob", "eve")] == [
            4,
            2,
            1,
            0,
        ]

    def test_the_journal_forgets_its_oldest_rows_and_cuts_long_values(self, call: httpx.Client, double: Double) -> None:
        for _ in range(JOURNAL_LENGTH + 5):
            call.get("/v1/get-user-credits")
        call.post("/v2/imagen", json={"prompt": "x" * 2 * LONGEST_IN_JOURNAL})
        rows = double.requests()
        assert len(rows) == JOURNAL_LENGTH
        assert len(rows[-1].body) == LONGEST_IN_JOURNAL


class TestLargeBodies:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(largest_body=1000)

    @pytest.mark.parametrize(("size", "status"), [(1000, 200), (1001, 400)])
    @pytest.mark.parametrize("declared", [True, False])
    def test_a_body_may_be_exactly_as_large_as_the_limit(
        self, call: httpx.Client, size: int, status: int, declared: bool
    ) -> None:
        body = b'{"prompt":"x"}'.ljust(size)
        headers = {"content-type": "application/json"}
        content = body if declared else iter([body[:999], body[999:]])
        assert call.post("/v2/imagen", content=content, headers=headers).status_code == status

    @pytest.mark.parametrize(("size", "status"), [(1000, 200), (1001, 413)])
    def test_a_body_for_the_admin_interface_may_be_exactly_as_large_as_the_limit(
        self, admin: httpx.Client, size: int, status: int
    ) -> None:
        headers = {"content-type": "application/json"}
        assert admin.post("/clock", content=b'{"hours":1}'.ljust(size), headers=headers).status_code == status

    def test_the_limit_is_a_million_bytes_by_default(self) -> None:
        assert Settings().largest_body == 1_000_000

    def test_a_declared_length_over_the_limit_is_refused_before_the_body_is_read(self, address: str) -> None:
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(b"POST /v2/imagen HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 400")

    def test_a_body_that_is_not_sent_to_its_end_is_no_call(self, address: str, double: Double) -> None:
        host, port = address.removeprefix("http://").split(":")
        head = f"POST /v2/imagen HTTP/1.1\r\nhost: x\r\nx-api-key: {DEFAULT_KEY}\r\ncontent-type: application/json\r\n"
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(head.encode() + b'content-length: 500\r\n\r\n{"prompt":"x"}')
        httpx.get(f"{address}/v1/get-user-credits")
        assert double.requests(accepted=True) == []

    def test_a_body_without_a_declared_length_is_cut_off_at_the_limit(self, call: httpx.Client) -> None:
        pieces = (b"x" * 600 for _ in range(3))
        response = call.post("/v2/imagen", content=pieces, headers={"content-type": "application/json"})
        assert response.status_code == 400
        assert response.json()["error"] == "the body is larger than 1000 bytes"
