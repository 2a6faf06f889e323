# Copied by scripts/generate.py from scripts/generator/runtime/formats.py; do not edit.
"""The formats of strings that a request can name: uri, uuid, date-time and byte."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from ipaddress import AddressValueError, IPv6Address
from typing import Final

UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
DATE_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d):(\d\d)(?:\.\d+)?(?:[Zz]|(?P<sign>[+-])(?P<hours>\d\d):(?P<minutes>\d\d))",
    re.ASCII,
)
# RFC 3986, appendix A.
ESCAPED = "%[0-9A-Fa-f]{2}"
# Possessive quantifiers: a data: URL may have megabytes, and backtracking would keep each character.
USER = rf"(?:[A-Za-z0-9._~!$&'()*+,;=:-]++|{ESCAPED})*+"
NAME = rf"(?:[A-Za-z0-9._~!$&'()*+,;=-]++|{ESCAPED})*+"
PATH = rf"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]++|{ESCAPED})*+"
QUERY = rf"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]++|{ESCAPED})*+"
HOST = rf"(?:\[(?P<ip>[0-9A-Fa-f:.]+)\]|\[[vV][0-9A-Fa-f]+\.[A-Za-z0-9._~!$&'()*+,;=:-]+\]|{NAME})"
URI = re.compile(
    rf"[A-Za-z][A-Za-z0-9+.-]*+:(?://(?:{USER}@)?{HOST}(?::[0-9]*+)?(?:/{PATH})?|(?!//){PATH})(?:\?{QUERY})?(?:\#{QUERY})?"
)


def is_uri(text: str) -> bool:
    """A URI with a scheme (RFC 3986)."""
    found = URI.fullmatch(text)
    if found is None or found["ip"] is None:
        return found is not None
    try:
        IPv6Address(found["ip"])
    except AddressValueError:
        return False
    return True


def is_uuid(text: str) -> bool:
    return UUID.fullmatch(text) is not None


def is_date_time(text: str) -> bool:
    """A date and a time with an offset (RFC 3339)."""
    found = DATE_TIME.fullmatch(text)
    if found is None or int(found["hours"] or 0) > 23 or int(found["minutes"] or 0) > 59:
        return False
    day, time, seconds = found[1], found[2], found[3]
    is_leap = seconds == "60"
    try:
        # Python has no year 0, which RFC 3339 has; it is a leap year, as 2000 is.
        day = re.sub("^0000", "2000", day)
        local = datetime.fromisoformat(f"{day}T{time}:{'59' if is_leap else seconds}")
    except ValueError:
        return False
    if not is_leap:
        return True
    # A leap second is the last of a day in UTC.
    offset = timedelta(hours=int(found["hours"] or 0), minutes=int(found["minutes"] or 0))
    clock = timedelta(hours=local.hour, minutes=local.minute) - (offset if found["sign"] == "+" else -offset)
    return clock % timedelta(days=1) == timedelta(hours=23, minutes=59)


def is_base64(text: str) -> bool:
    try:
        b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


FORMATS: Final[Mapping[str, Callable[[str], bool]]] = {
    "uri": is_uri,
    "uuid": is_uuid,
    "date-time": is_date_time,
    "byte": is_base64,
}
