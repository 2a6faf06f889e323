"""A proxy that forwards requests to the service, and reports where they do not fit the contract."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import cast
from urllib.parse import quote

import httpx
import orjson
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from segmind_mock.asgi import CallerGoneError, Receive, Scope, Send, abort, base_url_of, unless_gone
from segmind_mock.calls import JSON, WITHOUT_BODY
from segmind_mock.conformance import Checks
from segmind_mock.contract import Contract, media_type_of

TIMEOUT_SECONDS = 300.0
LARGEST_HELD = 10_000_000
"""Bytes of a body that are buffered for the checks, decoded or not; a longer body is forwarded unchecked."""
LONGEST_LINE = 2_000
"""Characters of a reported line."""
HOP_BY_HOP = frozenset({
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te", b"trailer",
    b"transfer-encoding", b"upgrade",
})  # fmt: skip
"""Headers of one connection (RFC 9110, 7.6.1), as are those that `Connection` names."""
NOT_SENT_ON = frozenset({b"host", b"expect", b"accept-encoding"})
"""Headers of a request that the proxy sets itself."""
NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)
"""Errors before any byte of a request was sent. After any other error, the service may have accepted the request."""
JOB_URL = re.compile(rb'("(?:status_url|response_url|poll_url)"\s*:\s*)("(?:[^"\\]|\\.)*")')
URL_HEADERS = frozenset({b"location", b"content-location"})
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
UPSTREAM_EXPECTED = "--upstream: expected a URL such as https://host, without a query"

RawHeaders = list[tuple[bytes, bytes]]


def proxy_app(
    upstream: str,
    report: Callable[[str], None],
    *,
    contract: Contract | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> Starlette:
    """An application that forwards all requests to `upstream`, and reports a line for each difference.

    The caller's key is forwarded, and neither reported nor stored. Raises ValueError for an invalid URL.
    """
    proxy = Proxy(read_upstream(upstream), report, contract or Contract.load(), transport)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with proxy.client:
            yield

    return Starlette(routes=[Route("/{path:path}", proxy)], lifespan=lifespan)


def read_upstream(upstream: str) -> httpx.URL:
    """The URL of the service. Raises ValueError, whose message does not show the URL: it may contain a password."""
    try:
        url = httpx.URL(upstream)
    except httpx.InvalidURL:
        raise ValueError(UPSTREAM_EXPECTED) from None
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise ValueError(UPSTREAM_EXPECTED)
    return url


class Proxy:
    """Forwards requests to one service, as an ASGI application."""

    def __init__(
        self,
        upstream: httpx.URL,
        report: Callable[[str], None],
        contract: Contract,
        transport: httpx.AsyncBaseTransport | None,
    ) -> None:
        self._upstream = upstream
        self._base_path = upstream.raw_path.rstrip(b"/")
        self._shown_upstream = str(upstream.copy_with(userinfo=b"")).rstrip("/")
        self._report = report
        self._contract = contract
        self._checks = Checks(contract)
        # The cookies of one caller must not be sent for the next.
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        # One connection for each request: if the service closes a kept connection, the response is lost.
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=0)
        self.client = httpx.AsyncClient(cookies=no_cookies, transport=transport, limits=limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        masked = self._masking(request.headers)

        def report(problem: str) -> None:
            line = masked(f"{request.method} {scope['path']}: {problem}")
            self._report(CONTROL_CHARACTERS.sub(" ", line)[:LONGEST_LINE])

        async def forward(outgoing: httpx.Request) -> None:
            response = await self.client.send(outgoing, stream=True)
            async with aclosing(response):
                await self._send_back(request, response, send, report)

        try:
            outgoing, is_read = await self._request(request, report)
            # While the body is still being read, its reader notices that the caller has hung up.
            await (unless_gone(partial(forward, outgoing), receive) if is_read else forward(outgoing))
        except NOT_SENT as error:
            report(f"{self._shown_upstream} cannot be reached: {type(error).__name__}: {error}")
            body = orjson.dumps({"error": f"{self._shown_upstream} cannot be reached"})
            await Response(body, 502, media_type=JSON)(scope, receive, send)
        except httpx.HTTPError as error:
            # No response, since any status would say whether the service accepted the request, which is unknown.
            report(f"{self._shown_upstream} did not respond: {type(error).__name__}: {error}")
            abort(scope)
        except (ClientDisconnect, CallerGoneError):
            return

    async def _request(self, request: Request, report: Callable[[str], None]) -> tuple[httpx.Request, bool]:
        """The request to the service, and whether its body has been read."""
        start, rest = await buffer(request.stream())
        path = request.scope["path"]
        for problem in self._checks.request(request.method, path, request.headers, None if rest else start):
            report(f"the request: {problem}")
        if rest:
            report(f"the request: its body is longer than {LARGEST_HELD} bytes and was not checked")
        headers = [item for item in end_to_end(request.headers.raw) if item[0] not in NOT_SENT_ON]
        if rest is None:
            headers = [item for item in headers if item[0] != b"content-length"]
        # Without Content-Encoding, since the response may contain URLs to rewrite.
        headers.append((b"accept-encoding", b"identity"))
        outgoing = httpx.Request(
            request.method,
            self._url_for(request.scope),
            headers=headers,
            content=chained(start, rest) if rest else start,
            extensions={"timeout": httpx.Timeout(TIMEOUT_SECONDS).as_dict()},
        )
        return outgoing, rest is None

    def _url_for(self, scope: Scope) -> httpx.URL:
        """The same path at the service, escaped as it was received."""
        path: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
        query: bytes = scope["query_string"]
        # After a slash, no part of the path can become part of the host.
        below = b"/" + path.partition(b"?")[0].removeprefix(b"/")
        return self._upstream.copy_with(raw_path=self._base_path + below + (b"?" + query if query else b""))

    async def _send_back(
        self, request: Request, response: httpx.Response, send: Send, report: Callable[[str], None]
    ) -> None:
        """Sends the response to the caller unchanged, except for URLs, which lead to the proxy."""
        own = base_url_of(request.scope, request.headers)
        # The bytes as received; Response.aiter_bytes would decode them.
        parts = aiter(cast(httpx.AsyncByteStream, response.stream))
        is_json = media_type_of(response.headers) == JSON
        start, rest = await buffer(parts) if is_json else (b"", parts)
        encoding = response.headers.get("content-encoding", "identity")
        decoded = None if rest else decode(start, encoding)
        problems = [*self._checks.response(request.method, request.scope["path"], response, decoded)]
        if is_json and len(start) > LARGEST_HELD:
            problems.append(f"its body is longer than {LARGEST_HELD} bytes and was not checked")
        elif is_json and rest is None and decoded is None:
            problems.append(f"its body was not checked: it cannot be decoded from {encoding!r}, or is too long")
        for problem in problems:
            report(f"the response, {response.status_code}: {problem}")
        headers = self._headers_back(response, own)
        if decoded is not None:
            rewritten = JOB_URL.sub(lambda match: match[1] + self._rewritten_json(match[2], own), decoded)
            if rewritten != decoded:
                start = rewritten
                changed = (b"content-encoding", b"content-length")
                headers = [item for item in headers if item[0] not in changed]
                headers.append((b"content-length", b"%d" % len(start)))
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": start, "more_body": rest is not None})
        if rest is not None:
            await self._stream(request, rest, send, report)

    async def _stream(
        self, request: Request, parts: AsyncIterable[bytes], send: Send, report: Callable[[str], None]
    ) -> None:
        try:
            async for part in parts:
                if await request.is_disconnected():
                    return
                await send({"type": "http.response.body", "body": part, "more_body": True})
        except httpx.HTTPError as error:
            # Without a last message the server closes the connection, so that the caller gets a truncated body too.
            report(f"{self._shown_upstream} ended its response early: {type(error).__name__}: {error}")
            return
        await send({"type": "http.response.body", "body": b""})

    def _headers_back(self, response: httpx.Response, own: str) -> RawHeaders:
        has_length = response.status_code not in WITHOUT_BODY and "transfer-encoding" not in response.headers
        return [
            (name, self._rewritten(value.decode("latin-1"), own).encode("latin-1") if name in URL_HEADERS else value)
            for name, value in end_to_end(response.headers.raw)
            if has_length or name != b"content-length"
        ]

    def _rewritten_json(self, text: bytes, own: str) -> bytes:
        try:
            url = orjson.loads(text)
        except orjson.JSONDecodeError:
            return text
        rewritten = self._rewritten(url, own)
        return text if rewritten == url else orjson.dumps(rewritten)

    def _rewritten(self, text: str, own: str) -> str:
        """Makes a URL of the service one of the proxy; returns any other text unchanged."""
        try:
            url = httpx.URL(text)
        except httpx.InvalidURL:
            return text
        upstream = self._upstream
        is_there = (url.scheme, url.host, url.port) == (upstream.scheme, upstream.host, upstream.port)
        below = url.raw_path.removeprefix(self._base_path)
        if not is_there or url.userinfo or not (self._base_path + below == url.raw_path and below.startswith(b"/")):
            return text
        return f"{own}{below.decode()}" + (f"#{url.fragment}" if url.fragment else "")

    def _masking(self, headers: Headers) -> Callable[[str], str]:
        """Masks the caller's key and anything of the form of a key, since the service may repeat them anywhere."""
        secrets = {self._upstream.username, self._upstream.password}
        for name in (self._contract.key_header, "authorization", "proxy-authorization"):
            for value in headers.getlist(name):
                secrets |= {value, value.rpartition(" ")[2]}
        forms = {form for secret in secrets - {""} for form in written(secret)}
        # The longest first, since one may contain another.
        patterns = [re.escape(form) for form in sorted(forms, key=len, reverse=True)]
        hidden = re.compile("|".join([*patterns, self._contract.key_pattern]), re.IGNORECASE)
        return lambda text: hidden.sub("***", text)


