"""The double's own paths: files and health for every caller, and the admin interface."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

import jsonschema_rs
import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from segmind_mock.access import AdminAccess
from segmind_mock.asgi import read_body
from segmind_mock.calls import JSON, LONGEST_MESSAGE, RESERVED_PREFIX
from segmind_mock.contract import describe, media_type_of
from segmind_mock.controls import Controls
from segmind_mock.faults import MOST_RULES
from segmind_mock.journal import JournalRow, mask
from segmind_mock.outputs import output_at
from segmind_mock.records import Account, FaultRule, Job, UnknownJobError

LONGEST_NAME = 100
"""Characters of a field's name in an error message."""

Schema = Mapping[str, object]
Fields = Mapping[str, Schema]
STRING, NUMBER, WHOLE, BOOLEAN, OBJECT = (
    {"type": name} for name in ("string", "number", "integer", "boolean", "object")
)
WHOLE_OR_NULL: Schema = {"type": ["integer", "null"]}
STRING_OR_NULL: Schema = {"type": ["string", "null"]}
NO_FIELDS: Fields = {}
JOB: Fields = {"request_id": STRING}
ACCOUNT: Fields = {
    "key": STRING,
    "credits": NUMBER,
    "requests_per_minute": WHOLE_OR_NULL,
    "forbidden_models": {"type": "array", "items": STRING},
    "has_balance": BOOLEAN,
}
RULE: Fields = {
    "fault": OBJECT,
    "operation_id": STRING_OR_NULL,
    "key": STRING_OR_NULL,
    "times": WHOLE_OR_NULL,
    "probability": NUMBER,
    "seed": WHOLE,
}
JOURNAL_QUERY: Fields = dict.fromkeys(("operation_id", "key", "status", "accepted"), STRING)


def admin_app(controls: Controls, access: AdminAccess) -> Starlette:
    """Serves the paths below the reserved prefix."""

    def route(method: str, path: str, handler: Callable[..., Any], fields: Fields = NO_FIELDS, *required: str) -> Route:
        check = validator_of(fields, required)

        async def endpoint(request: Request) -> Response:
            refusal = access.refusal(request.scope, request.headers)
            if refusal is not None:
                status, message = refusal
                return answer({"error": message}, status)
            try:
                body = await read_object(request, controls.settings.largest_body)
                arguments = {**request.query_params, **body, **request.path_params}
                check(arguments)
                return answer(shown(handler(**arguments), controls.clock.now()))
            except HTTPException as error:
                return answer({"error": error.detail}, error.status_code)
            except UnknownJobError as error:
                return answer({"error": error.args[0]}, 404)
            except ValueError as error:
                return answer({"error": str(error)}, 400)

        return Route(f"{RESERVED_PREFIX}{path}", endpoint, methods=[method])

    def list_faults() -> list[FaultRule]:
        return controls.store.transact(lambda tx: tx.oldest(FaultRule, MOST_RULES))

    def read_clock() -> dict[str, float]:
        return {"now": controls.clock.now()}

    def advance_clock(**step: float) -> dict[str, float]:
        controls.clock.advance(**step)
        return read_clock()

    def list_calls(**query: str) -> list[JournalRow]:
        return controls.requests(**filters_of(query))

    def count_calls(**query: str) -> dict[str, int]:
        return dict(Counter(row.key or "" for row in list_calls(**query)))

    async def report_health(_: Request) -> Response:
        # Fails if the store does not respond: the clock reads its shift from it.
        controls.clock.now()
        return answer({"status": "ok"})

    # Not async: drawing is for another thread, so that it delays no other call.
    def serve_file(request: Request) -> Response:
        oldest = controls.clock.now() - controls.contract.image_retention
        output = output_at(**request.path_params, made_after=oldest)
        if output is None:
            raise HTTPException(404)
        return Response(output.content(), media_type=output.format.media_type)

    return Starlette(
        routes=[
            Route(f"{RESERVED_PREFIX}/files/{{fields}}/{{name}}", serve_file),
            Route(f"{RESERVED_PREFIX}/health", report_health),
            route("POST", "/reset", controls.reset),
            route("GET", "/accounts", controls.accounts),
            route("POST", "/accounts", controls.open_account, ACCOUNT),
            route("GET", "/faults", list_faults),
            route("POST", "/faults", controls.add_fault, RULE, "fault"),
            route("DELETE", "/faults", controls.clear_faults),
            route("GET", "/clock", read_clock),
            route("POST", "/clock", advance_clock, dict.fromkeys(("seconds", "minutes", "hours", "days"), NUMBER)),
            route("GET", "/jobs", controls.jobs),
            route("GET", "/jobs/{request_id}", controls.job, JOB),
            route("POST", "/jobs/{request_id}/complete", controls.complete, JOB),
            route("POST", "/jobs/{request_id}/fail", controls.fail, {**JOB, "error": STRING_OR_NULL}),
            route("GET", "/journal", list_calls, JOURNAL_QUERY),
            route("GET", "/journal/counts", count_calls, JOURNAL_QUERY),
        ],
        exception_handlers={404: answer_http_error, 405: answer_http_error, 500: answer_own_failure},
    )


