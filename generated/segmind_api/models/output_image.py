# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
from __future__ import annotations

from typing import cast

from ..types import Reader, ResponseObject, as_number, as_string, either


class OutputImage(ResponseObject):
    """One image of a result."""

    __slots__ = ()

    @property
    def url(self) -> str:
        """Where the image can be fetched without a key, for seven days (guide)."""
        return self._promised("url", as_string)

    @property
    def content_type(self) -> str | None:
        """Media type of the file."""
        return self._possible("content_type", as_string)

    @property
    def file_name(self) -> str | None:
        """Name that the service gives the file."""
        return self._possible("file_name", as_string)

    @property
    def file_size(self) -> float | str | None:
        """Size of the file in bytes, as a number or as a string of digits."""
        return self._possible("file_size", cast("Reader[float | str]", either(as_number, as_string)))
