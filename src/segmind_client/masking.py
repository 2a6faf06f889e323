"""Keeps keys out of messages, logs and spans, by their values."""

from __future__ import annotations

import logging
import re
from typing import NoReturn

from segmind_api.client import API_KEY_PATTERN

MASK = "…"
MOST_KEYS = 1000
"""That are remembered, the last ones."""
SHORTEST_KEY = 6
"""Characters; what is shorter appears in texts by chance."""

DOCUMENTED = re.compile(API_KEY_PATTERN.strip("^$"), re.IGNORECASE)
_keys: dict[str, None] = {}


class Secret:
    """A key that no traceback, `repr` or pickle shows."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        if len(value) >= SHORTEST_KEY:
            _keys.pop(value, None)
            _keys[value] = None
            while len(_keys) > MOST_KEYS:
                _keys.pop(next(iter(_keys)), None)

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not pickled")


def masked(text: str) -> str:
    """The text without any key of this process's clients, and without anything of the documented form of a key."""
    lowered = text.lower()
    for key in sorted(_keys, key=len, reverse=True):
        # Hosts and media types are shown in lower case.
        if key.lower() in lowered:
            text = re.sub(re.escape(key), MASK, text, flags=re.IGNORECASE)
    return DOCUMENTED.sub(MASK, text)


class MaskingFilter(logging.Filter):
    """Masks the messages of a logger."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = masked(record.getMessage()), ()
        return True


logger = logging.getLogger("segmind_client")
logger.addFilter(MaskingFilter())
