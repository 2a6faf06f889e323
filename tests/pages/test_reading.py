"""A page is read as it is meant, or refused; never guessed at."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from model_pages.page import UNSAID, Page, PageError, Parameter, Text
from model_pages.reading import read_page, read_text
from tests.pages.conftest import FACTS, SAVED, text_of

SEED = 20261121
CUTS = 60
"""A page, at each end."""
NOISE = ("brown", "Lorem ipsum, dolor", "§ 7", '"', "{", "optional", "string", "12 §", "Default:", "x" * 3000, "\x07")


def read(text: str) -> Page:
    return read_text(Text.from_string(text))


def facts_of(page: Page) -> dict[str, Any]:
    """In the words of facts.yaml."""
    price = page.price
    return {
        "price": price and ([price.low] if price.low == price.high else [price.low, price.high]),
        "latency": page.latency and page.latency.low,
        "output": page.output,
        "statuses": list(page.statuses),
        "v2": page.has_v2,
        "parameters": {row.name: parameter_facts(row) for row in page.parameters},
    }


def parameter_facts(row: Parameter) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "type": str(row.kind),
        "required": row.required,
        "default": row.default,
        "minimum": row.minimum,
        "maximum": row.maximum,
        "values": list(row.values),
        "price": row.affects_price,
        "items": {item.name: parameter_facts(item) for item in row.items},
    }
    said = {
        name: value
        for name, value in facts.items()
        if value is not UNSAID
        and value is not None
        and value not in ([], {})
        and (value is not False or name == "default")
    }
    return said if row.hidden_values == 0 else {**said, "hidden": row.hidden_values}


def test_there_are_five_pages_in_each_of_five_layouts() -> None:
    layouts = [facts["layout"] for facts in FACTS.values()]
    assert {layout: layouts.count(layout) for layout in layouts} == dict.fromkeys(
        ("lines", "labelled", "unlabelled", "pieces", "attributes"), 5
    )
    assert {path.stem for path in SAVED.glob("*.txt")} == FACTS.keys()


@pytest.mark.parametrize("slug", FACTS)
def test_a_page_says_what_it_is_meant_to_say(slug: str) -> None:
    page = read_page(SAVED / f"{slug}.txt")
    assert page.slug == slug
    assert {"layout": FACTS[slug]["layout"], **facts_of(page)} == FACTS[slug]


def test_the_saved_pages_have_every_feature_of_a_page() -> None:
    rows = [row for facts in FACTS.values() for row in facts["parameters"].values()]
    features = {key for row in rows for key in row}
    assert features == {"type", "required", "default", "minimum", "maximum", "values", "hidden", "price", "items"}
    assert {row["type"] for row in rows} == {
        *("string", "integer", "number", "boolean", "string (uri)", "string[]", "number[]", "object[]")
    }


SAMPLE = 'data = {"prompt": "x", "paper": "A4", "weight": 80, "shots": [{"text": "a"}], "seed": 1}\n'
URL = "https://api.segmind.com/v1/paper-press"


def in_lines(rows: str) -> str:
    return f"Paper Press\n\n{SAMPLE}\n{URL}\n\nParameters\n\n{rows}\n\nResponse Type\n\nReturns: Image\n"


def run_together(rows: str) -> str:
    return f"Paper Press\n{SAMPLE}{URL}Parameters\n{rows}Response Type\nReturns: Image\n"


def in_pieces(rows: str) -> str:
    return f"Paper Press\n{SAMPLE}{URL}\nParameters\n{rows}\nResponse Type\nReturns: Image\n"


def as_attributes(rows: str) -> str:
    return f"Paper Press\n{SAMPLE}{URL}\nAttributes\n\n{rows}\n"


READ: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
    "a sentence with the words and figures of labels": (
        in_lines('paperoptional\nstring\n\nUse "A4", required or optional; Default: 5, Range: 1 - 2\n\nDefault: "A5"'),
        {"paper": {"type": "string", "default": "A5"}},
    ),
    "a row without a sentence": (
        in_lines("paperoptional\nstring\n\nweightoptional\nnumber\n\nMin: 1"),
        {"paper": {"type": "string"}, "weight": {"type": "number", "minimum": 1}},
    ),
    "a name that is in the sample code, behind a sentence without a full stop": (
        run_together("promptrequiredstringWhat to printpaperoptionalstringA sheet"),
        {"prompt": {"type": "string", "required": True}, "paper": {"type": "string"}},
    ),
    "a name that is not in the sample code, behind a full stop": (
        run_together("promptrequiredstringWhat to print.inkoptionalstringA colour"),
        {"prompt": {"type": "string", "required": True}, "ink": {"type": "string"}},
    ),
    "a name that ends in required": (
        run_together("is_requiredoptionalbooleanWhether it is."),
        {"is_required": {"type": "boolean"}},
    ),
    "the first of the values, twice, though not side by side": (
        run_together('paperoptionalstringA sheet.\n"A5""A4""A5""letter"'),
        {"paper": {"type": "string", "default": "A5", "values": ["A4", "A5", "letter"]}},
    ),
    "numbers without a label, of which the first stands there twice": (
        run_together("weightoptionalintegerHeavy.\n5\n5\n10seedoptionalintegerNoise."),
        {"weight": {"type": "integer", "default": 5, "values": [5, 10]}, "seed": {"type": "integer"}},
    ),
    "a default of two lines": (
        in_pieces('prompt\noptionalstring\nText\nDefault:\n"one\ntwo"'),
        {"prompt": {"type": "string", "default": "one\ntwo"}},
    ),
    "labels on lines of their own": (
        in_pieces('paper\noptionalstring\nA sheet\nAllowed values :\nLarge\n"A4"\nSmall\n"A5"'),
        {"paper": {"type": "string", "values": ["A4", "A5"]}},
    ),
    "items up to the last row that the sample code has in them": (
        in_lines("shotsoptional\nobject[]\n\nShots\n\nArray items:\ntextrequired\nstring\n\nseedoptional\ninteger"),
        {
            "shots": {"type": "object[]", "items": {"text": {"type": "string", "required": True}}},
            "seed": {"type": "integer"},
        },
    ),
    "a minimum that is printed twice": (
        as_attributes("weightint ( default: 80 )\n\nHeavy\n\nmin : 60,\n\nmin : 300\n\nseedint\n\nNoise"),
        {"weight": {"type": "integer", "default": 80, "minimum": 60, "maximum": 300}, "seed": {"type": "integer"}},
    ),
    "an enum whose values are not shown": (
        as_attributes("paperenum:str ( default: A4 )\n\nSheet\n\nAllowed values:"),
        {"paper": {"type": "string", "default": "A4", "hidden": None}},
    ),
    "as many values as there are in total": (
        in_lines('paperoptional\nstring\n\nSheet\n\nAllowed values (2 total):\n"A4""A5"'),
        {"paper": {"type": "string", "values": ["A4", "A5"]}},
    ),
}


def with_hidden_count(facts: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Values in any order, since only whether they are the default is said by their order."""
    return {
        name: {**row, **({"values": sorted(row["values"])} if "values" in row else {})} for name, row in facts.items()
    }


