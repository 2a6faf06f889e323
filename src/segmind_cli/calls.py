"""The commands that call the service: run, submit, status, wait, result and credits."""

from __future__ import annotations

import sys
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from segmind_cli import contract
from segmind_cli.options import (
    NameAndValue,
    Settings,
    given_parameters,
    model_options,
    settings_of,
    with_calls,
    with_waits,
)
from segmind_cli.output import print_data, print_json, progress, show_image, tell
from segmind_cli.suggestions import Group

if TYPE_CHECKING:
    from segmind_client import Client, Generation, Result

STANDARD_OUTPUT = "-"


class OfModel(Group):
    """A command whose subcommands are the models of the contract."""

    what = "model"

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  Click's signature.
        return contract.slugs()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in contract.slugs():
            return self.made_for(cmd_name, contract.model(cmd_name))
        return self.made_for(cmd_name, None) if ctx.params.get("any_model") else None

    def made_for(self, slug: str, model: contract.Model | None) -> click.Command:
        raise NotImplementedError

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            if not args or args[0].startswith("-"):
                raise
            way = f"For a model that the contract does not know: {ctx.command_path} --any-model {args[0]}"
            raise click.UsageError(f"{error.message} {way}", ctx) from error


def of_model(slug: str, model: contract.Model | None, *own: click.Parameter) -> click.Command:
    """A command with the options of a model; `own` are those of the command itself."""
    command = with_waits(click.Command(slug, params=[*own]))
    command.params.append(
        click.Option(
            ["--param"],
            type=NameAndValue(),
            multiple=True,
            help="Any parameter, by its name in the contract; the value is JSON or a string.",
        )
    )
    taken = {flag for option in command.params for flag in option.opts} | {"--help"}
    if model is None:
        command.params.insert(0, click.Argument(["prompt"], required=False))
        command.help = "A model that the contract does not know: give its parameters with --param."
    else:
        command.params[:0] = model_options(model, taken)
        command.help = f"{model.description}\n\n{facts_of(model)}"
    return command


def facts_of(model: contract.Model) -> str:
    price = "of unknown price" if model.price is None else f"for {model.price} dollars ({model.price.source})"
    latency = "" if model.latency is None else f", usually in {model.latency} s ({model.latency.source})"
    return f"Makes {model.output} {price}{latency}."


class Run(OfModel):
    def made_for(self, slug: str, model: contract.Model | None) -> click.Command:
        command = of_model(
            slug,
            model,
            click.Option(
                ["-o", "--output"], metavar="FILE", help="File or folder; - for the standard output.  [default: .]"
            ),
            click.Option(["--overwrite"], is_flag=True, help="Replace the file if it exists."),
            click.Option(["--sync"], is_flag=True, help="One blocking call (v1) instead of a job (v2)."),
            click.Option(["--dry-run"], is_flag=True, help="Print the request and its price, and send nothing."),
            click.Option(["--no-show"], is_flag=True, help="Do not show the image on the terminal."),
        )

        @click.pass_context
        def callback(context: click.Context, /, **arguments: Any) -> None:
            run(settings_of(context), slug, model, arguments)

        command.callback = callback
        return command


class Submit(OfModel):
    def made_for(self, slug: str, model: contract.Model | None) -> click.Command:
        dry_run = click.Option(["--dry-run"], is_flag=True, help="Print the request and its price, and send nothing.")
        command = of_model(slug, model, dry_run)

        @click.pass_context
        def callback(context: click.Context, /, **arguments: Any) -> None:
            submit(settings_of(context), slug, model, arguments)

        command.callback = callback
        return command


def run(settings: Settings, slug: str, model: contract.Model | None, arguments: dict[str, Any]) -> None:
    parameters = given_parameters(model, arguments)
    is_sync = bool(arguments["sync"])
    if arguments["dry_run"]:
        print_request(settings, slug, model, parameters, version="v1" if is_sync else "v2")
        return
    target = Target(arguments["output"], overwrite=arguments["overwrite"], shows=not arguments["no_show"])
    target.check(settings)
    with client_of(settings) as client, progress(f"Calling {slug}") as reporter:
        client = client.with_options(on_update=reporter.update)
        made = client.generate_model(slug, parameters) if is_sync else client.run_model(slug, parameters)
        saved = target.save(made)
    report(settings, made, saved, target)


