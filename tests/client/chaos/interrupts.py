"""Interrupts a call where a signal can."""

from __future__ import annotations

import sys
from inspect import CO_GENERATOR
from pathlib import Path
from types import FrameType

SPARED = (str(Path(__file__).parent), "<frozen importlib")
"""What is not interrupted: the run itself, and imports, in which a signal leaves CPython's own locks held."""


def interrupt_after(function_calls: int) -> None:
    """Raises a KeyboardInterrupt in this thread, as Ctrl-C might, until sys.setprofile is called again.

    CPython runs signal handlers when a function is entered, and when a function written in C has returned. A trace
    function could raise elsewhere, too: at the end of a `with` block it would leave a lock held, as no signal does.
    What is raised when a generator is resumed would skip its `finally`.
    """
    left = function_calls

    def count(frame: FrameType, event: str, _: object) -> None:
        nonlocal left
        is_entered = event == "call" and not frame.f_code.co_flags & CO_GENERATOR
        if (is_entered or event == "c_return") and not frame.f_code.co_filename.startswith(SPARED):
            left -= 1
            if left == 0:
                raise KeyboardInterrupt

    sys.setprofile(count)


def ignore_unraisable(_: object) -> None:
    """A `sys.unraisablehook` that is not interrupted."""
