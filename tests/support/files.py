"""Small files of each format, complete."""

from __future__ import annotations

import io
import struct
import wave

from PIL import Image


def drawn(name: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), "navy").save(file, name)
    return file.getvalue()


def recorded() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as recording:
        recording.setparams((1, 2, 8000, 0, "NONE", "not compressed"))
        recording.writeframes(bytes(64))
    return file.getvalue()


def box(kind: bytes, body: bytes = b"", *, large: bool = False) -> bytes:
    """A box of an ISO-BMFF file."""
    if large:
        return struct.pack(">I4sQ", 1, kind, 16 + len(body)) + body
    return struct.pack(">I4s", 8 + len(body), kind) + body


def film(brand: bytes) -> bytes:
    return box(b"ftyp", brand + b"\0\0\2\0isom") + box(b"mdat", b"d" * 20) + box(b"moov", b"m" * 20)


def element(name: bytes, body: bytes, size: bytes = b"") -> bytes:
    """An element of a WebM file, with a size of two bytes unless another is given."""
    return name + (size or struct.pack(">H", 0x4000 | len(body))) + body


def webm(size: bytes = b"") -> bytes:
    """A WebM file whose segment says this size."""
    header = element(b"\x1aE\xdf\xa3", b"\x42\x86\x81\x01\x42\x82\x84webm")
    return header + element(b"\x18\x53\x80\x67", b"s" * 40, size)


def ogg_page(flags: int, body: bytes) -> bytes:
    return b"OggS\0" + bytes([flags]) + bytes(20) + bytes([1, len(body)]) + body


IMAGE_BOXES = box(b"meta", b"m" * 20) + box(b"mdat", b"d" * 20)
FILES = {
    "PNG": drawn("PNG"),
    "JPEG": drawn("JPEG"),
    "GIF": drawn("GIF"),
    "WebP": drawn("WEBP"),
    "AVIF": drawn("AVIF"),
    "HEIC": box(b"ftyp", b"heic\0\0\0\0mif1heic") + IMAGE_BOXES,
    "MP4": film(b"isom"),
    "MOV": film(b"qt  "),
    "WebM": webm(),
    "WAV": recorded(),
    "Ogg": ogg_page(2, b"a" * 30) + ogg_page(4, b"b" * 30),
    "M4A": film(b"M4A "),
    "MP3": b"ID3\x04\0\0\0\0\0\0" + (b"\xff\xfb\x90\x64" + bytes(413)) * 3,
    "FLAC": b"fLaC\0\0\0\x22" + bytes(34),
    "JSON": b'{"boats": ["a", "\xc3\xa9"]}',
    "text": "once upon a time, a boat — \N{SAILBOAT}".encode(),
}
"""By the names of the formats."""
