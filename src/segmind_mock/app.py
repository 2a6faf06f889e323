"""The double as an ASGI application: the contract's operations over jobs, accounts and a clock."""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from segmind_mock.accounts import Account, Accounts
from segmind_mock.clock import Clock, SystemClock
from segmind_mock.contract import Contract, Model, Operation
from segmind_mock.images import LARGEST_SIDE, draw_png, image_digest, image_size
from segmind_mock.jobs import Job, Jobs

RESERVED_PREFIX = "/_mock"
"""Paths below it are the double's own, not the service's."""
LONGEST_MESSAGE = 500
"""Characters; a message may quote what was sent."""
HIGHEST_SEED = 2**31 - 1


class RefusedError(Exception):
    """A call that is answered with a documented error: a named example of the contract, or a body of its own."""

    def __init__(self, status: int, *, example: str = "", body: Mapping[str, Any] | None = None) -> None:
        super().__init__(status, example, body)
        self.status = status
        self.example = example
        self.body = body


class Double:
    """The state of one double, and the application that serves it.

    `latency_factor` scales the contract's typical latencies: 0 completes every job at once, 1 takes as
    long as the service does. The default account has 100 credits.
    """

    def __init__(
        self,
        *,
        contract: Contract | None = None,
        clock: Clock | None = None,
        latency_factor: float = 0.0,
    ) -> None:
        self.contract = contract or Contract.load()
        self.clock: Clock = clock or SystemClock()
        self.latency_factor = latency_factor
        self.accounts = Accounts()
        self.accounts.add()
        self.jobs = Jobs(retention=self.contract.job_retention)
        self.app = create_app(self)


@dataclass(frozen=True)
class Call:
    """One call of an operation by the holder of a key."""

    double: Double
    operation: Operation
    request: Request
    account: Account

    @property
    def model(self) -> Model:
        if self.operation.model is None:
            raise TypeError(f"{self.operation.operation_id} calls no model: its operation has no request body")
        return self.operation.model

    def absolute(self, path: str) -> str:
        return f"{self.request.url.scheme}://{self.request.url.netloc}{path}"


def create_app(double: Double) -> Starlette:
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in double.contract.operations:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    routes = [Route(path, Endpoint(double, operations)) for path, operations in by_path.items()]
    routes.append(Route(f"{RESERVED_PREFIX}/images/{{name}}.png", serve_image))
    app = Starlette(routes=routes, exception_handlers={404: answer_unknown_path, 405: answer_unknown_path})
    app.router.redirect_slashes = False
    return app


@dataclass(frozen=True)
class Endpoint:
    """Everything that the contract has at one path."""

    double: Double
    operations: Mapping[str, Operation]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        response = await self.answer(request)
        await response(scope, receive, send)

    async def answer(self, request: Request) -> Response:
        operation = self.operations.get(request.method)
        if operation is None:
            page = self.double.contract.example(next(iter(self.operations.values())), 405, "page")
            return HTMLResponse(page, status_code=405, headers={"allow": ", ".join(self.operations)})
        self.double.jobs.settle(self.double.clock.now())
        try:
            account = authenticate(self.double, request)
            return await HANDLERS[operation.role](Call(self.double, operation, request, account))
        except RefusedError as refusal:
            body = refusal.body or self.double.contract.example(operation, refusal.status, refusal.example)
            return json_response(body, status=refusal.status)


def authenticate(double: Double, request: Request) -> Account:
    key = request.headers.get(double.contract.key_header)
    if not key:
        raise RefusedError(401, example="missing-key")
    account = double.accounts.by_key.get(key)
    if account is None:
        raise RefusedError(401, example="unknown-key")
    return account


async def generate(call: Call) -> Response:
    model, account = call.model, call.account
    parameters = await read_parameters(call)
    refuse_overdraft(call)
    seed = draw_seed(parameters)
    latency = model.typical_latency * call.double.latency_factor
    # Set aside before the wait, so that calls in parallel cannot spend the same credits.
    account.reserve(model.price)
    try:
        await call.double.clock.sleep(latency)
    finally:
        account.release(model.price)
    account.charge(model.price)
    request_id = str(uuid.uuid4())
    image = describe_image(call, request_id, model, parameters, seed)
    body: dict[str, Any] = {"output": image["url"], "images": [image], "prompt": parameters["prompt"]}
    headers = {
        "x-request-id": request_id,
        "x-cost": f"{model.price:g}",
        "x-remaining-credits": f"{account.credits:.6f}",
        "x-generation-time": f"{latency:.3f}",
    }
    if "seed" in model.parameters:
        body["seed"] = seed
        headers["x-seed-value"] = str(seed)
    return json_response(body, headers=headers)


async def submit(call: Call) -> Response:
    model, account = call.model, call.account
    parameters = await read_parameters(call)
    refuse_overdraft(call)
    job = call.double.jobs.submit(
        account,
        model,
        parameters,
        seed=draw_seed(parameters),
        now=call.double.clock.now(),
        latency=model.typical_latency * call.double.latency_factor,
    )
    return json_response({"request_id": job.request_id, "status": "QUEUED", **job_addresses(call, job)})


