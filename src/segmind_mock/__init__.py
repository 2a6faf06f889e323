"""A double of Segmind's image API: it serves the contract, and keeps jobs, accounts and money.

In process:

    double = Double()
    client = httpx.Client(transport=double.transport(), base_url="http://double")

On a port:

    with serve(double.app) as base_url: ...
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segmind_mock.access import AdminAccess
    from segmind_mock.clock import Clock, MovableClock, SystemClock
    from segmind_mock.double import Double
    from segmind_mock.journal import JournalRow
    from segmind_mock.records import DEFAULT_KEY, Account, FaultRule, Job
    from segmind_mock.server import serve
    from segmind_mock.settings import Settings
    from segmind_mock.stores import MemoryStore, SqliteStore
    from segmind_mock.transport import DoubleTransport

__all__ = [
    "DEFAULT_KEY",
    "Account",
    "AdminAccess",
    "Clock",
    "Double",
    "DoubleTransport",
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

MODULES = ("records", "settings", "clock", "journal", "stores", "double", "server", "access", "transport")


def __getattr__(name: str) -> Any:
    # Lazy, so that importing this package needs nothing that the extra installs.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    for module_name in MODULES:
        try:
            module = import_module(f"{__name__}.{module_name}")
        except ModuleNotFoundError as error:
            hint = f"{error.name} is missing; install it with: pip install 'segmind-openapi[mock]'"
            raise ModuleNotFoundError(hint, name=error.name) from error
        if hasattr(module, name):
            return getattr(module, name)
    raise AttributeError(name)


def __dir__() -> list[str]:
    return __all__
