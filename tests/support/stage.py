"""A double in process, as the checks of the contract call it: requests are counted, and jobs get on with each."""

from __future__ import annotations

import json
import re
import traceback
import zlib
from collections import Counter
from typing import Any

import anyio
import httpx

from segmind_mock import DEFAULT_KEY, Double, MovableClock, Settings
from segmind_mock.asgi import ConnectionDroppedError
from segmind_mock.contract import Contract
from segmind_mock.transport import DoubleTransport

OTHER_KEY = "SG_fedcba9876543210"
SETTINGS = Settings(latency_factor=1.0, generate_seconds=3600)
"""Jobs take the contract's typical latency, and no model takes too long for v1."""
FATES: list[list[float | None]] = [
    [30, 0, 3600],
    [0, 2, 30, 0, 3600],
    [0, None, 0, 3600],
    [2, None, 0, 3600],
    [None, 0, 3600],
    [3600, 0],
]
"""What happens to a job before each call about it: seconds pass, or it fails (None)."""
SEED = 20261121
JOB_PATH = re.compile("/v2/requests/([^/]+)")


class Stage:
    """A double with a rich account and a second one, on a clock that the checks move."""

    def __init__(self, settings: Settings | None = None, *, contract: Contract | None = None) -> None:
        self.clock = MovableClock()
        self.double = Double(settings or SETTINGS, clock=self.clock, seed=SEED, contract=contract)
        self.double.open_account(credits=1_000_000)
        self.double.open_account(OTHER_KEY, credits=1_000_000)
        self.calls = 0
        """Requests that were answered."""
        self._lively = False
        self._asked: Counter[str] = Counter()

    def let_jobs_live(self) -> None:
        """From now on each job meets its fate while it is asked for.

        Its parameters decide which. So the same calls are answered alike however often they are repeated, which
        Hypothesis needs.
        """
        self._lively = True

    def _let_live(self, request_id: str) -> None:
        try:
            job = self.double.job(request_id)
        except KeyError:
            return
        fate = FATES[zlib.crc32(json.dumps([job.slug, job.parameters], sort_keys=True).encode()) % len(FATES)]
        step = fate[min(self._asked[request_id], len(fate) - 1)]
        self._asked[request_id] += 1
        if step is not None:
            self.clock.advance(step)
        elif job.state(self.clock.now()) in ("QUEUED", "PROCESSING"):
            self.double.fail(request_id, "blocked by the safety filter")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The double as an ASGI application."""
        if scope["type"] == "http":
            self.calls += 1
            asked = JOB_PATH.match(scope["path"])
            if self._lively and asked:
                self._let_live(asked[1])
        try:
            await self.double.app(scope, receive, send)
        except ConnectionDroppedError:
            raise
        except Exception:
            await send({"type": "http.response.start", "status": 500, "headers": []})
            await send({"type": "http.response.body", "body": traceback.format_exc().encode()})

    def call(self, method: str, path: str, *, key: str | None = DEFAULT_KEY, **request: Any) -> httpx.Response:
        """One call; `request` as httpx takes it, with headers beside the key's."""
        headers = {} if key is None else {"x-api-key": key}

        async def send() -> httpx.Response:
            transport = DoubleTransport(self)
            # Longer than any v1 call, by the double's clock.
            client = httpx.AsyncClient(transport=transport, base_url="http://double", headers=headers, timeout=3600)
            async with client:
                return await client.request(method, path, **request)

        return anyio.run(send)