@pytest.mark.parametrize(("page", "expected"), READ.values(), ids=READ)
def test_a_row_that_can_be_read_in_one_way_is_read(page: str, expected: dict[str, dict[str, Any]]) -> None:
    assert with_hidden_count(facts_of(read(page))["parameters"]) == with_hidden_count(expected)


REFUSED = {
    "a number that ends a sentence, or is a default": (
        run_together("weightoptionalintegerSheets, up to 80paperoptionalstringA sheet."),
        4,
        "weight: what ends its sentence can be its default",
    ),
    "a quoted word that ends a sentence, or is a default": (
        run_together('paperoptionalstringA sheet, such as "A4"weightoptionalintegerHeavy.'),
        4,
        "paper: what ends its sentence can be its default",
    ),
    "a number before a range that can be part of the sentence": (
        run_together("weightoptionalintegerSheets of 80Range: 1 - 90"),
        4,
        "weight: what ends its sentence can be its default",
    ),
    "a sentence that goes on with a number on the next line": (
        run_together("weightoptionalintegerSheets, up to\n80seedoptionalintegerNoise."),
        4,
        "weight: what ends its sentence can be its default",
    ),
    "a name that no sample code and no full stop tells from the sentence": (
        run_together("promptrequiredstringWhat to printinkoptionalstringA colour."),
        4,
        "where a parameter's name begins in",
    ),
    "a name with a digit first behind a number": (
        run_together("weightoptionalintegerHeavy\nDefault:\n802doptionalbooleanFlat.").replace("seed", "2d"),
        6,
        "the next parameter can be 'd' or '2d'",
    ),
    "a label inside of a sentence, with a value": (
        run_together("weightoptionalintegerHeavy. Range: 1 - 5seedoptionalintegerNoise."),
        4,
        "'Range:' can be part of its sentence",
    ),
    "a value without a label where values have labels": (
        run_together('paperoptionalstringA sheet."A4"seedoptionalintegerNoise\nDefault:\n5'),
        4,
        "paper: a value with no label",
    ),
    "values that are listed twice": (
        in_lines('paperoptional\nstring\n\nSheet\n\nAllowed values :\n"A4""A5""A5"'),
        9,
        "paper: a value is allowed twice",
    ),
    "a default outside of its values": (
        in_lines('paperoptional\nstring\n\nSheet\n\nDefault: "A3"\nAllowed values :\n"A4""A5"'),
        9,
        "'A3' is not among its values",
    ),
    "a default out of its range": (
        in_lines("weightoptional\nnumber\n\nHeavy\n\nDefault: 5Range: 60 - 300"),
        9,
        "its default 5 is below its minimum 60",
    ),
    "a default of another type": (
        in_lines('weightoptional\nnumber\n\nHeavy\n\nDefault: "5"'),
        9,
        "its default '5' is no number",
    ),
    "a range of a list": (in_lines("photosoptional\nstring[]\n\nPhotos\n\nMax: 6"), 9, "a range of a string[]"),
    "a range with a thousands separator": (
        in_lines("weightoptional\nnumber\n\nHeavy\n\nRange: 1 - 1,000"),
        14,
        "expected a range",
    ),
    "a number with an exponent": (in_lines("weightoptional\nnumber\n\nHeavy\n\nDefault: 1e5"), 14, "expected a value"),
    "a type that is not known": (
        in_lines("paperoptional\nfile\n\nSheet"),
        9,
        "expected the first parameter below the heading, with its type",
    ),
    "a second sentence": (in_lines("paperoptional\nstring\n\nSheet\n\nMore"), 14, "found 'More'"),
    "more values than there are in total": (
        in_lines('paperoptional\nstring\n\nSheet\n\nAllowed values (1 total):\n"A4""A5"'),
        14,
        "has 2 values, of 1 in total",
    ),
    "a total that is not that of the values and the hidden ones": (
        in_lines('paperoptional\nstring\n\nSheet\n\nAllowed values (5 total):\n"A4""A5"+4 more'),
        14,
        "has 2 values and 4 more, of 5 in total",
    ),
    "a parameter that is listed twice": (
        in_lines("paperoptional\nstring\n\nSheet\n\npaperoptional\nstring"),
        14,
        "'paper' is listed twice",
    ),
    "items that may end at any of the rows": (
        in_lines("photosoptional\nobject[]\n\nPhotos\n\nArray items:\nurlrequired\nstring\n\ninkoptional\nstring"),
        9,
        "photos: where the properties of its items end",
    ),
    "rows in two layouts": (
        in_lines("paperoptional\nstring\n\nSheet\n\ninkoptionalstringColour"),
        14,
        "rows in more than one layout",
    ),
    "a table that the page ends inside of": (
        in_lines("paperoptional\nstring\n\nSheet\n\nRange: 1 - 3").partition("\n\nResponse")[0],
        14,
        "the page ends inside the table",
    ),
    "a last line that may be cut off": (
        as_attributes("weightint\n\nHeavy\n\nmin : 60,\n\nmax : 30").rstrip(),
        12,
        "the page ends in the middle of a line",
    ),
    "a minimum that a maximum should follow": (
        as_attributes("weightint *\n\nHeavy\n\nmin : 60,"),
        6,
        "its minimum ends in a comma",
    ),
    "a word that can be a sentence or a parameter with its type": (
        as_attributes("weightint *\n\nBlueprint\n\nseedint *\n\nNoise"),
        8,
        "'Blueprint' can be a parameter with its type, or a sentence",
    ),
    "two models": (
        in_lines("paperoptional\nstring") + "\nhttps://api.segmind.com/v1/other\n",
        16,
        "found several models: paper-press, other",
    ),
    "no model": (in_lines("paperoptional\nstring").replace(URL, ""), 15, "found no URL of a model"),
    "two prices": (
        "Paper\n$0.03 per generation\n$0.04 per generation\n" + in_lines("paperoptional\nstring"),
        3,
        "found a second price, 0.04, after 0.03",
    ),
    "a price that may have lost its beginning": (
        "$0.175 per generation\n" + in_lines("paperoptional\nstring"),
        1,
        "the page begins with its price",
    ),
    "half a price": ("Paper\n- $0.175 per generation\n" + in_lines("paperoptional\nstring"), 2, "looks like a price"),
    "a status code with the name of another": (
        in_lines("paperoptional\nstring") + "\nCommon Error Codes\n\n400\n\nUnauthorized\n\nNo key\n",
        18,
        "400 is not the code of Unauthorized",
    ),
    "an output that is not known": (
        in_lines("paperoptional\nstring").replace("Returns: Image", "Returns: Ima"),
        14,
        "found 'Ima'",
    ),
}


