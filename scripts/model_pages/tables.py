"""Reads the table of parameters in the layouts whose rows say required or optional."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import Enum, auto

from model_pages.page import Kind, PageError, Parameter, Text, checked
from model_pages.pieces import LABEL, NAME, NUMBER, STRING, PieceReader, Pieces
from model_pages.samples import Names

TYPE = r"(?:string|integer|number|boolean|object)(?:\[\]| ?\(uri\))?"
LINES = re.compile(
    rf"(?<=[\w-])(?P<need>required|optional)[ \t]*\n\s*(?P<price>Affects Pricing\s*)?(?P<type>{TYPE})"
    r"[ \t]*(?=\n|Affects Pricing|\Z)"
)
RUN_TOGETHER = re.compile(rf"(?<=[\w-])(?P<need>required|optional)(?P<type>{TYPE})(?![\[])")
PIECES = re.compile(rf"(?m)^[ \t]*(?P<need>required|optional)(?P<type>{TYPE})[ \t]*(?=\n|Affects Pricing|\Z)")
BROKEN = {
    LINES: re.compile(r"(?<=\w)(?P<need>required|optional)[ \t]*(?=\n)"),
    RUN_TOGETHER: re.compile(
        rf"(?<=\w)(?P<need>required|optional)(?=[a-z(\[])(?!(?:required|optional){TYPE})(?!{TYPE}(?! ?[(\[]))"
    ),
    PIECES: re.compile(r"(?m)^[ \t]*(?P<need>required|optional)(?!ly)(?=[a-z(\[])"),
}
"""What looks like a row of a layout, and is none if it isn't where a row begins."""
ENDS_SENTENCE = r"(?<=[.!?)…])(?<!\d\.)"
GOES_ON = re.compile(
    r"(?:[,:;(\[/=+-]|\b(?:a|about|above|and|at|below|between|by|default|e\.g\.|from|i\.e\.|is|like|max|maximum|min"
    r"|minimum|of|or|over|than|the|to|under|up|with))$"
)
FILE_EXTENSION = re.compile(r"(?:ai|com|gif|io|jpe?g|json|mp[34]|net|org|pdf|png|txt|wav|webp)", re.IGNORECASE)


class Layout(Enum):
    LINES = auto()
    """Each piece on a line of its own, name and need together."""
    LABELLED = auto()
    """Run together, with «Default:» before defaults."""
    UNLABELLED = auto()
    """Run together, with no word before defaults and values."""
    PIECES = auto()
    """Each piece on a line of its own, need and type together."""


@dataclass(frozen=True)
class Anchor:
    """Where a row says whether it is required, and its type."""

    start: int
    end: int
    required: bool
    kind: Kind
    affects_price: bool


def read_table(table: Text, names: Names) -> list[Parameter]:
    """Raises PageError. `names` are those in the sample code."""
    layout, anchors = rows_of(table)
    rows = RowReader(table, layout, names.every)
    name = rows.first_name(anchors[0])
    flat: list[tuple[Parameter, bool]] = []
    for index, anchor in enumerate(anchors):
        following = anchors[index + 1] if index + 1 < len(anchors) else None
        row, has_items, next_name = rows.read(name, anchor, following)
        flat.append((row, has_items))
        name = next_name
    return with_items(flat, names)


def rows_of(table: Text) -> tuple[Layout, list[Anchor]]:
    text = str(table)
    found = {pattern: list(pattern.finditer(text)) for pattern in (LINES, RUN_TOGETHER, PIECES)}
    used = [pattern for pattern, anchors in found.items() if anchors]
    if len(used) != 1:
        position = max((anchors[0].start() for anchors in found.values() if anchors), default=0)
        problem = "rows in more than one layout" if used else "no row of a parameter"
        raise PageError(table.line(table.start + position), f"found {problem} in the table of parameters")
    (pattern,) = used
    places = {match.start("need") for match in found[pattern]}
    for broken in BROKEN[pattern].finditer(text):
        if broken.start("need") not in places:
            line = table.line(table.start + broken.start("need"))
            raise PageError(line, "found what looks like a row, with a type that is not known")
    anchors = [
        Anchor(
            start=table.start + match.start("need"),
            end=table.start + match.end(),
            required=match["need"] == "required",
            kind=kind_of(match["type"]),
            affects_price="price" in match.groupdict() and match["price"] is not None,
        )
        for match in found[pattern]
    ]
    if pattern is LINES:
        return Layout.LINES, anchors
    if pattern is PIECES:
        return Layout.PIECES, anchors
    is_labelled = re.search(r"(?m)(?:^|(?<=\S))(?:Default ?:|Allowed values)", text)
    return Layout.LABELLED if is_labelled else Layout.UNLABELLED, anchors


