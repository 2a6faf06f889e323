"""Writes an output to a file, as a whole or not at all."""

from __future__ import annotations

import io
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from secrets import token_hex
from typing import Any, BinaryIO

from segmind_client import formats
from segmind_client.errors import FileExists, InvalidParameter, NotSaved, SegmindError
from segmind_client.formats import Format, Kind
from segmind_client.sinks import OutputSink

LONGEST_STEM = 100
"""The most characters of a file's name without its extension."""
FOLDER_ENDS = ("", ".", "..")
"""The last parts of a path that can only be that of a folder."""
UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
"""Names of devices on Windows, with any extension."""
logger = logging.getLogger("segmind_client")


class FileSink(OutputSink):
    """Writes the output to a temporary file beside `target`, which gets its name when the output is complete.

    `target` is the path that was asked for, with the extension of the output's format.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        names: Iterable[str],
        kind: Kind | None = None,
        *,
        overwrite: bool,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises InvalidParameter for what is not a path, and NotSaved for a relative one without a folder."""
        super().__init__(kind, monotonic=monotonic)
        # The working directory may change meanwhile.
        self._path = absolute(path)
        # Path drops a separator at the end, and a dot after it.
        self._names_folder = os.path.split(os.fspath(path))[1] in FOLDER_ENDS
        self.target = self._path
        self._names = names
        self._overwrite = overwrite
        self._temporary: Path | None = None
        self._reserved = False
        self._renamed_for: Format | None = None
        self._file: BinaryIO = io.BytesIO()
        self._discarded = False
        # A cancelled task does not always wait for the thread that works for it. Reentrant: an interruption that keeps
        # the lock from being released must not block the same thread for ever.
        self._lock = threading.RLock()

    def check(self) -> None:
        """Raises NotSaved for a path at which nothing can be saved."""
        self._do(self._find_folder)

    def discard(self) -> None:
        with self._lock:
            self._discarded = True
            self._remove()

    def _open(self) -> None:
        self._do(self._create)

    def _put(self, piece: bytes) -> None:
        self._do(lambda: self._file.write(piece))

    def _complete(self) -> None:
        self._do(self._close_and_name)

    def _do(self, work: Callable[[], object]) -> None:
        # Not a context manager made of a generator: an interruption would leave that suspended, with the lock.
        with self._lock:
            if self._discarded:
                raise NotSaved(f"{self.target} was not written: saving it was given up")
            try:
                work()
            except SegmindError:
                raise
            except FileExistsError as error:
                name_target(error, self.target)
                detail = (
                    f"{self.target} exists and was left as it is: pass overwrite=True to replace it, or another path"
                )
                raise FileExists(detail) from error
            except OSError as error:
                name_target(error, self.target)
                raise NotSaved(f"{self.target} was not written: {error.strerror or error}") from error
            except ValueError as error:
                raise NotSaved(f"{self.target} was not written: {error}") from error

    def _create(self) -> None:
        if self._format is None:
            raise NotSaved(
                f"{self._path} was not written: {self._source()} is {self._contents()}, and save() writes "
                f"{formats.NAMES} only; `content` has its bytes"
            )
        self._remove()
        self._choose_target(self._format)
        # The name is stored before the file exists: an interruption in between must not leave a file.
        self._temporary = self.target.with_name(f".{token_hex(16)}.part")
        self._file = self._temporary.open("x+b")

    def _close_and_name(self) -> None:
        self._check_end(self._file)
        self._file.close()
        self._name_file(Path(self._file.name))
        if self._renamed_for:
            name = self._renamed_for.name
            logger.warning("The output is %s: it was saved as %s, not as %s", name, self.target, self._path)

    def _find_folder(self) -> Path:
        """The folder of the file. Raises NotSaved if there is none."""
        folder = self._path if self._names_folder or self._path.is_dir() else self._path.parent
        if not folder.is_dir():
            raise NotSaved(f"{self._path} was not written: there is no folder {folder}, make it first")
        return folder

    def _choose_target(self, found: Format) -> None:
        folder = self._find_folder()
        if folder is self._path:
            self.target = folder / safe_name(self._names, found.extensions)
        else:
            self.target = with_extension(self._path, found)
            is_kept = self.target.name.startswith(self._path.name)
            self._renamed_for = None if is_kept else found
        if not self._overwrite and os.path.lexists(self.target):
            raise FileExistsError

    def _name_file(self, temporary: Path) -> None:
        """Renames the complete file in one step: an incomplete file never has the name."""
        if self._overwrite:
            temporary.replace(self.target)
            return
        try:
            # A rename would replace a file that appeared meanwhile; a link does not.
            self.target.hardlink_to(temporary)
        except FileExistsError:
            raise
        except (OSError, NotImplementedError):
            self._name_file_without_links(temporary)

    def _name_file_without_links(self, temporary: Path) -> None:
        """For file systems without hard links, such as FAT. An empty file reserves the name for the rename."""
        self._reserved = True
        try:
            self.target.touch(exist_ok=False)
        except FileExistsError:
            self._reserved = False
            raise
        temporary.replace(self.target)
        self._reserved = False

    def _remove(self) -> None:
        with suppress(OSError):
            self._file.close()
        if self._temporary is not None:
            with suppress(OSError):
                self._temporary.unlink()
        if self._reserved:
            with suppress(OSError):
                # Empty, unless the interruption came after the rename.
                if self.target.stat().st_size == 0:
                    self.target.unlink()


def name_target(error: OSError, target: Path) -> None:
    """Replaces the name of the temporary file in an OSError by that of the file that was asked for."""
    if error.filename is not None:
        error.filename = str(target)
        del error.filename2


def absolute(path: Any) -> Path:
    """Raises InvalidParameter for what is not a path, and NotSaved for a relative path if the working directory is
    gone.
    """
    try:
        return Path(path).absolute()
    except TypeError as error:
        raise InvalidParameter("save", "path", path, "the path of a file or of a folder") from error
    except OSError as error:
        detail = f"{path} was not written: the working directory is gone ({error.strerror}); pass an absolute path"
        raise NotSaved(detail) from error


def with_extension(path: Path, found: Format) -> Path:
    """The path with an extension of the format. One of another format is replaced, any other suffix is kept."""
    suffix = path.suffix.lower()
    if suffix in found.extensions:
        return path
    if suffix in formats.BY_EXTENSION:
        return path.with_suffix(found.extensions[0])
    return path.with_name(path.name + found.extensions[0])


def safe_name(names: Iterable[str], extensions: tuple[str, ...]) -> str:
    """The first usable name, made harmless on every system, with one of these extensions."""
    for name in names:
        # A path separator of one system is an ordinary character on another.
        last = PurePosixPath(name.replace("\\", "/")).name
        plain = PurePosixPath(UNSAFE.sub("_", last).strip("._-"))
        if plain.name:
            extension = plain.suffix if plain.suffix.lower() in extensions else extensions[0]
            return f"{'_' if RESERVED.match(plain.stem) else ''}{plain.stem[:LONGEST_STEM]}{extension}"
    return f"output{extensions[0]}"
