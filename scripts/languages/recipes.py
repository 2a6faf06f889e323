"""Reads the recipes: how a generator and its program are set up, run and explained."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CLIENTS = ROOT / "clients"
EDITIONS = "../../generated/segmind_openapi"
"""The folder of the editions, as the commands of a recipe name it."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a generator makes a client from an edition of the contract, and how the program that uses it is run.

    The commands are lines of bash, run in the folder of the recipe, as a person would type them.
    """

    folder: Path
    language: str
    generator: str
    version: str
    pinned_in: str
    """The file that pins the version, relative to the folder."""
    edition: str
    why: str
    """Why this edition and these options."""
    needs: dict[str, str]
    """What a machine must have, each with a command that succeeds where it does."""
    generate: Sequence[str]
    build: Sequence[str] = ()
    run: str | None = None
    """Starts the program; None if it is generated only."""
    waiting: str | None = None
    """The file with the waiting loop and the rule of what may be sent again."""
    harmless: dict[str, str] = field(default_factory=dict[str, str])
    """Warnings of the generator, by a part of their text, each with the reason why it is none here."""
    quick: bool = False
    """Whether `make test` runs it."""

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def commands(self) -> list[str]:
        return [*self.generate, *self.build]

    @property
    def waiting_path(self) -> str | None:
        """The file with the waiting loop, relative to the root."""
        return self.waiting and str((self.folder / self.waiting).resolve().relative_to(ROOT))


def read_recipes(clients: Path = CLIENTS) -> list[Recipe]:
    """All recipes, by the names of their folders."""
    return [
        Recipe(folder=path.parent, **tomllib.loads(path.read_text())) for path in sorted(clients.glob("*/recipe.toml"))
    ]
