"""Keeps keys out of messages, logs and spans, by their values."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from operator import attrgetter
from typing import NoReturn
from urllib.parse import quote, urlsplit
from weakref import WeakSet

from segmind_api.client import API_KEY_PATTERN

MASK = "…"
MOST_KEYS = 1000
"""The most recent keys, which are remembered besides those in use."""
LONGEST_SHOWN = 200
"""The most characters of a URL or a header in a message."""
SHORTEST_KEY = 6
"""Characters; shorter strings appear in texts by chance."""

DOCUMENTED = re.compile(API_KEY_PATTERN.strip("^$"), re.IGNORECASE)
_keys: dict[str, None] = {}
_in_use: WeakSet[Secret] = WeakSet()


class Secret:
    """A key that `repr`, pickles and tracebacks do not show."""

    __slots__ = ("__weakref__", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        if len(value) >= SHORTEST_KEY:
            _in_use.add(self)
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


def known_forms() -> list[str]:
    """The keys in lower case, plain and percent-encoded, the longest first."""
    keys = {*tuple(_keys), *map(attrgetter("_value"), tuple(_in_use))}
    return sorted(chain.from_iterable(map(forms_of, keys)), key=len, reverse=True)


@lru_cache(maxsize=2 * MOST_KEYS)
def forms_of(key: str) -> tuple[str, str]:
    return key.lower(), quote(key, safe="").lower()


def masked(text: str) -> str:
    """The text without the keys of this process's clients, and without anything in the documented form of a key."""
    # Hosts and media types are shown in lower case.
    for key in filter(text.lower().__contains__, known_forms()):
        text = re.sub(re.escape(key), MASK, text, flags=re.IGNORECASE)
    return DOCUMENTED.sub(MASK, text)


def described_error(error: BaseException) -> str:
    """The class of an exception and its message, if it has one that can be read."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__


def without_key(error: BaseException) -> BaseException | None:
    """The exception with its message masked, to be the cause of another; None if its traceback shows a key."""
    error.args = tuple(masked(value) if isinstance(value, str) else value for value in error.args)
    shown = "".join(traceback.format_exception(error))
    return error if masked(shown) == shown else None


def shown_url(url: str) -> str:
    """A URL for a message: without its query, which may hold a signature, and without a password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an unreadable URL"
    return shortened(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl())


def shortened(text: str) -> str:
    """A URL or a header for a message."""
    # Keys are masked before the cut: half a key would not be recognised.
    text = masked(text)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


class MaskingFilter(logging.Filter):
    """Masks the messages of a logger."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = masked(record.getMessage()), ()
        return True


logger = logging.getLogger("segmind_client")
logger.addFilter(MaskingFilter())


@contextmanager
def logged_only(what: str) -> Generator[None]:
    """Logs an exception instead of raising it; the message begins with `what`."""
    try:
        yield
    except Exception as error:
        # Without the traceback, which may show a key that the service repeats.
        logger.warning("%s: %s", what, described_error(error))
