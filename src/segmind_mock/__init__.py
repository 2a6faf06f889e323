"""A stateful double of Segmind's image API, driven by the contract.

In process:

    double = Double()
    client = httpx.AsyncClient(transport=httpx.ASGITransport(double.app), base_url="http://double")

On a port:

    with serve(double.app) as base_url: ...
"""

from segmind_mock.accounts import DEFAULT_KEY, Account
from segmind_mock.app import Double
from segmind_mock.clock import Clock, MovableClock, SystemClock
from segmind_mock.server import serve

__all__ = ["DEFAULT_KEY", "Account", "Clock", "Double", "MovableClock", "SystemClock", "serve"]
