"""How errors leave the command line: one line, one exit code for each kind, and JSON where it is asked for."""

from __future__ import annotations

import re
from typing import Any

import click

EXIT_CODES: dict[str, tuple[int, str]] = {
    "UsageError": (2, "a command, an option or a value that does not exist"),
    "InvalidParameter": (3, "a parameter that the contract does not allow; nothing was sent"),
    "BadRequest": (3, "the service refused the parameters (400)"),
    "MissingKey": (4, "no API key"),
    "Unauthorized": (4, "the service does not know the key (401)"),
    "Forbidden": (4, "the key may not do this (403)"),
    "InsufficientCredits": (5, "not enough credits (406)"),
    "NotFound": (6, "no such job or model (404), or not there any more"),
    "ModelRetired": (6, "the model is gone (410)"),
    "InferenceFailed": (7, "the job failed; it costs nothing"),
    "RateLimited": (8, "the rate limit resets too late (429)"),
    "InferenceTimeout": (9, "the deadline has passed; the job goes on"),
    "MayHaveBeenAccepted": (10, "the call may have been accepted and charged"),
    "NotSent": (11, "the service could not be reached; nothing was sent"),
    "ConnectionLost": (11, "the connection was lost"),
    "FileExists": (12, "the file exists"),
    "NotSaved": (12, "the file could not be written"),
    "DownloadFailed": (12, "the result could not be downloaded"),
    "ServerError": (13, "the service failed (500)"),
    "BadGateway": (13, "a gateway failed (502)"),
    "GatewayTimeout": (13, "v1 took too long (504)"),
    "UnreadableResponse": (13, "a response that cannot be read"),
    "KeyboardInterrupt": (130, "Ctrl-C"),
    "BrokenPipeError": (141, "the reader of the output has gone"),
}
"""By the class of the error, or the nearest of its bases, with what it stands for."""
IN_PYTHON = (
    (re.compile(r"job\('([^']+)'\)\.result\(\)"), r"`segmind result \1`"),
    (re.compile(r"job\('([^']+)'\)"), r"`segmind wait \1`"),
    (re.compile(r"pass api_key, or set (\w+) in the environment"), r"set \1 in the environment, or try --mock"),
    (re.compile(r"pass overwrite=True to replace it"), "give --overwrite to replace it"),
    (re.compile(r"credits\(\) says"), "`segmind credits` says"),
    (re.compile(r"wait\(\) waits"), "`segmind wait` waits"),
)
"""What messages say of Python, and what to type instead."""
OTHER = 1
"""For any other error."""


def exit_code(error: BaseException) -> int:
    return next((EXIT_CODES[kind.__name__][0] for kind in type(error).__mro__ if kind.__name__ in EXIT_CODES), OTHER)


def described(error: BaseException) -> dict[str, Any]:
    """An error for `--json`."""
    return {
        "error": {
            "kind": type(error).__name__,
            "message": message_of(error),
            "exit_code": exit_code(error),
            "status": getattr(error, "status", None),
            "request_id": getattr(error, "request_id", None),
        }
    }


def message_of(error: BaseException) -> str:
    """One line, with the notes of an interruption."""
    text = str(error)
    if isinstance(error, KeyboardInterrupt):
        text = "interrupted"
    elif isinstance(error, click.ClickException):
        text = error.format_message()
    lines = [str(text or type(error).__name__), *getattr(error, "__notes__", [])]
    message = " ".join(" ".join(line.split()) for line in lines)
    for python, typed in IN_PYTHON:
        message = python.sub(typed, message)
    return message
