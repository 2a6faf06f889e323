"""What a v1 call gives back."""

from __future__ import annotations

import json
from typing import Any

import attrs

from segmind_api.headers import ResponseHeaders
from segmind_api.models import GenerationOutput
from segmind_api.types import ApiResponse


@attrs.frozen
class Generation:
    """The answer to one v1 call.

    `output` is what came, by its Content-Type: fields, a text, or the bytes of an image.
    """

    response: ApiResponse
    output: GenerationOutput | str | bytes

    @property
    def status_code(self) -> int:
        return self.response.status

    @property
    def headers(self) -> ResponseHeaders:
        """The headers; `headers.cost` and `headers.remaining_credits` are in US dollars."""
        return self.response.headers

    @property
    def content(self) -> bytes:
        """The body as it came."""
        return self.response.content

    @property
    def text(self) -> str:
        return self.content.decode(errors="replace")

    def json(self) -> Any:
        """The body as JSON. Raises ValueError where it is none."""
        return json.loads(self.content)
