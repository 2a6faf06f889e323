"""The scenarios that the programs of clients/ meet at the double."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from languages.scenarios import ScenarioApp
from segmind_mock import DEFAULT_KEY, serve

BODY = {"prompt": "a cabin"}


@pytest.fixture
def app() -> ScenarioApp:
    return ScenarioApp()


@pytest.fixture
def http(app: ScenarioApp) -> Iterator[httpx.Client]:
    with serve(app) as url, httpx.Client(base_url=url, headers={"x-api-key": DEFAULT_KEY}) as client:
        yield client


def submit(http: httpx.Client, scenario: str) -> httpx.Response:
    return http.post(f"/{scenario}/v2/imagen-4", json=BODY)


def result(http: httpx.Client, scenario: str) -> dict[str, Any]:
    """The result of a job, after as many polls as it takes."""
    job = f"/{scenario}/v2/requests/{submit(http, scenario).json()['request_id']}"
    for _ in range(3):
        http.get(f"{job}/status")
    fields: dict[str, Any] = http.get(job).json()
    return fields


@pytest.mark.parametrize(
    ("scenario", "statuses"),
    [
        ("v2", [200]),
        ("no-credits", [406]),
        ("rate-limit", [429]),
        ("unavailable", [503, 503]),
        ("busy", [503, 200]),
        ("limited", [429, 200]),
        ("gateway", [502, 502]),
        ("late", [504]),
    ],
)
def test_each_submit_of_a_scenario_gets_its_status(http: httpx.Client, scenario: str, statuses: list[int]) -> None:
    assert [submit(http, scenario).status_code for _ in statuses] == statuses


def test_the_second_response_of_lost_is_lost_though_its_job_was_accepted(app: ScenarioApp, http: httpx.Client) -> None:
    assert submit(http, "lost").status_code == 200
    with pytest.raises(httpx.RemoteProtocolError):
        submit(http, "lost")
    assert len(app.doubles[False].requests("submitImagen4", accepted=True)) == 2


def test_an_html_page_stands_for_the_error_of_a_proxy(http: httpx.Client) -> None:
    assert submit(http, "html-502").headers["content-type"] == "text/html"


def test_a_success_is_no_json_where_it_is_unreadable(http: httpx.Client) -> None:
    with pytest.raises(json.JSONDecodeError):
        submit(http, "unreadable").json()


def test_a_failed_job_is_a_422(http: httpx.Client) -> None:
    assert result(http, "failed-job")["error"] == "blocked by the safety filter"


@pytest.mark.parametrize(("scenario", "state"), [("unknown-status", "PAUSED"), ("endless", "PROCESSING")])
def test_a_status_call_reports_the_state_of_its_scenario(http: httpx.Client, scenario: str, state: str) -> None:
    request_id = submit(http, scenario).json()["request_id"]
    assert http.get(f"/{scenario}/v2/requests/{request_id}/status").json()["status"] == state


def test_a_result_has_metrics_images_and_prompt_without_a_scenario_that_changes_them(http: httpx.Client) -> None:
    fields = result(http, "v2")
    assert fields["status"] == "COMPLETED"
    assert fields["metrics"]["cost"] > 0
    assert len(fields["images"]) == 1
    assert fields["prompt"] == "a cabin"


def test_fields_are_added_removed_or_null(http: httpx.Client) -> None:
    assert "colour_profile" in result(http, "unknown-field")
    assert "metrics" not in result(http, "no-metrics")
    assert result(http, "null-field")["images"] is None


def test_ids_that_are_no_uuids_lead_to_their_jobs(http: httpx.Client) -> None:
    fields = result(http, "foreign-id")
    assert fields["request_id"].startswith("job-")
    assert fields["status"] == "COMPLETED"


def test_polls_fail_three_times_before_they_succeed(http: httpx.Client) -> None:
    path = f"/flaky-polls/v2/requests/{submit(http, 'flaky-polls').json()['request_id']}/status"
    assert http.get(path).status_code == 502
    with pytest.raises(httpx.RemoteProtocolError):
        http.get(path)
    assert http.get(path).status_code == 503
    assert http.get(path).status_code == 200


def test_v1_is_json_or_an_image_and_the_image_is_kept_for_comparison(app: ScenarioApp, http: httpx.Client) -> None:
    as_json = http.post("/v1-json/v1/imagen-4", json=BODY)
    as_image = http.post("/v1-image/v1/imagen-4", json=BODY)
    assert as_json.json()["images"]
    assert as_image.headers["content-type"] == "image/png"
    assert app.images["v1-image"] == as_image.content
    # The URLs of images have no scenario.
    assert http.get(as_json.json()["output"]).headers["content-type"] == "image/png"


def test_posts_and_their_bodies_are_counted_by_scenario(app: ScenarioApp, http: httpx.Client) -> None:
    submit(http, "parameters")
    submit(http, "parameters")
    assert app.posts("parameters") == 2
    assert app.posts("v2") == 0
    assert app.bodies["parameters"] == {"/v2/imagen-4": BODY}
