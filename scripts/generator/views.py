"""What the templates read: plain views of the contract."""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from openapi_python_client.parser import GeneratorData
from openapi_python_client.parser.properties import Class, EnumProperty, LiteralEnumProperty, ModelProperty

from generator.contract import Contract, GenerationError, Node, PlacedNode, is_list, pointer

EXTENSIONS = (
    "x-enum-varnames",
    "x-key-pattern",
    "x-key-variable",
    "x-polling",
    "x-price-usd",
    "x-retention-seconds",
    "x-role",
    "x-source",
    "x-typical-latency-seconds",
)
SOURCES = ("page", "sample", "guide", "sdk", "inferred")
ROLES = ("generate", "submit", "status", "result", "credits")

PYTHON_TYPES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
CHECKED_KEYWORDS: dict[str, tuple[str, ...]] = {
    "string": ("enum", "minLength", "maxLength"),
    "integer": ("minimum", "maximum"),
    "number": ("minimum", "maximum"),
    "boolean": (),
}
UNCHECKED_KEYWORDS = ("type", "description", "title", "default", "examples", "deprecated")
COMBINING_KEYWORDS = ("allOf", "anyOf", "oneOf", "patternProperties")

REQUEST_MEMBERS = ("self", "additional_properties", "from_parameters", "names", "to_dict")
RESPONSE_MEMBERS = ("get", "items", "keys", "values", "to_dict", "from_raw", "response")


@dataclass(frozen=True)
class PropertyView:
    name: str
    python_name: str
    required: bool
    annotation: str
    reader: str
    """Expression: the check of a request's value, or the reader of a response's."""
    description: str


@dataclass(frozen=True)
class ModelView:
    is_request: bool
    description: str
    properties: list[PropertyView]


@dataclass(frozen=True)
class ResponseView:
    """One of the shared responses, as a constant of the generated code."""

    constant: str
    description: str
    annotation: str
    bodies: dict[str, str]
    """Media type to the expression that reads a body of it."""


