"""The command `segmind`: its subcommands, and how it ends."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from segmind_cli import calls, listings
from segmind_cli.failures import OTHER, described, exit_code, message_of
from segmind_cli.options import Settings, kept, with_settings
from segmind_cli.output import print_json, tell
from segmind_cli.suggestions import Group

SHELLS = ("bash", "zsh", "fish")
GOES_ON = ("InferenceTimeout", "ConnectionLost", "DownloadFailed", "NotSaved", "FileExists", "RateLimited", "NotSent")
"""Errors after which a job can be picked up."""


class Version(click.Option):
    """`--version`, whose value is looked up when it is asked for."""

    def __init__(self) -> None:
        super().__init__(["--version"], is_flag=True, is_eager=True, expose_value=False, callback=self.show)
        self.help = "Print the version."

    @staticmethod
    def show(context: click.Context, _: click.Parameter, value: Any) -> None:
        if value:
            from importlib.metadata import version

            click.echo(version("segmind-openapi"))
            context.exit()


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}, add_help_option=False
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def mock(arguments: tuple[str, ...]) -> None:
    """Start a double of the service; see `segmind mock --help`."""
    from segmind_mock.__main__ import main as start

    raise SystemExit(start(list(arguments), prog="segmind mock"))


@click.command
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell: source it in the shell's startup file."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise click.ClickException(f"no completion for {shell}")
    name = context.find_root().info_name or "segmind"
    click.echo(found(context.find_root().command, {}, name, f"_{name.upper()}_COMPLETE").source())


def make_group() -> click.Group:
    group = Group("segmind", help="Call the models of Segmind's image API.", params=[Version()])
    for name, command in {**calls.COMMANDS, **listings.COMMANDS, "mock": mock, "completion": completion}.items():
        command.name = name
        group.add_command(command, name)
    mocking = kept("--mock", is_flag=True, help="Call a double in this process: no key, no network, no cost.")
    group.params.append(mocking)
    return with_settings(group)


def run(arguments: list[str]) -> int:
    """Carries out a command line and returns its exit code. Prints one line for an error."""
    settings = Settings()
    # Click may fail before it has read the options.
    settings.json = "--json" in arguments
    if {"-v", "--verbose"} & set(arguments):
        # Imported late, as it takes longer than to read a command line.
        import logging

        logging.basicConfig(stream=sys.stderr, format="%(name)s: %(message)s")
        logging.getLogger("segmind_client").setLevel(logging.DEBUG)
    try:
        code = make_group().main(arguments, prog_name="segmind", standalone_mode=False, obj=settings)
        sys.stdout.flush()
    except BaseException as error:
        return fail(error, settings)
    return code if isinstance(code, int) else 0


def fail(error: BaseException, settings: Settings) -> int:
    """Reports an error, and returns the exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else OTHER
    if isinstance(error, click.Abort):
        # Click replaces Ctrl-C by it.
        error = error.__cause__ or KeyboardInterrupt()
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show(sys.stderr)
        return exit_code(error)
    if isinstance(error, BrokenPipeError):
        # Python would complain once more when it closes the standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_code(error)
    if settings.json:
        print_json(described(error))
    if settings.verbose and not isinstance(error, click.ClickException):
        import traceback

        traceback.print_exception(error)
    tell(f"segmind: {message_of(error)}")
    if way_on := hint(error):
        tell(way_on)
    return exit_code(error)


def hint(error: BaseException) -> str:
    """What to type next."""
    if isinstance(error, click.UsageError):
        return f"See: {error.ctx.command_path} --help" if error.ctx else ""
    request_id = getattr(error, "request_id", None)
    if request_id and (type(error).__name__ in GOES_ON or isinstance(error, KeyboardInterrupt)):
        return f"Get the result with: segmind wait {request_id} -o FILE"
    return ""
