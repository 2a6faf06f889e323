"""Calls the double through what openapi-python-client generated, and prints a line for each case."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from waiting import MayHaveBeenAccepted, NotSent, SafeClient, TimedOut, wait

sys.path.insert(0, sys.argv[1])

from segmind_generated import AuthenticatedClient
from segmind_generated.api.generations import generate_imagen_4
from segmind_generated.api.jobs import (
    get_job_result,
    get_job_status,
    submit_imagen,
    submit_imagen_4,
    submit_imagen_4_fast,
    submit_imagen_4_ultra,
)
from segmind_generated.models import (
    AspectRatio,
    ErrorBody,
    FailedJob,
    Imagen4FastRequest,
    Imagen4Request,
    Imagen4UltraRequest,
    ImagenRequest,
    JobResult,
    PersonGeneration,
    SafetyFilterLevel,
    Scheduler,
)
from segmind_generated.types import Unset

BASE, KEY = os.environ["SEGMIND_BASE_URL"], os.environ["SEGMIND_API_KEY"]
CABIN = Imagen4Request(prompt="a cabin at sunrise")
FOX = "a red fox asleep in snow"


class Refused(Exception):
    """An error response."""


def client(url: str, key: str, kind: type[httpx.Client]) -> AuthenticatedClient:
    http = kind(base_url=url, headers={"x-api-key": key}, timeout=30)
    return AuthenticatedClient(base_url=url, token=key).set_httpx_client(http)


def at(scenario: str, key: str = KEY) -> AuthenticatedClient:
    return client(f"{BASE}/{scenario}", key, httpx.Client)


def safe(scenario: str) -> AuthenticatedClient:
    return client(f"{BASE}/{scenario}", KEY, SafeClient)


def value(response: Any) -> Any:
    """What a response was parsed as. Raises Refused for an error."""
    if response.status_code != 200:
        message = response.parsed.error if isinstance(response.parsed, ErrorBody | FailedJob) else ""
        raise Refused(f"{response.status_code} {message or ''}".strip())
    return response.parsed


def submit(api: AuthenticatedClient) -> str:
    return value(submit_imagen_4.sync_detailed(client=api, body=CABIN)).request_id


def run(api: AuthenticatedClient, seconds: float = 60) -> JobResult:
    request_id = submit(api)
    wait(lambda: value(get_job_status.sync_detailed(request_id, client=api)).status, seconds, 0.05)
    return value(get_job_result.sync_detailed(request_id, client=api))


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
    except Exception as error:
        said = f"failed: {type(error).__name__}"
    print(f"{name}: {said}")


def v2() -> str:
    result = run(safe("v2"))
    return f"{result.status}, cost {result.metrics.cost}"


def v1_json() -> str:
    file = value(generate_imagen_4.sync_detailed(client=at("v1-json"), body=CABIN))
    return f"{len(JobResult.from_dict(json.load(file.payload)).images)} image"


def v1_image() -> str:
    file = value(generate_imagen_4.sync_detailed(client=at("v1-image"), body=CABIN))
    Path(sys.argv[1], "v1.png").write_bytes(file.payload.read())
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
    scheduler=Scheduler.EULERANCESTRALDISCRETE,
    seed=7,
)
ultra = Imagen4UltraRequest(
    prompt=FOX,
    steps=50,
    guidance_scale=12.25,
    scheduler=Scheduler.LMSDISCRETE,
    seed=-1,
    aspect_ratio=AspectRatio.SQUARE_1_1,
)
line("parameters of imagen", lambda: value(submit_imagen.sync_detailed(client=models, body=imagen)).status)
line("parameters of imagen-4", lambda: value(submit_imagen_4.sync_detailed(client=models, body=imagen_4)).status)
line("parameters of imagen-4-fast", lambda: value(submit_imagen_4_fast.sync_detailed(client=models, body=fast)).status)
line(
    "parameters of imagen-4-ultra", lambda: value(submit_imagen_4_ultra.sync_detailed(client=models, body=ultra)).status
)
wide = Imagen4FastRequest(prompt=FOX, width=2048)
line("value out of range", lambda: value(submit_imagen_4_fast.sync_detailed(client=at("out-of-range"), body=wide)))
line("wrong key", lambda: submit(at("wrong-key", "SG_ffffffffffffffff")))
line("no credits", lambda: submit(at("no-credits")))
line("failed job", lambda: run(safe("failed-job")).status)
line("rate limit", lambda: submit(at("rate-limit")))
api = at("unknown-status")
line("unknown status", lambda: value(get_job_status.sync_detailed(submit(api), client=api)).status)
line("unknown field", lambda: run(safe("unknown-field")).status)


def no_metrics() -> str:
    result = run(safe("no-metrics"))
    return f"{result.status}, {'no metrics' if isinstance(result.metrics, Unset) else 'metrics'}"


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
