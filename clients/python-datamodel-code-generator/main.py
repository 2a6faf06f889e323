"""Calls the double through httpx with models that datamodel-code-generator made, and prints a line for each case."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import httpx
from pydantic import BaseModel, ValidationError

# The waiting rule of the other program that uses httpx.
sys.path[:0] = ["../python-openapi-python-client", sys.argv[1]]

from models import (
    AspectRatio,
    ErrorBody,
    Imagen4FastRequest,
    Imagen4Request,
    Imagen4UltraRequest,
    ImagenRequest,
    JobResult,
    JobStatus,
    PersonGeneration,
    SafetyFilterLevel,
    Scheduler,
    SubmittedJob,
)
from waiting import MayHaveBeenAccepted, NotSent, SafeClient, TimedOut, wait

BASE, KEY = os.environ["SEGMIND_BASE_URL"], os.environ["SEGMIND_API_KEY"]
CABIN = Imagen4Request(prompt="a cabin at sunrise")
FOX = "a red fox asleep in snow"
Model = TypeVar("Model", bound=BaseModel)


class Refused(Exception):
    """An error response."""


def client(url: str, key: str, kind: type[httpx.Client]) -> httpx.Client:
    return kind(base_url=url, headers={"x-api-key": key}, timeout=30)


def at(scenario: str, key: str = KEY) -> httpx.Client:
    return client(f"{BASE}/{scenario}", key, httpx.Client)


def safe(scenario: str) -> httpx.Client:
    return client(f"{BASE}/{scenario}", KEY, SafeClient)


def checked(response: httpx.Response) -> bytes:
    """The body of a success. Raises Refused for an error."""
    if response.status_code == 200:
        return response.content
    try:
        message = ErrorBody.model_validate_json(response.content).error
    except ValidationError:
        message = None
    raise Refused(f"{response.status_code} {message or ''}".strip())


def post(api: httpx.Client, path: str, body: BaseModel) -> bytes:
    # Without the fields that were not set: the service would take a null for a value.
    return checked(api.post(path, json=body.model_dump(mode="json", exclude_unset=True)))


def get(api: httpx.Client, path: str, model: type[Model]) -> Model:
    return model.model_validate_json(checked(api.get(path)))


def submit_to(api: httpx.Client, slug: str, body: BaseModel) -> SubmittedJob:
    return SubmittedJob.model_validate_json(post(api, f"/v2/{slug}", body))


def submit(api: httpx.Client) -> str:
    return submit_to(api, "imagen-4", CABIN).request_id


def status(api: httpx.Client, request_id: str) -> str | None:
    return get(api, f"/v2/requests/{request_id}/status", JobStatus).status


def run(api: httpx.Client, seconds: float = 60) -> JobResult:
    request_id = submit(api)
    wait(lambda: status(api, request_id), seconds, 0.05)
    return get(api, f"/v2/requests/{request_id}", JobResult)


def line(name: str, outcome: Callable[[], object]) -> None:
    try:
        said = outcome()
    except MayHaveBeenAccepted:
        said = "may have been accepted"
    except NotSent:
        said = "not sent"
    except TimedOut:
        said = "timed out, the job is known"
    except Refused as error:
        said = error
    except ValidationError:
        said = "refused before it was sent"
    except Exception as error:
        said = f"failed: {type(error).__name__}"
    print(f"{name}: {said}")


def v2() -> str:
    result = run(safe("v2"))
    return f"{result.status}, cost {result.metrics.cost}"


def v1_json() -> str:
    images = JobResult.model_validate_json(post(at("v1-json"), "/v1/imagen-4", CABIN)).images
    return f"{len(images or [])} image"


def v1_image() -> str:
    Path(sys.argv[1], "v1.png").write_bytes(post(at("v1-image"), "/v1/imagen-4", CABIN))
    return "saved"


line("v2 with polling", v2)
line("v1 as JSON", v1_json)
line("v1 as image bytes", v1_image)
models = at("parameters")
imagen = ImagenRequest(
    prompt=FOX,
    aspect_ratio=AspectRatio.PORTRAIT_3_4,
    person_generation=PersonGeneration.DONT_ALLOW,
    safety_filter_level=SafetyFilterLevel.BLOCK_ONLY_HIGH,
)
imagen_4 = Imagen4Request(prompt=FOX, aspect_ratio=AspectRatio.PORTRAIT_9_16, negative_prompt="people")
fast = Imagen4FastRequest(
    prompt=FOX,
    width=768,
    height=640,
    steps=30,
    guidance_scale=8.5,
    negative_prompt="people",
    scheduler=Scheduler.EulerAncestralDiscrete,
    seed=7,
)
ultra = Imagen4UltraRequest(
    prompt=FOX,
    steps=50,
    guidance_scale=12.25,
    scheduler=Scheduler.LMSDiscrete,
    seed=-1,
    aspect_ratio=AspectRatio.SQUARE_1_1,
)
line("parameters of imagen", lambda: submit_to(models, "imagen", imagen).status)
line("parameters of imagen-4", lambda: submit_to(models, "imagen-4", imagen_4).status)
line("parameters of imagen-4-fast", lambda: submit_to(models, "imagen-4-fast", fast).status)
line("parameters of imagen-4-ultra", lambda: submit_to(models, "imagen-4-ultra", ultra).status)
line(
    "value out of range",
    lambda: submit_to(at("out-of-range"), "imagen-4-fast", Imagen4FastRequest(prompt=FOX, width=2048)),
)
line("wrong key", lambda: submit(at("wrong-key", "SG_ffffffffffffffff")))
line("no credits", lambda: submit(at("no-credits")))
line("failed job", lambda: run(safe("failed-job")).status)
line("rate limit", lambda: submit(at("rate-limit")))
api = at("unknown-status")
line("unknown status", lambda: status(api, submit(api)))
line("unknown field", lambda: run(safe("unknown-field")).status)


def no_metrics() -> str:
    result = run(safe("no-metrics"))
    return f"{result.status}, {'no metrics' if result.metrics is None else 'metrics'}"


def null_field() -> str:
    result = run(safe("null-field"))
    return f"{result.status}, {'images' if result.images else 'no images'}"


line("missing metrics", no_metrics)
line("null for an optional value", null_field)
line("id that is no UUID", lambda: run(safe("foreign-id")).status)
line("HTML 502", lambda: submit(at("html-502")))
line("503", lambda: submit(at("unavailable")))

line("run after a 503", lambda: run(safe("busy")).status)
line("run after a rate limit", lambda: run(safe("limited")).status)
line("run without a connection", lambda: run(client(os.environ["SEGMIND_CLOSED_URL"], KEY, SafeClient)).status)
lost = safe("lost")
run(lost)
line("run with a lost response", lambda: run(lost).status)
line("run with an HTML 502", lambda: run(safe("gateway")).status)
line("run with a 504", lambda: run(safe("late")).status)
line("run with an unreadable response", lambda: run(safe("unreadable")).status)
line("run with failing polls", lambda: run(safe("flaky-polls")).status)
line("run past its deadline", lambda: run(safe("endless"), 0.5).status)
