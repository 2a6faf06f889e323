"""The vendor's names: what programs written for the vendor's package find here, and what they do not."""

from __future__ import annotations

import copy
import gc
import gzip
import json
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

import segmind_client
from segmind_api.client import API_KEY_VARIABLE
from segmind_api.types import ApiResponse
from segmind_client import errors
from segmind_mock import DEFAULT_KEY, Double, MovableClock
from tests.support import servers
from tests.support.internals import BASE_URL_VARIABLE, Sender, Sent, Times, vendor
from tests.support.servers import REQUEST_ID, End, HostileServer, Step, respond_with

SLUG: Final = "imagen-4"
UNKNOWN_KEY = "SG_ffffffffffffffff"
PNG = b"\x89PNG\r\n\x1a\n"
# The vendor's package is untyped; ours is called as untyped programs call it.
THEIRS: Any = import_module("segmind")
OURS: Any = segmind_client


@pytest.fixture
def double(clock: MovableClock) -> Double:
    """A double whose jobs complete at once."""
    return Double(clock=clock)


@pytest.fixture(autouse=True)
def environment(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(API_KEY_VARIABLE, DEFAULT_KEY)
    monkeypatch.setenv(BASE_URL_VARIABLE, address)


@pytest.fixture(params=[THEIRS, OURS], ids=["theirs", "ours"])
def segmind(request: pytest.FixtureRequest, address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Each of the two packages, on the double."""
    if request.param is OURS:
        yield OURS
        return
    client = THEIRS.SegmindClient(base_url=f"{address}/v1")
    monkeypatch.setattr(THEIRS, "_default_client", client)
    yield THEIRS
    # It has no way to close its connections.
    client._client.close()


@pytest.fixture
def client(segmind: Any, address: str) -> Iterator[Any]:
    """A client of each of the two packages, as their users make one."""
    client = segmind.SegmindClient(DEFAULT_KEY, f"{address}/v1", 5.0)
    yield client
    if segmind is THEIRS:
        client._client.close()


class TestTheSameProgramWithBothPackages:
    def test_run_gives_a_dict(self, segmind: Any) -> None:
        result = segmind.run(SLUG, prompt="x", negative_prompt="blurry", aspect_ratio="4:3")
        assert json.loads(json.dumps(result)) == result
        assert result["status"] == "COMPLETED"
        assert str(result.get("output")).endswith(".png")
        assert result["metrics"]["inference_time"] == 0
        assert isinstance(result["metrics"], dict)
        assert {**result, "more": 1}["more"] == 1
        assert repr(result).startswith("{'")
        assert isinstance(result, dict)

    def test_the_slug_may_be_given_by_name(self, segmind: Any, client: Any) -> None:
        for place in (segmind, client):
            assert place.run(slug=SLUG, prompt="x")["status"] == "COMPLETED"
            assert place.run_sync(slug=SLUG, prompt="x").status_code == 200
            assert place.submit_async(slug=SLUG, prompt="x").wait()["status"] == "COMPLETED"

    def test_run_sync_gives_a_response_of_httpx(self, segmind: Any) -> None:
        response = segmind.run_sync(SLUG, prompt="x")
        assert isinstance(response, httpx.Response)
        assert response.raise_for_status() is response
        assert (response.status_code, response.is_success, response.reason_phrase) == (200, True, "OK")
        assert response.json()["output"].endswith(".png")
        assert json.loads(response.content) == json.loads(response.text) == response.json()
        assert response.headers["Content-Type"] == "application/json"
        assert response.url.path == f"/v1/{SLUG}"
        assert response.request.method == "POST"
        assert response.elapsed.total_seconds() < 60
        assert b"".join(response.iter_bytes()) == response.content

    def test_a_submitted_job_is_waited_for(self, segmind: Any) -> None:
        job = segmind.submit_async(SLUG, prompt="x")
        for response in (job.submit_response, job.status(), job.wait(timeout=3, interval=0.1), job.result()):
            assert isinstance(response, dict)
            assert json.loads(json.dumps(response))["request_id"] == job.request_id
        assert job.status_url.endswith(f"{job.request_id}/status")
        assert job.response_url.endswith(job.request_id)
        assert job.status()["status"] == "COMPLETED"
        assert job.wait() == job.result()
        assert job.request_id in repr(job)

    def test_a_job_that_failed_has_a_status_and_a_result_and_ends_the_wait_with_an_error(
        self, segmind: Any, double: Double
    ) -> None:
        double.add_fault({"fail": "blocked"}, times=1)
        job = segmind.submit_async(SLUG, prompt="x")
        assert (job.status()["status"], job.status()["error"]) == ("FAILED", "blocked")
        assert (job.result()["status"], job.result()["error"]) == ("FAILED", "blocked")
        with pytest.raises(segmind.InferenceFailed) as raised:
            job.wait()
        assert raised.value.detail == raised.value.status_body["error"] == "blocked"
        assert raised.value.status_body["status"] == "FAILED"

    def test_a_client_takes_the_vendors_arguments(self, client: Any, address: str) -> None:
        assert client.run(SLUG, prompt="x")["status"] == "COMPLETED"
        assert client.run_sync(SLUG, prompt="x").json()["output"]
        assert client.submit_async(SLUG, prompt="x").wait()["status"] == "COMPLETED"
        assert (client.base_url, client.timeout) == (f"{address}/v1", 5.0)

    def test_an_empty_key_is_that_of_the_environment(self, segmind: Any, address: str) -> None:
        client = segmind.SegmindClient(api_key="", base_url=f"{address}/v1")
        assert client.run_sync(SLUG, prompt="x").status_code == 200
        if segmind is THEIRS:
            client._client.close()

    @pytest.mark.parametrize("call", ["run", "run_sync", "submit_async"])
    @pytest.mark.parametrize(
        ("slug", "params"),
        [
            ("imagen-4-fast", {"prompt": "x", "width": 100_000}),
            ("imagen-4-fast", {"prompt": "x", "steps": "many"}),
            (SLUG, {"prompt": "x", "aspect_ratio": "2:1"}),
            (SLUG, {}),
            (SLUG, {"prompt": None}),
        ],
    )
    def test_a_value_out_of_range_is_an_error_with_the_services_status_and_free(
        self, segmind: Any, client: Any, double: Double, call: str, slug: str, params: dict[str, Any]
    ) -> None:
        for place in (segmind, client):
            with pytest.raises(segmind.SegmindError) as raised:
                getattr(place, call)(slug, **params)
            assert raised.value.status == 400
        assert double.billed_requests() == []

    def test_every_keyword_goes_into_the_body_whatever_its_name(self, segmind: Any, double: Double) -> None:
        segmind.run(SLUG, prompt="x", timeout=3, deadline=1, interval=2)
        body = json.loads(double.requests("submitImagen4")[0].body or "")
        assert body == {"prompt": "x", "timeout": 3, "deadline": 1, "interval": 2}

    @pytest.mark.parametrize("call", ["run", "run_sync", "submit_async"])
    def test_a_key_that_nobody_has_is_an_error_with_status_401(self, segmind: Any, address: str, call: str) -> None:
        stranger = segmind.SegmindClient(UNKNOWN_KEY, f"{address}/v1")
        with pytest.raises(segmind.SegmindError) as raised:
            getattr(stranger, call)(SLUG, prompt="x")
        assert raised.value.status == 401
        if segmind is THEIRS:
            stranger._client.close()

    def test_a_model_that_nobody_has_is_an_error_with_status_404(self, segmind: Any) -> None:
        with pytest.raises(segmind.SegmindError) as raised:
            segmind.run("no-such-model", prompt="x")
        assert raised.value.status == 404

    def test_an_empty_balance_is_an_error_with_status_406(self, segmind: Any, double: Double) -> None:
        double.open_account(credits=0)
        with pytest.raises(segmind.SegmindError) as raised:
            segmind.run(SLUG, prompt="x")
        assert raised.value.status == 406

    def test_a_job_that_has_expired_is_an_error_with_status_404(self, segmind: Any, clock: MovableClock) -> None:
        job = segmind.submit_async(SLUG, prompt="x")
        clock.advance(hours=1)
        with pytest.raises(segmind.SegmindError) as raised:
            job.status()
        assert raised.value.status == 404

    def test_the_errors_are_in_a_module_of_their_own(self, segmind: Any) -> None:
        exceptions = import_module(f"{segmind.__name__}.exceptions")
        assert exceptions is segmind.exceptions
        assert exceptions.SegmindError is segmind.SegmindError
        assert issubclass(segmind.InferenceFailed, exceptions.SegmindError)
        assert issubclass(segmind.InferenceTimeout, exceptions.SegmindError)

    def test_the_package_has_a_version(self, segmind: Any) -> None:
        assert segmind.__version__ == version({THEIRS: "segmind", OURS: "segmind-openapi"}[segmind])

    def test_the_defaults_are_those_of_the_vendor(self, segmind: Any) -> None:
        assert (segmind.DEFAULT_POLL_INTERVAL_S, segmind.DEFAULT_POLL_TIMEOUT_S) == (1.0, 600)


def public(thing: Any) -> set[str]:
    return {name for name in dir(thing) if not name.startswith("_")}


class TestWhatBelongsToOtherEndpoints:
    def test_is_listed_completely(self) -> None:
        listed = set(THEIRS.__all__) - set(OURS.__all__)
        with OURS.SegmindClient() as ours:
            theirs = THEIRS.SegmindClient()
            listed |= public(theirs) - public(ours)
            theirs._client.close()
        # The key is not kept where it could be shown.
        assert listed - {"api_key"} == segmind_client.ABSENT

    @pytest.mark.parametrize("name", sorted(segmind_client.ABSENT))
    def test_is_absent_and_the_error_says_so(self, name: str) -> None:
        with OURS.SegmindClient() as client:
            for place in (OURS, client):
                assert not hasattr(place, name)
                with pytest.raises(AttributeError, match=f"has no '{name}': it covers the endpoints of Segmind's"):
                    getattr(place, name)

    def test_is_named_in_the_documents(self, root: Path) -> None:
        text = (root / "docs" / "client.md").read_text(encoding="utf-8")
        assert all(f"`{name}`" in text for name in segmind_client.ABSENT)

    def test_is_told_apart_from_names_that_nobody_has(self) -> None:
        with OURS.SegmindClient() as client, pytest.raises(AttributeError, match="object has no attribute 'nonsense'"):
            _ = client.nonsense


class TestResultsAsDicts:
    def test_have_the_attributes_of_results(self, tmp_path: Path) -> None:
        result = segmind_client.run(SLUG, prompt="x")
        assert result.status == result["status"]
        assert result.metrics.cost == result.cost == result["metrics"]["cost"]
        assert result.image_url == result["output"]
        assert result.response.status == 200
        assert result.content.startswith(PNG)
        assert result.save(tmp_path / "cabin.png").read_bytes() == result.content
        with pytest.raises(AttributeError):
            _ = result.nonsense

    def test_of_a_job_have_the_attributes_of_results(self, tmp_path: Path) -> None:
        job = segmind_client.submit_async(SLUG, prompt="x")
        assert job.submit_response.request_id == job.request_id
        assert job.status().status == "COMPLETED"
        for place, result in enumerate([job.wait(), job.result()]):
            assert result.save(tmp_path / f"{place}.png").exists()

    def test_survive_pickling_and_copying(self) -> None:
        result = segmind_client.run(SLUG, prompt="x")
        assert DEFAULT_KEY.encode() not in pickle.dumps(result)
        for restored in (pickle.loads(pickle.dumps(result)), copy.copy(result), copy.deepcopy(result)):  # noqa: S301  made here
            assert restored == result
            assert restored.cost == result.cost

    def test_that_cannot_be_saved_name_their_job(self, tmp_path: Path) -> None:
        (tmp_path / "cabin.png").touch()
        with pytest.raises(errors.FileExists) as raised:
            segmind_client.run(SLUG, prompt="x").save(tmp_path / "cabin.png")
        assert str(raised.value.request_id) in str(raised.value)

    def test_replace_a_file_if_asked_to(self, tmp_path: Path) -> None:
        (tmp_path / "cabin.png").touch()
        result = segmind_client.run(SLUG, prompt="x")
        assert result.save(tmp_path / "cabin.png", overwrite=True).read_bytes() == result.content


JSON_BODY = gzip.compress(b'{"output": "https://images.example/a.png"}')
CUT_OFF: dict[str, list[Step]] = {
    "fewer bytes than announced": [servers.response(PNG, media_type="image/png", length=100_000), End.CLOSE],
    "a chunk that is not the last": [
        b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ntransfer-encoding: chunked\r\n\r\n8\r\n" + PNG + b"\r\n",
        End.CLOSE,
    ],
    "part of what was compressed": [
        servers.response(JSON_BODY[:20], length=len(JSON_BODY), content_encoding="gzip"),
        End.CLOSE,
    ],
    "compressed data without their end": [servers.response(JSON_BODY[:20], content_encoding="gzip")],
    "silence in the middle": [servers.response(PNG, media_type="image/png", length=100_000), 5.0],
}


class TestAProxyOfTheEnvironmentThatCannotBeUsed:
    """It is for https, and the service and its images are on this machine."""

    @pytest.mark.parametrize("proxy", ["nonsense://proxy.example", "socks4://proxy.example"])
    @pytest.mark.parametrize(
        "call",
        [
            lambda: OURS.run(SLUG, prompt="x"),
            lambda: OURS.submit_async(SLUG, prompt="x").wait(),
            lambda: OURS.submit_async(SLUG, prompt="x").result(),
        ],
        ids=["run", "wait", "result"],
    )
    def test_keeps_no_result_from_being_returned_and_saved(
        self, call: Callable[[], Any], proxy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("https_proxy", proxy)
        result = call()
        assert result["status"] == "COMPLETED"
        assert result.save(tmp_path / "cabin.png").read_bytes() == result.content

    def test_for_the_image_alone_is_a_failed_download_which_names_the_job(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        completed = {"request_id": REQUEST_ID, "status": "COMPLETED", "output": "https://images.example/a.png"}
        monkeypatch.setenv("https_proxy", "nonsense://proxy.example")
        with HostileServer(respond_with(completed)) as server, OURS.SegmindClient(DEFAULT_KEY, server.url) as client:
            result = client.run(SLUG, prompt="x")
        with pytest.raises(errors.DownloadFailed, match="proxy") as raised:
            _ = result.content
        assert raised.value.request_id == REQUEST_ID
        assert raised.value.response is result.response


class TestRunSync:
    @pytest.mark.parametrize("media_type", ["application/octet-stream", "video/mp4", ""])
    def test_returns_whatever_a_success_came_with(self, media_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
        def exchange(*_: object) -> ApiResponse:
            return ApiResponse(201, {"content-type": media_type}, b"paid for")

        monkeypatch.setattr(Sender, "exchange", exchange)
        response = OURS.run_sync("any", prompt="x")
        assert (response.status_code, response.content) == (201, b"paid for")
        assert response.elapsed.total_seconds() < 60

    def test_returns_a_body_that_was_compressed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def exchange(*_: object) -> ApiResponse:
            return ApiResponse(200, {"content-type": "application/json", "content-encoding": "gzip"}, b'{"output": ""}')

        monkeypatch.setattr(Sender, "exchange", exchange)
        assert OURS.run_sync("any", prompt="x").json() == {"output": ""}

    def test_returns_headers_that_are_not_ascii(self) -> None:
        header = b'content-disposition: inline; filename="caf\xe9.png"'
        lines = [b"HTTP/1.1 200 OK", b"content-type: application/octet-stream", header, b"content-length: 4"]
        image = b"\r\n".join([*lines, b"", b"\x89PNG"])
        with HostileServer(lambda _: [image]) as server, OURS.SegmindClient(DEFAULT_KEY, server.url) as client:
            assert client.run_sync(SLUG, prompt="x").content == b"\x89PNG"

    def test_does_not_show_the_key_in_its_request(self) -> None:
        assert DEFAULT_KEY not in str(OURS.run_sync(SLUG, prompt="x").request.headers)

    @pytest.mark.parametrize("body", CUT_OFF.values(), ids=CUT_OFF.keys())
    def test_raises_an_error_for_a_success_that_was_cut_off(self, body: list[Step]) -> None:
        with HostileServer(lambda _: body) as server, OURS.SegmindClient(DEFAULT_KEY, server.url, 0.3) as client:
            with pytest.raises(errors.MayHaveBeenAccepted, match="its response was lost") as raised:
                client.run_sync(SLUG, prompt="x")
            assert server.count("POST") == 1
        assert raised.value.response is not None
        assert raised.value.response.status == 200

    @pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
    def test_raises_an_error_for_a_redirect(self, status: int) -> None:
        script = respond_with(b"", f"{status} x", media_type="text/html", location="https://login.example")
        with HostileServer(script) as server, OURS.SegmindClient(DEFAULT_KEY, server.url) as client:
            with pytest.raises(errors.MayHaveBeenAccepted) as raised:
                client.run_sync(SLUG, prompt="x")
            assert server.count("POST") == len(server.requests) == 1
        assert raised.value.status == status

    def test_that_may_have_been_accepted_is_an_error(self, double: Double) -> None:
        double.fail_next("generateImagen4", status=504)
        with pytest.raises(errors.MayHaveBeenAccepted):
            OURS.run_sync(SLUG, prompt="x")


@pytest.mark.parametrize("slug", [None, 5, ["imagen-4"], ""])
@pytest.mark.parametrize("call", ["run", "run_sync", "submit_async"])
def test_what_is_not_a_slug_is_an_error_of_the_client(call: str, slug: Any) -> None:
    with pytest.raises(errors.InvalidParameter, match=r"slug|model"):
        getattr(OURS, call)(slug, prompt="x")


def test_a_wait_ends_after_its_timeout() -> None:
    pending: dict[str, Any] = {"request_id": REQUEST_ID, "status": "PROCESSING", "metrics": {}}
    with HostileServer(respond_with(pending)) as server, OURS.SegmindClient(DEFAULT_KEY, f"{server.url}/v1") as client:
        with pytest.raises(OURS.InferenceTimeout):
            client.submit_async(SLUG, prompt="x").wait(timeout=0.2, interval=0.1)
        assert server.count("GET") < 10


def test_a_timeout_is_that_of_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    timeouts: list[float] = []

    def exchange(_: Sender, _sent: Sent, times: Times) -> ApiResponse:
        timeouts.append(times.read)
        return ApiResponse(400, {}, b"")

    monkeypatch.setattr(Sender, "exchange", exchange)
    with OURS.SegmindClient(timeout=5) as client:
        for call in (client.run, client.run_sync, client.submit_async):
            with pytest.raises(errors.BadRequest):
                call(SLUG, prompt="x")
    assert timeouts == [5, 5, 5]


class TestClientsOfTheModulesFunctions:
    def test_are_one_for_each_key_and_process(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before = vendor.default_client()
        assert vendor.default_client() is before
        monkeypatch.setattr(os, "getpid", lambda: -1)
        assert vendor.default_client() is not before

    @pytest.mark.parametrize("keep", [False, True], ids=["results dropped", "results kept"])
    @pytest.mark.parametrize(
        "call",
        [
            lambda: OURS.run(SLUG, prompt="x"),
            lambda: OURS.submit_async(SLUG, prompt="x").wait(),
            lambda: OURS.run_sync(SLUG, prompt="x"),
        ],
        ids=["run", "submit_async", "run_sync"],
    )
    def test_leave_few_connections_open_however_many_keys_there_are(
        self, double: Double, monkeypatch: pytest.MonkeyPatch, keep: bool, call: Callable[[], object]
    ) -> None:
        before = open_descriptors()
        kept: list[object] = []
        for place in range(40):
            use_key(double, monkeypatch, place)
            result = call()
            if keep:
                kept.append(result)
        # The double runs in this process, so that a connection has two ends here.
        assert open_descriptors() - before <= 2 * (vendor.DEFAULT_CLIENTS + 4)

    def test_are_not_closed_while_one_of_their_jobs_is_in_use(
        self, double: Double, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        use_key(double, monkeypatch, 0)
        job = OURS.submit_async(SLUG, prompt="x")
        for place in range(1, 2 * vendor.DEFAULT_CLIENTS):
            use_key(double, monkeypatch, place)
            OURS.run(SLUG, prompt="x")
        assert job.wait()["request_id"] == job.request_id

    def test_are_not_closed_while_a_thread_uses_them(self, double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
        begun, evicted = threading.Event(), threading.Event()
        exchange = Sender.exchange
        outcome: list[Any] = []

        def wait_then_exchange(sender: Sender, sent: Sent, times: Times) -> ApiResponse:
            if threading.current_thread() is thread:
                begun.set()
                assert evicted.wait(60)
            return exchange(sender, sent, times)

        def run_in_thread() -> None:
            outcome.append(OURS.run(SLUG, prompt="x"))

        monkeypatch.setattr(Sender, "exchange", wait_then_exchange)
        thread = threading.Thread(target=run_in_thread)
        use_key(double, monkeypatch, 0)
        thread.start()
        assert begun.wait(60)
        for place in range(1, 2 * vendor.DEFAULT_CLIENTS):
            use_key(double, monkeypatch, place)
            OURS.run(SLUG, prompt="x")
        gc.collect()
        evicted.set()
        thread.join(60)
        assert outcome[0]["status"] == "COMPLETED"

    def test_that_are_gone_do_not_keep_a_result_from_being_saved(
        self, double: Double, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        use_key(double, monkeypatch, 0)
        result = OURS.run(SLUG, prompt="x")
        for place in range(1, 2 * vendor.DEFAULT_CLIENTS):
            use_key(double, monkeypatch, place)
            OURS.run(SLUG, prompt="x")
        monkeypatch.delenv(API_KEY_VARIABLE)
        assert result.save(tmp_path / "cabin.png").exists()


def test_a_client_that_nobody_uses_any_more_closes_its_connections(address: str) -> None:
    before = open_descriptors()
    for _ in range(20):
        assert OURS.SegmindClient(DEFAULT_KEY, f"{address}/v1").run(SLUG, prompt="x")["status"] == "COMPLETED"
    assert open_descriptors() - before <= 8


def use_key(double: Double, monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    """Opens an account, and lets the environment hold its key."""
    key = f"SG_{place:016x}"
    double.open_account(key)
    monkeypatch.setenv(API_KEY_VARIABLE, key)


def open_descriptors() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))
