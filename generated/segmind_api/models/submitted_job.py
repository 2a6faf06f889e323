# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
from __future__ import annotations

from ..types import ResponseObject, as_string


class SubmittedJob(ResponseObject):
    """A job that has been queued."""

    __slots__ = ()

    @property
    def request_id(self) -> str:
        """Id of a job, a UUID."""
        return self._promised("request_id", as_string)

    @property
    def status(self) -> str:
        """A new job is always queued."""
        return self._promised("status", as_string)

    @property
    def status_url(self) -> str:
        """Where to poll the job. Send the key there only if it is on the host that was called."""
        return self._promised("status_url", as_string)

    @property
    def response_url(self) -> str | None:
        """Where to fetch the result."""
        return self._possible("response_url", as_string)

    @property
    def poll_url(self) -> str | None:
        """An address under v1, kept for old clients."""
        return self._possible("poll_url", as_string)
