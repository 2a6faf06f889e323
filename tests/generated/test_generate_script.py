"""scripts/generate.py: drift, repeatability, and what it refuses."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


def generate(*arguments: str | Path, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "generate.py", *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture
def changed_contract(tmp_path: Path) -> Path:
    return Path(shutil.copy(ROOT / "openapi" / "segmind.yaml", tmp_path))


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_committed_code_is_what_the_contract_generates() -> None:
    assert generate("--check").returncode == 0


def test_check_prints_what_drifted_and_exits_1(changed_contract: Path) -> None:
    replace(changed_contract, "maximum: 1024", "maximum: 2048")
    run = generate("--check", "--contract", changed_contract)
    assert run.returncode == 1
    assert "+" in run.stdout
    assert "an integer from 256 to 2048" in run.stdout
    assert "Run make generate" in run.stderr


@pytest.mark.parametrize("damage", ["edited", "table edited", "missing", "left over", "emptied"])
def test_check_sees_every_kind_of_drift(tmp_path: Path, damage: str) -> None:
    copy = Path(shutil.copytree(ROOT / "generated", tmp_path / "generated"))
    before = contents(copy)
    match damage:
        case "edited":
            replace(copy / "segmind_api" / "types.py", "UNSET", "UNSENT")
        case "table edited":
            replace(copy / "models.md", "0.06", "0.07")
        case "missing":
            (copy / "segmind_api" / "models" / "credits.py").unlink()
        case "left over":
            (copy / "segmind_api" / "models" / "old.py").touch()
        case _:
            (copy / "segmind_openapi" / "segmind.json").write_bytes(b"")
    damaged = contents(copy)
    assert damaged != before
    assert generate("--check", "--output", copy).returncode == 1
    assert contents(copy) == damaged


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONHASHSEED": "1", "TZ": "Pacific/Kiritimati", "LC_ALL": "C"},
        {"PYTHONHASHSEED": "4242", "TZ": "America/St_Johns", "LC_ALL": "tr_TR.UTF-8", "PYTHONUTF8": "0"},
    ],
    ids=["seed 1, UTC+14, C", "seed 4242, UTC-3:30, Turkish"],
)
def test_the_output_does_not_depend_on_where_and_when(tmp_path: Path, environment: dict[str, str]) -> None:
    run = generate("--output", tmp_path / "out", cwd=tmp_path, **environment)
    assert run.returncode == 0, run.stderr
    assert contents(tmp_path / "out") == contents(ROOT / "generated")


REFUSED = {
    "text that is no YAML at all": ("openapi: 3.1.0", "openapi: \x00", "is no YAML"),
    "a price that is only a number": (
        "x-price-usd: {value: 0.02, source: inferred}",
        "x-price-usd: 0.02",
        "#/components/schemas/Imagen4FastRequest/x-price-usd: expected value and source",
    ),
    "a price that is no number": ("value: 0.02", "value: .nan", "x-price-usd/value: expected a number of 0 or more"),
    "a price below nothing": ("value: 0.02", "value: -1", "x-price-usd/value: expected a number of 0 or more"),
    "an interval that is no number": ("interval-seconds: 1.0", "interval-seconds: soon", "x-polling/interval-seconds"),
    "a retention that is no number": ("value: 3600", "value: an hour", "x-retention-seconds/value"),
    "jobs with two retentions": (
        "x-retention-seconds: *job-retention",
        "x-retention-seconds: {value: 60, source: page}",
        "#/paths/~1v2~1requests~1{request_id}/get/x-retention-seconds: 60 differs from 3600",
    ),
    "images without a retention": ("      x-retention-seconds: {value: 604800, source: guide}\n", "", "expected one"),
    "an extension that nobody knows": ("      x-source: sample", "      x-sourc: sample", "x-sourc: is none of"),
    "bounds that cross": (
        "maximum: 1024",
        "maximum: 100",
        "#/components/schemas/Imagen4FastRequest/properties/width: minimum is above maximum",
    ),
    "a required field that does not exist": (
        "required: [prompt]",
        "required: [promt]",
        "#/components/schemas/ImagenRequest/required: no property is 'promt'",
    ),
    "a status without quotes": ('"200":', "200:", "the key 200 is no text"),
    "a schema that is none": (
        "type: integer\n          minimum: 256",
        "type: intger\n          minimum: 256",
        "#/components/schemas/Imagen4FastRequest/properties/width/type",
    ),
    "no YAML": ("openapi: 3.1.0", "openapi: [", "line "),
    "a key twice": ("info:\n", "info:\n  title: Twice\n", "found duplicate key"),
    "another version": ("openapi: 3.1.0", "openapi: 3.0.3", "#/openapi"),
    "a dangling reference": (
        "schemas/AspectRatio",
        "schemas/Nowhere",
        "#/components/schemas/ImagenRequest/properties/aspect_ratio/$ref: #/components/schemas/Nowhere is not there",
    ),
    "a default out of range": (
        "default: 512",
        "default: 5",
        "#/components/schemas/Imagen4FastRequest/properties/width/default: 5 is less than the minimum of 256",
    ),
    "a default that the schema behind its reference forbids": (
        'default: "16:9"',
        'default: "2:1"',
        '#/components/schemas/ImagenRequest/properties/aspect_ratio/default: "2:1" is not one of',
    ),
    "a keyword that nothing checks": (
        "minimum: 256\n",
        "minimum: 256\n          propertyNames: {}\n",
        "#/components/schemas/Imagen4FastRequest/properties/width: the keyword 'propertyNames'",
    ),
    "a parameter of a type that nothing checks": (
        "description: Number of denoising steps.\n          type: integer",
        "description: Number of denoising steps.\n          type: [integer, string]",
        "#/components/schemas/Imagen4FastRequest/properties/steps",
    ),
    "two parameters with one name in Python": (
        "        guidance_scale:\n          description",
        "        negative-prompt: {type: string}\n        guidance_scale:\n          description",
        "Imagen4FastRequest/properties: 'negative-prompt' and 'negative_prompt' both get the Python name",
    ),
    "a class that Python cannot name": (
        "    AspectRatio:\n",
        "    aspect.ratio: {type: string, enum: [a]}\n    AspectRatio:\n",
        "#/components/schemas/aspect.ratio: 'aspect.ratio' cannot be a class",
    ),
    "two classes in one module": (
        "    AspectRatio:\n",
        "    AspectRATIO: {type: string, enum: [a]}\n    AspectRatio:\n",
        "gets the Python name 'aspect_ratio', which #/components/schemas/AspectRATIO has too",
    ),
    "a schema of requests and of responses": (
        'default: "16:9"\n',
        'default: "16:9"\n        shown: {$ref: "#/components/schemas/OutputImage"}\n',
        "#/components/schemas/OutputImage: is part of requests and of responses",
    ),
    "a schema that refers to itself": (
        "    AspectRatio:\n",
        "    Loop: {$ref: '#/components/schemas/Loop'}\n    AspectRatio:\n",
        "#/components/schemas/Loop: refers to itself",
    ),
    "an output that no model has": (
        "x-price-usd: {value: 0.02, source: inferred}",
        "x-output: smell",
        "#/components/schemas/Imagen4FastRequest/x-output: 'smell' is none of image, video",
    ),
    "a price that is a range backwards": (
        "x-price-usd: {value: 0.02, source: inferred}",
        "x-price-usd: {from: 0.2, to: 0.1, source: page}",
        "#/components/schemas/Imagen4FastRequest/x-price-usd: from is above to",
    ),
    "a price that is a value and a range": (
        "x-price-usd: {value: 0.02, source: inferred}",
        "x-price-usd: {value: 0.1, to: 0.1, source: page}",
        "#/components/schemas/Imagen4FastRequest/x-price-usd: expected source, and either value or from and to",
    ),
    "a price without a source": (
        "x-price-usd: {value: 0.02, source: inferred}",
        "x-price-usd: {value: 0.02}",
        "#/components/schemas/Imagen4FastRequest/x-price-usd: source is missing",
    ),
    "a source that nobody knows": ("x-source: sample", "x-source: rumour", "'rumour' is none of page, sample"),
    "no role": ("      x-role: credits\n", "", "#/paths/~1v1~1get-user-credits/get: x-role is missing"),
    "a model without v2": ("  /v2/imagen-4-fast:", "  /v2/imagen-4-slow:", "imagen-4-fast, imagen-4-slow"),
    "a status that is a range": ('"504":', '"5XX":', "#/paths"),
    "a request that is no object": (
        "description: Parameters of Imagen 3.\n      type: object",
        "description: Parameters of Imagen 3.\n      type: string",
        "#/components/schemas/ImagenRequest: a request can only be generated from an object",
    ),
    "an answer of no type that can be read": (
        "          description: The prompt that was used.\n          type: string",
        "          description: The prompt that was used.\n          oneOf: [{type: string}, {type: integer}]",
        "the keyword 'oneOf' cannot be generated",
    ),
}


@pytest.mark.parametrize(("old", "new", "place"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_generated_is_refused_by_its_place_and_nothing_is_written(
    tmp_path: Path, changed_contract: Path, old: str, new: str, place: str
) -> None:
    replace(changed_contract, old, new)
    output = tmp_path / "out"
    (output / "segmind_api").mkdir(parents=True)
    run = generate("--contract", changed_contract, "--output", output)
    assert run.returncode == 1
    assert len(run.stderr) < 1000
    assert place in run.stderr
    assert "Nothing was written" in run.stderr
    assert "Traceback" not in run.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "segmind.yaml"]
    assert [path.name for path in output.rglob("*")] == ["segmind_api"]


def test_an_answer_in_json_can_be_a_plain_value(tmp_path: Path, changed_contract: Path) -> None:
    replace(changed_contract, "description: The balance of an account.\n      type: object", "type: [number, string]")
    run = generate("--contract", changed_contract, "--output", tmp_path / "out")
    assert run.returncode == 0, run.stderr
    program = "from segmind_api.responses import CREDITS"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "out")}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


def test_a_folder_that_holds_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    run = generate("--output", tmp_path)
    assert run.returncode == 1
    assert "holds what was not generated" in run.stderr
    assert (tmp_path / "mine.txt").read_text() == "precious"


def test_check_writes_nothing_where_there_is_nothing(tmp_path: Path) -> None:
    run = generate("--check", "--output", tmp_path / "missing" / "deep")
    assert run.returncode == 1
    assert "there is no such folder" in run.stderr
    assert list(tmp_path.iterdir()) == []
