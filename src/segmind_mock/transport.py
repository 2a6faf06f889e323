"""Lets httpx call a double in process, faults of the connection included."""

from __future__ import annotations

from typing import Any

import httpx

from segmind_mock.app import ConnectionDroppedError


class DoubleTransport(httpx.ASGITransport):
    """`httpx.AsyncClient(transport=DoubleTransport(double.app), base_url="http://double")`."""

    def __init__(self, app: Any) -> None:
        super().__init__(app, client=("127.0.0.1", 0))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx.RemoteProtocolError where a fault drops the connection or cuts the body short."""
        try:
            return await super().handle_async_request(request)
        except ConnectionDroppedError as error:
            raise httpx.RemoteProtocolError(str(error), request=request) from error
