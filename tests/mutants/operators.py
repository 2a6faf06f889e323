"""The mistakes that are made: those of mutmut's operators that a person might make, and two of our own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import attrs
import libcst as cst
import libcst.matchers as m
from libcst.metadata import MetadataWrapper, ParentNodeProvider, PositionProvider
from mutmut.mutation import mutators

Operator = Callable[[Any], Iterable[cst.CSTNode]]


def forgotten_keyword(call: cst.Call) -> Iterator[cst.Call]:
    """mutmut leaves out positional arguments too, which is nearly always a TypeError."""
    for index, argument in enumerate(call.args):
        if argument.keyword is not None:
            yield call.with_changes(args=[*call.args[:index], *call.args[index + 1 :]])


def other_text(string: cst.SimpleString) -> Iterator[cst.CSTNode]:
    """mutmut changes the case as well, and prose, whose wording no test is to repeat."""
    if " " not in string.value:
        yield from list(mutators.operator_string(string))[:1]


def forgotten_branch(branch: cst.If) -> Iterator[cst.If]:
    for value in ("False", "True"):
        yield branch.with_changes(test=cst.Name(value))


def forgotten_statement(line: cst.SimpleStatementLine) -> Iterator[cst.SimpleStatementLine]:
    if (
        len(line.body) == 1
        and isinstance(line.body[0], cst.Expr)
        and not isinstance(line.body[0].value, cst.BaseString | cst.Ellipsis)
    ):
        yield line.with_changes(body=[cst.Pass()])


OPERATORS: tuple[tuple[type[cst.CSTNode], Operator], ...] = (
    (cst.BaseNumber, mutators.operator_number),
    (cst.Name, mutators.operator_name),
    (cst.UnaryOperation, mutators.operator_remove_unary_ops),
    (cst.Call, mutators.operator_symmetric_string_methods_swap),
    (cst.CSTNode, mutators.operator_keywords),
    (cst.CSTNode, mutators.operator_swap_op),
    (cst.IfExp, mutators.operator_if_exp),
    (cst.SimpleString, other_text),
    (cst.Call, forgotten_keyword),
    (cst.If, forgotten_branch),
    (cst.SimpleStatementLine, forgotten_statement),
)
NOT_LOOKED_INTO = (cst.Annotation, cst.Import, cst.ImportFrom, cst.TypeAlias)


@attrs.frozen
class Mutant:
    """A module with one mistake."""

    module: cst.Module
    node: cst.CSTNode
    mistake: cst.CSTNode
    lines: range
    """Of the statement, or of the head of a compound one."""
    function: range
    """Lines of the function that it is in; empty outside of functions."""
    scope: str
    """Class and function."""
    names: tuple[str, ...]
    """What the statement assigns, outside of classes and functions."""

    @property
    def code(self) -> str:
        return str(self.module.deep_replace(self.node, self.mistake).code)  # type: ignore[attr-defined]


def mutants(code: str) -> list[Mutant]:
    """All mutants of a module, in the order of its lines."""
    wrapper = MetadataWrapper(cst.parse_module(code))
    positions = wrapper.resolve(PositionProvider)
    parents = wrapper.resolve(ParentNodeProvider)
    found: list[Mutant] = []

    def lines_of(node: cst.CSTNode) -> range:
        position = positions[node]
        return range(position.start.line, position.end.line + 1)

    def look_into(node: cst.CSTNode) -> None:
        if isinstance(node, NOT_LOOKED_INTO) or m.matches(node, m.Call(func=m.Name("TypeVar"))):
            return
        for kind, operator in OPERATORS:
            if isinstance(node, kind):
                found.extend(describe(node, mistake) for mistake in operator(node))
        for child in node.children:
            look_into(child)

    def describe(node: cst.CSTNode, mistake: cst.CSTNode) -> Mutant:
        above: list[cst.CSTNode] = [node]
        while (parent := parents.get(above[-1])) is not None:
            above.append(parent)
        scopes = [it for it in above if isinstance(it, cst.FunctionDef | cst.ClassDef)]
        functions = [it for it in scopes if isinstance(it, cst.FunctionDef)]
        statement = next((it for it in above if isinstance(it, cst.SimpleStatementLine)), None)
        # What belongs to a compound statement belongs to its head.
        lines = lines_of(statement or (node.test if isinstance(node, cst.If) else node))
        return Mutant(
            module=wrapper.module,
            node=node,
            mistake=mistake,
            lines=lines,
            function=lines_of(functions[0]) if functions else range(0),
            scope=".".join(it.name.value for it in reversed(scopes)),
            names=() if statement is None or scopes else tuple(assigned(statement)),
        )

    look_into(wrapper.module)
    return found


def assigned(statement: cst.SimpleStatementLine) -> Iterator[str]:
    for part in statement.body:
        targets = [it.target for it in part.targets] if isinstance(part, cst.Assign) else []
        for target in [part.target] if isinstance(part, cst.AnnAssign) else targets:
            if isinstance(target, cst.Name):
                yield target.value
