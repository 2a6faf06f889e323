"""A call of an operation and its outcome, independent of HTTP servers and stores."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from segmind_mock.contract import Model, Operation
from segmind_mock.records import Transaction

RESERVED_PREFIX = "/_mock"
"""Paths below it belong to the double, not to the service."""
JSON = "application/json"
WITHOUT_BODY = frozenset({204, 205, 304})
"""Statuses whose response has no body."""
LONGEST_MESSAGE = 500
"""Characters of an error message that may quote the request."""


@dataclass(slots=True)
class Call:
    """One call of an operation."""

    operation: Operation
    request_id: str
    """The job that the path names; empty if it names none."""
    headers: Mapping[str, str]
    body: bytes
    base_url: str
    """Scheme, host and port that the caller used."""
    now: float

    @property
    def model(self) -> Model:
        if self.operation.model is None:
            raise TypeError(f"{self.operation.operation_id} calls no model: its operation has no request body")
        return self.operation.model


@dataclass(slots=True)
class Outcome:
    """The response to a call, and what happens before it is sent."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] | None = None
    request_id: str | None = None
    """The accepted job."""
    accepted: bool = False
    """Whether this is a POST that is charged, now or when its job completes."""
    wait: float = 0.0
    """Seconds before the response is sent."""
    make_body: Callable[[], bytes] | None = None
    """Makes the body, where that takes long: after the transaction, on another thread."""
    finish: Callable[[Transaction, float], Outcome] | None = None
    """Called with the time after the wait; returns the final outcome, which depends on other calls during the wait."""
    abandon: Callable[[Transaction], None] | None = None
    """Called instead of `finish` if the caller hangs up during the wait."""


@dataclass(eq=False)
class RefusedError(Exception):
    """A refused call: its response is a documented error, by the name of the contract's example or with this body."""

    status: int
    example: str = field(default="", kw_only=True)
    body: Mapping[str, Any] | None = field(default=None, kw_only=True)
    headers: Mapping[str, str] | None = field(default=None, kw_only=True)


def limit_headers(reset: float) -> dict[str, str]:
    """The headers of a 429. The reset is rounded up to a second, so that a call at that time is accepted."""
    named = datetime.fromtimestamp(math.ceil(reset), UTC)
    return {"x-rate-limit-reset-at-utc": named.strftime("%Y-%m-%dT%H:%M:%SZ"), "x-rate-limit-remaining": "0"}
