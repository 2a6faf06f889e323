"""The command `segmind`: its subcommands, and how it ends."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from typing import Any

import click

from segmind_cli import calls, listings
from segmind_cli.failures import OTHER, Terminated, described, exit_code, message_of
from segmind_cli.options import Settings, kept, with_settings
from segmind_cli.output import NotPrinted, print_json, tell
from segmind_cli.suggestions import Group

COMPLETION_VARIABLE = "_SEGMIND_COMPLETE"
SHELLS = ("bash", "zsh", "fish")
ENDED = ("InferenceFailed", "InvalidParameter", "NotFound", "Unauthorized")
"""Errors after which there is no result to get, or not with this key."""


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
    click.echo(found(context.find_root().command, {}, "segmind", COMPLETION_VARIABLE).source())


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
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    settings.json = "--json" in options
    if {"-v", "--verbose"} & set(options):
        # Imported late, as it takes longer than to read a command line.
        import logging

        logging.basicConfig(stream=sys.stderr, format="%(name)s: %(message)s")
        logging.getLogger("segmind_client").setLevel(logging.DEBUG)
    end_by_signals()
    try:
        group = make_group()
        if COMPLETION_VARIABLE in os.environ:
            group.main(arguments, prog_name="segmind")
        # Without Click's `main`, which turns Ctrl-C and a closed pipe into exit codes of its own.
        with group.make_context("segmind", arguments, obj=settings) as context:
            group.invoke(context)
    except BaseException as error:
        return fail(error, settings)
    return 0


def fail(error: BaseException, settings: Settings) -> int:
    """Reports an error, and returns the exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else OTHER
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show(sys.stderr)
        return exit_code(error)
    if settings.json:
        with suppress(NotPrinted):
            print_json(described(error))
    if settings.verbose and not isinstance(error, click.ClickException):
        import traceback

        tell("".join(traceback.format_exception(error)))
    tell(f"segmind: {message_of(error)}")
    if way_on := hint(error, settings):
        tell(way_on)
    if isinstance(error, NotPrinted) and sys.stdout is not None:
        # Python would complain once more when it closes the standard output.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exit_code(error)


def end_by_signals() -> None:
    """SIGTERM and SIGHUP end a call as Ctrl-C does, so that its job is named."""
    import signal

    def end(number: int, _: object) -> None:
        raise Terminated(number)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # nohup ignores SIGHUP; only the main thread can have handlers.
        if (
            number is not None
            and threading.current_thread() is threading.main_thread()
            and signal.getsignal(number) is signal.SIG_DFL
        ):
            signal.signal(number, end)


def hint(error: BaseException, settings: Settings) -> str:
    """What to type next."""
    if isinstance(error, click.UsageError):
        return f"See: {error.ctx.command_path} --help" if error.ctx else ""
    request_id = getattr(error, "request_id", None)
    if not request_id or not settings.is_job or settings.mock or type(error).__name__ in ENDED:
        return ""
    return f"Get the result with: {calls.way_back(settings, request_id)}"
