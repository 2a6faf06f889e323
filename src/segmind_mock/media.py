"""Small video and audio files that players open; their titles tell one from another.

`samples/` was made with ffmpeg 5.1:

    ffmpeg -f lavfi -i "color=c=0xdde5dd:s=320x240:r=10:d=2,fade=t=out:st=1:d=1:color=0x35524a" -c:v libx264 \
        -preset veryslow -pix_fmt yuv420p -flags +bitexact -fflags +bitexact video.mp4
    ffmpeg -f lavfi -i sine=frequency=440:duration=1:sample_rate=22050 -c:a libmp3lame -b:a 32k -flags +bitexact \
        -fflags +bitexact -id3v2_version 0 audio.mp3
"""

from __future__ import annotations

import math
import struct
from functools import cache
from importlib.resources import files

SAMPLES_PER_SECOND = 8000
SHORTEST_PERIOD, PERIODS = 10, 20
"""Samples of a wave: the tones are between 276 and 800 Hz."""


@cache
def sample(name: str) -> bytes:
    return (files("segmind_mock") / "samples" / name).read_bytes()


def mp4(title: str) -> bytes:
    """Two seconds of a fading colour. The title is where iTunes has it: at the end of the box `moov`, the last one."""
    video = sample("video.mp4")
    start, end = video.rindex(b"moov") - 4, video.rindex(b"udta") - 4
    name = box(b"\xa9nam", box(b"data", struct.pack(">II", 1, 0), title.encode()))
    handler = box(b"hdlr", bytes(8), b"mdirappl", bytes(9))
    metadata = box(b"udta", box(b"meta", bytes(4), handler, box(b"ilst", name)))
    return video[:start] + box(b"moov", video[start + 8 : end], metadata)


def box(kind: bytes, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return struct.pack(">I", 8 + len(content)) + kind + content


def mp3(title: str) -> bytes:
    """A second of a tone, after a tag ID3 2.4."""
    frame = b"TIT2" + synchsafe(1 + len(title.encode())) + b"\0\0\x03" + title.encode()
    return b"ID3\x04\0\0" + synchsafe(len(frame)) + frame + sample("audio.mp3")


def synchsafe(size: int) -> bytes:
    """A size in four bytes of seven bits each."""
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


def wav(title: str, digest: str) -> bytes:
    """A second of a tone whose pitch depends on the digest."""
    period = SHORTEST_PERIOD + int(digest[:4], 16) % PERIODS
    wave = bytes(round(128 + 48 * math.sin(2 * math.pi * place / period)) for place in range(period))
    form = struct.pack("<HHIIHH", 1, 1, SAMPLES_PER_SECOND, SAMPLES_PER_SECOND, 1, 8)
    sound = (wave * SAMPLES_PER_SECOND)[:SAMPLES_PER_SECOND]
    info = b"INFO" + riff(b"INAM", title.encode() + b"\0")
    return riff(b"RIFF", b"WAVE" + riff(b"fmt ", form) + riff(b"LIST", info) + riff(b"data", sound))


def riff(kind: bytes, content: bytes) -> bytes:
    """A chunk, padded to an even number of bytes."""
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
