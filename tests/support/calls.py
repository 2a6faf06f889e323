"""The same calls by every kind of client: sync and async, over its own connections, a transport or a custom client."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from inspect import isawaitable
from typing import Any

import anyio
import httpx

from segmind_client import AsyncClient, Client
from segmind_client.errors import SegmindError

KEY = "SG_5ec4e75ec4e75ec4"
WAYS = ("sync", "asyncio", "trio")
CARRIERS = ("own connections", "transport", "client")
"""What a client sends its requests over."""

Step = Callable[[Any], Any]
"""Makes one call with a client, sync or async, or does something else in between."""


def outcomes(way: str, url: str, *steps: Step, carrier: str = "own connections", **options: Any) -> list[Any]:
    """What each step gives, or the SegmindError that it raises, one step after another with one client."""
    if way == "sync":
        return outcomes_sync(url, steps, carrier, options)
    return anyio.run(outcomes_async, url, steps, carrier, options, backend=way)


def outcome(way: str, url: str, step: Step, **options: Any) -> Any:
    """What one step gives, or the SegmindError that it raises."""
    return outcomes(way, url, step, **options)[0]


def outcomes_sync(url: str, steps: tuple[Step, ...], carrier: str, options: dict[str, Any]) -> list[Any]:
    seen: list[Any] = []
    with ExitStack() as stack:
        if carrier == "transport":
            options = {**options, "transport": httpx.HTTPTransport()}
        elif carrier == "client":
            options = {**options, "http_client": stack.enter_context(httpx.Client())}
        client = stack.enter_context(Client(KEY, base_url=url, **options))
        for step in steps:
            try:
                seen.append(step(client))
            except SegmindError as error:
                seen.append(error)
    return seen


async def outcomes_async(url: str, steps: tuple[Step, ...], carrier: str, options: dict[str, Any]) -> list[Any]:
    seen: list[Any] = []
    http = httpx.AsyncClient() if carrier == "client" else None
    if carrier == "transport":
        options = {**options, "transport": httpx.AsyncHTTPTransport()}
    elif carrier == "client":
        options = {**options, "http_client": http}
    async with AsyncClient(KEY, base_url=url, **options) as client:
        for step in steps:
            try:
                given = step(client)
                seen.append(await given if isawaitable(given) else given)
            except SegmindError as error:
                seen.append(error)
    if http is not None:
        await http.aclose()
    return seen
