"""Click classes that name what a misspelt command, model or value may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click


def suggestion(word: str, words: Iterable[str]) -> str:
    from difflib import get_close_matches

    names = {name.lower(): name for name in words}
    close = get_close_matches(word.lower(), names, n=1, cutoff=0.5)
    return f" Did you mean {names[close[0]]}?" if close else ""


class Group(click.Group):
    """A group that names the command that a misspelt one may have meant."""

    what = "command"

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and not name.startswith("-") and self.get_command(ctx, name) is None:
            ctx.fail(f"There is no {self.what} {name!r}.{suggestion(name, self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


class Choice(click.Choice[str]):
    """A choice that names the value that a misspelt one may have meant."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        return f"{super().get_invalid_choice_message(value, ctx)}{suggestion(str(value), map(str, self.choices))}"
