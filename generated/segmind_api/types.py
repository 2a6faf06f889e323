# Copied by scripts/generate.py from scripts/generator/runtime/types.py; do not edit.
"""What the generated classes and operations are made of."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import cached_property
from typing import Any, Final, Generic, Literal, Self, TypeGuard, TypeVar, cast
from urllib.parse import quote

import attrs

from .errors import InvalidParameter, UnreadableField
from .headers import ResponseHeaders

LONGEST_SEGMENT = 1000
"""Characters of an id in a path; a longer one makes an address that cannot be called."""

T = TypeVar("T")
ResultT = TypeVar("ResultT", covariant=True)
ErrorT = TypeVar("ErrorT", covariant=True)


class Unset(Enum):
    """Type of `UNSET`, which stands for a parameter that is not sent."""

    UNSET = "UNSET"

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET


@attrs.frozen
class ApiRequest:
    """One call, ready to be sent: method, path below the server's address, and JSON body."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None


@attrs.frozen
class ApiResponse:
    """One answer as it came."""

    status: int
    headers: ResponseHeaders = attrs.field(converter=ResponseHeaders)
    content: bytes = attrs.field(repr=False)

    @cached_property
    def parsed(self) -> Any:
        """The body, parsed as JSON once. Raises ValueError and RecursionError."""
        return json.loads(self.content)


@attrs.frozen
class Answer(Generic[ResultT, ErrorT]):
    """One answer, read as the contract has it.

    `result` is set for a documented success, `error` for a documented error. For anything else, a
    proxy's page for instance, both are None and `problem` says why.
    """

    response: ApiResponse
    result: ResultT | None = None
    error: ErrorT | None = None
    problem: str | None = None

    @property
    def status(self) -> int:
        """HTTP status."""
        return self.response.status

    @property
    def headers(self) -> ResponseHeaders:
        """The headers, those of the contract as typed attributes too."""
        return self.response.headers


Validator = Callable[[Any, "attrs.Attribute[Any]", Any], None]
Reader = Callable[[Any], T | None]
"""Reads a raw value; None if it is of another kind."""
Body = Callable[[ApiResponse], T | None]
"""Reads a whole body; None if it is of another kind."""
Bodies = Mapping[str, Body[T]]
"""Media type to what reads a body of it."""


def check_additional(instance: RequestBody, attribute: attrs.Attribute[Any], value: dict[str, Any]) -> None:
    shadowed = sorted(set(value) & set(instance.names()))
    if shadowed:
        allowed = f"no parameter that has a field of its own, as {', '.join(shadowed)} has"
        raise InvalidParameter(type(instance).__name__, attribute.name, value, allowed)
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        allowed = f"values that JSON can carry ({error})"
        raise InvalidParameter(type(instance).__name__, attribute.name, value, allowed) from error


