"""The two clients, sync and async, and the handles of the jobs they submit."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from types import TracebackType
from typing import Any, NoReturn, Self, TypedDict, Unpack

import httpx

from segmind_api import catalog
from segmind_api.api.jobs import get_job_status
from segmind_api.calls import typed_method
from segmind_api.client import API_KEY_HEADER, API_KEY_VARIABLE, BASE_URL
from segmind_api.models import Credits, JobStatus, SubmittedJob
from segmind_client.clock import Clock, EventLoopClock, SystemClock
from segmind_client.drivers import AsyncDriver, SyncDriver
from segmind_client.errors import InvalidParameter, MissingKey, NoClient
from segmind_client.flows import Call, Caller, JobUpdate, Submission, Watch
from segmind_client.masking import Secret, masked
from segmind_client.network import is_loopback
from segmind_client.options import OPTIONS, OptionChanges
from segmind_client.reading import trusted_prefixes
from segmind_client.results import AsyncGeneration, AsyncResult, Generation, Result
from segmind_client.telemetry import traced
from segmind_client.transport import AsyncSender, CustomAsyncSender, CustomSender, Sender

BASE_URL_VARIABLE = "SEGMIND_BASE_URL"
KEY_CHARACTERS = re.compile(r"[A-Za-z0-9._~+/=-]+")
"""Those of a token in RFC 9110."""
ALLOW_HTTP_VARIABLE = "SEGMIND_ALLOW_HTTP"
OPERATION = "generate_content"
"""What the conventions of OpenTelemetry call the making of an image."""


class WaitChanges(TypedDict, total=False):
    """Options of one wait."""

    deadline: float
    interval: float | None


class Configured:
    """What the two clients have in common."""

    _caller: Caller

    def with_options(self, **changes: Unpack[OptionChanges]) -> Self:
        """The same client, which makes its calls otherwise; it shares the connections, and closing one closes both.

        Raises InvalidParameter.
        """
        changed = object.__new__(type(self))
        changed.__dict__.update(self.__dict__, _caller=self._caller.with_options(changes))
        return changed

    def __reduce__(self) -> NoReturn:
        raise not_portable(self)


class Client(Configured):
    """A client of the service, to be closed or used as a context manager.

    The key is `api_key` or the environment's SEGMIND_API_KEY; the URL is `base_url`, the environment's
    SEGMIND_BASE_URL or the service's own. It has to be https, except on this machine or with `allow_http`, which the
    environment's SEGMIND_ALLOW_HTTP sets otherwise: 1, true or yes, or else 0, false, no or nothing.
    `http_client` is a custom `httpx.Client`, with its proxies, hooks and TLS, which stays open; `transport` is a custom
    transport. `clock` replaces the machine's clock, in tests. Further arguments are `Options`. A client may be shared
    between threads, not between processes. Raises MissingKey and InvalidParameter. Every method raises SegmindError.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        allow_http: bool | None = None,
        http_client: httpx.Client | None = None,
        transport: httpx.BaseTransport | None = None,
        clock: Clock | None = None,
        **options: Unpack[OptionChanges],
    ) -> None:
        key, problem = read_key(api_key)
        # Tracebacks that show local variables do not show the key.
        api_key = None
        if key is None:
            raise MissingKey(problem)
        url = read_base_url(base_url, allow_http=allow_http)
        check_custom(http_client, httpx.Client, transport, httpx.BaseTransport, clock)
        clock = clock or SystemClock()
        self._caller = caller_of(url, clock).with_options(options)
        sender: Sender | CustomSender = (
            Sender(url, API_KEY_HEADER, key)
            if http_client is None and transport is None
            else CustomSender(url, API_KEY_HEADER, key, client=http_client, transport=transport)
        )
        self._driver = SyncDriver(sender, clock)

    @typed_method
    def run(self, model: str, /, **parameters: Any) -> Result:
        """Queues a job, waits until it has completed, and gives its result (v2).

        Like `submit` and `generate`, it takes the models and parameters of the contract; `run_model` takes any.
        """
        return self.run_model(known_slug(model, parameters), parameters)

    @typed_method
    def submit(self, model: str, /, **parameters: Any) -> JobHandle:
        """Queues a job (v2)."""
        return self.submit_model(known_slug(model, parameters), parameters)

    @typed_method
    def generate(self, model: str, /, **parameters: Any) -> Generation:
        """Makes an image in one blocking call (v1)."""
        return self.generate_model(known_slug(model, parameters), parameters)

    def run_model(self, model: str, parameters: Mapping[str, Any]) -> Result:
        """`run` for any slug, also one that the contract does not know; untyped."""
        call = Call()
        try:
            flow = traced(self._caller.run(call, model_of(model), parameters), OPERATION, model=model)
            return Result(self._driver.carry_out(flow), self._caller, self._driver)
        except BaseException as error:
            call.fail(error)

    def submit_model(self, model: str, parameters: Mapping[str, Any]) -> JobHandle:
        """`submit` for any slug, also one that the contract does not know; untyped."""
        call = Call()
        try:
            called = model_of(model)
            flow = traced(self._caller.submit(call, called, parameters), "submit", model=model)
            submitted = self._driver.carry_out(flow)
            submission = Submission(called, self._caller.clock.monotonic())
            return JobHandle(self._caller, self._driver, submitted, submission)
        except BaseException as error:
            call.fail(error)

    def generate_model(self, model: str, parameters: Mapping[str, Any]) -> Generation:
        """`generate` for any slug, also one that the contract does not know; untyped."""
        call = Call(is_generation=True)
        try:
            flow = traced(self._caller.generate(call, model_of(model), parameters), OPERATION, model=model)
            return Generation(*(self._driver.carry_out(flow)), self._caller, self._driver)
        except BaseException as error:
            call.fail(error)

    def job(self, request_id: str) -> JobHandle:
        """Picks up a job that was submitted before, in this process or another."""
        return JobHandle(self._caller, self._driver, submitted_as(request_id))

    def credits(self) -> Credits:
        """The balance of the account."""
        call = Call()
        try:
            return self._driver.carry_out(self._caller.credits())
        except BaseException as error:
            call.fail(error)

    def close(self) -> None:
        """Closes the connections. Calls that wait meanwhile raise NoClient when they would send their next request."""
        # In a forked process, they are those of the other one.
        if self._driver.process == os.getpid():
            self._caller.line.close()
            self._driver.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        # One that was refused when it was made has no driver, and is shown in tracebacks.
        driver = vars(self).get("_driver")
        return f"{type(self).__name__}(base_url={str(driver.http.base_url)!r})" if driver else type(self).__name__


