"""What the generated Python takes, sends and reads, held against the documented facts."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, Literal, TypeGuard, cast, get_args, get_origin

import pytest

from generator.contract import is_list, is_mapping
from tests.contract.test_facts import (
    GENERATED_HEADERS,
    IMAGE_URL,
    KEY,
    MODELS,
    PATHS,
    RATE_LIMIT_HEADERS,
    REQUIRED_PARAMETERS,
    SERVER,
    Facts,
)

Claim = tuple[str, bool]
"""What the code should do, and whether it does."""

STATUS_PATH, RESULT_PATH, CREDITS_PATH = (path for path, item in PATHS.items() if "get" in item)
BY_TYPE: Facts = {
    "string": "words",
    "integer": 7,
    "number": 0.5,
    "boolean": True,
    "null": None,
    "object": {},
    "array": [],
}
"""A value of each type."""
BY_HEADER_TYPE: Mapping[str, Facts] = {
    "string": {"words": "words", "7": "7", "0.5": "0.5"},
    "integer": {"words": None, "7": 7, "0.5": None},
    "number": {"words": None, "7": 7, "0.5": 0.5},
}
"""What the text of a header is read as."""
MEDIA_TYPES = ("application/json", "application/xml", "text/plain", "text/html", "image/png")
OPERATIONS = [
    (path, method.upper(), item[method]) for path, item in PATHS.items() for method in ("get", "post") if method in item
]
NOWHERE_DOCUMENTED = {"201", "301", "402", "418", "503"}
STATUSES = sorted(NOWHERE_DOCUMENTED.union(*(operation["responses"] for _, _, operation in OPERATIONS)))
UNREADABLE = "unreadable"


def broken_claims(package: str) -> list[str]:
    """What a generated package does otherwise than is documented."""
    return [claim for part in PARTS for claim, holds in part(package) if not holds]


def claims_of_catalog(package: str) -> Iterator[Claim]:
    catalog, client = import_module(f"{package}.catalog"), import_module(f"{package}.client")
    yield "the models are the documented ones and those from pages", catalog.MODELS.keys() >= MODELS.keys()
    for slug, found in catalog.MODELS.items():
        if slug in MODELS:
            model = MODELS[slug]
            yield f"{slug} has its price", found.price_usd == model.price_usd["value"]
            yield f"{slug} has its latency", found.typical_latency_seconds == model.typical_latency_seconds["value"]
            paths = (found.generate_path, found.submit_path)
            yield f"{slug} has its paths", paths == (f"/v1/{slug}", f"/v2/{slug}")
    polling = PATHS[STATUS_PATH]["get"]["x-polling"]
    yield "polling has its interval", polling["interval-seconds"] == catalog.POLL_INTERVAL_SECONDS
    yield "polling has its deadline", polling["deadline-seconds"] == catalog.POLL_DEADLINE_SECONDS
    job_retention = {PATHS[path]["get"]["x-retention-seconds"]["value"] for path in (STATUS_PATH, RESULT_PATH)}
    yield "jobs have their retention", job_retention == {catalog.JOB_RETENTION_SECONDS}
    image_retention = IMAGE_URL["x-retention-seconds"]["value"]
    yield "images have their retention", image_retention == catalog.IMAGE_RETENTION_SECONDS
    yield "the server is known", client.BASE_URL == SERVER
    yield "the header of the key is known", KEY["name"] == client.API_KEY_HEADER
    yield "the form of the key is known", KEY["x-key-pattern"] == client.API_KEY_PATTERN
    yield "the variable of the key is known", KEY["x-key-variable"] == client.API_KEY_VARIABLE


def claims_of_requests(package: str) -> Iterator[Claim]:
    for slug, found in import_module(f"{package}.catalog").MODELS.items():
        if slug not in MODELS:
            continue
        request, parameters = found.request, MODELS[slug].parameters
        yield f"{slug} knows the documented parameters", set(request.names()) == parameters.keys()
        least = {name: within(parameters[name])[0] for name in REQUIRED_PARAMETERS if name in parameters}
        yield f"{slug} sends nothing that is not set", sends(request, least)
        yield f"{slug} sends what is not documented", sends(request, {**least, "new": 1})
        for name in least:
            yield f"{slug} refuses to go without {name}", refuses(request, without(least, name))
        for name, schema in parameters.items():
            for value in within(schema):
                yield f"{slug} sends {name}={value!r:.40}", sends(request, {**least, name: value})
            for value in beyond(schema):
                yield f"{slug} refuses {name}={value!r:.40}", refuses(request, {**least, name: value})
            offered = literals(request, request.__annotations__.get(name, ""))
            yield f"{slug} offers the values of {name}", offered == schema.get("enum", [])


def claims_of_operations(package: str) -> Iterator[Claim]:
    catalog, answer_of = import_module(f"{package}.catalog"), import_module(f"{package}.types").ApiResponse
    modules = modules_by_path(catalog)
    for path, method, operation in OPERATIONS:
        name, module = operation["operationId"], modules.get(path)
        yield f"{name} is called with {method} {path}", called_with(module, path, catalog) == (method, path)
        if module is None:
            continue
        yield f"{name} has its name", name == module.OPERATION_ID
        yield f"{name} is filed under its tag", module.__package__ == f"{package}.api.{operation['tags'][0]}"
        for status in STATUSES:
            content = operation["responses"].get(status, {}).get("content", {})
            for media_type in MEDIA_TYPES:
                schema = content.get(media_type, content.get(f"{media_type.partition('/')[0]}/*", {})).get("schema")
                raw = json.dumps(example_of(schema or {"type": "object", "properties": {}}))
                answer = module.read(answer_of(int(status), {"content-type": media_type}, raw.encode()))
                read = answer.result if status.startswith("2") else answer.error
                reads = "reads" if schema else "does not read"
                yield f"{name} {reads} {status} in {media_type}", (read is not None) == bool(schema)
                if schema and media_type == "application/json":
                    yield from claims_of_body(f"{name} {status}", read, schema)


def claims_of_body(place: str, body: Any, schema: Facts) -> Iterator[Claim]:
    yield f"{place} is an object", is_mapping(body)
    if not is_mapping(body):
        return
    kind = cast(Any, type(body))
    raw, fields = example_of(schema), schema["properties"]
    yield f"{place} knows the documented fields", attributes(kind) == {attribute(name) for name in fields}
    yield f"{place} keeps fields that are not documented", kind({"new": 1}).to_dict() == {"new": 1}
    for name, field in fields.items():
        otherwise = UNREADABLE if name in schema.get("required", ()) else None
        yield f"{place} reads no {name} as {otherwise}", read_from(kind({}), name) == otherwise
        for type_name, value in BY_TYPE.items():
            expected = value if type_name in accepted_types(field) else otherwise
            read = read_from(kind({**raw, name: value}), name)
            yield f"{place} reads {name}={value!r} as {expected!r}", read == expected
        getter = getattr(getattr(kind, attribute(name), None), "fget", None)
        listed = literals(kind, getter.__annotations__["return"]) if getter else None
        yield f"{place} lists the values of {name}", listed == field.get("enum", [])
        value = read_from(body, name)
        if field["type"] == "object":
            yield from claims_of_body(f"{place} {name}", value, field)
        if field["type"] == "array":
            yield from claims_of_body(f"{place} {name}", value[0] if is_list(value) else None, field["items"])


def claims_of_headers(package: str) -> Iterator[Claim]:
    headers: Any = import_module(f"{package}.headers").ResponseHeaders
    documented = {**GENERATED_HEADERS, **RATE_LIMIT_HEADERS}
    names = {name: attribute(name) for name in documented}
    yield "the headers are the documented ones", attributes(headers) == set(names.values())
    for name, header in documented.items():
        for text, value in BY_HEADER_TYPE[header["schema"]["type"]].items():
            yield (
                f"{name}: {text} is read as {value!r}",
                getattr(headers({name: text}), names[name], UNREADABLE) == value,
            )


PARTS: tuple[Callable[[str], Iterator[Claim]], ...] = (
    claims_of_catalog,
    claims_of_requests,
    claims_of_operations,
    claims_of_headers,
)


def within(schema: Facts) -> list[Any]:
    """The outermost values that are allowed, and one between them."""
    if "enum" in schema:
        return list(schema["enum"])
    if schema["type"] == "string":
        return ["x" * schema.get("minLength", 0), "words", "x" * 5000]
    between = schema["minimum"] + (1 if schema["type"] == "integer" else 0.5)
    return [schema["minimum"], between, schema["maximum"]]


def beyond(schema: Facts) -> list[Any]:
    """The first values that are not allowed, and one of each other type."""
    wrong: list[Any] = [value for name, value in BY_TYPE.items() if name not in accepted_types(schema)]
    if "enum" in schema:
        return [*wrong, "words", schema["enum"][0] + " "]
    if schema["type"] == "string":
        return [*wrong, "x" * (schema["minLength"] - 1)] if "minLength" in schema else wrong
    if schema["type"] == "number":
        return [*wrong, schema["minimum"] - 0.001, schema["maximum"] + 0.001]
    return [*wrong, schema["minimum"] - 1, schema["minimum"] + 0.5, schema["maximum"] + 1]


def accepted_types(schema: Facts) -> set[str]:
    types = set[str](schema["type"] if is_list(schema["type"]) else [schema["type"]])
    return types | {"integer"} if "number" in types else types


def sends(request: Any, parameters: Facts) -> bool:
    try:
        body = request.from_parameters(parameters).to_dict()
    except ValueError:
        return False
    return bool(body == parameters)


def refuses(request: Any, parameters: Facts) -> bool:
    try:
        request.from_parameters(parameters)
    except ValueError:
        return True
    return False


def without(parameters: Facts, name: str) -> Facts:
    return {other: value for other, value in parameters.items() if other != name}


def literals(kind: type, annotation: str) -> list[Any]:
    """The values that an annotation begins with, in their order, which evaluating the whole of it may lose."""
    first = annotation.partition(" | ")[0]
    if first.startswith("Literal["):
        return list(ast.literal_eval(f"[{first.removeprefix('Literal[')}"))
    alias = getattr(import_module(kind.__module__), first, None)
    return list(get_args(alias)) if get_origin(alias) is Literal else []


def modules_by_path(catalog: Any) -> Facts:
    modules = {STATUS_PATH: catalog.STATUS, RESULT_PATH: catalog.RESULT, CREDITS_PATH: catalog.CREDITS}
    for slug, found in catalog.MODELS.items():
        modules[f"/v1/{slug}"] = import_module(found.read_generated.__module__)
        modules[f"/v2/{slug}"] = import_module(found.read_submitted.__module__)
    return modules


def called_with(module: Any, path: str, catalog: Any) -> tuple[str, str] | None:
    """The method and the path of the request that a module builds, with the names of parameters in the path."""
    model = catalog.MODELS.get(path.rpartition("/")[2])
    try:
        arguments = [model.request.from_parameters({"prompt": "x"})] if model else ["ID"] if "{" in path else []
        request = module.build(*arguments)
    except (AttributeError, TypeError, ValueError):
        return None
    return request.method, request.path.replace("ID", "{request_id}")


def example_of(schema: Facts) -> Any:
    if schema["type"] == "object":
        return {name: example_of(field) for name, field in schema["properties"].items()}
    if schema["type"] == "array":
        return [example_of(schema["items"])]
    return BY_TYPE[schema["type"][0] if is_list(schema["type"]) else schema["type"]]


def attribute(name: str) -> str:
    return name.removeprefix("x-").replace("-", "_")


def attributes(kind: type) -> set[str]:
    return {name for name, member in vars(kind).items() if isinstance(member, property)}


def read_from(body: Any, name: str) -> Any:
    """What an attribute holds, in the types of JSON."""
    try:
        value: Any = getattr(body, attribute(name))
    except (AttributeError, ValueError):
        return UNREADABLE
    return list(value) if is_tuple(value) else value


def is_tuple(value: Any) -> TypeGuard[tuple[Any, ...]]:
    return isinstance(value, tuple)


@pytest.mark.parametrize("part", PARTS)
def test_the_generated_python_does_what_is_documented(part: Callable[[str], Iterator[Claim]]) -> None:
    claims = list(part("segmind_api"))
    assert claims
    assert [claim for claim, holds in claims if not holds] == []
