"""What the templates read: plain views of the contract."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from generator.contract import Contract, GenerationError, Node, PlacedNode, is_list, is_mapping, pointer
from generator.grammar import Grammar, literal
from generator.names import CLASS_NAME, OPERATION_ID, module_name, python_names

EXTENSIONS = (
    "x-enum-varnames",
    "x-file",
    "x-key-pattern",
    "x-key-variable",
    "x-output",
    "x-polling",
    "x-price-usd",
    "x-retention-seconds",
    "x-role",
    "x-source",
    "x-typical-latency-seconds",
)
SOURCES = ("page", "sample", "guide", "sdk", "inferred")
ROLES = ("generate", "submit", "status", "result", "credits")
OUTPUTS = ("image", "video", "audio", "text", "json")
"""What a model can make; the first, if its entry does not say."""

PYTHON_TYPES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
COMBINING_KEYWORDS = ("allOf", "anyOf", "oneOf", "patternProperties")

IMPORTED = frozenset(
    {
        *(
            "Any",
            "ClassVar",
            "Literal",
            "Mapping",
            "NotRequired",
            "PathLike",
            "Protocol",
            "Required",
            "Sequence",
            "TypedDict",
        ),
        *("UNSET", "Unset", "RequestBody", "ResponseObject", "Reader", "Answer", "ApiRequest", "ApiResponse", "Bodies"),
        *("Call", "Method", "T", "T_co"),
    }
)
"""Names that generated modules import or define, which no class of a schema can have."""
ANNOTATION_NAMES = frozenset(
    {"attrs", "bool", "bytes", "checks", "files", "float", "int", "overload", "str", "self", *IMPORTED}
)
"""Names that the body of a generated class reads, so that no parameter can hide them."""
REQUEST_MEMBERS = frozenset({"PARAMETERS", "additional_properties", "from_parameters", "names", "to_dict"})
RESPONSE_MEMBERS = frozenset({"get", "items", "keys", "values", "to_dict", "from_raw", "response", "property"})


SCHEMAS = "#/components/schemas/"
SLUG = re.compile(r"[A-Za-z0-9._~-]+")


@dataclass(frozen=True)
class ClassView:
    """A schema that becomes a class or, if it is an enum, an alias."""

    name: str
    module: str
    kind: str
    """`request`, `answer` or `enum`."""
    values: str
    """The annotation of an enum."""


@dataclass(frozen=True)
class PropertyView:
    name: str
    python_name: str
    required: bool
    annotation: str
    reader: str
    """Expression: the check of a request's value, or the reader of a response's."""
    description: str
    meaning: str = ""
    """The description in the contract alone."""
    allowed: str = ""
    """What a request's value can be."""
    has_default: bool = False
    default_value: Any = None
    """The service's default."""
    default: str = "..."
    """Expression of the service's default; `...` where nobody says."""


@dataclass(frozen=True)
class ModelView:
    description: str
    properties: list[PropertyView]
    places: frozenset[str]
    """Of the schemas whose classes it names."""

    def has(self, python_name: str) -> bool:
        return any(item.python_name == python_name for item in self.properties)

    @property
    def in_order(self) -> list[PropertyView]:
        """Those that are required first, as Python has it."""
        return sorted(self.properties, key=lambda it: not it.required)


@dataclass(frozen=True)
class ResponseView:
    """One of the shared responses, as a constant of the generated code."""

    constant: str
    description: str
    annotation: str
    bodies: dict[str, str]
    """Media type to the expression that reads a body of it."""
    places: frozenset[str]


@dataclass(frozen=True)
class OperationView:
    tag: str
    module: str
    operation_id: str
    method: str
    path: str
    summary: str
    description: str
    role: str
    body: str | None
    """Place of the schema of the request body."""
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

    @property
    def response_places(self) -> frozenset[str]:
        responses = (*self.results.values(), *self.errors.values())
        return frozenset[str]().union(*(response.places for response in responses))

    @property
    def places(self) -> frozenset[str]:
        """Of the schemas whose classes it names."""
        return self.response_places | {self.body} if self.body else self.response_places


@dataclass(frozen=True)
class Amount:
    """A price or a latency: a value, or a range of two."""

    low: float
    high: float
    source: str

    @property
    def is_range(self) -> bool:
        return self.low != self.high

    @property
    def middle(self) -> float:
        return (self.low + self.high) / 2 if self.is_range else self.low

    def __str__(self) -> str:
        return f"{self.low} to {self.high}" if self.is_range else str(self.low)


@dataclass(frozen=True)
class CatalogEntry:
    """One model that can be called."""

    slug: str
    request: str
    """Place of the schema of its parameters."""
    generate: OperationView
    submit: OperationView
    output: str
    price_usd: Amount | None
    typical_latency_seconds: Amount | None


