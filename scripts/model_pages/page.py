"""What a model's page says, and the error for a page that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any, Final

from generator.contract import is_list


class PageError(Exception):
    """A page, or a row of it, that cannot be read in exactly one way; says at which line and why."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"{line}: {problem}")
        self.line = line
        self.problem = problem


class Unsaid(Enum):
    """Type of `UNSAID`, which stands for what a page does not say; a default may be None."""

    UNSAID = "UNSAID"


UNSAID: Final = Unsaid.UNSAID


@dataclass(frozen=True)
class Kind:
    """The type of a parameter."""

    name: str
    """`string`, `integer`, `number`, `boolean` or `object`; of an array, the type of its items."""
    format: str | None = None
    is_array: bool = False
    may_have_format: bool = True
    """False where the page's layout has no place for a format."""

    def __str__(self) -> str:
        return f"{self.name}[]" if self.is_array else f"{self.name} ({self.format})" if self.format else self.name


@dataclass(frozen=True)
class Parameter:
    name: str
    line: int
    required: bool
    kind: Kind
    default: Any = UNSAID
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[Any, ...] = ()
    """The values that are allowed, as far as the page shows them."""
    hidden_values: int | None = 0
    """How many more it has; None where the page has values and does not say how many."""
    affects_price: bool = False
    items: tuple[Parameter, ...] = ()
    """The properties of an array's items."""

    @property
    def is_closed(self) -> bool:
        return bool(self.values) and self.hidden_values == 0


@dataclass(frozen=True)
class Amount:
    """A price in US dollars or a latency in seconds: a value, or a range of two."""

    low: float
    high: float
    line: int

    def __str__(self) -> str:
        return f"{self.low:g}" if self.low == self.high else f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Page:
    slug: str
    line: int
    """Where the slug stands."""
    title: str | None
    parameters: tuple[Parameter, ...]
    price: Amount | None
    latency: Amount | None
    output: str | None
    """`image`, `video`, `audio` or `text`; None where the page does not say, or says «Text/JSON»."""
    output_line: int
    statuses: dict[int, int] = field(default_factory=dict[int, int])
    """Status codes, and the line of each."""
    has_v2: bool = False
    in_sample_only: tuple[str, ...] = ()
    """Parameters that the sample code sends and the table does not have."""


class Text:
    """The text of a page, or a part of it, that knows its lines."""

    def __init__(self, whole: str, start: int = 0, end: int | None = None) -> None:
        self.whole = whole
        self.start = start
        self.end = len(whole) if end is None else end

    @classmethod
    def of(cls, path: Path) -> Text:
        """Raises PageError for a file that is no text in UTF-8, and OSError."""
        raw = path.read_bytes()
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise PageError(raw[: error.start].count(b"\n") + 1, "is no text in UTF-8") from error
        return cls.from_string(text)

    @classmethod
    def from_string(cls, text: str) -> Text:
        plain = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u00a0", " ").replace("\u200b", "")
        for position, character in enumerate(plain):
            if character < " " and character not in "\n\t":
                raise PageError(plain.count("\n", 0, position) + 1, f"holds the control character {character!r}")
        return cls(plain)

    def __str__(self) -> str:
        return self.whole[self.start : self.end]

    def part(self, start: int, end: int) -> Text:
        """A part, by positions in the whole."""
        return Text(self.whole, start, end)

    def line(self, position: int) -> int:
        """The number of the line of a position in the whole."""
        return self.whole.count("\n", 0, position) + 1

    def lines(self) -> Iterator[tuple[int, str]]:
        """Position and text of each line that is not blank."""
        position = self.start
        for line in str(self).split("\n"):
            if line.strip():
                yield position, line.strip()
            position += len(line) + 1


def checked(row: Parameter) -> Parameter:
    """Raises PageError for a row that contradicts itself, as it does when it was misread."""

    def refuse(problem: str) -> None:
        raise PageError(row.line, f"{row.name}: {problem}; the row contradicts itself")

    scalar = row.kind.name
    is_bounded = row.minimum is not None or row.maximum is not None
    if is_bounded and (row.kind.is_array or scalar not in ("integer", "number")):
        raise PageError(
            row.line, f"{row.name}: a range of a {row.kind} can be one of its values, of its length or of its items"
        )
    if row.minimum is not None and row.maximum is not None and row.minimum > row.maximum:
        refuse(f"its minimum {row.minimum:g} is above its maximum {row.maximum:g}")
    for value in row.values:
        if not fits(value, replace(row.kind, is_array=False)):
            refuse(f"{value!r} is allowed, which is no {scalar}")
    if len({repr(value) for value in row.values}) < len(row.values):
        refuse("a value is allowed twice")
    if row.default is not UNSAID:
        if not fits(row.default, row.kind):
            refuse(f"its default {row.default!r} is no {row.kind}")
        defaults = row.default if row.kind.is_array else [row.default]
        if row.is_closed and any(value not in row.values for value in defaults):
            refuse(f"its default {row.default!r} is not among its values")
        if row.minimum is not None and row.default < row.minimum:
            refuse(f"its default {row.default!r} is below its minimum {row.minimum:g}")
        if row.maximum is not None and row.default > row.maximum:
            refuse(f"its default {row.default!r} is above its maximum {row.maximum:g}")
    return row


def fits(value: Any, kind: Kind) -> bool:
    """Whether a value is of a type."""
    if kind.is_array:
        return is_list(value) and all(fits(item, replace(kind, is_array=False)) for item in value)
    if kind.name == "string":
        return isinstance(value, str)
    if kind.name == "boolean":
        return isinstance(value, bool)
    if kind.name == "object":
        return isinstance(value, dict)
    return not isinstance(value, bool) and isinstance(value, int if kind.name == "integer" else int | float)
