"""What a run and a generation give back, against the double on a real port."""

from __future__ import annotations

import copy
import errno
import inspect
import pickle
import re
import types
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from segmind_api.catalog import MODELS
from segmind_api.client import API_KEY_VARIABLE
from segmind_api.models import GenerationOutput, JobResult
from segmind_api.types import ApiResponse
from segmind_client import (
    AsyncClient,
    AsyncGeneration,
    AsyncJobHandle,
    AsyncResult,
    Client,
    Generation,
    JobHandle,
    Result,
    errors,
)
from segmind_client.errors import in_words
from segmind_mock import DEFAULT_KEY, Double, MovableClock, Settings
from tests.support.internals import BASE_URL_VARIABLE, Caller, formats, savable

SLUG = next(iter(MODELS))
PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"
PARAMETERS = {"prompt": "a cabin at sunrise"}


@pytest.fixture
def settings() -> Settings:
    """Jobs complete at once."""
    return Settings()


@pytest.fixture(autouse=True)
def environment(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(API_KEY_VARIABLE, DEFAULT_KEY)
    monkeypatch.setenv(BASE_URL_VARIABLE, address)


Made = tuple[Any, bytes, Path]
"""What was given back, the bytes of its image, and where the image was saved."""
Make = Callable[[str, Path], Made]


@pytest.fixture(params=["sync", "asyncio", "trio"])
def make(request: pytest.FixtureRequest) -> Make:
    """Makes an image with `run_model` or `generate_model`, downloads it and saves it, in each way there is."""

    def made(method: str, path: Path) -> Made:
        with Client() as client:
            result = getattr(client, method)(SLUG, PARAMETERS)
            return result, result.content, result.save(path)

    async def awaited(method: str, path: Path) -> Made:
        async with AsyncClient() as client:
            result = await getattr(client, method)(SLUG, PARAMETERS)
            return result, await result.content(), await result.save(path)

    def made_by_await(method: str, path: Path) -> Made:
        return anyio.run(awaited, method, path, backend=request.param)

    return made if request.param == "sync" else made_by_await


class TestResult:
    def test_is_saved_under_any_name(self, make: Make, tmp_path: Path) -> None:
        _, content, path = make("run_model", tmp_path / "cabin.png")
        assert path == tmp_path / "cabin.png"
        assert content.startswith(PNG)
        assert path.read_bytes() == content

    def test_is_saved_in_a_folder_under_the_services_name(self, make: Make, tmp_path: Path) -> None:
        result, _, path = make("run_model", tmp_path)
        assert path == tmp_path / result.images[0].file_name

    def test_says_what_the_service_said(self, make: Make, tmp_path: Path) -> None:
        result, _, _ = make("run_model", tmp_path)
        assert isinstance(result, Result | AsyncResult)
        assert result.images is not None
        assert result["status"] == result.get("status") == result.status == "COMPLETED"
        assert result.image_url == result["output"] == result.images[0].url
        assert result.cost == result["metrics"]["cost"] == MODELS[SLUG].price_usd
        assert result.metrics.inference_time == 0
        assert result.to_dict() == dict(result)

    def test_comes_from_every_way_to_fetch_it(self, tmp_path: Path) -> None:
        with Client() as client:
            job = client.submit_model(SLUG, PARAMETERS)
            for place, result in enumerate([job.wait(), job.result(), client.job(job.request_id).result()]):
                result.save(tmp_path / f"{place}.png")

        async def use() -> None:
            async with AsyncClient() as client:
                job = await client.submit_model(SLUG, PARAMETERS)
                for place, result in enumerate([await job.wait(), await job.result()]):
                    await result.save(tmp_path / f"async-{place}.png")

        anyio.run(use)
        assert len(list(tmp_path.iterdir())) == 5

    def test_loses_its_image_after_seven_days(self, clock: MovableClock, tmp_path: Path) -> None:
        with Client() as client:
            result = client.run_model(SLUG, PARAMETERS)
            clock.advance(days=7)
            with pytest.raises(errors.DownloadFailed, match="7 days") as raised:
                result.save(tmp_path)
        assert raised.value.status == 404
        assert raised.value.request_id == result.request_id


KINDS: dict[str, tuple[Settings, type, bytes, str]] = {
    "fields": (Settings(), GenerationOutput, PNG, "image/png"),
    "a text": (Settings(generate_as="text"), str, PNG, "image/png"),
    "a PNG": (Settings(generate_as="image"), bytes, PNG, "image/png"),
    "a JPEG": (Settings(generate_as="image", image_format="jpeg"), bytes, JPEG, "image/jpeg"),
}


class TestGeneration:
    @pytest.mark.parametrize(("settings", "kind", "beginning", "content_type"), KINDS.values(), ids=KINDS.keys())
    def test_of_each_kind_is_saved(
        self, make: Make, tmp_path: Path, kind: type, beginning: bytes, content_type: str
    ) -> None:
        generation, content, path = make("generate_model", tmp_path)
        assert isinstance(generation.output, kind)
        assert generation.content_type == content_type
        assert generation.cost == MODELS[SLUG].price_usd
        assert path.name.startswith(str(generation.headers.request_id))
        assert content.startswith(beginning)
        assert path.read_bytes() == content

    @pytest.mark.parametrize("settings", [Settings(generate_as="image")])
    def test_with_the_image_at_hand_fetches_nothing(self, make: Make, double: Double, tmp_path: Path) -> None:
        generation, content, _ = make("generate_model", tmp_path)
        assert generation.output == content
        assert generation.image_url is None
        assert [call.operation_id for call in double.requests()] == ["generateImagen"]

    @pytest.mark.parametrize("settings", [Settings(generate_as="image")])
    def test_with_the_image_at_hand_is_saved_with_its_own_extension_and_replaces_no_file(
        self, make: Make, tmp_path: Path
    ) -> None:
        _, _, path = make("generate_model", tmp_path / "cabin.jpg")
        assert path == tmp_path / "cabin.png"
        with pytest.raises(errors.FileExists):
            make("generate_model", tmp_path / "cabin.png")


def generation(body: bytes, content_type: str, output: Any) -> Generation:
    return Generation(ApiResponse(200, {"content-type": content_type}, body), output, "image")


def image_result(**fields: Any) -> Result:
    return Result(JobResult(fields), kind="image")


WITHOUT_IMAGE: dict[str, Result | Generation] = {
    "a result that is a text": image_result(request_id="id", output="once upon a time"),
    "a result that is a list": image_result(output=["https://images.example/a.png"]),
    "a result without output": image_result(),
    "a result that is a file": image_result(output="file:///etc/hostname"),
    "a result whose images are none": image_result(images=[{"url": None}]),
    "fields without a URL": generation(b"{}", "application/json", GenerationOutput({})),
    "a text that is no URL": generation(b"no", "text/plain", "see https://images.example/a.png"),
}


@pytest.mark.parametrize("result", WITHOUT_IMAGE.values(), ids=WITHOUT_IMAGE.keys())
def test_a_result_without_the_image_of_an_image_model_says_so(result: Result | Generation, tmp_path: Path) -> None:
    assert result.image_url is None
    assert result.output_url is None
    with pytest.raises(errors.NoImage, match="there is no image to save"):
        result.save(tmp_path)
    with pytest.raises(errors.NoOutput):
        _ = result.content


def test_the_address_may_stand_among_the_images_only() -> None:
    assert (
        Result(JobResult({"images": [{}, {"url": "https://images.example/a.png"}]})).image_url
        == "https://images.example/a.png"
    )


class TestPickling:
    def test_keeps_what_the_service_sent_and_leaves_the_client_behind(self, make: Make, tmp_path: Path) -> None:
        for method in ("run_model", "generate_model"):
            result, _, _ = make(method, tmp_path)
            pickled = pickle.dumps(result)
            assert DEFAULT_KEY.encode() not in pickled
            for restored in (pickle.loads(pickled), copy.copy(result), copy.deepcopy(result)):  # noqa: S301  made here
                assert type(restored) is type(result)
                assert restored == result
                assert repr(restored) == repr(result)

    @pytest.mark.parametrize("method", ["run_model", "generate_model"])
    def test_a_restored_result_says_what_it_cannot_do(self, method: str, tmp_path: Path) -> None:
        with Client() as client:
            restored = copy.deepcopy(getattr(client, method)(SLUG, PARAMETERS))
            with pytest.raises(errors.ClientUnusable, match="has no client") as raised:
                restored.save(tmp_path)
        assert raised.value.request_id

    def test_a_restored_result_of_an_async_client_says_what_it_cannot_do(self, tmp_path: Path) -> None:
        async def use() -> None:
            async with AsyncClient() as client:
                restored = copy.deepcopy(await client.run_model(SLUG, PARAMETERS))
                with pytest.raises(errors.ClientUnusable, match="has no client"):
                    await restored.save(tmp_path)

        anyio.run(use)

    @pytest.mark.parametrize("settings", [Settings(generate_as="image")])
    def test_an_image_at_hand_needs_no_client(self, tmp_path: Path) -> None:
        with Client() as client:
            generation = client.generate_model(SLUG, PARAMETERS)
        assert copy.copy(generation).save(tmp_path / "cabin.png").read_bytes() == generation.content

        async def use() -> bytes:
            async with AsyncClient() as client:
                generation = await client.generate_model(SLUG, PARAMETERS)
            return await copy.copy(generation).content()

        assert anyio.run(use).startswith(PNG)


Break = Callable[[Path, pytest.MonkeyPatch], Path | None]
"""Makes a save fail, and gives the path to save to."""


def missing_folder(folder: Path, _: pytest.MonkeyPatch) -> Path:
    return folder / "missing" / "cabin.png"


def existing_file(folder: Path, _: pytest.MonkeyPatch) -> Path:
    (folder / "cabin.png").touch()
    return folder / "cabin.png"


def no_path(_: Path, __: pytest.MonkeyPatch) -> None:
    return None


def no_room(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    patch.setattr(Path, "open", full)
    return folder / "cabin.png"


def other_bytes(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    patch.setattr(formats, "FORMATS", ())
    return folder / "cabin.png"


WAYS_TO_FAIL: dict[str, tuple[Break, type[errors.SegmindError]]] = {
    "a folder that is missing": (missing_folder, errors.NotSaved),
    "a file that exists": (existing_file, errors.FileExists),
    "no path": (no_path, errors.InvalidParameter),
    "a full disk": (no_room, errors.NotSaved),
    "bytes of no format": (other_bytes, errors.NotSaved),
}


@pytest.mark.parametrize("method", ["run_model", "generate_model"])
@pytest.mark.parametrize("settings", [Settings(), Settings(generate_as="image")], ids=["URL", "bytes"])
@pytest.mark.parametrize(("break_it", "kind"), WAYS_TO_FAIL.values(), ids=WAYS_TO_FAIL.keys())
def test_a_save_that_fails_names_the_job_and_keeps_its_response(
    make: Make,
    method: str,
    break_it: Break,
    kind: type[errors.SegmindError],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path: Any = break_it(tmp_path, monkeypatch)
    with pytest.raises(kind) as raised:
        make(method, path)
    assert str(raised.value.request_id) in str(raised.value)
    assert raised.value.response is not None
    assert "is paid for" in raised.value.detail
    if method == "run_model":
        assert f"job({raised.value.request_id!r}).result() returns it for 1 hour" in raised.value.detail
        assert "stays at http" in raised.value.detail
    restored = pickle.loads(pickle.dumps(raised.value))  # noqa: S301  made here
    assert (str(restored), restored.request_id) == (str(raised.value), raised.value.request_id)


@pytest.mark.parametrize("settings", [Settings(generate_as="image")])
def test_a_save_that_fails_keeps_the_bytes_of_an_image_that_came_with_the_response(make: Make, tmp_path: Path) -> None:
    with pytest.raises(errors.NotSaved) as raised:
        make("generate_model", tmp_path / "missing" / "cabin.png")
    assert raised.value.response is not None
    assert raised.value.response.content.startswith(PNG)


def test_a_result_whose_file_exists_can_be_saved_elsewhere_by_what_the_error_says(tmp_path: Path) -> None:
    (tmp_path / "cabin.png").write_bytes(b"mine")
    with Client() as client:
        with pytest.raises(errors.FileExists) as raised:
            client.run_model(SLUG, PARAMETERS).save(tmp_path / "cabin.png")
        call = re.search(r"(job\('[^']+'\))\.result\(\)", raised.value.detail)
        assert call is not None
        assert call[1] == f"job({raised.value.request_id!r})"
        assert client.job(str(raised.value.request_id)).result().save(tmp_path / "teapot.png").exists()
    assert (tmp_path / "cabin.png").read_bytes() == b"mine"


def test_content_that_cannot_be_fetched_names_the_job_and_keeps_its_response(clock: MovableClock) -> None:
    with Client() as client:
        result = client.run_model(SLUG, PARAMETERS)
        clock.advance(days=7)
        with pytest.raises(errors.DownloadFailed) as raised:
            _ = result.content
    assert raised.value.request_id == result.request_id

    async def use() -> None:
        async with AsyncClient() as client:
            result = await client.run_model(SLUG, PARAMETERS)
        with pytest.raises(errors.ClientUnusable) as raised:
            await result.content()
        assert (raised.value.request_id, raised.value.response) == (result.request_id, result.response)

    anyio.run(use)


class Suspended:
    """Never comes back from a download."""

    @types.coroutine
    def carry_out(self, _: object) -> Generator[None]:
        yield


def test_a_save_that_is_dropped_halfway_is_no_interruption(
    caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(work: Callable[..., Any], *arguments: Any) -> Any:
        return work(*arguments)

    # Nothing but the download waits here: there is no event loop.
    monkeypatch.setattr(savable, "on_worker", at_once)
    driver: Any = Suspended()
    result = AsyncResult(JobResult({"output": "https://images.example/a.png"}), Caller(), driver)
    for coroutine in (result.save(tmp_path), result.content()):
        coroutine.send(None)
        coroutine.close()
    assert caplog.text == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancelled_save_has_a_note_and_a_warning_that_name_the_job(
    backend: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    notes: list[str] = []

    async def use() -> None:
        async with AsyncClient() as client:
            result = await client.run_model(SLUG, PARAMETERS)
            with anyio.CancelScope() as scope:
                scope.cancel()
                try:
                    await result.save(tmp_path / "cabin.png")
                except BaseException as error:
                    notes.extend([result.request_id, *error.__notes__])
                    raise

    anyio.run(use, backend=backend)
    request_id, note = notes
    assert f"job({request_id!r}).result()" in note
    assert note in caplog.text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("method", ["run_model", "generate_model"])
def test_content_is_fetched_once_and_kept(method: str, tmp_path: Path) -> None:
    with Client() as client:
        result = getattr(client, method)(SLUG, PARAMETERS)
        content = result.content
    assert result.content == content == result.save(tmp_path / "cabin.png").read_bytes()

    async def use() -> None:
        async with AsyncClient() as client:
            result = await getattr(client, method)(SLUG, PARAMETERS)
            content = await result.content()
        assert await result.content() == content
        assert (await result.save(tmp_path / "teapot.png")).read_bytes() == content

    anyio.run(use)


def test_a_closed_client_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with Client() as client:
        result = client.run_model(SLUG, PARAMETERS)
    with pytest.raises(errors.ClientUnusable, match="closed"):
        result.save(tmp_path)

    async def use() -> None:
        async with AsyncClient() as client:
            result = await client.run_model(SLUG, PARAMETERS)
        with pytest.raises(errors.ClientUnusable, match="closed"):
            await result.save(tmp_path)

    anyio.run(use)


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        (errors.NoImage, errors.SegmindError),
        (errors.ClientUnusable, errors.SegmindError),
        (errors.DownloadFailed, errors.SegmindError),
        (errors.NotSaved, OSError),
        (errors.FileExists, FileExistsError),
    ],
)
def test_an_error_survives_pickling_and_is_what_python_would_raise(
    kind: type[errors.SegmindError], base: type[Exception]
) -> None:
    error = kind("no", response=ApiResponse(404, {}, b""), request_id="id")
    restored = pickle.loads(pickle.dumps(error))  # noqa: S301  made one line above
    assert type(restored) is kind
    assert isinstance(restored, base)
    assert (str(restored), restored.status, restored.request_id) == ("no (request id)", 404, "id")
    assert repr(restored) == f"{kind.__name__}('no (request id)')"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (3600, "1 hour"),
        (604800, "7 days"),
        (5400, "90 minutes"),
        (61, "61 seconds"),
        (1, "1 second"),
        (0.5, "0.5 seconds"),
    ],
)
def test_a_period_is_put_into_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


SURFACES = [(Client, AsyncClient), (JobHandle, AsyncJobHandle), (Result, AsyncResult), (Generation, AsyncGeneration)]


@pytest.mark.parametrize(("sync", "awaited"), SURFACES)
def test_sync_and_async_have_the_same_names_with_the_same_parameters(sync: type, awaited: type) -> None:
    def surface(kind: type) -> Mapping[str, str]:
        return {
            name: re.sub("Async|Sync", "", str(inspect.signature(member))) if inspect.isfunction(member) else ""
            for name, member in inspect.getmembers_static(kind)
            # Properties of the sync classes, methods of the async ones.
            if name not in ("content", "text") and (not name.startswith("_") or name == "__init__")
        }

    assert surface(sync) == surface(awaited)


@pytest.mark.parametrize(("sync", "awaited"), SURFACES)
def test_what_is_awaited_is_what_may_call_the_service(sync: type, awaited: type) -> None:
    def coroutines(kind: type) -> set[str]:
        return {name for name, member in inspect.getmembers(kind) if inspect.iscoroutinefunction(member)}

    calls = {"run", "submit", "generate", "run_model", "submit_model", "generate_model", "credits", "close"}
    calls |= {"status", "result", "wait", "content", "text", "json", "save"}
    assert {name for name in coroutines(awaited) if not name.startswith("_")} == {
        name for name, member in inspect.getmembers(awaited) if name in calls and inspect.isfunction(member)
    }
    assert coroutines(sync) == set()
