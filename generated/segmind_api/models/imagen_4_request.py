# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
from __future__ import annotations

import attrs

from ..types import UNSET, RequestBody, Unset, one_of, string
from .aspect_ratio import AspectRatio


@attrs.define(kw_only=True, repr=False)
class Imagen4Request(RequestBody):
    """Parameters of Imagen 4."""

    prompt: str = attrs.field(validator=string(min_length=1, allowed="a string that is not empty"))
    """What the image should show. The page prints a default beside it; that is the text its form starts with, and the
    field is required all the same.

    A string that is not empty.
    """

    aspect_ratio: AspectRatio | Unset = attrs.field(
        default=UNSET,
        validator=one_of(("1:1", "4:3", "3:4", "9:16", "16:9"), allowed="one of '1:1', '4:3', '3:4', '9:16', '16:9'"),
    )
    """Shape of the image, width to height. One of '1:1', '4:3', '3:4', '9:16', '16:9'. The service's default: '4:3'."""

    negative_prompt: str | Unset = attrs.field(default=UNSET, validator=string(allowed="a string"))
    """What the image should not show. A string. The service's default: 'blurry, pixelated'."""
