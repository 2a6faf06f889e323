"""Pictures are drawn fast and stay the same."""

from __future__ import annotations

import io
import zlib

import pytest
from PIL import Image

from segmind_mock.images import LARGE_BLOCK, compress_repeated, draw


@pytest.mark.parametrize("length", [0, 1, 6, 7, 8, LARGE_BLOCK - 1, LARGE_BLOCK, 3 * LARGE_BLOCK + 5])
def test_repeated_bytes_are_what_decompressing_gives(length: int) -> None:
    repeated = b"repeats" * (length // 7 + 1)
    assert zlib.decompress(compress_repeated(b"start", b"repeats", length)) == b"start" + repeated[:length]


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (1024, 768), (256, 2048), (4096, 4096)])
def test_a_picture_has_its_size_and_a_gradient(size: tuple[int, int]) -> None:
    content = draw("00ff" * 8, *size)
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        assert (image.size, image.mode) == (size, "RGB")
        assert len(image.getcolors(size[0] * size[1]) or []) >= min(*size, 256)
