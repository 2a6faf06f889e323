"""Reads clients/expected.txt, which says what every program prints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

OUTCOME = re.compile(r"(?:\[(?P<target>[a-z0-9-]+)\] )?(?P<name>[^:\[]+): (?P<outcome>.+?)(?:  # (?P<reason>.+))?")


@dataclass(frozen=True)
class Shortfall:
    """What a generator cannot do."""

    outcome: str
    reason: str


@dataclass(frozen=True)
class Expectations:
    """What the programs print."""

    lines: Mapping[str, str]
    """The outcome of each line, by its name, in the order in which the lines are printed."""
    shortfalls: Mapping[str, Mapping[str, Shortfall]] = field(default_factory=dict[str, dict[str, Shortfall]])
    """By target and by the name of the line that is another for it."""

    def of(self, target: str) -> dict[str, str]:
        shortfalls = self.shortfalls.get(target, {})
        return {
            name: shortfalls[name].outcome if name in shortfalls else outcome for name, outcome in self.lines.items()
        }


def read_expectations(path: Path) -> Expectations:
    """Raises ValueError for a line in another form, a name that is there twice and a shortfall without a reason."""
    lines: dict[str, str] = {}
    shortfalls: dict[str, dict[str, Shortfall]] = {}
    for number, text in enumerate(path.read_text().splitlines(), 1):
        if not text or text.startswith("#"):
            continue
        match = OUTCOME.fullmatch(text)
        if match is None:
            raise ValueError(f"{path.name}:{number}: expected NAME: OUTCOME or [TARGET] NAME: OUTCOME  # REASON")
        target, name, outcome, reason = match.group("target", "name", "outcome", "reason")
        known = lines if target is None else shortfalls.setdefault(target, {})
        if name in known:
            raise ValueError(f"{path.name}:{number}: {name!r} is there twice")
        if target is None:
            lines[name] = outcome
        elif name not in lines or not reason:
            raise ValueError(
                f"{path.name}:{number}: expected the name of a line above, and a reason after two spaces and #"
            )
        else:
            shortfalls[target][name] = Shortfall(outcome, reason)
    return Expectations(lines, shortfalls)


def read_output(output: str) -> dict[str, str]:
    """The lines that a program printed."""
    return dict(line.split(": ", 1) for line in output.splitlines() if ": " in line)
