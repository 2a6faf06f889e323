"""Options, base URLs, updates of a job, interruptions, and where a client can be used."""

from __future__ import annotations

import gc
import inspect
import json
import logging
import pickle
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import anyio
import attrs
import httpx
import pytest

from segmind_api.catalog import MODELS
from segmind_api.models import SubmittedJob
from segmind_api.types import ApiResponse
from segmind_client import AsyncClient, AsyncJobHandle, Client, JobHandle, errors
from segmind_mock import DEFAULT_KEY, Double, MovableClock
from segmind_mock.transport import DoubleTransport
from tests.support.clock import DoubleClock, PauseClock
from tests.support.internals import Call, OptionChanges, Options, Send
from tests.support.world import LOST, REQUEST_ID, START, World, json_of, refused, response, state

SLUG = next(iter(MODELS))
MODEL = MODELS[SLUG]
BASE_URL = "https://x.example"
NO_SECONDS = ("attempts", "any_image_host", "on_update")


class TestOptions:
    def test_the_defaults_are_those_that_the_documentation_names(self) -> None:
        assert attrs.asdict(Options()) == {
            "deadline": 600,
            "interval": None,
            "attempts": 4,
            "retry_seconds": 60,
            "connect_seconds": 10,
            "read_seconds": 30,
            "generate_seconds": 180,
            "any_image_host": False,
            "on_update": None,
        }

    def test_the_names_of_changes_are_those_of_options(self) -> None:
        assert list(OptionChanges.__annotations__) == [field.name for field in attrs.fields(Options)]

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"read_seconds": None}, "would hang"),
            ({"deadline": float("inf")}, "a number of seconds from 0 to 1,000,000"),
            ({"deadline": None}, "would hang"),
            ({"deadline": -1}, "from 0 to"),
            ({"deadline": 1_000_000.5}, "from 0 to 1,000,000"),
            ({"interval": -0.001}, "from 0 to"),
            ({"retry_seconds": -0.001}, "from 0 to"),
            ({"deadline": 10**400}, "from 0 to"),
            ({"connect_seconds": 0}, "from 0.001 to"),
            ({"read_seconds": 0.0009}, "from 0.001 to"),
            ({"generate_seconds": True}, "a number of seconds"),
            ({"read_seconds": 1e10}, "from 0.001 to"),
            ({"generate_seconds": 1e10}, "from 0.001 to"),
            ({"retry_seconds": "60"}, "a number of seconds"),
            ({"interval": float("nan")}, "a number of seconds"),
            ({"interval": True}, "a number of seconds"),
            ({"attempts": 0}, "from 1 to 1000"),
            ({"attempts": 1001}, "from 1 to 1000"),
            ({"attempts": 10**400}, "from 1 to 1000"),
            ({"attempts": 4.0}, "a whole number"),
            ({"attempts": True}, "a whole number"),
            ({"any_image_host": 1}, "True or False"),
            ({"timeout": 3}, r"Options\.timeout.* one of deadline, interval"),
        ],
    )
    def test_an_option_that_makes_no_sense_is_refused_before_anything_is_sent(
        self, changes: dict[str, Any], message: str
    ) -> None:
        for kind in (Client, AsyncClient):
            with pytest.raises(errors.InvalidParameter, match=message):
                kind(DEFAULT_KEY, **changes)
            with pytest.raises(errors.InvalidParameter, match=message):
                kind(DEFAULT_KEY).with_options(**changes)

    @pytest.mark.parametrize(
        "options",
        [
            {name: 1e6 for name in OptionChanges.__annotations__ if name not in NO_SECONDS},
            {"attempts": 1000, "retry_seconds": 0, "deadline": 0, "interval": 0},
            {"attempts": 1, "interval": None},
            {"connect_seconds": 0.001, "read_seconds": 0.001, "generate_seconds": 0.001},
        ],
        ids=["longest", "most", "fewest", "shortest"],
    )
    def test_the_shortest_and_the_longest_times_work_over_own_connections(
        self, options: Any, address: str, double: Double
    ) -> None:
        assert attrs.evolve(Options(), **options) == Options(**options)

        def call() -> None:
            with Client(DEFAULT_KEY, base_url=address, **options) as client:
                client.generate_model(SLUG, {"prompt": "x"})

        async def call_async() -> None:
            async with AsyncClient(DEFAULT_KEY, base_url=address, **options) as client:
                await client.generate_model(SLUG, {"prompt": "x"})

        for run in (call, partial(anyio.run, call_async)):
            # A thousandth of a second may be too short for a response, never for a bare error.
            with suppress(errors.SegmindError):
                run()
        assert len(double.requests()) <= 2

    def test_a_parameter_of_a_model_may_have_the_name_of_an_option(self, address: str, double: Double) -> None:
        with Client(DEFAULT_KEY, base_url=address) as client:
            client.with_options(deadline=9).submit_model(SLUG, {"prompt": "x", "deadline": 5, "interval": 1})
        assert json.loads(double.requests()[0].body or "")["deadline"] == 5

    def test_a_client_with_other_options_shares_the_connections_and_leaves_the_first_as_it_was(self) -> None:
        seen: list[float] = []

        def respond(request: httpx.Request) -> httpx.Response:
            seen.append(request.extensions["timeout"]["read"])
            return httpx.Response(200, json={"credits": 1, "free-credits": 0})

        with Client(DEFAULT_KEY, base_url=BASE_URL, transport=httpx.MockTransport(respond)) as client:
            client.with_options(read_seconds=7).credits()
            client.credits()
        with pytest.raises(errors.ClientUnusable, match="closed"):
            client.with_options(read_seconds=7).generate_model(SLUG, {"prompt": "x"})
        assert seen == [7, 30]

    def test_a_v1_call_waits_for_its_image_and_no_call_for_longer_than_its_deadline(self) -> None:
        caller = World([]).caller(generate_seconds=99, read_seconds=40)

        def step(flow: Any) -> Send:
            send = next(flow)
            assert isinstance(send, Send)
            return send

        assert step(caller.generate(Call(), MODEL, {"prompt": "x"})).times(START).read == 99
        assert step(caller.submit(Call(), MODEL, {"prompt": "x"})).times(START).read == 40
        patient = World([]).caller(generate_seconds=99, read_seconds=200)
        assert step(patient.generate(Call(), MODEL, {"prompt": "x"})).times(START).read == 200
        assert step(caller.status(REQUEST_ID, until=START + 5)).times(START).total == 5

    def test_the_deadline_of_a_wait_does_not_end_a_v1_call(self) -> None:
        step: Any = next(World([]).caller(deadline=5, generate_seconds=99).generate(Call(), MODEL, {"prompt": "x"}))
        assert step.times(START).total > 99

    @pytest.mark.parametrize(
        ("left", "total"), [(5, 5), (0.5, 0.5), (0.2, 0.5), (0, 0.5), (-0.4, 0.5), (-0.5, 0.4), (-0.8, 0.1), (-9, 0.1)]
    )
    def test_a_request_about_a_paid_job_has_half_a_second_and_ends_within_a_second_of_the_deadline(
        self, left: float, total: float
    ) -> None:
        step: Any = next(World([]).caller().result(REQUEST_ID, until=START + left))
        assert step.times(START).total == pytest.approx(total)

    def test_a_request_without_a_deadline_ends_after_its_limits_and_five_minutes_for_the_body(self) -> None:
        step: Any = next(World([]).caller(connect_seconds=7, read_seconds=40).submit(Call(), MODEL, {"prompt": "x"}))
        times = step.times(START)
        assert (times.connect, times.read) == (7, 40)
        assert times.write == pytest.approx(30, abs=0.01)
        assert times.total == pytest.approx(7 + 30 + 40 + 300, abs=0.01)

    def test_a_large_body_may_be_sent_at_ten_kilobytes_a_second(self) -> None:
        step: Any = next(World([]).caller().submit(Call(), MODEL, {"prompt": "x" * 100_000}))
        times = step.times(START)
        assert times.write == pytest.approx(30 + 10, abs=0.01)
        assert times.total == pytest.approx(10 + 30 + 30 + 10 + 300, abs=0.01)

    def test_an_interval_is_a_tenth_of_a_second_at_least(self) -> None:
        world = World([state("QUEUED"), state("QUEUED"), refused(401)])
        with pytest.raises(errors.Unauthorized):
            world.play(world.caller(interval=0).wait(Call(), REQUEST_ID))
        assert world.pauses == pytest.approx([0.1, 0.1])


