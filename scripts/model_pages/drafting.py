"""Drafts the entries of a model for the contract, in the contract's own style."""

from __future__ import annotations

import io
import json
import re
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

from generator.contract import is_list
from generator.views import OUTPUTS
from model_pages.comparing import LINE_LENGTH, is_longer_than_a_line, some
from model_pages.page import UNSAID, Amount, Page, Parameter

PLAIN = re.compile(r"[A-Za-z/][\w ./()'-]*")
SAYS_SOMETHING_IN_YAML = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
NOUNS = {"image": "an image", "video": "a video", "audio": "a sound", "text": "a text", "json": "JSON"}
SCHEMAS = "#/components/schemas/"
Place = tuple[str, ...]


class DraftError(Exception):
    """The contract cannot take a model; says why."""


@dataclass
class Draft:
    """The entries of one model, by the section that they go to."""

    slug: str
    entries: dict[Place, dict[str, Any]]
    unsure: list[str] = field(default_factory=list[str])
    """What the page does not say, or what was left open."""


class ContractText:
    """The text of the contract, to which entries are added without changing any other byte."""

    def __init__(self, text: str) -> None:
        """Raises DraftError for a text that is no contract."""
        self._text = text
        self._yaml: Any = YAML(typ="rt")
        self._yaml.width = 4096
        self._yaml.indent(mapping=2, sequence=4, offset=2)
        try:
            self.document: Any = self._yaml.load(text)
            self._last = {place: self._last_entry(place) for place in PLACES}
        except (YAMLError, KeyError, TypeError, AttributeError, StopIteration) as error:
            raise DraftError(f"the contract cannot be read: {error!r}") from error
        self._added: dict[Place, list[str]] = {place: [] for place in PLACES}
        components = self.document["components"]
        self.taken: set[str] = {*self.document["paths"], *components["schemas"], *components["requestBodies"]}
        """Paths and names of components that no new model can have."""

    def responses(self, role: str) -> Any:
        """What the operations with a role respond, as one of them has it."""
        return self.document["paths"][self._last[("paths", role)]]["post"]["responses"]

    def add(self, draft: Draft) -> None:
        for place, entries in draft.entries.items():
            for key, value in entries.items():
                self._added[place].append(self._dump(key, value))
                self.taken.add(key)

    def text(self) -> str:
        """With everything that was added, each entry behind the last of its kind."""
        lines = self._text.splitlines(keepends=True)
        inserts: list[tuple[int, str]] = []
        for place, blocks in self._added.items():
            parent, _ = self._parent(place)
            key = self._last[place]
            row: int
            column: int
            row, column = parent.lc.key(key)
            separator = "\n" if row and not lines[row - 1].strip() else ""
            end = self._end(place, lines)
            if end and not lines[end - 1].endswith("\n"):
                lines[end - 1] += "\n"
            inserts.append((end, "".join(separator + textwrap.indent(block, " " * column) for block in blocks)))
        for end, block in sorted(inserts, key=lambda it: it[0], reverse=True):
            lines.insert(end, block)
        return "".join(lines)

    def _parent(self, place: Place) -> tuple[Any, list[tuple[Any, str]]]:
        """The mapping of a section, and those that it is in, each with the key of the next."""
        node, above = self.document, list[tuple[Any, str]]()
        for key in place if place[0] == "components" else place[:1]:
            above.append((node, key))
            node = node[key]
        return node, above

    def _last_entry(self, place: Place) -> str:
        parent, _ = self._parent(place)
        if place[0] == "paths":
            return next(
                str(path) for path in reversed(parent) if parent[path].get("post", {}).get("x-role") == place[1]
            )
        if place == ("components", "requestBodies"):
            return str(next(reversed(parent)))
        bodies = self.document["components"]["requestBodies"].values()
        used = {body["content"]["application/json"]["schema"]["$ref"].removeprefix(SCHEMAS) for body in bodies}
        return next(str(name) for name in reversed(parent) if name in used)

    def _end(self, place: Place, lines: list[str]) -> int:
        """The line behind the last entry of a section, before comments that belong to what follows."""
        parent, above = self._parent(place)
        end = len(lines)
        for mapping, key in [*above, (parent, self._last[place])]:
            following = list(mapping)[list(mapping).index(key) + 1 :]
            if following:
                end = mapping.lc.key(following[0])[0]
        while end and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
            end -= 1
        return end

    def _dump(self, key: str, value: Any) -> str:
        """An entry as YAML. What an anchor of the contract stands for becomes an alias."""
        shared = [self.responses(role) for _, role in PLACES[:2]]
        out = io.StringIO()
        self._yaml.dump(CommentedMap([("shared", shared), (quoted(key), value)]), out)
        text = out.getvalue()
        # What is shared is a list, whose lines are indented or begin with a hyphen.
        return re.split(r"(?m)^(?=[\w/\"'])", text)[-1]