def kind_of(written: str) -> Kind:
    name = re.split(r"[ (\[]", written)[0]
    return Kind(name, format="uri" if "(uri)" in written else None, is_array=written.endswith("[]"))


class RowReader:
    """Reads rows from the first to the last; where a row ends is also where the next one's name begins."""

    def __init__(self, table: Text, layout: Layout, known: Collection[str]) -> None:
        self._table = table
        self._layout = layout
        self._known = frozenset(known)
        self._used: set[str] = set()

    def first_name(self, anchor: Anchor) -> str:
        written = self._table.whole[self._table.start : anchor.start].strip()
        if not NAME.fullmatch(written):
            line = self._table.line(self._table.start + len(str(self._table)) - len(str(self._table).lstrip()))
            raise PageError(line, f"expected the name of a parameter, found {written[:40]!r}")
        return written

    def read(self, name: str, anchor: Anchor, following: Anchor | None) -> tuple[Parameter, bool, str]:
        """The row, whether the properties of its items follow, and the name of the next row."""
        self._used.add(name)
        line = self._table.line(anchor.start)
        segment = self._table.part(anchor.end, following.start if following else self._table.end)
        affects_price = anchor.affects_price
        skipped = re.match(r"\s*Affects Pricing", str(segment))
        if skipped:
            affects_price = True
            segment = self._table.part(segment.start + skipped.end(), segment.end)
        start = self._pieces_start(segment, name, anchor.kind, has_next=following is not None)
        if start is None:
            pieces, next_name = Pieces(), self._name_after_sentence(segment) if following else ""
        else:
            reader = PieceReader(segment, start, name, anchor.kind)
            pieces = reader.read(unlabelled=self._layout is Layout.UNLABELLED)
            next_name = self._name_after_pieces(reader, segment, has_next=following is not None)
        if pieces.has_items and not (anchor.kind.is_array and anchor.kind.name == "object"):
            raise PageError(line, f"{name}: has properties of items and is no object[]")
        row = Parameter(
            name=name,
            line=line,
            required=anchor.required,
            kind=anchor.kind,
            default=pieces.default,
            minimum=pieces.minimum,
            maximum=pieces.maximum,
            values=pieces.values,
            hidden_values=pieces.hidden,
            affects_price=affects_price or pieces.affects_price,
        )
        return checked(row), pieces.has_items, next_name

    def _refuse(self, position: int, problem: str) -> PageError:
        return PageError(self._table.line(position), problem)

    def _pieces_start(self, segment: Text, name: str, kind: Kind, *, has_next: bool) -> int | None:
        """Where the sentence is over and labels or values begin; None where only a sentence is left."""
        lines = list(segment.lines())
        if not lines:
            return segment.end
        position, first = lines[0]
        position = segment.whole.index(first, position)
        if LABEL.match(first):
            return position
        if self._layout in (Layout.LINES, Layout.PIECES):
            # The sentence has a line of its own. Without it, the only line is the next row's name.
            if has_next and len(lines) == 1:
                return position
            glued = next((it for it in LABEL.finditer(first) if first[it.start() - 1] not in " \t\"'("), None)
            if glued:
                raise self._refuse(position, f"{name}: {glued[0]!r} is run together with its sentence")
            return position + len(first)
        return self._after_sentence_on_its_line(segment, position, first, name, kind, is_last=len(lines) == 1)

    def _after_sentence_on_its_line(
        self, segment: Text, position: int, first: str, name: str, kind: Kind, *, is_last: bool
    ) -> int | None:
        unlabelled = self._layout is Layout.UNLABELLED
        if unlabelled and self._starts_with_value(first, kind):
            return position
        label = self._label_in(first, position, name)
        sentence = first if label is None else first[: label - position]
        value = self._value_at_end(sentence, kind, is_before_name=label is None and is_last)
        if value is not None:
            if not unlabelled:
                raise self._refuse(position, f"{name}: a value with no label, on a page where values have labels")
            return position + value
        if label is not None:
            if unlabelled and self._could_end_in_value(sentence, kind, has_name=False):
                raise self._two_ways(position, name)
            return label
        if is_last:
            if unlabelled and self._could_end_in_value(sentence, kind, has_name=True):
                raise self._two_ways(position, name)
            return None
        rest = segment.whole[position + len(first) : segment.end].lstrip()
        begins_with_value = bool(re.match(rf"{NUMBER}|true\b|false\b|\"", rest))
        if unlabelled and begins_with_value and GOES_ON.search(sentence):
            raise self._two_ways(position, name)
        if unlabelled and not begins_with_value and self._could_end_in_value(sentence, kind, has_name=False):
            raise self._two_ways(position, name)
        return position + len(first)

    def _two_ways(self, position: int, name: str) -> PageError:
        return self._refuse(position, f"{name}: what ends its sentence can be its default; put it on a line of its own")

    @staticmethod
    def _starts_with_value(first: str, kind: Kind) -> bool:
        """Whether a row has no sentence and begins with its default."""
        patterns = {"string": r'"', "boolean": r"(?:true|false)\b", "integer": NUMBER, "number": NUMBER}
        pattern = patterns.get(kind.name)
        return pattern is not None and not kind.is_array and re.match(pattern, first) is not None

    def _label_in(self, first: str, position: int, name: str) -> int | None:
        """A label that is run together with a sentence."""
        for label in LABEL.finditer(first):
            if label.start() and first[label.start() - 1] not in " \t":
                return position + label.start()
            looks_like_one = re.match(rf"\s*(?:{NUMBER}|{STRING}|true\b|false\b|$)", first[label.end() :])
            if looks_like_one and not label["price"]:
                raise self._refuse(
                    position, f"{name}: {label[0]!r} can be part of its sentence; put it on a line of its own"
                )
        return None

    @staticmethod
    def _value_at_end(sentence: str, kind: Kind, *, is_before_name: bool) -> int | None:
        """Where a value begins that follows the end of a sentence directly."""
        name = r"(?:[^\W\d][\w-]*)?" if is_before_name else ""
        patterns = {
            "string": rf'(?:{STRING}(?:[^"\s]*(?={STRING}))?)+',
            "boolean": "(?:true|false)",
            "integer": NUMBER,
            "number": NUMBER,
        }
        pattern = patterns.get(kind.name)
        if pattern is None or kind.is_array:
            return None
        found = re.search(rf"{ENDS_SENTENCE}(?P<value>{pattern}){name}$", sentence)
        return found.start("value") if found else None

    @staticmethod
    def _could_end_in_value(sentence: str, kind: Kind, *, has_name: bool) -> bool:
        name = r"(?:[^\W\d][\w-]*)?" if has_name else ""
        if kind.is_array or kind.name == "object":
            return re.search(rf'["\]}}]{name}$', sentence) is not None
        patterns = {"string": '"', "boolean": "(?:true|false)", "integer": r"\d", "number": r"\d"}
        return re.search(rf"{patterns[kind.name]}{name}$", sentence) is not None

    def _name_after_pieces(self, reader: PieceReader, segment: Text, *, has_next: bool) -> str:
        rest = reader.rest()
        name = rest.strip()
        if not has_next:
            if name:
                reader.refuse(f"expected a label or the end of the table, found {name[:40]!r}")
            return ""
        if not NAME.fullmatch(name):
            shown = name.partition("\n")[0][:40]
            reader.refuse(f"expected a label or the name of the next parameter, found {shown!r}")
        written = segment.whole[: segment.end].rstrip()
        is_on_own_line = written[: len(written) - len(name)].rstrip(" \t").endswith("\n")
        if not is_on_own_line:
            if name[0].isdigit():
                reader.refuse(f"where a value ends and the name {name!r} begins can be read in two ways")
            others = [
                it
                for it in self._known - self._used
                if written.endswith(it)
                and (len(it) > len(name) or (self._is_end_of(name, it) and name not in self._known))
            ]
            if others:
                reader.refuse(f"the next parameter can be {name!r} or {others[0]!r}; put it on a line of its own")
        return name

    def _name_after_sentence(self, segment: Text) -> str:
        """The name at the end of a text, whose beginning is known from the sample code or from punctuation."""
        text = str(segment).rstrip()
        run = re.search(r"[\w-]*$", text)
        written = run[0] if run else ""
        position = segment.start + len(text)
        before = text[: len(text) - len(written)]
        known = [it for it in self._known - self._used if it == written or self._is_end_of(written, it)]
        is_certain = bool(re.search(r"(?:\n[ \t]*|[!?)\]\"'…]|(?<!\d)\.)$", before)) and not (
            before.endswith(".") and FILE_EXTENSION.match(written) and written not in known
        )
        if is_certain and (written in known or not known) and NAME.fullmatch(written):
            if written[0].isdigit() and written not in known and not before.rstrip(" \t").endswith("\n"):
                raise self._refuse(position, f"{written!r} can be a name, or a number and a name")
            return written
        if len(known) == 1:
            return known[0]
        shown = f"{before.rpartition(chr(10))[2][-20:]}{written}"
        raise self._refuse(
            position,
            f"where a parameter's name begins in {shown!r} can't be told; put the name on a line of its own",
        )

    @staticmethod
    def _is_end_of(written: str, name: str) -> bool:
        """Whether a name can begin within a run of letters."""
        return len(name) < len(written) and written.endswith(name) and written[-len(name) - 1] not in "_-"