class TestUpdates:
    """Of a job of a double whose clock moves while the client waits."""

    @pytest.fixture
    def handle(self, address: str, clock: MovableClock) -> Iterator[JobHandle]:
        with Client(DEFAULT_KEY, base_url=address, clock=DoubleClock(clock)) as client:
            yield client.submit_model(SLUG, {"prompt": "x"})

    def test_each_state_comes_once_with_the_time_it_was_seen(self, handle: JobHandle) -> None:
        updates = list(handle.updates(interval=0.1))
        assert [update.status for update in updates] == ["QUEUED", "PROCESSING", "COMPLETED"]
        typical = MODEL.typical_latency_seconds or 0
        assert [update.elapsed for update in updates] == pytest.approx([0, typical / 10, typical], abs=0.2)
        assert updates[-1].job["metrics"]["cost"] == MODEL.price_usd
        assert handle.wait().cost == MODEL.price_usd

    def test_end_with_an_error_when_the_job_fails(self, handle: JobHandle, double: Double) -> None:
        updates = handle.updates(interval=0.1)
        assert next(updates).status == "QUEUED"
        double.fail(handle.request_id, "blocked")
        with pytest.raises(errors.InferenceFailed, match="blocked"):
            list(updates)

    def test_end_at_the_deadline(self, handle: JobHandle) -> None:
        with pytest.raises(errors.InferenceTimeout, match="within 2 s"):
            list(handle.updates(deadline=2, interval=0.5))

    def test_a_poll_that_fails_is_no_update(self, handle: JobHandle, double: Double) -> None:
        # Over the kept connection, then over another one, since neither response names the job.
        double.fail_next("getJobStatus", status=404, times=2)
        with pytest.raises(errors.NotFound, match=handle.request_id):
            list(handle.updates())
        double.fail_next("getJobStatus", status=502, times=9)
        assert [update.status for update in handle.updates()][-1] == "COMPLETED"

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_of_an_async_client_have_each_state_once(self, double: Double, clock: MovableClock, backend: str) -> None:
        async def statuses() -> list[str]:
            transport = DoubleTransport(double.app)
            url = "http://127.0.0.1"
            async with AsyncClient(DEFAULT_KEY, base_url=url, transport=transport, clock=DoubleClock(clock)) as client:
                job = await client.submit_model(SLUG, {"prompt": "x"})
                return [update.status async for update in job.updates(interval=0.1)]

        assert anyio.run(statuses, backend=backend) == ["QUEUED", "PROCESSING", "COMPLETED"]

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_of_an_async_client_may_be_left_before_their_end(self, double: Double, backend: str) -> None:
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
    def interrupted(responses: list[ApiResponse], call: Callable[[Client], object]) -> KeyboardInterrupt:
        """What comes out when Ctrl-C is pressed after these responses."""
        left = iter(responses)

        def respond(_: httpx.Request) -> httpx.Response:
            response = next(left, None)
            if response is None:
                raise KeyboardInterrupt
            return httpx.Response(response.status, headers=dict(response.headers), content=response.content)

        transport = httpx.MockTransport(respond)
        client = Client(DEFAULT_KEY, base_url=BASE_URL, transport=transport, clock=PauseClock())
        with client, pytest.raises(KeyboardInterrupt) as raised:
            call(client)
        return raised.value

    def test_of_a_wait_names_the_job(self, caplog: pytest.LogCaptureFixture) -> None:
        submitted = response(200, {"request_id": REQUEST_ID})
        error = self.interrupted([submitted, state("QUEUED")], lambda client: client.run_model(SLUG, {"prompt": "x"}))
        assert REQUEST_ID in error.__notes__[0]
        assert getattr(error, "request_id", None) == REQUEST_ID
        assert REQUEST_ID in caplog.text

    @pytest.mark.parametrize("method", ["submit_model", "run_model", "generate_model"])
    def test_of_a_post_on_its_way_says_that_it_may_have_been_accepted(self, method: str) -> None:
        error = self.interrupted([], lambda client: getattr(client, method)(SLUG, {"prompt": "x"}))
        assert "may have been accepted" in error.__notes__[0]

    def test_between_two_updates_names_the_job(self) -> None:
        error = self.interrupted([state("QUEUED")], lambda client: list(client.job(REQUEST_ID).updates()))
        assert REQUEST_ID in error.__notes__[0]

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_cancelling_the_updates_of_a_job_names_the_job(
        self, caplog: pytest.LogCaptureFixture, backend: str
    ) -> None:
        async def follow() -> None:
            transport = httpx.MockTransport(lambda _: httpx.Response(200, json=json_of(state("QUEUED"))))
            async with AsyncClient(DEFAULT_KEY, base_url=BASE_URL, transport=transport) as client:
                with anyio.move_on_after(0.01) as scope:
                    async for _ in client.job(REQUEST_ID).updates():
                        pass
                assert scope.cancelled_caught

        anyio.run(follow, backend=backend)
        assert REQUEST_ID in caplog.text

    def test_of_a_question_about_the_account_says_nothing(self) -> None:
        error = self.interrupted([], lambda client: client.credits())
        assert not hasattr(error, "__notes__")

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_cancelling_a_task_names_the_job(self, caplog: pytest.LogCaptureFixture, backend: str) -> None:
        async def wait() -> None:
            transport = httpx.MockTransport(lambda _: httpx.Response(200, json=json_of(state("QUEUED"))))
            async with AsyncClient(DEFAULT_KEY, base_url=BASE_URL, transport=transport) as client:
                with anyio.move_on_after(0) as scope:
                    await client.job(REQUEST_ID).wait()
                assert scope.cancelled_caught

        anyio.run(wait, backend=backend)
        assert REQUEST_ID in caplog.text