PLACES: list[Place] = [
    ("paths", "generate"),
    ("paths", "submit"),
    ("components", "requestBodies"),
    ("components", "schemas"),
]


def draft_of(page: Page, contract: ContractText) -> Draft:
    """Raises DraftError for a model that the contract has, or whose names it has."""
    if not contract.taken.isdisjoint({f"/v1/{page.slug}", f"/v2/{page.slug}"}):
        raise DraftError(f"the contract has {page.slug} already; see scripts/pages.py check")
    return Drafter(page, contract).draft


class Drafter:
    def __init__(self, page: Page, contract: ContractText) -> None:
        self._page = page
        self._name = component_name(page.slug)
        self._title = page.title or title_of(page.slug)
        self._items: dict[str, Any] = {}
        self.draft = Draft(page.slug, {})
        body = self._body()
        self.draft.entries = {
            ("paths", "generate"): {f"/v1/{page.slug}": self._operation("generate", contract)},
            ("paths", "submit"): {f"/v2/{page.slug}": self._operation("submit", contract)},
            ("components", "requestBodies"): {self._name: body},
            ("components", "schemas"): {f"{self._name}Request": self._schema(), **self._items},
        }
        taken = contract.taken & {self._name, f"{self._name}Request", *self._items}
        if taken:
            raise DraftError(f"the contract has a component {', '.join(sorted(taken))} already; rename it there")
        self._note_what_is_unsure()

    def _unsure(self, text: str) -> None:
        self.draft.unsure.append(text)

    def _note_what_is_unsure(self) -> None:
        page = self._page
        if page.title is None:
            self._unsure(f"the title: {self._title!r} is made from the slug")
        if page.price is None:
            self._unsure("the price: the page has none")
        if page.latency is None:
            self._unsure("the latency: the page has none")
        if page.output is None:
            self._unsure("what it makes: the page does not say; without x-output, that is an image")
        if not page.has_v2:
            self._unsure("v2: the page has no v2 endpoint; the operation is marked as inferred")
        for name in page.in_sample_only:
            self._unsure(f"{name}: only in the sample code, so not written")
        unknown = sorted(page.statuses.keys() - KNOWN_STATUSES)
        if unknown:
            self._unsure(f"status {', '.join(map(str, unknown))}: not among the contract's responses, so not written")

    def _operation(self, role: str, contract: ContractText) -> Any:
        page = self._page
        output = NOUNS[page.output or OUTPUTS[0]]
        is_submit = role == "submit"
        seconds = f", about {page.latency} seconds" if page.latency else ""
        description = (
            "Answers at once with the request id of a new job."
            if is_submit
            else f"Blocks until the {output.split()[-1]} is made{seconds}. Use v2 where a wait may be cut off."
        )
        return CommentedMap(
            {
                "post": CommentedMap(
                    {
                        "operationId": f"{role}{self._name}",
                        "summary": f"{'Queue' if is_submit else 'Generate'} {output} with {self._title}",
                        "description": description,
                        "tags": flow(["jobs" if is_submit else "generations"]),
                        "x-source": "page" if page.has_v2 or not is_submit else "inferred",
                        "x-role": role,
                        "requestBody": reference(f"#/components/requestBodies/{self._name}"),
                        "responses": contract.responses(role),
                    }
                )
            }
        )

    def _body(self) -> Any:
        rows = self._page.parameters
        required = [row for row in rows if row.required]
        examples: dict[str, Any] = {}
        if required and len(required) < len(rows):
            only_prompt = [row.name for row in required] == ["prompt"]
            examples["prompt-only" if only_prompt else "required-only"] = CommentedMap(
                {
                    "summary": "Nothing but a prompt" if only_prompt else "Nothing but what is required",
                    "value": example_of_object(required),
                }
            )
        examples["every-parameter"] = CommentedMap({"summary": "Every parameter set", "value": example_of_object(rows)})
        media = CommentedMap({"schema": reference(f"{SCHEMAS}{self._name}Request"), "examples": CommentedMap(examples)})
        return CommentedMap(
            {
                "description": quoted(f"The parameters of {self._title}."),
                "required": True,
                "content": CommentedMap({"application/json": media}),
            }
        )

    def _schema(self) -> Any:
        page = self._page
        extensions: dict[str, Any] = {"x-source": "page"}
        if page.output not in (None, OUTPUTS[0]):
            extensions["x-output"] = page.output
        for key, amount in (("x-price-usd", page.price), ("x-typical-latency-seconds", page.latency)):
            if amount:
                extensions[key] = amount_node(amount)
        affecting = [row.name for row in page.parameters if row.affects_price]
        if affecting:
            self._unsure(f"the price: it depends on {', '.join(affecting)}, and the page does not say how")
        depends = f" The price depends on {', '.join(affecting)}." if affecting else ""
        return self._object(page.parameters, todo(f"what {self._title} is for.{depends}"), self._name, extensions)

    def _object(self, rows: Iterable[Parameter], description: Any, name: str, extensions: Mapping[str, Any]) -> Any:
        required = [quoted(row.name) for row in rows if row.required]
        properties = CommentedMap([(quoted(row.name), self._property(row, name)) for row in rows])
        return CommentedMap(
            {
                "description": description,
                "type": "object",
                "additionalProperties": True,
                **extensions,
                **({"required": flow(required)} if required else {}),
                "properties": properties,
            }
        )

    def _property(self, row: Parameter, within: str) -> Any:
        kind = row.kind
        about = f"what {row.name} means."
        if row.values and not row.is_closed:
            about += f" Known values: {', '.join(map(str, row.values))}; the page hides {some(row.hidden_values)} more."
            self._unsure(f"{row.name}: the page hides {some(row.hidden_values)} of its values; any value is allowed")
        elif row.hidden_values is None:
            about += " It has a list of allowed values, which the page does not show."
            self._unsure(f"{row.name}: the page does not show its values; any value is allowed")
        node: dict[str, Any] = {"description": todo(about), "type": kind.name}
        if kind.format:
            node["format"] = kind.format
        inner: dict[str, Any] = node
        if kind.is_array:
            inner = {"type": kind.name}
            if kind.name == "object":
                inner = reference(f"{SCHEMAS}{self._items_of(row, within)}")
            node["type"] = "array"
            node["items"] = CommentedMap(inner)
            inner = node["items"]
        if row.is_closed:
            inner["enum"] = listed([quoted(value) for value in row.values])
        for bound in ("minimum", "maximum"):
            value = getattr(row, bound)
            if value is not None:
                node[bound] = value
        if row.default is not UNSAID:
            default = flow_all(row.default)
            if row.required:
                self._unsure(f"{row.name}: required, so its default is what the page's form starts with; not written")
            elif is_longer_than_a_line(row.default):
                node["examples"] = CommentedSeq([default])
                self._unsure(f"{row.name}: its default is longer than a line and became an example")
            else:
                node["default"] = default
        return CommentedMap(node)

    def _items_of(self, row: Parameter, within: str) -> str:
        """The name of the component for the items of an array."""
        name = f"{within}{component_name(row.name, prefix='')}Item"
        if not row.items:
            self._unsure(f"{row.name}: the page does not say what its items are; any object is allowed")
        about = todo(f"what one item of {row.name} is.")
        self._items[name] = self._object(row.items, about, name.removesuffix("Item"), {"x-source": "page"})
        return name


