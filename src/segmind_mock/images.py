"""Real images that cost next to nothing: a PNG gradient whose colours follow from what was asked for."""

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
from typing import Any, Literal

LONGEST_SIDE = 1024
"""Pixels of the longer side where a shape was asked for, not a size."""
SHAPE = re.compile(r"([1-9]\d{0,3}):([1-9]\d{0,3})")
"""Width to height; a model may also take words, such as auto."""
PALETTES = 64
LARGEST_SIDE = 4096
"""Pixels; nothing larger is drawn."""
LARGE_BLOCK = 100_000
"""Bytes that are compressed at once."""


def image_size(asked: Mapping[str, Any], defaults: Mapping[str, Any]) -> tuple[int, int]:
    """Width and height in pixels of the image that a model's own parameters ask for.

    A size that was sent comes before a shape that was sent, and both before the defaults.
    """
    for source in (asked, defaults):
        sides = {name: source[name] for name in ("width", "height") if is_size(source.get(name))}
        if sides:
            sizes = {"width": LONGEST_SIDE, "height": LONGEST_SIDE, **defaults, **sides}
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
    """Names the picture: the same for the same model, parameters and seed, another for any other."""
    asked = json.dumps([slug, {**parameters, "seed": seed}], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()[:32]


def draw(
    digest: str, width: int, height: int, *, image_format: Literal["png", "jpeg"] = "png", caption: str = ""
) -> bytes:
    """A file of exactly this size; the digest decides its colours and stands in its comment.

    JPEG and a caption, which is written on the picture, need Pillow.
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
    """Its pixels are drawn once for each palette and size; the comment makes each file its own."""
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
    """The chunk that holds a gradient."""
    red, green, blue, slope, *_ = hashlib.sha256(bytes((palette,))).digest()
    step = 1 + slope % 3
    first_row = bytes((red, green, blue)) + bytes((step % 2, 1, step // 2)) * (width - 1)
    # Each later row is stored as its difference from the row above: all zeros, or all ones.
    repeating = (b"\x02" + bytes(3 * width)) * step + b"\x02" + b"\x01" * (3 * width)
    return chunk(b"IDAT", compress_repeated(b"\x01" + first_row, repeating, (height - 1) * (1 + 3 * width)))


def compress_repeated(start: bytes, repeating: bytes, length: int) -> bytes:
    """`start` and `length` bytes of `repeating` again and again, as zlib.compress would: in a fifth of its time."""
    packer = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)

    def pack(data: bytes) -> bytes:
        # What comes after a full flush refers to nothing before it, so that its compressed form can be repeated.
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
