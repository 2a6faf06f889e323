"""A double of the service, with its ASGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from segmind_mock.access import AdminAccess
from segmind_mock.admin import admin_app
from segmind_mock.app import MockApp
from segmind_mock.clock import SystemClock
from segmind_mock.contract import Contract
from segmind_mock.controls import ClockT_co, Controls
from segmind_mock.records import DEFAULT_KEY, Account
from segmind_mock.service import Service
from segmind_mock.settings import Settings
from segmind_mock.stores import MemoryStore, Store

if TYPE_CHECKING:
    from segmind_mock.transport import DoubleTransport


class Double(Controls[ClockT_co]):
    """A double of the service, with one ready account, by default with 100 dollars and the key DEFAULT_KEY.

    The clients of `segmind_client` can wait by the clock of a `Double[MovableClock]`.

    `app` is the ASGI application. `settings` say how it behaves, `clock` tells the time, `store` holds the state,
    `account` is the ready account, `seed` is for everything that is drawn: seeds of images, jitter; `admin_access`
    says who may use the admin interface, by default callers on this machine.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        clock: ClockT_co | None = None,
        store: Store | None = None,
        contract: Contract | None = None,
        seed: int | None = None,
        account: Account | None = None,
        admin_access: AdminAccess | None = None,
    ) -> None:
        settings, store = settings or Settings(), store or MemoryStore()
        service = Service(contract or Contract.load(), settings, account or Account(DEFAULT_KEY), seed)
        super().__init__(service, store, clock or cast("ClockT_co", SystemClock(store)))
        self.app = MockApp(service, store, self.clock, admin_app(self, admin_access or AdminAccess()))

    def transport(self) -> DoubleTransport:
        """Calls this double in process: for httpx clients and those of `segmind_client`, sync and async."""
        # Imported late, since it imports httpx, which takes longer than starting a double.
        from segmind_mock.transport import DoubleTransport

        return DoubleTransport(self.app)
