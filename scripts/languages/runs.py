"""Runs a recipe against the double and compares what came out with what is expected."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from languages.expectations import Expectations, read_output
from languages.recipes import CLIENTS, EDITIONS, Recipe
from languages.scenarios import SCENARIOS, ScenarioApp
from segmind_mock import DEFAULT_KEY, serve

STEP_SECONDS = 1200.0
"""For one command; the first build of the Rust program takes minutes."""
OUTPUT_IN_MESSAGES = 4000
"""Characters of what a command printed."""
SAVED_IMAGE = "v1.png"
"""The file in which a program saves the bytes of its v1 call, in the folder that is its argument."""


class StepError(Exception):
    """A command of a recipe failed; the message has its output."""


@dataclass
class Report:
    """How a recipe fared. It is as expected if nothing is missing and there are no problems."""

    recipe: Recipe
    missing: list[str] = field(default_factory=list[str])
    problems: list[str] = field(default_factory=list[str])
    lines: int = 0
    """Lines that are as expected."""
    seconds: float = 0.0

    @property
    def is_as_expected(self) -> bool:
        return not self.missing and not self.problems


def run_recipe(recipe: Recipe, expectations: Expectations, editions: Path | None = None) -> Report:
    """Generates, builds and runs; `editions` is a folder with editions of another contract."""
    report = Report(recipe)
    started = time.monotonic()
    report.missing = [name for name, probe in recipe.needs.items() if not succeeds(probe, recipe.folder)]
    if not report.missing:
        try:
            report.problems.extend(make(recipe, editions))
            if recipe.run is not None:
                report.lines = run_program(recipe, recipe.run, expectations, report.problems)
        except StepError as error:
            report.problems.append(str(error))
    report.seconds = time.monotonic() - started
    return report


def make(recipe: Recipe, editions: Path | None = None) -> Iterator[str]:
    """Generates and builds; yields a problem for each warning of the generator. Raises StepError."""
    shutil.rmtree(recipe.folder / "generated", ignore_errors=True)
    (recipe.folder / "generated").mkdir()
    for command in recipe.generate:
        printed = step(command if editions is None else command.replace(EDITIONS, str(editions)), recipe.folder)
        yield from (f"warning of the generator: {line}" for line in printed.splitlines() if is_warning(line, recipe))
    for command in recipe.build:
        step(command, recipe.folder)


def is_warning(line: str, recipe: Recipe) -> bool:
    return "warn" in line.lower() and not any(text in line for text in recipe.harmless)


def run_program(recipe: Recipe, command: str, expectations: Expectations, problems: list[str]) -> int:
    app = ScenarioApp()
    saved = recipe.folder / "generated" / SAVED_IMAGE
    with serve(app) as url, closed_port() as closed_url:
        environment = {"SEGMIND_BASE_URL": url, "SEGMIND_CLOSED_URL": closed_url, "SEGMIND_API_KEY": DEFAULT_KEY}
        output = step(f"{command} generated", recipe.folder, environment)
    expected, printed = expectations.of(recipe.name), read_output(output)
    problems.extend(differences(expected, printed))
    problems.extend(problems_at_the_double(app, saved))
    return sum(printed.get(name) == outcome for name, outcome in expected.items())


def differences(expected: Mapping[str, str], printed: Mapping[str, str]) -> Iterator[str]:
    for name, outcome in expected.items():
        if name not in printed:
            yield f"{name}: not printed, expected {outcome!r}"
        elif printed[name] != outcome:
            yield f"{name}: printed {printed[name]!r}, expected {outcome!r}"
    yield from (f"{name}: printed, but not expected" for name in printed.keys() - expected.keys())


def problems_at_the_double(app: ScenarioApp, saved: Path) -> Iterator[str]:
    """What the double received that differs from what a program has to send."""
    for name, scenario in SCENARIOS.items():
        if scenario.posts is not None and app.posts(name) != scenario.posts:
            yield f"scenario {name}: {app.posts(name)} POSTs were sent, expected {scenario.posts}"
    sent, expected = app.bodies["parameters"], read_parameters()
    yield from (
        f"scenario parameters: {path} was sent {sent.get(path)}, expected {body}"
        for path, body in expected.items()
        if sent.get(path) != body
    )
    if not saved.exists() or saved.read_bytes() != app.images.get("v1-image"):
        yield f"scenario v1-image: {SAVED_IMAGE} is not the image that the double sent"


def read_parameters() -> dict[str, Any]:
    """What every program sends to each model, by path."""
    parameters: dict[str, Any] = json.loads((CLIENTS / "parameters.json").read_text())
    return parameters


@contextmanager
def closed_port() -> Generator[str]:
    """A URL at which nothing listens: a port that is taken, so that no other process listens there meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def succeeds(command: str, folder: Path) -> bool:
    try:
        step(command, folder)
    except StepError:
        return False
    return True


def step(command: str, folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """What a command printed on both outputs. Raises StepError if it failed."""
    try:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],  # noqa: S607  the bash of whoever runs this
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=STEP_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise StepError(f"{command}: not done after {STEP_SECONDS:.0f} seconds") from error
    if done.returncode:
        raise StepError(f"{command}: ended with {done.returncode}\n{done.stdout[-OUTPUT_IN_MESSAGES:]}")
    return done.stdout
