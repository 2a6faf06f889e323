"""Passes calls through to the service and reports where they do not fit the contract."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, cast
from urllib.parse import quote

import httpx
import jsonschema_rs
import orjson
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from segmind_mock.app import CallerGoneError, Receive, Scope, Send, abort, address_of, unless_gone
from segmind_mock.contract import Contract, Operation, describe, media_type_of
from segmind_mock.service import JSON, WITHOUT_BODY

TIMEOUT_SECONDS = 300.0
LARGEST_HELD = 10_000_000
"""Bytes of a body that are held to be checked, decoded or not; a longer one is passed on unchecked."""
LONGEST_LINE = 2_000
"""Characters of a reported line."""
HOP_BY_HOP = frozenset({
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te", b"trailer",
    b"transfer-encoding", b"upgrade",
})  # fmt: skip
"""Headers that are for the next connection only (RFC 9110, 7.6.1), beside those that `Connection` names."""
NOT_SENT_ON = frozenset({b"host", b"expect", b"accept-encoding"})
"""Headers of a request that the proxy writes itself."""
NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)
"""Errors before any byte of a request was sent. After any other, the service may have accepted it."""
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
    """An application that passes everything to `upstream` and reports a line for each misfit.

    The caller's key is passed on and neither reported nor stored. Raises ValueError for what is no URL.
    """
    proxy = Proxy(read_upstream(upstream), report, contract or Contract.load(), transport)

    @asynccontextmanager
    async def close_at_the_end(_: Starlette) -> AsyncGenerator[None]:
        yield
        await proxy.close()

    return Starlette(routes=[Route("/{path:path}", proxy)], lifespan=close_at_the_end)


def read_upstream(upstream: str) -> httpx.URL:
    """The URL of the service. Raises ValueError, without showing what may be a password."""
    try:
        url = httpx.URL(upstream)
    except httpx.InvalidURL:
        raise ValueError(UPSTREAM_EXPECTED) from None
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise ValueError(UPSTREAM_EXPECTED)
    return url


class Proxy:
    """Passes requests on to one service, as an ASGI application."""

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
        # No caller's cookies are kept for the next.
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        # Each request has a connection of its own: one that the service is about to close would lose the response.
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=0)
        self._client = httpx.AsyncClient(cookies=no_cookies, transport=transport, limits=limits)

    async def close(self) -> None:
        await self._client.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        masked = self._masking(request.headers)

        def report(problem: str) -> None:
            line = masked(f"{request.method} {scope['path']}: {problem}")
            self._report(CONTROL_CHARACTERS.sub(" ", line)[:LONGEST_LINE])

        async def pass_on(outgoing: httpx.Request) -> None:
            response = await self._client.send(outgoing, stream=True)
            async with aclosing(response):
                await self._send_back(request, response, send, report)

        try:
            outgoing, is_read = await self._request(request, report)
            # Where the body is still being read, whoever reads it is told that the caller has hung up.
            await (unless_gone(partial(pass_on, outgoing), receive) if is_read else pass_on(outgoing))
        except NOT_SENT as error:
            report(f"{self._shown_upstream} cannot be reached: {type(error).__name__}: {error}")
            body = orjson.dumps({"error": f"{self._shown_upstream} cannot be reached"})
            await Response(body, 502, media_type=JSON)(scope, receive, send)
        except httpx.HTTPError as error:
            # A response would say what nobody knows: whether the service has accepted the request.
            report(f"{self._shown_upstream} did not respond: {type(error).__name__}: {error}")
            abort(scope)
        except (ClientDisconnect, CallerGoneError):
            return

    async def _request(self, request: Request, report: Callable[[str], None]) -> tuple[httpx.Request, bool]:
        """The request as it goes to the service, and whether its body has been read."""
        start, rest = await hold(request.stream())
        path = request.scope["path"]
        for problem in self._checks.request(request.method, path, request.headers, None if rest else start):
            report(f"the request: {problem}")
        if rest:
            report(f"the request: its body is longer than {LARGEST_HELD} bytes and was not checked")
        headers = [item for item in end_to_end(request.headers.raw) if item[0] not in NOT_SENT_ON]
        if rest is None:
            headers = [item for item in headers if item[0] != b"content-length"]
        # So that the response can be read: it may hold URLs to rewrite.
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
        """The same path at the service, as it was sent, escapes and all."""
        path: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
        query: bytes = scope["query_string"]
        # With a slash before it, nothing in the path can become a part of the host.
        below = b"/" + path.partition(b"?")[0].removeprefix(b"/")
        return self._upstream.copy_with(raw_path=self._base_path + below + (b"?" + query if query else b""))

    async def _send_back(
        self, request: Request, response: httpx.Response, send: Send, report: Callable[[str], None]
    ) -> None:
        """Sends the response to the caller as it came, but for the URLs that lead back here."""
        own = address_of(request.scope, request.headers)
        # As the bytes come; only Response.aiter_bytes would decode them.
        parts = aiter(cast(httpx.AsyncByteStream, response.stream))
        is_json = media_type_of(response.headers) == JSON
        start, rest = await hold(parts) if is_json else (b"", parts)
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
            # Without a last message the server closes the connection, so that the caller sees a body that is cut.
            report(f"{self._shown_upstream} broke off its response: {type(error).__name__}: {error}")
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
        """A URL at the service as the same URL here, any other as it is."""
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
        """Hides the caller's key and whatever looks like a key, which the service may repeat anywhere."""
        secrets = {self._upstream.username, self._upstream.password}
        for name in (self._contract.key_header, "authorization", "proxy-authorization"):
            for value in headers.getlist(name):
                secrets |= {value, value.rpartition(" ")[2]}
        forms = {form for secret in secrets - {""} for form in written(secret)}
        # The longest first, since one may hold another.
        patterns = [re.escape(form) for form in sorted(forms, key=len, reverse=True)]
        hidden = re.compile("|".join([*patterns, self._contract.key_pattern]), re.IGNORECASE)
        return lambda text: hidden.sub("***", text)


