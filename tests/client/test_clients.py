"""The clients against the double on a real port, sync and async."""

from __future__ import annotations

import subprocess
import sys
import uuid
from typing import Any

import anyio
import httpx
import pytest

import segmind_client as segmind
from segmind_api.catalog import JOB_RETENTION_SECONDS, MODELS
from segmind_api.client import API_KEY_VARIABLE
from segmind_api.models import GenerationOutput
from segmind_client import AsyncClient, Client, errors
from segmind_mock import DEFAULT_KEY, Double, MovableClock
from tests.support.clock import PauseClock
from tests.support.internals import BASE_URL_VARIABLE
from tests.support.world import REQUEST_ID

SLUG = next(iter(MODELS))
SECRET = "SG_5ec4e75ec4e75ec4"  # noqa: S105  nobody holds it


@pytest.fixture
def double(clock: MovableClock) -> Double:
    """A double whose jobs complete at once."""
    return Double(clock=clock)


@pytest.fixture(autouse=True)
def environment(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(API_KEY_VARIABLE, DEFAULT_KEY)
    monkeypatch.setenv(BASE_URL_VARIABLE, address)


class TestClient:
    @pytest.mark.parametrize("slug", MODELS)
    def test_runs_every_model(self, slug: str) -> None:
        with Client() as client:
            result = client.run_model(slug, {"prompt": "x"})
            assert result.status == "COMPLETED"
            assert result.metrics.cost == MODELS[slug].price_usd
            generation = client.generate_model(slug, {"prompt": "x"})
            assert isinstance(generation.output, GenerationOutput)
            assert generation.headers.cost == MODELS[slug].price_usd

    def test_picks_up_a_job_in_another_client(self) -> None:
        with Client() as client:
            request_id = client.submit_model(SLUG, {"prompt": "x"}).request_id
        with Client() as client:
            job = client.job(request_id)
            assert job.status().status == "COMPLETED"
            assert job.result() == job.wait()

    def test_a_job_that_failed_raises(self, double: Double) -> None:
        with Client() as client:
            double.add_fault({"fail": "blocked"}, times=1)
            job = client.submit_model(SLUG, {"prompt": "x"})
            with pytest.raises(segmind.InferenceFailed, match="blocked"):
                job.wait()

    def test_a_model_outside_the_contract_is_called_by_its_slug(self) -> None:
        with Client() as client, pytest.raises(errors.NotFound, match="/v2/no-such-model"):
            client.run_model("no-such-model", {"anything": 1})

    @pytest.mark.parametrize(
        ("method", "slug", "parameter", "hint"),
        [
            ("run", "imagen-4", "negativ_prompt", "did you mean negative_prompt[?]"),
            ("submit", "imagen-4", "deadline", "one of the parameters prompt, aspect_ratio"),
            ("generate", "imagen-5", "seed", "did you mean imagen"),
        ],
    )
    def test_a_misspelt_name_is_refused_before_it_costs_anything(
        self, double: Double, method: str, slug: str, parameter: str, hint: str
    ) -> None:
        with Client() as client, pytest.raises(errors.InvalidParameter, match=hint):
            getattr(client, method)(slug, prompt="x", **{parameter: "y"})
        assert double.requests() == []

    def test_a_misspelt_parameter_is_not_said_to_be_an_option(self) -> None:
        with Client() as client, pytest.raises(errors.InvalidParameter) as raised:
            getattr(client, "run")("imagen-4", prompt="x", negativ_prompt="y")  # noqa: B009  what type checkers refuse
        assert "with_options" not in str(raised.value)

    def test_a_slug_that_is_no_text_is_named_as_the_slug_of_the_model(self) -> None:
        with Client() as client, pytest.raises(errors.InvalidParameter, match=r"^Model\.slug: expected a string"):
            client.run_model(4, {})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  what checkers refuse

    @pytest.mark.parametrize("name", ["deadline", "attempts"])
    def test_an_option_among_the_parameters_is_refused_with_the_way_to_pass_it(self, name: str) -> None:
        with Client() as client, pytest.raises(errors.InvalidParameter, match=rf"use with_options\({name}="):
            getattr(client, "run")("imagen-4", prompt="x", **{name: 3})  # noqa: B009  what type checkers refuse

    @pytest.mark.parametrize("method", ["wait", "updates"])
    def test_an_option_that_there_is_not_is_named(self, method: str) -> None:
        with Client() as client, pytest.raises(errors.InvalidParameter, match="timeout: expected one of deadline"):
            list(getattr(client.job("id"), method)(timeout=3))

    @pytest.mark.parametrize("request_id", ["", "..", None, 7, uuid.UUID(int=0)])
    def test_a_request_id_that_cannot_be_one_is_refused_at_once(self, request_id: Any) -> None:
        with Client() as client, pytest.raises(errors.InvalidParameter, match="request_id: expected an id"):
            client.job(request_id)

    @pytest.mark.parametrize("kind", [Client, AsyncClient])
    @pytest.mark.parametrize("value", ["1", "true", "yes", "TRUE"])
    def test_the_environment_allows_plain_http(
        self, monkeypatch: pytest.MonkeyPatch, kind: type[Client | AsyncClient], value: str
    ) -> None:
        monkeypatch.setenv("SEGMIND_ALLOW_HTTP", value)
        assert "http://double:4010" in repr(kind(base_url="http://double:4010"))

    @pytest.mark.parametrize("value", ["0", "false", "no", "", None])
    def test_plain_http_to_another_machine_is_refused_unless_the_environment_allows_it(
        self, monkeypatch: pytest.MonkeyPatch, value: str | None
    ) -> None:
        monkeypatch.delenv("SEGMIND_ALLOW_HTTP", raising=False)
        if value is not None:
            monkeypatch.setenv("SEGMIND_ALLOW_HTTP", value)
        with pytest.raises(errors.InvalidParameter, match="SEGMIND_ALLOW_HTTP=1 in the environment"):
            Client(base_url="http://double:4010")

    def test_an_argument_counts_more_than_what_the_environment_says_of_plain_http(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SEGMIND_ALLOW_HTTP", "1")
        with pytest.raises(errors.InvalidParameter, match="expected https"):
            Client(base_url="http://double:4010", allow_http=False)

    @pytest.mark.parametrize("value", ["on", "2", "nope", " 1"])
    def test_another_value_of_the_variable_for_plain_http_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, value: str
    ) -> None:
        monkeypatch.setenv("SEGMIND_ALLOW_HTTP", value)
        with pytest.raises(errors.InvalidParameter, match="SEGMIND_ALLOW_HTTP: expected one of 1, true, yes"):
            Client()


class TestAsyncClient:
    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_does_what_the_sync_client_does(self, backend: str) -> None:
        async def use() -> None:
            async with AsyncClient() as client:
                before = (await client.credits()).credits
                result = await client.run_model(SLUG, {"prompt": "x"})
                job = await client.submit_model(SLUG, {"prompt": "x"})
                assert (await job.status()).status == "COMPLETED"
                assert (await client.job(job.request_id).result()) == await job.wait()
                generation = await client.generate_model(SLUG, {"prompt": "x"})
                assert generation.response.status == 200
                price = result.metrics.cost
                assert (await client.credits()).credits == pytest.approx(before - 3 * price)

        anyio.run(use, backend=backend)


class TestKey:
    @pytest.mark.parametrize("key", ["", 123])
    def test_a_key_that_is_none_is_not_replaced_by_the_environments(self, key: Any) -> None:
        with pytest.raises(errors.MissingKey):
            Client(key)

    @pytest.mark.parametrize("key", ["SG_\n", "SG 1", "SG_é", "https://user:password@a.example", "Bearer:x", '"SG_1"'])
    def test_a_key_that_cannot_be_one_is_refused_without_showing_it(self, key: str) -> None:
        with pytest.raises(errors.MissingKey, match="the API key cannot be one") as raised:
            Client(key)
        assert key not in str(raised.value)

    @pytest.mark.parametrize(
        ("key", "problem"),
        [
            ("SG_1\n", "begins or ends with white space"),
            ("Bearer SG_1", "begins with Bearer"),
            ("https://a.example", "looks like a URL"),
            ("SG 1", "has a character that no key has"),
        ],
    )
    def test_the_message_about_a_key_that_cannot_be_one_says_why(self, key: str, problem: str) -> None:
        with pytest.raises(errors.MissingKey, match=f"the API key cannot be one, it {problem}"):
            Client(key)

    @pytest.mark.parametrize("kind", [Client, AsyncClient])
    @pytest.mark.parametrize("key", [5, True, b"SG_0123456789abcdef", ["SG_0123456789abcdef"]])
    def test_a_key_of_another_type_is_said_to_be_of_another_type(
        self, kind: type[Client | AsyncClient], key: Any
    ) -> None:
        with pytest.raises(errors.MissingKey, match=f"has to be a string, not {type(key).__name__}") as raised:
            kind(key)
        assert str(key) not in str(raised.value)

    def test_a_missing_key_is_an_error_that_says_what_to_do(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv(API_KEY_VARIABLE)
        with pytest.raises(errors.MissingKey, match="set SEGMIND_API_KEY"):
            Client()

    def test_a_key_is_not_sent_along_a_redirect_or_to_a_url_in_a_response(self) -> None:
        hosts: list[str] = []

        def elsewhere(request: httpx.Request) -> httpx.Response:
            hosts.append(request.url.host)
            if request.method == "GET":
                return httpx.Response(307, headers={"location": "https://elsewhere.example/"})
            url = "https://elsewhere.example/status"
            return httpx.Response(200, json={"request_id": "id", "status": "QUEUED", "status_url": url})

        with Client(SECRET, base_url="https://service.example", transport=httpx.MockTransport(elsewhere)) as client:
            with pytest.raises(errors.ForeignURL, match=r"https://elsewhere\.example:443") as raised:
                client.submit_model(SLUG, {"prompt": "x"})
            with pytest.raises(errors.UnreadableResponse):
                client.job(raised.value.request_id or "").status()
        assert hosts == ["service.example"] * 2


def test_the_result_of_a_running_an_expired_and_an_unknown_job_reads_differently() -> None:
    clock = PauseClock()
    submitted = {"request_id": REQUEST_ID, "status": "QUEUED"}
    running = {"request_id": REQUEST_ID, "status": "PROCESSING"}
    absent = (404, {"error": "no such request, or it has expired"})
    responses = [(200, submitted), absent, (200, running)]

    def respond(_: httpx.Request) -> httpx.Response:
        status, body = responses.pop(0) if responses else absent
        return httpx.Response(status, json=body)

    transport = httpx.MockTransport(respond)
    with Client(base_url="https://service.example", transport=transport, clock=clock) as client:

        def message(job: segmind.JobHandle) -> str:
            with pytest.raises(errors.NotFound, match=REQUEST_ID) as raised:
                job.result()
            return raised.value.detail

        clock.sleep_until(1_000)
        job = client.submit_model(SLUG, {"prompt": "x"})
        assert message(job).startswith("there is no result yet: the job is PROCESSING; wait() waits for it")
        clock.sleep_until(1_000 + JOB_RETENTION_SECONDS - 1)
        assert message(job) == message(client.job(REQUEST_ID))
        clock.sleep_until(1_000 + JOB_RETENTION_SECONDS)
        assert message(job).startswith("the job has expired: it was submitted 60 minutes ago")


class Failing(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Raises an exception of httpx, before or after the body of the request is read."""

    def __init__(self, kind: type[httpx.HTTPError], *, reads: bool) -> None:
        self.kind = kind
        self.reads = reads
        self.requests = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        if self.reads:
            request.read()
        raise self.kind("broken")

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        if self.reads:
            await request.aread()
        raise self.kind("broken")


TRANSPORT_ERRORS: list[type[httpx.HTTPError]] = [
    *(httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol),
    *(httpx.LocalProtocolError, httpx.RemoteProtocolError, httpx.DecodingError, httpx.CloseError),
    *(httpx.ReadTimeout, httpx.WriteTimeout, httpx.ReadError, httpx.WriteError),
]


@pytest.mark.parametrize("method", ["submit_model", "generate_model"])
@pytest.mark.parametrize("reads", [True, False], ids=["sent", "not sent"])
@pytest.mark.parametrize("kind", TRANSPORT_ERRORS)
class TestWhetherAPostWasSent:
    """Follows from whether the transport began its body, never from what the transport raises."""

    @staticmethod
    def check(error: errors.SegmindError, transport: Failing, *, reads: bool) -> None:
        assert type(error) is (errors.MayHaveBeenAccepted if reads else errors.NotSent)
        assert ("https://service.example was not reached" in str(error)) == (not reads)
        assert transport.requests == (1 if reads else 4)

    def test_is_known_to_a_sync_client(self, kind: type[httpx.HTTPError], method: str, *, reads: bool) -> None:
        transport = Failing(kind, reads=reads)
        client = Client(base_url="https://service.example", transport=transport, clock=PauseClock())
        with client, pytest.raises(segmind.SegmindError) as raised:
            getattr(client, method)(SLUG, {"prompt": "x"})
        self.check(raised.value, transport, reads=reads)

    def test_is_known_to_an_async_client(self, kind: type[httpx.HTTPError], method: str, *, reads: bool) -> None:
        transport = Failing(kind, reads=reads)

        async def call() -> None:
            async with AsyncClient(
                base_url="https://service.example", transport=transport, clock=PauseClock()
            ) as client:
                await getattr(client, method)(SLUG, {"prompt": "x"})

        with pytest.raises(segmind.SegmindError) as raised:
            anyio.run(call)
        self.check(raised.value, transport, reads=reads)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("host", ["a..b", "a" * 64, ".host"])
def test_a_host_that_cannot_be_one_is_refused_at_once(kind: type[Client | AsyncClient], host: str) -> None:
    with pytest.raises(errors.InvalidParameter, match="base_url: expected a URL"):
        kind(base_url=f"https://{host}")


def test_importing_the_client_imports_neither_httpx_nor_attrs() -> None:
    program = "import sys, segmind_client; print({'httpx', 'attrs', 'segmind_api'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


def test_every_public_name_is_found_and_no_other() -> None:
    for name in segmind.__all__:
        assert getattr(segmind, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = segmind.no_such_name


def test_the_package_has_the_names_that_it_lists_and_no_others() -> None:
    assert dir(segmind) == sorted(segmind.__all__)
    assert set(errors.__all__) < set(segmind.__all__)
    assert all(getattr(segmind, name) is not None for name in segmind.__all__)
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(segmind, "errors")
        assert segmind.errors is errors
    with pytest.raises(AttributeError, match="nonsense"):
        getattr(segmind, "nonsense")  # noqa: B009  a name that type checkers know to be missing


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_model_of_the_contract_is_called_with_await_by_its_slug(backend: str) -> None:
    async def call() -> None:
        async with AsyncClient() as client:
            result = await client.run("imagen-4", prompt="x", aspect_ratio="1:1")
            job = await client.submit("imagen", prompt="x")
            generation = await client.generate("imagen-4-fast", prompt="x", width=300)
            assert result.status == "COMPLETED"
            assert (await job.status()).status == "COMPLETED"
            assert (await job.result()).request_id == job.request_id
            assert job.request_id in repr(job)
            assert generation.cost == MODELS["imagen-4-fast"].price_usd

    anyio.run(call, backend=backend)
