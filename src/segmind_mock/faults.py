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
"""The fields of a `Prefer` header that the double knows. Others are left alone, as RFC 7240 has it."""


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
    """The fields of a `Prefer` header that the double knows."""
    fields: dict[str, str] = {}
    for name, value in re.findall(r'([\w-]+)\s*=\s*("[^"]*"|[^,]*)', header):
        if name.lower() in FIELDS:
            fields[name.lower()] = value.strip().strip('"')
    return fields


def read_fault(fields: Mapping[str, str]) -> Fault:
    """Raises ValueError, saying what is allowed, for a field that makes no sense."""
    unknown = sorted(set(fields) - set(FIELDS))
    if unknown:
        raise ValueError(f"no fault has the field {unknown[0]!r}; known are {', '.join(FIELDS)}")
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
    return None if number is None else int(number)


def read_number(fields: Mapping[str, str], name: str, low: float, high: float) -> float | None:
    if name not in fields:
        return None
    try:
        number = float(fields[name])
    except ValueError:
        number = math.nan
    if not low <= number <= high:
        raise ValueError(f"{name}: expected a number from {low:g} to {high:g}, got {fields[name]!r}")
    return number


def strikes(seed: int, seen: int, probability: float) -> bool:
    """Whether the nth matching call goes wrong; the same for the same seed, whoever asks."""
    return probability >= 1 or random.Random(f"{seed}:{seen}").random() < probability  # noqa: S311  no secret
