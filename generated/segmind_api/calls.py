# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
"""Call signatures that a type checker resolves by the slug of a model.

A function or method that takes a slug and any keywords becomes one with an overload per model:

    class Client:
        @typed_method
        def run(self, model: str, /, **parameters: Any) -> Result: ...

Its documentation lists them.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import cleandoc
from typing import TYPE_CHECKING, Any, Concatenate, TypeVar, cast

if TYPE_CHECKING:
    from .signatures import Call, Method

T = TypeVar("T")

PARAMETERS = """\
Parameters of each model, with the service's defaults (`...` where nobody says):

imagen: Makes an image, for 0.06 US dollars (page), usually in 8.16 seconds (page)
    prompt: a string that is not empty, required
    aspect_ratio = '16:9': one of '1:1', '4:3', '3:4', '9:16', '16:9'
    person_generation = 'ALLOW_ADULT': one of 'ALLOW_ADULT', 'DONT_ALLOW'
    safety_filter_level = 'BLOCK_LOW_AND_ABOVE': one of 'BLOCK_LOW_AND_ABOVE', 'BLOCK_MEDIUM_AND_ABOVE', 'BLOCK_ONLY_HIGH'

imagen-4: Makes an image, for 0.06 US dollars (page), usually in 11.6 seconds (page)
    prompt: a string that is not empty, required
    aspect_ratio = '4:3': one of '1:1', '4:3', '3:4', '9:16', '16:9'
    negative_prompt = 'blurry, pixelated': a string

imagen-4-fast: Makes an image, for 0.02 US dollars (inferred), usually in 5 seconds (inferred)
    prompt: a string that is not empty, required
    width = 512: an integer from 256 to 1024
    height = 512: an integer from 256 to 1024
    steps = 25: an integer from 1 to 100
    guidance_scale = 7.5: a number from 1 to 20
    negative_prompt: a string
    scheduler = 'DDIM': one of 'DDIM', 'PNDM', 'LMSDiscrete', 'DPMSolverMultistep', 'EulerAncestralDiscrete'
    seed = -1: an integer from -1 to 2147483647
    aspect_ratio: one of '1:1', '4:3', '3:4', '9:16', '16:9'

imagen-4-ultra: Makes an image, for 0.06 US dollars (inferred), usually in 12.07 seconds (page)
    prompt: a string that is not empty, required
    width = 512: an integer from 256 to 1024
    height = 512: an integer from 256 to 1024
    steps = 25: an integer from 1 to 100
    guidance_scale = 7.5: a number from 1 to 20
    negative_prompt: a string
    scheduler = 'DDIM': one of 'DDIM', 'PNDM', 'LMSDiscrete', 'DPMSolverMultistep', 'EulerAncestralDiscrete'
    seed = -1: an integer from -1 to 2147483647
    aspect_ratio: one of '1:1', '4:3', '3:4', '9:16', '16:9'

What each means is in the documentation of its class: help(segmind_api.models.ImagenRequest)."""


def typed_function(function: Callable[Concatenate[str, ...], T]) -> Call[T]:
    """The same function, with an overload per model."""
    function.__doc__ = documented(function.__doc__)
    return cast("Call[T]", function)


def typed_method(method: Callable[Concatenate[Any, str, ...], T]) -> Method[T]:
    """The same method, with an overload per model."""
    method.__doc__ = documented(method.__doc__)
    return cast("Method[T]", method)


def documented(text: str | None) -> str | None:
    # Python leaves all documentation out with -OO.
    return text and f"{cleandoc(text)}\n\n{PARAMETERS}"
