# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
from __future__ import annotations

import attrs

from ..types import UNSET, RequestBody, Unset, integer, number, one_of, string
from .aspect_ratio import AspectRatio
from .scheduler import Scheduler


@attrs.define(kw_only=True, repr=False)
class Imagen4UltraRequest(RequestBody):
    """Parameters of Imagen 4 Ultra. Its price is not on its page; it is inferred from what the model's maker lists."""

    prompt: str = attrs.field(validator=string(min_length=1, allowed="a string that is not empty"))
    """What the image should show. That it may not be empty is inferred. A string that is not empty."""

    width: int | Unset = attrs.field(
        default=UNSET, validator=integer(minimum=256, maximum=1024, allowed="an integer from 256 to 1024")
    )
    """Width of the image, in pixels. An integer from 256 to 1024. The service's default: 512."""

    height: int | Unset = attrs.field(
        default=UNSET, validator=integer(minimum=256, maximum=1024, allowed="an integer from 256 to 1024")
    )
    """Height of the image, in pixels. An integer from 256 to 1024. The service's default: 512."""

    steps: int | Unset = attrs.field(
        default=UNSET, validator=integer(minimum=1, maximum=100, allowed="an integer from 1 to 100")
    )
    """Number of denoising steps. An integer from 1 to 100. The service's default: 25."""

    guidance_scale: float | Unset = attrs.field(
        default=UNSET, validator=number(minimum=1, maximum=20, allowed="a number from 1 to 20")
    )
    """How closely the image keeps to the prompt; higher is closer. A number from 1 to 20. The service's default: 7.5."""

    negative_prompt: str | Unset = attrs.field(default=UNSET, validator=string(allowed="a string"))
    """What the image should not show. A string."""

    scheduler: Scheduler | Unset = attrs.field(
        default=UNSET,
        validator=one_of(
            ("DDIM", "PNDM", "LMSDiscrete", "DPMSolverMultistep", "EulerAncestralDiscrete"),
            allowed="one of 'DDIM', 'PNDM', 'LMSDiscrete', 'DPMSolverMultistep', 'EulerAncestralDiscrete'",
        ),
    )
    """The algorithm that takes the noise away. One of 'DDIM', 'PNDM', 'LMSDiscrete', 'DPMSolverMultistep',
    'EulerAncestralDiscrete'. The service's default: 'DDIM'.
    """

    seed: int | Unset = attrs.field(
        default=UNSET, validator=integer(minimum=-1, maximum=2147483647, allowed="an integer from -1 to 2147483647")
    )
    """Start of the random numbers; -1 draws one. An integer from -1 to 2147483647. The service's default: -1."""

    aspect_ratio: AspectRatio | Unset = attrs.field(
        default=UNSET,
        validator=one_of(("1:1", "4:3", "3:4", "9:16", "16:9"), allowed="one of '1:1', '4:3', '3:4', '9:16', '16:9'"),
    )
    """Shape of the image. Contested: the page's sample code sends it, while the page's parameter table lists width and
    height and does not know it. Either may be sent; what happens when both are is not documented. The values are
    those of the sibling models (inferred), and no default is known.

    One of '1:1', '4:3', '3:4', '9:16', '16:9'.
    """
