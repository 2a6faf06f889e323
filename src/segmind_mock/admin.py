"""The double's own paths: images and its health for everybody, and the admin interface."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal, cast

import jsonschema_rs
import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from segmind_mock.contract import describe, media_type_of
from segmind_mock.images import LARGEST_SIDE, draw
from segmind_mock.records import Account, FaultRule, Job, UnknownJobError
from segmind_mock.service import LONGEST_MESSAGE, MOST_LISTED, RESERVED_PREFIX
from segmind_mock.stores import R, mask

if TYPE_CHECKING:
    from segmind_mock.double import Double

LONGEST_NAME = 100
LONGEST_CAPTION = 200
IMAGE_NAME = re.compile(r"[0-9a-f-]{36}-([0-9a-f]{32})-(\d{1,4})x(\d{1,4})-(\d{1,15})\.(png|jpg)")


def admin_app(double: Double) -> Starlette:
    """What is served below the reserved prefix."""
    admin = Admin(double)

    def route(path: str, handler: Callable[[dict[str, Any]], Any], method: str) -> Route:
        async def endpoint(request: Request) -> Response:
            refusal = double.admin_access.refusal(request.scope, request.headers)
            if refusal is not None:
                status, message = refusal
                return answer({"error": message}, status)
            try:
                body = await read_object(request, double.settings.largest_body)
                arguments = {**request.query_params, **body, **request.path_params}
                return answer(handler(arguments))
            except HTTPException as error:
                return answer({"error": error.detail}, error.status_code)
            except UnknownJobError as error:
                return answer({"error": error.args[0]}, 404)
            except ValueError as error:
                return answer({"error": str(error)}, 400)

        return Route(f"{RESERVED_PREFIX}{path}", endpoint, methods=[method])

    return Starlette(
        routes=[
            Route(f"{RESERVED_PREFIX}/images/{{name}}", image_endpoint(double)),
            Route(f"{RESERVED_PREFIX}/health", health_endpoint(double)),
            route("/reset", admin.reset, "POST"),
            route("/accounts", admin.list_accounts, "GET"),
            route("/accounts", admin.open_account, "POST"),
            route("/faults", admin.list_faults, "GET"),
            route("/faults", admin.add_fault, "POST"),
            route("/faults", admin.clear_faults, "DELETE"),
            route("/clock", admin.read_clock, "GET"),
            route("/clock", admin.advance_clock, "POST"),
            route("/jobs", admin.list_jobs, "GET"),
            route("/jobs/{request_id}", admin.inspect_job, "GET"),
            route("/jobs/{request_id}/complete", admin.complete_job, "POST"),
            route("/jobs/{request_id}/fail", admin.fail_job, "POST"),
            route("/journal", admin.journal, "GET"),
            route("/journal/counts", admin.counts, "GET"),
        ],
        exception_handlers={404: answer_http_error, 405: answer_http_error, 500: answer_own_failure},
    )


Handler = Callable[["Admin", dict[str, Any]], Any]
STRING, NUMBER, WHOLE, BOOLEAN = ({"type": name} for name in ("string", "number", "integer", "boolean"))
NO_FIELDS: Mapping[str, Mapping[str, object]] = {}
JOB = {"request_id": STRING}
JOURNAL: dict[str, Mapping[str, object]] = dict.fromkeys(("operation_id", "key", "status", "accepted"), STRING)
"""As words of a query."""


def takes(fields: Mapping[str, Mapping[str, object]] = NO_FIELDS, *required: str) -> Callable[[Handler], Handler]:
    """A handler that is called only with these fields, each by its JSON schema; otherwise ValueError is raised."""
    # Of draft 4, where 2.0 is no integer.
    validator = jsonschema_rs.Draft4Validator({"properties": fields, **({"required": required} if required else {})})

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        def handle(self: Admin, arguments: dict[str, Any]) -> Any:
            unknown = sorted(arguments.keys() - fields.keys())
            if unknown:
                known = f"known are {', '.join(fields)}" if fields else "this call takes none"
                raise ValueError(f"there is no field {unknown[0][:LONGEST_NAME]!r}; {known}")
            for error in validator.iter_errors(arguments):
                raise ValueError(describe(error)[:LONGEST_MESSAGE])
            return handler(self, arguments)

        return handle

    return decorate


def or_null(schema: Mapping[str, object]) -> dict[str, object]:
    return {"type": [schema["type"], "null"]}


class Admin:
    """The admin interface, by what a caller names in the query, the path and the body."""

    def __init__(self, double: Double) -> None:
        self._double = double

    @takes()
    def reset(self, _: dict[str, Any]) -> Any:
        self._double.reset()
        return {}

    @takes()
    def list_accounts(self, _: dict[str, Any]) -> Any:
        return [show(account) for account in self._double.accounts()]

    @takes(
        {
            "key": STRING,
            "credits": NUMBER,
            "requests_per_minute": or_null(WHOLE),
            "forbidden_models": {"type": "array", "items": STRING},
            "has_balance": BOOLEAN,
        }
    )
    def open_account(self, arguments: dict[str, Any]) -> Any:
        return show(self._double.open_account(**arguments))

    @takes()
    def list_faults(self, _: dict[str, Any]) -> Any:
        return [show(rule) for rule in self._records(FaultRule)]

    @takes(
        {
            "fault": {"type": "object"},
            "operation_id": or_null(STRING),
            "key": or_null(STRING),
            "times": or_null(WHOLE),
            "probability": NUMBER,
            "seed": WHOLE,
        },
        "fault",
    )
    def add_fault(self, arguments: dict[str, Any]) -> Any:
        return show(self._double.add_fault(**arguments))

    @takes()
    def clear_faults(self, _: dict[str, Any]) -> Any:
        self._double.clear_faults()
        return {}

    @takes()
    def read_clock(self, _: dict[str, Any]) -> Any:
        return {"now": self._double.clock.now()}

    @takes(dict.fromkeys(("seconds", "minutes", "hours", "days"), NUMBER))
    def advance_clock(self, arguments: dict[str, Any]) -> Any:
        self._double.clock.advance(**arguments)
        return self.read_clock({})

    @takes()
    def list_jobs(self, _: dict[str, Any]) -> Any:
        return [self._show(job) for job in self._double.jobs()]

    @takes(JOB)
    def inspect_job(self, arguments: dict[str, Any]) -> Any:
        return self._show(self._double.job(arguments["request_id"]))

    @takes(JOB)
    def complete_job(self, arguments: dict[str, Any]) -> Any:
        return self._show(self._double.complete(arguments["request_id"]))

    @takes({**JOB, "error": or_null(STRING)})
    def fail_job(self, arguments: dict[str, Any]) -> Any:
        return self._show(self._double.fail(**arguments))

    @takes(JOURNAL)
    def journal(self, arguments: dict[str, Any]) -> Any:
        return [asdict(row) for row in self._double.requests(**with_numbers(arguments))]

    @takes(JOURNAL)
    def counts(self, arguments: dict[str, Any]) -> Any:
        """How many calls there were, by key."""
        counts: dict[str, int] = {}
        for row in self._double.requests(**with_numbers(arguments)):
            counts[row.key or ""] = counts.get(row.key or "", 0) + 1
        return counts

    def _records(self, kind: type[R]) -> list[R]:
        return self._double.store.transact(lambda tx: tx.oldest(kind, MOST_LISTED))

    def _show(self, job: Job) -> dict[str, Any]:
        return {**show(job), "state": job.state(self._double.clock.now())}


def with_numbers(query: dict[str, str]) -> dict[str, Any]:
    """A query's words for a status and for true and false, as what they stand for."""
    arguments: dict[str, Any] = {**query}
    if "status" in query:
        if not re.fullmatch(r"\d{1,3}", query["status"], re.ASCII):
            raise ValueError("status: expected a number such as 200, or 0 for a dropped call")
        arguments["status"] = int(query["status"])
    if "accepted" in query:
        if query["accepted"].lower() not in ("true", "false"):
            raise ValueError("accepted: expected true or false")
        arguments["accepted"] = query["accepted"].lower() == "true"
    return arguments