def written(secret: str) -> Iterable[str]:
    """The ways in which a message may write a value."""
    return {secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], quote(secret, safe="")}


def end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
    """Headers, their names in lower case, without those that were for one connection only."""
    lowered = [(name.lower(), value) for name, value in headers]
    named = {token.strip().lower() for name, value in lowered if name == b"connection" for token in value.split(b",")}
    return [item for item in lowered if item[0] not in HOP_BY_HOP | named]


async def hold(parts: AsyncIterable[bytes]) -> tuple[bytes, AsyncIterator[bytes] | None]:
    """The start of a body, and what follows, if only the error that ends it; None where the start is all of it."""
    iterator = aiter(parts)
    start = bytearray()
    try:
        async for part in iterator:
            start += part
            if len(start) > LARGEST_HELD:
                return bytes(start), iterator
    except httpx.HTTPError as error:
        return bytes(start), broken_off(error)
    return bytes(start), None


async def broken_off(error: httpx.HTTPError) -> AsyncIterator[bytes]:
    raise error
    yield b""


async def chained(start: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield start
    async for part in rest:
        yield part


def decode(body: bytes, encoding: str) -> bytes | None:
    """A body without its Content-Encoding; None for one that is not known, does not fit, or hides too much."""
    if not body or encoding.strip().lower() == "identity":
        return body
    if encoding.strip().lower() not in ("gzip", "x-gzip", "deflate"):
        return None
    # Takes the header of either.
    decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        decoded = decoder.decompress(body, LARGEST_HELD)
    except zlib.error:
        return None
    return decoded if decoder.eof and not decoder.unused_data else None


class Checks:
    """What the contract has against requests and responses."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract

    def _operation(self, method: str, path: str) -> tuple[Operation | None, bool]:
        """The operation that is called, and whether its path exists at all."""
        at_path = [it for it in self._contract.operations if it.pattern.fullmatch(path)]
        return next((it for it in at_path if it.method == method), None), bool(at_path)

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Iterator[str]:
        """`body` is None where it was not read."""
        operation, known = self._operation(method, path)
        if operation is None:
            yield "the contract has no such verb here" if known else "the contract has no such path"
            return
        if not headers.get(self._contract.key_header):
            yield f"there is no {self._contract.key_header} header"
        if operation.model is None:
            return
        if media_type_of(headers) != JSON:
            yield "its Content-Type is not application/json"
        if body is None:
            return
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            yield f"its body is no JSON: {error}"
            return
        yield from map(describe, operation.model.validator.iter_errors(value))

    def response(self, method: str, path: str, response: httpx.Response, body: bytes | None) -> Iterator[str]:
        """`body` is None where it was not read."""
        operation, known = self._operation(method, path)
        if operation is None:
            if not known and response.status_code != 404:
                yield "the contract has no such path, and the service has"
            return
        documented = operation.responses.get(response.status_code)
        if documented is None:
            yield "the contract does not have this status here"
            return
        for name, header in self._contract.headers(documented).items():
            if name in response.headers:
                yield from self._header(name, header, response.headers[name])
            elif header.get("required"):
                yield f"the header {name} is missing"
        media_type = media_type_of(response.headers)
        content = documented["content"]
        media = content.get(media_type) or content.get(f"{media_type.partition('/')[0]}/*")
        if media is None:
            yield f"its Content-Type is {media_type or 'missing'}, the contract has {' or '.join(content)}"
        elif media_type == JSON and body is not None:
            yield from self._body(media["schema"], body)

    def _header(self, name: str, header: Mapping[str, Any], value: str) -> Iterator[str]:
        kind = header["schema"].get("type")
        try:
            read: Any = value if kind == "string" else float(value) if kind == "number" else int(value)
        except ValueError:
            yield f"the header {name} is {value!r}, the contract has a value of type {kind}"
            return
        yield from (f"the header {name}: {error.message}" for error in self._errors(header["schema"], read))

    def _body(self, schema: Mapping[str, Any], content: bytes) -> Iterator[str]:
        try:
            value = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            yield f"its body is no JSON: {error}"
            return
        yield from map(describe, self._errors(schema, value))

    def _errors(self, schema: Mapping[str, Any], value: Any) -> Iterator[jsonschema_rs.ValidationError]:
        return self._contract.validator(schema).iter_errors(value)
