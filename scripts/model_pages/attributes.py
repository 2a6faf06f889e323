"""Reads the list of parameters in the layout of 2023 and 2024, which is headed «Attributes»."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from model_pages.page import UNSAID, Kind, PageError, Parameter, Text, checked
from model_pages.pieces import NUMBER, PieceReader, as_number

TYPES = {
    "str": Kind("string", may_have_format=False),
    "int": Kind("integer"),
    "float": Kind("number"),
    "boolean": Kind("boolean"),
    "enum:str": Kind("string", may_have_format=False),
    "enum:int": Kind("integer"),
}
ROW = re.compile(
    r"(?P<name>(?!\d+$)[^\W_]?[\w-]*?\w)(?P<type>enum:str|enum:int|str|int|float|boolean)[ \t]*"
    r"(?P<star>\*)?[ \t]*(?P<default>\( ?default ?: ?(?P<value>.*?) ?\))?[ \t]*(?P<star2>\*)?[ \t]*"
    r"(?P<price>Affects Pricing)?"
)
BOUND = re.compile(rf"(?P<which>min|max) ?: ?(?P<number>{NUMBER}|-?\d+(?:\.\d+)?(?=,$))(?P<comma>,?)")
VALUES = re.compile(r"Allowed values ?:")
WORDS = {"true": True, "false": False}


@dataclass(frozen=True)
class Head:
    """The line that begins a row."""

    start: int
    match: re.Match[str]

    @property
    def is_certain(self) -> bool:
        """Whether it can be nothing else; a sentence of one word, such as «Blueprint», looks like a name and a type."""
        return any(self.match[group] for group in ("star", "star2", "default", "price")) or ":" in self.match["type"]


def read_attributes(section: Text) -> list[Parameter]:
    """Raises PageError."""
    lines = list(section.lines())
    rows: list[Parameter] = []
    index = 0
    while index < len(lines):
        position, line = lines[index]
        head = head_at(section, position, line)
        index += 1
        has_sentence = index < len(lines) and not ROW.fullmatch(lines[index][1]) and not is_piece(lines[index][1])
        if not has_sentence and not head.is_certain:
            raise PageError(section.line(position), f"{line!r} can be a parameter with its type, or a sentence")
        if index < len(lines) and not has_sentence and not is_piece(lines[index][1]):
            following = head_at(section, *lines[index])
            if not following.is_certain:
                raise PageError(
                    section.line(following.start),
                    f"{lines[index][1]!r} can be a parameter with its type, or a sentence",
                )
        index += has_sentence
        below: list[tuple[int, str]] = []
        while index < len(lines) and ROW.fullmatch(lines[index][1]) is None:
            below.append(lines[index])
            index += 1
        rows.append(read_row(section, head, below))
    for index, row in enumerate(rows):
        if any(other.name == row.name for other in rows[:index]):
            raise PageError(row.line, f"the parameter {row.name!r} is listed twice")
    return rows


def head_at(section: Text, position: int, line: str) -> Head:
    found = ROW.fullmatch(line)
    if found is None:
        raise PageError(section.line(position), f"expected a parameter and its type, found {line[:40]!r}")
    return Head(position, found)


def is_piece(line: str) -> bool:
    return bool(BOUND.fullmatch(line) or VALUES.match(line))


def read_row(section: Text, head: Head, below: list[tuple[int, str]]) -> Parameter:
    found, line = head.match, section.line(head.start)
    name, kind = found["name"], TYPES[found["type"]]
    bounds: dict[str, float] = {}
    awaits_maximum = False
    values: tuple[Any, ...] = ()
    hidden: int | None = None if found["type"].startswith("enum:") else 0
    for index, (position, text) in enumerate(below):
        bound = BOUND.fullmatch(text)
        if VALUES.match(text):
            end = below[-1][0] + len(below[-1][1]) + 1
            part = section.part(section.whole.index(text, position), min(section.end, end))
            reader = PieceReader(part, part.start, name, kind, may_hide_values=True)
            pieces = reader.read(unlabelled=False)
            if reader.rest().strip() or (len(below) > index + 1 and not pieces.values):
                reader.refuse("has values that can't be read; write each in quotes, or numbers a line each")
            values = pieces.values
            # Values that end the page can be cut off, as it has nothing else at its end.
            hidden = pieces.hidden if values and str(section)[end - section.start :].strip() else None
            break
        if bound is None:
            raise PageError(section.line(position), f"{name}: expected min, max or values, found {text[:40]!r}")
        which = "maximum" if bound["which"] == "max" or "minimum" in bounds else "minimum"
        if which in bounds:
            raise PageError(section.line(position), f"{name}: has two maximums")
        bounds[which] = as_number(bound["number"])
        awaits_maximum = bound["comma"] == "," and which == "minimum"
    if awaits_maximum and "maximum" not in bounds:
        raise PageError(line, f"{name}: its minimum ends in a comma and no maximum follows; the page may be cut off")
    return checked(
        replace(
            Parameter(
                name=name,
                line=line,
                required=bool(found["star"] or found["star2"]),
                kind=kind,
                default=default_of(found, kind, line),
                values=values,
                hidden_values=hidden,
                affects_price=found["price"] is not None,
            ),
            minimum=bounds.get("minimum"),
            maximum=bounds.get("maximum"),
        )
    )


def default_of(found: re.Match[str], kind: Kind, line: int) -> Any:
    written = (found["value"] or "").strip()
    if not written:
        return UNSAID
    if kind.name == "string":
        if written[0] in "\"'" or ("(" in written) != (")" in written):
            raise PageError(line, f"{found['name']}: where its default begins or ends can't be told in {written!r}")
        return written
    if kind.name == "boolean":
        value = WORDS.get(written.lower())
        if value is not None:
            return value
    elif re.fullmatch(NUMBER, written):
        return as_number(written)
    raise PageError(line, f"{found['name']}: its default {written!r} is no {kind.name}")
