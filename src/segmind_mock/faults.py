"""Faults on demand: what a call asks for in its `Prefer` header, or a rule that was set beforehand."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

FIELDS = {
    "code": "answer with this status, 200 to 599",
    "example": "the named example of the contract to answer with",
    "latency": "seconds to wait before the answer",
    "drop": "close the connection `before` or `after` the call is accepted",
    "truncate": "send this share of the body, from 0 to 1, and close the connection",
    "html": "answer with a page that has this status, as a proxy does",
    "state": "report this state of a job, known to the contract or not",
    "fail": "let the job that is submitted end as FAILED, with this message",
    "malformed": "answer with a body that is no JSON: `json`",
}
"""The fields of a fault, in a `Prefer` header or in a rule."""
NUMBERS = frozenset({"code", "latency", "truncate", "html"})
"""Fields whose value may be given as a number."""
ROLES = {"state": "status", "fail": "submit"}
"""Fields that say something of one kind of operation only."""
REGISTERED = frozenset(
    {"depth-noroot", "handling", "respond-async", "return", "safe", "subscribe-enhanced-get", "wait"}
)
"""Preferences that IANA has registered. They are ignored, as RFC 7240 allows; so are those of OData."""
LONGEST_VALUE = 10_000
"""Characters of one field."""
QUOTED = r'"(?:[^"\\]|\\.)*+"'
# Possessive quantifiers: without them a long header takes time that is quadratic in its length.
PREFERENCE = re.compile(
    rf"""[\s,]*+ (?P<name>[^\s=;,"]++) \s*+
    (?: = \s*+ (?P<value>{QUOTED} | [^;,"]*+) \s*+ )?
    (?: ; (?:[^,"] | {QUOTED})*+ )?  # parameters, which none of ours has
    (?= , | $ )""",
    re.VERBOSE,
)
NOTHING_MORE = re.compile(r"[\s,]*$")


@dataclass(frozen=True, slots=True)
class Fault:
    """How one call goes wrong."""

    code: int | None = None
    example: str | None = None
    latency: float = 0.0
    drop: Literal["before", "after"] | None = None
    truncate: float | None = None
    html: int | None = None
    state: str | None = None
    fail: str | None = None
    malformed: bool = False

    @property
    def replaces_the_call(self) -> bool:
        """Whether the call is answered without being carried out."""
        return self.code is not None or self.html is not None or self.drop == "before"


NO_FAULT = Fault()


def parse_prefer(header: str) -> dict[str, str]:
    """The fields of a `Prefer` header, without the registered preferences.

    Raises ValueError for a field that is neither known nor registered: to ignore it would carry the call out, and
    charge for it.
    """
    fields: dict[str, str] = {}
    position = 0
    while not NOTHING_MORE.match(header, position):
        match = PREFERENCE.match(header, position)
        if match is None:
            raise ValueError(f"cannot read {header[position : position + 100].strip()!r}; write name=value, name=value")
        name, value = match["name"].lower(), (match["value"] or "").strip()
        if name in FIELDS:
            # Of a preference that comes twice only the first counts.
            fields.setdefault(name, re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value)
        elif name not in REGISTERED and not name.startswith("odata."):
            check_known(name)
        position = match.end()
    return fields


def check_known(name: str) -> None:
    """Raises ValueError for a name that is no field of a fault."""
    if name not in FIELDS:
        raise ValueError(f"no fault has the field {name[:100]!r}; known are {', '.join(FIELDS)}")


def as_texts(fields: Mapping[str, object]) -> dict[str, str]:
    """A fault's fields as in a header. Raises ValueError for an unknown field or a value of another kind."""
    texts: dict[str, str] = {}
    for name, value in fields.items():
        check_known(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and name in NUMBERS:
            texts[name] = str(value)
        elif isinstance(value, str):
            texts[name] = value
        else:
            raise ValueError(f"{name}: expected a string{' or a number' if name in NUMBERS else ''}")
    return texts


def read_fault(fields: Mapping[str, str]) -> Fault:
    """Raises ValueError, saying what is allowed, for a field that makes no sense."""
    for name, value in fields.items():
        check_known(name)
        if len(value) > LONGEST_VALUE:
            raise ValueError(f"{name}: expected at most {LONGEST_VALUE:,} characters")
    drop = fields.get("drop")
    if drop is not None and drop not in ("before", "after"):
        raise ValueError("drop: expected before or after")
    if fields.get("malformed", "json") != "json":
        raise ValueError("malformed: expected json")
    return Fault(
        code=read_status(fields, "code"),
        example=fields.get("example"),
        latency=read_number(fields, "latency", 0, 3600) or 0.0,
        drop="before" if drop == "before" else "after" if drop == "after" else None,
        truncate=read_number(fields, "truncate", 0, 1),
        html=read_status(fields, "html"),
        state=fields.get("state"),
        fail=fields.get("fail"),
        malformed="malformed" in fields,
    )


def read_status(fields: Mapping[str, str], name: str) -> int | None:
    number = read_number(fields, name, 200, 599)
    if number is not None and not number.is_integer():
        raise ValueError(f"{name}: expected a whole number, got {fields[name]!r}")
    return None if number is None else int(number)


def read_number(fields: Mapping[str, str], name: str, low: float, high: float) -> float | None:
    if name not in fields:
        return None
    try:
        number = float(fields[name])
    except ValueError:
        number = math.nan
    if not low <= number <= high:
        raise ValueError(f"{name}: expected a number from {low:g} to {high:g}, got {fields[name][:100]!r}")
    return number


def strikes(seed: int, seen: int, probability: float) -> bool:
    """Whether the nth matching call goes wrong; the same for the same seed, whoever asks."""
    return probability >= 1 or random.Random(f"{seed}:{seen}").random() < probability  # noqa: S311  no secret
