# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
"""What a type checker knows of calls by slug: the parameters of each model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NotRequired, Protocol, Required, TypedDict, TypeVar, final, overload

from .models.aspect_ratio import AspectRatio
from .models.person_generation import PersonGeneration
from .models.safety_filter_level import SafetyFilterLevel
from .models.scheduler import Scheduler

T_co = TypeVar("T_co", covariant=True)


class ImagenParameters(TypedDict):
    """Keywords of a call; see ImagenRequest."""

    prompt: Required[str]
    aspect_ratio: NotRequired[AspectRatio]
    person_generation: NotRequired[PersonGeneration]
    safety_filter_level: NotRequired[SafetyFilterLevel]


@final
class NoImagenParameters:
    """The type of what is no parameter: there is no value of it."""

    def __init__(self) -> None:
        raise TypeError("there is no such value")


class Imagen4Parameters(TypedDict):
    """Keywords of a call; see Imagen4Request."""

    prompt: Required[str]
    aspect_ratio: NotRequired[AspectRatio]
    negative_prompt: NotRequired[str]


@final
class NoImagen4Parameters:
    """The type of what is no parameter: there is no value of it."""

    def __init__(self) -> None:
        raise TypeError("there is no such value")


class Imagen4FastParameters(TypedDict):
    """Keywords of a call; see Imagen4FastRequest."""

    prompt: Required[str]
    width: NotRequired[int]
    height: NotRequired[int]
    steps: NotRequired[int]
    guidance_scale: NotRequired[float]
    negative_prompt: NotRequired[str]
    scheduler: NotRequired[Scheduler]
    seed: NotRequired[int]
    aspect_ratio: NotRequired[AspectRatio]


@final
class NoImagen4FastParameters:
    """The type of what is no parameter: there is no value of it."""

    def __init__(self) -> None:
        raise TypeError("there is no such value")


class Imagen4UltraParameters(TypedDict):
    """Keywords of a call; see Imagen4UltraRequest."""

    prompt: Required[str]
    width: NotRequired[int]
    height: NotRequired[int]
    steps: NotRequired[int]
    guidance_scale: NotRequired[float]
    negative_prompt: NotRequired[str]
    scheduler: NotRequired[Scheduler]
    seed: NotRequired[int]
    aspect_ratio: NotRequired[AspectRatio]


@final
class NoImagen4UltraParameters:
    """The type of what is no parameter: there is no value of it."""

    def __init__(self) -> None:
        raise TypeError("there is no such value")


class Call(Protocol[T_co]):
    """A call by slug. Slugs outside the contract are errors, so that a misspelt one is found."""

    @overload
    def __call__(
        self,
        model: Literal["imagen"],
        /,
        *,
        prompt: str,
        aspect_ratio: AspectRatio = "16:9",
        person_generation: PersonGeneration = "ALLOW_ADULT",
        safety_filter_level: SafetyFilterLevel = "BLOCK_LOW_AND_ABOVE",
        **_: NoImagenParameters,
    ) -> T_co:
        """Parameters of Imagen 3.

        Makes an image, for 0.06 US dollars (page), usually in 8.16 seconds (page).

        - prompt: What the image should show. That it may not be empty is inferred. A string that is not empty.
        - aspect_ratio: Shape of the image, width to height. One of '1:1', '4:3', '3:4', '9:16', '16:9'. The
          service's default: '16:9'.
        - person_generation: Whether people may appear in the image. One of 'ALLOW_ADULT', 'DONT_ALLOW'. The
          service's default: 'ALLOW_ADULT'.
        - safety_filter_level: From which likelihood of harm on an image is blocked. One of 'BLOCK_LOW_AND_ABOVE',
          'BLOCK_MEDIUM_AND_ABOVE', 'BLOCK_ONLY_HIGH'. The service's default: 'BLOCK_LOW_AND_ABOVE'.
        """
        ...

    @overload
    def __call__(
        self,
        model: Literal["imagen-4"],
        /,
        *,
        prompt: str,
        aspect_ratio: AspectRatio = "4:3",
        negative_prompt: str = "blurry, pixelated",
        **_: NoImagen4Parameters,
    ) -> T_co:
        """Parameters of Imagen 4.

        Makes an image, for 0.06 US dollars (page), usually in 11.6 seconds (page).

        - prompt: What the image should show. The page prints a default beside it; that is the text its form starts
          with, and the field is required all the same. A string that is not empty.
        - aspect_ratio: Shape of the image, width to height. One of '1:1', '4:3', '3:4', '9:16', '16:9'. The
          service's default: '4:3'.
        - negative_prompt: What the image should not show. A string. The service's default: 'blurry, pixelated'.
        """
        ...

    @overload
    def __call__(
        self,
        model: Literal["imagen-4-fast"],
        /,
        *,
        prompt: str,
        width: int = 512,
        height: int = 512,
        steps: int = 25,
        guidance_scale: float = 7.5,
        negative_prompt: str = ...,
        scheduler: Scheduler = "DDIM",
        seed: int = -1,
        aspect_ratio: AspectRatio = ...,
        **_: NoImagen4FastParameters,
    ) -> T_co:
        """Parameters of Imagen 4 Fast. Its price and its latency are not on its page; they are inferred, the price
        from what the model's maker lists.

        Makes an image, for 0.02 US dollars (inferred), usually in 5 seconds (inferred).

        - prompt: What the image should show. That it may not be empty is inferred. A string that is not empty.
        - width: Width of the image, in pixels. An integer from 256 to 1024. The service's default: 512.
        - height: Height of the image, in pixels. An integer from 256 to 1024. The service's default: 512.
        - steps: Number of denoising steps. An integer from 1 to 100. The service's default: 25.
        - guidance_scale: How closely the image keeps to the prompt; higher is closer. A number from 1 to 20. The
          service's default: 7.5.
        - negative_prompt: What the image should not show. A string.
        - scheduler: The algorithm that takes the noise away. One of 'DDIM', 'PNDM', 'LMSDiscrete',
          'DPMSolverMultistep', 'EulerAncestralDiscrete'. The service's default: 'DDIM'.
        - seed: Start of the random numbers; -1 draws one. An integer from -1 to 2147483647. The service's default:
          -1.
        - aspect_ratio: Shape of the image. Contested: the page's sample code sends it, while the page's parameter
          table lists width and height and does not know it. Either may be sent; what happens when both are is not
          documented. The values are those of the sibling models (inferred), and no default is known. One of '1:1',
          '4:3', '3:4', '9:16', '16:9'.
        """
        ...

    @overload
    def __call__(
        self,
        model: Literal["imagen-4-ultra"],
        /,
        *,
        prompt: str,
        width: int = 512,
        height: int = 512,
        steps: int = 25,
        guidance_scale: float = 7.5,
        negative_prompt: str = ...,
        scheduler: Scheduler = "DDIM",
        seed: int = -1,
        aspect_ratio: AspectRatio = ...,
        **_: NoImagen4UltraParameters,
    ) -> T_co:
        """Parameters of Imagen 4 Ultra. Its price is not on its page; it is inferred from what the model's maker
        lists.

        Makes an image, for 0.06 US dollars (inferred), usually in 12.07 seconds (page).

        - prompt: What the image should show. That it may not be empty is inferred. A string that is not empty.
        - width: Width of the image, in pixels. An integer from 256 to 1024. The service's default: 512.
        - height: Height of the image, in pixels. An integer from 256 to 1024. The service's default: 512.
        - steps: Number of denoising steps. An integer from 1 to 100. The service's default: 25.
        - guidance_scale: How closely the image keeps to the prompt; higher is closer. A number from 1 to 20. The
          service's default: 7.5.
        - negative_prompt: What the image should not show. A string.
        - scheduler: The algorithm that takes the noise away. One of 'DDIM', 'PNDM', 'LMSDiscrete',
          'DPMSolverMultistep', 'EulerAncestralDiscrete'. The service's default: 'DDIM'.
        - seed: Start of the random numbers; -1 draws one. An integer from -1 to 2147483647. The service's default:
          -1.
        - aspect_ratio: Shape of the image. Contested: the page's sample code sends it, while the page's parameter
          table lists width and height and does not know it. Either may be sent; what happens when both are is not
          documented. The values are those of the sibling models (inferred), and no default is known. One of '1:1',
          '4:3', '3:4', '9:16', '16:9'.
        """
        ...

    # So that typing.get_overloads finds them.
    def __call__(self, model: str, /, **parameters: Any) -> T_co: ...


class Method(Protocol[T_co]):
    """A method that is a `Call` on each instance."""

    @overload
    def __get__(self, instance: None, owner: type[Any], /) -> Callable[..., T_co]: ...
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None, /) -> Call[T_co]: ...
