"""Reads a whole page: which model it is of, its parameters, its price, what it makes, its status codes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from model_pages.attributes import ROW, read_attributes
from model_pages.page import Amount, Page, PageError, Parameter, Text
from model_pages.samples import Names, names_in
from model_pages.tables import LINES, PIECES, RUN_TOGETHER, read_table

URL = re.compile(r"(?:https?://)?api\.segmind\.com/(?P<version>v[12])/(?P<slug>[A-Za-z0-9._~-]+)")
POST = re.compile(r"(?m)^[ \t]*POST ?/(?P<version>v[12])/(?P<slug>[A-Za-z0-9._~-]+)")
NO_MODELS = ("requests", "get-user-credits")
PRICE = r"~?\$(?P<low>\d+(?:\.\d+)?)(?: ?[-–] ?\$(?P<high>\d+(?:\.\d+)?))?(?: per generation)?"  # noqa: RUF001
LATENCY = r"~(?P<seconds>\d+(?:\.\d+)?)s"
AMOUNTS = re.compile(rf"(?:{LATENCY})?[ \t]*(?:{PRICE})?[ \t]*(?:POST.*)?")
LOOKS_LIKE_AN_AMOUNT = re.compile(r"~ ?[\d$]|[-–]? ?\$ ?\d|.*\$ ?\d.*per generation|.*per generation$")  # noqa: RUF001
TABLE = re.compile(r"(?m)^(?P<before>.*?)Parameters[ \t]*$")
TABLE_ENDS = re.compile(
    r"(?m)Response Type[ \t]*$(?=\s*(?:Returns:|Common Error Codes|\Z))|^[ \t]*Returns:"
    r"|(?:Common Error Codes|HTTP Response Codes)[ \t]*$"
)
ATTRIBUTES = re.compile(r"(?m)^[ \t]*Attributes[ \t]*$")
MEDIA_TYPE = re.compile(r"(?m)^[ \t]*(image|video|audio|text|application)/[\w.+-]+[ \t]*$")
RETURNS = re.compile(r"(?m)^[ \t]*Returns: ?(?P<kind>.*?)[ \t]*(?P<end>\n|\Z)")
OUTPUTS = {"Text/JSON": None, "Image": "image", "Video": "video", "Audio": "audio", "Text": "text"}
CODES = re.compile(r"(?m)(?:Common Error Codes|HTTP Response Codes)[ \t]*$")
STATUS_NAMES = {
    "OK": (200,),
    "Bad Request": (400,),
    "Unauthorized": (401,),
    "Payment Required": (402,),
    "Forbidden": (403,),
    "Not Found": (404,),
    "Method Not Allowed": (405,),
    "Not Acceptable": (406,),
    "Insufficient Credits": (406,),
    "Gone": (410,),
    "Unprocessable Entity": (422,),
    "Failed": (422,),
    "Too Many Requests": (429,),
    "Rate Limited": (429,),
    "Rate Limit Exceeded": (429,),
    "Internal Server Error": (500,),
    "Server Error": (500,),
    "Bad Gateway": (502,),
    "Service Unavailable": (503,),
    "Gateway Timeout": (504,),
    "Timeout": (504,),
}
STATUS_NAME = re.compile(rf"(?P<name>{'|'.join(sorted(STATUS_NAMES, key=len, reverse=True))})(?=$|[A-Z])")


class Table(NamedTuple):
    start: int
    """Where the heading starts; what is before it is the head of the page."""
    text: Text
    is_attributes: bool


def read_page(path: Path) -> Page:
    """Raises PageError for a page that cannot be read, and OSError."""
    return read_text(Text.of(path))


def read_text(text: Text) -> Page:
    """Raises PageError for a page that cannot be read."""
    table = find_table(text)
    head = text.part(0, table.start)
    slug, position, has_v2 = find_slug(text)
    names = names_in(str(head))
    parameters = read_attributes(table.text) if table.is_attributes else read_table(table.text, names)
    price, latency = find_amounts(head)
    output, output_line = find_output(text, head, table)
    return Page(
        slug=slug,
        line=text.line(position),
        title=find_title(head, slug),
        parameters=tuple(parameters),
        price=price,
        latency=latency,
        output=output,
        output_line=output_line,
        statuses=find_statuses(text, table),
        has_v2=has_v2,
        in_sample_only=tuple(sorted(sent_only(names, parameters))),
    )


def sent_only(names: Names, parameters: list[Parameter]) -> set[str]:
    return names.top - {row.name for row in parameters} - {"timeout", "interval", "headers", "json"}


def find_table(text: Text) -> Table:
    """The part with the parameters: below the heading after which a row follows at once."""
    found: list[Table] = []
    stopped: int | None = None
    for heading in TABLE.finditer(text.whole):
        end = TABLE_ENDS.search(text.whole, heading.end())
        part = text.part(heading.end(), end.start() if end else text.end)
        lines = [line for _, line in zip(range(3), part.lines(), strict=False)]
        beginning = "\n".join(line for _, line in lines) + "\n"
        first = min(
            (match.start() for pattern in (LINES, PIECES, RUN_TOGETHER) if (match := pattern.search(beginning))),
            default=None,
        )
        stopped = lines[0][0] if lines else part.start
        if first is not None and "\n" not in beginning[:first].rstrip():
            if end is None:
                raise PageError(text.line(len(text.whole)), "the page ends inside the table of parameters")
            found.append(Table(heading.start() + len(heading["before"]), part, is_attributes=False))
    for heading in ATTRIBUTES.finditer(text.whole):
        end = TABLE_ENDS.search(text.whole, heading.end())
        part = text.part(heading.end(), end.start() if end else text.end)
        first_line = next(part.lines(), None)
        stopped = first_line[0] if first_line else part.start
        if first_line is not None and ROW.fullmatch(first_line[1]):
            if end is None and text.whole[-1:].isalnum():
                raise PageError(
                    text.line(len(text.whole)), "the page ends in the middle of a line; if it is whole, end the line"
                )
            found.append(Table(heading.start(), part, is_attributes=True))
    if len(found) == 1:
        return found[0]
    if found:
        raise PageError(text.line(found[1].start), "found a second table of parameters")
    if stopped is not None:
        raise PageError(text.line(stopped), "expected the first parameter below the heading, with its type")
    raise PageError(text.line(len(text.whole)), "found no heading «Parameters» or «Attributes»")


def find_slug(text: Text) -> tuple[str, int, bool]:
    """The model's slug, where it stands first, and whether the page has a v2 endpoint."""
    found: dict[str, int] = {}
    has_v2 = False
    for pattern in (URL, POST):
        for match in pattern.finditer(text.whole):
            slug = match["slug"].rstrip(".")
            if text.whole[match.end() : match.end() + 1] in ("\n", " ", "\t", ""):
                slug = slug.removesuffix("Parameters")
            has_v2 = has_v2 or (match["version"] == "v2" and slug not in NO_MODELS)
            if slug and slug not in NO_MODELS:
                found[slug] = min(found.get(slug, match.start()), match.start())
    if len(found) != 1:
        position = sorted(found.values())[1] if found else len(text.whole)
        problem = f"found several models: {', '.join(found)}" if found else "found no URL of a model"
        raise PageError(text.line(position), problem)
    ((slug, position),) = found.items()
    return slug, position, has_v2


