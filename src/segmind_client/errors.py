"""Everything that the client raises.

SegmindError
├── InvalidParameter      a value that the contract does not allow, nothing was sent
├── UnreadableField       a field that the contract promises was read, and is not there
├── MissingKey            no key was given, or none that can be one; nothing was sent
├── NotSent               the service was never reached, nothing was charged
├── MayHaveBeenAccepted   a POST was sent and its answer was lost, or cannot be read
├── ForeignURL        a job was accepted, and is said to be on another host; its request id picks it up
├── ConnectionLost        a GET was sent and its answer was lost
├── UnreadableResponse      a GET was answered with what the contract does not have
├── InferenceFailed       the job ran and failed, nothing was charged
├── InferenceTimeout      the job is still on its way; its request id picks it up again
├── NoImage               what came holds neither an image nor the address of one
├── ClientUnusable              there is no client to use: closed, of another process, or lost with a copy
├── DownloadFailed        the image was not fetched: gone, too large, too slow, no image at all, or behind a proxy
│                         that cannot be used
├── NotSaved              the image cannot be written where it was to go, or in its format
│   └── FileExists        a file is there already
└── StatusError           the service refused
    ├── BadRequest 400, Unauthorized 401, Forbidden 403, NotFound 404, MethodNotAllowed 405
    ├── InsufficientCredits 406, ModelRetired 410, RateLimited 429
    └── ServerError 500, BadGateway 502, GatewayTimeout 504
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
"""Characters of what a service says, in a message; the answer has the rest."""


def cut(text: str) -> str:
    """What the service said, without a key, and as much of it as a person reads."""
    text = masked(text)
    if len(text) <= LONGEST_MESSAGE:
        return text
    return f"{text[:LONGEST_MESSAGE]}… (the rest of {len(text)} characters is in `response`)"


def in_words(seconds: float) -> str:
    """A period in the largest unit that it is a whole number of."""
    units = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}
    unit, size = next((unit, size) for unit, size in units.items() if seconds % size == 0 or size == 1)
    return f"{seconds / size:g} {unit if seconds != size else unit[:-1]}"


class MissingKey(SegmindError):
    """No key was given, neither as an argument nor by the environment, or one that cannot be a key."""


class NotSent(SegmindError):
    """The service was never reached: refused, unknown host, no connection in time. Safe to repeat."""


class MayHaveBeenAccepted(SegmindError):
    """A POST went out and no readable answer came back. Repeating it may pay twice."""


class ForeignURL(SegmindError):
    """A job was accepted, and the addresses it came with are on another host. Nothing was sent there."""


class ConnectionLost(SegmindError):
    """The answer to a GET was lost. Safe to repeat."""


class UnreadableResponse(SegmindError):
    """An answer that the contract does not have. `response` holds it as it came."""


class InferenceFailed(SegmindError):
    """The job ran and failed, a safety block included. Nothing was charged.

    `detail` is the service's own message, empty where it sent none; `status_body` is all that it sent.
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
            return f"the job failed: {reason}; it is said to have cost {self._cost():g}. Try other parameters{job}"
        return f"the job failed: {reason}; nothing was charged. Try again, or other parameters{job}"

    def _cost(self) -> float:
        """What the service says that it charged, though a job that fails is free."""
        metrics = self.status_body.get("metrics")
        of_job = as_number(cast(Mapping[str, Any], metrics).get("cost")) if isinstance(metrics, Mapping) else None
        return (self.response.headers.cost if self.response else None) or of_job or 0.0


class InferenceTimeout(SegmindError):
    """The job did not end before the deadline. It may still complete, and is charged if it does.

    `elapsed_s` is how long it was waited for, in seconds.
    """

    def __init__(self, detail: str, *, request_id: str, elapsed_s: float) -> None:
        super().__init__(detail, request_id=request_id)
        self.elapsed_s = elapsed_s


class NoImage(SegmindError):
    """There is nothing to save: neither an image nor the address of one."""


class ClientUnusable(SegmindError):
    """There is no client to use: it is closed or of another process, cannot be pickled, or a copied result lost it."""


class DownloadFailed(SegmindError):
    """The image was not fetched. `response` is the head of its host's response, or else what the result came in."""


class NotSaved(SegmindError, OSError):
    """The image cannot be written where it was to go, or in the format that it has. Nothing was left there.

    `response` is the answer that the result came in, with the image or its address.
    """


class FileExists(NotSaved, FileExistsError):
    """A file is there already, and was left as it is."""


class StatusError(SegmindError):
    """The service answered with an error. A call that is answered so is not charged."""

    by_status: ClassVar[dict[int, type[StatusError]]] = {}
    advice: ClassVar[str] = "see `response` for all that came"
    """What to do next."""
    advice_on_job: ClassVar[str] = "the job itself goes on: job(request_id) asks again"
    """What to do next where the call asked for a job."""

    def __init_subclass__(cls, *, status: int) -> None:
        StatusError.by_status[status] = cls


class BadRequest(StatusError, status=400):
    """The parameters cannot be taken. Correct them before sending again."""

    advice = "correct the parameters; nothing was charged"


class Unauthorized(StatusError, status=401):
    """No key, or one that is not valid."""

    advice = advice_on_job = "check the key: api_key, or SEGMIND_API_KEY in the environment"


class Forbidden(StatusError, status=403):
    """The account may not call this model."""

    advice = "use another model, or ask the holder of the account"


class NotFound(StatusError, status=404):
    """No such model, or no such job, or one whose retention is over."""

    advice = "check the slug, and base_url"
    advice_on_job = (
        f"check the request id; a job is kept for {in_words(JOB_RETENTION_SECONDS)} after its submission, and has a "
        f"result when it has ended: wait() waits"
    )


class MethodNotAllowed(StatusError, status=405):
    """The address exists and takes another verb; most often a wrong base URL."""

    advice = advice_on_job = "check base_url"


class InsufficientCredits(StatusError, status=406):
    """The balance is below the price of the call."""

    advice = "credits() says what is left; nothing was charged"


class ModelRetired(StatusError, status=410):
    """The model is no longer offered."""

    advice = "use another model"


class RateLimited(StatusError, status=429):
    """Too many calls in this window; `response.headers.rate_limit_reset_at_utc` says until when."""

    advice = advice_on_job = "wait until the window has reset, or give a longer deadline"


class ServerError(StatusError, status=500):
    """The service broke; at times it means a parameter that the model does not take."""

    advice = "try again, or other parameters; nothing was charged"


class BadGateway(StatusError, status=502):
    """What stands before the service got no answer from it."""

    advice = "try again later"


class GatewayTimeout(StatusError, status=504):
    """The call took too long. A POST that ends this way is raised as MayHaveBeenAccepted."""

    advice = "try again later"