def submit(settings: Settings, slug: str, model: contract.Model | None, arguments: dict[str, Any]) -> None:
    parameters = given_parameters(model, arguments)
    if arguments["dry_run"]:
        print_request(settings, slug, model, parameters, version="v2")
        return
    with client_of(settings) as client:
        job = client.submit_model(slug, parameters)
    tell(f"Submitted. Get the result with: segmind wait {job.request_id} -o FILE")
    if settings.json:
        print_json(job.submitted.to_dict())
    else:
        print_data(job.request_id)


def print_request(
    settings: Settings, slug: str, model: contract.Model | None, parameters: dict[str, Any], *, version: str
) -> None:
    """Prints what would be sent, checked as the client checks it. Raises InvalidParameter."""
    from segmind_api.catalog import MODELS, known_model

    body = parameters
    if slug in MODELS:
        body = known_model(slug, parameters).request.from_parameters(parameters).to_dict()
    price = None if model is None or model.price is None else model.price
    request = {"method": "POST", "path": f"/{version}/{slug}", "body": body}
    if settings.json:
        print_json({**request, "price_usd": price and {"from": price.low, "to": price.high, "source": price.source}})
        return
    print_json(request)
    tell(
        "Nothing was sent. Its price is not known." if price is None else f"Nothing was sent. It costs {price} dollars."
    )


class Target:
    """Where a result goes."""

    def __init__(self, output: str | None, *, overwrite: bool, shows: bool) -> None:
        self.output = output or "."
        self.overwrite = overwrite
        self.shows = shows

    def check(self, settings: Settings) -> None:
        """Raises UsageError for what can be known before anything is paid for."""
        if self.output == STANDARD_OUTPUT:
            if settings.json:
                raise click.UsageError("--json and -o - both write to the standard output: give -o a file")
            if sys.stdout.isatty():
                raise click.UsageError(
                    "-o - writes the bytes of the result: send the standard output to a file or a pipe"
                )
            return
        path = Path(self.output)
        folder = path if path.is_dir() else path.parent
        if self.output.endswith(("/", "\\")) and not path.is_dir():
            raise click.UsageError(f"{self.output} is no folder: make it first")
        if not folder.is_dir():
            raise click.UsageError(f"{folder} is no folder: make it first")
        if path.exists() and not path.is_dir() and not self.overwrite:
            raise click.UsageError(f"{path} exists: choose another name, or --overwrite")

    def save(self, made: Result | Generation) -> Path | None:
        """The path of the file that was written; None for the standard output."""
        if self.output == STANDARD_OUTPUT:
            sys.stdout.buffer.write(made.content)
            sys.stdout.buffer.flush()
            return None
        from segmind_client import Generation, NotSaved

        try:
            return made.save(self.output, overwrite=self.overwrite)
        except NotSaved as error:
            if not isinstance(made, Generation):
                raise
            # The response is the only copy of what is paid for.
            import tempfile

            saved = made.save(tempfile.mkdtemp(prefix="segmind-"))
            error.add_note(f"It was saved as {saved} instead.")
            raise


def report(settings: Settings, made: Result | Generation, saved: Path | None, target: Target) -> None:
    facts = facts_of_result(made, saved)
    if settings.json:
        print_json(facts)
    elif saved is not None:
        print_data(str(saved))
    cost = "" if facts["cost"] is None else f"{facts['cost']:g} dollars, "
    kind = "The double charged" if settings.mock else "It cost"
    tell(f"{kind} {cost or 'an unknown amount, '}request {facts['request_id'] or 'without an id'}.")
    if saved is not None and target.shows and not settings.json and (facts["media_type"] or "").startswith("image/"):
        show_image(saved)


