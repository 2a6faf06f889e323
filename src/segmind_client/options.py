"""The options of calls: attempts, timeouts and deadlines."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, TypedDict

import attrs

from segmind_api.catalog import POLL_DEADLINE_SECONDS
from segmind_api.errors import InvalidParameter
from segmind_api.types import UNSET

if TYPE_CHECKING:
    from segmind_client.jobs import JobUpdate

READ_SECONDS = 30.0
LONGEST_SECONDS = 1e6
"""The most seconds of any option, about eleven days; sockets and timers do not accept much more."""
MOST_ATTEMPTS = 1000


def seconds(instance: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value is None:
        allowed = "a number of seconds: a wait without an end would hang with the first lost connection"
        raise InvalidParameter(type(instance).__name__, attribute.name, value, allowed)
    least = 0 if attribute.name in ("deadline", "interval", "retry_seconds") else 1e-3
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= LONGEST_SECONDS:
        allowed = f"a number of seconds from {least:g} to {LONGEST_SECONDS:,.0f}"
        raise InvalidParameter(type(instance).__name__, attribute.name, value, allowed)


def seconds_or_none(instance: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value is not None:
        seconds(instance, attribute, value)


def count(instance: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_ATTEMPTS:
        allowed = f"a whole number from 1 to {MOST_ATTEMPTS}"
        raise InvalidParameter(type(instance).__name__, attribute.name, value, allowed)


def function_or_none(instance: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value is not None and (not callable(value) or iscoroutinefunction(value)):
        allowed = "a function of one argument, or None; it is not awaited, so not an async function"
        raise InvalidParameter(type(instance).__name__, attribute.name, value, allowed)


def yes_or_no(instance: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, bool):
        raise InvalidParameter(type(instance).__name__, attribute.name, value, "True or False")


@attrs.frozen(kw_only=True)
class Options:
    """The options of a client's calls. Raises InvalidParameter."""

    deadline: float = attrs.field(default=POLL_DEADLINE_SECONDS, validator=seconds)
    """Seconds for which `run`, `wait` and `updates` wait for an accepted job, which may still complete later. A rate
    limit that resets after the deadline is not waited for.
    """
    interval: float | None = attrs.field(default=None, validator=seconds_or_none)
    """Seconds between two polls, at least 0.1. With None, a job is polled when it is likely to have completed."""
    attempts: int = attrs.field(default=4, validator=count)
    """The most attempts of a request whose retry is safe. Attempts that end with 429 do not count."""
    retry_seconds: float = attrs.field(default=60.0, validator=seconds)
    """Seconds from the first attempt of a request to the last."""
    connect_seconds: float = attrs.field(default=10.0, validator=seconds)
    """Seconds to connect, for all IP addresses of a host together."""
    read_seconds: float = attrs.field(default=READ_SECONDS, validator=seconds)
    """Seconds for the head of a response, and for each piece of its body."""
    generate_seconds: float = attrs.field(default=180.0, validator=seconds)
    """Seconds for the response to a v1 call, which comes when the image is there; not less than `read_seconds`."""
    any_image_host: bool = attrs.field(default=False, validator=yes_or_no)
    """Whether images are fetched from any host, also over http. If not, and the service is on https, images are fetched
    over https and from public IP addresses only.
    """
    on_update: Callable[[JobUpdate], object] | None = attrs.field(default=None, validator=function_or_none)
    """Called by `run` and `wait` each time that a poll shows a new state of the job. What it raises is logged."""


class OptionChanges(TypedDict, total=False):
    """`Options` by name, all optional."""

    deadline: float
    interval: float | None
    attempts: int
    retry_seconds: float
    connect_seconds: float
    read_seconds: float
    generate_seconds: float
    any_image_host: bool
    on_update: Callable[[JobUpdate], object] | None


OPTIONS = tuple(field.name for field in attrs.fields(Options))


def check_options(names: Iterable[tuple[str, Any]]) -> None:
    """Raises InvalidParameter for an unknown option."""
    for name, _ in names:
        if name not in OPTIONS:
            # Without the value, which may be a key: clients of other services take it as an option.
            error = InvalidParameter("Options", name, UNSET, f"one of {', '.join(OPTIONS)}")
            error.detail = f"Options.{name}: expected one of {', '.join(OPTIONS)}"
            raise error
