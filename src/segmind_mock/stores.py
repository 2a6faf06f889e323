"""Where the double keeps what it remembers: one small interface, in memory, in SQLite or in Redis."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

import orjson

from segmind_mock.records import Account, FaultRule, Job

Record = Account | Job | FaultRule
R = TypeVar("R", Account, Job, FaultRule)
T = TypeVar("T")

JOURNAL_LENGTH = 1000
"""Calls that are remembered; older ones are forgotten."""
LONGEST_IN_JOURNAL = 10_000
"""Bytes of a body that the journal keeps, and characters of the headers and of the path."""
LOCK_SECONDS = 10.0
"""For the lock of a shared store, before an error."""


@dataclass(slots=True)
class JournalRow:
    """One call and its answer, as they came."""

    at: float
    operation_id: str | None
    method: str
    path: str
    headers: list[tuple[str, str]]
    """Without the key."""
    key: str | None
    body: str
    status: int
    """0 where the connection was dropped."""
    answer: str
    request_id: str | None
    """The job that was accepted."""
    accepted: bool
    """Whether a POST was accepted, and is charged unless its job fails."""
    fault: dict[str, str]


@dataclass(slots=True)
class Exchange:
    """One call and its response, cut to what the journal keeps; a row is made of it when somebody reads the journal.

    To make a row costs more than to respond.
    """

    at: float
    operation_id: str | None
    method: str
    path: str
    headers: Mapping[str, str]
    key_header: str
    body: bytes
    status: int
    answer: bytes
    request_id: str | None
    accepted: bool
    fault: dict[str, str]

    def __post_init__(self) -> None:
        headers = self.headers
        # Most are short, and joined they are counted fastest.
        if len(self.body) + len(self.answer) + len(self.path) > LONGEST_IN_JOURNAL:
            self.path = self.path[:LONGEST_IN_JOURNAL]
            self.body = self.body[:LONGEST_IN_JOURNAL]
            self.answer = self.answer[:LONGEST_IN_JOURNAL]
        if len("".join(headers)) + len("".join(headers.values())) > LONGEST_IN_JOURNAL:
            self.headers = shortened(headers, self.key_header)

    def row(self) -> JournalRow:
        return JournalRow(
            at=self.at,
            operation_id=self.operation_id,
            method=self.method,
            path=self.path,
            headers=[item for item in self.headers.items() if item[0] not in (self.key_header, "authorization")],
            key=mask(self.headers.get(self.key_header)),
            body=self.body.decode(errors="replace"),
            status=self.status,
            answer=self.answer.decode(errors="replace"),
            request_id=self.request_id,
            accepted=self.accepted,
            fault=self.fault,
        )


class Transaction(Protocol):
    """What may be done while nobody else does anything. What was changed must be put back."""

    def get(self, kind: type[R], key: str) -> R | None: ...
    def put(self, key: str, record: Record) -> None: ...
    def delete(self, kind: type[Record], key: str) -> None: ...
    def oldest(self, kind: type[R], count: int) -> list[R]:
        """The first records that were put, in that order."""
        ...

    def count(self, kind: type[Record]) -> int: ...


class Store(Protocol):
    """State of a double. Every process that serves the same double shares one."""

    def transact(self, work: Callable[[Transaction], T]) -> T:
        """Does the work as one step that no other process sees half done."""
        ...

    def shift(self) -> float:
        """Seconds by which the clock has been moved."""
        ...

    def add_shift(self, seconds: float) -> None: ...
    def append(self, entry: Exchange) -> None:
        """Adds a call to the journal, forgetting the oldest beyond JOURNAL_LENGTH."""
        ...

    def journal(self) -> list[JournalRow]: ...
    def reset(self) -> None:
        """Forgets everything."""
        ...

    def close(self) -> None: ...


class MemoryStore:
    """State of one process."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        self._records: dict[type[Record], OrderedDict[str, Any]] = {
            kind: OrderedDict() for kind in (Account, Job, FaultRule)
        }
        self._journal: deque[Exchange] = deque(maxlen=JOURNAL_LENGTH)
        self._shift = 0.0

    def transact(self, work: Callable[[Transaction], T]) -> T:
        with self._lock:
            return work(self)

    def get(self, kind: type[R], key: str) -> R | None:
        return self._records[kind].get(key)

    def put(self, key: str, record: Record) -> None:
        self._records[type(record)][key] = record

    def delete(self, kind: type[Record], key: str) -> None:
        self._records[kind].pop(key, None)

    def oldest(self, kind: type[R], count: int) -> list[R]:
        return list(islice(self._records[kind].values(), count))

    def count(self, kind: type[Record]) -> int:
        return len(self._records[kind])

    def shift(self) -> float:
        return self._shift

    def add_shift(self, seconds: float) -> None:
        self._shift += seconds

    def append(self, entry: Exchange) -> None:
        with self._lock:
            self._journal.append(entry)

    def journal(self) -> list[JournalRow]:
        with self._lock:
            entries = list(self._journal)
        return [entry.row() for entry in entries]

    def close(self) -> None:
        """Nothing to close."""


