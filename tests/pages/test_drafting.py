"""`scripts/pages.py draft` writes models into the contract, from where they are generated, called and served."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from generator.contract import Contract
from tests.conftest import ROOT
from tests.contract.coverage import Coverage
from tests.contract.facts import deviations, without_models_from_pages
from tests.pages.conftest import FACTS, SAVED, Drafted, run_pages, text_of

CONTRACT = ROOT / "openapi" / "segmind.yaml"
LAYOUTS = {facts["layout"]: slug for slug, facts in FACTS.items()}
CALLS = """\
import json, sys
from importlib.resources import files

import anyio

from segmind_client import AsyncClient, Client
from segmind_mock import DEFAULT_KEY, Double, serve

document = json.loads((files("segmind_openapi") / "segmind.json").read_text())
components = document["components"]


def parameters(slug):
    name = document["paths"][f"/v2/{slug}"]["post"]["requestBody"]["$ref"].rpartition("/")[2]
    return components["requestBodies"][name]["content"]["application/json"]["examples"]["every-parameter"]["value"]


async def call(slug, url, found):
    async with AsyncClient(DEFAULT_KEY, base_url=url) as client:
        found["async run"] = (await client.run(slug, **parameters(slug))).status
        found["async generate"] = (await client.generate(slug, **parameters(slug))).headers.cost is not None


double = Double()
double.open_account(credits=1000)
with serve(double.app) as url, Client(DEFAULT_KEY, base_url=url) as client:
    for slug in sys.argv[1:]:
        found = {"run": client.run(slug, **parameters(slug)).status}
        found["generate"] = client.generate(slug, **parameters(slug)).headers.cost is not None
        anyio.run(call, slug, url, found)
        found["sent"] = json.loads(double.requests()[-1].body) == parameters(slug)
        print(json.dumps([slug, found]))
"""


@pytest.fixture(scope="session")
def generated(drafted: Drafted, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated") / "generated"
    command: list[str | Path] = [
        sys.executable,
        ROOT / "scripts" / "generate.py",
        "--contract",
        drafted.path,
        "--output",
        folder,
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return folder


def test_every_model_is_called_by_its_slug_sync_and_async_through_v1_and_v2(generated: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", CALLS, *FACTS],
        env={**os.environ, "PYTHONPATH": str(generated)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    called = dict(json.loads(line) for line in run.stdout.splitlines())
    assert called.keys() == FACTS.keys()
    done = {"run": "COMPLETED", "generate": True, "async run": "COMPLETED", "async generate": True, "sent": True}
    assert {slug: found for slug, found in called.items() if found != done} == {}


def test_calls_of_drafted_models_are_checked_by_type(generated: Path, tmp_path: Path) -> None:
    program = """\
from segmind_client import Client

client = Client("key")
client.run("paper-press", prompt="x", paper="A5", weight=80, photos=["https://example.com/a.png"])
client.run("Clip-Maker-1.5", prompt="x", class_="pro", multi_prompt=[{"text": "a", "duration": 5}])
client.run("paper-press", prompt="x", paper="A3")
client.run("letter-writer", prompt="x", copies=3)
"""
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", os.devnull, "--cache-dir", tmp_path, "program.py"],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": f"{generated}{os.pathsep}{ROOT / 'src'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line.split(":")[1] for line in run.stdout.splitlines() if ": error:" in line] == ["6", "7"], run.stdout


def test_every_line_of_the_contract_stays_as_it_was(drafted: Drafted) -> None:
    lines = iter(drafted.path.read_bytes().splitlines(keepends=True))
    assert [line for line in CONTRACT.read_bytes().splitlines(keepends=True) if line not in lines] == []


def test_comments_anchors_and_line_ends_that_the_draft_does_not_know_stay(tmp_path: Path) -> None:
    contract = tmp_path / "segmind.yaml"
    before = CONTRACT.read_text(encoding="utf-8").replace(
        "    Prompt:\n", "    # Shared by all models.\n    Prompt:   # what to show\n"
    )
    before = before.replace("  /v2/imagen:\n", "  # Jobs.\n\n  /v2/imagen:\n")
    contract.write_text(before, encoding="utf-8")
    assert run_pages("draft", SAVED / "paper-press.txt", contract=contract).returncode == 0
    after = contract.read_text(encoding="utf-8")
    lines = iter(after.splitlines())
    assert [line for line in before.splitlines() if line not in lines] == []
    assert "    # Shared by all models.\n    Prompt:   # what to show\n" in after
    assert "  # Jobs.\n\n  /v2/imagen:\n" in after


DRAFT = """\
  /v1/paper-press:
    post:
      operationId: generatePaperPress
      summary: Generate an image with Paper Press
      description: Blocks until the image is made, about 9.1 seconds. Use v2 where a wait may be cut off.
      tags: [generations]
      x-source: page
      x-role: generate
      requestBody:
        $ref: "#/components/requestBodies/PaperPress"
      responses: *generate-responses

