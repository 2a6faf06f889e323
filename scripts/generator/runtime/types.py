"""What the generated classes and operations are made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import cached_property
from typing import Any, ClassVar, Final, Generic, Literal, Self, TypeGuard, TypeVar, cast
from urllib.parse import quote

import attrs

from .checks import Parameter, Refused, is_mapping, is_number, is_text
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
    """One response as it was received."""

    status: int
    headers: ResponseHeaders = attrs.field(converter=ResponseHeaders)
    content: bytes = attrs.field(repr=False)

    @cached_property
    def parsed(self) -> Any:
        """The body, parsed as JSON once; None if it is not JSON."""
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            return None


@attrs.frozen
class TypedResponse(Generic[ResultT, ErrorT]):
    """One response, read as the contract has it.

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


Reader = Callable[[Any], T | None]
"""Reads a raw value; None if it is of another kind."""
Body = Callable[[ApiResponse], T | None]
"""Reads a whole body; None if it is of another kind."""
Bodies = Mapping[str, Body[T]]
"""Media type to what reads a body of it."""


@attrs.define(kw_only=True, repr=False)
class RequestBody:
    """Parameters of one model, or an object inside them: checked when they are set, sent only if they are."""

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {}
    """The parameters that the contract knows, by their Python names."""

    additional_properties: dict[str, Any] = attrs.field(factory=dict[str, Any])
    """Parameters that the contract does not know, sent as they are."""

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """Body for parameters by name, the contract's or Python's; those that the contract does not know are kept.

        Raises InvalidParameter for a value that the contract does not allow.
        """
        if not is_mapping(parameters):
            raise InvalidParameter("request", "parameters", parameters, "a mapping of parameters by name")
        others = dict(parameters)
        known: dict[str, Any] = {}
        for python_name, parameter in cls.PARAMETERS.items():
            known[python_name] = others.pop(parameter.name, UNSET)
            if python_name in others:
                other = others.pop(python_name)
                if known[python_name] is not UNSET:
                    raise InvalidParameter(cls.__name__, python_name, other, f"{parameter.name!r} to be given once")
                known[python_name] = other
        return cls(**known, additional_properties=others)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, self._checked(name, value))

    def _checked(self, name: str, value: Any) -> Any:
        model = type(self).__name__
        if name not in self.PARAMETERS:
            return self._checked_additional(value) if name == "additional_properties" else value
        parameter = self.PARAMETERS[name]
        allowed = parameter.check.allowed
        if value is UNSET:
            if parameter.required:
                raise InvalidParameter(model, name, value, f"{allowed}, since it is required")
            return value
        try:
            return parameter.check.read(value)
        except Refused as refused:
            allowed = refused.allowed
            if value is None and not parameter.required:
                allowed += ", or leave it out"
            raise InvalidParameter(model, f"{name}{refused.path}", refused.value, allowed) from None

    def _checked_additional(self, value: Any) -> dict[str, Any]:
        model, name = type(self).__name__, "additional_properties"
        if not is_mapping(value):
            raise InvalidParameter(model, name, value, "a mapping of parameters by name")
        shadowed = sorted(set(value) & {*self.PARAMETERS, *self.names()})
        if shadowed:
            allowed = f"no parameter that has a field of its own, as {', '.join(shadowed)} has"
            raise InvalidParameter(model, name, value, allowed)
        try:
            json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidParameter(model, name, value, f"values that JSON can carry ({error})") from error
        return dict(value)

    def to_dict(self) -> dict[str, Any]:
        """What is sent: every parameter that was set, by its name in the contract."""
        known = self.names()
        values = {parameter.name: getattr(self, name) for name, parameter in self.PARAMETERS.items()}
        # The mapping may have been changed since it was checked.
        others = {name: value for name, value in self.additional_properties.items() if name not in known}
        return {name: as_json(value) for name, value in values.items() if value is not UNSET} | others

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The parameters that the contract knows, by their names there."""
        return tuple(parameter.name for parameter in cls.PARAMETERS.values())

    def __repr__(self) -> str:
        values = {name: getattr(self, name) for name in self.PARAMETERS} | self.additional_properties
        shown = (f"{name}={value!r}" for name, value in values.items() if value is not UNSET)
        return f"{type(self).__name__}({', '.join(shown)})"


def as_json(value: Any) -> Any:
    if isinstance(value, RequestBody):
        return value.to_dict()
    return [as_json(item) for item in value] if is_tuple(value) else value


def is_tuple(value: Any) -> TypeGuard[tuple[Any, ...]]:
    return isinstance(value, tuple)


class ResponseObject(Mapping[str, Any]):
    """A JSON object that the service sent: `job.status`, `job["status"]` and `job.get("status")`.

    Fields and values that the contract does not know stay readable as items. An attribute that the
    contract does not promise is None where the service sent nothing or something of another type; one
    that it promises raises UnreadableField.
    """

    __slots__ = ("_raw", "response")

    def __init__(self, raw: Mapping[str, Any], response: ApiResponse | None = None) -> None:
        self._raw = raw
        self.response = response
        """The response that this came in; None for a part of one."""

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
    return raw if is_number(raw) else None


def as_null(_raw: Any) -> None:
    return None


def either(*readers: Reader[Any]) -> Reader[Any]:
    def read(raw: Any) -> Any:
        values = (reader(raw) for reader in readers)
        return next((value for value in values if value is not None), None)

    return read


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
    return lambda response: reader(response.parsed)


def text_body(response: ApiResponse) -> str | None:
    return response.content.decode(errors="replace")


def binary_body(response: ApiResponse) -> bytes | None:
    return response.content


def read_response(
    response: ApiResponse, results: Mapping[int, Bodies[ResultT]], errors: Mapping[int, Bodies[ErrorT]]
) -> TypedResponse[ResultT, ErrorT]:
    """Reads a response by its status and its Content-Type; never raises."""
    # The first, where the header was sent more than once.
    media_type = response.headers.get("content-type", "").partition(";")[0].partition(",")[0].strip().lower()
    if response.status in results:
        result = read_body(response, results[response.status], media_type)
        if result is not None:
            return TypedResponse(response, result=result)
    elif response.status in errors:
        error = read_body(response, errors[response.status], media_type)
        if error is not None:
            return TypedResponse(response, error=error)
    else:
        return TypedResponse(response, problem=f"status {response.status} is not in the contract")
    documented = results.get(response.status) or errors[response.status]
    found = f"{len(response.content)} bytes of {media_type or 'no declared type'}"
    expected = " or ".join(documented)
    return TypedResponse(response, problem=f"status {response.status} came with {found}, not with readable {expected}")


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