@attrs.define(kw_only=True, repr=False)
class RequestBody:
    """Parameters of one model: checked when they are set, sent only if they are."""

    additional_properties: dict[str, Any] = attrs.field(factory=dict[str, Any], validator=check_additional)
    """Parameters that the contract does not know, sent as they are."""

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """Body for parameters by name; those that the contract does not know are kept.

        Raises InvalidParameter for a value that the contract does not allow.
        """
        if not is_mapping(parameters):
            raise InvalidParameter("request", "parameters", parameters, "a mapping of parameters by name")
        known = cls.names()
        return cls(
            **{name: parameters.get(name, UNSET) for name in known},
            additional_properties={name: value for name, value in parameters.items() if name not in known},
        )

    def to_dict(self) -> dict[str, Any]:
        """What is sent: every parameter that was set, by its name in the contract."""
        values = {name: getattr(self, name) for name in self.names()}
        return {name: value for name, value in values.items() if value is not UNSET} | self.additional_properties

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The parameters that the contract knows."""
        return tuple(field.name for field in attrs.fields(cls) if field.name != "additional_properties")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.to_dict().items())})"


def checked(accepts: Callable[[Any], bool], allowed: str) -> Validator:
    def validate(instance: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
        if value is UNSET and attribute.default is UNSET:
            return
        if value is UNSET:
            raise InvalidParameter(type(instance).__name__, attribute.name, value, f"{allowed}, since it is required")
        if not accepts(value):
            raise InvalidParameter(type(instance).__name__, attribute.name, value, allowed)

    return validate


def string(*, allowed: str, min_length: int = 0, max_length: float = math.inf) -> Validator:
    return checked(lambda value: is_text(value) and min_length <= len(value) <= max_length, allowed)


def is_text(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        # A lone surrogate, which JSON in UTF-8 cannot carry.
        return False
    return True


def one_of(values: tuple[str, ...], *, allowed: str) -> Validator:
    return checked(lambda value: isinstance(value, str) and value in values, allowed)


def integer(*, allowed: str, minimum: float = -math.inf, maximum: float = math.inf) -> Validator:
    return checked(
        lambda value: isinstance(value, int) and not isinstance(value, bool) and minimum <= value <= maximum, allowed
    )


def number(*, allowed: str, minimum: float = -math.inf, maximum: float = math.inf) -> Validator:
    return checked(lambda value: as_number(value) is not None and minimum <= value <= maximum, allowed)


def boolean(*, allowed: str) -> Validator:
    return checked(lambda value: isinstance(value, bool), allowed)


class ResponseObject(Mapping[str, Any]):
    """A JSON object that the service sent: `answer.status`, `answer["status"]` and `answer.get("status")`.

    Fields and values that the contract does not know stay readable as items. An attribute that the
    contract does not promise is None where the service sent nothing or something of another type; one
    that it promises raises UnreadableField.
    """

    __slots__ = ("_raw", "response")

    def __init__(self, raw: Mapping[str, Any], response: ApiResponse | None = None) -> None:
        self._raw = raw
        self.response = response
        """The answer that this came in, as it came; None for a part of one."""

    @classmethod
    def from_raw(cls, raw: Any) -> Self | None:
        """Wraps what JSON decoded to; None for what is no object."""
        return cls(cast(Mapping[str, Any], raw)) if isinstance(raw, Mapping) else None

    def to_dict(self) -> dict[str, Any]:
        """What the service sent, unknown fields and all."""
        return dict(self._raw)

    def __getitem__(self, name: str) -> Any:
        return self._raw[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._raw!r})"

    def _promised(self, name: str, reader: Reader[T]) -> T:
        raw = self._raw.get(name)
        value = reader(raw)
        if value is None:
            error = UnreadableField(type(self).__name__, name, raw)
            error.response = self.response
            error.request_id = as_string(self._raw.get("request_id"))
            raise error
        return value

    def _possible(self, name: str, reader: Callable[[Any], T]) -> T:
        return reader(self._raw.get(name))


def as_string(raw: Any) -> str | None:
    return raw if isinstance(raw, str) else None


def as_boolean(raw: Any) -> bool | None:
    return raw if isinstance(raw, bool) else None


def as_integer(raw: Any) -> int | None:
    return raw if isinstance(raw, int) and not isinstance(raw, bool) else None


def as_number(raw: Any) -> float | None:
    if isinstance(raw, float):
        return raw if math.isfinite(raw) else None
    return as_integer(raw)


def as_null(_raw: Any) -> None:
    return None


def either(*readers: Reader[Any]) -> Reader[Any]:
    def read(raw: Any) -> Any:
        values = (reader(raw) for reader in readers)
        return next((value for value in values if value is not None), None)

    return read


def is_mapping(raw: object) -> bool:
    return isinstance(raw, Mapping)


def is_list(raw: Any) -> TypeGuard[list[Any]]:
    return isinstance(raw, list)


def tuple_of(reader: Reader[T]) -> Reader[tuple[T, ...]]:
    def read(raw: Any) -> tuple[T, ...] | None:
        if not is_list(raw):
            return None
        values = [reader(item) for item in raw]
        read_values = tuple(value for value in values if value is not None)
        return read_values if len(read_values) == len(values) else None

    return read


def json_body(reader: Reader[T]) -> Body[T]:
    def read(response: ApiResponse) -> T | None:
        try:
            return reader(response.parsed)
        except (ValueError, RecursionError):
            return None

    return read


def text_body(response: ApiResponse) -> str | None:
    return response.content.decode(errors="replace")


def binary_body(response: ApiResponse) -> bytes | None:
    return response.content


def read_answer(
    response: ApiResponse, results: Mapping[int, Bodies[ResultT]], errors: Mapping[int, Bodies[ErrorT]]
) -> Answer[ResultT, ErrorT]:
    """Reads an answer by its status and its Content-Type; never raises."""
    # The first, where the header was sent more than once.
    media_type = response.headers.get("content-type", "").partition(";")[0].partition(",")[0].strip().lower()
    if response.status in results:
        result = read_body(response, results[response.status], media_type)
        if result is not None:
            return Answer(response, result=result)
    elif response.status in errors:
        error = read_body(response, errors[response.status], media_type)
        if error is not None:
            return Answer(response, error=error)
    else:
        return Answer(response, problem=f"status {response.status} is not in the contract")
    documented = results.get(response.status) or errors[response.status]
    found = f"{len(response.content)} bytes of {media_type or 'no declared type'}"
    expected = " or ".join(documented)
    return Answer(response, problem=f"status {response.status} came with {found}, not with readable {expected}")


def read_body(response: ApiResponse, bodies: Bodies[T], media_type: str) -> T | None:
    body = bodies.get(media_type) or bodies.get(f"{media_type.partition('/')[0]}/*")
    value = body(response) if body else None
    if isinstance(value, ResponseObject):
        value.response = response
    return value


def path_segment(name: str, value: str) -> str:
    """Quotes a value for a path; raises InvalidParameter for one that fits in none, or would lead to another path."""
    if value in ("", ".", "..") or not is_text(value) or len(value) > LONGEST_SEGMENT:
        raise InvalidParameter("path", name, value, "an id")
    return quote(value, safe="")
