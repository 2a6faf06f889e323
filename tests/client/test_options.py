"""How calls are made: options, updates of a job, interruptions, and where a client can be used."""

from __future__ import annotations

import gc
import inspect
import json
import logging
import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import aclosing, closing
from typing import Any, NoReturn

import anyio
import attrs
import httpx
import pytest

from segmind_api.catalog import MODELS
from segmind_api.models import SubmittedJob
from segmind_api.types import ApiResponse
from segmind_client import AsyncClient, Client, errors
from segmind_client.clients import AsyncJobHandle, JobHandle
from segmind_client.drivers import AsyncDriver, SyncDriver
from segmind_client.flows import Caller, Clocks, Send, Submission
from segmind_client.options import OptionChanges, Options
from segmind_client.transport import AsyncSender, Connections, Sender
from segmind_mock import DEFAULT_KEY, Double, MovableClock
from segmind_mock.transport import DoubleTransport
from tests.client.test_flows import LOST, REQUEST_ID, SUBMITTED, World, refused, state

SLUG = next(iter(MODELS))
MODEL = MODELS[SLUG]
KEY = {"x-api-key": DEFAULT_KEY}
TIMEOUT = dict.fromkeys(("connect", "read", "write", "pool"), 1.0)


class TestOptions:
    def test_the_names_of_changes_are_those_of_options(self) -> None:
        assert list(OptionChanges.__annotations__) == [field.name for field in attrs.fields(Options)]

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"read_seconds": None}, "would hang"),
            ({"deadline": float("inf")}, "not without end"),
            ({"deadline": -1}, "0 or more"),
            ({"connect_seconds": 0}, "0.001 or more"),
            ({"retry_seconds": "60"}, "a number of seconds"),
            ({"interval": float("nan")}, "a number of seconds"),
            ({"attempts": 0}, "1 or more"),
            ({"attempts": True}, "a whole number"),
            ({"timeout": 3}, "one of deadline, interval"),
        ],
    )
    def test_one_that_makes_no_sense_is_refused_before_anything_is_sent(
        self, changes: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(errors.InvalidParameter, match=message):
            Client(DEFAULT_KEY, **changes)
        with Client(DEFAULT_KEY) as client, pytest.raises(errors.InvalidParameter, match=message):
            client.with_options(**changes)

    def test_a_parameter_of_a_model_may_have_the_name_of_an_option(self, address: str, double: Double) -> None:
        with Client(DEFAULT_KEY, base_url=address) as client:
            client.with_options(deadline=9).submit_model(SLUG, {"prompt": "x", "deadline": 5, "interval": 1})
        assert json.loads(double.requests()[0].body or "")["deadline"] == 5

    def test_a_client_with_other_options_shares_the_connections_and_leaves_the_first_as_it_was(self) -> None:
        seen: list[float] = []

        def answer(request: httpx.Request) -> httpx.Response:
            seen.append(request.extensions["timeout"]["read"])
            return httpx.Response(200, json={"credits": 1, "free-credits": 0})

        with Client(DEFAULT_KEY, base_url="https://x.example", transport=httpx.MockTransport(answer)) as client:
            client.with_options(read_seconds=7).credits()
            client.credits()
        with pytest.raises(errors.NoClient, match="closed"):
            client.with_options(read_seconds=7).generate_model(SLUG, {"prompt": "x"})
        assert seen == [7, 30]

    def test_a_v1_call_waits_for_its_image_and_no_call_for_longer_than_its_deadline(self) -> None:
        caller = Caller(Options(generate_seconds=99, read_seconds=40), clocks=Clocks(monotonic=lambda: 1000.0))

        def read_seconds(step: object) -> float:
            assert isinstance(step, Send)
            return step.read_seconds

        assert read_seconds(next(caller.generate(MODEL, {"prompt": "x"}))) == 99
        assert read_seconds(next(caller.submit(MODEL, {"prompt": "x"}))) == 40
        assert read_seconds(next(caller.status(REQUEST_ID, until=1005))) == 5
        assert read_seconds(next(caller.status(REQUEST_ID, until=1000))) == 1


class TestAddress:
    @pytest.mark.parametrize(
        "address", ["http://127.0.0.1:4010", "http://localhost", "http://[::1]:80", "https://a.example"]
    )
    def test_https_and_this_machine_are_allowed(self, address: str) -> None:
        Client(DEFAULT_KEY, base_url=address).close()

    @pytest.mark.parametrize("address", ["http://a.example", "http://10.0.0.1", "http://localhost.example"])
    def test_the_key_is_not_sent_in_the_clear_unless_that_is_allowed(self, address: str) -> None:
        with pytest.raises(errors.InvalidParameter, match="allow_http=True"):
            Client(DEFAULT_KEY, base_url=address)
        with pytest.raises(errors.InvalidParameter, match="allow_http=True"):
            AsyncClient(DEFAULT_KEY, base_url=address)
        Client(DEFAULT_KEY, base_url=address, allow_http=True).close()

    @pytest.mark.parametrize("name", ["status_url", "response_url", "poll_url"])
    def test_a_job_that_is_said_to_be_elsewhere_is_named_and_nothing_is_sent_there(self, name: str) -> None:
        answer = {**json_of(SUBMITTED), name: "https://elsewhere.example/x"}
        transport = httpx.MockTransport(lambda _: httpx.Response(200, json=answer))
        client = Client(DEFAULT_KEY, base_url="https://x.example", transport=transport)
        with client, pytest.raises(errors.ForeignAddress, match=r"elsewhere\.example") as raised:
            client.submit_model(SLUG, {"prompt": "x"})
        assert raised.value.request_id == answer["request_id"]

    @pytest.mark.parametrize(
        "address", ["https://x.example:port/status", "http://[x", "https://a\N{ACCOUNT OF}b/x", "mailto:x"]
    )
    def test_an_address_that_is_none_is_elsewhere(self, address: str) -> None:
        answer = {**json_of(SUBMITTED), "status_url": address}
        transport = httpx.MockTransport(lambda _: httpx.Response(200, json=answer))
        client = Client(DEFAULT_KEY, base_url="https://x.example", transport=transport)
        with client, pytest.raises(errors.ForeignAddress):
            client.submit_model(SLUG, {"prompt": "x"})

    @pytest.mark.parametrize("origin", ["https://x.example", "https://x.example:443", "https://api.segmind.com", ""])
    def test_a_job_is_where_the_call_went_or_at_the_service_behind_it(self, origin: str) -> None:
        answer = {**json_of(SUBMITTED), "status_url": f"{origin}/v2/requests/x/status"}
        transport = httpx.MockTransport(lambda _: httpx.Response(200, json=answer))
        with Client(DEFAULT_KEY, base_url="https://x.example", transport=transport) as client:
            assert client.submit_model(SLUG, {"prompt": "x"}).request_id == answer["request_id"]


def json_of(answer: Any) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(answer.content)
    return decoded


class TestUpdates:
    """Of a job of a double whose clock moves while the client waits."""

    @pytest.fixture
    def handle(self, address: str, clock: MovableClock) -> Iterator[JobHandle]:
        with closing(Sender(address, KEY, None)) as sender:
            driver = SyncDriver(sender, sleep=clock.advance)
            caller = Caller(clocks=Clocks(monotonic=clock.now))
            submitted = driver.carry_out(caller.submit(MODEL, {"prompt": "x"}))
            yield JobHandle(caller, driver, submitted, Submission(MODEL, clock.now()))

    def test_each_state_comes_once_with_the_time_it_was_seen(self, handle: JobHandle) -> None:
        updates = list(handle.updates(interval=0.1))
        assert [update.status for update in updates] == ["QUEUED", "PROCESSING", "COMPLETED"]
        typical = MODEL.typical_latency_seconds or 0
        assert [update.elapsed for update in updates] == pytest.approx([0, typical / 10, typical], abs=0.2)
        assert updates[-1].job["metrics"]["cost"] == MODEL.price_usd
        assert handle.wait().cost == MODEL.price_usd

    def test_a_job_that_fails_ends_them(self, handle: JobHandle, double: Double) -> None:
        updates = handle.updates(interval=0.1)
        assert next(updates).status == "QUEUED"
        double.fail(handle.request_id, "blocked")
        with pytest.raises(errors.InferenceFailed, match="blocked"):
            list(updates)

    def test_the_deadline_ends_them(self, handle: JobHandle) -> None:
        with pytest.raises(errors.InferenceTimeout, match="within 2 s"):
            list(handle.updates(deadline=2, interval=0.5))

    def test_a_poll_that_fails_is_no_update(self, handle: JobHandle, double: Double) -> None:
        double.fail_next("getJobStatus", status=404, times=1)
        with pytest.raises(errors.NotFound, match=handle.request_id):
            list(handle.updates())
        double.fail_next("getJobStatus", status=502, times=9)
        assert [update.status for update in handle.updates()][-1] == "COMPLETED"

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_they_are_the_same_with_await(self, double: Double, clock: MovableClock, backend: str) -> None:
        async def sleep(seconds: float) -> None:
            clock.advance(seconds)

        async def statuses() -> list[str]:
            async with aclosing(AsyncSender("http://127.0.0.1", KEY, DoubleTransport(double.app))) as sender:
                driver = AsyncDriver(sender, sleep=sleep)
                caller = Caller(clocks=Clocks(monotonic=clock.now))
                submitted = await driver.carry_out(caller.submit(MODEL, {"prompt": "x"}))
                job = AsyncJobHandle(caller, driver, submitted, Submission(MODEL, clock.now()))
                return [update.status async for update in job.updates(interval=0.1)]

        assert anyio.run(statuses, backend=backend) == ["QUEUED", "PROCESSING", "COMPLETED"]

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_they_may_be_left_before_their_end(self, double: Double, backend: str) -> None:
        async def leave() -> None:
            transport = DoubleTransport(double.app)
            async with AsyncClient(DEFAULT_KEY, base_url="http://127.0.0.1", transport=transport) as client:
                job = await client.submit_model(SLUG, {"prompt": "x"})
                async for update in job.updates():
                    assert update.status == "QUEUED"
                    break
            gc.collect()

        anyio.run(leave, backend=backend)

    def test_a_job_that_ends_while_an_update_is_dealt_with_has_ended(
        self, handle: JobHandle, clock: MovableClock
    ) -> None:
        seen: list[str] = []
        for update in handle.updates(deadline=5, interval=1):
            seen.append(update.status)
            clock.advance(100)
        assert seen == ["QUEUED", "COMPLETED"]


class TestInterruption:
    @staticmethod
    def interrupted(outcomes: list[Any], play: Callable[[SyncDriver, Caller], object]) -> KeyboardInterrupt:
        """What comes out when Ctrl-C is pressed after these answers."""
        world = World(outcomes)

        def answer(_: httpx.Request) -> httpx.Response:
            if not world.outcomes:
                raise KeyboardInterrupt
            came = world.outcomes.pop(0)
            assert isinstance(came, ApiResponse)
            return httpx.Response(came.status, headers=dict(came.headers), content=came.content)

        sender = Sender("https://x.example", KEY, httpx.MockTransport(answer))
        with pytest.raises(KeyboardInterrupt) as raised:
            play(SyncDriver(sender, sleep=lambda _: None), world.caller())
        return raised.value

    def test_while_waiting_names_the_job(self, caplog: pytest.LogCaptureFixture) -> None:
        error = self.interrupted(
            [SUBMITTED, state("QUEUED")], lambda driver, caller: driver.carry_out(caller.run(MODEL, {"prompt": "x"}))
        )
        assert REQUEST_ID in error.__notes__[0]
        assert REQUEST_ID in caplog.text

    def test_while_a_submit_is_on_its_way_says_that_it_may_have_been_accepted(self) -> None:
        error = self.interrupted([], lambda driver, caller: driver.carry_out(caller.submit(MODEL, {"prompt": "x"})))
        assert "may have been accepted" in error.__notes__[0]

    def test_between_two_updates_names_the_job(self) -> None:
        def watch(driver: SyncDriver, caller: Caller) -> None:
            list(JobHandle(caller, driver, SubmittedJob({"request_id": REQUEST_ID})).updates())

        error = self.interrupted([state("QUEUED")], watch)
        assert REQUEST_ID in error.__notes__[0]

    def test_after_a_submit_was_answered_names_the_job(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("segmind_client.flows.check_origin", interrupt)
        error = self.interrupted(
            [SUBMITTED], lambda driver, caller: driver.carry_out(caller.submit(MODEL, {"prompt": "x"}))
        )
        assert REQUEST_ID in error.__notes__[0]

    def test_between_two_steps_names_the_job(self) -> None:
        class Interrupted(SyncDriver):
            def outcome(self, step: object) -> NoReturn:  # noqa: ARG002  the driver's own name
                raise KeyboardInterrupt

        driver = Interrupted(Sender("https://x.example", KEY, None))
        with pytest.raises(KeyboardInterrupt) as raised:
            driver.carry_out(Caller().wait(REQUEST_ID))
        assert REQUEST_ID in raised.value.__notes__[0]

    def test_of_a_get_loses_nothing(self) -> None:
        error = self.interrupted([], lambda driver, caller: driver.carry_out(caller.credits()))
        assert not hasattr(error, "__notes__")

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_cancelling_a_task_names_the_job(self, caplog: pytest.LogCaptureFixture, backend: str) -> None:
        async def wait() -> None:
            def answer(_: httpx.Request) -> httpx.Response:
                return httpx.Response(200, json=json_of(state("QUEUED")))

            async with AsyncClient(
                DEFAULT_KEY, base_url="https://x.example", transport=httpx.MockTransport(answer)
            ) as client:
                with anyio.move_on_after(0) as scope:
                    await client.job(REQUEST_ID).wait()
                assert scope.cancelled_caught

        anyio.run(wait, backend=backend)
        assert REQUEST_ID in caplog.text


class TestWhereAClientCanBeUsed:
    @pytest.mark.parametrize("kind", [Client, AsyncClient])
    def test_it_shows_its_address_and_not_its_key(self, kind: type[Client | AsyncClient]) -> None:
        assert repr(kind(DEFAULT_KEY, base_url="https://x.example")) == f"{kind.__name__}(base_url='https://x.example')"

    @pytest.mark.parametrize("kind", [Client, AsyncClient])
    def test_it_and_its_jobs_are_not_pickled(self, kind: type[Client | AsyncClient]) -> None:
        client = kind(DEFAULT_KEY)
        for thing in (client, client.job(REQUEST_ID)):
            with pytest.raises(errors.NoClient, match=r"job\(request_id\)"):
                pickle.dumps(thing)

    def test_it_is_not_used_in_another_process(self) -> None:
        sender = Sender("https://x.example", KEY, None)
        with pytest.raises(errors.NoClient, match="another process"):
            SyncDriver(sender, process=os.getpid() + 1).carry_out(Caller().credits())

    @pytest.mark.parametrize(("first", "second"), [("asyncio", "asyncio"), ("asyncio", "trio"), ("trio", "asyncio")])
    def test_an_async_one_is_not_used_in_another_event_loop(self, double: Double, first: str, second: str) -> None:
        client = AsyncClient(DEFAULT_KEY, base_url="http://127.0.0.1", transport=DoubleTransport(double.app))
        anyio.run(client.credits, backend=first)

        async def submit() -> None:
            with pytest.raises(errors.NoClient, match="event loop"):
                await client.submit_model(SLUG, {"prompt": "x"})

        anyio.run(submit, backend=second)
        assert [call.method for call in double.requests()] == ["GET"]

    def test_it_is_not_used_after_it_was_closed(self) -> None:
        client = Client(DEFAULT_KEY)
        client.close()
        with pytest.raises(errors.NoClient, match="closed"):
            client.credits()

    def test_an_async_one_is_not_used_after_it_was_closed(self) -> None:
        async def use() -> None:
            client = AsyncClient(DEFAULT_KEY)
            await client.close()
            with pytest.raises(errors.NoClient, match="closed"):
                await client.credits()

        anyio.run(use)

    def test_a_call_that_waits_in_line_while_it_is_closed_is_not_sent(self) -> None:
        connections = Connections(None)
        connections.close()
        extensions: dict[str, Any] = {"timeout": TIMEOUT, "whole_seconds": 1}
        request = httpx.Request("GET", "https://x.example", extensions=extensions)
        with pytest.raises(errors.NoClient, match="closed"):
            connections.exchange(lambda: request, extensions)

    def test_a_client_of_ones_own_is_called_and_left_open(self, address: str, double: Double) -> None:
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
        with pytest.raises(errors.NoClient, match="closed"):
            client.credits()

    def test_an_async_client_of_ones_own_is_called_and_left_open(self, double: Double) -> None:
        async def read() -> None:
            async with httpx.AsyncClient(transport=DoubleTransport(double.app), follow_redirects=True) as http:
                async with AsyncClient(DEFAULT_KEY, base_url="http://127.0.0.1", http_client=http) as client:
                    assert (await client.credits()).credits == 100
                assert not http.is_closed
            with pytest.raises(errors.NoClient, match="closed"):
                await client.credits()

        anyio.run(read)

    def test_a_redirect_is_not_followed_by_a_client_of_ones_own(self) -> None:
        hosts: list[str] = []

        def answer(request: httpx.Request) -> httpx.Response:
            hosts.append(request.url.host)
            return httpx.Response(307, headers={"location": "https://elsewhere.example/"})

        with httpx.Client(transport=httpx.MockTransport(answer), follow_redirects=True) as http:
            client = Client(DEFAULT_KEY, base_url="https://x.example", http_client=http)
            with pytest.raises(errors.UnreadableAnswer):
                client.credits()
        assert hosts == ["x.example"]


class TestAnswers:
    def test_the_whole_answer_is_within_reach_of_every_result(self, address: str) -> None:
        with Client(DEFAULT_KEY, base_url=address) as client:
            job = client.submit_model(SLUG, {"prompt": "x"})
            results = [job.submitted, job.status(), client.credits()]
        for result in results:
            assert result.response is not None
            assert (result.response.status, result.response.headers["content-type"]) == (200, "application/json")
            assert result.response.content.startswith(b"{")
            copy = pickle.loads(pickle.dumps(result))  # noqa: S301  our own
            assert (copy, copy.response) == (result, result.response)

    def test_a_part_of_an_answer_has_none(self) -> None:
        assert SubmittedJob({}).response is None


def test_each_retry_is_logged_with_its_reason_and_without_the_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="segmind_client")
    world = World([refused(429), LOST, refused(401)])
    with pytest.raises(errors.Unauthorized):
        world.play(world.caller().credits())
    first, second = (record.getMessage() for record in caplog.records)
    assert first == "GET /v1/get-user-credits is sent again in 1.0 s, attempt 2 of 4: the answer was 429"
    assert "attempt 3 of 4" in second
    assert DEFAULT_KEY not in caplog.text


def test_the_signatures_of_the_two_clients_differ_only_in_what_they_await() -> None:
    for sync_kind, async_kind in ((Client, AsyncClient), (JobHandle, AsyncJobHandle)):
        for name, member in inspect.getmembers(sync_kind, inspect.isfunction):
            if not name.startswith("_"):
                other = getattr(async_kind, name)
                assert list(inspect.signature(member).parameters) == list(inspect.signature(other).parameters), name


OF_ANOTHER_TYPE: dict[str, Callable[[Any], object]] = {
    "a slug": lambda client: client.run(4),
    "a slug that may be any": lambda client: client.run_model(4, {}),
    "parameters": lambda client: client.run_model(SLUG, 4),
    "a request id": lambda client: client.job(4).status(),
    "an empty request id": lambda client: client.job("").status(),
}


@pytest.mark.parametrize("call", OF_ANOTHER_TYPE.values(), ids=OF_ANOTHER_TYPE.keys())
def test_what_is_of_another_type_is_refused_before_anything_is_sent(call: Callable[[Any], object]) -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise AssertionError("something was sent")

    client = Client(DEFAULT_KEY, base_url="https://x.example", transport=httpx.MockTransport(refuse))
    with client, pytest.raises(errors.SegmindError):
        call(client)
