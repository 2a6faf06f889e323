"""Faults on demand: read from a call's `Prefer` header or chosen by a rule, and the responses that replace a call."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import orjson

from segmind_mock.calls import JSON, WITHOUT_BODY, Call, Outcome, limit_headers
from segmind_mock.contract import Contract, Operation
from segmind_mock.records import FaultRule, Transaction

FIELDS = ("code", "example", "latency", "drop", "truncate", "html", "state", "fail", "malformed")
"""The fields of a fault, in a `Prefer` header or in a rule."""
NUMBERS = frozenset({"code", "latency", "truncate", "html"})
"""Fields whose value may be a number."""
ROLES = {"state": "status", "fail": "submit"}
"""Fields that apply to one role of operations only."""
REGISTERED = frozenset(
    {"depth-noroot", "handling", "respond-async", "return", "safe", "subscribe-enhanced-get", "wait"}
)
"""Preferences that IANA has registered. They are ignored, as RFC 7240 allows; so are those of OData."""
DEFAULT_ERROR = "failed on demand"
"""Error of a job that fails on demand without a text."""
RESET_SECONDS = 1.0
"""Until the reset that a 429 on demand names."""
MOST_RULES = 100
LONGEST_VALUE = 10_000
"""Characters of a field's value."""
QUOTED = r'"(?:[^"\\]|\\.)*+"'
# Possessive quantifiers: without them, the time to parse grows with the square of the header's length.
PREFERENCE = re.compile(
    rf"""[\s,]*+ (?P<name>[^\s=;,"]++) \s*+
    (?: = \s*+ (?P<value>{QUOTED} | [^;,"]*+) \s*+ )?
    (?: ; (?:[^,"] | {QUOTED})*+ )?  # parameters, which no field of a fault has
    (?= , | $ )""",
    re.VERBOSE,
)
NOTHING_MORE = re.compile(r"[\s,]*$")


@dataclass(frozen=True, slots=True)
class Fault:
    """How one call goes wrong. Its fields act in three places:

    - `Service.respond` sends a replacement instead of carrying the call out: `code`, `example`, `html`, and `drop` if
      it is "before";
    - the handlers of `Service` change what a submit or a status call does: `fail`, `state`;
    - `MockApp` changes how a response is sent: `latency`, `malformed`, `drop`, `truncate`.
    """

    code: int | None = None
    """Status of the response, 200 to 599."""
    example: str | None = None
    """With `code`: the contract's example that is the response."""
    latency: float = 0.0
    """Seconds before the response."""
    drop: Literal["before", "after"] | None = None
    """Closes the connection before or after the call is accepted."""
    truncate: float | None = None
    """Sends this share of the body, from 0 to 1, and closes the connection."""
    html: int | None = None
    """Status of an HTML page, as from a proxy, that is the response."""
    state: str | None = None
    """State that a status call reports, which the contract need not have."""
    fail: str | None = None
    """Error of the job that is submitted, which ends as FAILED."""
    malformed: bool = False
    """Makes the body of the response invalid JSON."""
    fields: dict[str, str] = field(default_factory=dict[str, str])
    """The fields it was read from."""

    @property
    def replaces_the_call(self) -> bool:
        """Whether the call gets a response without being carried out."""
        return self.code is not None or self.html is not None or self.drop == "before"


NO_FAULT = Fault()


def parse_prefer(header: str) -> dict[str, str]:
    """The fields of a `Prefer` header, without the registered preferences.

    Raises ValueError for a field that is neither known nor registered: if it were ignored, the call would be carried
    out and charged.
    """
    fields: dict[str, str] = {}
    position = 0
    while not NOTHING_MORE.match(header, position):
        match = PREFERENCE.match(header, position)
        if match is None:
            raise ValueError(f"cannot read {header[position : position + 100].strip()!r}; write name=value, name=value")
        name, value = match["name"].lower(), (match["value"] or "").strip()
        if name in FIELDS:
            # RFC 7240: of a preference that appears twice, the first counts.
            fields.setdefault(name, re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value)
        elif name not in REGISTERED and not name.startswith("odata."):
            check_known(name)
        position = match.end()
    return fields


def check_known(name: str) -> None:
    """Raises ValueError for a name that is not a field of a fault."""
    if name not in FIELDS:
        raise ValueError(f"no fault has the field {name[:100]!r}; known are {', '.join(FIELDS)}")


def as_texts(fields: Mapping[str, object]) -> dict[str, str]:
    """The fields of a fault as strings. Raises ValueError for an unknown field or a value of another type."""
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


def read_fault(fields: dict[str, str]) -> Fault:
    """Raises ValueError for an unknown field or a value that is not allowed; the message says what is."""
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
        fail=fields["fail"] or DEFAULT_ERROR if "fail" in fields else None,
        malformed="malformed" in fields,
        fields=fields,
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
    """Whether the nth matching call gets the fault; the same for the same seed in every process."""
    return probability >= 1 or random.Random(f"{seed}:{seen}").random() < probability  # noqa: S311  no secret


def fault_of(tx: Transaction, call: Call, key_header: str) -> Fault:
    """The fault of this call: by its own header, or else by the first rule that applies. Raises ValueError."""
    fields = parse_prefer(call.headers["prefer"]) if "prefer" in call.headers else {}
    if not fields and tx.count(FaultRule):
        fields = fields_by_rule(tx, call.operation, call.headers.get(key_header))
    return read_fault(fields) if fields else NO_FAULT


def fields_by_rule(tx: Transaction, operation: Operation, key: str | None) -> dict[str, str]:
    for rule in tx.oldest(FaultRule, MOST_RULES):
        if rule.operation_id not in (None, operation.operation_id) or rule.key not in (None, key):
            continue
        if rule.times == 0 or any(ROLES.get(name, operation.role) != operation.role for name in rule.fault):
            continue
        rule.seen += 1
        struck = strikes(rule.seed, rule.seen, rule.probability)
        if struck and rule.times is not None:
            rule.times -= 1
        tx.put(rule.rule_id, rule)
        if struck:
            return rule.fault
    return {}


def replacement(contract: Contract, operation: Operation, fault: Fault, now: float) -> Outcome:
    """The response to a call that is not carried out."""
    if fault.html is not None and fault.html not in WITHOUT_BODY:
        page = f"<!doctype html><title>{fault.html}</title><h1>{fault.html}</h1>"
        return Outcome(fault.html, page.encode(), "text/html")
    status = fault.code or fault.html or 502
    documented = operation.responses.get(status)
    if status in WITHOUT_BODY:
        return Outcome(status, b"")
    if documented is None:
        return Outcome(status, orjson.dumps({"error": f"status {status}, as requested"}))
    headers = {name: str(header["example"]) for name, header in contract.headers(documented).items()}
    if status == 429:
        headers |= limit_headers(now + RESET_SECONDS)
    for media_type, media in documented["content"].items():
        examples = media.get("examples", {})
        name = fault.example or next(iter(examples), None)
        if name in examples:
            value = examples[name]["value"]
            body = orjson.dumps(value) if media_type == JSON else str(value).encode()
            return Outcome(status, body, media_type, headers)
    message = f"the contract has no example {fault.example!r} for {operation.operation_id} and {status}"
    return Outcome(400, orjson.dumps({"error": f"Prefer: {message}"}))
