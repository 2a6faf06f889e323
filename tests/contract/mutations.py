"""Small changes of the contract, one at a time, over the whole of it.

    PYTHONPATH=scripts python -m tests.contract.mutations

makes each of them, generates from it, and prints how many of each kind the facts caught, in the contract and in the
generated Python. That takes a quarter of an hour; it exits with 1 if anything got through.
"""

from __future__ import annotations

import ast
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from generate import generate
from generator.contract import GenerationError, is_list, is_mapping, load_contract, pointer
from generator.views import ROLES, SOURCES
from tests.conftest import ROOT
from tests.contract.facts import Facts, deviations, is_fact, spelled_out, without_models_from_pages
from tests.contract.generated_facts import broken_claims

Place = tuple[str | int, ...]

NAMES = {
    "properties": "property",
    "headers": "header",
    "responses": "status",
    "content": "media type",
    "links": "link",
    "parameters": "link parameter",
    "paths": "path",
}
"""Keywords below which keys are names, and of what."""
OTHER_NAMES = {"status": "418", "media type": "application/xml", "method": "put"}
OTHER_TYPES = {"string": "integer", "integer": "number", "number": "integer", "apiKey": "http"}
ABSENT_BY_TYPE: dict[str, Facts] = {
    "string": {"enum": ["words"], "maxLength": 9, "format": "date", "default": "words"},
    "integer": {"minimum": 1, "maximum": 9, "default": 7},
    "number": {"minimum": 1, "maximum": 9, "default": 7},
}
"""What a schema of a type could have, and may not."""


class Mutation(NamedTuple):
    kind: str
    place: Place
    entries: Facts
    """What takes the place of the entry there."""

    def of(self, document: Facts) -> Facts:
        """A copy with the change."""
        copy: Facts = json.loads(json.dumps(document))
        parent: Any = copy
        for part in self.place[:-1]:
            parent = parent[part]
        parent.pop(self.place[-1], None)
        parent.update(self.entries)
        return copy

    def __str__(self) -> str:
        return f"{self.kind} {self.pointer}"

    @property
    def pointer(self) -> str:
        return pointer(*map(str, self.place))

    @property
    def names(self) -> set[str]:
        """What says where it is: a deviation has to name one of them."""
        key = self.place[-2] if self.place[-1] == "$ref" else self.place[-1]
        return {str(key), *self.entries}


def mutations(document: Facts) -> Iterator[Mutation]:
    """Every small change of a contract that changes what it says of the service."""
    for keyword, other in (("servers", {"url": "https://service.example"}), ("security", {})):
        first, *rest = document[keyword]
        yield Mutation(f"{keyword}: one dropped", (keyword,), {keyword: rest})
        yield Mutation(f"{keyword}: one added", (keyword,), {keyword: [other, first, *rest]})
    yield from changes(document["servers"][0], ("servers", 0), document)
    yield from changes(document["paths"], ("paths",), document, names="path")
    sections = document["components"]
    for section, components in ((name, it) for name, it in sections.items() if is_fact(name, it)):
        for name, component in components.items():
            yield from changes(component, ("components", section, name), document)


def changes(node: Facts, place: Place, document: Facts, *, names: str | None = None) -> Iterator[Mutation]:
    """Changes of an object and of what is below it; `names` says what its keys name, if they are no keywords."""
    for key, value in node.items():
        is_name = names is not None and (names, key) != ("method", "parameters")
        if not is_name and not is_fact(key, value):
            continue
        kind, here = names if is_name else key, (*place, key)
        yield Mutation(f"{kind}: dropped", here, {})
        if is_name:
            other = OTHER_NAMES.get(str(names), f"{key}_x")
            yield Mutation(f"{kind}: renamed", here, {other: value})
            # Another path may be that of another model.
            if key == next(iter(node)) and names != "path":
                yield Mutation(f"{kind}: added", here, {key: value, other: value})
        for change, changed in other_values(key, value, node, document):
            yield Mutation(f"{kind}: {change}", here, {key: changed})
        if is_mapping(value):
            below = None if is_name and names != "path" else "method" if is_name else NAMES.get(key)
            yield from changes(dict(value), here, document, names=below)
        elif is_list(value) and key == "parameters":
            for index, item in enumerate(value):
                yield from changes(item, (*here, index), document)
    if names is None:
        for keyword, value in absent(node, place).items():
            yield Mutation(f"{keyword}: added", (*place, keyword), {keyword: value})


def other_values(key: str, value: Any, node: Facts, document: Facts) -> Iterator[tuple[str, Any]]:
    if isinstance(value, bool):
        yield "turned round", not value
    elif isinstance(value, int | float):
        yield "raised", value + 1
        yield "lowered", value - 1
    elif key == "$ref":
        yield from (("changed", other) for other in other_references(value, document)[-1:])
    elif isinstance(value, str):
        yield "changed", other_text(key, value, node, document)
    elif is_list(value):
        if len(value) > 1:
            yield from (("one dropped", [other for other in value if other != item]) for item in value)
        for item in {"required": node.get("properties", ()), "type": ["boolean"]}.get(key, ["words"]):
            if item not in value:
                yield "one added", [*value, item]
        if key in ("enum", "x-enum-varnames"):
            yield "reordered", value[::-1]


