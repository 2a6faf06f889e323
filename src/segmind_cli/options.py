"""The options that each command has, and those that the contract gives a model."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, TypeVar

import click

from segmind_cli.contract import Model, Parameter, resolved
from segmind_cli.suggestions import Choice

CommandT = TypeVar("CommandT", bound=click.Command)
PROMPT = "prompt"


class Settings:
    """What the options of every command say."""

    def __init__(self) -> None:
        self.json = False
        """Whether the standard output is one JSON document."""
        self.verbose = False
        self.mock = False
        """Whether a double in this process takes the calls."""
        self.base_url: str | None = None
        self.deadline: float | None = None


def settings_of(context: click.Context) -> Settings:
    return context.find_root().ensure_object(Settings)


def keep(context: click.Context, option: click.Parameter, value: Any) -> None:
    # An option may be given before the command and after it.
    if value is not None and value is not False:
        setattr(settings_of(context), str(option.name), value)


def kept(*declarations: str, **attributes: Any) -> click.Option:
    return click.Option(declarations, expose_value=False, callback=keep, **attributes)


def with_settings(command: CommandT) -> CommandT:
    """Adds the options that every command has."""
    command.params += [
        kept("--json", is_flag=True, help="Print one JSON document, also for an error."),
        kept("--verbose", "-v", is_flag=True, help="Log each request, and show the traceback of an error."),
    ]
    return command


def with_calls(command: CommandT) -> CommandT:
    """Adds the options of commands that call the service."""
    command.params += [
        kept("--mock", is_flag=True, help="Call a double in this process: no key, no network, no cost."),
        kept("--base-url", metavar="URL", help="Of the service or of a double.  [env: SEGMIND_BASE_URL]"),
    ]
    return with_settings(command)


def with_waits(command: CommandT) -> CommandT:
    """Adds the options of commands that wait for a job."""
    command.params.append(
        kept("--deadline", type=float, metavar="SECONDS", help="The longest wait for the job, which goes on after it.")
    )
    return with_calls(command)


def model_options(model: Model, taken: set[str]) -> list[click.Parameter]:
    """An argument for the prompt and an option for each other parameter; those whose names are taken have none."""
    made: list[click.Parameter] = []
    for parameter in model.parameters:
        if parameter.name == PROMPT and parameter.kind == "string":
            made.append(click.Argument([PROMPT], required=parameter.required, metavar="PROMPT"))
        elif (flag := flag_of(parameter.name)) and flag not in taken:
            taken.add(flag)
            made.append(option_of(parameter, flag))
    return made


def flag_of(name: str) -> str:
    """The option of a parameter; empty for a name that none can have."""
    flag = name.replace("_", "-")
    return f"--{flag}" if flag.replace("-", "").isalnum() and flag.isascii() and not flag.startswith("-") else ""


def variable_of(name: str) -> str:
    """What Click calls the value of a parameter's option."""
    return f"parameter_{name}".replace("-", "_")


def option_of(parameter: Parameter, flag: str) -> click.Option:
    schema = parameter.schema
    text = " ".join(str(schema.get("description", "")).split())
    if schema.get("deprecated"):
        text = f"(deprecated) {text}"
    if "default" in schema:
        text += f"  [default: {shown(schema['default'])}]"
    if parameter.required:
        text += "  [required]"
    # Without Click's `required`, so that the client's own message names the model.
    name = variable_of(parameter.name)
    if parameter.kind == "boolean" and not parameter.values:
        return click.Option([name, f"{flag}/--no-{flag[2:]}"], default=None, help=text)
    if parameter.kind == "array":
        return click.Option([name, flag], multiple=True, type=item_type(parameter), help=text)
    return click.Option([name, flag], type=type_of(parameter), help=text)


def item_type(parameter: Parameter) -> click.ParamType[Any, Any]:
    return type_of(Parameter(parameter.name, resolved(parameter.schema.get("items", {})), required=False))


def type_of(parameter: Parameter) -> click.ParamType[Any, Any]:
    schema = parameter.schema
    if parameter.values:
        return Listed(parameter.values)
    if parameter.kind in ("integer", "number"):
        low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
        high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
        kind = click.IntRange if parameter.kind == "integer" else click.FloatRange
        return kind(
            min=above if low is None else low,
            max=below if high is None else high,
            min_open=low is None and above is not None,
            max_open=high is None and below is not None,
        )
    if parameter.kind == "string":
        return FileOrText() if "x-file" in schema else click.STRING
    return Json()


def shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class Listed(Choice):
    """Values that the contract lists, which need not be strings."""

    def __init__(self, values: list[Any]) -> None:
        self.by_text = {shown(value): value for value in values}
        super().__init__(list(self.by_text))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return self.by_text[str(super().convert(value, param, ctx))]


class Json(click.ParamType[Any, Any]):
    """A value as JSON."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return json.loads(value, parse_constant=refuse_constant)
        except ValueError as error:
            self.fail(f"{value!r} is no JSON: {error}", param, ctx)


def refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON value")


class FileOrText(click.ParamType[Any, Any]):
    """A URL, or a file as `@path`."""

    name = "url|@file"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,  # noqa: ARG002  Click's signature.
        ctx: click.Context | None,  # noqa: ARG002
    ) -> Any:
        return Path(value[1:]) if isinstance(value, str) and value.startswith("@") else value


class NameAndValue(click.ParamType[Any, Any]):
    """`NAME=VALUE`; the value is JSON, or else a string."""

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        name, equals, text = str(value).partition("=")
        if not equals or not name:
            self.fail(f"expected NAME=VALUE, got {value!r}", param, ctx)
        try:
            return name, json.loads(text, parse_constant=refuse_constant)
        except ValueError:
            return name, text


def given_parameters(model: Model | None, arguments: dict[str, Any]) -> dict[str, Any]:
    """The parameters of the model that were given on the command line, by their names in the contract."""
    given: dict[str, Any] = {}
    if arguments.get(PROMPT) is not None:
        given[PROMPT] = read_prompt(arguments[PROMPT])
    for parameter in model.parameters if model else ():
        value = arguments.get(variable_of(parameter.name))
        if value not in (None, ()):
            given[parameter.name] = list(value) if parameter.kind == "array" else value
    for name, value in arguments["param"]:
        if name in given:
            raise click.UsageError(f"{name} is given twice")
        given[name] = value
    return given


def read_prompt(written: str) -> str:
    """A prompt, or what the standard input has for `-`."""
    return sys.stdin.buffer.read().decode("utf-8", errors="replace").strip() if written == "-" else written
