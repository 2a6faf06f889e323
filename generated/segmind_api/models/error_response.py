# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
from __future__ import annotations

from ..types import ResponseObject, as_integer, as_string


class ErrorResponse(ResponseObject):
    """Why a call was refused or broke."""

    __slots__ = ()

    @property
    def error(self) -> str:
        """The message."""
        return self._promised("error", as_string)

    @property
    def error_description(self) -> str | None:
        """More about it; sent by one part of the platform only."""
        return self._possible("error_description", as_string)

    @property
    def status_code(self) -> int | None:
        """The status of the answer once more; sent by one part of the platform only."""
        return self._possible("status_code", as_integer)