async def status(call: Call) -> Response:
    job, body = read_job(call)
    return json_response({**body, **job_addresses(call, job)})


async def result(call: Call) -> Response:
    job, body = read_job(call)
    if body["status"] != "COMPLETED":
        raise RefusedError(404, example="not-completed")
    image = describe_image(call, job.request_id, job.model, job.parameters, job.seed)
    body |= {"output": image["url"], "images": [image], "prompt": job.parameters["prompt"], "error": None}
    if "seed" in job.model.parameters:
        body["seed"] = job.seed
    return json_response(body)


async def credits_left(call: Call) -> Response:
    return json_response({"credits": call.account.credits, "free-credits": 0.0})


HANDLERS: Mapping[str, Callable[[Call], Awaitable[Response]]] = {
    "generate": generate,
    "submit": submit,
    "status": status,
    "result": result,
    "credits": credits_left,
}


async def read_parameters(call: Call) -> Mapping[str, Any]:
    """The checked body of a call. Raises RefusedError."""
    media_type = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise RefusedError(406, example="content-type")
    try:
        parameters = orjson.loads(await call.request.body())
    except orjson.JSONDecodeError as error:
        raise RefusedError(400, body={"error": f"the body is not valid JSON: {error}"}) from error
    problem = next(call.model.validator.iter_errors(parameters), None)
    if problem is not None:
        place = ".".join(map(str, problem.instance_path)) or "the body"
        raise RefusedError(400, body={"error": f"{place}: {problem.message}"[:LONGEST_MESSAGE]})
    return cast(Mapping[str, Any], parameters)


def refuse_overdraft(call: Call) -> None:
    if not call.account.can_pay(call.model.price):
        raise RefusedError(406, example="balance-too-low")


def draw_seed(parameters: Mapping[str, Any]) -> int:
    seed = int(parameters.get("seed", -1))
    return random.randint(0, HIGHEST_SEED) if seed == -1 else seed  # noqa: S311  no secret


def read_job(call: Call) -> tuple[Job, dict[str, Any]]:
    """The job that a path names, and what every answer about it holds. Raises RefusedError."""
    now = call.double.clock.now()
    job = call.double.jobs.find(call.request.path_params["request_id"], call.account, now)
    if job is None:
        raise RefusedError(404, example="unknown-or-expired")
    body = {"request_id": job.request_id, "status": job.state(now), "metrics": job_metrics(job, now)}
    if body["status"] == "FAILED":
        raise RefusedError(422, body={**body, "error": job.error})
    return job, body


def job_metrics(job: Job, now: float) -> dict[str, float]:
    metrics: dict[str, float] = {}
    if now >= job.started_at:
        metrics["queue_time"] = round(job.started_at - job.submitted_at, 3)
    if now >= job.ended_at:
        metrics["inference_time"] = round(job.ended_at - job.started_at, 3)
        metrics["total_time"] = round(metrics["queue_time"] + metrics["inference_time"], 3)
    if job.remaining_credits is not None:
        metrics["cost"] = job.model.price
        metrics["remaining_credits"] = job.remaining_credits
    return metrics


def job_addresses(call: Call, job: Job) -> dict[str, str]:
    paths = call.double.contract.job_paths
    return {
        "status_url": call.absolute(paths["status"].format(request_id=job.request_id)),
        "response_url": call.absolute(paths["result"].format(request_id=job.request_id)),
    }


def describe_image(
    call: Call, request_id: str, model: Model, parameters: Mapping[str, Any], seed: int
) -> dict[str, Any]:
    width, height = image_size(parameters, model.defaults)
    digest = image_digest(model.slug, parameters, seed)
    # The name says all that the image follows from, so that any process can draw it again.
    name = f"{request_id}-{digest}-{width}x{height}"
    return {
        "url": call.absolute(f"{RESERVED_PREFIX}/images/{name}.png"),
        "content_type": "image/png",
        "file_name": f"{request_id}.png",
        "file_size": len(draw_png(digest, width, height)),
    }


async def serve_image(request: Request) -> Response:
    name = re.fullmatch(r"[0-9a-f-]{36}-([0-9a-f]{32})-(\d{1,4})x(\d{1,4})", request.path_params["name"])
    if name is None or not (0 < int(name[2]) <= LARGEST_SIDE and 0 < int(name[3]) <= LARGEST_SIDE):
        raise HTTPException(404)
    return Response(draw_png(name[1], int(name[2]), int(name[3])), media_type="image/png")


async def answer_unknown_path(request: Request, _: Exception) -> Response:
    return json_response({"error": f"no such model or endpoint: {request.url.path}"}, status=404)


def json_response(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status_code=status, headers=headers, media_type="application/json")
