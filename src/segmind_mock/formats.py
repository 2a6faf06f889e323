"""The formats of what the double makes, and which of them a parameter asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Format:
    name: str
    output: str
    """What a model makes: image, video, audio, text or json."""
    media_type: str
    suffix: str
    other_names: frozenset[str] = frozenset()

    @property
    def is_text(self) -> bool:
        """Whether a response holds it as it is; it holds the URL of anything else."""
        return self.output in ("text", "json")


FORMATS = (
    Format("png", "image", "image/png", "png"),
    Format("jpeg", "image", "image/jpeg", "jpg", frozenset({"jpg"})),
    Format("webp", "image", "image/webp", "webp"),
    Format("mp4", "video", "video/mp4", "mp4"),
    Format("wav", "audio", "audio/wav", "wav", frozenset({"wave", "x-wav"})),
    Format("mp3", "audio", "audio/mpeg", "mp3", frozenset({"mpeg"})),
    Format("text", "text", "text/plain; charset=utf-8", "txt", frozenset({"txt", "plain"})),
    Format("json", "json", "application/json", "json"),
)
BY_NAME = {it.name: it for it in FORMATS}
BY_SUFFIX = {it.suffix: it for it in FORMATS}
DEFAULTS = {it.output: it for it in reversed(FORMATS)}
"""The format of each kind of output, unless a parameter asks for another."""


def named(output: str, value: object) -> Format | None:
    """The format that a value of a parameter names: `webp`, `JPG`, `.png`, `image/jpeg`, `mp3_44100_128`."""
    if not isinstance(value, str):
        return None
    word = value.lower().rpartition("/")[2].removeprefix(".").partition("_")[0]
    return next((it for it in FORMATS if it.output == output and word in {it.name, *it.other_names}), None)


def is_asked_for_by(name: str, schema: Mapping[str, Any], output: str) -> bool:
    """Whether a parameter chooses the format: its enum names one, or it is a string without an enum named `…format`."""
    if "enum" in schema:
        return any(named(output, value) for value in schema["enum"])
    return name.endswith("format") and schema.get("type") == "string"
