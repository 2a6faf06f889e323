# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import attrs

from .. import checks
from ..types import UNSET, RequestBody, Unset
from .aspect_ratio import AspectRatio
from .person_generation import PersonGeneration
from .safety_filter_level import SafetyFilterLevel


@attrs.define(kw_only=True, repr=False)
class ImagenRequest(RequestBody):
    """Parameters of Imagen 3.

    - prompt: What the image should show. That it may not be empty is inferred. A string that is not empty.
    - aspect_ratio: Shape of the image, width to height. One of '1:1', '4:3', '3:4', '9:16', '16:9'. The service's
      default: '16:9'.
    - person_generation: Whether people may appear in the image. One of 'ALLOW_ADULT', 'DONT_ALLOW'. The service's
      default: 'ALLOW_ADULT'.
    - safety_filter_level: From which likelihood of harm on an image is blocked. One of 'BLOCK_LOW_AND_ABOVE',
      'BLOCK_MEDIUM_AND_ABOVE', 'BLOCK_ONLY_HIGH'. The service's default: 'BLOCK_LOW_AND_ABOVE'.
    """

    PARAMETERS: ClassVar[Mapping[str, checks.Parameter]] = {
        "prompt": checks.Parameter(
            "prompt", checks.string(min_length=1, allowed="a string that is not empty"), required=True
        ),
        "aspect_ratio": checks.Parameter(
            "aspect_ratio",
            checks.one_of("1:1", "4:3", "3:4", "9:16", "16:9", allowed="one of '1:1', '4:3', '3:4', '9:16', '16:9'"),
        ),
        "person_generation": checks.Parameter(
            "person_generation",
            checks.one_of("ALLOW_ADULT", "DONT_ALLOW", allowed="one of 'ALLOW_ADULT', 'DONT_ALLOW'"),
        ),
        "safety_filter_level": checks.Parameter(
            "safety_filter_level",
            checks.one_of(
                "BLOCK_LOW_AND_ABOVE",
                "BLOCK_MEDIUM_AND_ABOVE",
                "BLOCK_ONLY_HIGH",
                allowed="one of 'BLOCK_LOW_AND_ABOVE', 'BLOCK_MEDIUM_AND_ABOVE', 'BLOCK_ONLY_HIGH'",
            ),
        ),
    }

    prompt: str
    """What the image should show. That it may not be empty is inferred. A string that is not empty."""

    aspect_ratio: AspectRatio | Unset = UNSET
    """Shape of the image, width to height. One of '1:1', '4:3', '3:4', '9:16', '16:9'. The service's default: '16:9'."""

    person_generation: PersonGeneration | Unset = UNSET
    """Whether people may appear in the image. One of 'ALLOW_ADULT', 'DONT_ALLOW'. The service's default:
    'ALLOW_ADULT'.
    """

    safety_filter_level: SafetyFilterLevel | Unset = UNSET
    """From which likelihood of harm on an image is blocked. One of 'BLOCK_LOW_AND_ABOVE', 'BLOCK_MEDIUM_AND_ABOVE',
    'BLOCK_ONLY_HIGH'. The service's default: 'BLOCK_LOW_AND_ABOVE'.
    """
