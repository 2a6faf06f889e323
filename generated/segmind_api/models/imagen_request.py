# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
from __future__ import annotations

import attrs

from ..types import UNSET, RequestBody, Unset, one_of, string
from .aspect_ratio import AspectRatio
from .person_generation import PersonGeneration
from .safety_filter_level import SafetyFilterLevel


@attrs.define(kw_only=True, repr=False)
class ImagenRequest(RequestBody):
    """Parameters of Imagen 3."""

    prompt: str = attrs.field(validator=string(min_length=1, allowed="a string that is not empty"))
    """What the image should show. That it may not be empty is inferred. A string that is not empty."""

    aspect_ratio: AspectRatio | Unset = attrs.field(
        default=UNSET,
        validator=one_of(("1:1", "4:3", "3:4", "9:16", "16:9"), allowed="one of '1:1', '4:3', '3:4', '9:16', '16:9'"),
    )
    """Shape of the image, width to height. One of '1:1', '4:3', '3:4', '9:16', '16:9'. The service's default: '16:9'."""

    person_generation: PersonGeneration | Unset = attrs.field(
        default=UNSET, validator=one_of(("ALLOW_ADULT", "DONT_ALLOW"), allowed="one of 'ALLOW_ADULT', 'DONT_ALLOW'")
    )
    """Whether people may appear in the image. One of 'ALLOW_ADULT', 'DONT_ALLOW'. The service's default:
    'ALLOW_ADULT'.
    """

    safety_filter_level: SafetyFilterLevel | Unset = attrs.field(
        default=UNSET,
        validator=one_of(
            ("BLOCK_LOW_AND_ABOVE", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_ONLY_HIGH"),
            allowed="one of 'BLOCK_LOW_AND_ABOVE', 'BLOCK_MEDIUM_AND_ABOVE', 'BLOCK_ONLY_HIGH'",
        ),
    )
    """From which likelihood of harm on an image is blocked. One of 'BLOCK_LOW_AND_ABOVE', 'BLOCK_MEDIUM_AND_ABOVE',
    'BLOCK_ONLY_HIGH'. The service's default: 'BLOCK_LOW_AND_ABOVE'.
    """
