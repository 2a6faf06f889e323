"""The contract as the double uses it; no model is named here."""

from __future__ import annotations

import binascii
import json
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import jsonschema_rs

from segmind_mock.formats import is_asked_for_by

Node = Mapping[str, Any]
BASE_URI = "urn:contract"


class Schemas:
    """The schemas of the contract, for validators of requests."""

    def __init__(self, components: Node) -> None:
        self._components = components

    @cached_property
    def as_written(self) -> jsonschema_rs.Registry:
        return jsonschema_rs.Registry([(BASE_URI, {"components": self._components})])

    @cached_property
    def closed(self) -> jsonschema_rs.Registry:
        """Without properties that the contract does not name."""
        return jsonschema_rs.Registry([(BASE_URI, {"components": closed(self._components)})])


@dataclass(frozen=True)
class Model:
    """The parameters, the price and the latency of one model."""

    slug: str
    request: dict[str, Any]
    """The schema of its parameters."""
    schemas: Schemas
    parameters: frozenset[str]
    defaults: Node
    price: float
    """US dollars for one generation: the most, if the contract has a range, so that who can pay here can pay there;
    nothing, if it has none.
    """
    typical_latency: float
    """Seconds that one generation usually takes: the middle of a range; 0, if the contract does not say."""
    output: str
    """What it makes: image, video, audio, text or json."""
    format_parameters: tuple[str, ...]
    """The parameters that choose its format."""

    @cached_property
    def validator(self) -> jsonschema_rs.Draft202012Validator:
        # Made when the model is first called: with many models, making all of them takes seconds.
        return self._validator(self.schemas.as_written)

    @cached_property
    def strict_validator(self) -> jsonschema_rs.Draft202012Validator:
        """Refuses parameters that the contract lacks, those of objects in lists too."""
        return self._validator(self.schemas.closed)

    def _validator(self, registry: jsonschema_rs.Registry) -> jsonschema_rs.Draft202012Validator:
        return jsonschema_rs.Draft202012Validator(
            self.request, registry=registry, validate_formats=True, formats=FORMATS
        )

    def own(self, parameters: Node) -> dict[str, Any]:
        """The parameters that the contract has for this model; validation ignores all others."""
        if parameters.keys() <= self.parameters:
            # The usual call; comparing the sets takes a fifth of the time.
            return dict(parameters)
        return {name: value for name, value in parameters.items() if name in self.parameters}


@dataclass(frozen=True)
class Operation:
    operation_id: str
    role: str
    """`generate`, `submit`, `status`, `result` or `credits`."""
    method: str
    path: str
    model: Model | None
    """The model that it calls, if any."""
    responses: Mapping[int, Node]