def facts_of_result(made: Result | Generation, saved: Path | None) -> dict[str, Any]:
    from mimetypes import guess_type

    from segmind_client import Result, SegmindError

    facts: dict[str, Any] = dict.fromkeys(("request_id", "status", "cost", "seconds", "seed"))
    # The result is paid for and saved: a field that is missing is no error.
    if isinstance(made, Result):
        facts |= {"request_id": made.get("request_id"), "status": made.get("status"), "seed": made.get("seed")}
        with suppress(SegmindError):
            facts |= {"cost": made.metrics.get("cost"), "seconds": made.metrics.get("inference_time")}
    else:
        with suppress(SegmindError):
            headers = made.headers
            facts |= {"request_id": headers.request_id, "cost": made.cost, "seed": headers.seed_value}
    return facts | {
        "url": made.image_url,
        "media_type": made.content_type if saved is None else guess_type(saved.name)[0],
        "file": None if saved is None else str(saved),
    }


def client_of(settings: Settings) -> Client:
    """A client of the service, or of a double in this process. Raises MissingKey and InvalidParameter."""
    from segmind_client import Client
    from segmind_client.options import OptionChanges

    options: OptionChanges = {} if settings.deadline is None else {"deadline": settings.deadline}
    if not settings.mock:
        return Client(base_url=settings.base_url, **options)
    if settings.base_url:
        raise click.UsageError("--mock calls a double in this process: leave --base-url out")
    from segmind_mock import DEFAULT_KEY, Double, MovableClock

    double = Double(clock=MovableClock())
    return Client(DEFAULT_KEY, base_url="http://127.0.0.1", transport=double.transport(), clock=double.clock, **options)


@click.command
@click.argument("request_id", metavar="ID")
@click.pass_context
def status(context: click.Context, /, request_id: str) -> None:
    """Print how far a job is."""
    settings = settings_of(context)
    with client_of(settings) as client:
        found = client.job(request_id).status()
    if settings.json:
        print_json(found.to_dict())
    else:
        print_data(found.status)


def output_options(command: click.Command) -> click.Command:
    command.params += [
        click.Option(
            ["-o", "--output"], metavar="FILE", help="File or folder; - for the standard output.  [default: .]"
        ),
        click.Option(["--overwrite"], is_flag=True, help="Replace the file if it exists."),
        click.Option(["--no-show"], is_flag=True, help="Do not show the image on the terminal."),
    ]
    return command


@click.command
@click.argument("request_id", metavar="ID")
@click.pass_context
def wait(context: click.Context, /, request_id: str, **arguments: Any) -> None:
    """Wait for a job, and save its result."""
    fetch(settings_of(context), request_id, arguments, waits=True)


@click.command
@click.argument("request_id", metavar="ID")
@click.pass_context
def result(context: click.Context, /, request_id: str, **arguments: Any) -> None:
    """Save the result of a job that has completed."""
    fetch(settings_of(context), request_id, arguments, waits=False)


def fetch(settings: Settings, request_id: str, arguments: dict[str, Any], *, waits: bool) -> None:
    target = Target(arguments["output"], overwrite=arguments["overwrite"], shows=not arguments["no_show"])
    target.check(settings)
    showing = progress(f"Waiting for {request_id}") if waits else nullcontext()
    with client_of(settings) as client, showing as reporter:
        job = client.job(request_id)
        made = job.wait(on_update=reporter.update) if reporter else job.result()
        saved = target.save(made)
    report(settings, made, saved, target)


@click.command
@click.pass_context
def credits_command(context: click.Context) -> None:
    """Print the balance of the account, in US dollars."""
    settings = settings_of(context)
    with client_of(settings) as client:
        found = client.credits()
    if settings.json:
        print_json(found.to_dict())
    else:
        print_data(f"{found.credits:g}")


ANY_MODEL = click.Option(["--any-model"], is_flag=True, help="Take a model that the contract does not know.")
COMMANDS: dict[str, click.Command] = {
    "run": with_waits(Run("run", help="Make an image, or what else the model makes, and save it.", params=[ANY_MODEL])),
    "submit": with_calls(Submit("submit", help="Submit a job and print its request id.", params=[ANY_MODEL])),
    "status": with_calls(status),
    "wait": with_waits(output_options(wait)),
    "result": with_calls(output_options(result)),
    "credits": with_calls(credits_command),
}