def find_title(head: Text, slug: str) -> str | None:
    """The title as the page spells it, if one of its first lines is the slug in other letters."""
    plain = re.sub(r"[^a-z0-9]", "", slug.lower())
    for _, (_, line) in zip(range(5), head.lines(), strict=False):
        if re.sub(r"[^a-z0-9]", "", line.lower()) == plain and re.fullmatch(r"[\w .+-]+", line):
            return line
    return None


def find_amounts(head: Text) -> tuple[Amount | None, Amount | None]:
    """Price and latency, each on a line of its own or both on one."""
    prices: list[Amount] = []
    latencies: list[Amount] = []
    doubtful: list[tuple[int, str]] = []
    for index, (position, line) in enumerate(head.lines()):
        number = head.line(position)
        found = AMOUNTS.fullmatch(line)
        if found and found["low"]:
            if index == 0 and found["seconds"] is None and not line.startswith("~"):
                raise PageError(number, "the page begins with its price; put what stands before it there")
            low, high = float(found["low"]), float(found["high"] or found["low"])
            if low > high:
                raise PageError(number, f"the price {line!r} goes from more to less")
            prices.append(Amount(low, high, number))
        if found and found["seconds"]:
            latencies.append(Amount(float(found["seconds"]), float(found["seconds"]), number))
        if not (found and (found["low"] or found["seconds"])) and LOOKS_LIKE_AN_AMOUNT.match(line):
            doubtful.append((number, line))
    for what, amounts in (("price", prices), ("latency", latencies)):
        other = next((it for it in amounts if (it.low, it.high) != (amounts[0].low, amounts[0].high)), None)
        if other:
            raise PageError(other.line, f"found a second {what}, {other}, after {amounts[0]}")
    for number, line in doubtful:
        if not prices or line.startswith(("~", "$", "-")):
            raise PageError(number, f"found what looks like a price or a latency: {line[:60]!r}")
    return (prices[0] if prices else None), (latencies[0] if latencies else None)


