"""The Overlay and the Arazzo document that are generated from the contract, in the tools that read such documents."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from segmind_mock import DEFAULT_KEY, Double, Settings, serve
from tests.conftest import ROOT

EDITIONS = ROOT / "generated" / "segmind_openapi"
OVERLAY = EDITIONS / "segmind.vocabularies.overlay.json"
ARAZZO = EDITIONS / "segmind.arazzo.json"


def redocly(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "node_modules" / ".bin" / "redocly", *arguments],
        env={**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def overlaid(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The operations of the codegen edition with the Overlay applied, by their ids."""
    output = tmp_path_factory.mktemp("overlaid") / "segmind.json"
    bundled = redocly("bundle", EDITIONS / "segmind.codegen.json", "--overlay", OVERLAY, "--output", output)
    assert bundled.returncode == 0, bundled.stderr
    paths = json.loads(output.read_text(encoding="utf-8"))["paths"].values()
    methods = [operation for item in paths for method, operation in item.items() if method in {"get", "post"}]
    return {operation["operationId"]: operation for operation in methods}


def test_the_overlay_says_when_to_poll_and_when_to_stop(overlaid: dict[str, Any]) -> None:
    (polling,) = overlaid["getJobStatus"]["x-speakeasy-polling"]
    advice = overlaid["getJobStatus"]["x-polling"]
    assert polling["intervalSeconds"] == advice["interval-seconds"]
    assert polling["intervalSeconds"] * polling["limitCount"] == advice["deadline-seconds"]
    assert [it["condition"] for it in polling["successCriteria"]] == [
        "$statusCode == 200",
        '$response.body#/status == "COMPLETED"',
    ]
    assert [it["condition"] for it in polling["failureCriteria"]] == ["$statusCode == 422"]


def test_the_overlay_retries_no_post_that_may_have_been_accepted(overlaid: dict[str, Any]) -> None:
    paid = [it for it in overlaid.values() if it["x-role"] in {"generate", "submit"}]
    assert len(paid) == 8
    for operation in paid:
        retries = operation["x-speakeasy-retries"]
        assert (retries["statusCodes"], retries["retryConnectionErrors"]) == (["429"], False)
        assert operation["x-fern-retries"] == {"disabled": True}


def test_the_overlay_retries_what_is_safe_to_repeat(overlaid: dict[str, Any]) -> None:
    for name in ("getJobStatus", "getJobResult", "getUserCredits"):
        retries = overlaid[name]["x-speakeasy-retries"]
        assert (retries["statusCodes"], retries["retryConnectionErrors"]) == (["429", "5XX"], True)
        assert "x-fern-retries" not in overlaid[name]


@pytest.fixture
def slow_double() -> Iterator[tuple[Double, str]]:
    """A double whose jobs are not completed at the first poll."""
    double = Double(Settings(latency_factor=0.05))
    with serve(double.app) as address:
        yield double, address


def test_the_workflows_of_v1_and_v2_run_against_the_double(slow_double: tuple[Double, str]) -> None:
    double, address = slow_double
    chosen = ("--workflow", "submitImagen4", "--workflow", "generateImagen4")
    run = redocly("respect", ARAZZO, "--input", f"key={DEFAULT_KEY}", "--server", f"segmind={address}", *chosen)
    assert run.returncode == 0, run.stdout
    submitted, *polled, result, generated = [it.operation_id for it in double.requests()]
    assert (submitted, result, generated) == ("submitImagen4", "getJobResult", "generateImagen4")
    assert len(polled) > 1
    assert set(polled) == {"getJobStatus"}


def test_there_is_a_workflow_for_each_call_of_each_model(document: Any) -> None:
    workflows = json.loads(ARAZZO.read_text(encoding="utf-8"))["workflows"]
    posts = [item["post"]["operationId"] for item in document["paths"].values() if "post" in item]
    assert sorted(it["workflowId"] for it in workflows) == sorted(posts)
