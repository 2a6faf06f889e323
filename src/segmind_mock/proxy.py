"""Passes calls through to the service and reports where they do not fit the contract."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import jsonschema_rs
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from segmind_mock.contract import Contract, Operation, describe, media_type_of

TIMEOUT_SECONDS = 300.0
NOT_PASSED_ON = frozenset({"host", "connection", "content-length", "transfer-encoding", "content-encoding"})
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"]


def proxy_app(
    upstream: str,
    report: Callable[[str], None],
    *,
    contract: Contract | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> Starlette:
    """An application that passes everything to `upstream` and reports a line for each misfit.

    The caller's key is passed on and neither reported nor stored.
    """
    checks = Checks(contract or Contract.load())
    client = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, transport=transport)

    async def pass_on(request: Request) -> Response:
        body = await request.body()
        headers = [(name, value) for name, value in request.headers.items() if name not in NOT_PASSED_ON]
        place = f"{request.method} {request.url.path}"
        for problem in checks.request(request.method, request.url.path, request.headers, body):
            report(f"{place}: the request: {problem}")
        try:
            answer = await client.request(request.method, address_of(upstream, request), headers=headers, content=body)
        except httpx.HTTPError as error:
            report(f"{place}: {upstream} did not answer: {type(error).__name__}: {error}")
            return Response(orjson.dumps({"error": f"{upstream} did not answer"}), 502, media_type="application/json")
        for problem in checks.answer(request.method, request.url.path, answer):
            report(f"{place}: the answer, {answer.status_code}: {problem}")
        passed = {name: value for name, value in answer.headers.items() if name not in NOT_PASSED_ON}
        return Response(answer.content, answer.status_code, passed)

    @asynccontextmanager
    async def close_at_the_end(_: Starlette) -> AsyncGenerator[None]:
        async with client:
            yield

    return Starlette(routes=[Route("/{path:path}", pass_on, methods=METHODS)], lifespan=close_at_the_end)


def address_of(upstream: str, request: Request) -> str:
    """The same path at the upstream, as it was sent, escapes and all."""
    path = str(request.scope.get("raw_path", request.url.path.encode()), "ascii")
    query = str(request.scope["query_string"], "ascii")
    return upstream.rstrip("/") + path.partition("?")[0] + (f"?{query}" if query else "")


class Checks:
    """What the contract has against requests and answers."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract

    def _operation(self, method: str, path: str) -> tuple[Operation | None, bool]:
        """The operation that is called, and whether its path exists at all."""
        at_path = [it for it in self._contract.operations if it.pattern.fullmatch(path)]
        return next((it for it in at_path if it.method == method), None), bool(at_path)

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Iterator[str]:
        operation, known = self._operation(method, path)
        if operation is None:
            yield "the contract has no such verb here" if known else "the contract has no such path"
            return
        if not headers.get(self._contract.key_header):
            yield f"there is no {self._contract.key_header} header"
        if operation.model is None:
            return
        if media_type_of(headers) != "application/json":
            yield "its Content-Type is not application/json"
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            yield f"its body is no JSON: {error}"
            return
        yield from map(describe, operation.model.validator.iter_errors(value))

    def answer(self, method: str, path: str, answer: httpx.Response) -> Iterator[str]:
        operation, known = self._operation(method, path)
        if operation is None:
            if not known and answer.status_code != 404:
                yield "the contract has no such path, and the service has"
            return
        documented = operation.responses.get(answer.status_code)
        if documented is None:
            yield "the contract does not have this status here"
            return
        for name, header in self._contract.headers(documented).items():
            if name in answer.headers:
                yield from self._header(name, header, answer.headers[name])
            elif header.get("required"):
                yield f"the header {name} is missing"
        media_type = media_type_of(answer.headers)
        content = documented["content"]
        media = content.get(media_type) or content.get(f"{media_type.partition('/')[0]}/*")
        if media is None:
            yield f"its Content-Type is {media_type or 'missing'}, the contract has {' or '.join(content)}"
        elif media_type == "application/json":
            yield from self._body(media["schema"], answer.content)

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
