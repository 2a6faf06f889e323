"""The labelled pieces of a parameter's row: default, range, allowed values."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from model_pages.page import UNSAID, Kind, PageError, Text

NUMBER = r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?![\d.,%]|[eE][-+]?\d)"
"""Up to where it certainly ends: `1e5` and `1,000` are refused rather than read as 1."""
STRING = r'"(?:[^"\\]|\\.)*"'
LABEL = re.compile(
    r"(?P<default>Default ?:)|(?P<range>Range ?:)|(?P<min>Min ?:)|(?P<max>Max ?:)"
    r"|(?P<values>Allowed values ?(?:\((?P<total>\d+) total\) ?)?:)|(?P<price>Affects Pricing)"
    r"|(?P<items>Array items ?:)|(?P<more>\+(?P<count>\d+) more)"
)
PIECES = ("default", "range", "min", "max", "values", "price", "items", "more")
NAME = re.compile(r"(?!\d+$)[^\W_]?[\w-]*\w")
FROM_TO = re.compile(rf"\s*(?P<low>{NUMBER})[ \t]+[-–][ \t]+(?P<high>{NUMBER})")  # noqa: RUF001  Pages have both dashes.
QUOTED = re.compile(rf'\s*(?P<label>(?:[^"\n]*[^"\s])?)(?P<value>{STRING})')
"""A value, and a label before it with no space between."""
LABEL_ABOVE = re.compile(rf'\s*(?P<label>[^"\n]*[^\W\d][^"\n]*)\n\s*(?P<value>{STRING})')
"""A value, and a label on the line before it."""
WORDS = {"true": True, "false": False}
SPACE = " \t\n"


@dataclass
class Pieces:
    """What the pieces of one row say."""

    default: Any = UNSAID
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[Any, ...] = ()
    total: int | None = None
    more: int | None = None
    affects_price: bool = False
    has_items: bool = False

    @property
    def hidden(self) -> int:
        """How many values the page does not show."""
        if self.total is not None:
            return self.total - len(self.values)
        return self.more or 0


class PieceReader:
    """Reads pieces from the left, as far as there are any."""

    def __init__(self, text: Text, start: int, name: str, kind: Kind, *, may_hide_values: bool = False) -> None:
        self._text = text
        self._whole = text.whole[: text.end]
        self._row = name
        self._kind = kind
        self._may_hide_values = may_hide_values
        self.position = start
        self.found = Pieces()
        self._seen: set[str] = set()
        self._values_start = start

    def refuse(self, problem: str, position: int | None = None) -> NoReturn:
        place = self.position if position is None else position
        raise PageError(self._text.line(place), f"{self._row}: {problem}")

    def read(self, *, unlabelled: bool) -> Pieces:
        """All pieces from here on; in some layouts, default and values first, with no label."""
        self._skip_space()
        if unlabelled:
            tag = LABEL.match(self._whole, self.position)
            if tag and tag["price"]:
                self._piece(tag)
                self._skip_space()
            self._unlabelled()
        while True:
            self._skip_space()
            label = LABEL.match(self._whole, self.position)
            if label is None:
                break
            self._piece(label)
            if self.found.has_items:
                break
        self._check_count()
        return self.found

    def rest(self) -> str:
        """What stands behind the pieces: the name of the next row, or nothing."""
        return self._whole[self.position :]

    def _piece(self, label: re.Match[str]) -> None:
        what = next(name for name in PIECES if label[name])
        if what in self._seen and what != "price":
            self.refuse(f"has {label[0]!r} twice", label.start())
        self._seen.add(what)
        self.position = label.end()
        match what:
            case "default":
                self.found.default = self._value()
            case "range":
                bounds = self._match(FROM_TO, "a range such as 1 - 25")
                self._bound("minimum", bounds["low"])
                self._bound("maximum", bounds["high"])
            case "min" | "max":
                number = self._match(re.compile(rf"\s*(?P<number>{NUMBER})"), "a number")
                self._bound("minimum" if what == "min" else "maximum", number["number"])
            case "values":
                self._values_start = label.start()
                self.found.total = int(label["total"]) if label["total"] else None
                self.found.values = self._values()
                if not self.found.values and not self._may_hide_values:
                    self.refuse(f"expected its values, found {self._here()}")
            case "more":
                if not self.found.values:
                    self.refuse("says that there are more values and has none", label.start())
                self.found.more = int(label["count"])
            case "price":
                self.found.affects_price = True
            case _:
                self.found.has_items = True

    def _bound(self, which: str, number: str) -> None:
        if getattr(self.found, which) is not None:
            self.refuse(f"has two {which}s")
        setattr(self.found, which, as_number(number))

    def _match(self, pattern: re.Pattern[str], expected: str) -> re.Match[str]:
        found = pattern.match(self._whole, self.position)
        if found is None:
            self.refuse(f"expected {expected}, found {self._here()}")
        self.position = found.end()
        return found

    def _here(self) -> str:
        shown = self._whole[self.position : self.position + 40].strip().partition("\n")[0]
        return repr(shown) if shown else "nothing"

    def _value(self) -> Any:
        """A default: a text in quotes, a number, true or false, or a list in JSON."""
        self._skip_space()
        at = self._whole[self.position : self.position + 1]
        if at == '"':
            return self._string(spans_lines=True)
        word = re.compile("true|false").match(self._whole, self.position)
        if word:
            self.position = word.end()
            return WORDS[word[0]]
        if at in ("[", "{"):
            try:
                value, self.position = json.JSONDecoder().raw_decode(self._whole, self.position)
            except (ValueError, RecursionError):
                self.refuse(f"expected a list in JSON, found {self._here()}")
            return value
        return as_number(self._match(re.compile(NUMBER), "a value: a text in quotes, a number, true or false")[0])

    def _string(self, *, spans_lines: bool) -> str:
        start = self.position
        found = self._match(re.compile(STRING), "a text in quotes")
        inner = found[0][1:-1]
        if "\n" in inner and (
            not spans_lines or inner != inner.strip() or any(LABEL.match(line.strip()) for line in inner.split("\n"))
        ):
            self.refuse("a text in quotes does not end where it should", start)
        try:
            return str(json.loads(found[0], strict=False))
        except ValueError:
            self.refuse(f"the text {found[0][:40]} has a backslash that says nothing", start)

    def _values(self, *, unlabelled: bool = False) -> tuple[Any, ...]:
        if self._kind.name in ("integer", "number"):
            return self._numbers()
        values: list[Any] = []
        while True:
            quoted = QUOTED.match(self._whole, self.position)
            if quoted is None and not unlabelled:
                quoted = LABEL_ABOVE.match(self._whole, self.position)
            if quoted is None or LABEL.search(quoted["label"]):
                break
            self.position = quoted.start("value")
            values.append(self._string(spans_lines=False))
        return tuple(values)

    def _numbers(self) -> tuple[Any, ...]:
        """A line each."""
        values: list[Any] = []
        pattern = re.compile(rf"[ \t]*\n?[ \t\n]*({NUMBER})(?=[ \t]*(\n|$)|[^\W\d]|[ \t]*\+)")
        while True:
            found = pattern.match(self._whole, self.position)
            if found is None:
                break
            self.position = found.end()
            values.append(as_number(found[1]))
            if not re.match(r"[ \t]*(\n|$)", self._whole[self.position :][:80]):
                break
        return tuple(values)

    def _unlabelled(self) -> None:
        """Default and values with no word before them: the first value is the default if it stands there twice."""
        if LABEL.match(self._whole, self.position):
            return
        if self._kind.is_array or self._kind.name == "object":
            if self._whole[self.position : self.position + 1] in ("[", "{", '"') and self.rest():
                self.refuse("a value with no label can be a default or one of the values")
            return
        if self._kind.name == "boolean":
            word = re.compile("true|false").match(self._whole, self.position)
            if word:
                self.position = word.end()
                self.found.default = WORDS[word[0]]
            return
        if self._kind.name == "string" and self._whole[self.position : self.position + 1] == '"':
            first = self.position
            self.found.default = self._string(spans_lines=True)
            if not QUOTED.match(self._whole, self.position):
                return
            self.found.default, self.position = UNSAID, first
        values = list(self._values(unlabelled=True))
        if len(values) == 1 and self._kind.name != "string":
            self.found.default = values[0]
        elif values:
            if values.count(values[0]) == 2:
                self.found.default = values.pop(0)
            if "" in values:
                self.refuse("an empty text with no label can be a default or one of the values")
            self.found.values = tuple(values)
            self._seen.add("values")

    def _check_count(self) -> None:
        found = self.found
        if found.total is not None and found.hidden < 0:
            self.refuse(f"has {len(found.values)} values, of {found.total} in total", self._values_start)
        if None not in (found.total, found.more) and found.hidden != found.more:
            self.refuse(
                f"has {len(found.values)} values and {found.more} more, of {found.total} in total", self._values_start
            )

    def _skip_space(self) -> None:
        while self.position < len(self._whole) and self._whole[self.position] in SPACE:
            self.position += 1


def as_number(text: str) -> int | float:
    return float(text) if "." in text else int(text)
