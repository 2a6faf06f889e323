# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
from __future__ import annotations

from ..types import ResponseObject, as_number


class Credits(ResponseObject):
    """The balance of an account."""

    __slots__ = ()

    @property
    def credits(self) -> float:
        """Credits that were paid for (US dollars)."""
        return self._promised("credits", as_number)

    @property
    def free_credits(self) -> float:
        """Credits that were given (US dollars)."""
        return self._promised("free-credits", as_number)
