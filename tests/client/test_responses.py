"""Every documented response of every operation as the clients return it, against the double on a real port."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import attrs
import httpx
import pytest

from segmind_api.headers import ResponseHeaders
from segmind_api.types import ApiResponse, ResponseObject
from segmind_client import AsyncClient, Client, errors
from segmind_client.errors import SegmindError
from segmind_mock import DEFAULT_KEY, Double
from tests.support.clock import pause_clock
from tests.support.contract import CONTRACT, DOCUMENTED, OPERATIONS, REQUEST_ID, problems_in

PROMPT = {"prompt": "x"}
CALLS: dict[str, Callable[[Any, str], Any]] = {
    "generate": lambda client, slug: client.generate_model(slug, PROMPT),
    "submit": lambda client, slug: client.submit_model(slug, PROMPT),
    "status": lambda client, _: client.job(REQUEST_ID).status(),
    "result": lambda client, _: client.job(REQUEST_ID).result(),
    "credits": lambda client, _: client.credits(),
}
"""By an operation's role."""


@attrs.frozen
class Example:
    """A response that the contract documents."""

    operation_id: str
    status: int
    media_type: str
    name: str
    value: Any

    @property
    def method(self) -> str:
        return OPERATIONS[self.operation_id][0]

    def __str__(self) -> str:
        return f"{self.operation_id}-{self.status}-{self.name}"


def examples() -> Iterator[Example]:
    for operation_id, status in DOCUMENTED:
        response, _ = CONTRACT.resolve(OPERATIONS[operation_id][2]["responses"][str(status)], "")
        for media_type, media in response["content"].items():
            for name, written in media.get("examples", {}).items():
                example, _ = CONTRACT.resolve(written, "")
                yield Example(operation_id, status, media_type, name, example["value"])


EXAMPLES = list(examples())
# The double sends a v1 image as JSON, whatever else is documented.
SUCCESSES = [it for it in EXAMPLES if it.status == 200 and it.media_type == "application/json"]
REFUSALS = [it for it in EXAMPLES if it.status != 200]

CLASSES = {
    400: errors.BadRequest,
    401: errors.Unauthorized,
    403: errors.Forbidden,
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    406: errors.InsufficientCredits,
    410: errors.ModelRetired,
    422: errors.InferenceFailed,
    429: errors.RateLimited,
    500: errors.ServerError,
    502: errors.BadGateway,
    504: errors.GatewayTimeout,
}
MAY_HAVE_BEEN_ACCEPTED = {(502, "proxy"), (504, "cut-off")}
"""Responses to a POST, by status and example, that do not say that the service refused it."""
RETRIED = {"POST": {429, 500, 502}, "GET": {429, 500, 502, 504}}
ATTEMPTS = 4
DEADLINE = 10.0
"""Seconds. The double's 429 names a reset one second ahead, so that it is met once a second until the deadline."""
REFUSED = int(DEADLINE) + 1
"""Requests to a rate limit that does not end."""


Call = Callable[[Example], Any]


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest, address: str, double: Double) -> Iterator[Call]:
    """Calls the operation of an example, with which the double responds."""

    def call_with(client: Client | AsyncClient, example: Example) -> Any:
        fault = {"code": str(example.status), "example": example.name}
        double.add_fault(fault, operation_id=example.operation_id)
        _, path, operation = OPERATIONS[example.operation_id]
        return CALLS[operation["x-role"]](client, path.rpartition("/")[2])

    def call_sync(example: Example) -> Any:
        with Client(DEFAULT_KEY, base_url=address, deadline=DEADLINE) as client:
            return call_with(client, example)

    async def call_async(example: Example) -> Any:
        async with AsyncClient(DEFAULT_KEY, base_url=address, deadline=DEADLINE) as client:
            return await call_with(client, example)

    with pause_clock():
        if request.param == "sync":
            yield call_sync
        else:
            yield lambda example: anyio.run(call_async, example)


@pytest.mark.parametrize("example", SUCCESSES, ids=str)
def test_a_documented_success_is_returned_as_it_came(call: Call, example: Example) -> None:
    outcome = call(example)
    if not isinstance(outcome, ResponseObject):
        outcome = getattr(outcome, "submitted", None) or outcome.output
    assert outcome.to_dict() == example.value


@pytest.mark.parametrize("example", REFUSALS, ids=str)
def test_a_documented_error_is_raised_with_all_that_came(call: Call, double: Double, example: Example) -> None:
    with pytest.raises(SegmindError) as raised:
        call(example)
    error = raised.value
    unclear = example.method == "POST" and (example.status, example.name) in MAY_HAVE_BEEN_ACCEPTED
    assert type(error) is (errors.MayHaveBeenAccepted if unclear else CLASSES[example.status])
    assert error.response is not None
    assert error.status == error.response.status == example.status
    came = httpx.Response(error.response.status, headers=error.response.headers, content=error.response.content)
    assert problems_in(example.operation_id, came) == []
    if example.media_type == "application/json":
        assert came.json() == example.value
        messages = [example.value["error"], example.value.get("error_description", "")]
        assert [message for message in messages if message not in error.detail] == []
    else:
        assert came.text == example.value
    assert error.request_id == (REQUEST_ID if "{request_id}" in OPERATIONS[example.operation_id][1] else None)
    retried = example.status in RETRIED[example.method] and not unclear
    sent = REFUSED if example.status == 429 else ATTEMPTS if retried else 1
    assert len(double.requests(example.operation_id)) == sent
    assert_survives_pickling(error)


def test_the_examples_leave_out_no_documented_status() -> None:
    assert {(it.operation_id, it.status) for it in [*SUCCESSES, *REFUSALS]} == set(DOCUMENTED)


def test_a_failed_job_keeps_the_body_that_says_so(call: Call) -> None:
    example = next(it for it in REFUSALS if it.status == 422)
    with pytest.raises(errors.InferenceFailed) as raised:
        call(example)
    assert dict(raised.value.status_body) == example.value


RESPONSE = ApiResponse(402, ResponseHeaders({"x-request-id": "a"}), b"body")
OF_THEIR_OWN_MAKING: dict[str, SegmindError] = {
    "InvalidParameter": errors.InvalidParameter("Imagen4Request", "prompt", 5, "a text"),
    "UnreadableField": errors.UnreadableField("JobStatus", "status", [5]),
    "InferenceFailed": errors.InferenceFailed(
        "blocked", response=RESPONSE, request_id="id", status_body={"status": "FAILED"}
    ),
    "InferenceTimeout": errors.InferenceTimeout("late", request_id="id", elapsed_s=2.5),
}


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_survives_pickling(name: str) -> None:
    kind = getattr(errors, name)
    assert_survives_pickling(OF_THEIR_OWN_MAKING.get(name) or kind("no", response=RESPONSE, request_id="id"))


def assert_survives_pickling(error: SegmindError) -> None:
    restored = pickle.loads(pickle.dumps(error))  # noqa: S301  made on the same line
    assert type(restored) is type(error)
    assert (str(restored), repr(restored), vars(restored)) == (str(error), repr(error), vars(error))
