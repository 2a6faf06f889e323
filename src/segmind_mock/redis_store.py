"""Where the double keeps what it remembers when it runs on several machines: in Redis."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

import orjson
import redis

from segmind_mock.stores import JOURNAL_LENGTH, LOCK_SECONDS, Exchange, JournalRow, R, Record, T, Transaction, decode


class RedisStore:
    """State under one prefix of a Redis database, behind a lock that all processes share.

    Raises ConnectionError where there is no Redis.
    """

    def __init__(self, url: str, *, prefix: str = "segmind-mock") -> None:
        client: Any = redis.Redis
        self._redis: Any = client.from_url(url)
        self._prefix = prefix
        self._thread_lock = threading.RLock()
        self._lock: Any = self._redis.lock(
            self._name("lock"), timeout=LOCK_SECONDS, blocking_timeout=LOCK_SECONDS, sleep=0.001
        )
        try:
            self._redis.ping()
        except redis.RedisError as error:
            # Without the address, which may hold a password.
            raise ConnectionError(f"Redis cannot be used: {error}") from error

    def _name(self, *parts: str) -> str:
        return ":".join((self._prefix, *parts))

    def reset(self) -> None:
        with self._thread_lock, self._lock:
            names = [name for name in self._redis.scan_iter(self._name("*")) if name.decode() != self._name("lock")]
            if names:
                self._redis.delete(*names)

    def transact(self, work: Callable[[Transaction], T]) -> T:
        with self._thread_lock, self._lock:
            return work(self)

    def get(self, kind: type[R], key: str) -> R | None:
        value = self._redis.hget(self._name(kind.__name__), key)
        return None if value is None else decode(kind, value)

    def put(self, key: str, record: Record) -> None:
        kind = type(record).__name__
        pipeline = self._redis.pipeline()
        pipeline.hset(self._name(kind), key, orjson.dumps(record))
        if not self._redis.hexists(self._name(kind), key):
            pipeline.zadd(self._name(kind, "order"), {key: self._redis.incr(self._name("position"))})
        pipeline.execute()

    def delete(self, kind: type[Record], key: str) -> None:
        self._redis.pipeline().hdel(self._name(kind.__name__), key).zrem(
            self._name(kind.__name__, "order"), key
        ).execute()

    def oldest(self, kind: type[R], count: int) -> list[R]:
        keys = self._redis.zrange(self._name(kind.__name__, "order"), 0, count - 1)
        values: list[bytes] = self._redis.hmget(self._name(kind.__name__), keys) if keys else []
        return [decode(kind, value) for value in values]

    def count(self, kind: type[Record]) -> int:
        return int(self._redis.hlen(self._name(kind.__name__)))

    def shift(self) -> float:
        return float(self._redis.get(self._name("shift")) or 0.0)

    def add_shift(self, seconds: float) -> None:
        self._redis.incrbyfloat(self._name("shift"), seconds)

    def append(self, entry: Exchange) -> None:
        name = self._name("journal")
        self._redis.pipeline().rpush(name, orjson.dumps(entry.row())).ltrim(name, -JOURNAL_LENGTH, -1).execute()

    def journal(self) -> list[JournalRow]:
        rows = cast(list[bytes], self._redis.lrange(self._name("journal"), 0, -1))
        return [JournalRow(**orjson.loads(value)) for value in rows]

    def close(self) -> None:
        self._redis.close()
