"""What jobs make: the file or the text, its description in a response, and the URL that holds all it is made from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote

import orjson

from segmind_mock import formats, images, media
from segmind_mock.calls import RESERVED_PREFIX
from segmind_mock.contract import Model
from segmind_mock.formats import Format
from segmind_mock.records import Job
from segmind_mock.settings import Settings

LONGEST_PROMPT = 200
"""Characters of a prompt that a file shows."""
FILE_NAME = re.compile(r"[0-9a-f-]{36}\.([a-z0-9]+)")
DIGEST = re.compile(r"[0-9a-f]{32}")
SIZE = re.compile(r"([1-9]\d{0,3})x([1-9]\d{0,3})")
MOMENT = re.compile(r"\d{1,15}")


@dataclass(frozen=True)
class Output:
    """What a job made."""

    format: Format
    digest: str
    model: str
    seed: int | str
    prompt: str
    """As much of it as a file shows."""
    width: int
    height: int
    """In pixels, for images."""

    def content(self) -> bytes:
        """The file; the same for the same model, parameters and seed."""
        title = f"{self.model}, seed {self.seed}: {self.prompt} ({self.digest})"
        match self.format.name:
            case "mp4":
                return media.mp4(title)
            case "mp3":
                return media.mp3(title)
            case "wav":
                return media.wav(title, self.digest)
            case "text":
                return title.encode()
            case "json":
                return orjson.dumps(
                    {"model": self.model, "seed": self.seed, "prompt": self.prompt, "digest": self.digest}
                )
            case name:
                return images.draw(
                    self.digest,
                    self.width,
                    self.height,
                    image_format=name,
                    title=self.model,
                    text=self.prompt,
                    note=f"seed {self.seed}, {self.width} x {self.height} pixels",
                )


def output_of(job: Job, model: Model, settings: Settings) -> Output:
    width, height = images.image_size(job.parameters, model.defaults)
    prompt = prompt_of(job.parameters)
    shown = prompt if len(prompt) <= LONGEST_PROMPT else f"{prompt[: LONGEST_PROMPT - 1]}…"
    return Output(format_of(job, model, settings), digest_of(job), job.slug, job.seed, shown, width, height)


def format_of(job: Job, model: Model, settings: Settings) -> Format:
    """The format that a parameter asks for, if the double makes it; otherwise the usual one of what the model makes."""
    for name in model.format_parameters:
        asked = formats.named(model.output, job.parameters.get(name, model.defaults.get(name)))
        if asked is not None:
            return asked
    return formats.BY_NAME[settings.image_format] if model.output == "image" else formats.DEFAULTS[model.output]


def describe_output(output: Output, request_id: str, base_url: str, made_at: float) -> dict[str, Any]:
    """The fields of a response about what a job made: a text, or the URL of a file."""
    if output.format.is_text:
        return {"output": output.content().decode()}
    url = url_of(output, request_id, base_url, made_at)
    if output.format.output != "image":
        return {"output": url}
    described: dict[str, Any] = {
        "url": url,
        "content_type": output.format.media_type,
        "file_name": f"{request_id}.{output.format.suffix}",
    }
    if output.format.name == "png":
        # The sizes of other files are not known before they are drawn, which would take longer than the call.
        described["file_size"] = images.png_size(output.width, output.height)
    return {"output": url, "images": [described]}


def url_of(output: Output, request_id: str, base_url: str, made_at: float) -> str:
    """Holds all that the file is made from, so that any process can make it, also when the job is forgotten.

    In the path, so that the URL ends as those of the service do.
    """
    fields = (
        f"digest={output.digest}&size={output.width}x{output.height}&made={int(made_at)}&seed={output.seed}"
        f"&model={quote(output.model, safe='')}&prompt={quote(output.prompt, safe='')}"
    )
    # Quoted once more, since servers decode a path before they split it.
    return f"{base_url}{RESERVED_PREFIX}/files/{quote(fields, safe='=&')}/{request_id}.{output.format.suffix}"


def output_at(fields: str, name: str, *, made_after: float) -> Output | None:
    """What a URL of `url_of` names; None if there is no such file, or if it is older."""
    query = dict(parse_qsl(fields))
    file = FILE_NAME.fullmatch(name)
    found = formats.BY_SUFFIX.get(file[1]) if file else None
    size = SIZE.fullmatch(query.get("size", ""))
    made = MOMENT.fullmatch(query.get("made", ""))
    if found is None or found.is_text or not size or not made or int(made[0]) <= made_after:
        return None
    digest, width, height = query.get("digest", ""), int(size[1]), int(size[2])
    if not DIGEST.fullmatch(digest) or max(width, height) > images.LARGEST_SIDE:
        return None
    model, seed, prompt = (query.get(field, "")[:LONGEST_PROMPT] for field in ("model", "seed", "prompt"))
    return Output(found, digest, model, seed, prompt, width, height)


def digest_of(job: Job) -> str:
    return job.digest or images.image_digest(job.slug, job.parameters, job.seed)


def prompt_of(parameters: Mapping[str, Any]) -> str:
    """The prompt that was sent; empty for a model that takes none."""
    return str(parameters.get("prompt", ""))
