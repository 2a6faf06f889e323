# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import attrs

from .. import checks
from ..types import UNSET, RequestBody, Unset
from .aspect_ratio import AspectRatio


@attrs.define(kw_only=True, repr=False)
class Imagen4Request(RequestBody):
    """Parameters of Imagen 4.

    - prompt: What the image should show. The page prints a default beside it; that is the text its form starts
      with, and the field is required all the same. A string that is not empty.
    - aspect_ratio: Shape of the image, width to height. One of '1:1', '4:3', '3:4', '9:16', '16:9'. The service's
      default: '4:3'.
    - negative_prompt: What the image should not show. A string. The service's default: 'blurry, pixelated'.
    """

    PARAMETERS: ClassVar[Mapping[str, checks.Parameter]] = {
        "prompt": checks.Parameter(
            "prompt", checks.string(min_length=1, allowed="a string that is not empty"), required=True
        ),
        "aspect_ratio": checks.Parameter(
            "aspect_ratio",
            checks.one_of("1:1", "4:3", "3:4", "9:16", "16:9", allowed="one of '1:1', '4:3', '3:4', '9:16', '16:9'"),
        ),
        "negative_prompt": checks.Parameter("negative_prompt", checks.string(allowed="a string")),
    }

    prompt: str
    """What the image should show. The page prints a default beside it; that is the text its form starts with, and the
    field is required all the same.

    A string that is not empty.
    """

    aspect_ratio: AspectRatio | Unset = UNSET
    """Shape of the image, width to height. One of '1:1', '4:3', '3:4', '9:16', '16:9'. The service's default: '4:3'."""

    negative_prompt: str | Unset = UNSET
    """What the image should not show. A string. The service's default: 'blurry, pixelated'."""
