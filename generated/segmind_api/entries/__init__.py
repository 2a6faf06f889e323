# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
"""What the catalogue has of each model, a module per model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import attrs

from ..models.error_response import ErrorResponse
from ..models.generation_output import GenerationOutput
from ..models.submitted_job import SubmittedJob
from ..types import Answer, ApiResponse, RequestBody


@attrs.frozen(kw_only=True)
class Model:
    """One model: its parameters, its two operations, what it makes, and what that costs in money and time."""

    slug: str
    request: type[RequestBody]
    """Class of its parameters."""
    generate_path: str
    """Path of the blocking call (v1)."""
    read_generated: Callable[[ApiResponse], Answer[GenerationOutput | str | bytes, ErrorResponse | str]]
    submit_path: str
    """Path that queues a job (v2)."""
    read_submitted: Callable[[ApiResponse], Answer[SubmittedJob, ErrorResponse | str]]
    output: Literal["image", "video", "audio", "text", "json"] | None = "image"
    """What it makes; None for a model that the contract does not know."""
    price_usd: float | None = None
    """US dollars for one generation, at most; None where nobody says."""
    price_range_usd: tuple[float, float] | None = None
    """The least and the most, where the price is a range."""
    typical_latency_seconds: float | None = None
    """Seconds that one generation usually takes, the middle of a range; None where nobody says."""
    latency_range_seconds: tuple[float, float] | None = None
    """The least and the most, where the latency is a range."""
