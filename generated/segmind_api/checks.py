# Copied by scripts/generate.py from scripts/generator/runtime/checks.py; do not edit.
"""Checks of parameters: what a value may be by the contract, down to the items of lists and objects."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from fractions import Fraction
from typing import Any, Protocol, TypedDict, TypeGuard, Unpack

import attrs

from .errors import InvalidParameter
from .formats import FORMATS


class Refused(Exception):
    """A value that is not allowed, and where it is inside the parameter: `[2].duration`."""

    def __init__(self, value: object, allowed: str, path: str = "") -> None:
        super().__init__(value, allowed, path)
        self.value = value
        self.allowed = allowed
        self.path = path


@attrs.frozen
class Check:
    """Whether a value is allowed."""

    allowed: str
    """What is, as the end of «expected …»."""
    read: Callable[[Any], Any]
    """The value as it is kept: lists are copied, so that changing them later changes nothing. Raises Refused."""


@attrs.frozen
class Parameter:
    """A parameter of a request class."""

    name: str
    """Its name in the contract, which is the one that is sent."""
    check: Check
    required: bool = False


class FromMapping(Protocol):
    def __call__(self, parameters: Mapping[str, Any], /) -> Any: ...


def accepted(accepts: Callable[[Any], bool], allowed: str) -> Check:
    def read(value: Any) -> Any:
        if not accepts(value):
            raise Refused(value, allowed)
        return value

    return Check(allowed, read)


def is_text(value: object) -> TypeGuard[str]:
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        # A lone surrogate, which JSON in UTF-8 cannot carry.
        return False
    return True


def is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[float]:
    return is_integer(value) or (isinstance(value, float) and math.isfinite(value))


def string(
    *,
    allowed: str,
    min_length: int = 0,
    max_length: float = math.inf,
    pattern: str | None = None,
    format: str | None = None,  # noqa: A002  JSON Schema's name.
) -> Check:
    form = re.compile(pattern or "", re.ASCII)

    def accepts(value: Any) -> bool:
        return (
            is_text(value)
            and min_length <= len(value) <= max_length
            and form.search(value) is not None
            and (format is None or FORMATS[format](value))
        )

    return accepted(accepts, allowed)


class Bounds(TypedDict, total=False):
    minimum: float
    maximum: float
    above: float
    """exclusiveMinimum."""
    below: float
    """exclusiveMaximum."""
    multiple_of: float


def integer(*, allowed: str, **bounds: Unpack[Bounds]) -> Check:
    in_range = within(**bounds)
    return accepted(lambda value: is_integer(value) and in_range(value), allowed)


def number(*, allowed: str, **bounds: Unpack[Bounds]) -> Check:
    in_range = within(**bounds)
    return accepted(lambda value: is_number(value) and in_range(value), allowed)


def within(
    minimum: float = -math.inf,
    maximum: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
    multiple_of: float | None = None,
) -> Callable[[float], bool]:
    step = None if multiple_of is None else as_written(multiple_of)

    def accepts(value: float) -> bool:
        if not (minimum <= value <= maximum and above < value < below):
            return False
        return step is None or (as_written(value) / step).denominator == 1

    return accepts


def as_written(value: float) -> Fraction:
    # 0.3 is a multiple of 0.1, though the floats nearest to them are not.
    return Fraction(value) if isinstance(value, int) else Fraction(repr(value))


def boolean(*, allowed: str) -> Check:
    return accepted(lambda value: isinstance(value, bool), allowed)


def one_of(*values: str | float | bool | None, allowed: str) -> Check:
    return accepted(lambda value: any(is_same(value, known) for known in values), allowed)


def is_same(value: Any, known: str | float | bool | None) -> bool:
    if isinstance(known, str):
        return isinstance(value, str) and value == known
    if known is None or isinstance(known, bool):
        return value is known
    return (is_number(value) if isinstance(known, float) else is_integer(value)) and value == known


def nullable(check: Check, *, allowed: str) -> Check:
    def read(value: Any) -> Any:
        try:
            return None if value is None else check.read(value)
        except Refused as refused:
            raise Refused(refused.value, refused.allowed if refused.path else allowed, refused.path) from None

    return Check(allowed, read)


def array(
    item: Check, *, allowed: str, min_items: int = 0, max_items: float = math.inf, unique_items: bool = False
) -> Check:
    def read(value: Any) -> tuple[Any, ...]:
        if not is_sequence(value) or not min_items <= len(value) <= max_items:
            raise Refused(value, allowed)
        items: list[Any] = []
        for index, given in enumerate(value):
            try:
                items.append(item.read(given))
            except Refused as refused:
                raise Refused(refused.value, refused.allowed, f"[{index}]{refused.path}") from None
        if unique_items and len({comparable(one) for one in items}) < len(items):
            raise Refused(value, allowed)
        return tuple(items)

    return Check(allowed, read)


def is_sequence(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview)


def is_mapping(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping)


def comparable(value: Any) -> Hashable:
    """Equal for what is equal in JSON, where `true` is not 1, and 1 is 1.0."""
    if hasattr(value, "to_dict"):
        value = value.to_dict()
    if is_mapping(value):
        return "object", frozenset((name, comparable(field)) for name, field in value.items())
    if is_sequence(value):
        return "array", tuple(comparable(item) for item in value)
    return isinstance(value, bool), value


def instance_of(kind: type[Any], from_mapping: FromMapping, *, allowed: str) -> Check:
    """An object of a request class, or a mapping that `from_mapping` makes one of."""

    def read(value: Any) -> Any:
        if isinstance(value, kind):
            return value
        if not is_mapping(value):
            raise Refused(value, allowed)
        try:
            return from_mapping(value)
        except InvalidParameter as error:
            raise Refused(error.value, error.allowed, f".{error.field}") from None

    return Check(allowed, read)
