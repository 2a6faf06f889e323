# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import attrs

from .. import checks
from ..types import UNSET, RequestBody, Unset
from .aspect_ratio import AspectRatio
from .scheduler import Scheduler


@attrs.define(kw_only=True, repr=False)
class Imagen4UltraRequest(RequestBody):
    """Parameters of Imagen 4 Ultra. Its price is not on its page; it is inferred from what the model's maker lists.

    - prompt: What the image should show. That it may not be empty is inferred. A string that is not empty.
    - width: Width of the image, in pixels. An integer from 256 to 1024. The service's default: 512.
    - height: Height of the image, in pixels. An integer from 256 to 1024. The service's default: 512.
    - steps: Number of denoising steps. An integer from 1 to 100. The service's default: 25.
    - guidance_scale: How closely the image keeps to the prompt; higher is closer. A number from 1 to 20. The
      service's default: 7.5.
    - negative_prompt: What the image should not show. A string.
    - scheduler: The algorithm that takes the noise away. One of 'DDIM', 'PNDM', 'LMSDiscrete',
      'DPMSolverMultistep', 'EulerAncestralDiscrete'. The service's default: 'DDIM'.
    - seed: Start of the random numbers; -1 draws one. An integer from -1 to 2147483647. The service's default: -1.
    - aspect_ratio: Shape of the image. Contested: the page's sample code sends it, while the page's parameter table
      lists width and height and does not know it. Either may be sent; what happens when both are is not documented.
      The values are those of the sibling models (inferred), and no default is known. One of '1:1', '4:3', '3:4',
      '9:16', '16:9'.
    """

    PARAMETERS: ClassVar[Mapping[str, checks.Parameter]] = {
        "prompt": checks.Parameter(
            "prompt", checks.string(min_length=1, allowed="a string that is not empty"), required=True
        ),
        "width": checks.Parameter(
            "width", checks.integer(minimum=256, maximum=1024, allowed="an integer from 256 to 1024")
        ),
        "height": checks.Parameter(
            "height", checks.integer(minimum=256, maximum=1024, allowed="an integer from 256 to 1024")
        ),
        "steps": checks.Parameter("steps", checks.integer(minimum=1, maximum=100, allowed="an integer from 1 to 100")),
        "guidance_scale": checks.Parameter(
            "guidance_scale", checks.number(minimum=1, maximum=20, allowed="a number from 1 to 20")
        ),
        "negative_prompt": checks.Parameter("negative_prompt", checks.string(allowed="a string")),
        "scheduler": checks.Parameter(
            "scheduler",
            checks.one_of(
                "DDIM",
                "PNDM",
                "LMSDiscrete",
                "DPMSolverMultistep",
                "EulerAncestralDiscrete",
                allowed="one of 'DDIM', 'PNDM', 'LMSDiscrete', 'DPMSolverMultistep', 'EulerAncestralDiscrete'",
            ),
        ),
        "seed": checks.Parameter(
            "seed", checks.integer(minimum=-1, maximum=2147483647, allowed="an integer from -1 to 2147483647")
        ),
        "aspect_ratio": checks.Parameter(
            "aspect_ratio",
            checks.one_of("1:1", "4:3", "3:4", "9:16", "16:9", allowed="one of '1:1', '4:3', '3:4', '9:16', '16:9'"),
        ),
    }

    prompt: str
    """What the image should show. That it may not be empty is inferred. A string that is not empty."""

    width: int | Unset = UNSET
    """Width of the image, in pixels. An integer from 256 to 1024. The service's default: 512."""

    height: int | Unset = UNSET
    """Height of the image, in pixels. An integer from 256 to 1024. The service's default: 512."""

    steps: int | Unset = UNSET
    """Number of denoising steps. An integer from 1 to 100. The service's default: 25."""

    guidance_scale: float | Unset = UNSET
    """How closely the image keeps to the prompt; higher is closer. A number from 1 to 20. The service's default: 7.5."""

    negative_prompt: str | Unset = UNSET
    """What the image should not show. A string."""

    scheduler: Scheduler | Unset = UNSET
    """The algorithm that takes the noise away. One of 'DDIM', 'PNDM', 'LMSDiscrete', 'DPMSolverMultistep',
    'EulerAncestralDiscrete'. The service's default: 'DDIM'.
    """

    seed: int | Unset = UNSET
    """Start of the random numbers; -1 draws one. An integer from -1 to 2147483647. The service's default: -1."""

    aspect_ratio: AspectRatio | Unset = UNSET
    """Shape of the image. Contested: the page's sample code sends it, while the page's parameter table lists width and
    height and does not know it. Either may be sent; what happens when both are is not documented. The values are
    those of the sibling models (inferred), and no default is known.

    One of '1:1', '4:3', '3:4', '9:16', '16:9'.
    """
