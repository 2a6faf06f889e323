# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
from __future__ import annotations

from ..types import ResponseObject, as_integer, as_number


class CompletedJobMetrics(ResponseObject):
    """The times and the cost of a completed job."""

    __slots__ = ()

    @property
    def inference_time(self) -> float:
        """Seconds of computing."""
        return self._promised("inference_time", as_number)

    @property
    def queue_time(self) -> float:
        """Seconds in the queue."""
        return self._promised("queue_time", as_number)

    @property
    def total_time(self) -> float:
        """Seconds from submission to completion."""
        return self._promised("total_time", as_number)

    @property
    def cost(self) -> float:
        """What the job cost, in credits (US dollars)."""
        return self._promised("cost", as_number)

    @property
    def remaining_credits(self) -> float:
        """The balance after the job, in credits (US dollars)."""
        return self._promised("remaining_credits", as_number)

    @property
    def retry_count(self) -> int | None:
        """How often the service ran the job again. Left out where it did not."""
        return self._possible("retry_count", as_integer)
