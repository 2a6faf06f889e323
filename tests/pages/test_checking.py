"""`scripts/pages.py check` names every difference between a page and the contract, and no other."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from generator.contract import Contract
from model_pages.comparing import Comparison
from model_pages.page import Text
from model_pages.reading import read_page, read_text
from tests.conftest import ROOT
from tests.pages.conftest import FACTS, SAVED, Drafted, run_pages, text_of

PLANTED = [
    ("paper-press", "$0.03 per", "$0.04 per", "the price is 0.04 on the page, 0.03 in the contract"),
    ("paper-press", "~9.1s", "~9.2s", "the latency is 9.2 on the page, 9.1 in the contract"),
    ("paper-press", "weightoptional", "weightrequired", "weight: required on the page, optional in the contract"),
    ("paper-press", "Default: 80", "Default: 81", "weight: the default is 81 on the page, 80 in the contract"),
    ("paper-press", "60 - 300", "60 - 301", "weight: the maximum is 301 on the page, 300 in the contract"),
    ("paper-press", "60 - 300", "61 - 300", "weight: the minimum is 61 on the page, 60 in the contract"),
    ("paper-press", "\nnumber\n", "\ninteger\n", "weight: the type is integer on the page, number in the contract"),
    ("paper-press", "string[]", "string", "photos: the type is string on the page, string[] in the contract"),
    ("paper-press", '"A5""letter"', '"A5"', 'paper: "letter" allowed in the contract, not on the page'),
    ("paper-press", '"A5""letter"', '"A5""letter""A3"', 'paper: "A3" allowed on the page, not in the contract'),
    ("paper-press", "Returns: Image", "Returns: Video", "makes: video on the page, image in the contract"),
    ("paper-press", "401\n\nUnauthorized", "415\n\nWrong Type", "status 415 is on the page, not in the contract"),
    ("Clip-Maker-1.5", "$0.175", "$0.18", "the price is 0.06 to 0.18 on the page, 0.06 to 0.175 in the contract"),
    ("Clip-Maker-1.5", '"std"Pro"pro"', '"std"Pro"max"Max"pro"', 'class: "max" allowed on the page'),
    ("Clip-Maker-1.5", "1 - 10class", "1 - 12class", "multi_prompt[].duration: the maximum is 12 on the page"),
    ("Clip-Maker-1.5", "textrequired", "textoptional", "multi_prompt[].text: optional on the page"),
    ("Clip-Maker-1.5", "string (uri)", "string", "input_image: the type is string on the page, string (uri)"),
    ("Clip-Maker-1.5", "Default: false", "Default: true", "2d: the default is true on the page, false"),
    ("Clip-Maker-1.5", "2147483647", "2147483646", "seed: the maximum is 2147483646 on the page"),
    ("hum", "~$0.002", "~$0.003", "the price is 0.003 on the page, 0.002 in the contract"),
    ("hum", "0.5 - 2", "0.5 - 3", "speed: the maximum is 3 on the page, 2 in the contract"),
    ("letter-writer", "4\n8", "4\n16", ["copies: 16 allowed on the page", "copies: 8 allowed in the contract"]),
    ("letter-writer", "Min: 1", "Min: 2", "duration: the minimum is 2 on the page, 1 in the contract"),
    ("letter-writer", "number[]", "string[]", "weights: the type is string[] on the page, number[] in the contract"),
    ("dust.map-2", "Max: 6", "Max: 7", "scale: the maximum is 7 on the page, 6 in the contract"),
    ("dust.map-2", 'Default: "A wide', 'Default: "A broad', 'prompt: the default is "A broad market square'),
    ("paper-fold", '"A4"Allowed', '"A5"Allowed', 'paper: the default is "A5" on the page, "A4" in the contract'),
    ("paper-fold", "- 300photos", "- 310photos", "weight: the maximum is 310 on the page, 300 in the contract"),
    ("river-flow", "imagerequired", "imageoptional", "image: optional on the page, required in the contract"),
    ("river-flow", "10upscale", "12upscale", ["duration: 12 allowed on the page", "duration: 10 allowed in"]),
    ("scene-cuts", "framesoptionalinteger", "framesoptionalnumber", "frames: the type is number on the page"),
    ("scene-cuts", "0.5 - 10format", "0.25 - 10format", "shots[].seconds: the minimum is 0.25 on the page"),
    ("chat-3B", "\n256", "\n512", "max_tokens: the default is 512 on the page, 256 in the contract"),
    ("paper-cut", '"A4""A4"', '"A5""A4"', 'paper: the default is "A5" on the page, "A4" in the contract'),
    ("paper-cut", "falseResponse", "trueResponse", "duplex: the default is true on the page, false in the contract"),
    ("ink-bloom", '"9:16"seed', '"9:16""4:3"seed', 'ratio: "4:3" allowed on the page, not in the contract'),
    ("tin-drum", "4Range", "6Range", "beats: the default is 6 on the page, 4 in the contract"),
    ("paper-kite", '"A5"\n"letter"', '"letter"', 'paper: "A5" allowed in the contract, not on the page'),
    ("stone-arch", "Max: 90", "Max: 95", "height: the maximum is 95 on the page, 90 in the contract"),
    ("paper-lamp", "default: 80", "default: 82", "weight: the default is 82 on the page, 80 in the contract"),
    ("face-swap-v2", "999999", "9999", "seed: the maximum is 9999 on the page, 999999 in the contract"),
    ("oil-brush", "promptstr *", "promptstr", "prompt: optional on the page, required in the contract"),
    ("slow-pan", "~40s", "~41s", "the latency is 41 on the page, 40 in the contract"),
    ("slow-pan", "loopboolean", "loopsboolean", ["loop: the contract has this parameter", "loops: the page has this"]),
    ("rain-sounds", "thunderfloat ( default: 0.25 )\n\nHow much\n", "", "thunder: the contract has this parameter"),
]
"""Page, what it says, what its copy says instead, and the beginning of each difference that this makes."""

LEFT_OUT = [
    ("sky.view-4K", "12Range: 0 - 23", "12", ["hour: the minimum, 0", "hour: the maximum, 23"]),
    ("paper-press", '"A4""A5""letter"', '"A4""A5"+1 more', ["paper: 1 of its allowed values"]),
    ("paper-press", "$0.03 per generation\n", "", ["the price, 0.03 in the contract"]),
    ("paper-press", "~9.1s\n", "", ["the latency, 9.1 in the contract"]),
    ("paper-press", "Default: 80Range", "Range", ["weight: the default, 80"]),
    ("paper-press", "Returns: Image", "Returns: Text/JSON", ["what it makes (image in the contract)"]),
    ("hum", "robot", "parrot", ["voice: 4 of its allowed values"]),
]
"""Page, what it says, what its copy does not show, and what is said of that."""


@pytest.fixture(scope="session")
def compared(with_pages: Contract) -> Callable[[str], Comparison]:
    """Compares the text of a page with a contract that has all the saved ones."""
    return lambda text: Comparison(with_pages, read_text(Text.from_string(text)))


def changed(slug: str, old: str, new: str) -> str:
    text = text_of(slug)
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {slug}"
    return text.replace(old, new)


@pytest.mark.parametrize("slug", FACTS)
def test_a_page_agrees_with_what_was_drafted_from_it(slug: str, compared: Callable[[str], Comparison]) -> None:
    assert compared(text_of(slug)).differences == []


@pytest.mark.parametrize(("slug", "old", "new", "expected"), PLANTED)
def test_an_error_in_a_copy_of_a_page_is_found_and_no_other(
    slug: str, old: str, new: str, expected: str | list[str], compared: Callable[[str], Comparison]
) -> None:
    found = compared(changed(slug, old, new)).differences
    beginnings = [expected] if isinstance(expected, str) else expected
    assert len(found) == len(beginnings), found
    assert all(any(text.startswith(it) for _, text in found) for it in beginnings), found


def test_at_least_forty_errors_are_planted() -> None:
    assert len(PLANTED) >= 40


@pytest.mark.parametrize(("slug", "old", "new", "expected"), LEFT_OUT)
def test_what_a_page_leaves_out_is_no_difference_and_is_said(
    slug: str, old: str, new: str, expected: list[str], compared: Callable[[str], Comparison]
) -> None:
    comparison = compared(changed(slug, old, new))
    assert comparison.differences == []
    assert set(expected) <= set(comparison.left_out)


def drop_status(document: Any) -> None:
    del document["paths"]["/v2/stone-arch"]["post"]["responses"]["403"]


def drop_parameter(document: Any) -> None:
    del document["components"]["schemas"]["StoneArchRequest"]["properties"]["height"]


def drop_price(document: Any) -> None:
    del document["components"]["schemas"]["StoneArchRequest"]["x-price-usd"]


def close_values(document: Any) -> None:
    document["components"]["schemas"]["LongWalkRequest"]["properties"]["season"]["enum"] = ["spring", "summer", "fall"]


def share_values(document: Any) -> None:
    schemas = document["components"]["schemas"]
    schemas["Look"] = {"description": "Look.", "type": "string", "enum": ["std", "raw"]}
    schemas["StoneArchRequest"]["properties"]["style"] = {"$ref": "#/components/schemas/Look", "default": "std"}


BROKEN_CONTRACTS = [
    ("stone-arch", drop_status, ["status 403 is on the page, not in the contract"]),
    ("stone-arch", drop_parameter, ["height: the page has this parameter, the contract does not"]),
    ("stone-arch", drop_price, ["the price is 0.5 to 1.25 on the page, not in the contract"]),
    (
        "long-walk",
        close_values,
        [
            'season: "autumn", "winter" allowed on the page, not in the contract',
            "season: the page hides 1 values, the contract has 1 others",
        ],
    ),
    (
        "stone-arch",
        share_values,
        [
            'style: "pro" allowed on the page, not in the contract',
            'style: "raw" allowed in the contract, not on the page',
        ],
    ),
]


@pytest.mark.parametrize(("slug", "change", "expected"), BROKEN_CONTRACTS)
def test_an_error_in_the_contract_is_found(
    slug: str, change: Callable[[Any], None], expected: list[str], with_pages: Contract
) -> None:
    document = json.loads(json.dumps(with_pages.document))
    change(document)
    found = [text for _, text in Comparison(Contract(document), read_page(SAVED / f"{slug}.txt")).differences]
    assert [it for it in found if it not in expected] == []
    assert found


def test_each_difference_is_a_line_with_page_line_and_model(drafted: Drafted, tmp_path: Path) -> None:
    page = tmp_path / "page.txt"
    page.write_text(changed("paper-press", "60 - 300", "61 - 301"), encoding="utf-8")
    run = run_pages("check", page, contract=drafted.path)
    assert run.returncode == 1
    lines = run.stdout.splitlines()
    assert len(lines) == 2
    assert all(
        re.fullmatch(rf"{re.escape(str(page))}:\d+: paper-press: weight: the m\w+ is .*", line) for line in lines
    )


def test_a_model_that_the_contract_does_not_have_is_a_difference() -> None:
    run = run_pages("check", SAVED / "paper-press.txt", contract=ROOT / "openapi" / "segmind.yaml")
    assert run.returncode == 1
    assert run.stdout.splitlines() == [
        f"{SAVED / 'paper-press.txt'}:13: paper-press: the contract does not have this model"
    ]


def test_pages_that_agree_make_no_output_but_what_they_leave_out(drafted: Drafted) -> None:
    run = run_pages("check", SAVED / "paper-press.txt", SAVED / "hum.txt", contract=drafted.path)
    assert (run.returncode, run.stdout) == (0, "")
    assert "hum: not on the page, so no difference: voice: 4 of its allowed values" in run.stderr


def test_a_page_that_cannot_be_read_is_said_with_its_line_and_the_others_are_checked(
    drafted: Drafted, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.txt"
    broken.write_text(changed("paper-press", "Range: 60 - 300", "Range: 60 to 300"), encoding="utf-8")
    other = tmp_path / "other.txt"
    other.write_text(changed("hum", "0.5 - 2", "0.5 - 3"), encoding="utf-8")
    run = run_pages("check", broken, tmp_path / "missing.txt", other, contract=drafted.path)
    assert run.returncode == 2
    assert f"{broken}:48: cannot be read from here: weight: expected a range" in run.stderr
    assert f"{tmp_path / 'missing.txt'}: cannot be read: No such file or directory" in run.stderr
    assert len(run.stdout.splitlines()) == 1
