"""Interrupts a call at one of the lines that it runs."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType
from typing import Any, Self

import attrs

MOST_POINTS = 5_000
"""Lines or awaits of one call, at most."""


@attrs.define
class LineInterrupt:
    """Raises KeyboardInterrupt within its block, at the `point`th line that runs there of some files, from 1."""

    point: int
    sources: tuple[str, ...]
    """How the names of these files begin."""
    place: str = ""
    """The file and the line; empty where fewer lines have run."""
    attributes: dict[str, Any] = attrs.field(factory=dict[str, Any])
    """Those of the exception that left the block, `__notes__` among them. Its traceback would keep sockets open."""
    _lines: int = 0
    _previous: Any = None

    @property
    def says(self) -> str:
        """The notes of the exception."""
        return " ".join(self.attributes.get("__notes__", ()))

    def __call__(self, frame: FrameType, event: str, _: object) -> Any:
        if not frame.f_code.co_filename.startswith(self.sources):
            return None
        if event == "line":
            self._lines += 1
            if self._lines == self.point:
                self.place = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
                raise KeyboardInterrupt
        return self

    def __enter__(self) -> Self:
        self._previous = sys.gettrace()
        sys.settrace(self)
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        sys.settrace(self._previous)
        if isinstance(error, KeyboardInterrupt):
            self.attributes = vars(error)
        return isinstance(error, KeyboardInterrupt)
