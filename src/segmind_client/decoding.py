"""Decodes the bodies of responses."""

from __future__ import annotations

import zlib
from contextlib import suppress

from segmind_api.types import ApiResponse
from segmind_client.errors import ConnectionLost
from segmind_client.steps import Sent

GZIP_MAGIC = b"\x1f\x8b"


def decoded(sent: Sent, *, already: bool = False) -> ApiResponse:
    """The response with its body decoded. Raises ConnectionLost for a body that is incomplete, and TooLarge.

    A body that is not encoded as its headers say is left as it is: it may be paid for.
    """
    encoding = "" if already else sent.encoding
    content, complete = decompressed(encoding, bytes(sent.received), sent.largest)
    if not complete:
        if len(content) >= sent.largest:
            raise sent.too_large()
        raise ConnectionLost(f"the body, encoded as {encoding}, is incomplete")
    return ApiResponse(sent.status or 0, sent.headers, content)


def decompressed(encoding: str, content: bytes, limit: int) -> tuple[bytes, bool]:
    """A body, decoded up to a limit, and whether that is all of it. A body of another encoding is returned as it is."""
    if encoding in ("gzip", "x-gzip", "deflate"):
        # 32 detects a header of gzip or zlib. A body encoded as deflate may have neither.
        for window in (32 + zlib.MAX_WBITS, -zlib.MAX_WBITS)[: 2 if encoding == "deflate" else 1]:
            with suppress(zlib.error):
                return decompressed_members(window, content, limit)
    return content, True


def decompressed_members(window: int, content: bytes, limit: int) -> tuple[bytes, bool]:
    """The decoded members of a gzip body, joined. Raises zlib.error."""
    found = bytearray()
    while True:
        decompressor = zlib.decompressobj(window)
        found += decompressor.decompress(content, limit - len(found))
        content = decompressor.unused_data
        if not content.startswith(GZIP_MAGIC) or len(found) >= limit:
            return bytes(found), decompressor.eof and not content.startswith(GZIP_MAGIC)
