"""How a double behaves, the same for all processes that serve it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

GenerateAs = Literal["json", "text", "image"]
ImageFormat = Literal["png", "jpeg", "webp"]


@dataclass(frozen=True)
class Settings:
    """How a double behaves. Raises ValueError for values out of range."""

    latency_factor: float = 0.0
    """Multiplies the contract's typical latency; with 0, calls and jobs end at once."""
    latency_jitter: float = 0.0
    """By which share the latency varies, up and down, from 0 to 1."""
    polls_to_complete: int | None = None
    """Number of status calls until a job ends; with None, time decides."""
    generate_as: GenerateAs = "json"
    """Format of v1 responses; the vendor's documentation shows all three."""
    generate_seconds: float = 60.0
    """Seconds until a v1 call is cut off with 504. The default is inferred: the service documents no number."""
    image_format: ImageFormat = "png"
    """Of images whose format no parameter chooses."""
    strict: bool = False
    """Whether parameters that the contract lacks are refused; the contract leaves requests open."""
    largest_body: int = 1_000_000
    """Most bytes of a request body."""

    def __post_init__(self) -> None:
        if not 0 <= self.latency_factor < math.inf or not 0 <= self.latency_jitter <= 1:
            raise ValueError("expected a latency factor of 0 or more and a jitter from 0 to 1")
        polls = self.polls_to_complete
        if polls is not None and polls < 1:
            raise ValueError("expected 1 poll or more until a job completes")
        if self.generate_as not in get_args(GenerateAs) or self.image_format not in get_args(ImageFormat):
            raise ValueError("expected generate_as json, text or image, and image_format png, jpeg or webp")
        if not 0 < self.generate_seconds < math.inf:
            raise ValueError("expected more than 0 generate_seconds")
        if self.largest_body < 1:
            raise ValueError("expected a largest_body of 1 byte or more")