KNOWN_STATUSES = {200, 400, 401, 403, 404, 405, 406, 410, 422, 429, 500, 502, 504}


def component_name(text: str, prefix: str = "Model") -> str:
    """`paper-press` is `PaperPress`, `flux-1.1-pro` is `Flux11Pro`; what begins with a digit gets a prefix."""
    words = re.findall(r"[A-Za-z0-9]+", text)
    name = "".join(word[0].upper() + word[1:] for word in words)
    return name if not prefix or name[:1].isalpha() else f"{prefix}{name}"


def title_of(slug: str) -> str:
    return " ".join(word[0].upper() + word[1:] for word in re.split(r"[-_]+", slug) if word)


def todo(text: str) -> Any:
    """A description that the linters refuse until a person has written it."""
    line = f"TODO: {text}"
    if len(line) < LINE_LENGTH - len("          description: ''"):
        return DoubleQuotedScalarString(line)
    return LiteralScalarString("\n".join(textwrap.wrap(line, LINE_LENGTH - 12, break_long_words=False)) + "\n")


def quoted(value: Any) -> Any:
    """A text, in quotes wherever some reader of YAML could take it for something else."""
    if not isinstance(value, str):
        return value
    is_plain = PLAIN.fullmatch(value) and value.lower() not in SAYS_SOMETHING_IN_YAML and value == value.strip()
    return value if is_plain else DoubleQuotedScalarString(value)


