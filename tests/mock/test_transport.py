"""The double called in process by httpx clients, sync and async, beside the same double on a real port."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from segmind_client import AsyncClient, Client, InferenceTimeout
from segmind_mock import DEFAULT_KEY, Double, MovableClock, Settings

PROMPT = {"prompt": "x"}
KEY = {"x-api-key": DEFAULT_KEY}
IN_PROCESS = "http://double"
SECONDS = 10.0

Send = Callable[..., httpx.Response]


@pytest.fixture
def settings() -> Settings:
    return Settings()


@pytest.fixture(params=["port", "sync", "asyncio", "trio"])
def send(request: pytest.FixtureRequest, double: Double, address: str) -> Iterator[Send]:
    """Calls the double: on a port, and in process with each kind of client."""
    how = request.param
    if how in ("port", "sync"):
        url, transport = (address, None) if how == "port" else (IN_PROCESS, double.transport())
        with httpx.Client(base_url=url, headers=KEY, transport=transport, timeout=None) as client:  # noqa: S113  bounded by the clock
            yield client.request
    else:

        def call(method: str, path: str, **options: Any) -> httpx.Response:
            async def carry_out() -> httpx.Response:
                transport = double.transport()
                client = httpx.AsyncClient(base_url=IN_PROCESS, headers=KEY, transport=transport, timeout=None)  # noqa: S113
                async with client:
                    return await client.request(method, path, **options)

            return anyio.run(carry_out, backend=how)

        yield call


class TestEveryWay:
    """What holds on a port and in process."""

    def test_a_job_is_submitted_polled_and_fetched(self, send: Send) -> None:
        submitted = send("POST", "/v2/imagen", json=PROMPT).json()
        assert send("GET", submitted["status_url"]).json()["status"] == "COMPLETED"
        assert send("GET", submitted["response_url"]).json()["output"]

    def test_an_image_is_fetched(self, send: Send) -> None:
        output = send("POST", "/v1/imagen", json=PROMPT).json()["output"]
        url = output if isinstance(output, str) else output[0]["url"]
        assert send("GET", url).content.startswith(b"\x89PNG")

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_a_dropped_connection_is_no_response(self, send: Send, double: Double, when: str) -> None:
        with pytest.raises(httpx.RemoteProtocolError, match="disconnected without sending a response"):
            send("POST", "/v2/imagen", json=PROMPT, headers={"prefer": f"drop={when}"})
        assert len(double.requests(accepted=True)) == (when == "after")

    @pytest.mark.parametrize("share", [0, 0.5, 0.99])
    def test_a_cut_body_is_an_error(self, send: Send, double: Double, share: float) -> None:
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
            send("POST", "/v2/imagen", json=PROMPT, headers={"prefer": f"truncate={share}"})
        assert len(double.requests(accepted=True)) == 1

    def test_a_body_that_is_cut_after_its_end_is_whole(self, send: Send) -> None:
        response = send("POST", "/v2/imagen", json=PROMPT, headers={"prefer": "truncate=1"})
        assert response.json()["status"] == "QUEUED"

    def test_latency_passes_on_the_doubles_clock(self, send: Send, clock: MovableClock) -> None:
        before = clock.now()
        assert send("POST", "/v2/imagen", json=PROMPT, headers={"prefer": "latency=3000"}).status_code == 200
        assert clock.now() == before + 3000

    def test_a_status_fault_is_its_status(self, send: Send) -> None:
        assert send("POST", "/v2/imagen", json=PROMPT, headers={"prefer": "code=503"}).status_code == 503

    def test_a_response_to_head_has_no_body(self, send: Send) -> None:
        response = send("HEAD", "/v1/imagen")
        assert (response.status_code, response.content) == (405, b"")

    def test_a_streamed_request_is_read(self, send: Send, double: Double, request: pytest.FixtureRequest) -> None:
        async def parts() -> Any:
            for part in (b'{"prompt":', b'"x"}'):
                yield part

        is_async = "asyncio" in request.node.name or "trio" in request.node.name
        content = parts() if is_async else iter([b'{"prompt":', b'"x"}'])
        headers = {"content-type": "application/json"}
        assert send("POST", "/v2/imagen", content=content, headers=headers).status_code == 200
        assert double.requests()[0].body == '{"prompt":"x"}'

    def test_the_admin_interface_is_served(self, send: Send) -> None:
        assert send("GET", "/_mock/clock").json()["now"] > 0


@pytest.fixture(params=["sync", "asyncio", "trio"])
def send_in_process(request: pytest.FixtureRequest, double: Double) -> Callable[..., httpx.Response]:
    """Calls the double in process with each kind of client, and with a timeout in seconds."""

    def call(path: str, seconds: float | None, **options: Any) -> httpx.Response:
        shared: Any = {"base_url": IN_PROCESS, "headers": KEY, "timeout": seconds}
        if request.param == "sync":
            with httpx.Client(transport=double.transport(), **shared) as client:
                return client.post(path, json=PROMPT, **options)

        async def carry_out() -> httpx.Response:
            async with httpx.AsyncClient(transport=double.transport(), **shared) as client:
                return await client.post(path, json=PROMPT, **options)

        return anyio.run(carry_out, backend=request.param)

    return call


class TestReadTimeout:
    """In process, a request's read timeout counts by the double's clock."""

    def test_latency_beyond_the_timeout_is_a_read_timeout_at_its_moment(
        self, send_in_process: Send, clock: MovableClock
    ) -> None:
        before = clock.now()
        with pytest.raises(httpx.ReadTimeout, match="no response within 5 seconds by the double's clock"):
            send_in_process("/v2/imagen", 5, headers={"prefer": "latency=400"})
        assert clock.now() == before + 5

    def test_latency_up_to_the_timeout_is_waited_for(self, send_in_process: Send, clock: MovableClock) -> None:
        before = clock.now()
        assert send_in_process("/v2/imagen", 5, headers={"prefer": "latency=5"}).status_code == 200
        assert clock.now() == before + 5

    def test_without_a_timeout_any_latency_is_waited_for(self, send_in_process: Send) -> None:
        assert send_in_process("/v2/imagen", None, headers={"prefer": "latency=3600"}).status_code == 200

    def test_a_submit_that_a_read_timeout_ends_was_accepted(self, send_in_process: Send, double: Double) -> None:
        with pytest.raises(httpx.ReadTimeout):
            send_in_process("/v2/imagen", 5, headers={"prefer": "latency=6"})
        assert [(row.status, row.accepted) for row in double.requests()] == [(499, True)]

    def test_a_request_that_its_transport_gives_no_timeout_is_waited_for(self, double: Double) -> None:
        headers = {**KEY, "prefer": "latency=3600"}
        request = httpx.Request("POST", f"{IN_PROCESS}/v2/imagen", headers=headers, json=PROMPT)
        assert double.transport().handle_request(request).status_code == 200

    def test_a_drop_that_is_due_before_the_timeout_is_a_dropped_connection(self, send_in_process: Send) -> None:
        with pytest.raises(httpx.RemoteProtocolError):
            send_in_process("/v2/imagen", 5, headers={"prefer": "latency=4, drop=after"})

    def test_a_drop_that_is_due_after_the_timeout_is_a_read_timeout(self, send_in_process: Send) -> None:
        with pytest.raises(httpx.ReadTimeout):
            send_in_process("/v2/imagen", 5, headers={"prefer": "latency=6, drop=after"})

    def test_a_client_that_waits_by_the_same_clock_keeps_its_deadline(
        self, double: Double, clock: MovableClock
    ) -> None:
        transport, before = double.transport(), clock.now()
        double.add_fault({"latency": 400}, operation_id="getJobStatus")
        options: Any = {"base_url": "http://127.0.0.1", "transport": transport, "clock": clock}
        with Client(DEFAULT_KEY, deadline=10, read_seconds=5, **options) as client, pytest.raises(InferenceTimeout):
            client.run("imagen-4", prompt="x")
        assert clock.now() - before <= 15


class TestReadTimeoutOfV1:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(latency_factor=1)

    def test_a_v1_call_that_a_read_timeout_ends_is_not_charged(self, send_in_process: Send, double: Double) -> None:
        with pytest.raises(httpx.ReadTimeout):
            send_in_process("/v1/imagen", 5)
        account = double.account()
        assert (account.credits, account.reserved) == (100, 0)
        assert [(row.status, row.accepted) for row in double.requests()] == [(499, False)]

    def test_the_wait_of_a_v1_call_and_latency_count_together(
        self, send_in_process: Send, double: Double, clock: MovableClock
    ) -> None:
        before = clock.now()
        with pytest.raises(httpx.ReadTimeout):
            send_in_process("/v1/imagen", 10, headers={"prefer": "latency=5"})
        assert clock.now() == before + 10
        assert [(row.status, row.accepted) for row in double.requests()] == [(499, True)]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancelled_call_is_in_the_journal_as_one_whose_caller_hung_up(backend: str) -> None:
    clock = EndlessClock()
    double = Double(clock=clock)

    async def call_and_cancel() -> None:
        transport = double.transport()
        async with httpx.AsyncClient(base_url=IN_PROCESS, headers=KEY, transport=transport) as client:
            with anyio.fail_after(SECONDS):
                async with anyio.create_task_group() as group:
                    prefer = {"prefer": "latency=1"}
                    group.start_soon(partial(client.post, "/v2/imagen", json=PROMPT, headers=prefer))
                    await anyio.to_thread.run_sync(clock.is_asleep.wait, SECONDS)
                    group.cancel_scope.cancel()

    anyio.run(call_and_cancel, backend=backend)
    assert [(row.status, row.accepted) for row in double.requests()] == [(499, True)]


class TestSync:
    def test_the_headers_of_a_cut_response_come_before_the_error(self, double: Double) -> None:
        with httpx.Client(base_url=IN_PROCESS, headers=KEY, transport=double.transport()) as client:
            prefer = {"prefer": "truncate=0.5"}
            with client.stream("POST", "/v2/imagen", json=PROMPT, headers=prefer) as response:
                assert response.status_code == 200
                parts = response.iter_bytes()
                assert next(parts).startswith(b"{")
                with pytest.raises(httpx.RemoteProtocolError, match="received"):
                    next(parts)

    def test_a_client_runs_a_job(self, double: Double) -> None:
        with Client(DEFAULT_KEY, base_url="http://127.0.0.1", transport=double.transport()) as client:
            assert client.run("imagen-4", prompt="x").status == "COMPLETED"

    def test_an_async_client_runs_a_job(self, double: Double) -> None:
        async def run() -> str:
            transport = double.transport()
            async with AsyncClient(DEFAULT_KEY, base_url="http://127.0.0.1", transport=transport) as client:
                return str((await client.run("imagen-4", prompt="x")).status)

        assert anyio.run(run) == "COMPLETED"

    def test_threads_call_at_the_same_time(self, double: Double) -> None:
        with httpx.Client(base_url=IN_PROCESS, headers=KEY, transport=double.transport()) as client:

            def submit(_: int) -> str:
                return str(client.post("/v2/imagen", json=PROMPT).json()["request_id"])

            with ThreadPoolExecutor(8) as pool:
                ids = set(pool.map(submit, range(100)))
        assert len(ids) == len(double.requests("submitImagen", accepted=True)) == 100

    def test_a_call_that_waits_does_not_hold_up_another(self) -> None:
        clock = HeldClock()
        double = Double(clock=clock)
        with (
            httpx.Client(base_url=IN_PROCESS, headers=KEY, transport=double.transport()) as client,
            ThreadPoolExecutor(1) as pool,
        ):
            slow = pool.submit(client.get, "/v1/get-user-credits", headers={"prefer": "latency=1"})
            assert clock.is_asleep.wait(SECONDS)
            assert client.get("/v1/get-user-credits").status_code == 200
            assert not slow.done()
            clock.may_wake.set()
            assert slow.result(SECONDS).status_code == 200

    def test_a_sync_call_is_made_where_an_event_loop_runs(self, double: Double) -> None:
        async def call() -> int:
            with httpx.Client(base_url=IN_PROCESS, headers=KEY, transport=double.transport()) as client:
                # The event loop of this thread stands still meanwhile.
                return client.get("/v1/get-user-credits").status_code  # noqa: ASYNC212  the sync client is what is tested

        assert anyio.run(call) == 200

    def test_what_the_request_raises_is_raised(self, double: Double) -> None:
        def broken() -> Iterator[bytes]:
            yield b"{"
            raise OSError("no more")

        with (
            httpx.Client(base_url=IN_PROCESS, headers=KEY, transport=double.transport()) as client,
            pytest.raises(OSError, match="no more"),
        ):
            client.post("/v2/imagen", content=broken())
        assert double.requests() == []

    def test_an_interrupted_call_is_one_whose_caller_hung_up(self) -> None:
        clock = EndlessClock()
        double = Double(Settings(latency_factor=1), clock=clock)

        def interrupt() -> None:
            clock.is_asleep.wait(SECONDS)
            os.kill(os.getpid(), signal.SIGINT)

        # A test run that was started in the background ignores Ctrl-C.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with (
                httpx.Client(base_url=IN_PROCESS, headers=KEY, transport=double.transport()) as client,
                ThreadPoolExecutor(1) as pool,
            ):
                pool.submit(interrupt)
                with pytest.raises(KeyboardInterrupt):
                    client.post("/v1/imagen", json=PROMPT)
                assert client.get("/v1/get-user-credits").json()["credits"] == 100
        finally:
            signal.signal(signal.SIGINT, before)
        assert [(row.status, row.accepted) for row in double.requests("generateImagen")] == [(499, False)]

    def test_calls_at_the_same_time_leave_few_event_loops_open(self) -> None:
        at_once = 40
        transport = Double(clock=MeetingClock(at_once)).transport()

        def call(_: int) -> int:
            with httpx.Client(base_url=IN_PROCESS, headers=KEY, transport=transport) as client:
                return client.get("/v1/get-user-credits", headers={"prefer": "latency=1"}).status_code

        before = open_descriptors()
        with ThreadPoolExecutor(at_once) as pool:
            assert set(pool.map(call, range(at_once))) == {200}
        # Each loop has a selector and a pair of sockets.
        assert open_descriptors() - before <= 3 * 16

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
    def test_a_process_that_was_forked_after_a_call_makes_calls(self) -> None:
        program = """