def written(secret: str) -> Iterable[str]:
    """The forms in which a message may contain a value."""
    return {secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], quote(secret, safe="")}


def end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
    """Headers, their names in lower case, without those of one connection."""
    lowered = [(name.lower(), value) for name, value in headers]
    named = {token.strip().lower() for name, value in lowered if name == b"connection" for token in value.split(b",")}
    return [item for item in lowered if item[0] not in HOP_BY_HOP | named]


async def buffer(parts: AsyncIterable[bytes]) -> tuple[bytes, AsyncIterator[bytes] | None]:
    """The start of a body, and the rest: further parts, or the error that ended it; None if the start is complete."""
    iterator = aiter(parts)
    start = bytearray()
    try:
        async for part in iterator:
            start += part
            if len(start) > LARGEST_HELD:
                return bytes(start), iterator
    except httpx.HTTPError as error:
        return bytes(start), raising(error)
    return bytes(start), None


async def raising(error: httpx.HTTPError) -> AsyncIterator[bytes]:
    raise error
    yield b""


async def chained(start: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield start
    async for part in rest:
        yield part


def decode(body: bytes, encoding: str) -> bytes | None:
    """Decodes a body; None if its Content-Encoding is unknown or wrong, or if it becomes too long."""
    if not body or encoding.strip().lower() == "identity":
        return body
    if encoding.strip().lower() not in ("gzip", "x-gzip", "deflate"):
        return None
    # 32 detects the header of gzip and zlib.
    decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        decoded = decoder.decompress(body, LARGEST_HELD)
    except zlib.error:
        return None
    return decoded if decoder.eof and not decoder.unused_data else None