class JobHandle:
    """A submitted job."""

    def __init__(
        self, caller: Caller, driver: SyncDriver, submitted: SubmittedJob, submission: Submission | None = None
    ) -> None:
        self._caller = caller
        self._driver = driver
        self._submission = submission
        self.submitted = submitted
        """What the submit answered with."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.submitted.get('request_id')!r})"

    def __reduce__(self) -> NoReturn:
        raise not_portable(self)

    @property
    def request_id(self) -> str:
        return self.submitted.request_id

    @property
    def _model(self) -> str | None:
        return self._submission.model.slug if self._submission else None

    def status(self) -> JobStatus:
        """How far the job is. Raises InferenceFailed for one that failed."""
        call = Call(self.request_id)
        try:
            return self._driver.carry_out(self._caller.status(self.request_id))
        except BaseException as error:
            call.fail(error)

    def result(self) -> Result:
        """The result of a job that has completed. Raises NotFound before that."""
        call = Call(self.request_id)
        try:
            completed = self._driver.carry_out(self._caller.present_result(self.request_id, self._submission))
            return Result(completed, self._caller, self._driver)
        except BaseException as error:
            call.fail(error)

    def wait(self, **changes: Unpack[WaitChanges]) -> Result:
        """Polls until the job has completed: when it is likely to have, or every `interval` seconds.

        Raises InferenceFailed, and InferenceTimeout after `deadline` seconds.
        """
        call = Call(self.request_id)
        try:
            flow = self._caller.with_options(changes).wait(call, self.request_id, self._submission)
            traced_flow = traced(flow, "wait", model=self._model, request_id=self.request_id)
            return Result(self._driver.carry_out(traced_flow), self._caller, self._driver)
        except BaseException as error:
            call.fail(error)

    def updates(self, **changes: Unpack[WaitChanges]) -> Iterator[JobUpdate]:
        """The job's state now and each time it changes, until the job has completed. Raises what `wait` raises."""
        call, caller = Call(self.request_id), self._caller.with_options(changes)
        watch = caller.watch(self.request_id, self._submission)
        while True:
            try:
                update = self._driver.carry_out(caller.update(watch))
            except BaseException as error:
                call.fail(error)
            if update is None:
                return
            yield update