def validator_of(fields: Fields, required: Sequence[str]) -> Callable[[Mapping[str, object]], None]:
    """A function that raises ValueError for arguments other than these fields, each by its JSON schema."""
    # Draft 4, since in later drafts 2.0 is an integer.
    validator = jsonschema_rs.Draft4Validator({"properties": fields, **({"required": required} if required else {})})

    def check(arguments: Mapping[str, object]) -> None:
        unknown = sorted(arguments.keys() - fields.keys())
        if unknown:
            known = f"known are {', '.join(fields)}" if fields else "this call takes none"
            raise ValueError(f"there is no field {unknown[0][:LONGEST_NAME]!r}; {known}")
        for error in validator.iter_errors(arguments):
            raise ValueError(describe(error)[:LONGEST_MESSAGE])

    return check


def filters_of(query: dict[str, str]) -> dict[str, Any]:
    """The arguments of a query, with `status` as a number and `accepted` as a boolean."""
    arguments: dict[str, Any] = {**query}
    if "status" in query:
        if not re.fullmatch(r"\d{1,3}", query["status"], re.ASCII):
            raise ValueError("status: expected a number such as 200, or 0 for a dropped connection")
        arguments["status"] = int(query["status"])
    if "accepted" in query:
        if query["accepted"].lower() not in ("true", "false"):
            raise ValueError("accepted: expected true or false")
        arguments["accepted"] = query["accepted"].lower() == "true"
    return arguments


def shown(result: Any, now: float) -> Any:
    """A result as JSON, with keys masked: listing accounts must not be enough to spend their credits."""
    match result:
        case None:
            return {}
        case [*items]:
            return [shown(item, now) for item in items]
        case Job():
            return {**asdict(result), "key": mask(result.key), "state": result.state(now)}
        case Account() | FaultRule():
            return {**asdict(result), "key": mask(result.key)}
        case JournalRow():
            return asdict(result)
        case _:
            return result


async def read_object(request: Request, largest: int) -> dict[str, Any]:
    body = await read_body(request.headers, request.receive, largest)
    if body is None:
        raise HTTPException(413, f"the body is larger than {largest} bytes")
    if not body:
        return {}
    if media_type_of(request.headers) != JSON:
        # A web page may send some other media types to any site, without a preflight request.
        raise HTTPException(415, "a body needs the header Content-Type: application/json")
    try:
        value: Any = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"the body is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError("expected a JSON object")  # noqa: TRY004  handled like other invalid bodies
    return cast(dict[str, Any], value)


async def answer_http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return answer({"error": f"no {request.method} at {request.url.path}"}, status)


async def answer_own_failure(_request: Request, error: Exception) -> Response:
    """For a failure of the double itself, which the application logs."""
    return answer({"error": f"the double itself failed with {type(error).__name__}; its log has the traceback"}, 500)


def answer(body: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status_code=status, media_type=JSON)