class Views:
    """All views of one contract; raises GenerationError for what the generated code could not express."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._components: Node = contract.document["components"]
        self.info: Node = contract.document["info"]
        self.server = str(contract.document["servers"][0]["url"])
        self.outputs = OUTPUTS
        check_extensions(contract.document)

        self.bodies = self._bodies()
        self.classes = self._classes()
        names = {place: view.name for place, view in self.classes.items()}
        self._names = ANNOTATION_NAMES.union(names.values(), (f"{name}Dict" for name in names.values()))
        self._grammar = Grammar(contract, names)
        self.models = {place: self._model(place, view) for place, view in self.classes.items() if view.kind != "enum"}
        self.headers = self._headers()
        self.responses = {name: self._response(name) for name in self._components["responses"]}
        self.operations = [
            self._operation(path, method, operation) for path, method, operation in contract.operations()
        ]
        refuse_twins(
            (operation.module, f"{pointer('paths', operation.path, operation.method.lower())}/operationId")
            for operation in self.operations
        )
        self.catalog = self._catalog()

    def imports(self, places: Iterable[str], package: str, *, mappings: bool = False) -> list[str]:
        """Import statements for the classes of some schemas; with the types of their mappings, if need be."""
        found: list[str] = []
        for place in sorted(places):
            view = self.classes[place]
            also = f", {view.name}Dict" if mappings and view.kind == "request" and place not in self.bodies else ""
            found.append(f"from {package}.{view.module} import {view.name}{also}")
        return found

    @property
    def tags(self) -> list[str]:
        return list(dict.fromkeys(operation.tag for operation in self.operations))

    def _bodies(self) -> list[str]:
        """Places of the schemas of all request bodies, in the order of the contract."""
        found: dict[str, None] = {}
        for path, method, operation in self._contract.operations():
            if "requestBody" in operation:
                place = pointer("paths", path, method.lower(), "requestBody")
                body, place = self._contract.resolve(operation["requestBody"], place)
                schema = body["content"]["application/json"]["schema"]
                resolved, place = self._contract.resolve(schema, f"{place}/content/application~1json/schema")
                if resolved.get("type") != "object" or not place.startswith(SCHEMAS):
                    raise GenerationError(place, "a request can only be generated from an object that is a component")
                found[place] = None
        return list(found)

    def _classes(self) -> dict[str, ClassView]:
        """The schemas that become classes or aliases, by place, in the order of their names."""
        requests = reachable_schemas(self._contract, [{"$ref": place} for place in self.bodies])
        answers = reachable_schemas(self._contract, self._components["responses"])
        schemas: Node = self._components["schemas"]
        found: dict[str, ClassView] = {}
        for name in sorted(schemas):
            schema, place = schemas[name], pointer("components", "schemas", name)
            values: Any = schema.get("enum")
            if schema.get("type") == "object" and name in requests | answers:
                if name in requests and name in answers:
                    raise GenerationError(place, "is part of requests and of responses; make two components of it")
                kind = "request" if name in requests else "answer"
            elif is_list(values) and "$ref" not in schema and all(isinstance(value, str) for value in values):
                kind = "enum"
            else:
                continue
            if not CLASS_NAME.fullmatch(name) or name in IMPORTED:
                raise GenerationError(
                    place, f"{name!r} cannot be a class; name it in letters and digits, as in Imagen4"
                )
            if f"{name}Dict" in schemas:
                raise GenerationError(pointer("components", "schemas", f"{name}Dict"), f"is the mapping of {name}")
            found[place] = ClassView(name, module_name(name), kind, literal(values) if kind == "enum" else "")
        refuse_twins((view.module, place) for place, view in found.items())
        return found

    def parameters_name(self, place: str) -> str:
        """The TypedDict of a model's keywords."""
        return f"{self.classes[place].name.removesuffix('Request')}Parameters"

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

    def _model(self, place: str, view: ClassView) -> ModelView:
        schema: Node = self._contract.at(place)
        properties: Node = schema.get("properties", {})
        required = schema.get("required", ())
        members = REQUEST_MEMBERS if view.kind == "request" else RESPONSE_MEMBERS
        names = python_names(properties, self._names | members, f"{place}/properties")
        made = (
            self._request(place, properties, names, required)
            if view.kind == "request"
            else self._answer(place, properties, names, required)
        )
        return ModelView(
            description=schema.get("description", ""),
            properties=[view for view, _ in made],
            places=frozenset[str]().union(*(places for _, places in made)) - {place},
        )

    def _request(
        self, place: str, properties: Node, names: Mapping[str, str], required: Iterable[str]
    ) -> list[tuple[PropertyView, frozenset[str]]]:
        # What an object may have besides its parameters is checked where it is a parameter itself.
        self._grammar.value({"$ref": place}, place)
        return [
            self._parameter(name, written, pointer_to(place, name), names[name], name in required)
            for name, written in properties.items()
        ]

    def _parameter(
        self, name: str, written: Node, place: str, python_name: str, required: bool
    ) -> tuple[PropertyView, frozenset[str]]:
        value = self._grammar.value(written, place)
        schema, _ = self._grammar.flattened(written, place)
        sentences = [
            schema.get("description", "").strip(),
            "Deprecated." if schema.get("deprecated") else "",
            f"{value.allowed[0].upper()}{value.allowed[1:]}.",
            f"Sent as {name!r}." if name != python_name else "",
            f"The service's default: {schema['default']!r}." if "default" in schema else "",
        ]
        sentences = [sentence for sentence in sentences if sentence]
        view = PropertyView(
            name=name,
            python_name=python_name,
            required=required,
            annotation=value.annotation,
            reader=value.check,
            description="\n\n".join(sentences) if "\n" in sentences[0] else " ".join(sentences),
            meaning=schema.get("description", ""),
            allowed=value.allowed,
            has_default="default" in schema,
            default_value=schema.get("default"),
            default=default_expression(schema),
        )
        return view, value.classes

    def _answer(
        self, place: str, properties: Node, names: Mapping[str, str], required: Iterable[str]
    ) -> list[tuple[PropertyView, frozenset[str]]]:
        refuse_keywords(self._contract.at(place), COMBINING_KEYWORDS, place)
        found: list[tuple[PropertyView, frozenset[str]]] = []
        for name, written in properties.items():
            schema, _ = self._contract.resolve(written, pointer_to(place, name))
            annotation, reader, places = self._kind(written, pointer_to(place, name))
            if schema.get("type") == "string" and "enum" in schema:
                annotation = f"{literal(schema['enum'])} | str"
            view = PropertyView(
                name=name,
                python_name=names[name],
                required=name in required,
                annotation=annotation,
                reader=reader,
                description=schema.get("description", ""),
            )
            found.append((view, places))
        return found

    def _kind(self, written: Node, place: str) -> tuple[str, str, frozenset[str]]:
        """Annotation of a response's value, the expression that reads it, and the schemas whose classes they name."""
        schema, place = self._contract.resolve(written, place)
        refuse_keywords(schema, COMBINING_KEYWORDS, place)
        kind = schema.get("type")
        if kind == "object" and place in self.classes:
            name = self.classes[place].name
            return name, f"{name}.from_raw", frozenset({place})
        if kind == "array" and "items" in schema:
            annotation, reader, places = self._kind(schema["items"], f"{place}/items")
            return f"tuple[{annotation}, ...]", f"tuple_of({reader})", places
        kinds = [str(item) for item in (kind if is_list(kind) else [kind])]
        if not all(item in PYTHON_TYPES for item in kinds):
            raise GenerationError(place, f"an answer of type {kind!r} cannot be generated; name it as a component")
        annotation = union(PYTHON_TYPES[item] for item in kinds)
        readers = [f"as_{item}" for item in kinds]
        if len(readers) == 1:
            return annotation, readers[0], frozenset()
        return annotation, f"cast('Reader[{annotation}]', either({', '.join(readers)}))", frozenset()

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
        named: frozenset[str] = frozenset()
        for media_type, media in response["content"].items():
            if media_type == "application/json":
                annotation, reader, places = self._kind(media["schema"], f"{place}/content/{media_type}/schema")
                bodies[media_type], named = f"json_body({reader})", named | places
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
            places=named,
        )

    def _operation(self, path: str, method: str, operation: Node) -> OperationView:
        place = pointer("paths", path, method.lower())
        role = operation["x-role"]
        if role not in ROLES:
            raise GenerationError(f"{place}/x-role", f"{role!r} is none of {', '.join(ROLES)}")
        if "x-source" not in operation:
            raise GenerationError(place, "x-source is missing")
        operation_id, tags = operation["operationId"], operation["tags"]
        if not OPERATION_ID.fullmatch(operation_id):
            raise GenerationError(
                f"{place}/operationId", f"{operation_id!r} is not in letters and digits, as in submitIt"
            )
        if len(tags) != 1 or not CLASS_NAME.fullmatch(tags[0].capitalize()):
            raise GenerationError(f"{place}/tags", "expected one tag, in letters and digits")
        body: str | None = None
        if "requestBody" in operation:
            if not SLUG.fullmatch(path.rpartition("/")[2]):
                raise GenerationError(place, "the last part of the path is no slug: letters, digits and . _ ~ - only")
            request_body, body_place = self._contract.resolve(operation["requestBody"], place)
            _, body = self._contract.resolve(request_body["content"]["application/json"]["schema"], body_place)
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
        declared = [parameter["name"] for parameter in parameters]
        if re.findall(r"{(.*?)}", path) != declared:
            raise GenerationError(place, f"the path has other parameters than those that are declared, {declared}")
        responses: dict[str, ResponseView] = {}
        for status, response in operation["responses"].items():
            reference = str(response.get("$ref"))
            if not reference.startswith("#/components/responses/") or not status.isdigit():
                raise GenerationError(
                    f"{place}/responses/{status}", "expected one status and a $ref to #/components/responses"
                )
            responses[status] = self.responses[reference.rpartition("/")[2]]
        return OperationView(
            tag=tags[0],
            module=module_name(operation_id),
            operation_id=operation_id,
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
            schema = self._contract.at(submit.body)
            entries.append(
                CatalogEntry(
                    slug=slug,
                    request=submit.body,
                    generate=generate,
                    submit=submit,
                    output=output_of(schema),
                    price_usd=sourced_amount(schema, "x-price-usd"),
                    typical_latency_seconds=sourced_amount(schema, "x-typical-latency-seconds"),
                )
            )
        refuse_twins((self.parameters_name(place), place) for place in self.bodies)
        return entries


def pointer_to(place: str, name: str) -> str:
    """The place of a property of the schema at a place."""
    return f"{place}/properties{pointer(name)[1:]}"


def refuse_twins(names: Iterable[tuple[str, str]]) -> None:
    """Raises GenerationError for a name that two places get."""
    found: dict[str, str] = {}
    for name, place in names:
        if found.setdefault(name, place) != place:
            raise GenerationError(place, f"gets the Python name {name!r}, which {found[name]} has too")


def reachable_schemas(contract: Contract, node: Any) -> set[str]:
    """Names of the component schemas that a part of the contract refers to, however indirectly."""
    found: set[str] = set()
    waiting: list[Any] = [node]
    while waiting:
        part = waiting.pop()
        if is_mapping(part):
            reference = part.get("$ref")
            name = str(reference).rpartition("/")[2]
            if str(reference).startswith(SCHEMAS) and name not in found:
                found.add(name)
                waiting.append(contract.at(str(reference)))
            waiting.extend(part.values())
        elif is_list(part):
            waiting.extend(part)
    return found


def default_expression(schema: Node) -> str:
    """A default in Python; `...` where nobody says it, or it is an object."""
    default = schema.get("default", ...)
    if is_list(default):
        scalars = all(item is None or isinstance(item, str | int | float) for item in default)
        return repr(tuple(default)) if scalars else "..."
    return "..." if default is ... or is_mapping(default) else repr(default)


def output_of(schema: PlacedNode) -> str:
    output = schema.get("x-output", OUTPUTS[0])
    if output not in OUTPUTS:
        raise GenerationError(f"{schema.place}/x-output", f"{output!r} is none of {', '.join(OUTPUTS)}")
    return str(output)


def union(annotations: Iterable[str]) -> str:
    return " | ".join(dict.fromkeys(part for annotation in annotations for part in annotation.split(" | ")))


def sourced_number(node: PlacedNode, key: str) -> float:
    """The number of an extension that is written {value: …, source: …}."""
    return amount(sourced(node, key), "value")


def sourced_amount(node: PlacedNode, key: str) -> Amount | None:
    """The number or the range, {from: …, to: …, source: …}, of an extension; None where there is none."""
    if key not in node:
        return None
    fact = sourced(node, key)
    if fact.keys() == {"value", "source"}:
        value = amount(fact, "value")
        return Amount(value, value, fact["source"])
    if fact.keys() != {"from", "to", "source"}:
        raise GenerationError(f"{node.place}/{key}", "expected source, and either value or from and to")
    found = Amount(amount(fact, "from"), amount(fact, "to"), fact["source"])
    if found.low > found.high:
        raise GenerationError(f"{node.place}/{key}", "from is above to")
    return found


def sourced(node: PlacedNode, key: str) -> PlacedNode:
    fact = node[key]
    if not isinstance(fact, PlacedNode):
        raise GenerationError(f"{node.place}/{key}", "expected value and source")
    if fact["source"] not in SOURCES:
        raise GenerationError(f"{fact.place}/source", f"{fact['source']!r} is none of {', '.join(SOURCES)}")
    return fact


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
            if key == "x-file" and not is_name:
                sourced(node, key)
            check_extensions(value)
    elif is_list(node):
        for item in node:
            check_extensions(item)


def refuse_keywords(schema: Node, words: Iterable[str], place: str) -> None:
    for word in words:
        if word in schema:
            raise GenerationError(place, f"the keyword {word!r} cannot be generated")