@pytest.mark.parametrize(("page", "line", "problem"), REFUSED.values(), ids=REFUSED)
def test_a_page_that_can_be_read_in_two_ways_is_refused_with_the_line(page: str, line: int, problem: str) -> None:
    with pytest.raises(PageError) as refused:
        read(page)
    assert problem in refused.value.problem
    assert refused.value.line == line


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "page.txt"
    path.write_bytes(b"Paper\n\xff\xfe")
    with pytest.raises(PageError, match="2: is no text in UTF-8"):
        read_page(path)


def test_line_ends_of_windows_and_hard_spaces_change_nothing() -> None:
    text = text_of("paper-press")
    assert facts_of(read(text.replace("\n", "\r\n").replace("per generation", "per\u00a0generation"))) == facts_of(
        read(text)
    )


def wrong_facts(found: Page, true: dict[str, Any]) -> list[str]:
    """What a damaged page says that the whole one does not. It may say less."""
    facts = facts_of(found)
    wrong = [
        f"{name}: {facts[name]}"
        for name in ("price", "latency", "output")
        if facts[name] is not None and facts[name] != true[name]
    ]
    wrong += [f"status {it}" for it in facts["statuses"] if it not in true["statuses"]]
    return [*wrong, *wrong_rows(facts["parameters"], true["parameters"])]


