"""What the command line prints: data on the standard output, everything for people on the standard error."""

from __future__ import annotations

import json
import os
import sys
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from segmind_client import JobUpdate


def print_json(value: Any) -> None:
    # ASCII, which any terminal and any pipe can take.
    print(json.dumps(value, indent=2, default=str))


def print_data(text: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, errors="replace").decode(encoding))


def tell(text: str) -> None:
    """Prints a line for people."""
    encoding = sys.stderr.encoding or "utf-8"
    print(text.encode(encoding, errors="replace").decode(encoding), file=sys.stderr, flush=True)


def print_table(title: list[str], rows: list[list[str]]) -> None:
    """A table on a terminal, and lines of values between tabs elsewhere."""
    if not sys.stdout.isatty():
        for row in [title, *rows]:
            print_data("\t".join(" ".join(cell.split()) for cell in row))
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(*title, box=SIMPLE_HEAD)
    for row in rows:
        table.add_row(*(escape(" ".join(cell.split())) for cell in row))
    Console().print(table)


class Reporter(AbstractContextManager["Reporter"], Protocol):
    def update(self, update: JobUpdate) -> None: ...


def left(update: JobUpdate) -> str:
    return f", about {update.remaining:.0f} s left" if update.remaining else ""


class Lines:
    """A line for each new state of a job."""

    def update(self, update: JobUpdate) -> None:
        tell(f"{update.status} after {update.elapsed:.0f} s{left(update)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class Live:
    """A line that changes in place."""

    _progress: Progress
    _task: TaskID

    def __init__(self, what: str) -> None:
        self._what = what

    def update(self, update: JobUpdate) -> None:
        self._progress.update(self._task, description=f"{update.status}{left(update)}")

    def __enter__(self) -> Self:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task(self._what)
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()


def progress(what: str) -> Reporter:
    """Shows how a call goes on: live on a terminal, in lines elsewhere."""
    is_live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return Live(what) if is_live else Lines()


def show_image(path: os.PathLike[str]) -> None:
    """Shows an image on a terminal that can; it is on disk, so that nothing is lost where it cannot be shown."""
    if not sys.stdout.isatty():
        return
    import logging

    # It logs a traceback where a terminal does not answer its questions.
    logging.getLogger("textual_image").setLevel(logging.CRITICAL)
    try:
        from rich.console import Console
        from textual_image.renderable import Image

        Console().print(Image(path, width="50%", height="auto"))
    except Exception as error:
        tell(f"The image cannot be shown here ({type(error).__name__}: {error}).")
