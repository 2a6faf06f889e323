"""Any method, path, headers and bytes: never a 5xx, never an answer outside the documented form."""

from __future__ import annotations

import json
import re
from collections.abc import MutableMapping
from typing import Any

import anyio
import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segmind_mock import DEFAULT_KEY, Double
from tests.support.contract import OPERATIONS, REQUEST_ID, problems_in

DOUBLE = Double()
CALLS = [
    (method, re.compile(path.replace("{request_id}", "[^/]+")), name) for name, (method, path, _) in OPERATIONS.items()
]
PATHS = [path.format(request_id=REQUEST_ID) for _, path, _ in OPERATIONS.values()]
ODD_PATHS = ["/", "//", "/_mock", "/_mock/files/x.png", "/v2/requests/", "/v2/requests/%00/status", "/v1/../v2"]
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "BREW"]
PARAMETERS = ["prompt", "width", "height", "steps", "guidance_scale", "seed", "aspect_ratio", "scheduler", "other"]
CONTENT_TYPES = ["application/json", "text/plain", "", "application/json; charset=utf-16", ";"]

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
near_misses = st.dictionaries(st.sampled_from(PARAMETERS), values, max_size=5).map(lambda body: {"prompt": "x", **body})
bodies = st.binary(max_size=200) | (values | near_misses).map(lambda value: json.dumps(value).encode())
paths = st.sampled_from(PATHS) | st.text(max_size=30).map(lambda text: f"/{text}") | st.sampled_from(ODD_PATHS)
headers = st.fixed_dictionaries(
    {},
    optional={
        "x-api-key": st.sampled_from([DEFAULT_KEY, DEFAULT_KEY, "", "SG_", "\xc3\xa9"]),
        "content-type": st.sampled_from(CONTENT_TYPES),
        "host": st.sampled_from(["double", "", "a b", "[::1]:9"]),
        "content-length": st.sampled_from(["0", "-1", "x", "5"]),
        "prefer": st.sampled_from(["", "wait", "=", ",,,", "respond-async;x=1"]),
    },
)
Answer = tuple[int, list[tuple[bytes, bytes]], bytes]
"""Status, headers and body."""


@settings(max_examples=600, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(method=st.sampled_from(METHODS), path=paths, headers=headers, body=bodies)
def test_whatever_comes_the_answer_is_documented(method: str, path: str, headers: dict[str, str], body: bytes) -> None:
    status, answer_headers, content = anyio.run(ask, method, path, headers, body)
    assert status < 500
    called = [name for verb, pattern, name in CALLS if verb == method and pattern.fullmatch(path)]
    if called:
        response = httpx.Response(status, headers=answer_headers, content=content)
        assert problems_in(called[0], response) == []
    elif not path.startswith("/_mock"):
        assert status in {404, 405}


async def ask(method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
    """Speaks ASGI itself, since an HTTP client would mend or refuse much of what is sent here."""
    scope: dict[str, Any] = {
        "type": "http",
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("double", None),
    }
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await DOUBLE.app(scope, receive, send)
    return sent[0]["status"], sent[0]["headers"], b"".join(message.get("body", b"") for message in sent[1:])
