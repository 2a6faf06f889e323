"""Carries out the submits, with threads or with tasks."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import Any
from unittest import mock

import anyio

from segmind_api.catalog import MODELS
from segmind_client import AsyncClient, Client, errors
from segmind_mock import DEFAULT_KEY, Account, Double, MovableClock, Settings
from segmind_mock.records import Job
from tests.client.chaos.calls import BODY_SECONDS, WRITE_SECONDS, Call, Group
from tests.client.chaos.claims import Case
from tests.client.chaos.interrupts import interrupt_after
from tests.client.chaos.service import ChaosService
from tests.client.chaos.transports import BreakingTransport, async_http_client, sync_http_client
from tests.support.internals import steps
from tests.support.lateness import lateness
from tests.support.servers import closed_port

SLUG = next(iter(MODELS))
POLLS_TO_COMPLETE = 2
CLIENTS_AT_ONCE = 8
"""Each with a thread or a task, or several."""
MOST_FUNCTION_CALLS = 3000
"""After which a call is interrupted, at most."""
MOST_SECONDS = 0.3
"""Real ones, after which a task is cancelled, at most."""

Runner = Callable[[str, Sequence[Group]], None]
"""Carries out the calls of groups against the service at a URL."""


def run_sync(url: str, groups: Sequence[Group]) -> None:
    """Carries out the groups on some threads."""
    with closed_port() as closed, ThreadPoolExecutor(CLIENTS_AT_ONCE) as threads:
        # Raises what no call should: a mistake of this module.
        list(threads.map(partial(carry_out_group, url, closed), groups))


@contextmanager
def sync_client(group: Group, url: str, closed: int) -> Generator[Client]:
    with ExitStack() as stack:
        more: dict[str, Any] = {}
        if group.kind == "transport":
            more = {"transport": BreakingTransport(group, closed)}
        elif group.kind == "client":
            more = {"http_client": stack.enter_context(sync_http_client(group, closed))}
        yield stack.enter_context(Client(DEFAULT_KEY, base_url=url, **more, **group.client_options))


def carry_out_group(url: str, closed: int, group: Group) -> None:
    try:
        with sync_client(group, url, closed) as client:
            carry = partial(carry_out, client, group)
            if group.workers == 1:
                for call in group.calls:
                    carry(call)
            else:
                with ThreadPoolExecutor(group.workers) as threads:
                    list(threads.map(carry, group.calls))
    except errors.InvalidParameter as error:
        for call in group.calls:
            call.report = error


def carry_out(client: Client, group: Group, call: Call) -> None:
    group.begin(call)
    try:
        if call.is_interrupted:
            interrupt_after(1 + int(call.interrupt_after * MOST_FUNCTION_CALLS))
        if call.waits_apart:
            call.job = job = client.submit_model(SLUG, {"prompt": call.prompt})
            group.begin_wait(call)
            call.end(job.wait())
        else:
            call.end(client.run_model(SLUG, {"prompt": call.prompt}))
    except Exception as error:
        call.end(error)
    except KeyboardInterrupt as error:
        call.interrupt(error)
    finally:
        sys.setprofile(None)


def run_async(url: str, groups: Sequence[Group], backend: str = "asyncio") -> None:
    """Carries out the groups as tasks."""
    anyio.run(run_tasks, url, groups, backend=backend)


async def run_tasks(url: str, groups: Sequence[Group]) -> None:
    limiter = anyio.CapacityLimiter(CLIENTS_AT_ONCE)
    with closed_port() as closed:
        async with anyio.create_task_group() as tasks:
            for group in groups:
                tasks.start_soon(carry_out_group_async, url, closed, group, limiter)


@asynccontextmanager
async def async_client(group: Group, url: str, closed: int) -> AsyncGenerator[AsyncClient]:
    async with AsyncExitStack() as stack:
        more: dict[str, Any] = {}
        if group.kind == "transport":
            more = {"transport": BreakingTransport(group, closed)}
        elif group.kind == "client":
            more = {"http_client": await stack.enter_async_context(async_http_client(group, closed))}
        client = AsyncClient(DEFAULT_KEY, base_url=url, **more, **group.client_options)
        yield await stack.enter_async_context(client)


async def carry_out_group_async(url: str, closed: int, group: Group, limiter: anyio.CapacityLimiter) -> None:
    async with limiter:
        try:
            async with async_client(group, url, closed) as client:
                calls = iter(group.calls)
                async with anyio.create_task_group() as tasks:
                    for _ in range(group.workers):
                        tasks.start_soon(carry_out_in_turn, client, group, calls)
        except errors.InvalidParameter as error:
            for call in group.calls:
                call.report = error


async def carry_out_in_turn(client: AsyncClient, group: Group, calls: Iterator[Call]) -> None:
    for call in calls:
        await carry_out_async(client, group, call)


async def carry_out_async(client: AsyncClient, group: Group, call: Call) -> None:
    group.begin(call)
    with anyio.move_on_after(call.interrupt_after * MOST_SECONDS if call.is_interrupted else None):
        try:
            if call.waits_apart:
                call.job = job = await client.submit_model(SLUG, {"prompt": call.prompt})
                group.begin_wait(call)
                call.end(await job.wait())
            else:
                call.end(await client.run_model(SLUG, {"prompt": call.prompt}))
        except Exception as error:
            call.end(error)
        except anyio.get_cancelled_exc_class() as error:
            call.interrupt(error)
            raise


def play(runner: Runner, groups: Sequence[Group]) -> list[Case]:
    """Runs the calls against a double, and puts together what the client says and what the double knows."""
    account = Account(DEFAULT_KEY, credits=1e6)
    # Jobs take the same time in each run, or the client would learn something else of them.
    double = Double(Settings(polls_to_complete=POLLS_TO_COMPLETE), account=account, clock=MovableClock())
    calls = [call for group in groups for call in group.calls]
    service = ChaosService(double, calls)
    quick = mock.patch.multiple(steps, BODY_SECONDS=BODY_SECONDS, WRITE_SECONDS=WRITE_SECONDS)
    with service.server, quick, lateness() as late:
        runner(service.url, groups)
    accepted: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for job in double.store.transact(lambda tx: tx.oldest(Job, tx.count(Job))):
        accepted[job.parameters["prompt"]][job.request_id] = job.state(double.clock.now())
    return [Case(call, accepted[call.prompt], late.longest) for call in calls]
