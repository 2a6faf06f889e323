"""How calls are made: how often they are tried, how long they may take."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, TypedDict

import attrs

from segmind_api.catalog import POLL_DEADLINE_SECONDS
from segmind_api.errors import InvalidParameter

READ_SECONDS = 30.0


def seconds(instance: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value is None:
        allowed = "a number of seconds: a wait without an end would hang with the first lost connection"
        raise InvalidParameter(type(instance).__name__, attribute.name, value, allowed)
    least = 0 if attribute.name in ("deadline", "interval", "retry_seconds") else 1e-3
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < math.inf:
        allowed = f"a number of seconds, {least:g} or more and not without end"
        raise InvalidParameter(type(instance).__name__, attribute.name, value, allowed)


def seconds_or_none(instance: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value is not None:
        seconds(instance, attribute, value)


def count(instance: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidParameter(type(instance).__name__, attribute.name, value, "a whole number, 1 or more")


@attrs.frozen(kw_only=True)
class Options:
    """How the calls of a client are made. Raises InvalidParameter for what makes no sense."""

    deadline: float = attrs.field(default=POLL_DEADLINE_SECONDS, validator=seconds)
    """Seconds that `run`, `wait` and `updates` give a job; it may still complete later."""
    interval: float | None = attrs.field(default=None, validator=seconds_or_none)
    """Seconds between two polls. None polls when the job is likely to have completed."""
    attempts: int = attrs.field(default=4, validator=count)
    """How often one call is sent at most, where it is safe to repeat it."""
    retry_seconds: float = attrs.field(default=60.0, validator=seconds)
    """From the first attempt of a call until the last is sent."""
    connect_seconds: float = attrs.field(default=10.0, validator=seconds)
    read_seconds: float = attrs.field(default=READ_SECONDS, validator=seconds)
    """For each piece of an answer."""
    generate_seconds: float = attrs.field(default=180.0, validator=seconds)
    """For the answer of a v1 call, which comes when the image is there; not less than `read_seconds`."""


class OptionChanges(TypedDict, total=False):
    """Options by name, those that differ."""

    deadline: float
    interval: float | None
    attempts: int
    retry_seconds: float
    connect_seconds: float
    read_seconds: float
    generate_seconds: float


OPTIONS = tuple(field.name for field in attrs.fields(Options))


def check_options(names: Iterable[tuple[str, Any]]) -> None:
    """Raises InvalidParameter for an option that there is none of."""
    for name, value in names:
        if name not in OPTIONS:
            raise InvalidParameter("Options", name, value, f"one of {', '.join(OPTIONS)}")
