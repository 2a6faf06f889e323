"""The state of a double in Redis, for processes on several machines."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import orjson
import redis

from segmind_mock.journal import JOURNAL_LENGTH, Entry, JournalRow, row
from segmind_mock.records import R, Record, Transaction
from segmind_mock.stores import LOCK_SECONDS, T, decode

RESPONSE_SECONDS = 1.0
"""Timeout for a response of Redis. Short, since it blocks all other calls of the process."""
TURN_SECONDS = 1.0
"""For which a process holds the lock, and for which others wait for it: its holder may have died."""


class RedisStore:
    """The state under one prefix of a Redis database.

    A transaction reads records, then writes all changes at once if nobody else has written since; otherwise it is
    repeated. So a process that dies during a transaction changes nothing. The lock only avoids repetitions.

    Raises ConnectionError if Redis cannot be reached.
    """

    def __init__(self, url: str, *, prefix: str = "segmind-mock") -> None:
        client: Any = redis.Redis
        self._redis: Any = client.from_url(
            url, socket_timeout=RESPONSE_SECONDS, socket_connect_timeout=RESPONSE_SECONDS
        )
        self._prefix = prefix
        self._thread_lock = threading.RLock()
        self._lock: Any = self._redis.lock(
            self._name("lock"), timeout=TURN_SECONDS, blocking_timeout=TURN_SECONDS, sleep=0.001
        )
        try:
            self._redis.ping()
        except redis.RedisError as error:
            # Without the URL, which may contain a password.
            raise ConnectionError(f"Redis cannot be used: {error}") from error

    def _name(self, *parts: str) -> str:
        return ":".join((self._prefix, *parts))

    def reset(self) -> None:
        def delete_all(pipe: Any) -> None:
            names = list(self._redis.scan_iter(self._name("*")))
            pipe.multi()
            if names:
                pipe.delete(*names)

        self._attempt(delete_all)

    def transact(self, work: Callable[[Transaction], T]) -> T:
        def read_and_write(pipe: Any) -> T:
            transaction = RedisTransaction(pipe, self._name)
            try:
                result = work(transaction)
            except Exception:
                # The records may have changed between two reads; then this raises WatchError, and the work is repeated.
                pipe.multi()
                pipe.execute()
                raise
            transaction.write()
            return result

        return self._attempt(read_and_write)

    def _attempt(self, work: Callable[[Any], T]) -> T:
        """Repeats the work until no other process writes during it."""
        deadline = time.monotonic() + LOCK_SECONDS

        def work_in_time(pipe: Any) -> T:
            if time.monotonic() > deadline:
                raise TimeoutError(f"other processes kept writing to Redis for {LOCK_SECONDS:g} s")
            return work(pipe)

        with self._thread_lock:
            has_turn = self._lock.acquire()
            try:
                return cast(T, self._redis.transaction(work_in_time, self._name("position"), value_from_callable=True))
            finally:
                if has_turn:
                    # The lock may have expired.
                    with suppress(redis.RedisError):
                        self._lock.release()

    def shift(self) -> float:
        return float(self._redis.get(self._name("shift")) or 0.0)

    def add_shift(self, seconds: float) -> None:
        self._redis.incrbyfloat(self._name("shift"), seconds)

    def append(self, entry: Entry) -> None:
        name = self._name("journal")
        self._redis.pipeline().rpush(name, orjson.dumps(row(**entry))).ltrim(name, -JOURNAL_LENGTH, -1).execute()

    def journal(self) -> list[JournalRow]:
        rows = cast(list[bytes], self._redis.lrange(self._name("journal"), 0, -1))
        return [JournalRow(**orjson.loads(value)) for value in rows]

    def close(self) -> None:
        self._redis.close()


class RedisTransaction:
    """Reads immediately, and collects the changes until `write`."""

    def __init__(self, pipe: Any, name: Callable[..., str]) -> None:
        self._pipe = pipe
        self._name = name
        self._changes: dict[tuple[str, str], Record | None] = {}
        """By kind and key; None for a deleted record."""

    def get(self, kind: type[R], key: str) -> R | None:
        place = (kind.__name__, key)
        if place in self._changes:
            return cast(R | None, self._changes[place])
        value = self._pipe.hget(self._name(kind.__name__), key)
        return None if value is None else decode(kind, value)

    def put(self, key: str, record: Record) -> None:
        self._changes[type(record).__name__, key] = record

    def delete(self, kind: type[Record], key: str) -> None:
        self._changes[kind.__name__, key] = None

    def oldest(self, kind: type[R], count: int) -> list[R]:
        name = kind.__name__
        changed = {key: record for (of_kind, key), record in self._changes.items() if of_kind == name}
        # More than `count`, since some of them may have been deleted.
        stored = [key.decode() for key in self._pipe.zrange(self._name(name, "order"), 0, count + len(changed) - 1)]
        unread = [key for key in stored if key not in changed]
        values: list[bytes] = self._pipe.hmget(self._name(name), unread) if unread else []
        records: dict[str, Any] = {**dict.fromkeys(stored), **changed}
        records |= {key: decode(kind, value) for key, value in zip(unread, values, strict=True)}
        return [record for record in records.values() if record is not None][:count]

    def count(self, kind: type[Record]) -> int:
        name = kind.__name__
        total = int(self._pipe.hlen(self._name(name)))
        for (of_kind, key), record in self._changes.items():
            if of_kind == name:
                total += (record is not None) - int(self._pipe.hexists(self._name(name), key))
        return total

    def write(self) -> None:
        """Queues the changes, which Redis then makes together."""
        position = int(self._pipe.get(self._name("position")) or 0) if self._changes else 0
        self._pipe.multi()
        for (kind, key), record in self._changes.items():
            position += 1
            if record is None:
                self._pipe.hdel(self._name(kind), key)
                self._pipe.zrem(self._name(kind, "order"), key)
            else:
                self._pipe.hset(self._name(kind), key, orjson.dumps(record))
                # An existing record keeps its position.
                self._pipe.zadd(self._name(kind, "order"), {key: position}, nx=True)
        if self._changes:
            self._pipe.set(self._name("position"), position)