def show(record: Account | FaultRule | Job) -> dict[str, Any]:
    """A record with its key masked: whoever may list accounts need not be able to spend their credits."""
    return {**asdict(record), "key": mask(record.key)}


async def read_object(request: Request, largest: int) -> dict[str, Any]:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > largest:
            raise HTTPException(413, f"the body is larger than {largest} bytes")
    if not body:
        return {}
    if media_type_of(request.headers) != "application/json":
        # A web page may send a body of some other types anywhere without asking first.
        raise HTTPException(415, "a body needs the header Content-Type: application/json")
    try:
        value: Any = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"the body is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError("expected a JSON object")  # noqa: TRY004  refused as any other body
    return cast(dict[str, Any], value)


def health_endpoint(double: Double) -> Callable[[Request], Awaitable[Response]]:
    """Answers every caller, if the store answers: the time comes from it."""

    async def report_health(_: Request) -> Response:
        double.clock.now()
        return answer({"status": "ok"})

    return report_health


def image_endpoint(double: Double) -> Callable[[Request], Awaitable[Response]]:
    async def serve_image(request: Request) -> Response:
        name = IMAGE_NAME.fullmatch(request.path_params["name"])
        if name is None or not (0 < int(name[2]) <= LARGEST_SIDE and 0 < int(name[3]) <= LARGEST_SIDE):
            raise HTTPException(404)
        if double.clock.now() >= int(name[4]) + double.contract.image_retention:
            raise HTTPException(404)
        image_format: Literal["png", "jpeg"] = "png" if name[5] == "png" else "jpeg"
        if image_format not in ("png", double.settings.image_format):
            raise HTTPException(404)
        caption = request.query_params.get("caption", "")[:LONGEST_CAPTION] if double.settings.captions else ""
        content = draw(name[1], int(name[2]), int(name[3]), image_format=image_format, caption=caption)
        return Response(content, media_type=f"image/{image_format}")

    return serve_image


async def answer_http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return answer({"error": f"no {request.method} at {request.url.path}"}, status)


async def answer_own_failure(_request: Request, error: Exception) -> Response:
    """The application logs the failure."""
    return answer({"error": f"the double itself failed with {type(error).__name__}; its log has the traceback"}, 500)


def answer(body: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status_code=status, media_type="application/json")
