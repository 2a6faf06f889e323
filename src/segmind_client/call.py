"""What is known of one call of a public method when something ends it."""

from __future__ import annotations

import logging
from typing import NoReturn

from segmind_api.types import ApiResponse
from segmind_client.errors import NotSent, SegmindError, mask_keys
from segmind_client.masking import described_error, without_key
from segmind_client.reading import DOUBT, is_refusal, job_in_part, may_have_been_accepted
from segmind_client.steps import Sent

logger = logging.getLogger("segmind_client")


class Call:
    """One call of a public method. Every exception that ends the call is raised by `fail`, which names the job."""

    def __init__(self, request_id: str | None = None, *, is_generation: bool = False) -> None:
        self.is_generation = is_generation
        """Whether it is a v1 call, whose response is the image."""
        self.request_id = request_id
        """The id of the job, once it is known."""
        self.sent: Sent | None = None
        """The last POST that was sent."""
        self.response: ApiResponse | None = None
        """The response to the last POST, as far as it was received."""

    def fail(self, error: BaseException) -> NoReturn:
        """Raises the error as a SegmindError that names the job, or an interruption such as KeyboardInterrupt with a
        note.
        """
        try:
            failure = self._failure(error)
        except BaseException as interruption:
            # A signal handler has raised meanwhile.
            failure = self._failure(interruption)
        raise failure

    def _failure(self, error: BaseException) -> BaseException:
        request_id, charges = self._accepted()
        if not isinstance(error, Exception):
            if charges:
                error.add_note(charges)
                error.__dict__.update(request_id=request_id, response=self.response)
                logger.warning("Interrupted by %s. %s", type(error).__name__, charges)
            return error
        if not isinstance(error, SegmindError):
            return self._unexpected(error, request_id, charges)
        if error.request_id is None:
            error.request_id = self.request_id
        mask_keys(error)
        return error

    def _unexpected(self, error: Exception, request_id: str | None, charges: str) -> SegmindError:
        what = described_error(error)
        failure: SegmindError
        if self.sent is None or self.request_id is not None:
            failure = SegmindError(f"unexpected failure ({what}). {charges}".strip(), request_id=request_id)
        elif not self.sent.begun:
            failure = NotSent(f"unexpected failure ({what}) before anything was sent")
        else:
            failure = may_have_been_accepted(
                self.sent.request,
                f"then failed unexpectedly ({what})",
                self.response,
                request_id,
                is_generation=self.is_generation,
            )
        mask_keys(failure)
        failure.__cause__ = without_key(error)
        return failure

    def _accepted(self) -> tuple[str | None, str]:
        """The id of what the service has accepted, and what it may charge for, as a sentence; empty if nothing."""
        if self.request_id:
            return self.request_id, (
                f"The job {self.request_id} goes on, and is charged when it completes: "
                f"job({self.request_id!r}) picks it up."
            )
        sent = self.sent
        if sent is None or not sent.begun:
            return None, ""
        what = f"{sent.request.method} {sent.request.path}"
        self.response = self.response or partial_response(sent)
        request_id = accepted_id(sent, is_generation=self.is_generation)
        if self.is_generation and sent.status == 200:
            number = request_id or "without an id"
            return request_id, (
                f"{what} was accepted and is charged (request {number}); `response` is what was received."
            )
        if request_id is not None:
            return request_id, (
                f"The job {request_id} was accepted, and is charged when it completes: job({request_id!r}) picks it up."
            )
        if self.response is not None and is_refusal(sent.request, self.response):
            return None, ""
        return None, f"{what} was interrupted before its response was complete. {DOUBT}."


def partial_response(sent: Sent) -> ApiResponse | None:
    """A response as far as it was received."""
    return None if sent.status is None else ApiResponse(sent.status, sent.headers, bytes(sent.received))


def accepted_id(sent: Sent, *, is_generation: bool) -> str | None:
    """The id of the job, or of the v1 call, in a response that may have been received in part."""
    return sent.headers.get("x-request-id") if is_generation else job_in_part(sent)
