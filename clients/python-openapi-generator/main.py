"""Calls the double through what openapi-generator made, and prints a line for each case."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, sys.argv[1])

import waiting
from pydantic import ValidationError
from segmind_generated import (
    ApiClient,
    ApiException,
    AspectRatio,
    Configuration,
    ErrorBody,
    FailedJob,
    GenerationsApi,
    Imagen4FastRequest,
    Imagen4Request,
    Imagen4UltraRequest,
    ImagenRequest,
    JobResult,
    JobsApi,
    PersonGeneration,
    SafetyFilterLevel,
    Scheduler,
)
from waiting import MayHaveBeenAccepted, NotSent, TimedOut

BASE, KEY = os.environ["SEGMIND_BASE_URL"], os.environ["SEGMIND_API_KEY"]
CABIN = Imagen4Request(prompt="a cabin at sunrise")
FOX = "a red fox asleep in snow"


def client(url: str, key: str = KEY) -> ApiClient:
    return ApiClient(Configuration(host=url, api_key={"ApiKey": key}))


def at(scenario: str, key: str = KEY) -> JobsApi:
    return JobsApi(client(f"{BASE}/{scenario}", key))


def submit(api: JobsApi) -> str:
    return api.submit_imagen4(CABIN, _request_timeout=30).request_id


def run(api: JobsApi, seconds: float = 60) -> JobResult:
    return waiting.run(api, CABIN, seconds, 0.05)


def generate(scenario: str) -> bytes:
    return GenerationsApi(client(f"{BASE}/{scenario}")).generate_imagen4(CABIN, _request_timeout=180)


def line(name: str, outcome: Callable[[], object]) -> None:
    try:
        said = outcome()
    except MayHaveBeenAccepted:
        said = "may have been accepted"
    except NotSent:
        said = "not sent"
    except TimedOut:
        said = "timed out, the job is known"
    except ApiException as error:
        message = error.data.error if isinstance(error.data, ErrorBody | FailedJob) else ""
        said = f"{error.status} {message or ''}".strip()
    except ValidationError:
        said = "refused before it was sent"
    except Exception as error:
        said = f"failed: {type(error).__name__}"
    print(f"{name}: {said}")


def v2() -> str:
    result = run(at("v2"))
    return f"{result.status}, cost {result.metrics.cost}"


def v1_json() -> str:
    result = JobResult.from_json(generate("v1-json").decode())
    return f"{len(result.images or [])} image"


def v1_image() -> str:
    Path(sys.argv[1], "v1.png").write_bytes(generate("v1-image"))
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
line("parameters of imagen", lambda: models.submit_imagen(imagen).status)
line("parameters of imagen-4", lambda: models.submit_imagen4(imagen_4).status)
line("parameters of imagen-4-fast", lambda: models.submit_imagen4_fast(fast).status)
line("parameters of imagen-4-ultra", lambda: models.submit_imagen4_ultra(ultra).status)
line(
    "value out of range",
    lambda: at("out-of-range").submit_imagen4_fast(Imagen4FastRequest(prompt=FOX, width=2048)),
)
line("wrong key", lambda: submit(at("wrong-key", "SG_ffffffffffffffff")))
line("no credits", lambda: submit(at("no-credits")))
line("failed job", lambda: run(at("failed-job")).status)
line("rate limit", lambda: submit(at("rate-limit")))
api = at("unknown-status")
line("unknown status", lambda: api.get_job_status(submit(api)).status)
line("unknown field", lambda: run(at("unknown-field")).status)


def no_metrics() -> str:
    result = run(at("no-metrics"))
    return f"{result.status}, {'no metrics' if result.metrics is None else 'metrics'}"


def null_field() -> str:
    result = run(at("null-field"))
    return f"{result.status}, {'images' if result.images else 'no images'}"


line("missing metrics", no_metrics)
line("null for an optional value", null_field)
line("id that is no UUID", lambda: run(at("foreign-id")).status)
line("HTML 502", lambda: submit(at("html-502")))
line("503", lambda: submit(at("unavailable")))

line("run after a 503", lambda: run(at("busy")).status)
line("run after a rate limit", lambda: run(at("limited")).status)
line("run without a connection", lambda: run(JobsApi(client(os.environ["SEGMIND_CLOSED_URL"]))).status)
lost = at("lost")
run(lost)
line("run with a lost response", lambda: run(lost).status)
line("run with an HTML 502", lambda: run(at("gateway")).status)
line("run with a 504", lambda: run(at("late")).status)
line("run with an unreadable response", lambda: run(at("unreadable")).status)
line("run with failing polls", lambda: run(at("flaky-polls")).status)
line("run past its deadline", lambda: run(at("endless"), 0.5).status)