class SqliteStore:
    """State in a file, for the processes of one machine. Raises OSError for a file that cannot be used."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(
                path, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise OSError(f"{path} cannot be used: {error}") from error
        for statement in (
            "PRAGMA journal_mode = WAL",
            # A double's state need not survive a power cut.
            "PRAGMA synchronous = OFF",
            "CREATE TABLE IF NOT EXISTS records (kind TEXT, key TEXT, position INTEGER PRIMARY KEY, value BLOB,"
            " UNIQUE (kind, key))",
            "CREATE TABLE IF NOT EXISTS journal (position INTEGER PRIMARY KEY, value BLOB)",
            "CREATE TABLE IF NOT EXISTS clock (one INTEGER PRIMARY KEY, shift REAL)",
        ):
            self._connection.execute(statement)

    def reset(self) -> None:
        with self._locked():
            for table in ("records", "journal", "clock"):
                self._connection.execute(f"DELETE FROM {table}")  # noqa: S608  names of our own

    def transact(self, work: Callable[[Transaction], T]) -> T:
        with self._locked():
            return work(self)

    @contextmanager
    def _locked(self) -> Generator[None]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def get(self, kind: type[R], key: str) -> R | None:
        found = self._connection.execute(
            "SELECT value FROM records WHERE kind = ? AND key = ?", (kind.__name__, key)
        ).fetchone()
        return decode(kind, found[0]) if found else None

    def put(self, key: str, record: Record) -> None:
        self._connection.execute(
            "INSERT INTO records (kind, key, value) VALUES (?, ?, ?)"
            " ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value",
            (type(record).__name__, key, orjson.dumps(record)),
        )

    def delete(self, kind: type[Record], key: str) -> None:
        self._connection.execute("DELETE FROM records WHERE kind = ? AND key = ?", (kind.__name__, key))

    def oldest(self, kind: type[R], count: int) -> list[R]:
        rows = self._connection.execute(
            "SELECT value FROM records WHERE kind = ? ORDER BY position LIMIT ?", (kind.__name__, count)
        )
        return [decode(kind, value) for (value,) in rows]

    def count(self, kind: type[Record]) -> int:
        (found,) = self._connection.execute("SELECT count(*) FROM records WHERE kind = ?", (kind.__name__,)).fetchone()
        return int(found)

    def shift(self) -> float:
        with self._lock:
            found = self._connection.execute("SELECT shift FROM clock").fetchone()
        return float(found[0]) if found else 0.0

    def add_shift(self, seconds: float) -> None:
        with self._lock:
            self._connection.execute(
                "INSERT INTO clock VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET shift = shift + excluded.shift",
                (seconds,),
            )

    def append(self, entry: Exchange) -> None:
        with self._locked():
            position = self._connection.execute(
                "INSERT INTO journal (value) VALUES (?)", (orjson.dumps(entry.row()),)
            ).lastrowid
            self._connection.execute("DELETE FROM journal WHERE position <= ?", ((position or 0) - JOURNAL_LENGTH,))

    def journal(self) -> list[JournalRow]:
        with self._lock:
            rows = self._connection.execute("SELECT value FROM journal ORDER BY position").fetchall()
        return [JournalRow(**orjson.loads(value)) for (value,) in rows]

    def close(self) -> None:
        self._connection.close()


def decode(kind: type[R], value: bytes) -> R:
    return kind(**orjson.loads(value))


def shortened(headers: Mapping[str, str], key_header: str) -> dict[str, str]:
    """Headers up to LONGEST_IN_JOURNAL characters in all; the key is kept, since it is masked only later."""
    left = LONGEST_IN_JOURNAL
    kept: dict[str, str] = {}
    for name, value in sorted(headers.items(), key=lambda item: item[0] != key_header):
        kept[name] = value[: max(0, left - len(name))]
        left -= len(name) + len(value)
        if left <= 0:
            break
    return kept


def mask(key: str | None) -> str | None:
    """Enough of a key to tell it from others, too little to use it."""
    return key and f"{key[:3] if len(key) >= 12 else ''}…{hashlib.sha256(key.encode()).hexdigest()[:8]}"