class AsyncClient(Configured):
    """`Client` with `await`, under asyncio or trio. May be shared between the tasks of one event loop."""

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        allow_http: bool | None = None,
        http_client: httpx.AsyncClient | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock | None = None,
        **options: Unpack[OptionChanges],
    ) -> None:
        key, problem = read_key(api_key)
        # Tracebacks that show local variables do not show the key.
        api_key = None
        if key is None:
            raise MissingKey(problem)
        url = read_base_url(base_url, allow_http=allow_http)
        check_custom(http_client, httpx.AsyncClient, transport, httpx.AsyncBaseTransport, clock)
        clock = clock or EventLoopClock()
        self._caller = caller_of(url, clock).with_options(options)
        sender: AsyncSender | CustomAsyncSender = (
            AsyncSender(url, API_KEY_HEADER, key)
            if http_client is None and transport is None
            else CustomAsyncSender(url, API_KEY_HEADER, key, client=http_client, transport=transport)
        )
        self._driver = AsyncDriver(sender, clock)

    @typed_method
    async def run(self, model: str, /, **parameters: Any) -> AsyncResult:
        """Queues a job, waits until it has completed, and gives its result (v2).

        Like `submit` and `generate`, it takes the models and parameters of the contract; `run_model` takes any.
        """
        return await self.run_model(known_slug(model, parameters), parameters)

    @typed_method
    async def submit(self, model: str, /, **parameters: Any) -> AsyncJobHandle:
        """Queues a job (v2)."""
        return await self.submit_model(known_slug(model, parameters), parameters)

    @typed_method
    async def generate(self, model: str, /, **parameters: Any) -> AsyncGeneration:
        """Makes an image in one blocking call (v1)."""
        return await self.generate_model(known_slug(model, parameters), parameters)

    async def run_model(self, model: str, parameters: Mapping[str, Any]) -> AsyncResult:
        """`run` for any slug, also one that the contract does not know; untyped."""
        call = Call()
        try:
            flow = traced(self._caller.run(call, model_of(model), parameters), OPERATION, model=model)
            return AsyncResult(await self._driver.carry_out(flow), self._caller, self._driver)
        except BaseException as error:
            call.fail(error)

    async def submit_model(self, model: str, parameters: Mapping[str, Any]) -> AsyncJobHandle:
        """`submit` for any slug, also one that the contract does not know; untyped."""
        call = Call()
        try:
            called = model_of(model)
            flow = traced(self._caller.submit(call, called, parameters), "submit", model=model)
            submitted = await self._driver.carry_out(flow)
            submission = Submission(called, self._caller.clock.monotonic())
            return AsyncJobHandle(self._caller, self._driver, submitted, submission)
        except BaseException as error:
            call.fail(error)

    async def generate_model(self, model: str, parameters: Mapping[str, Any]) -> AsyncGeneration:
        """`generate` for any slug, also one that the contract does not know; untyped."""
        call = Call(is_generation=True)
        try:
            flow = traced(self._caller.generate(call, model_of(model), parameters), OPERATION, model=model)
            return AsyncGeneration(*(await self._driver.carry_out(flow)), self._caller, self._driver)
        except BaseException as error:
            call.fail(error)

    def job(self, request_id: str) -> AsyncJobHandle:
        """Picks up a job that was submitted before, in this process or another."""
        return AsyncJobHandle(self._caller, self._driver, submitted_as(request_id))

    async def credits(self) -> Credits:
        """The balance of the account."""
        call = Call()
        try:
            return await self._driver.carry_out(self._caller.credits())
        except BaseException as error:
            call.fail(error)

    async def close(self) -> None:
        """Closes the connections. Calls that wait meanwhile raise NoClient when they would send their next request.

        Raises NoClient itself in another event loop than the one that the client was used in.
        """
        if self._driver.process == os.getpid():
            self._caller.line.close()
            await self._driver.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        # One that was refused when it was made has no driver, and is shown in tracebacks.
        driver = vars(self).get("_driver")
        return f"{type(self).__name__}(base_url={str(driver.http.base_url)!r})" if driver else type(self).__name__


