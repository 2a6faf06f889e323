"""One serving process; the command passes its settings in an environment variable."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from segmind_mock.access import AdminAccess
from segmind_mock.double import Double
from segmind_mock.journal import mask
from segmind_mock.records import Account
from segmind_mock.settings import Settings
from segmind_mock.stores import MemoryStore, SqliteStore, Store

VARIABLE = "SEGMIND_MOCK_SETTINGS"


@dataclass(frozen=True)
class WorkerSettings:
    """The command's options, the same for every process."""

    store: str
    key: str
    credits: float | None
    """None for 100, or for the credits that the account in the store was opened with."""
    requests_per_minute: int | None
    admin_access: dict[str, Any]
    """Arguments of AdminAccess."""
    settings: dict[str, Any]
    """Arguments of Settings."""

    def export(self) -> None:
        os.environ[VARIABLE] = json.dumps(asdict(self))

    def double(self) -> Double:
        """Makes the double. Raises ValueError for an unknown store or an account that was opened with other options."""
        double = self.open_double()
        account = double.account(self.key)
        options = {
            "--credits": (self.credits, account.opened_with),
            "--requests-per-minute": (self.requests_per_minute, account.requests_per_minute),
        }
        for option, (given, found) in options.items():
            if given is not None and given != found:
                double.store.close()
                opened = f"without {option}" if found is None else f"with {option} {found:g}"
                raise ValueError(
                    f"the account {mask(self.key)} in this store was opened {opened}, not with {given:g}; leave"
                    f" {option} out to go on with it, or name another store or another --key"
                )
        return double

    def open_double(self) -> Double:
        """Makes the double, whatever its account was opened with: that may have changed since the command started."""
        opened_with = 100.0 if self.credits is None else self.credits
        return Double(
            Settings(**self.settings),
            store=open_store(self.store),
            account=Account(self.key, credits=opened_with, requests_per_minute=self.requests_per_minute),
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
    """The application of this process, for uvicorn."""
    return WorkerSettings(**json.loads(os.environ[VARIABLE])).open_double().app
