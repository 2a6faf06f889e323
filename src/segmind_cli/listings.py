"""The commands that print what the contract and a double know: models, spec and journal."""

from __future__ import annotations

import os
from importlib.resources import as_file, files
from typing import Any

import click

from segmind_cli import contract
from segmind_cli.options import settings_of, shown, with_settings
from segmind_cli.output import print_data, print_json, print_table
from segmind_cli.suggestions import suggestion

DEFAULT_EDITION = "segmind.json"
LONGEST_WAIT_SECONDS = 10.0


@click.command
@click.argument("model", required=False, metavar="[MODEL]")
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
@click.argument("edition", required=False, metavar="[EDITION]")
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


@click.command
@click.option("--base-url", metavar="URL", help="Of the double.  [env: SEGMIND_BASE_URL]")
@click.option("--status", type=int, help="Only calls with this status.")
@click.option("--operation", help="Only calls of this operation.")
@click.pass_context
def journal(context: click.Context, base_url: str | None, status: int | None, operation: str | None) -> None:
    """Print the calls that a running double has taken."""
    import httpx

    url = base_url or os.environ.get("SEGMIND_BASE_URL")
    if not url:
        raise click.UsageError("Name the double: --base-url http://127.0.0.1:4010, or SEGMIND_BASE_URL")
    wanted = {"status": status, "operation_id": operation}
    token = os.environ.get("SEGMIND_MOCK_ADMIN_TOKEN")
    try:
        response = httpx.get(
            f"{url.rstrip('/')}/_mock/journal",
            params={name: value for name, value in wanted.items() if value is not None},
            headers={"authorization": f"Bearer {token}"} if token else {},
            timeout=LONGEST_WAIT_SECONDS,
            trust_env=False,
        )
        rows: list[dict[str, Any]] = response.raise_for_status().json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise click.ClickException(f"No journal of a double at {url}: {error}") from error
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