class AsyncJobHandle:
    """A job submitted by an `AsyncClient`."""

    def __init__(
        self, caller: Caller, driver: AsyncDriver, submitted: SubmittedJob, submission: Submission | None = None
    ) -> None:
        self._caller = caller
        self._driver = driver
        self._submission = submission
        self.submitted = submitted
        """What the submit answered with."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.submitted.get('request_id')!r})"

    def __reduce__(self) -> NoReturn:
        raise not_portable(self)

    @property
    def request_id(self) -> str:
        return self.submitted.request_id

    @property
    def _model(self) -> str | None:
        return self._submission.model.slug if self._submission else None

    async def status(self) -> JobStatus:
        """How far the job is. Raises InferenceFailed for one that failed."""
        call = Call(self.request_id)
        try:
            return await self._driver.carry_out(self._caller.status(self.request_id))
        except BaseException as error:
            call.fail(error)

    async def result(self) -> AsyncResult:
        """The result of a job that has completed. Raises NotFound before that."""
        call = Call(self.request_id)
        try:
            completed = await self._driver.carry_out(self._caller.present_result(self.request_id, self._submission))
            return AsyncResult(completed, self._caller, self._driver)
        except BaseException as error:
            call.fail(error)

    async def wait(self, **changes: Unpack[WaitChanges]) -> AsyncResult:
        """Polls until the job has completed: when it is likely to have, or every `interval` seconds.

        Raises InferenceFailed, and InferenceTimeout after `deadline` seconds.
        """
        call = Call(self.request_id)
        try:
            flow = self._caller.with_options(changes).wait(call, self.request_id, self._submission)
            traced_flow = traced(flow, "wait", model=self._model, request_id=self.request_id)
            return AsyncResult(await self._driver.carry_out(traced_flow), self._caller, self._driver)
        except BaseException as error:
            call.fail(error)

    def updates(self, **changes: Unpack[WaitChanges]) -> AsyncIterator[JobUpdate]:
        """The job's state now and each time it changes, until the job has completed. Raises what `wait` raises."""
        return Updates(self._caller.with_options(changes), self._driver, self.request_id, self._submission)


class Updates(AsyncIterator[JobUpdate]):
    """The changes of a job's state. Not a generator, which would have to be closed by whoever leaves it halfway."""

    def __init__(self, caller: Caller, driver: AsyncDriver, request_id: str, submission: Submission | None) -> None:
        self._call = Call(request_id)
        self._caller = caller
        self._driver = driver
        self._request_id = request_id
        self._submission = submission
        self._watch: Watch | None = None

    async def __anext__(self) -> JobUpdate:
        try:
            self._watch = self._watch or self._caller.watch(self._request_id, self._submission)
            update = await self._driver.carry_out(self._caller.update(self._watch))
        except BaseException as error:
            self._call.fail(error)
        if update is None:
            raise StopAsyncIteration
        return update


def read_key(api_key: object) -> tuple[Secret | None, str]:
    """The key to use, or else what is wrong with the one given."""
    value = os.environ.get(API_KEY_VARIABLE) if api_key is None else api_key
    if value is None or value == "":
        return None, f"no API key: pass api_key, or set {API_KEY_VARIABLE} in the environment"
    if not isinstance(value, str):
        return (
            None,
            f"the API key has to be a string, not {type(value).__name__}: pass api_key, or set it in the environment",
        )
    if not KEY_CHARACTERS.fullmatch(value):
        return None, (
            f"the API key cannot be one, it {problem_of_key(value)}: give the key alone, which has letters, digits and "
            f"-._~+/= only"
        )
    return Secret(value), ""


def problem_of_key(value: str) -> str:
    if value.strip() != value:
        return "begins or ends with white space, such as a line break"
    if value.lower().startswith("bearer "):
        return "begins with Bearer"
    return "looks like a URL" if "://" in value else "has a character that no key has"


def environment_allows_http() -> bool:
    """What SEGMIND_ALLOW_HTTP says; False where it is not set. Raises InvalidParameter."""
    value = os.environ.get(ALLOW_HTTP_VARIABLE, "")
    if value.lower() in ("1", "true", "yes"):
        return True
    if value.lower() in ("0", "false", "no", ""):
        return False
    raise InvalidParameter("Client", ALLOW_HTTP_VARIABLE, value, "one of 1, true, yes, 0, false, no in the environment")