class TestResponses:
    def test_the_whole_response_is_within_reach_of_every_result(self, address: str) -> None:
        with Client(DEFAULT_KEY, base_url=address) as client:
            job = client.submit_model(SLUG, {"prompt": "x"})
            results = [job.submitted, job.status(), client.credits()]
        for result in results:
            assert result.response is not None
            assert (result.response.status, result.response.headers["content-type"]) == (200, "application/json")
            assert result.response.content.startswith(b"{")
            copy = pickle.loads(pickle.dumps(result))  # noqa: S301  our own
            assert (copy, copy.response) == (result, result.response)

    def test_a_part_of_a_response_has_none(self) -> None:
        assert SubmittedJob({}).response is None


def test_each_retry_is_logged_with_its_reason_and_without_the_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="segmind_client")
    world = World([refused(500), LOST, refused(401)])
    with pytest.raises(errors.Unauthorized):
        world.play(world.caller().credits())
    first, second = (record.getMessage() for record in caplog.records)
    assert first == "GET /v1/get-user-credits is retried in 1.0 s, attempt 2 of 4: the response was 500"
    assert "attempt 3 of 4" in second
    assert DEFAULT_KEY not in caplog.text


def test_the_signatures_of_the_two_clients_differ_only_in_what_they_await() -> None:
    for sync_kind, async_kind in ((Client, AsyncClient), (JobHandle, AsyncJobHandle)):
        for name, member in inspect.getmembers(sync_kind, inspect.isfunction):
            if not name.startswith("_"):
                other = getattr(async_kind, name)
                assert list(inspect.signature(member).parameters) == list(inspect.signature(other).parameters), name


