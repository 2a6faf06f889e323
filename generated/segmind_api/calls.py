# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
"""Call signatures that a type checker resolves by the slug of a model.

A function or method that takes a slug and any keywords becomes one with an overload per model:

    class Client:
        @typed_method
        def run(self, model: str, /, **parameters: Any) -> Result: ...
"""

from __future__ import annotations

from collections.abc import Callable
from typing import (
    Any,
    Concatenate,
    Literal,
    NotRequired,
    Protocol,
    Required,
    TypedDict,
    TypeVar,
    Unpack,
    cast,
    overload,
)

from .models.aspect_ratio import AspectRatio
from .models.person_generation import PersonGeneration
from .models.safety_filter_level import SafetyFilterLevel
from .models.scheduler import Scheduler

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class ImagenParameters(TypedDict):
    """Keywords of `imagen`; see ImagenRequest."""

    prompt: Required[str]
    aspect_ratio: NotRequired[AspectRatio]
    person_generation: NotRequired[PersonGeneration]
    safety_filter_level: NotRequired[SafetyFilterLevel]


class Imagen4Parameters(TypedDict):
    """Keywords of `imagen-4`; see Imagen4Request."""

    prompt: Required[str]
    aspect_ratio: NotRequired[AspectRatio]
    negative_prompt: NotRequired[str]


class Imagen4FastParameters(TypedDict):
    """Keywords of `imagen-4-fast`; see Imagen4FastRequest."""

    prompt: Required[str]
    width: NotRequired[int]
    height: NotRequired[int]
    steps: NotRequired[int]
    guidance_scale: NotRequired[float]
    negative_prompt: NotRequired[str]
    scheduler: NotRequired[Scheduler]
    seed: NotRequired[int]
    aspect_ratio: NotRequired[AspectRatio]


class Imagen4UltraParameters(TypedDict):
    """Keywords of `imagen-4-ultra`; see Imagen4UltraRequest."""

    prompt: Required[str]
    width: NotRequired[int]
    height: NotRequired[int]
    steps: NotRequired[int]
    guidance_scale: NotRequired[float]
    negative_prompt: NotRequired[str]
    scheduler: NotRequired[Scheduler]
    seed: NotRequired[int]
    aspect_ratio: NotRequired[AspectRatio]


class Call(Protocol[T_co]):
    """A call by slug. Slugs outside the contract are errors, so that a misspelt one is found."""

    @overload
    def __call__(self, model: Literal["imagen"], /, **parameters: Unpack[ImagenParameters]) -> T_co: ...
    @overload
    def __call__(self, model: Literal["imagen-4"], /, **parameters: Unpack[Imagen4Parameters]) -> T_co: ...
    @overload
    def __call__(self, model: Literal["imagen-4-fast"], /, **parameters: Unpack[Imagen4FastParameters]) -> T_co: ...
    @overload
    def __call__(self, model: Literal["imagen-4-ultra"], /, **parameters: Unpack[Imagen4UltraParameters]) -> T_co: ...


class Method(Protocol[T_co]):
    """A method that is a `Call` on each instance."""

    @overload
    def __get__(self, instance: None, owner: type[Any], /) -> Callable[..., T_co]: ...
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None, /) -> Call[T_co]: ...


def typed_function(function: Callable[Concatenate[str, ...], T]) -> Call[T]:
    """The same function, with an overload per model."""
    return cast(Call[T], function)


def typed_method(method: Callable[Concatenate[Any, str, ...], T]) -> Method[T]:
    """The same method, with an overload per model."""
    return cast(Method[T], method)
