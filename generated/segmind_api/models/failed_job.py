# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
from __future__ import annotations

from ..types import ResponseObject, as_string
from .failed_job_metrics import FailedJobMetrics


class FailedJob(ResponseObject):
    """A job that ran and failed. It was not charged."""

    __slots__ = ()

    @property
    def request_id(self) -> str:
        """Id of a job, a UUID."""
        return self._promised("request_id", as_string)

    @property
    def status(self) -> str:
        """Content and safety blocks end here as well."""
        return self._promised("status", as_string)

    @property
    def error(self) -> str:
        """Why the job failed."""
        return self._promised("error", as_string)

    @property
    def metrics(self) -> FailedJobMetrics:
        """The times of a failed job. Cost and remaining credits are absent, nothing was charged."""
        return self._promised("metrics", FailedJobMetrics.from_raw)