import os, httpx
from segmind_mock import DEFAULT_KEY, Double
client = httpx.Client(base_url="http://double", headers={"x-api-key": DEFAULT_KEY}, transport=Double().transport())
client.get("/v1/get-user-credits")
if os.fork() == 0:
    print(client.get("/v1/get-user-credits").status_code, flush=True)
    os._exit(0)
os.wait()
"""
        run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=30)
        assert run.stdout == "200\n", run.stderr

    def test_a_program_that_leaves_its_client_open_ends_without_a_warning(self) -> None:
        program = """
import httpx
from segmind_mock import DEFAULT_KEY, Double
client = httpx.Client(base_url="http://double", headers={"x-api-key": DEFAULT_KEY}, transport=Double().transport())
print(client.get("/v1/get-user-credits").status_code)
"""
        command = [sys.executable, "-X", "dev", "-W", "error", "-c", program]
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        assert (run.returncode, run.stdout, run.stderr) == (0, "200\n", "")


def open_descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


class EndlessClock(MovableClock):
    """Time in which nobody who sleeps wakes up."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asleep = threading.Event()

    async def sleep(self, seconds: float) -> None:  # noqa: ARG002  what the clock that it replaces takes
        self.is_asleep.set()
        await anyio.sleep_forever()


class MeetingClock(MovableClock):
    """Time in which sleepers wake as soon as there are enough of them."""

    def __init__(self, sleepers: int) -> None:
        super().__init__()
        self._together = threading.Barrier(sleepers)

    async def sleep(self, seconds: float) -> None:  # noqa: ARG002  what the clock that it replaces takes
        await anyio.to_thread.run_sync(self._together.wait, SECONDS)


class HeldClock(MovableClock):
    """Time that a test lets pass."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asleep = threading.Event()
        self.may_wake = threading.Event()

    async def sleep(self, seconds: float) -> None:
        self.is_asleep.set()
        await anyio.to_thread.run_sync(self.may_wake.wait, SECONDS)
        await super().sleep(seconds)
