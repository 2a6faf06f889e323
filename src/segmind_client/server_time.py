"""How long a response asks to wait, by its Retry-After and rate limit headers."""

from __future__ import annotations

import re
from contextlib import suppress

from dateutil import parser as date_parser

from segmind_api.types import ApiResponse

EPOCH_SECONDS = 1e9
"""A larger number is a time since the epoch in seconds; a thousand times larger, in milliseconds."""
YEAR = re.compile(r"\d{4}|\d\d-[a-z]{3}-\d\d", re.IGNORECASE)
REPEATED_DATE = re.compile(r"^(.{12,40}GMT), .{12,40}GMT$|^(.{12,40}), *\2$")


def server_wait(response: ApiResponse, utc_now: float) -> float:
    """Seconds that a response asks to wait; 0 if it does not. Dates are relative to its Date header, if it has one."""
    with suppress(ValueError, ArithmeticError):
        utc_now = seconds_since_epoch(response.headers.get("date", ""))
    for text in (response.headers.get("retry-after", ""), response.headers.rate_limit_reset_at_utc or ""):
        with suppress(ValueError, ArithmeticError):
            wait = wait_until(text, utc_now)
            if wait > 0:
                return wait
    return 0.0


def wait_until(text: str, utc_now: float) -> float:
    """Seconds until the time in a header: a number of seconds, a time since the epoch, or a date. Raises ValueError.

    Of a header that was sent more than once, the first counts.
    """
    try:
        number = float(text.partition(",")[0])
    except ValueError:
        return seconds_since_epoch(text) - utc_now
    if not 0 <= number < EPOCH_SECONDS * 1e6:
        raise ValueError(text)
    if number < EPOCH_SECONDS:
        return number
    return (number if number < EPOCH_SECONDS * 1e3 else number / 1e3) - utc_now


def seconds_since_epoch(text: str) -> float:
    # Of a date that was sent more than once, the first counts.
    text = REPEATED_DATE.sub(r"\1\2", text)
    if not YEAR.search(text):
        # The parser would take a number for a day of this month.
        raise ValueError(text)
    # A missing or unknown time zone is UTC, whatever the zone of the machine.
    return date_parser.parse(text, tzinfos=lambda _, offset: offset or 0).timestamp()
