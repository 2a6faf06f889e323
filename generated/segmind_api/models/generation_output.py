# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
from __future__ import annotations

from typing import cast

from ..types import Reader, ResponseObject, as_integer, as_string, either, tuple_of
from .output_image import OutputImage


class GenerationOutput(ResponseObject):
    """What v1 answers with as JSON. Its fields are documented nowhere and are read from the v2 result (inferred);
    expect others.
    """

    __slots__ = ()

    @property
    def output(self) -> str | None:
        """Where the image can be fetched without a key, for seven days (guide)."""
        return self._possible("output", as_string)

    @property
    def images(self) -> tuple[OutputImage, ...] | None:
        """The images, one entry each."""
        return self._possible("images", tuple_of(OutputImage.from_raw))

    @property
    def seed(self) -> int | str | None:
        """The seed that was used, as an integer or as a string of digits. Left out where the model reports none."""
        return self._possible("seed", cast("Reader[int | str]", either(as_integer, as_string)))

    @property
    def prompt(self) -> str | None:
        """The prompt that was used."""
        return self._possible("prompt", as_string)