def with_items(flat: list[tuple[Parameter, bool]], names: Names) -> list[Parameter]:
    """Puts the rows of items below their array. Nothing on a page but the sample code shows where they end."""
    found: list[Parameter] = []
    index = 0
    while index < len(flat):
        row, has_items = flat[index]
        index += 1
        if has_items:
            count = count_of_items(row, flat[index:], {it.name for it in found} | {row.name}, names)
            inside = flat[index : index + count]
            nested = next((it for it, has_more in inside if has_more), None)
            if nested:
                raise PageError(nested.line, f"{nested.name}: has items inside of items, which can't be told apart")
            row = replace(row, items=tuple(it for it, _ in inside))
            index += count
        found.append(row)
    seen: set[str] = set()
    for row in found:
        if row.name in seen:
            raise PageError(row.line, f"the parameter {row.name!r} is listed twice")
        seen.add(row.name)
    return found


def count_of_items(row: Parameter, following: list[tuple[Parameter, bool]], taken: set[str], names: Names) -> int:
    """How many of the rows that follow an array are the properties of its items."""
    inside = names.inside.get(row.name, set())
    possible: list[int] = []
    for count in range(1, len(following) + 1):
        items = [it.name for it, _ in following[:count]]
        if len(set(items)) < len(items):
            break
        outer: list[str] = []
        for other, has_items in following[count:]:
            outer.append(other.name)
            if has_items:
                # Rows from here on can be those of other items, with any names.
                break
        if any(name in names.top and name not in inside and name not in taken for name in items):
            continue
        if any(name in taken or (name in inside and name not in names.top) for name in outer):
            continue
        possible.append(count)
    if len(possible) != 1:
        raise PageError(
            row.line,
            f"{row.name}: where the properties of its items end and the next parameter begins can't be told"
            + ("; name both in the sample code" if possible else ""),
        )
    return possible[0]
