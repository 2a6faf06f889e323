# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
from __future__ import annotations

from typing import Literal

from ..types import ResponseObject, as_string
from .job_metrics import JobMetrics


class JobStatus(ResponseObject):
    """How far a job is that has not failed. A failed one is a FailedJob, served as 422."""

    __slots__ = ()

    @property
    def request_id(self) -> str:
        """Id of a job, a UUID."""
        return self._promised("request_id", as_string)

    @property
    def status(self) -> Literal["QUEUED", "PROCESSING", "COMPLETED"] | str:
        """The state of the job. It only ever moves from left to right."""
        return self._promised("status", as_string)

    @property
    def metrics(self) -> JobMetrics:
        """What is known so far about the job's times and cost."""
        return self._promised("metrics", JobMetrics.from_raw)

    @property
    def status_url(self) -> str | None:
        """Where to poll the job."""
        return self._possible("status_url", as_string)

    @property
    def response_url(self) -> str | None:
        """Where to fetch the result."""
        return self._possible("response_url", as_string)
