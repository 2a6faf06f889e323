"""Images that say what they are: their sizes, and the files."""

from __future__ import annotations

import colorsys
import hashlib
import io
import json
import math
import re
import struct
import unicodedata
import zlib
from bisect import bisect_right
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

LONGEST_SIDE = 1024
"""Pixels of the longer side of an image whose aspect ratio is given, not its size."""
SHAPE = re.compile(r"([1-9]\d{0,3}):([1-9]\d{0,3})")
"""Width to height; a model may also take words, such as auto."""
LARGEST_SIDE = 4096
"""Most pixels of a side."""
SHADES = 16
"""Colours of an image, from that of the ground to that of the title."""
BLOCK_HEAD = struct.Struct("<BHH")
"""Of an uncompressed block of deflate: whether it is the last, its size, and the complement of its size."""
LARGEST_BLOCK = 0xFFFF
SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHUNKS, CHUNK_FRAME, ZLIB_FRAME = 5, 12, 6
"""Chunks of a PNG file; what each adds to its content; what zlib adds to its blocks."""
LEAST_SIDE = 64
"""Pixels of the shorter side from which on an image has texts."""
SMALLEST_FONT = 9
ELLIPSIS = "…"


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


def image_digest(slug: str, parameters: Mapping[str, Any], seed: int) -> str:
    """Identifies an image: the same for the same model, parameters and seed, and different for any other."""
    inputs = json.dumps([slug, {**parameters, "seed": seed}], sort_keys=True)
    return hashlib.sha256(inputs.encode()).hexdigest()[:32]


def draw(
    digest: str,
    width: int,
    height: int,
    *,
    image_format: str = "png",
    title: str = "",
    text: str = "",
    note: str = "",
) -> bytes:
    """An image file of exactly this size: a title, a text and a note on a calm ground.

    The ground depends on the digest, which is also in the file's metadata.
    """
    from PIL import Image

    image = Image.new("P", (width, height))
    image.putpalette(palette_of(digest))
    write_texts(image, title, text, note)
    comment = comment_of(digest)
    if image_format == "png":
        return png_of(image, comment)
    file = io.BytesIO()
    if image_format == "jpeg":
        image.convert("RGB").save(file, format="jpeg", quality=90, comment=comment)
    else:
        image.convert("RGB").save(file, format="webp", lossless=True, method=0, xmp=comment)
    return file.getvalue()


def png_size(width: int, height: int) -> int:
    """The size of every PNG file of `draw` with these sides."""
    pixels = height * (1 + row_size(width))
    packed = ZLIB_FRAME + pixels + BLOCK_HEAD.size * math.ceil(pixels / LARGEST_BLOCK)
    contents = 13 + 3 * SHADES + len(b"Comment\0" + comment_of("0" * 32)) + packed
    return len(SIGNATURE) + CHUNKS * CHUNK_FRAME + contents


def png_of(image: Image, comment: bytes) -> bytes:
    """A PNG file that is not compressed: `png_size` tells its size in a response before it is drawn."""
    width, height = image.size
    packed, size = image.tobytes("raw", "P;4"), row_size(width)
    # Each row begins with the number of its filter, none.
    rows = b"".join(b"\0" + packed[start : start + size] for start in range(0, size * height, size))
    return b"".join(
        (
            SIGNATURE,
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 4, 3, 0, 0, 0)),
            chunk(b"PLTE", bytes(image.getpalette() or ())[: 3 * SHADES]),
            chunk(b"tEXt", b"Comment\0" + comment),
            chunk(b"IDAT", stored(rows)),
            chunk(b"IEND", b""),
        )
    )


def comment_of(digest: str) -> bytes:
    return b"made by segmind-mock, " + digest.encode()


def row_size(width: int) -> int:
    """Bytes of a row of pixels, two to a byte."""
    return (width + 1) // 2


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def stored(data: bytes) -> bytes:
    """A zlib stream without compression, whose size depends on that of the data alone; zlib does not promise that."""
    starts = range(0, len(data), LARGEST_BLOCK)
    blocks = ((data[start : start + LARGEST_BLOCK], start == starts[-1]) for start in starts)
    packed = (BLOCK_HEAD.pack(last, len(block), len(block) ^ 0xFFFF) + block for block, last in blocks)
    return b"\x78\x01" + b"".join(packed) + struct.pack(">I", zlib.adler32(data))


def palette_of(digest: str) -> list[int]:
    """From the colour of the ground, which is light, to that of the text."""
    hue = int(digest[:4], 16) / 0x10000
    ground, ink = (colorsys.hls_to_rgb(hue, lightness, 0.3) for lightness in (0.9, 0.2))
    return [
        round(255 * (start + (end - start) * shade / (SHADES - 1)))
        for shade in range(SHADES)
        for start, end in zip(ground, ink, strict=True)
    ]


def write_texts(image: Image, title: str, text: str, note: str) -> None:
    """Writes what fits: the title above a line, the text below it, the note at the bottom."""
    from PIL.ImageDraw import Draw

    short = min(image.size)
    margin, draw = short // 16, Draw(image)
    # Without it, letters in an image with a palette have ragged edges.
    draw.fontmode = "L"
    right, bottom = image.width - margin, image.height - margin
    if short < LEAST_SIDE:
        return
    large, middle, small = (font_of(max(SMALLEST_FONT, short // share)) for share in (14, 20, 28))
    for line in lines_of(note, small, right - margin, 1):
        draw.text((margin, bottom), line, fill=SHADES - 5, font=small, anchor="ld")
    top = margin
    for line in lines_of(title, large, right - margin, 1):
        draw.text((margin, top), line, fill=SHADES - 1, font=large)
        top += round(1.4 * large.size)
        draw.line((margin, top, right, top), fill=SHADES // 3)
        top += round(0.7 * middle.size)
    height = round(1.3 * middle.size)
    for line in lines_of(text, middle, right - margin, (bottom - round(1.5 * small.size) - top) // height):
        draw.text((margin, top), line, fill=SHADES - 2, font=middle)
        top += height


def lines_of(text: str, font: FreeTypeFont, width: int, most: int) -> list[str]:
    """A text in lines that fit; words break where they are longer. The last line ends in … if there is more text."""
    rest, lines = plain(text), list[str]()
    while rest and len(lines) < most:
        count = longest(rest, "", font, width)
        if count < len(rest) and len(lines) == most - 1:
            return [*lines, rest[: longest(rest, ELLIPSIS, font, width)].rstrip() + ELLIPSIS]
        if count < len(rest) and (space := rest.rfind(" ", 0, count + 1)) > 0:
            count = space
        lines.append(rest[:count])
        rest = rest[count:].lstrip()
    return lines


def longest(text: str, end: str, font: FreeTypeFont, width: int) -> int:
    """How many characters of a text fit with `end` after them; 1 at least."""
    counts = range(1, len(text) + 1)
    return max(1, bisect_right(counts, float(width), key=lambda count: font.getlength(text[:count] + end)))


def plain(text: str) -> str:
    """A text as the font has it, without accents and line breaks; it shows a box for any other character."""
    letters = (it for it in unicodedata.normalize("NFKD", text) if not unicodedata.combining(it))
    return " ".join("".join(letters).split())


@lru_cache(maxsize=64)
def font_of(size: int) -> FreeTypeFont:
    from PIL.ImageFont import FreeTypeFont, load_default

    font = load_default(size)
    if not isinstance(font, FreeTypeFont):
        raise TypeError("Pillow was built without FreeType, which the double needs: install one of its wheels")
    return font
