"""A stateful double of Segmind's image API, driven by the contract.

In process:

    double = Double()
    client = httpx.AsyncClient(transport=httpx.ASGITransport(double.app), base_url="http://double")

On a port:

    with serve(double.app) as base_url: ...
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segmind_mock.clock import Clock, MovableClock, SystemClock
    from segmind_mock.double import DEFAULT_KEY, Double
    from segmind_mock.records import Account, FaultRule, Job
    from segmind_mock.server import serve
    from segmind_mock.service import Settings
    from segmind_mock.stores import JournalRow, MemoryStore, SqliteStore

__all__ = [
    "DEFAULT_KEY",
    "Account",
    "Clock",
    "Double",
    "FaultRule",
    "Job",
    "JournalRow",
    "MemoryStore",
    "MovableClock",
    "Settings",
    "SqliteStore",
    "SystemClock",
    "serve",
]

MODULES = ("records", "clock", "stores", "service", "double", "server")


def __getattr__(name: str) -> Any:
    # Looked up when they are first used, so that what the extra installs is missed with a message, not on import.
    if name in __all__:
        for module_name in MODULES:
            module = import_module(f"{__name__}.{module_name}")
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
