# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
from __future__ import annotations

from ..types import ResponseObject, as_number


class FailedJobMetrics(ResponseObject):
    """The times of a failed job. Cost and remaining credits are absent, nothing was charged."""

    __slots__ = ()

    @property
    def inference_time(self) -> float | None:
        """Seconds of computing."""
        return self._possible("inference_time", as_number)

    @property
    def queue_time(self) -> float | None:
        """Seconds in the queue."""
        return self._possible("queue_time", as_number)

    @property
    def total_time(self) -> float | None:
        """Seconds from submission to failure."""
        return self._possible("total_time", as_number)