"""
SCHEMA = """\
    PaperPressRequest:
      description: "TODO: what Paper Press is for."
      type: object
      additionalProperties: true
      x-source: page
      x-price-usd: {value: 0.03, source: page}
      x-typical-latency-seconds: {value: 9.1, source: page}
      required: [prompt]
      properties:
        prompt:
          description: "TODO: what prompt means."
          type: string
        paper:
          description: "TODO: what paper means."
          type: string
          enum: [A4, A5, letter]
          default: A4
        weight:
          description: "TODO: what weight means."
          type: number
          minimum: 60
          maximum: 300
          default: 80
        photos:
          description: "TODO: what photos means."
          type: array
          items:
            type: string

    Prompt:
"""


def test_a_draft_is_in_the_style_of_the_contract_behind_the_other_models(tmp_path: Path) -> None:
    contract = tmp_path / "segmind.yaml"
    shutil.copy(CONTRACT, contract)
    assert run_pages("draft", SAVED / "paper-press.txt", contract=contract).returncode == 0
    text = contract.read_text(encoding="utf-8")
    assert f"      responses: *generate-responses\n\n{DRAFT}  /v2/imagen:\n" in text
    assert f"      properties: *diffusion-parameters\n\n{SCHEMA}" in text


def request(contract: Contract, name: str) -> Any:
    return contract.at(f"#/components/schemas/{name}Request")


def test_an_enum_that_the_page_cuts_short_stays_open_with_its_known_values_in_the_description(
    with_pages: Contract, drafted: Drafted
) -> None:
    voice = request(with_pages, "Hum")["properties"]["voice"]
    assert "enum" not in voice
    assert "alto, bass, boy, tenor, soprano, choir, robot, whisper, crowd, narrator; the page hides 4" in " ".join(
        voice["description"].split()
    )
    assert "hum: not sure: voice: the page hides 4 of its values" in drafted.unsure


def test_a_default_that_is_longer_than_a_line_becomes_an_example(with_pages: Contract, drafted: Drafted) -> None:
    system = request(with_pages, "Chat3B")["properties"]["system"]
    assert "default" not in system
    assert system["examples"] == [FACTS["chat-3B"]["parameters"]["system"]["default"]]
    assert "chat-3B: not sure: system: its default is longer than a line" in drafted.unsure


def test_what_a_form_starts_with_is_no_default_of_a_required_parameter(with_pages: Contract) -> None:
    prompt = request(with_pages, "StoneArch")["properties"]["prompt"]
    assert {"default", "examples"}.isdisjoint(prompt)


def test_output_and_prices_are_written_as_far_as_the_page_says_them(with_pages: Contract) -> None:
    clip, walk = request(with_pages, "ClipMaker15"), request(with_pages, "LongWalk")
    assert clip["x-output"] == "video"
    assert clip["x-price-usd"] == {"from": 0.06, "to": 0.175, "source": "page"}
    assert "x-price-usd" not in walk
    assert "x-output" not in request(with_pages, "PaperPress")


def test_v2_of_a_page_that_knows_v1_only_is_inferred(with_pages: Contract) -> None:
    sources = {
        slug: with_pages.document["paths"][f"/v2/{slug}"]["post"]["x-source"] for slug in ("river-flow", "paper-fold")
    }
    assert sources == {"river-flow": "page", "paper-fold": "inferred"}


def lint(contract: Path) -> str:
    command: list[str | Path] = [ROOT / "node_modules" / ".bin" / "spectral", "lint", "--fail-severity=hint"]
    run = subprocess.run(
        [*command, f"--ruleset={ROOT / '.spectral.yaml'}", contract], capture_output=True, text=True, check=False
    )
    return run.stdout + run.stderr if run.returncode else ""


def test_lint_refuses_each_drafted_description_until_it_is_written(tmp_path: Path) -> None:
    contract = tmp_path / "segmind.yaml"
    shutil.copy(CONTRACT, contract)
    assert run_pages("draft", SAVED / "Clip-Maker-1.5.txt", contract=contract).returncode == 0
    text = contract.read_text(encoding="utf-8")
    assert lint(contract).count("no-drafted-description") == text.count("TODO: ") > 0
    contract.write_text(text.replace("TODO: what", "What"), encoding="utf-8")
    assert lint(contract) == ""


def test_the_facts_tests_and_the_coverage_of_the_contract_take_drafted_models_in(
    with_pages: Contract, contract: Contract
) -> None:
    assert deviations(with_pages.document) == []
    assert without_models_from_pages(with_pages.document) == without_models_from_pages(contract.document)
    assert {item.operation for item in Coverage(with_pages).met} >= {"generateClipMaker15", "submitModel7Bells"}


def test_an_operation_of_a_drafted_model_that_is_not_like_the_others_is_seen(with_pages: Contract) -> None:
    document = json.loads(json.dumps(with_pages.document))
    document["paths"]["/v1/hum"]["post"]["x-role"] = "submit"
    del document["paths"]["/v2/hum"]["post"]["responses"]["429"]
    assert [line.partition(":")[0] for line in deviations(document)] == [
        "paths > /v1/hum > post > x-role",
        "paths > /v2/hum > post > responses > 429",
    ]


REFUSED: dict[str, tuple[Callable[[str], str], int, str]] = {
    "a model that the contract has": (
        lambda text: text.replace("paper-press", "imagen-4"),
        1,
        "the contract has imagen-4 already; see scripts/pages.py check",
    ),
    "names that a model of the contract has": (
        lambda text: text.replace("paper-press", "imagen.4"),
        1,
        "the contract has a component Imagen4, Imagen4Request already",
    ),
    "parameters that get one name in Python": (
        lambda text: text.replace("weightoptional", "class_optional").replace("photosoptional", "classoptional"),
        1,
        "'class_' and 'class' both get the Python name 'class_'",
    ),
    "a page that cannot be read": (
        lambda text: text.replace("60 - 300", "60 to 300"),
        2,
        "cannot be read from here: weight: expected a range",
    ),
}


@pytest.mark.parametrize(("change", "status", "problem"), REFUSED.values(), ids=REFUSED)
def test_nothing_is_written_where_one_of_the_pages_is_refused(
    change: Callable[[str], str], status: int, problem: str, tmp_path: Path
) -> None:
    contract, page = tmp_path / "segmind.yaml", tmp_path / "page.txt"
    shutil.copy(CONTRACT, contract)
    page.write_text(change(text_of("paper-press")), encoding="utf-8")
    run = run_pages("draft", SAVED / "hum.txt", page, contract=contract)
    assert run.returncode == status
    assert problem in run.stderr
    assert contract.read_bytes() == CONTRACT.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.txt", "segmind.yaml"]


def test_the_same_model_twice_is_refused(tmp_path: Path) -> None:
    contract = tmp_path / "segmind.yaml"
    shutil.copy(CONTRACT, contract)
    run = run_pages("draft", SAVED / "hum.txt", SAVED / "hum.txt", contract=contract)
    assert (run.returncode, contract.read_bytes()) == (1, CONTRACT.read_bytes())
    assert "the contract has hum already" in run.stderr
