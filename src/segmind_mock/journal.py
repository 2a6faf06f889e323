"""The journal: what is kept of each call and its response."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

JOURNAL_LENGTH = 1000
"""Most recent calls that are kept."""
LONGEST_IN_JOURNAL = 10_000
"""Bytes that are kept of a body, and characters of the headers and of the path."""


@dataclass(slots=True)
class JournalRow:
    """One call and its response."""

    at: float
    operation_id: str | None
    method: str
    path: str
    headers: list[tuple[str, str]]
    """Without the key."""
    key: str | None
    """Masked."""
    body: str
    status: int
    """0 for a dropped connection, 499 if the caller hung up."""
    response: str
    """The body of the response."""
    request_id: str | None
    """The accepted job."""
    accepted: bool
    """Whether this is an accepted POST; it is charged unless its job fails."""
    fault: dict[str, str]


Entry = dict[str, Any]
"""Arguments of `row`, which makes the row when the journal is read: that takes longer than the rest of the call."""


def truncate(entry: Entry) -> Entry:
    """Cuts an entry to what the journal keeps."""
    path, headers, body, response = entry["path"], entry["headers"], entry["body"], entry["response"]
    # Usually the call is short, so that one comparison each is enough; joining counts fastest.
    if len(body) + len(response) + len(path) > LONGEST_IN_JOURNAL:
        entry |= {name: entry[name][:LONGEST_IN_JOURNAL] for name in ("path", "body", "response")}
    if len("".join([*headers, *headers.values()])) > LONGEST_IN_JOURNAL:
        entry["headers"] = truncated_headers(headers, entry["key_header"])
    return entry


def row(
    *, headers: Mapping[str, str], key_header: str, body: bytes, response: bytes, **other_fields: Any
) -> JournalRow:
    return JournalRow(
        headers=[item for item in headers.items() if item[0] not in (key_header, "authorization")],
        key=mask(headers.get(key_header)),
        body=body.decode(errors="replace"),
        response=response.decode(errors="replace"),
        **other_fields,
    )


def truncated_headers(headers: Mapping[str, str], key_header: str) -> dict[str, str]:
    """The first LONGEST_IN_JOURNAL characters of the headers; of the key first, since it is masked later."""
    left = LONGEST_IN_JOURNAL
    kept: dict[str, str] = {}
    for name, value in sorted(headers.items(), key=lambda item: item[0] != key_header):
        left -= len(name)
        if left <= 0:
            break
        kept[name] = value[:left]
        left -= len(value)
    return kept


def mask(key: str | None) -> str | None:
    """Enough of a key to distinguish it from others, too little to use it."""
    return key and f"{key[:3] if len(key) >= 12 else ''}…{hashlib.sha256(key.encode()).hexdigest()[:8]}"
