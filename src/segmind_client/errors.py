"""The exceptions of the client.

SegmindError
├── InvalidParameter      a value that the contract does not allow; nothing was sent
├── UnreadableField       a field that the contract promises is missing in a response
├── MissingKey            there is no API key, or an impossible one; nothing was sent
├── NotSent               the service was not reached; nothing was charged
├── MayHaveBeenAccepted   a POST was sent, and its response was lost or cannot be read
├── ForeignURL            a job was accepted, and its URLs are on another host; its request id picks it up
├── ConnectionLost        a GET was sent, and its response was lost
├── UnreadableResponse    the response to a GET is not in the contract
├── InferenceFailed       the job failed; nothing was charged
├── InferenceTimeout      the job did not end before the deadline; its request id picks it up
├── NoOutput              the result has neither an output nor the URL of one
├── ClientUnusable        the client is closed, or belongs to another process or event loop; or a copied result has none
├── DownloadFailed        the output was not fetched: gone, too large, too slow, no output, or an unusable proxy
├── NotSaved              the output cannot be written to the path, or in its format
│   └── FileExists        there is a file already
└── StatusError           the service responded with an error
    ├── BadRequest 400, Unauthorized 401, Forbidden 403, NotFound 404, MethodNotAllowed 405
    ├── InsufficientCredits 406, ModelRetired 410, RateLimited 429
    └── ServerError 500, BadGateway 502, GatewayTimeout 504

Classes are named after what happened. Only SegmindError, StatusError and ServerError end in Error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, cast

from segmind_api.catalog import JOB_RETENTION_SECONDS
from segmind_api.errors import InvalidParameter, SegmindError, UnreadableField
from segmind_api.types import ApiResponse, as_number
from segmind_client.masking import masked

__all__ = [
    "BadGateway",
    "BadRequest",
    "ClientUnusable",
    "ConnectionLost",
    "DownloadFailed",
    "FileExists",
    "Forbidden",
    "ForeignURL",
    "GatewayTimeout",
    "InferenceFailed",
    "InferenceTimeout",
    "InsufficientCredits",
    "InvalidParameter",
    "MayHaveBeenAccepted",
    "MethodNotAllowed",
    "MissingKey",
    "ModelRetired",
    "NoImage",
    "NoOutput",
    "NotFound",
    "NotSaved",
    "NotSent",
    "RateLimited",
    "SegmindError",
    "ServerError",
    "StatusError",
    "Unauthorized",
    "UnreadableField",
    "UnreadableResponse",
]


LONGEST_MESSAGE = 1000
"""The most characters of a service's message in an exception; `response` has the rest."""


def cut(text: str) -> str:
    """A message of the service, without keys, cut to a readable length."""
    text = masked(text)
    if len(text) <= LONGEST_MESSAGE:
        return text
    return f"{text[:LONGEST_MESSAGE]}… (the rest of {len(text)} characters is in `response`)"


def mask_keys(error: SegmindError) -> None:
    """Masks keys in the message of an error."""
    error.detail = masked(error.detail)
    error.args = (error.detail,)


def in_words(seconds: float) -> str:
    """A period in the largest unit of which it is a whole number."""
    units = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}
    unit, size = next((unit, size) for unit, size in units.items() if seconds % size == 0 or size == 1)
    return f"{seconds / size:g} {unit if seconds != size else unit[:-1]}"


class MissingKey(SegmindError):
    """There is no API key, neither as an argument nor in the environment, or it has impossible characters."""


class NotSent(SegmindError):
    """The service was not reached: connection refused, unknown host, no connection in time. Safe to retry."""


class MayHaveBeenAccepted(SegmindError):
    """A POST was sent, and its response was lost or cannot be read. A retry may pay twice."""


class ForeignURL(SegmindError):
    """A job was accepted, and its URLs are on another host. Nothing was sent there."""


class ConnectionLost(SegmindError):
    """The response to a GET was lost. Safe to retry."""


class UnreadableResponse(SegmindError):
    """A response that is not in the contract; `response` has it as it was received."""


