"""Where a request or a response does not fit the contract."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import jsonschema_rs
import orjson

from segmind_mock.calls import JSON
from segmind_mock.contract import Contract, describe, media_type_of


class Checks:
    """Compares requests and responses with the contract; yields a message for each difference."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Iterator[str]:
        """`body` is None if it was not read."""
        operations, _ = self._contract.route(path)
        operation = operations.get(method)
        if operation is None:
            yield "the contract does not have this method here" if operations else "the contract has no such path"
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
            yield f"its body is not valid JSON: {error}"
            return
        yield from map(describe, operation.model.validator.iter_errors(value))

    def response(self, method: str, path: str, response: httpx.Response, body: bytes | None) -> Iterator[str]:
        """`body` is None if it was not read."""
        operations, _ = self._contract.route(path)
        operation = operations.get(method)
        if operation is None:
            if not operations and response.status_code != 404:
                yield "the contract has no such path, but the service does"
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
            yield f"its body is not valid JSON: {error}"
            return
        yield from map(describe, self._errors(schema, value))

    def _errors(self, schema: Mapping[str, Any], value: Any) -> Iterator[jsonschema_rs.ValidationError]:
        return self._contract.validator(schema).iter_errors(value)
