"""Jobs over time: states, latency, retention, and who may see them."""

from __future__ import annotations

from tests.contract.faults import REQUEST_ID
from tests.contract.rules.rule import AT_ONCE, LATENCIES, PROMPT, V2, OpenStage, finished, result, rule, status, submit
from tests.support.contract import problems_in
from tests.support.stage import OTHER_KEY

RETENTION = 3600


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
def the_urls_in_a_response_lead_to_its_job(open_stage: OpenStage) -> None:
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
def an_unknown_request_id_is_404(open_stage: OpenStage) -> None:
    stage = open_stage(AT_ONCE)
    job = submit(stage)
    for unknown in (REQUEST_ID, "x", job[:-1], job + "0", job.replace("-", "")):
        for ask, operation_id in ((status, "getJobStatus"), (result, "getJobResult")):
            response = ask(stage, unknown)
            assert response.status_code == 404, f"{unknown} is {response.status_code}"
            assert problems_in(operation_id, response) == []
