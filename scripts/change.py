#!/usr/bin/env python3
"""Says what changed in the contract since its last release, and whether its version and the changelog fit.

    scripts/change.py    exits with 0 if they fit or nothing changed, 1 if not, 2 if the contracts cannot be compared

The last release is `openapi/released/segmind.json`, which `make release` writes. It is a file and not a git tag because
a clone may have no tags, CI's among them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import attrs

ROOT = Path(__file__).resolve().parent.parent
RELEASED = ROOT / "openapi" / "released" / "segmind.json"
CONTRACT = ROOT / "generated" / "segmind_openapi" / "segmind.json"
IMPACTS = ("patch", "minor", "major")
WORDS = {"patch": "compatible", "minor": "addition", "major": "breaking"}
BREAKING_EXTENSIONS = {
    "x-price-usd": "the price changed",
    "x-retention-seconds": "the retention changed",
    "x-output": "the model makes something else",
    "x-key-variable": "the key has another environment variable",
    "x-key-pattern": "keys have another form",
}
NO_CHANGE = ("#/info/version", "#/info/x-edition")
"""What differs between any two releases."""


class ChangeError(Exception):
    """The contracts cannot be compared, or the version or the changelog does not fit."""


@attrs.frozen
class Change:
    """One change, in the terms of a semantic version."""

    impact: str
    audience: str
    """Who meets it: callers, or readers of responses."""
    place: str
    message: str

    def __str__(self) -> str:
        return f"{WORDS[self.impact]:12}{self.audience:22}{self.place}: {self.message}"


def main() -> int:
    options = parse_arguments()
    try:
        if not options.base.exists():
            print(f"{options.base}: no release of the contract yet, so nothing to compare with.")
            return 0
        changes = compare(options.base, options.contract)
    except ChangeError as error:
        print(error, file=sys.stderr)
        return 2
    for change in changes:
        print(change)
    released, version = (version_of(path) for path in (options.base, options.contract))
    try:
        check_version(changes, released, version)
        check_changelog(changes, version, entries(options.changelog))
    except ChangeError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Contract {version}: {len(changes)} changes since {released}.")
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What changed in the contract since its last release.")
    parser.add_argument("--base", type=Path, default=RELEASED)
    parser.add_argument("--contract", type=Path, default=CONTRACT)
    parser.add_argument("--changelog", type=Path, default=ROOT / "CHANGELOG.md")
    return parser.parse_args()


def compare(base: Path, revision: Path) -> list[Change]:
    """The changes, the gravest first. Both files are JSON: redocly does not follow the aliases of YAML."""
    redocly = ROOT / "node_modules" / ".bin" / "redocly"
    options = ("--format", "json", "--fail-on", "none", "--config", ROOT / "redocly.yaml")
    run = subprocess.run(
        [redocly, "diff", base, revision, *options],
        env={**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    try:
        report = json.loads(run.stdout)
    except ValueError as error:
        raise ChangeError(f"redocly diff could not compare {base} with {revision}:\n{run.stderr}") from error
    rated = [rate(change) for change in report["changes"] if not place_of(change).startswith(NO_CHANGE)]
    return sorted(rated, key=lambda change: (-IMPACTS.index(change.impact), change.audience, change.place))


def rate(change: dict[str, Any]) -> Change:
    """A change of redocly's report, with our own rules for what it rates too low."""
    raised = breaks_all_the_same(change)
    return Change(
        impact="major" if raised else change["impact"],
        audience="readers of responses" if "/responses/" in change["path"] else "callers",
        place=place_of(change),
        message="; ".join(filter(None, [raised, *(it["message"] for it in change["verdicts"])]))
        or what_changed(change),
    )


def breaks_all_the_same(change: dict[str, Any]) -> str | None:
    """Why a change is breaking that redocly calls a patch; None if it isn't."""
    in_request = "/requestBody/" in change["path"]
    if in_request and change["kind"] == "removed" and "/properties/" in change["path"]:
        return "a parameter was removed"
    if in_request and change.get("property") == "default" and "value" in change.get("base", {}):
        return what_changed(change)
    for extension, reason in BREAKING_EXTENSIONS.items():
        # Who says it may change, or it may become known, without the thing itself changing.
        known = change["kind"] != "added" and change.get("property") != "source"
        if known and extension in place_of(change).split("/"):
            return f"{reason}: {what_changed(change)}"
    return None


def place_of(change: dict[str, Any]) -> str:
    """The place in the contract itself; redocly's own path is that of the first operation that uses it."""
    revision = change.get("revision", {})
    return str((revision if "value" in revision else change["base"])["pointer"])


def what_changed(change: dict[str, Any]) -> str:
    if change["kind"] != "modified":
        return str(change["kind"])
    before, after = (value_text(change.get(side, {})) for side in ("base", "revision"))
    return f"{change.get('property', 'value')} changed from {before} to {after}"


def value_text(side: dict[str, Any]) -> str:
    return textwrap.shorten(json.dumps(side["value"], ensure_ascii=False), 60) if "value" in side else "nothing"


def version_of(path: Path) -> str:
    return str(json.loads(path.read_text(encoding="utf-8"))["info"]["version"])


def check_version(changes: list[Change], released: str, version: str) -> None:
    """Raises ChangeError for a version that is too low for the changes."""
    if changes and numbers(version) < next_version(released, changes[0].impact):
        impact = changes[0].impact
        least = ".".join(map(str, next_version(released, impact)))
        raise ChangeError(
            f"info.version is {version}; the gravest change ({WORDS[impact]}) since {released} needs {least} or later. "
            "Set it in openapi/segmind.yaml and run make generate."
        )


def next_version(released: str, impact: str) -> tuple[int, int, int]:
    """The least version after a release; before 1.0.0, the second number counts what breaks."""
    major, minor, patch = numbers(released)
    size = IMPACTS.index(impact) - (0 if major else 1)
    if size == 2:
        return major + 1, 0, 0
    return (major, minor + 1, 0) if size == 1 else (major, minor, patch + 1)


def numbers(version: str) -> tuple[int, int, int]:
    match = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", version)
    if match is None:
        raise ChangeError(f"info.version is {version!r}; expected three numbers, such as 0.2.0")
    return int(match[1]), int(match[2]), int(match[3])


def entries(changelog: Path) -> str:
    """The changelog, with the entries of the next release, which wait in changes/ beside it."""
    waiting = sorted((changelog.parent / "changes").glob("*.contract.md"))
    return "".join(
        [*(f"- {path.read_text(encoding='utf-8')}" for path in waiting), changelog.read_text(encoding="utf-8")]
    )


def check_changelog(changes: list[Change], version: str, changelog: str) -> None:
    """Raises ChangeError for a changelog without an entry for the version, or one that hides what breaks."""
    if not changes:
        return
    entry = re.search(rf"^- Contract {re.escape(version)}\b.*?(?=^- |^#|\Z)", changelog, re.MULTILINE | re.DOTALL)
    if entry is None:
        wanted = f'write changes/NAME.contract.md, which begins "Contract {version}: "'
        raise ChangeError(f"the changelog has no entry for the contract: {wanted}")
    if changes[0].impact == "major" and "breaking" not in entry[0].lower():
        raise ChangeError(f'the changelog: the entry "Contract {version}" does not say "breaking", and a change is')


if __name__ == "__main__":
    sys.exit(main())