def read_base_url(base_url: object, *, allow_http: bool | None) -> str:
    """The URL that the paths of the contract come after. One that ends in a version loses it."""
    if allow_http is None:
        allow_http = environment_allows_http()
    given = os.environ.get(BASE_URL_VARIABLE, BASE_URL) if base_url is None else base_url
    allowed = "a URL such as https://host or http://127.0.0.1:port"
    if given == "" and base_url is None:
        raise InvalidParameter("Client", BASE_URL_VARIABLE, "", f"{allowed}; unset it to use the service itself")
    if not isinstance(given, str):
        raise InvalidParameter("Client", "base_url", given, allowed)
    # The key may have been mistaken for the URL.
    shown = masked(given)
    try:
        parsed = httpx.URL(given.strip())
        host, port = parsed.host, parsed.port
        host.encode("idna")
    except (httpx.InvalidURL, UnicodeError) as error:
        raise InvalidParameter("Client", "base_url", shown, f"{allowed} ({masked(str(error))})") from error
    if parsed.userinfo:
        # Its password is not to be shown.
        raise InvalidParameter("Client", "base_url", f"{parsed.scheme}://…@{host}", f"{allowed}, without a user")
    if parsed.scheme not in ("http", "https") or not host:
        raise InvalidParameter("Client", "base_url", shown, allowed)
    if port is not None and not 0 < port < 65536:
        raise InvalidParameter("Client", "base_url", shown, f"{allowed}, with a port from 1 to 65535")
    if "?" in given or "#" in given:
        raise InvalidParameter("Client", "base_url", shown, f"{allowed}, without a query or a fragment")
    if parsed.scheme == "http" and not allow_http and not is_loopback(str(parsed)):
        raise InvalidParameter(
            "Client",
            "base_url",
            shown,
            "https, since anybody on the way could read the key; "
            f"allow_http=True, or {ALLOW_HTTP_VARIABLE}=1 in the environment, allows it",
        )
    path = parsed.path.rstrip("/")
    return str(parsed.copy_with(path=path.removesuffix("/v1").removesuffix("/v2"))).rstrip("/")


def check_custom(client: object, client_kind: type, transport: object, transport_kind: type, clock: object) -> None:
    """Raises InvalidParameter for what cannot send or wait, and for a client and a transport together."""
    if client is not None and not isinstance(client, client_kind):
        raise InvalidParameter("Client", "http_client", client, f"an httpx.{client_kind.__name__}")
    if transport is not None and not isinstance(transport, transport_kind):
        raise InvalidParameter("Client", "transport", transport, f"an httpx.{transport_kind.__name__}")
    if client is not None and transport is not None:
        raise InvalidParameter("Client", "transport", transport, "None, since http_client has one")
    if clock is not None and not isinstance(clock, Clock):
        raise InvalidParameter(
            "Client",
            "clock",
            clock,
            "an object with monotonic, sleep_until and sleep_until_async, such as segmind_mock.MovableClock()",
        )


def caller_of(url: str, clock: Clock) -> Caller:
    return Caller(clock=clock, trusted=trusted_prefixes(url), is_https=url.startswith("https:"))


def model_of(slug: object) -> catalog.Model:
    """Raises InvalidParameter."""
    if not isinstance(slug, str):
        raise InvalidParameter("Model", "slug", slug, "a string")
    return catalog.model(slug)


def known_slug(model: str, parameters: Mapping[str, Any]) -> str:
    """A slug that the contract knows, as it knows the parameters. Raises InvalidParameter."""
    model_of(model)
    try:
        return catalog.known_model(model, parameters).slug
    except InvalidParameter as error:
        if error.value in OPTIONS:
            error.detail += f". `{error.value}` is an option: use with_options({error.value}=...)"
        error.detail = masked(error.detail)
        raise


def submitted_as(request_id: str) -> SubmittedJob:
    """What is known of a job that is picked up. Raises InvalidParameter for what cannot be an id."""
    get_job_status.build(request_id)
    return SubmittedJob({"request_id": request_id})


def not_portable(thing: object) -> NoClient:
    return NoClient(
        f"a {type(thing).__name__} cannot be pickled, it has a key and connections: make a client in the other "
        f"process, and give it the request ids, which job(request_id) picks up there"
    )
