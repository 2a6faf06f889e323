"""A service with one completed job, and the image of that job."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Iterator

from segmind_mock.images import draw
from tests.support.servers import REQUEST_ID, End, HostileServer, Request, Script, Step, response

SECRET = "SG_5ec4e75ec4e75ec4"  # noqa: S105  nobody holds it
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 16
"""Begins as a PNG does, and has no end."""
WHOLE_PNG = draw("0" * 32, 8, 8)


class ImageService(HostileServer):
    """Responds to a path with its script, and closes the connection."""

    def __init__(self) -> None:
        self.scripts: dict[str, Script] = {}
        super().__init__(self._respond)

    def serve(self, script: Script | bytes, *, file_name: str | None = None, path: str = "/a.png") -> None:
        """Gives the job an image at a path."""
        self.scripts[path] = (lambda _: [script]) if isinstance(script, bytes) else script
        self.set_image_url(self.url + path, file_name)

    def set_image_url(self, url: str, file_name: str | None = None) -> None:
        """Gives the job an image at a URL."""
        image = {"url": url} | ({"file_name": file_name} if file_name is not None else {})
        body = {"request_id": REQUEST_ID, "status": "COMPLETED", "output": url, "images": [image]}
        self.scripts[f"/v2/requests/{REQUEST_ID}"] = lambda _: [response(body, connection="close")]

    def _respond(self, request: Request) -> Iterator[Step]:
        yield from self.scripts[request.path](request)
        yield End.CLOSE


def image_response(
    body: bytes = PICTURE, media_type: str = "image/png", *, status: int = 200, length: int | None = None, **more: str
) -> bytes:
    return response(body, f"{status} x", media_type=media_type, length=length, connection="close", **more)


def closed_after(body: bytes, media_type: str = "image/png") -> bytes:
    """A response whose body ends where the connection does."""
    return image_response(body, media_type).replace(b"content-length: %d\r\n" % len(body), b"")


def endless(beginning: bytes = b"", media_type: str = "image/png") -> Script:
    """A script whose response has no length and no end."""
    return lambda _: itertools.chain([closed_after(beginning, media_type)], itertools.repeat(PICTURE))


def refuse_links(*_: object) -> None:
    """In place of Path.hardlink_to: a file system without hard links."""
    raise OSError(errno.EPERM, "Operation not permitted")