@dataclass(frozen=True)
class OperationView:
    module: str
    operation_id: str
    method: str
    path: str
    summary: str
    description: str
    role: str
    body: str | None
    """Class of the request body."""
    path_parameters: list[str]
    results: dict[str, ResponseView]
    errors: dict[str, ResponseView]

    @property
    def slug(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def result_annotation(self) -> str:
        return union(response.annotation for response in self.results.values())

    @property
    def error_annotation(self) -> str:
        return union(response.annotation for response in self.errors.values())


@dataclass(frozen=True)
class CatalogEntry:
    """One model that can be called."""

    slug: str
    request: str
    generate: OperationView
    submit: OperationView
    price_usd: float
    typical_latency_seconds: float


class Views:
    """All views of one contract; raises GenerationError for what the generated code could not express."""

    def __init__(self, contract: Contract, data: GeneratorData) -> None:
        self._contract = contract
        self._components: Node = contract.document["components"]
        self.info: Node = contract.document["info"]
        self.server = str(contract.document["servers"][0]["url"])
        check_extensions(contract.document)

        self.classes: dict[str, Class] = {
            "#" + plain(item.name): item.class_info for item in (*data.models, *data.enums)
        }
        self._values = {
            str(self.classes[place].name): list[str](contract.at(place)["enum"])
            for place in self.classes
            if place.startswith("#/")
            if "enum" in contract.at(place)
        }
        self._request_schemas = {
            media["schema"]["$ref"]
            for body in self._components["requestBodies"].values()
            for media in body["content"].values()
        }
        self._models = {str(model.class_info.name): self._model(model) for model in data.models}
        self.headers = self._headers()
        self.responses = {name: self._response(name) for name in self._components["responses"]}
        modules = {
            (endpoint.method.upper(), plain(endpoint.path)): f"{tag}.{endpoint.name}"
            for tag, collection in data.endpoint_collections_by_tag.items()
            for endpoint in collection.endpoints
        }
        self.operations = [
            self._operation(path, method, operation, modules[method, path])
            for path, method, operation in contract.operations()
        ]
        self.catalog = self._catalog()

    def model(self, model: ModelProperty) -> ModelView:
        return self._models[model.class_info.name]

    def request(self, class_name: str) -> ModelView:
        return self._models[class_name]

    def values(self, enum: EnumProperty | LiteralEnumProperty) -> list[str]:
        """The values of an enum in the order of the contract."""
        if enum.class_info.name not in self._values:
            raise GenerationError("#/paths", f"the enum {enum.class_info.name} belongs to no component and no property")
        return self._values[enum.class_info.name]

    def operation(self, method: str, path: Any) -> OperationView:
        (found,) = (item for item in self.operations if (item.method, item.path) == (method.upper(), plain(path)))
        return found

    def with_role(self, role: str) -> OperationView:
        found = [operation for operation in self.operations if operation.role == role]
        if len(found) != 1:
            raise GenerationError("#/paths", f"expected one operation with the x-role {role}, found {len(found)}")
        return found[0]

    def path_template(self, role: str) -> str:
        """The path of every operation with this role, {model} standing for the slug."""
        operations = [operation for operation in self.operations if operation.role == role]
        templates = {operation.path.removesuffix(operation.slug) + "{model}" for operation in operations}
        if len(templates) != 1:
            raise GenerationError("#/paths", f"the operations with the x-role {role} do not share one form of path")
        return templates.pop()

    @property
    def polling(self) -> Node:
        operation = self.with_role("status")
        place = pointer("paths", operation.path, operation.method.lower(), "x-polling")
        polling = self._contract.at(place)
        if not isinstance(polling, PlacedNode):
            raise GenerationError(place, "expected interval-seconds and deadline-seconds")
        return {key: amount(polling, key) for key in ("interval-seconds", "deadline-seconds")}

    @property
    def job_retention(self) -> float:
        """Seconds; the operations that read a job have to agree."""
        operations = [self.with_role(role) for role in ("status", "result")]
        places = [pointer("paths", operation.path, operation.method.lower()) for operation in operations]
        retention, other = (sourced_number(self._contract.at(place), "x-retention-seconds") for place in places)
        if retention != other:
            raise GenerationError(f"{places[1]}/x-retention-seconds", f"{other} differs from {retention} of the status")
        return retention

    @property
    def image_retention(self) -> float:
        """Seconds; said once, by the schema of an image's URL."""
        schemas: Node = self._components["schemas"]
        found = [name for name, schema in schemas.items() if "x-retention-seconds" in schema]
        if len(found) != 1:
            raise GenerationError("#/components/schemas", f"expected one x-retention-seconds, found {len(found)}")
        return sourced_number(schemas[found[0]], "x-retention-seconds")

    @property
    def key(self) -> Node:
        ((name, scheme),) = self._components["securitySchemes"].items()
        place = pointer("components", "securitySchemes", name)
        if (scheme["type"], scheme.get("in")) != ("apiKey", "header"):
            raise GenerationError(place, "only an API key in a header can be generated")
        try:
            re.compile(scheme["x-key-pattern"])
        except (re.error, TypeError) as error:
            raise GenerationError(f"{place}/x-key-pattern", f"is no regular expression: {error}") from error
        return {"header": scheme["name"], "variable": scheme["x-key-variable"], "pattern": scheme["x-key-pattern"]}

    def _model(self, model: ModelProperty) -> ModelView:
        place = "#" + plain(model.name)
        schema: Node = self._contract.at(place)
        refuse_keywords(schema, COMBINING_KEYWORDS, place)
        is_request = place in self._request_schemas
        inline_enums = {
            plain(item.name): item.class_info.name
            for item in (*(model.required_properties or ()), *(model.optional_properties or ()))
            if isinstance(item, EnumProperty | LiteralEnumProperty)
        }
        for name, enum in inline_enums.items():
            self._values[str(enum)] = self._contract.resolve(schema["properties"][name], place)[0]["enum"]
        view = self._parameter if is_request else self._answer
        return ModelView(
            is_request=is_request,
            description=schema.get("description", ""),
            properties=[
                view(
                    name,
                    written,
                    f"{place}/properties/{name}",
                    name in schema.get("required", ()),
                    inline_enums.get(name),
                )
                for name, written in schema.get("properties", {}).items()
            ],
        )

    def _parameter(self, name: str, written: Node, place: str, required: bool, enum: str | None) -> PropertyView:
        schema, _ = self._contract.resolve(written, place)
        if not name.isidentifier() or keyword.iskeyword(name) or name in REQUEST_MEMBERS:
            raise GenerationError(place, f"{name!r} cannot be the name of a Python parameter")
        kind = schema.get("type")
        if not isinstance(kind, str) or kind not in CHECKED_KEYWORDS:
            raise GenerationError(place, f"a parameter of type {kind!r} cannot be generated")
        known = (*CHECKED_KEYWORDS[kind], *UNCHECKED_KEYWORDS)
        refuse_keywords(schema, [word for word in schema if word not in known and not word.startswith("x-")], place)
        allowed = describe_allowed(schema)
        sentences = [schema.get("description", "").strip(), f"{allowed[0].upper()}{allowed[1:]}."]
        if "default" in schema:
            sentences.append(f"The service's default: {schema['default']!r}.")
        return PropertyView(
            name=name,
            python_name=name,
            required=required,
            annotation=enum or PYTHON_TYPES[kind],
            reader=check_expression(schema, allowed),
            description="\n\n".join(sentences) if "\n" in sentences[0] else " ".join(sentences),
        )

    def _answer(self, name: str, written: Node, place: str, required: bool, enum: str | None) -> PropertyView:
        schema, _ = self._contract.resolve(written, place)
        annotation, reader = self._kind(written, place)
        python_name = name.replace("-", "_")
        if not python_name.isidentifier() or keyword.iskeyword(python_name) or python_name in RESPONSE_MEMBERS:
            python_name = f"{name}_"
        if not python_name.isidentifier():
            raise GenerationError(place, f"{name!r} cannot be the name of a Python attribute")
        return PropertyView(
            name=name,
            python_name=python_name,
            required=required,
            annotation=f"{enum} | str" if enum else annotation,
            reader=reader,
            description=schema.get("description", ""),
        )

    def _kind(self, written: Node, place: str) -> tuple[str, str]:
        """Annotation of a response's value, and the expression that reads it."""
        schema, place = self._contract.resolve(written, place)
        refuse_keywords(schema, COMBINING_KEYWORDS, place)
        kind = schema.get("type")
        if kind == "object" and place in self.classes:
            name = self.classes[place].name
            return name, f"{name}.from_raw"
        if kind == "array" and "items" in schema:
            annotation, reader = self._kind(schema["items"], f"{place}/items")
            return f"tuple[{annotation}, ...]", f"tuple_of({reader})"
        kinds = [str(item) for item in (kind if is_list(kind) else [kind])]
        if not all(item in PYTHON_TYPES for item in kinds):
            raise GenerationError(place, f"an answer of type {kind!r} cannot be generated; name it as a component")
        annotation = union(PYTHON_TYPES[item] for item in kinds)
        readers = [f"as_{item}" for item in kinds]
        if len(readers) == 1:
            return annotation, readers[0]
        return annotation, f"cast('Reader[{annotation}]', either({', '.join(readers)}))"

    def _headers(self) -> list[PropertyView]:
        found: dict[str, PropertyView] = {}
        for name, response in self._components["responses"].items():
            for header_name, written in response.get("headers", {}).items():
                place = pointer("components", "responses", name, "headers", header_name)
                header, place = self._contract.resolve(written, place)
                kind = header["schema"].get("type")
                if kind not in ("string", "integer", "number"):
                    raise GenerationError(place, f"a header of type {kind!r} cannot be generated")
                found[header_name] = PropertyView(
                    name=header_name,
                    python_name=header_name.removeprefix("x-").replace("-", "_"),
                    required=False,
                    annotation=PYTHON_TYPES[kind],
                    reader=f"{kind}_of_header",
                    description=header.get("description", ""),
                )
        return list(found.values())

    def _response(self, name: str) -> ResponseView:
        place = pointer("components", "responses", name)
        response = self._contract.at(place)
        annotations: list[str] = []
        bodies: dict[str, str] = {}
        for media_type, media in response["content"].items():
            if media_type == "application/json":
                annotation, reader = self._kind(media["schema"], f"{place}/content/{media_type}/schema")
                bodies[media_type] = f"json_body({reader})"
            elif media_type.startswith("text/"):
                annotation, bodies[media_type] = "str", "text_body"
            else:
                annotation, bodies[media_type] = "bytes", "binary_body"
            annotations.append(annotation)
        return ResponseView(
            constant="".join(f"_{letter}" if letter.isupper() else letter for letter in name).strip("_").upper(),
            description=response["description"],
            annotation=union(annotations),
            bodies=bodies,
        )

    def _operation(self, path: str, method: str, operation: Node, module: str) -> OperationView:
        place = pointer("paths", path, method.lower())
        role = operation["x-role"]
        if role not in ROLES:
            raise GenerationError(f"{place}/x-role", f"{role!r} is none of {', '.join(ROLES)}")
        if "x-source" not in operation:
            raise GenerationError(place, "x-source is missing")
        body: str | None = None
        if "requestBody" in operation:
            request_body, body_place = self._contract.resolve(operation["requestBody"], place)
            schema = request_body["content"]["application/json"]["schema"]
            _, schema_place = self._contract.resolve(schema, body_place)
            if schema_place not in self.classes:
                raise GenerationError(schema_place, "a request can only be generated from an object")
            body = self.classes[schema_place].name
        parameters = [
            self._contract.resolve(parameter, place)[0]
            for parameter in (
                *self._contract.at(pointer("paths", path)).get("parameters", ()),
                *operation.get("parameters", ()),
            )
        ]
        for parameter in parameters:
            if parameter["in"] != "path":
                raise GenerationError(place, f"the parameter {parameter['name']!r} is not in the path")
        responses: dict[str, ResponseView] = {}
        for status, response in operation["responses"].items():
            reference = str(response.get("$ref"))
            if not reference.startswith("#/components/responses/") or not status.isdigit():
                raise GenerationError(
                    f"{place}/responses/{status}", "expected one status and a $ref to #/components/responses"
                )
            responses[status] = self.responses[reference.rpartition("/")[2]]
        return OperationView(
            module=module,
            operation_id=operation["operationId"],
            method=method,
            path=path,
            summary=operation["summary"],
            description=operation.get("description", ""),
            role=role,
            body=body,
            path_parameters=[parameter["name"] for parameter in parameters],
            results={status: view for status, view in responses.items() if status.startswith("2")},
            errors={status: view for status, view in responses.items() if not status.startswith("2")},
        )

    def _catalog(self) -> list[CatalogEntry]:
        by_role = {
            role: {operation.slug: operation for operation in self.operations if operation.role == role}
            for role in ("generate", "submit")
        }
        if by_role["generate"].keys() != by_role["submit"].keys():
            lonely = sorted(by_role["generate"].keys() ^ by_role["submit"].keys())
            raise GenerationError("#/paths", f"v1 and v2 do not offer the same models: {', '.join(lonely)}")
        entries: list[CatalogEntry] = []
        for slug, submit in by_role["submit"].items():
            generate = by_role["generate"][slug]
            if submit.body is None or generate.body != submit.body:
                raise GenerationError(pointer("paths", submit.path, "post"), "v1 and v2 do not take the same body")
            (place,) = (place for place, found in self.classes.items() if found.name == submit.body)
            schema = self._contract.at(place)
            entries.append(
                CatalogEntry(
                    slug=slug,
                    request=submit.body,
                    generate=generate,
                    submit=submit,
                    price_usd=sourced_number(schema, "x-price-usd"),
                    typical_latency_seconds=sourced_number(schema, "x-typical-latency-seconds"),
                )
            )
        return entries


def plain(name: Any) -> str:
    """The text of a name; the generator wraps those that come from the contract."""
    return name if isinstance(name, str) else str(name.get_untrusted_value())


def union(annotations: Iterable[str]) -> str:
    return " | ".join(dict.fromkeys(part for annotation in annotations for part in annotation.split(" | ")))


def sourced_number(node: PlacedNode, key: str) -> float:
    """The number of an extension that is written {value: …, source: …}."""
    fact = node[key]
    if not isinstance(fact, PlacedNode):
        raise GenerationError(f"{node.place}/{key}", "expected value and source")
    if fact["source"] not in SOURCES:
        raise GenerationError(f"{fact.place}/source", f"{fact['source']!r} is none of {', '.join(SOURCES)}")
    return amount(fact, "value")


def amount(node: PlacedNode, key: str) -> float:
    """A number of 0 or more."""
    value = node[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise GenerationError(f"{node.place}/{key}", f"expected a number of 0 or more, found {value!r}")
    return value


def check_extensions(node: Any) -> None:
    """Raises GenerationError for an extension that is not documented, or a source that is none."""
    if isinstance(node, PlacedNode):
        for key, value in node.items():
            # Under these, keys are names of the API's own.
            is_name = node.place.endswith(("/headers", "/properties"))
            if key.startswith("x-") and not is_name and key not in EXTENSIONS:
                raise GenerationError(f"{node.place}/{key}", f"is none of {', '.join(EXTENSIONS)}")
            if key == "x-source" and value not in SOURCES:
                raise GenerationError(f"{node.place}/x-source", f"{value!r} is none of {', '.join(SOURCES)}")
            if key == "x-retention-seconds":
                sourced_number(node, key)
            check_extensions(value)
    elif is_list(node):
        for item in node:
            check_extensions(item)


def refuse_keywords(schema: Node, words: Iterable[str], place: str) -> None:
    for word in words:
        if word in schema:
            raise GenerationError(place, f"the keyword {word!r} cannot be generated")


def describe_allowed(schema: Node) -> str:
    """What a parameter may be, as the end of «expected …»."""
    kind = schema["type"]
    if "enum" in schema:
        return "one of " + ", ".join(map(repr, schema["enum"]))
    article = "an" if kind == "integer" else "a"
    low, high = (
        (schema.get("minLength") or None, schema.get("maxLength"))
        if kind == "string"
        else (schema.get("minimum"), schema.get("maximum"))
    )
    unit = " characters" if kind == "string" else ""
    if low is not None and high is not None:
        return f"{article} {kind} from {low} to {high}{unit}"
    if high is not None:
        return f"{article} {kind} up to {high}{unit}"
    if kind == "string" and low == 1:
        return "a string that is not empty"
    return f"{article} {kind} of {low} or more{unit}" if low is not None else f"{article} {kind}"


def check_expression(schema: Node, allowed: str) -> str:
    bounds = {
        "minimum": schema.get("minimum"),
        "maximum": schema.get("maximum"),
        "min_length": schema.get("minLength"),
        "max_length": schema.get("maxLength"),
    }
    if "enum" in schema:
        return f"one_of({tuple(schema['enum'])!r}, allowed={allowed!r})"
    arguments = "".join(f"{name}={value!r}, " for name, value in bounds.items() if value is not None)
    return f"{schema['type']}({arguments}allowed={allowed!r})"
