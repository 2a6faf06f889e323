"""The images of jobs: real files that are drawn quickly, their description in a response, and their URLs."""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
import struct
import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from segmind_mock.calls import RESERVED_PREFIX
from segmind_mock.contract import Model
from segmind_mock.records import Job
from segmind_mock.settings import ImageFormat, Settings

LONGEST_SIDE = 1024
"""Pixels of the longer side of an image whose aspect ratio is given, not its size."""
SHAPE = re.compile(r"([1-9]\d{0,3}):([1-9]\d{0,3})")
"""Width to height; a model may also take words, such as auto."""
PALETTES = 64
LARGEST_SIDE = 4096
"""Most pixels of a side."""
LARGE_BLOCK = 100_000
"""Bytes that are compressed at a time."""
LONGEST_CAPTION = 200
FILE_NAME = re.compile(r"[0-9a-f-]{36}-([0-9a-f]{32})-(\d{1,4})x(\d{1,4})-(\d{1,15})\.(png|jpg)")
"""Request id, digest, width, height, time and format: all that a process needs to draw the image again."""


def image_size(parameters: Mapping[str, Any], defaults: Mapping[str, Any]) -> tuple[int, int]:
    """Width and height in pixels, from a model's parameters.

    A given size takes precedence over a given aspect ratio, and both over the defaults.
    """
    for source in (parameters, defaults):
        if "width" in source or "height" in source:
            sizes = {"width": LONGEST_SIDE, "height": LONGEST_SIDE, **defaults, **source}
            return min(int(sizes["width"]), LARGEST_SIDE), min(int(sizes["height"]), LARGEST_SIDE)
        shape = SHAPE.fullmatch(str(source.get("aspect_ratio")))
        if shape:
            across, down = int(shape[1]), int(shape[2])
            scale = LONGEST_SIDE / max(across, down)
            return max(1, round(across * scale)), max(1, round(down * scale))
    return LONGEST_SIDE, LONGEST_SIDE


def is_size(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value < math.inf


def image_digest(slug: str, parameters: Mapping[str, Any], seed: int) -> str:
    """Identifies an image: the same for the same model, parameters and seed, and different for any other."""
    inputs = json.dumps([slug, {**parameters, "seed": seed}], sort_keys=True)
    return hashlib.sha256(inputs.encode()).hexdigest()[:32]


def draw(digest: str, width: int, height: int, *, image_format: ImageFormat = "png", caption: str = "") -> bytes:
    """An image file of exactly this size; its colours depend on the digest, which is also in its comment.

    JPEG and captions need Pillow.
    """
    if image_format == "png" and not caption:
        return draw_png(digest, width, height)
    return draw_with_pillow(digest, width, height, image_format, caption)


@lru_cache(maxsize=256)
def draw_with_pillow(digest: str, width: int, height: int, image_format: str, caption: str) -> bytes:
    from PIL import Image, ImageDraw, PngImagePlugin

    comment = f"made by segmind-mock, {digest}"
    with Image.open(io.BytesIO(draw_png(digest, width, height))) as image:
        if caption:
            ImageDraw.Draw(image).text((8, 8), caption, fill="white", stroke_width=2, stroke_fill="black")
        file = io.BytesIO()
        if image_format == "png":
            text = PngImagePlugin.PngInfo()
            text.add_text("Comment", comment)
            image.save(file, format="png", pnginfo=text)
        else:
            image.save(file, format="jpeg", quality=90, comment=comment)
        return file.getvalue()


def draw_png(digest: str, width: int, height: int) -> bytes:
    """The pixels are cached by palette and size; the comment makes each file unique."""
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
            chunk(b"tEXt", b"Comment\x00made by segmind-mock, " + digest.encode()),
            pixels(int(digest[:4], 16) % PALETTES, width, height),
            chunk(b"IEND", b""),
        )
    )


@lru_cache(maxsize=256)
def pixels(palette: int, width: int, height: int) -> bytes:
    """The chunk with the gradient."""
    red, green, blue, slope, *_ = hashlib.sha256(bytes((palette,))).digest()
    step = 1 + slope % 3
    first_row = bytes((red, green, blue)) + bytes((step % 2, 1, step // 2)) * (width - 1)
    # PNG filter 2: each later row is stored as its difference from the row above, all zeros or all ones.
    repeating = (b"\x02" + bytes(3 * width)) * step + b"\x02" + b"\x01" * (3 * width)
    return chunk(b"IDAT", compress_repeated(b"\x01" + first_row, repeating, (height - 1) * (1 + 3 * width)))


def compress_repeated(start: bytes, repeating: bytes, length: int) -> bytes:
    """Compresses `start` and then `length` bytes of repeated `repeating`, in a fifth of the time of zlib.compress."""
    packer = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)

    def pack(data: bytes) -> bytes:
        # Data after a full flush refers to nothing before it, so that its compressed form can be repeated.
        return packer.compress(data) + packer.flush(zlib.Z_FULL_FLUSH)

    block = repeating * (LARGE_BLOCK // len(repeating) + 1)
    blocks, rest = divmod(length, len(block))
    packed = pack(start) + pack(block) * blocks + pack(block[:rest]) + packer.flush()
    checksum = zlib.adler32(start)
    for _ in range(blocks):
        checksum = zlib.adler32(block, checksum)
    return b"\x78\x01" + packed + struct.pack(">I", zlib.adler32(block[:rest], checksum))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def digest_of(job: Job) -> str:
    return job.digest or image_digest(job.slug, job.parameters, job.seed)


def caption_of(job: Job) -> str:
    return f"{job.slug}, seed {job.seed}: {prompt_of(job.parameters)[:80]}"


def image_of(job: Job, model: Model, settings: Settings) -> bytes:
    width, height = image_size(job.parameters, model.defaults)
    caption = caption_of(job) if settings.captions else ""
    return draw(digest_of(job), width, height, image_format=settings.image_format, caption=caption)


def describe_image(job: Job, model: Model, settings: Settings, base_url: str, made_at: float) -> dict[str, Any]:
    """An item of `images` in a response."""
    width, height = image_size(job.parameters, model.defaults)
    suffix = "jpg" if settings.image_format == "jpeg" else "png"
    name = f"{job.request_id}-{digest_of(job)}-{width}x{height}-{int(made_at)}.{suffix}"
    query = f"?caption={quote(caption_of(job))}" if settings.captions else ""
    return {
        "url": f"{base_url}{RESERVED_PREFIX}/images/{name}{query}",
        "content_type": f"image/{settings.image_format}",
        "file_name": f"{job.request_id}.{suffix}",
        "file_size": len(image_of(job, model, settings)),
    }


def image_named(name: str, caption: str, settings: Settings, *, made_after: float) -> tuple[bytes, ImageFormat] | None:
    """The image that such a URL names; None if there is none, or if it is older."""
    match = FILE_NAME.fullmatch(name)
    if match is None or not all(0 < int(side) <= LARGEST_SIDE for side in match.group(2, 3)):
        return None
    image_format: ImageFormat = "png" if match[5] == "png" else "jpeg"
    if int(match[4]) <= made_after or image_format not in ("png", settings.image_format):
        return None
    shown = caption[:LONGEST_CAPTION] if settings.captions else ""
    return draw(match[1], int(match[2]), int(match[3]), image_format=image_format, caption=shown), image_format


def prompt_of(parameters: Mapping[str, Any]) -> str:
    """The prompt that was sent; empty for a model that takes none."""
    return str(parameters.get("prompt", ""))
