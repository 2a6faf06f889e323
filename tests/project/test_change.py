"""scripts/change.py: what an edit of the contract means to those who use it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from change import CONTRACT, Change, ChangeError, check_changelog, check_version, compare
from tests.conftest import ROOT

REMOVED = object()
SCHEMAS = "#/components/schemas"
RESPONSES = "#/components/responses"
CALLERS, READERS = "callers", "readers of responses"


def edit(document: Any, place: str, value: object) -> None:
    """Sets what is at a JSON pointer, or removes it."""
    *parents, name = (part.replace("~1", "/") for part in place.removeprefix("#/").split("/"))
    for parent in parents:
        document = document[parent]
    if value is REMOVED:
        del document[name]
    else:
        document[name] = value


FAST, ULTRA = f"{SCHEMAS}/Imagen4FastRequest/properties", f"{SCHEMAS}/Imagen4UltraRequest/properties"
SEED = {"description": "Start of the random numbers.", "type": "integer"}
HEADER = {"$ref": "#/components/headers/Cost"}
CREDITS = {"$ref": f"{RESPONSES}/Credits"}
EDITS: dict[str, tuple[str, object, str, str]] = {
    "a path is removed": ("#/paths/~1v1~1imagen-4-ultra", REMOVED, "major", CALLERS),
    "a path is added": (
        "#/paths/~1v3~1credits",
        {"get": {"operationId": "credits", "responses": {"200": CREDITS}}},
        "minor",
        CALLERS,
    ),
    "an operation is renamed": ("#/paths/~1v2~1imagen-4-ultra/post/operationId", "other", "major", CALLERS),
    "a summary is changed": ("#/paths/~1v2~1imagen-4/post/summary", "Queue it", "patch", CALLERS),
    "a status is removed": ("#/paths/~1v1~1imagen/post/responses/410", REMOVED, "major", READERS),
    "a status is added": (
        "#/paths/~1v1~1imagen/post/responses/503",
        {"$ref": f"{RESPONSES}/BadGateway"},
        "minor",
        READERS,
    ),
    "a parameter is removed": (f"{FAST}/steps", REMOVED, "major", CALLERS),
    "an optional parameter is added": (f"{SCHEMAS}/Imagen4Request/properties/seed", SEED, "minor", CALLERS),
    "a parameter becomes required": (
        f"{SCHEMAS}/Imagen4Request/required",
        ["prompt", "aspect_ratio"],
        "major",
        CALLERS,
    ),
    "a default is changed": (f"{FAST}/width/default", 768, "major", CALLERS),
    "a default is removed": (f"{ULTRA}/steps/default", REMOVED, "major", CALLERS),
    "a default becomes known": (f"{ULTRA}/negative_prompt/default", "blurry", "patch", CALLERS),
    "a maximum is lowered": (f"{FAST}/height/maximum", 512, "major", CALLERS),
    "a maximum is raised": (f"{FAST}/guidance_scale/maximum", 30, "patch", CALLERS),
    "a minimum is raised": (f"{ULTRA}/width/minimum", 512, "major", CALLERS),
    "a length is limited": (f"{SCHEMAS}/Prompt/maxLength", 1000, "major", CALLERS),
    "a parameter has another type": (f"{FAST}/seed/type", "string", "major", CALLERS),
    "a parameter is described": (f"{ULTRA}/height/description", "Height.", "patch", CALLERS),
    "a value of a parameter is removed": (f"{SCHEMAS}/AspectRatio/enum", ["4:3", "3:4"], "major", CALLERS),
    "a value of a parameter is added": (
        f"{SCHEMAS}/PersonGeneration/enum",
        ["ALLOW_ADULT", "DONT_ALLOW", "ALL"],
        "patch",
        CALLERS,
    ),
    "a price is changed": (f"{SCHEMAS}/ImagenRequest/x-price-usd/value", 0.07, "major", CALLERS),
    "a price has another source": (f"{SCHEMAS}/Imagen4FastRequest/x-price-usd/source", "page", "patch", CALLERS),
    "a price becomes unknown": (f"{SCHEMAS}/Imagen4Request/x-price-usd", REMOVED, "major", CALLERS),
    "a latency is changed": (f"{SCHEMAS}/ImagenRequest/x-typical-latency-seconds/value", 9, "patch", CALLERS),
    "the poll interval is changed": (
        "#/paths/~1v2~1requests~1{request_id}~1status/get/x-polling/interval-seconds",
        2,
        "patch",
        CALLERS,
    ),
    "the retention of an image is changed": (f"{SCHEMAS}/ImageUrl/x-retention-seconds/value", 60, "major", READERS),
    "a retention becomes known": (
        f"{SCHEMAS}/OutputImage/x-retention-seconds",
        {"value": 60, "source": "guide"},
        "minor",
        READERS,
    ),
    "the header of the key is renamed": ("#/components/securitySchemes/ApiKey/name", "x-key", "major", CALLERS),
    "a server is removed": (
        "#/servers",
        json.loads(CONTRACT.read_text(encoding="utf-8"))["servers"][:1],
        "major",
        CALLERS,
    ),
    "a value of a response is added": (
        f"{SCHEMAS}/JobStatus/properties/status/enum",
        ["QUEUED", "PROCESSING", "COMPLETED", "PAUSED"],
        "major",
        READERS,
    ),
    "a constant of a response is changed": (f"{SCHEMAS}/JobResult/properties/status/const", "DONE", "major", READERS),
    "a property of a response is removed": (f"{SCHEMAS}/JobResult/properties/prompt", REMOVED, "major", READERS),
    "a property of a response is added": (f"{SCHEMAS}/JobResult/properties/size", SEED, "minor", READERS),
    "a property of a response is no longer required": (f"{SCHEMAS}/FailedJob/required", ["error"], "major", READERS),
    "a property of a response has another type": (
        f"{SCHEMAS}/OutputImage/properties/file_name/type",
        "integer",
        "major",
        READERS,
    ),
    "a type of a response's property is added": (
        f"{SCHEMAS}/ReportedSeed/type",
        ["integer", "string", "null"],
        "major",
        READERS,
    ),
    "a header of a response is removed": (
        f"{RESPONSES}/RateLimited/headers/x-rate-limit-remaining",
        REMOVED,
        "major",
        READERS,
    ),
    "a header of a response is added": (f"{RESPONSES}/Timeout/headers", {"x-cost": HEADER}, "minor", READERS),
    "a media type of a response is removed": (f"{RESPONSES}/Generated/content/text~1plain", REMOVED, "major", READERS),
    "a media type of a response is added": (
        f"{RESPONSES}/Credits/content/text~1plain",
        {"schema": {"type": "string"}},
        "minor",
        READERS,
    ),
    "the contract is described": ("#/info/description", "Another.", "patch", CALLERS),
}


@pytest.fixture(scope="module")
def changes(tmp_path_factory: pytest.TempPathFactory) -> list[Change]:
    """All edits at once, each at a place of its own: redocly takes seconds to start."""
    edited = json.loads(CONTRACT.read_text(encoding="utf-8"))
    for place, value, _, _ in EDITS.values():
        edit(edited, place, value)
    revision = tmp_path_factory.mktemp("change") / "segmind.json"
    revision.write_text(json.dumps(edited), encoding="utf-8")
    return compare(CONTRACT, revision)


@pytest.mark.parametrize("name", EDITS)
def test_the_verdict_on_an_edit(name: str, changes: list[Change]) -> None:
    place, _, impact, audience = EDITS[name]
    verdicts = [(it.impact, it.audience) for it in changes if it.place.startswith(place)]
    assert verdicts[0] == (impact, audience)


def test_nothing_is_reported_that_no_edit_made(changes: list[Change]) -> None:
    places = tuple(place for place, *_ in EDITS.values())
    assert [str(it) for it in changes if not it.place.startswith(places)] == []


def test_a_change_is_told_with_both_values(changes: list[Change]) -> None:
    told = [str(it) for it in changes if it.place in {f"{FAST}/width/default", f"{ULTRA}/steps/default"}]
    assert [it.partition(": ")[2] for it in told] == [
        "default changed from 512 to 768",
        "default changed from 25 to nothing",
    ]


def of(impact: str) -> list[Change]:
    return [Change(impact, CALLERS, "#/info", "x")]


@pytest.mark.parametrize(
    ("impact", "released", "least", "too_low"),
    [
        ("patch", "0.1.0", "0.1.1", "0.1.0"),
        ("minor", "0.1.4", "0.1.5", "0.1.4"),
        ("major", "0.1.4", "0.2.0", "0.1.5"),
        ("patch", "1.2.3", "1.2.4", "1.2.3"),
        ("minor", "1.2.3", "1.3.0", "1.2.4"),
        ("major", "1.2.3", "2.0.0", "1.3.0"),
        ("major", "0.9.0", "0.10.0", "0.9.9"),
    ],
)
def test_the_version_must_fit_the_gravest_change(impact: str, released: str, least: str, too_low: str) -> None:
    check_version(of(impact), released, least)
    with pytest.raises(ChangeError, match=rf"info.version is {too_low}; .* needs {least} or later"):
        check_version(of(impact), released, too_low)


def test_an_unchanged_contract_keeps_its_version() -> None:
    check_version([], "0.1.0", "0.1.0")
    check_changelog([], "0.1.0", "")


@pytest.mark.parametrize(
    ("impact", "changelog", "problem"),
    [
        ("patch", "- The client is faster.\n", "no entry for the contract"),
        ("patch", "- Contract 0.2.1: a price.\n", "no entry for the contract"),
        ("major", "- Contract 0.2.0: `seed` is gone.\n- A breaking change of the client.\n", 'does not say "breaking"'),
    ],
)
def test_the_changelog_must_name_the_version_and_say_what_breaks(impact: str, changelog: str, problem: str) -> None:
    with pytest.raises(ChangeError, match=problem):
        check_changelog(of(impact), "0.2.0", changelog)


def test_an_entry_of_the_changelog_that_fits_may_have_several_lines() -> None:
    check_changelog(of("major"), "0.2.0", "- Contract 0.2.0: `seed` is gone.\n  This is breaking.\n- Else.\n")


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "scripts" / "change.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_before_the_first_release_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    finished = run("--base", tmp_path / "segmind.json")
    assert finished.returncode == 0
    assert "no release of the contract yet" in finished.stdout


def test_a_change_without_a_new_version_fails_the_check(tmp_path: Path) -> None:
    released = json.loads(CONTRACT.read_text(encoding="utf-8"))
    edit(released, f"{SCHEMAS}/ImagenRequest/x-price-usd/value", 0.05)
    (tmp_path / "segmind.json").write_text(json.dumps(released), encoding="utf-8")
    finished = run("--base", tmp_path / "segmind.json")
    assert finished.returncode == 1
    assert "the price changed: value changed from 0.05 to 0.06" in finished.stdout
    assert "needs 0.2.0 or later" in finished.stderr


def test_a_base_that_is_no_contract_is_reported(tmp_path: Path) -> None:
    (tmp_path / "segmind.json").write_text("[", encoding="utf-8")
    finished = run("--base", tmp_path / "segmind.json")
    assert finished.returncode == 2
    assert "redocly diff could not compare" in finished.stderr
