"""Where a client can be used: threads, processes, event loops, with a custom httpx client or transport."""

from __future__ import annotations

import os
import pickle
from functools import partial
from typing import Any

import anyio
import httpx
import pytest
from anyio import to_thread

from segmind_api.catalog import MODELS
from segmind_client import AsyncClient, Client, errors
from segmind_mock import DEFAULT_KEY, Double
from segmind_mock.transport import DoubleTransport
from tests.support.clock import PauseClock
from tests.support.world import REQUEST_ID

SLUG = next(iter(MODELS))
BASE_URL = "https://x.example"


class TestWhereAClientCanBeUsed:
    @pytest.mark.parametrize("kind", [Client, AsyncClient])
    def test_it_shows_its_url_and_not_its_key(self, kind: type[Client | AsyncClient]) -> None:
        assert repr(kind(DEFAULT_KEY, base_url=BASE_URL)) == f"{kind.__name__}(base_url='https://x.example')"

    @pytest.mark.parametrize("kind", [Client, AsyncClient])
    def test_it_and_its_jobs_are_not_pickled(self, kind: type[Client | AsyncClient]) -> None:
        client = kind(DEFAULT_KEY)
        for thing in (client, client.job(REQUEST_ID)):
            with pytest.raises(errors.ClientUnusable, match=r"job\(request_id\)"):
                pickle.dumps(thing)

    def test_a_client_is_not_used_in_another_process(self, double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
        client = Client(DEFAULT_KEY, base_url=BASE_URL, transport=double.transport())
        async_client = AsyncClient(DEFAULT_KEY, base_url=BASE_URL, transport=double.transport())
        process = os.getpid() + 1
        monkeypatch.setattr(os, "getpid", lambda: process)
        for ask in (client.credits, lambda: anyio.run(async_client.credits)):
            with pytest.raises(errors.ClientUnusable, match="another process"):
                ask()
        assert double.requests() == []

    @pytest.mark.parametrize("backend", ["sync", "asyncio"])
    def test_closing_it_in_another_process_leaves_it_open_in_its_own(
        self, double: Double, monkeypatch: pytest.MonkeyPatch, backend: str
    ) -> None:
        async def close_and_ask() -> None:
            client = AsyncClient(DEFAULT_KEY, base_url=BASE_URL, transport=double.transport())
            with monkeypatch.context() as child:
                child.setattr(os, "getpid", lambda: -1)
                await client.close()
            await client.credits()

        if backend == "asyncio":
            anyio.run(close_and_ask)
            return
        client = Client(DEFAULT_KEY, base_url=BASE_URL, transport=double.transport())
        with monkeypatch.context() as child:
            child.setattr(os, "getpid", lambda: -1)
            client.close()
        client.credits()

    @pytest.mark.parametrize(("first", "second"), [("asyncio", "asyncio"), ("asyncio", "trio"), ("trio", "asyncio")])
    def test_an_async_one_is_not_used_in_another_event_loop(self, double: Double, first: str, second: str) -> None:
        client = AsyncClient(DEFAULT_KEY, base_url="http://127.0.0.1", transport=DoubleTransport(double.app))
        anyio.run(client.credits, backend=first)

        async def submit() -> None:
            with pytest.raises(errors.ClientUnusable, match="event loop"):
                await client.submit_model(SLUG, {"prompt": "x"})

        anyio.run(submit, backend=second)
        assert [call.method for call in double.requests()] == ["GET"]

    @pytest.mark.parametrize(("first", "second"), [("asyncio", "asyncio"), ("asyncio", "trio"), ("trio", "asyncio")])
    @pytest.mark.parametrize("over", ["own connections", "transport"])
    def test_an_async_one_is_closed_in_its_own_event_loop_only(
        self, address: str, double: Double, first: str, second: str, over: str
    ) -> None:
        options: Any = {} if over == "own connections" else {"transport": DoubleTransport(double.app)}
        client = AsyncClient(DEFAULT_KEY, base_url=address, **options)

        async def close_elsewhere() -> None:
            with pytest.raises(errors.ClientUnusable, match="used in another event loop"):
                await client.close()

        async def use() -> None:
            await client.credits()
            await to_thread.run_sync(partial(anyio.run, close_elsewhere, backend=second))
            await client.close()

        anyio.run(use, backend=first)

    def test_an_async_one_that_was_never_used_is_closed_in_any_event_loop(self) -> None:
        client = AsyncClient(DEFAULT_KEY)
        anyio.run(client.close, backend="trio")

    def test_a_client_is_not_used_after_it_was_closed(self) -> None:
        client = Client(DEFAULT_KEY)
        client.close()
        with pytest.raises(errors.ClientUnusable, match="closed"):
            client.credits()

    def test_an_async_one_is_not_used_after_it_was_closed(self) -> None:
        async def use() -> None:
            client = AsyncClient(DEFAULT_KEY)
            await client.close()
            with pytest.raises(errors.ClientUnusable, match="closed"):
                await client.credits()

        anyio.run(use)

    def test_a_call_that_waits_in_line_while_its_client_is_closed_is_not_sent(
        self, address: str, double: Double
    ) -> None:
        class Closing(PauseClock):
            def sleep_until(self, moment: float) -> None:
                client.close()
                super().sleep_until(moment)

        client = Client(DEFAULT_KEY, base_url=address, clock=Closing())
        double.fail_next(status=429)
        with pytest.raises(errors.ClientUnusable, match="closed"):
            client.submit_model(SLUG, {"prompt": "x"})
        assert [row.status for row in double.requests()] == [429]

    def test_a_custom_httpx_client_is_called_and_left_open(self, address: str, double: Double) -> None:
        calls: list[str] = []

        def note(request: httpx.Request) -> None:
            calls.append(request.url.path)

        with httpx.Client(
            event_hooks={"request": [note]}, headers={"user-agent": "mine"}, follow_redirects=True
        ) as http:
            with Client(DEFAULT_KEY, base_url=address, http_client=http) as client:
                client.credits()
            assert not http.is_closed
        assert calls == ["/v1/get-user-credits"]
        assert ("user-agent", "mine") in double.requests()[0].headers
        with pytest.raises(errors.ClientUnusable, match="closed"):
            client.credits()

    def test_a_custom_async_httpx_client_is_called_and_left_open(self, double: Double) -> None:
        async def read() -> None:
            async with httpx.AsyncClient(transport=DoubleTransport(double.app), follow_redirects=True) as http:
                async with AsyncClient(DEFAULT_KEY, base_url="http://127.0.0.1", http_client=http) as client:
                    assert (await client.credits()).credits == 100
                assert not http.is_closed
            with pytest.raises(errors.ClientUnusable, match="closed"):
                await client.credits()

        anyio.run(read)

    def test_a_redirect_is_not_followed_by_a_custom_httpx_client(self) -> None:
        hosts: list[str] = []

        def redirect(request: httpx.Request) -> httpx.Response:
            hosts.append(request.url.host)
            return httpx.Response(307, headers={"location": "https://elsewhere.example/"})

        with httpx.Client(transport=httpx.MockTransport(redirect), follow_redirects=True) as http:
            client = Client(DEFAULT_KEY, base_url="https://x.example", http_client=http)
            with pytest.raises(errors.UnreadableResponse):
                client.credits()
        assert hosts == ["x.example"]


class EmptyTransport(httpx.MockTransport):
    """A transport that is false where a truth is asked for."""

    def __len__(self) -> int:
        return 0


@pytest.mark.parametrize("kind", ["transport", "http_client"])
def test_a_custom_transport_or_client_of_length_0_is_used(kind: str) -> None:
    class EmptyClient(httpx.Client):
        def __len__(self) -> int:
            return 0

    transport = EmptyTransport(lambda _: httpx.Response(200, json={"credits": 7, "free-credits": 0}))
    custom: Any = {"transport": transport} if kind == "transport" else {"http_client": EmptyClient(transport=transport)}
    with Client(DEFAULT_KEY, base_url=BASE_URL, **custom) as client:
        assert client.credits().credits == 7


@pytest.mark.parametrize("kind", ["transport", "http_client"])
def test_a_custom_async_transport_or_client_of_length_0_is_used(kind: str) -> None:
    class EmptyAsyncClient(httpx.AsyncClient):
        def __len__(self) -> int:
            return 0

    async def use() -> None:
        transport = EmptyTransport(lambda _: httpx.Response(200, json={"credits": 7, "free-credits": 0}))
        http = EmptyAsyncClient(transport=transport)
        custom: Any = {"transport": transport} if kind == "transport" else {"http_client": http}
        async with http, AsyncClient(DEFAULT_KEY, base_url=BASE_URL, **custom) as client:
            assert (await client.credits()).credits == 7

    anyio.run(use)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_the_time_for_a_request_counts_from_its_turn_and_not_from_its_place_in_the_line(kind: str) -> None:
    clock, seconds = PauseClock(), list[float]()

    def respond(request: httpx.Request) -> httpx.Response:
        seconds.append(request.extensions["timeout"]["pool"])
        if len(seconds) == 1:
            return httpx.Response(429, json={"error": "too many"}, headers={"retry-after": "4"})
        return httpx.Response(200, json={"request_id": REQUEST_ID, "status": "QUEUED"})

    transport, url = httpx.MockTransport(respond), "https://service.example"

    async def poll() -> None:
        async with AsyncClient(DEFAULT_KEY, base_url=url, transport=transport, clock=clock, deadline=10) as client:
            await client.job(REQUEST_ID).status()

    if kind == "sync":
        with Client(DEFAULT_KEY, base_url=url, transport=transport, clock=clock, deadline=10) as client:
            client.job(REQUEST_ID).status()
    else:
        anyio.run(poll)
    assert seconds == [10, 6]


def test_a_clock_that_fails_while_a_job_is_waited_for_ends_the_wait_with_the_id_of_the_job() -> None:
    class Failing(PauseClock):
        def sleep_until(self, moment: float) -> None:
            raise RuntimeError(f"no time like {moment}")

    def respond(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"request_id": REQUEST_ID, "status": "QUEUED"})

    transport, url = httpx.MockTransport(respond), "https://service.example"
    with (
        Client(DEFAULT_KEY, base_url=url, transport=transport, clock=Failing()) as client,
        pytest.raises(errors.SegmindError, match="RuntimeError: no time like") as raised,
    ):
        client.job(REQUEST_ID).wait()
    assert raised.value.request_id == REQUEST_ID
