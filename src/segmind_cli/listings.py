"""The commands that print what the contract and a double know: models, spec and journal."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from importlib.resources import as_file, files
from typing import Any

import click

from segmind_cli import contract
from segmind_cli.options import settings_of, shown, with_settings
from segmind_cli.output import is_list, is_object, print_data, print_json, print_table
from segmind_cli.suggestions import suggestion

DEFAULT_EDITION = "segmind.json"
LONGEST_WAIT_SECONDS = 10.0
"""For the journal of a double."""
LARGEST_JOURNAL = 200_000_000
"""Bytes."""


def complete_models(_context: click.Context, _argument: click.Parameter, beginning: str) -> list[str]:
    return [slug for slug in contract.slugs() if slug.startswith(beginning)]


def complete_editions(_context: click.Context, _argument: click.Parameter, beginning: str) -> list[str]:
    return [edition for edition in editions() if edition.startswith(beginning)]


@click.command
@click.argument("model", required=False, metavar="[MODEL]", shell_complete=complete_models)
@click.pass_context
def models(context: click.Context, model: str | None) -> None:
    """Print the models of the contract, or the parameters of one."""
    settings = settings_of(context)
    slugs = contract.slugs()
    if model is not None and model not in slugs:
        raise click.UsageError(f"There is no model {model!r}.{suggestion(model, slugs)}")
    if settings.json:
        found = [as_json(contract.model(slug)) for slug in ([model] if model else slugs)]
        print_json(found[0] if model else found)
    elif model:
        print_parameters(contract.model(model))
    else:
        print_table(
            ["model", "makes", "dollars", "seconds", "parameters"],
            [
                [
                    it.slug,
                    it.output,
                    str(it.price or ""),
                    str(it.latency or ""),
                    ", ".join(p.name for p in it.parameters),
                ]
                for it in map(contract.model, slugs)
            ],
        )


def print_parameters(model: contract.Model) -> None:
    rows = [
        [
            parameter.name,
            "required" if parameter.required else shown(parameter.schema.get("default", "")),
            values_of(parameter),
            parameter.schema.get("description", ""),
        ]
        for parameter in model.parameters
    ]
    print_table(["parameter", "default", "values", "meaning"], rows)


def values_of(parameter: contract.Parameter) -> str:
    if parameter.values:
        return ", ".join(map(shown, parameter.values))
    low, high = parameter.schema.get("minimum"), parameter.schema.get("maximum")
    if low is None and high is None:
        return parameter.kind
    return f"{parameter.kind} {'' if low is None else low} to {'' if high is None else high}"


def as_json(model: contract.Model) -> dict[str, Any]:
    return {
        "slug": model.slug,
        "makes": model.output,
        "description": model.description,
        "price_usd": model.price and model.price._asdict(),
        "latency_seconds": model.latency and model.latency._asdict(),
        "parameters": [
            {"name": parameter.name, "required": parameter.required, "schema": parameter.schema}
            for parameter in model.parameters
        ],
    }


def editions() -> list[str]:
    found = [entry.name for entry in files(contract.EDITIONS_PACKAGE).iterdir()]
    return sorted(name for name in found if name.endswith((".json", ".yaml")))


@click.command
@click.argument("edition", required=False, metavar="[EDITION]", shell_complete=complete_editions)
@click.option("--path", is_flag=True, help="Print the path of the file instead of its text.")
@click.option("--list", "lists", is_flag=True, help="Print the names of the editions.")
@click.pass_context
def spec(context: click.Context, edition: str | None, *, path: bool, lists: bool) -> None:
    """Print the contract, or another edition of it."""
    known = editions()
    if lists:
        print_json(known) if settings_of(context).json else print_data("\n".join(known))
        return
    edition = edition or DEFAULT_EDITION
    if edition not in known:
        raise click.UsageError(f"There is no edition {edition!r}.{suggestion(edition, known)} See: segmind spec --list")
    found = files(contract.EDITIONS_PACKAGE) / edition
    if path:
        with as_file(found) as file:
            print_json({"path": str(file)}) if settings_of(context).json else print_data(str(file))
        return
    text = found.read_text(encoding="utf-8")
    if settings_of(context).json and not edition.endswith(".json"):
        print_json({"text": text})
    else:
        print_data(text.rstrip("\n"))


def rows_of(url: str, wanted: dict[str, Any]) -> list[dict[str, Any]]:
    """The journal of a double. Raises ClickException."""
    import httpx

    from segmind_api.client import BASE_URL

    if url.startswith(BASE_URL):
        raise click.UsageError(f"{url} is the service, which has no journal: name a double with --base-url")
    token = os.environ.get("SEGMIND_MOCK_ADMIN_TOKEN")
    headers = {"authorization": f"Bearer {token}"} if token else {}
    try:
        with httpx.stream(
            "GET", f"{url}/_mock/journal", params=wanted, headers=headers, timeout=LONGEST_WAIT_SECONDS, trust_env=False
        ) as response:
            response.raise_for_status()
            return checked_rows(json.loads(received(response.iter_bytes())))
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise click.ClickException(f"No journal of a double at {url}: {error}") from error


def received(pieces: Iterator[bytes]) -> bytes:
    """A body. Raises ValueError for one that is too large or too slow."""
    until, body = time.monotonic() + LONGEST_WAIT_SECONDS, bytearray()
    for piece in pieces:
        body += piece
        if time.monotonic() > until or len(body) > LARGEST_JOURNAL:
            raise ValueError(f"the response is too large, or takes more than {LONGEST_WAIT_SECONDS:g} s")
    return bytes(body)


def checked_rows(rows: object) -> list[dict[str, Any]]:
    if not is_list(rows) or not all(map(is_object, rows)):
        raise ValueError("the response is no list of calls")
    return rows


@click.command
@click.option("--base-url", metavar="URL", help="Of the double.  [env: SEGMIND_BASE_URL]")
@click.option("--status", type=int, help="Only calls with this status.")
@click.option("--operation", help="Only calls of this operation.")
@click.pass_context
def journal(context: click.Context, base_url: str | None, status: int | None, operation: str | None) -> None:
    """Print the calls that a running double has taken."""
    url = base_url or os.environ.get("SEGMIND_BASE_URL")
    if not url:
        raise click.UsageError("Name the double: --base-url http://127.0.0.1:4010, or SEGMIND_BASE_URL")
    wanted = {"status": status, "operation_id": operation}
    rows = rows_of(url.rstrip("/"), {name: value for name, value in wanted.items() if value is not None})
    if settings_of(context).json:
        print_json(rows)
        return
    columns = ("method", "path", "status", "key", "request_id")
    print_table(list(columns), [[str(row.get(column) or "") for column in columns] for row in rows])


COMMANDS: dict[str, click.Command] = {
    "models": with_settings(models),
    "spec": with_settings(spec),
    "journal": with_settings(journal),
}
