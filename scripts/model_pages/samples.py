"""The names of parameters in a page's sample code, which tell where a name begins that is run together with a text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

BODY = re.compile(
    r"""
      \b(?:data|payload|json|body)\s*[=:]\s*(?:JSON\.stringify\(\s*)?(?P<code>\{)
    | JSON\.stringify\(\s*(?P<code2>\{)
    | (?:-d|--data(?:-raw|-binary)?)\s+\$?['"]?\s*(?P<shell>\{)
    | \b(?:run|run_sync|submit_async)(?P<call>\()
    """,
    re.VERBOSE,
)
TOKEN = re.compile(
    r"""(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?P<word>[^\W\d]\w*)|(?P<mark>[{}()\[\],:=])"""
)
SHELL_TOKEN = re.compile(r"""(?P<text>"(?:[^"\\\n]|\\.)*")|(?P<word>[^\W\d]\w*)|(?P<mark>[{}()\[\],:=])|(?P<end>')""")
CLOSING = {"}": "{", ")": "(", "]": "["}
COMMENT = re.compile(r"(?:\#|//).*")


@dataclass
class Names:
    """Names that the sample code sends."""

    top: set[str] = field(default_factory=set[str])
    """Of parameters."""
    inside: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    """Of the properties of a parameter's items, by the parameter."""

    @property
    def every(self) -> set[str]:
        return self.top.union(*self.inside.values())


def names_in(text: str) -> Names:
    """Whatever the code is, its names are found where its brackets and strings can be followed to the end."""
    found = Names()
    end = 0
    for start in BODY.finditer(text):
        if start.start() < end:
            continue
        position = start.end() - 1
        paths, after = keys(text, position, is_shell=start["shell"] is not None, is_call=start["call"] is not None)
        if after is None:
            continue
        end = after
        for path in paths:
            if len(path) == 1:
                found.top.add(path[0])
            elif len(path) == 2:
                found.inside.setdefault(path[0], set()).add(path[1])
    return found


def keys(text: str, position: int, *, is_shell: bool, is_call: bool) -> tuple[list[tuple[str, ...]], int | None]:
    """The keys of a literal, each with those that it is inside of, and where it ends; None if it does not."""
    token = SHELL_TOKEN if is_shell else TOKEN
    found: list[tuple[str, ...]] = []
    brackets: list[str] = []
    path: list[str] = []
    last: str | None = None
    while position < len(text):
        comment = None if is_shell else COMMENT.match(text, position)
        match = None if comment else token.match(text, position)
        if match is None:
            position = comment.end() if comment else position + 1
            continue
        position = match.end()
        mark = match["mark"]
        if is_shell and match["end"]:
            break
        if mark is None:
            last = match["text"][1:-1] if match["text"] else match["word"]
            continue
        if mark in CLOSING.values():
            brackets.append(mark)
            path.append("")
        elif mark in CLOSING:
            if brackets.pop() != CLOSING[mark]:
                break
            path.pop()
            if not brackets:
                return found, position
        elif last is not None and mark == ("=" if is_call and len(path) == 1 else ":") and brackets[-1] != "[":
            path[-1] = last
            found.append(tuple(name for name in path if name))
        last = None
    return found, None
