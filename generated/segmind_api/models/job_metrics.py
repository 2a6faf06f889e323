# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
from __future__ import annotations

from ..types import ResponseObject, as_integer, as_number


class JobMetrics(ResponseObject):
    """What is known so far about the job's times and cost."""

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
        """Seconds from submission to completion."""
        return self._possible("total_time", as_number)

    @property
    def cost(self) -> float | None:
        """What the job cost, in credits (US dollars)."""
        return self._possible("cost", as_number)

    @property
    def remaining_credits(self) -> float | None:
        """The balance after the job, in credits (US dollars)."""
        return self._possible("remaining_credits", as_number)

    @property
    def retry_count(self) -> int | None:
        """How often the service ran the job again. Left out where it did not."""
        return self._possible("retry_count", as_integer)
