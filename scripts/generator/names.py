"""Python names for what the contract names: parameters, fields, modules."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Collection, Iterable

from generator.contract import GenerationError

CLASS_NAME = re.compile(r"[A-Z][A-Za-z0-9]*")
OPERATION_ID = re.compile(r"[a-z][A-Za-z0-9]*")
WORDS = re.compile(r"([A-Z]?[a-z]+)")
PREFIX = "p_"


def python_name(name: str, taken: Collection[str]) -> str:
    """The Python name of a parameter or a field.

    1. Each character that a Python name cannot have becomes `_` (`model-name`: `model_name`).
    2. A name that does not begin with a letter then gets `p_` before it (`2d`: `p_2d`, `_x`: `p__x`).
    3. A keyword, and a name that the generated class needs for itself, gets `_` after it (`class`: `class_`).
    """
    # Python itself reads names in this form.
    plain = unicodedata.normalize("NFKC", name)
    found = "".join(character if f"a{character}".isidentifier() else "_" for character in plain)
    if not found.isidentifier() or found.startswith("_"):
        found = PREFIX + found
    return f"{found}_" if keyword.iskeyword(found) or found in taken else found


def python_names(names: Iterable[str], taken: Collection[str], place: str) -> dict[str, str]:
    """The Python name of each parameter or field of one object. Raises GenerationError where two get the same."""
    found: dict[str, str] = {}
    for name in names:
        made = python_name(name, taken)
        other = next((other for other, used in found.items() if used == made), None)
        if other is not None:
            raise GenerationError(place, f"{other!r} and {name!r} both get the Python name {made!r}")
        found[name] = made
    return found


def module_name(name: str) -> str:
    """The module of a class or an operation: `Imagen4Request` is in `imagen_4_request`."""
    words = "_".join(filter(None, WORDS.split(name))).lower()
    return f"{words}_" if keyword.iskeyword(words) else words