class InferenceFailed(SegmindError):
    """The job failed, for example at a safety filter. Nothing was charged.

    `detail` is the service's message, empty if it sent none; `status_body` is the whole body.
    """

    def __init__(
        self,
        detail: str,
        *,
        response: ApiResponse | None = None,
        request_id: str | None = None,
        status_body: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail, response=response, request_id=request_id)
        self.status_body = status_body or {}

    def __str__(self) -> str:
        reason = cut(self.detail) or "the service does not say why"
        job = f" (request {self.request_id})" if self.request_id else ""
        if self._cost():
            return (
                f"the job failed: {reason}; the service reports a cost of {self._cost():g}. Try other parameters{job}"
            )
        return f"the job failed: {reason}; nothing was charged. Try again, or other parameters{job}"

    def _cost(self) -> float:
        """The cost that the service reports, although failed jobs are free."""
        metrics = self.status_body.get("metrics")
        of_job = as_number(cast(Mapping[str, Any], metrics).get("cost")) if isinstance(metrics, Mapping) else None
        return (self.response.headers.cost if self.response else None) or of_job or 0.0


class InferenceTimeout(SegmindError):
    """The job did not end before the deadline. It may still complete, and is charged if it does.

    `elapsed_s` is the time waited, in seconds.
    """

    def __init__(self, detail: str, *, request_id: str, elapsed_s: float) -> None:
        super().__init__(detail, request_id=request_id)
        self.elapsed_s = elapsed_s


class NoOutput(SegmindError):
    """The result has neither an output nor the URL of one."""


NoImage = NoOutput


class ClientUnusable(SegmindError):
    """The client is closed or belongs to another process or event loop, or a copied result has no client."""


class DownloadFailed(SegmindError):
    """The output was not fetched. `response` is the head of its host's response, or that with the result."""


class NotSaved(SegmindError, OSError):
    """The output cannot be written to the path, or in its format. Nothing was left there.

    `response` is the response with the result: it has the output or its URL.
    """


class FileExists(NotSaved, FileExistsError):
    """There is a file already. It was not changed."""


class StatusError(SegmindError):
    """The service responded with an error. Nothing was charged."""

    by_status: ClassVar[dict[int, type[StatusError]]] = {}
    advice: ClassVar[str] = "`response` has the whole response"
    """What to do next."""
    advice_on_job: ClassVar[str] = "the job itself goes on: job(request_id) asks again"
    """What to do next if the call was about a job."""

    def __init_subclass__(cls, *, status: int) -> None:
        StatusError.by_status[status] = cls


class BadRequest(StatusError, status=400):
    """The parameters are not valid."""

    advice = "correct the parameters; nothing was charged"


class Unauthorized(StatusError, status=401):
    """The API key is missing or not valid."""

    advice = advice_on_job = "check the key: api_key, or SEGMIND_API_KEY in the environment"


class Forbidden(StatusError, status=403):
    """The account may not call this model."""

    advice = "use another model, or ask the holder of the account"


class NotFound(StatusError, status=404):
    """There is no such model or job, or the job has expired."""

    advice = "check the slug, and base_url"
    advice_on_job = (
        f"check the request id; a job is kept for {in_words(JOB_RETENTION_SECONDS)} after its submission, and has a "
        f"result when it has ended: wait() waits"
    )


class MethodNotAllowed(StatusError, status=405):
    """The URL does not take this method; most often the base URL is wrong."""

    advice = advice_on_job = "check base_url"


class InsufficientCredits(StatusError, status=406):
    """The balance is below the price of the call."""

    advice = "credits() returns the balance; nothing was charged"


class ModelRetired(StatusError, status=410):
    """The model is no longer offered."""

    advice = "use another model"


class RateLimited(StatusError, status=429):
    """Too many calls in this window, which ends at `response.headers.rate_limit_reset_at_utc`."""

    advice = advice_on_job = "wait until the window has reset, or give a longer deadline"


class ServerError(StatusError, status=500):
    """The service failed. At times a parameter is the reason."""

    advice = "try again, or other parameters; nothing was charged"


class BadGateway(StatusError, status=502):
    """A gateway got no response from the service."""

    advice = "try again later"


class GatewayTimeout(StatusError, status=504):
    """The call took too long. After a POST, MayHaveBeenAccepted is raised instead."""

    advice = "try again later"