def find_output(text: Text, head: Text, table: Table) -> tuple[str | None, int]:
    """What the model makes, and the line that says so."""
    found: dict[str, int] = {}
    for media_type in MEDIA_TYPE.finditer(str(head)):
        if media_type[1] in OUTPUTS.values():
            found.setdefault(media_type[1], head.line(media_type.start(1)))
    for returns in RETURNS.finditer(text.whole, table.text.end):
        line = text.line(returns.start("kind"))
        kind = returns["kind"]
        if kind not in OUTPUTS or (kind == "Text" and not returns["end"]):
            raise PageError(line, f"expected one of {', '.join(OUTPUTS)}, found {kind[:40]!r}")
        output = OUTPUTS[kind]
        if output is not None:
            found.setdefault(output, line)
    if len(found) > 1:
        raise PageError(max(found.values()), f"found several kinds of output: {', '.join(found)}")
    return next(iter(found.items()), (None, 0))


def find_statuses(text: Text, table: Table) -> dict[int, int]:
    """The status codes by code, name or both, with the line of each."""
    headings = list(CODES.finditer(text.whole))
    found: dict[int, int] = {}
    for heading in headings:
        if table.text.start <= heading.start() < table.text.end:
            continue
        end = table.start if heading.end() <= table.start else text.end
        read_statuses(text.part(heading.end(), end), found)
    return found


def read_statuses(section: Text, found: dict[int, int]) -> None:
    lines = list(section.lines())
    index = 0
    while index < len(lines):
        position, line = lines[index]
        number = section.line(position)
        one_line = re.fullmatch(r"(?P<code>[1-5]\d\d)(?: [-–] (?P<name>.+))?", line)  # noqa: RUF001
        named = STATUS_NAME.match(line)
        if one_line is None and named is None:
            if line[0].isdigit():
                raise PageError(number, f"expected a status code, found {line[:40]!r}")
            # What is below the codes is no part of them; a name that isn't known is, if another code follows.
            rest = [text for _, text in lines[index + 1 :]]
            if any(STATUS_NAME.fullmatch(text) or re.fullmatch(r"[1-5]\d\d( [-–] .+)?", text) for text in rest):  # noqa: RUF001
                raise PageError(number, f"expected a status code or its name, found {line[:40]!r}")
            return
        index += 1
        has_sentence = False
        if one_line is not None:
            code = int(one_line["code"])
            name = one_line["name"]
            if name is None and index < len(lines):
                name, index = lines[index][1], index + 1
            known = STATUS_NAME.match(name or "")
            if known and code not in STATUS_NAMES[known["name"]]:
                raise PageError(number, f"{code} is not the code of {known['name']}")
            found.setdefault(code, number)
            has_sentence = one_line["name"] is None
        elif named is not None:
            found.setdefault(STATUS_NAMES[named["name"]][0], number)
            has_sentence = named.end() == len(line)
        if has_sentence and index < len(lines) and not is_status(lines[index][1]):
            index += 1


def is_status(line: str) -> bool:
    return bool(re.fullmatch(r"[1-5]\d\d( [-–] .+)?", line) or STATUS_NAME.fullmatch(line))  # noqa: RUF001