def wrong_rows(found: dict[str, Any], true: dict[str, Any]) -> list[str]:
    wrong = [f"there is no {name}" for name in found.keys() - true.keys()]
    for name in found.keys() & true.keys():
        row, whole = dict(found[name]), true[name]
        wrong += wrong_rows(row.pop("items", {}), whole.get("items", {}))
        if row.get("hidden", 0) is None:
            # The page does not show all of its values any more.
            del row["hidden"]
            if set(row.get("values", ())) <= set(whole.get("values", ())):
                row.pop("values", None)
        wrong += [f"{name}: {what} is {fact}" for what, fact in row.items() if fact != whole.get(what)]
        if row.get("required") != whole.get("required"):
            wrong.append(f"{name}: is required or not")
    return wrong


@pytest.mark.parametrize("slug", FACTS)
def test_a_page_that_is_cut_off_is_refused_or_says_less(slug: str) -> None:
    text, true = text_of(slug), FACTS[slug]
    draw = random.Random(f"{SEED} {slug}")  # noqa: S311  Not for secrets.
    wrong: list[str] = []
    for place in draw.sample(range(1, len(text)), CUTS):
        for cut in (text[:place], text[place:]):
            try:
                wrong += [f"{cut[-30:]!r}: {it}" for it in wrong_facts(read(cut), true)]
            except PageError:
                continue
    assert wrong == []


@pytest.mark.parametrize("slug", FACTS)
def test_a_line_of_noise_is_refused_or_changes_nothing(slug: str) -> None:
    lines, true = text_of(slug).splitlines(keepends=True), FACTS[slug]
    draw = random.Random(f"{SEED} {slug}")  # noqa: S311  Not for secrets.
    wrong: list[str] = []
    for place in range(len(lines) + 1):
        noise = draw.choice(NOISE)
        try:
            found = read("".join([*lines[:place], f"{noise}\n", *lines[place:]]))
        except PageError:
            continue
        wrong += [f"{noise[:20]!r} before line {place + 1}: {it}" for it in wrong_facts(found, true)]
    assert wrong == []


@pytest.mark.parametrize("slug", FACTS)
def test_no_damage_of_a_page_raises_anything_but_a_page_error(slug: str) -> None:
    text = text_of(slug)
    draw = random.Random(f"{SEED} {slug}")  # noqa: S311  Not for secrets.
    for _ in range(CUTS):
        characters = list(text)
        for _ in range(draw.randint(1, 12)):
            place = draw.randrange(len(characters))
            match draw.randrange(4):
                case 0:
                    del characters[place : place + draw.randint(1, 200)]
                case 1:
                    characters.insert(place, chr(draw.choice((34, 40, 91, 92, 123, 10, 48, 0x2028, 0x1F4A5))))
                case 2:
                    characters[place:place] = characters[draw.randrange(len(characters)) :][:200]
                case _:
                    characters[place] = chr(draw.randrange(32, 0xD7FF))
            if not characters:
                break
        with suppress(PageError):
            read("".join(characters))
