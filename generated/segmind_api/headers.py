# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
"""The headers of a response."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping


class ResponseHeaders(Mapping[str, str]):
    """Headers by name in any case; those of the contract are typed attributes too.

    An attribute is None where the header is missing or cannot be read.
    """

    __slots__ = ("_values",)

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._values = {name.lower(): value for name, value in headers.items()}

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._values!r})"

    @property
    def request_id(self) -> str | None:
        """Id of this call. (`x-request-id`)"""
        return string_of_header(self.get("x-request-id"))

    @property
    def cost(self) -> float | None:
        """What this call cost, in credits (US dollars). (`x-cost`)"""
        return number_of_header(self.get("x-cost"))

    @property
    def remaining_credits(self) -> float | None:
        """The balance after this call, in credits (US dollars). (`x-remaining-credits`)"""
        return number_of_header(self.get("x-remaining-credits"))

    @property
    def generation_time(self) -> float | None:
        """Seconds of computing that this call took. (`x-generation-time`)"""
        return number_of_header(self.get("x-generation-time"))

    @property
    def seed_value(self) -> int | None:
        """The seed that was used. Left out where the model reports none. (`x-seed-value`)"""
        return integer_of_header(self.get("x-seed-value"))

    @property
    def rate_limit_reset_at_utc(self) -> str | None:
        """When the window of the rate limit ends, in UTC. Its format is documented nowhere; read it leniently.
        (`x-rate-limit-reset-at-utc`)
        """
        return string_of_header(self.get("x-rate-limit-reset-at-utc"))

    @property
    def rate_limit_remaining(self) -> int | None:
        """Calls that are left in the window. (`x-rate-limit-remaining`)"""
        return integer_of_header(self.get("x-rate-limit-remaining"))


def string_of_header(value: str | None) -> str | None:
    return value


NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,3})?(?![\w.])", re.IGNORECASE)


def number_of_header(value: str | None) -> float | None:
    # The first, where a header was sent more than once; whatever unit comes after it.
    found = NUMBER.match(value or "")
    number = float(found[0]) if found else math.nan
    return number if math.isfinite(number) else None


def integer_of_header(value: str | None) -> int | None:
    try:
        return int(value or "")
    except ValueError:
        return None