def flow_all(value: Any) -> Any:
    """A default; lists in it stay on their line."""
    return listed([flow_all(item) for item in value]) if is_list(value) else quoted(value)


def flow(values: Iterable[Any]) -> Any:
    node: Any = CommentedSeq(values)
    node.fa.set_flow_style()
    return node


def listed(values: list[Any]) -> Any:
    """On one line if there is room, else a line each."""
    width = sum(len(json.dumps(value, ensure_ascii=False)) + 2 for value in values)
    return flow(values) if width < LINE_LENGTH - len("            enum: []") else CommentedSeq(values)


def reference(place: str) -> Any:
    return CommentedMap({"$ref": DoubleQuotedScalarString(place)})


def amount_node(amount: Amount) -> Any:
    low, high = (int(value) if value.is_integer() else value for value in (amount.low, amount.high))
    node: Any = CommentedMap({"value": low} if low == high else {"from": low, "to": high})
    node["source"] = "page"
    node.fa.set_flow_style()
    return node


def example_of_object(rows: Iterable[Parameter]) -> Any:
    return CommentedMap([(quoted(row.name), example_of(row)) for row in rows])


def example_of(row: Parameter) -> Any:
    """A value that the row allows, in words of our own where it takes any."""
    if row.kind.is_array:
        if row.kind.name == "object":
            return CommentedSeq([example_of_object(row.items)])
        return CommentedSeq([scalar_example(row)])
    if row.default is not UNSAID and not row.required and not is_longer_than_a_line(row.default):
        return flow_all(row.default)
    return scalar_example(row)


def scalar_example(row: Parameter) -> Any:
    if row.values:
        return quoted(row.values[0])
    if row.kind.name == "string":
        uri = DoubleQuotedScalarString("https://example.com/picture.png")
        return uri if row.kind.format else "a paper boat on a rain puddle" if "prompt" in row.name else "words"
    if row.kind.name == "boolean":
        return True
    if row.kind.name == "object":
        return CommentedMap()
    bound = row.minimum if row.minimum is not None else row.maximum
    return 1 if bound is None else bound