def other_text(key: str, value: str, node: Facts, document: Facts) -> str:
    match key:
        case "type":
            return OTHER_TYPES.get(value, "string")
        case "x-source" | "source":
            return following(value, SOURCES)
        case "x-role":
            return following(value, ROLES)
        case "default":
            return following(value, spelled_out(node, document).get("enum", [value, f"{value}x"]))
        case "operationId" if "responses" not in node:
            return following(value, ("getJobStatus", "getJobResult", "getUserCredits"))
        case "in":
            return following(value, ("header", "query", "path"))
        case _:
            return f"{value}x"


def following(value: str, values: Sequence[str]) -> str:
    return values[(values.index(value) + 1) % len(values)]


def other_references(reference: str, document: Facts) -> list[str]:
    """The components of the same section that differ in more than their wording, and responses in their bodies."""
    section, _, _ = reference.rpartition("/")
    others = [f"{section}/{name}" for name in document["components"][section.rpartition("/")[2]]]
    facts, *others_facts = [spelled_out({"$ref": place}, document) for place in (reference, *others)]
    return [
        other
        for other, found in zip(others, others_facts, strict=True)
        if found.get("content", found) != facts.get("content", facts)
    ]


def absent(node: Facts, place: Place) -> Facts:
    """Keywords that an object does not have and could have."""
    could: Facts = {}
    if place[-2] in ("properties", "headers", "responses", "content", "schemas"):
        could["x-source"] = "inferred"
    if {"enum", "const"}.isdisjoint(node):
        could |= ABSENT_BY_TYPE.get(str(node.get("type")), {})
    if "properties" in node:
        could["required"] = list(node["properties"])[:1]
    if "responses" in node:
        could["security"] = []
    return {keyword: value for keyword, value in could.items() if keyword not in node}


@cache
def the_contract() -> Facts:
    """The contract with the models whose facts are written down apart from it."""
    document = without_models_from_pages(load_contract(ROOT / "openapi" / "segmind.yaml").document)
    copy: Facts = json.loads(json.dumps(document))
    return copy


def broken_claims_from(document: Facts) -> list[str] | None:
    """What Python that is generated from a contract does otherwise than is documented.

    None if its code is that of the contract. Raises GenerationError.
    """
    with tempfile.TemporaryDirectory() as root:
        # The name of a package that no other import has had.
        folder = Path(tempfile.mkdtemp(prefix="generated_", dir=root))
        changed = folder / "segmind.yaml"
        # JSON is YAML.
        changed.write_text(json.dumps(document), encoding="utf-8")
        generate(changed, folder / "new")
        if code_below(folder / "new") == code_of_the_contract():
            return None
        sys.path.insert(0, root)
        try:
            return broken_claims(f"{folder.name}.new.segmind_api")
        finally:
            sys.path.remove(root)


@cache
def code_of_the_contract() -> dict[Path, str]:
    with tempfile.TemporaryDirectory() as folder:
        contract = Path(folder) / "segmind.yaml"
        contract.write_text(json.dumps(the_contract()), encoding="utf-8")
        generate(contract, Path(folder) / "new")
        return code_below(Path(folder) / "new")


def code_below(folder: Path) -> dict[Path, str]:
    """Modules without their docstrings."""
    return {path.relative_to(folder): code_of(path) for path in folder.rglob("*.py")}


def code_of(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [item for item in node.body if not is_docstring(item)]
    return ast.dump(tree)


def is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


CAUGHT = {
    "in Python": "the facts of the contract and the behaviour of the generated Python",
    "in the contract": "the facts of the contract; the generated code is the same",
    "refused": "the facts of the contract; nothing is generated",
}
SURVIVED = {
    "unseen": "by the facts of the contract",
    "behaves": "the generated code is another, and does all that is documented",
    "crashed": "the generator neither generated nor said why",
}


def outcome(mutation: Mutation) -> str:
    document = mutation.of(the_contract())
    if not deviations(document):
        return "unseen"
    try:
        broken = broken_claims_from(document)
    except GenerationError:
        return "refused"
    except Exception:  # Not every one of those that the generator's parts raise can be sent between processes.
        return "crashed"
    return "in the contract" if broken is None else "in Python" if broken else "behaves"


def main() -> int:
    made = list(mutations(the_contract()))
    # A process keeps the modules of every package that it has imported.
    with get_context("spawn").Pool(maxtasksperchild=50) as pool:
        outcomes = list(pool.imap(outcome, made))
    counts = Counter(zip((mutation.kind for mutation in made), outcomes, strict=True))
    columns = [*CAUGHT, *SURVIVED]
    print(f"{'mutation':<28}{'made':>6}", *(f"{name:>15}" for name in columns))
    for kind in dict.fromkeys(mutation.kind for mutation in made):
        numbers = [counts[kind, name] for name in columns]
        print(f"{kind:<28}{sum(numbers):>6}", *(f"{number:>15}" for number in numbers))
    totals = Counter(outcomes)
    print(f"{'all':<28}{len(made):>6}", *(f"{totals[name]:>15}" for name in columns))
    survivors = [(found, mutation) for found, mutation in zip(outcomes, made, strict=True) if found in SURVIVED]
    for found, mutation in survivors:
        print(f"{found}: {mutation}")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
