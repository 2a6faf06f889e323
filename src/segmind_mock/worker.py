"""One serving process: its settings come from the environment, where the command has put them."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from segmind_mock.access import AdminAccess
from segmind_mock.double import Double
from segmind_mock.records import Account
from segmind_mock.service import Settings
from segmind_mock.stores import MemoryStore, SqliteStore, Store

VARIABLE = "SEGMIND_MOCK_SETTINGS"


@dataclass(frozen=True)
class WorkerSettings:
    """What the command's arguments say, for every process alike."""

    store: str
    key: str
    credits: float
    requests_per_minute: int | None
    admin_access: dict[str, Any]
    """That of the double, by name."""
    settings: dict[str, Any]
    """Those of the double, by name."""

    def export(self) -> None:
        os.environ[VARIABLE] = json.dumps(asdict(self))

    def double(self) -> Double:
        """The double of these settings. Raises ValueError for a store that nobody knows."""
        return Double(
            Settings(**self.settings),
            store=open_store(self.store),
            account=Account(self.key, credits=self.credits, requests_per_minute=self.requests_per_minute),
            admin_access=AdminAccess(**self.admin_access),
        )


def open_store(name: str) -> Store:
    """The store that `memory`, `sqlite:FILE` or `redis://HOST` names."""
    if name == "memory":
        return MemoryStore()
    if name.startswith("sqlite:"):
        return SqliteStore(Path(name.removeprefix("sqlite:")))
    if name.startswith(("redis://", "rediss://", "unix://")):
        from segmind_mock.redis_store import RedisStore

        return RedisStore(name)
    raise ValueError(f"no store is called {name!r}; expected memory, sqlite:FILE or redis://HOST")


def app() -> Any:
    """For uvicorn: the application of this process."""
    return WorkerSettings(**json.loads(os.environ[VARIABLE])).double().app
