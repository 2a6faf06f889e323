"""What is known of the service, written down apart from the contract and held against it.

A fact is from a model's own page, or carries its source. Which fields of a response can be relied on is the
contract's own reading of them. A model that the contract has and this table does not is no deviation: a model is added
by the contract alone, and this table is for those whose pages were read a second time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from generator.contract import is_list, is_mapping

Facts = dict[str, Any]
"""Facts by their place, in the words of OpenAPI."""


class Model(NamedTuple):
    title: str
    name: str
    """What the names of its operations end in."""
    price_usd: Facts
    typical_latency_seconds: Facts
    parameters: Facts


def fact(value: float, source: str = "page") -> Facts:
    return {"value": value, "source": source}


TEXT: Facts = {"type": "string"}
RATIO = {"type": "string", "enum": ["1:1", "4:3", "3:4", "9:16", "16:9"]}
PIXELS = {"type": "integer", "minimum": 256, "maximum": 1024, "default": 512}
DIFFUSION: Facts = {
    "prompt": TEXT,
    "width": PIXELS,
    "height": PIXELS,
    "steps": {"type": "integer", "minimum": 1, "maximum": 100, "default": 25},
    "guidance_scale": {"type": "number", "minimum": 1, "maximum": 20, "default": 7.5},
    "negative_prompt": TEXT,
    "scheduler": {
        "type": "string",
        "enum": ["DDIM", "PNDM", "LMSDiscrete", "DPMSolverMultistep", "EulerAncestralDiscrete"],
        "default": "DDIM",
    },
    "seed": {"type": "integer", "minimum": -1, "maximum": 2147483647, "default": -1},
    "aspect_ratio": {**RATIO, "x-source": "sample"},
}
REQUIRED_PARAMETERS = ["prompt"]
MODELS = {
    "imagen": Model(
        title="Imagen 3",
        name="Imagen",
        price_usd=fact(0.06),
        typical_latency_seconds=fact(8.16),
        parameters={
            "prompt": TEXT,
            "aspect_ratio": {**RATIO, "default": "16:9"},
            "person_generation": {"type": "string", "enum": ["ALLOW_ADULT", "DONT_ALLOW"], "default": "ALLOW_ADULT"},
            "safety_filter_level": {
                "type": "string",
                "enum": ["BLOCK_LOW_AND_ABOVE", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_ONLY_HIGH"],
                "default": "BLOCK_LOW_AND_ABOVE",
            },
        },
    ),
    "imagen-4": Model(
        title="Imagen 4",
        name="Imagen4",
        price_usd=fact(0.06),
        typical_latency_seconds=fact(11.6),
        parameters={
            "prompt": TEXT,
            "aspect_ratio": {**RATIO, "default": "4:3"},
            "negative_prompt": {**TEXT, "default": "blurry, pixelated"},
        },
    ),
    "imagen-4-fast": Model(
        title="Imagen 4 Fast",
        name="Imagen4Fast",
        price_usd=fact(0.02, "inferred"),
        typical_latency_seconds=fact(5, "inferred"),
        parameters=DIFFUSION,
    ),
    "imagen-4-ultra": Model(
        title="Imagen 4 Ultra",
        name="Imagen4Ultra",
        price_usd=fact(0.06, "inferred"),
        typical_latency_seconds=fact(12.07),
        parameters=DIFFUSION,
    ),
}


def an_object(fields: Facts, *, required: Iterable[str] = ()) -> Facts:
    """An object that may hold other fields too."""
    promised: Facts = {"required": sorted(required)} if required else {}
    return {"type": "object", "additionalProperties": True, "properties": fields, **promised}


def guided(facts: Facts) -> Facts:
    return {**facts, "x-source": "guide"}


ID = {"type": "string", "format": "uuid"}
ADDRESS = {"type": "string", "format": "uri"}
IMAGE_URL: Facts = {**guided(ADDRESS), "x-retention-seconds": fact(7 * 24 * 3600, "guide")}
AMOUNT = {"type": "number"}
COUNT = {"type": "integer"}
TIMES = {"inference_time": AMOUNT, "queue_time": AMOUNT, "total_time": AMOUNT}
METRICS = {**TIMES, "cost": AMOUNT, "remaining_credits": AMOUNT, "retry_count": COUNT}
IMAGES: Facts = {
    "type": "array",
    "items": guided(
        an_object(
            {"url": IMAGE_URL, "content_type": TEXT, "file_name": TEXT, "file_size": {"type": ["number", "string"]}},
            required=["url"],
        )
    ),
}
OUTPUT: Facts = {
    "output": IMAGE_URL,
    "images": IMAGES,
    "seed": guided({"type": ["integer", "string"]}),
    "prompt": TEXT,
}

GENERATED = {**an_object(OUTPUT), "x-source": "inferred"}
SUBMITTED = an_object(
    {
        "request_id": ID,
        "status": {"type": "string", "const": "QUEUED"},
        "status_url": ADDRESS,
        "response_url": guided(ADDRESS),
        "poll_url": guided(ADDRESS),
    },
    required=["request_id", "status", "status_url"],
)
STATUS = an_object(
    {
        "request_id": ID,
        # FAILED comes with 422 only.
        "status": {"type": "string", "enum": ["QUEUED", "PROCESSING", "COMPLETED"]},
        "metrics": guided(an_object(METRICS)),
        "status_url": guided(ADDRESS),
        "response_url": guided(ADDRESS),
    },
    required=["request_id", "status", "metrics"],
)
RESULT = guided(
    an_object(
        {
            **OUTPUT,
            "request_id": ID,
            "status": {"type": "string", "const": "COMPLETED"},
            "error": {"type": "null"},
            "metrics": guided(an_object(METRICS, required=METRICS.keys() - {"retry_count"})),
        },
        required=["request_id", "status", "output", "metrics"],
    )
)
FAILED = an_object(
    {
        "request_id": ID,
        "status": {"type": "string", "const": "FAILED"},
        "error": TEXT,
        "metrics": {**an_object(TIMES), "propertyNames": {"not": {"enum": ["cost", "remaining_credits"]}}},
    },
    required=["request_id", "status", "error", "metrics"],
)
CREDITS = guided(
    an_object({"credits": {"type": "number"}, "free-credits": {"type": "number"}}, required=["credits", "free-credits"])
)
ERROR = an_object(
    {"error": TEXT, "error_description": guided(TEXT), "status_code": guided({"type": "integer"})},
    required=["error"],
)


def header(schema: Facts, source: str, *, required: bool = True) -> Facts:
    return {"schema": schema, "required": required, "x-source": source}


GENERATED_HEADERS = {
    "x-request-id": header(TEXT, "guide"),
    "x-cost": header(AMOUNT, "guide"),
    "x-remaining-credits": header(AMOUNT, "guide"),
    "x-generation-time": header(AMOUNT, "guide"),
    "x-seed-value": header({"type": "integer"}, "guide", required=False),
}
RATE_LIMIT_HEADERS = {
    "x-rate-limit-reset-at-utc": header(TEXT, "page"),
    "x-rate-limit-remaining": header(COUNT, "page"),
}


def in_json(schema: Facts, **more: Any) -> Facts:
    return {"content": {"application/json": {"schema": schema}}, **more}


HTML: Facts = {"text/html": guided({"schema": TEXT})}
ON_EVERY_OPERATION: Facts = {
    "401": in_json(ERROR),
    "404": in_json(ERROR),
    "405": {"content": HTML},
    "429": in_json(ERROR, headers=RATE_LIMIT_HEADERS),
    "500": in_json(ERROR),
    "502": {"content": {"application/json": {"schema": ERROR}, **HTML}},
    "504": in_json(ERROR),
}
ON_EVERY_POST: Facts = {
    **ON_EVERY_OPERATION,
    "400": in_json(ERROR),
    "403": in_json(ERROR),
    "406": in_json(ERROR),
    "410": guided(in_json(ERROR)),
}
RESPONSES: Mapping[str, Facts] = {
    "generate": {
        **ON_EVERY_POST,
        "200": {
            "headers": GENERATED_HEADERS,
            "content": {
                "application/json": {"schema": GENERATED},
                "text/plain": {"schema": TEXT},
                "image/*": guided({"schema": {"type": "string", "format": "binary"}}),
            },
        },
    },
    "submit": {
        **ON_EVERY_POST,
        "200": in_json(SUBMITTED),
    },
    "status": {
        **ON_EVERY_OPERATION,
        "200": in_json(STATUS),
        "422": in_json(FAILED),
    },
    "result": {
        **ON_EVERY_OPERATION,
        "200": in_json(RESULT),
        "422": in_json(FAILED),
    },
    "credits": {
        **ON_EVERY_OPERATION,
        "200": guided(in_json(CREDITS)),
        "404": guided(in_json(ERROR)),
    },
}
"""What each kind of operation answers, by status."""


def operation(role: str, operation_id: str, tag: str, *, source: str = "page") -> Facts:
    known = {"operationId": operation_id, "tags": [tag], "x-role": role, "x-source": source}
    return {**known, "responses": RESPONSES[role]}


def posts(slug: str, model: Model) -> Facts:
    request = {
        **an_object(model.parameters, required=REQUIRED_PARAMETERS),
        "x-price-usd": model.price_usd,
        "x-typical-latency-seconds": model.typical_latency_seconds,
    }
    body: Facts = {"requestBody": {"required": True, **in_json(request)}}
    return {
        f"/v1/{slug}": {"post": body | operation("generate", f"generate{model.name}", "generations")},
        f"/v2/{slug}": {"post": body | operation("submit", f"submit{model.name}", "jobs")},
    }


OF_A_JOB: Facts = {"parameters": [{"name": "request_id", "in": "path", "required": True, "schema": ID}]}
KEPT_FOR_AN_HOUR: Facts = {"x-retention-seconds": fact(3600)}
POLLED: Facts = {"x-polling": {"interval-seconds": 1.0, "deadline-seconds": 600}}
PATHS: Facts = {
    **{path: item for slug, model in MODELS.items() for path, item in posts(slug, model).items()},
    "/v2/requests/{request_id}/status": {
        **OF_A_JOB,
        "get": POLLED | KEPT_FOR_AN_HOUR | operation("status", "getJobStatus", "jobs"),
    },
    "/v2/requests/{request_id}": {**OF_A_JOB, "get": KEPT_FOR_AN_HOUR | operation("result", "getJobResult", "jobs")},
    "/v1/get-user-credits": {"get": operation("credits", "getUserCredits", "account", source="guide")},
}
SERVER = "https://api.segmind.com"
KEY = {
    "type": "apiKey",
    "in": "header",
    "name": "x-api-key",
    "x-key-variable": "SEGMIND_API_KEY",
    "x-key-pattern": "^SG_[0-9A-Fa-f]{16}$",
}
DOCUMENTED: Mapping[str, Any] = {"servers": {"url": SERVER}, "security": [{"ApiKey": KEY}], "paths": PATHS}

NO_FACTS = {
    "description": "wording",
    "summary": "wording",
    "title": "wording",
    "example": "made up; that it fits its schema has a test of its own",
    "examples": "made up; that they fit their schemas has a test of its own",
    "links": "no source prints them; that they lead to the job has a test of its own",
    "minLength": "no source says that a text is not empty; the rules of the contract do",
    "x-enum-varnames": "names in generated code",
}
"""Keywords that say nothing that a source prints, and why."""


def is_fact(keyword: str, value: Any) -> bool:
    # That money, times and counts are not negative is printed nowhere; no parameter begins at 0.
    return keyword not in NO_FACTS and (keyword, value) != ("minimum", 0)


def deviations(document: Mapping[str, Any]) -> list[str]:
    """Where a contract says something else than the facts, more, or less: a line for each place."""
    documented = {**DOCUMENTED, "paths": {**PATHS, **models_from_pages(document)}}
    return list(differences("", documented, facts_of(document)))


def models_from_pages(document: Mapping[str, Any]) -> Facts:
    """The paths of the models that the contract has and the table above has not.

    `scripts/pages.py check` holds their parameters, prices and latencies against their pages; here these are what the
    contract says, and everything else about their operations is as for any model.
    """
    paths = document["paths"]
    found: Facts = {}
    for path in paths:
        version, _, slug = path.removeprefix("/").partition("/")
        pair = [spelled_out(paths.get(f"/{it}/{slug}", {}).get("post", {}), document) for it in ("v1", "v2")]
        if version != "v1" or slug in MODELS or not all("requestBody" in it for it in pair):
            continue
        request: Facts = {"requestBody": pair[0]["requestBody"]}
        name = pair[0]["operationId"].removeprefix("generate")
        source = "inferred" if pair[1].get("x-source") == "inferred" else "page"
        found[f"/v1/{slug}"] = {"post": request | operation("generate", f"generate{name}", "generations")}
        found[f"/v2/{slug}"] = {"post": request | operation("submit", f"submit{name}", "jobs", source=source)}
    return found


def without_models_from_pages(document: Mapping[str, Any]) -> Facts:
    """The contract with no models but those of the table, and without what only the others need."""
    paths = {path: item for path, item in document["paths"].items() if path not in models_from_pages(document)}
    found: Facts = {**document, "paths": paths}
    used: set[str] = set()
    waiting: list[Any] = [paths, document["components"]["responses"], document["components"]["parameters"]]
    while waiting:
        node = waiting.pop()
        if is_mapping(node):
            reference = node.get("$ref")
            if isinstance(reference, str) and reference not in used:
                used.add(reference)
                _, _, section, name = reference.split("/")
                waiting.append(document["components"][section][name])
            waiting.extend(node.values())
        elif is_list(node):
            waiting.extend(node)
    found["components"] = {
        section: {
            name: component
            for name, component in components.items()
            if section not in ("schemas", "requestBodies") or f"#/components/{section}/{name}" in used
        }
        for section, components in document["components"].items()
    }
    return found


def facts_of(document: Mapping[str, Any]) -> Facts:
    schemes = document["components"].get("securitySchemes", {})
    return {
        "servers": {"url": document["servers"][0].get("url")},
        "security": [
            {name: spelled_out(schemes.get(name), document) for name in requirement}
            for requirement in document.get("security", ())
        ],
        "paths": spelled_out(document["paths"], document),
    }


def spelled_out(node: Any, document: Mapping[str, Any], *, names: bool = False) -> Any:
    """A part of a contract without its wording, with what its references refer to in their place."""
    if is_list(node):
        return [spelled_out(item, document) for item in node]
    if not is_mapping(node):
        return node
    while "$ref" in node:
        target: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
    facts = {
        key: spelled_out(value, document, names=key == "properties")
        for key, value in node.items()
        if names or is_fact(key, value)
    }
    if is_list(facts.get("required")):
        # The order of an enum's values shows in generated code; that of required fields means nothing.
        facts["required"] = sorted(facts["required"])
    return facts


def differences(place: str, documented: Any, found: Any) -> Iterator[str]:
    documented, found = by_name(documented), by_name(found)
    if documented == found:
        return
    if is_mapping(documented) and is_mapping(found):
        for name in {**documented, **found}:
            yield from differences(f"{place} > {name}", documented.get(name), found.get(name))
    else:
        yield f"{place.removeprefix(' > ')}: {as_words(documented)} is documented, the contract has {as_words(found)}"


def by_name(node: Any) -> Any:
    """A list of objects by their positions, so that a difference in one of them has a place."""
    if is_list(node) and any(map(is_mapping, node)):
        return {str(index): item for index, item in enumerate(node)}
    return node


def as_words(value: Any) -> str:
    return "nothing" if value is None else f"an object of {', '.join(value)}" if is_mapping(value) else repr(value)
