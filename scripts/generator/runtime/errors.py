"""What the generated code raises, and the root of everything that a client raises."""

from __future__ import annotations

import re
import reprlib
from typing import TYPE_CHECKING, Any

from .service import API_KEY_PATTERN

if TYPE_CHECKING:
    from .types import ApiResponse

KEY = re.compile(API_KEY_PATTERN.strip("^$"), re.IGNORECASE)
"""A key anywhere in a text."""


class SegmindError(Exception):
    """Whatever goes wrong between a caller and the service.

    `detail` says what, and what to do next; `response` is what was received, None where there is none;
    `request_id` names the job, where there is one.
    """

    def __init__(self, detail: str, *, response: ApiResponse | None = None, request_id: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.response = response
        self.request_id = request_id

    @property
    def status(self) -> int | None:
        """HTTP status of the response; None where there is none."""
        return self.response.status if self.response else None

    def __str__(self) -> str:
        return f"{self.detail} (request {self.request_id})" if self.request_id else self.detail

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        # By default an exception is made anew from its positional arguments, which would lose the others.
        return restore, (type(self), self.__dict__)


def restore(kind: type[SegmindError], attributes: dict[str, Any]) -> SegmindError:
    """Makes a pickled error anew."""
    error = kind.__new__(kind)
    # An OSError would not take them from __new__.
    error.args = (attributes["detail"],)
    error.__dict__.update(attributes)
    return error


class InvalidParameter(SegmindError, ValueError):
    """A value that the contract does not allow, found before anything was sent.

    `model`, `field`, `value` and `allowed` say which class refused what.
    """

    def __init__(self, model: str, field: str, value: object, allowed: str) -> None:
        # What stands for a value that was not given has no meaning to whoever gave none.
        got = "nothing" if type(value).__name__ == "Unset" else shown(value)
        super().__init__(f"{model}.{field}: expected {allowed}, got {got}")
        self.model = model
        self.field = field
        self.value = value
        self.allowed = allowed


def shown(value: object) -> str:
    """A value, cut to what a person reads, without a key: it may have been mistaken for something else."""
    try:
        return KEY.sub("…", reprlib.repr(KEY.sub("…", value) if isinstance(value, str) else value))
    except Exception:
        # A number with thousands of digits, for one.
        return f"a value of type {type(value).__name__} that cannot be shown"


def kind(value: object) -> str:
    """What a value is, without the value itself: the service may repeat a key."""
    return "nothing" if value is None else f"a value of type {type(value).__name__} (`value` holds it)"


class UnreadableField(SegmindError, ValueError):
    """A field that the contract promises is missing from a response, or is of another type.

    `model` and `field` say which, `value` is what came in its place. The rest of the response stays readable.
    """

    def __init__(self, model: str, field: str, value: object) -> None:
        super().__init__(f"{model}.{field}: the service sent {kind(value)}, which is not what the contract has")
        self.model = model
        self.field = field
        self.value = value