class Contract:
    """Operations, models and retention, read from an OpenAPI document."""

    def __init__(self, document: Node) -> None:
        self._document = document
        self._schemas = Schemas(document["components"])
        self._models: dict[str, Model] = {}
        self.operations = list(self._operations())
        self._by_path: dict[str, dict[str, Operation]] = {}
        for operation in self.operations:
            self._by_path.setdefault(operation.path, {})[operation.method] = operation
        self._templates = [
            (re.compile(re.sub(r"\\{\w+\\}", "([^/]+)", re.escape(path))), operations)
            for path, operations in self._by_path.items()
            if "{" in path
        ]
        self.models = {it.model.slug: it.model for it in self.operations if it.model is not None}
        scheme = next(iter(document["components"]["securitySchemes"].values()))
        self.key_header: str = scheme["name"]
        self.key_pattern: str = scheme["x-key-pattern"].removeprefix("^").removesuffix("$")
        """A regular expression, not anchored."""
        (self.job_retention,) = {
            float(operation["x-retention-seconds"]["value"])
            for item in document["paths"].values()
            for operation in item.values()
            if "x-retention-seconds" in operation
        }
        self.image_retention = float(document["components"]["schemas"]["ImageUrl"]["x-retention-seconds"]["value"])
        self.job_paths = {item.role: item.path for item in self.operations if item.role in ("status", "result")}
        """Paths about one job; `poll` has the path of a submit's `poll_url`, if the contract shows one."""
        if poll_path := self._poll_path():
            self.job_paths["poll"] = poll_path

    @classmethod
    @cache
    def load(cls) -> Contract:
        """The contract in the package, read once: it takes 8 ms, and each test makes a new double."""
        return cls(json.loads((files("segmind_openapi") / "segmind.json").read_text(encoding="utf-8")))

    def route(self, path: str) -> tuple[Mapping[str, Operation], str]:
        """The operations at a path, by method, and the path's parameter; none, and an empty one, for other paths."""
        if path in self._by_path:
            return self._by_path[path], ""
        for pattern, operations in self._templates:
            match = pattern.fullmatch(path)
            if match is not None:
                return operations, match[1]
        return {}, ""

    def _poll_path(self) -> str | None:
        """The path of a submit's `poll_url`, from the contract's example of a submit, since no operation has it."""
        for operation in self.operations:
            if operation.role == "submit":
                media = operation.responses[200]["content"]["application/json"]
                for example in media.get("examples", {}).values():
                    submitted: dict[str, str] = example["value"]
                    if "poll_url" in submitted:
                        return urlsplit(submitted["poll_url"]).path.replace(submitted["request_id"], "{request_id}")
        return None

    def example(self, operation: Operation, status: int, name: str) -> Any:
        """The body of a named example of a response. Raises KeyError if the contract has no such example."""
        content = operation.responses[status]["content"]
        for media in content.values():
            if name in media.get("examples", ()):
                return media["examples"][name]["value"]
        raise KeyError(f"{operation.operation_id} has no example {name!r} for status {status}")

    def validator(self, schema: Node) -> jsonschema_rs.Draft202012Validator:
        # With the components, so that references between schemas resolve.
        complete = {**schema, "components": self._document["components"]}
        return jsonschema_rs.Draft202012Validator(complete, validate_formats=True, formats=FORMATS)

    def headers(self, response: Node) -> Mapping[str, Node]:
        """The headers of a response, by name."""
        return {name: self._resolve(header) for name, header in response.get("headers", {}).items()}

    def _operations(self) -> Iterator[Operation]:
        for path, item in self._document["paths"].items():
            for method in ("get", "post", "put", "patch", "delete"):
                if method in item:
                    operation = item[method]
                    yield Operation(
                        operation_id=operation["operationId"],
                        role=operation["x-role"],
                        method=method.upper(),
                        path=path,
                        model=self._model(path, operation) if "requestBody" in operation else None,
                        responses={
                            int(status): self._resolve(response) for status, response in operation["responses"].items()
                        },
                    )

    def _model(self, path: str, operation: Node) -> Model:
        slug = path.rpartition("/")[2]
        if slug not in self._models:
            written = self._resolve(operation["requestBody"])["content"]["application/json"]["schema"]
            schema = self._resolve(written)
            output = schema.get("x-output", "image")
            properties: Mapping[str, Node] = {
                name: self._flattened(property_schema) for name, property_schema in schema.get("properties", {}).items()
            }
            self._models[slug] = Model(
                slug=slug,
                request={**written, "$ref": BASE_URI + written["$ref"]},
                schemas=self._schemas,
                parameters=frozenset(properties),
                defaults={name: known["default"] for name, known in properties.items() if "default" in known},
                price=amount(schema.get("x-price-usd"), highest=True),
                typical_latency=amount(schema.get("x-typical-latency-seconds"), highest=False),
                output=output,
                format_parameters=tuple(
                    name for name, known in properties.items() if is_asked_for_by(name, known, output)
                ),
            )
        return self._models[slug]

    def _flattened(self, schema: Node) -> Node:
        """A schema with what is behind its `$ref`, over which its siblings are laid."""
        if "$ref" not in schema:
            return schema
        return {**self._flattened(self._resolve({"$ref": schema["$ref"]})), **schema}

    def _resolve(self, node: Node) -> Node:
        while "$ref" in node:
            target: Any = self._document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node


def amount(fact: Node | None, *, highest: bool) -> float:
    """The number of a price or a latency; of a range, its upper end or its middle. 0 where there is none."""
    if fact is None:
        return 0.0
    if "value" in fact:
        return float(fact["value"])
    return float(fact["to"] if highest else (fact["from"] + fact["to"]) / 2)


def closed(schema: Any) -> Any:
    """A schema whose objects have no properties but those that it lists."""
    match schema:
        case [*items]:
            return [closed(item) for item in items]
        case {**members}:
            parts = {name: closed(part) for name, part in members.items()}
            return {**parts, "additionalProperties": False} if "properties" in parts else parts
        case _:
            return schema


def is_base64(text: str) -> bool:
    try:
        b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


FORMATS = {"byte": is_base64}
"""Formats of OpenAPI that JSON Schema does not know."""


def media_type_of(headers: Mapping[str, str]) -> str:
    """The media type in the Content-Type header, without parameters; empty if there is no such header."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def describe(error: jsonschema_rs.ValidationError) -> str:
    """The place and the message of a validation error."""
    place = ".".join(map(str, error.instance_path)) or "the body"
    return f"{place}: {error.message}"
