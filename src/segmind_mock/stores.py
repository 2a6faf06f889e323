"""Where the state of a double is stored: one interface, in memory or in SQLite; `redis_store` adds Redis."""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

import orjson

from segmind_mock.clock import Shift
from segmind_mock.journal import JOURNAL_LENGTH, Entry, JournalRow, row
from segmind_mock.records import Account, FaultRule, Job, R, Record, Transaction

T = TypeVar("T")

LOCK_SECONDS = 10.0
"""To wait for the lock of a shared store, before an error."""


class Store(Shift, Protocol):
    """The state of a double, shared by all processes that serve it."""

    def transact(self, work: Callable[[Transaction], T]) -> T:
        """Calls `work` in a transaction: no other process sees a part of its changes."""
        ...

    def append(self, entry: Entry) -> None:
        """Adds a row to the journal, which keeps the last JOURNAL_LENGTH."""
        ...

    def journal(self) -> list[JournalRow]: ...
    def reset(self) -> None:
        """Deletes everything."""
        ...

    def close(self) -> None: ...


class MemoryStore:
    """The state of a double in one process."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        self._records: dict[type[Record], OrderedDict[str, Any]] = {
            kind: OrderedDict() for kind in (Account, Job, FaultRule)
        }
        self._journal: deque[Entry] = deque(maxlen=JOURNAL_LENGTH)
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

    def append(self, entry: Entry) -> None:
        with self._lock:
            self._journal.append(entry)

    def journal(self) -> list[JournalRow]:
        with self._lock:
            entries = list(self._journal)
        return [row(**entry) for entry in entries]

    def close(self) -> None:
        """Nothing to close."""


class SqliteStore:
    """The state in a file, for processes on one machine. Raises OSError if the file cannot be used."""

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
            # The state need not survive a power failure.
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
                self._connection.execute(f"DELETE FROM {table}")  # noqa: S608  constant names

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

    def append(self, entry: Entry) -> None:
        with self._locked():
            self._connection.execute("INSERT INTO journal (value) VALUES (?)", (orjson.dumps(row(**entry)),))
            self._connection.execute("DELETE FROM journal WHERE position <= last_insert_rowid() - ?", (JOURNAL_LENGTH,))

    def journal(self) -> list[JournalRow]:
        with self._lock:
            rows = self._connection.execute("SELECT value FROM journal ORDER BY position").fetchall()
        return [JournalRow(**orjson.loads(value)) for (value,) in rows]

    def close(self) -> None:
        self._connection.close()


def decode(kind: type[R], value: bytes) -> R:
    return kind(**orjson.loads(value))
