# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
from __future__ import annotations

from typing import cast

from ..types import Reader, ResponseObject, as_integer, as_null, as_string, either, tuple_of
from .completed_job_metrics import CompletedJobMetrics
from .output_image import OutputImage


class JobResult(ResponseObject):
    """The output of a completed job. Only the status and the metrics are common to all models; expect fields that are
    not listed here.
    """

    __slots__ = ()

    @property
    def request_id(self) -> str:
        """Id of a job, a UUID."""
        return self._promised("request_id", as_string)

    @property
    def status(self) -> str:
        """A result exists for completed jobs only."""
        return self._promised("status", as_string)

    @property
    def output(self) -> str:
        """Where the image can be fetched without a key, for seven days (guide)."""
        return self._promised("output", as_string)

    @property
    def images(self) -> tuple[OutputImage, ...] | None:
        """The images, one entry each."""
        return self._possible("images", tuple_of(OutputImage.from_raw))

    @property
    def seed(self) -> int | str | None:
        """The seed that was used, as an integer or as a string of digits. Left out where the model reports none."""
        return self._possible("seed", cast("Reader[int | str]", either(as_integer, as_string)))

    @property
    def prompt(self) -> str | None:
        """The prompt that was used."""
        return self._possible("prompt", as_string)

    @property
    def error(self) -> None:
        """Nothing went wrong."""
        return self._possible("error", as_null)

    @property
    def metrics(self) -> CompletedJobMetrics:
        """The times and the cost of a completed job."""
        return self._promised("metrics", CompletedJobMetrics.from_raw)