OF_ANOTHER_TYPE: dict[str, Callable[[Any], object]] = {
    "a number as slug": lambda client: client.run(4),
    "None as slug": lambda client: client.run(None, prompt="x"),
    "an unhashable slug": lambda client: client.run([], prompt="x"),
    "an unhashable slug of a submit": lambda client: client.submit({}, prompt="x"),
    "an unhashable slug of a v1 call": lambda client: client.generate([], prompt="x"),
    "a number as slug that may be any": lambda client: client.run_model(4, {}),
    "None as slug that may be any": lambda client: client.run_model(None, {}),
    "an unhashable slug that may be any": lambda client: client.submit_model([], {}),
    "an unhashable slug of a v1 call that may be any": lambda client: client.generate_model({}, {}),
    "no parameters": lambda client: client.run_model(SLUG, None),
    "a number for parameters": lambda client: client.run_model(SLUG, 4),
    "a required parameter that is missing": lambda client: client.run(SLUG),
    "a required parameter that is None": lambda client: client.run(SLUG, prompt=None),
    "a parameter that JSON cannot carry": lambda client: client.run_model(SLUG, {"prompt": "x", "y": {1}}),
    "a number as request id": lambda client: client.job(4).status(),
    "None as request id": lambda client: client.job(None).status(),
    "an unhashable request id": lambda client: client.job([]).status(),
    "an empty request id": lambda client: client.job("").status(),
}


@pytest.mark.parametrize("call", OF_ANOTHER_TYPE.values(), ids=OF_ANOTHER_TYPE.keys())
def test_an_argument_of_another_type_is_refused_before_anything_is_sent_in_the_words_of_the_caller(
    call: Callable[[Any], object],
) -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise AssertionError("something was sent")

    client = Client(DEFAULT_KEY, base_url=BASE_URL, transport=httpx.MockTransport(refuse))
    with client, pytest.raises(errors.InvalidParameter) as raised:
        call(client)
    assert [word for word in ("UNSET", "Request.parameters") if word in str(raised.value)] == []
