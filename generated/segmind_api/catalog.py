# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
"""The models that can be called, by slug, and what the vendor says of calling them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType

import attrs

from .api.account import get_user_credits
from .api.generations import generate_imagen, generate_imagen_4, generate_imagen_4_fast, generate_imagen_4_ultra
from .api.jobs import (
    get_job_result,
    get_job_status,
    submit_imagen,
    submit_imagen_4,
    submit_imagen_4_fast,
    submit_imagen_4_ultra,
)
from .errors import InvalidParameter
from .models.error_response import ErrorResponse
from .models.generation_output import GenerationOutput
from .models.imagen_4_fast_request import Imagen4FastRequest
from .models.imagen_4_request import Imagen4Request
from .models.imagen_4_ultra_request import Imagen4UltraRequest
from .models.imagen_request import ImagenRequest
from .models.submitted_job import SubmittedJob
from .types import Answer, ApiResponse, RequestBody, path_segment


@attrs.frozen(kw_only=True)
class Model:
    """One model: its parameters, its two operations, and what they cost in money and time."""

    slug: str
    request: type[RequestBody]
    """Class of its parameters."""
    generate_path: str
    """Path of the blocking call (v1)."""
    read_generated: Callable[[ApiResponse], Answer[GenerationOutput | str | bytes, ErrorResponse | str]]
    submit_path: str
    """Path that queues a job (v2)."""
    read_submitted: Callable[[ApiResponse], Answer[SubmittedJob, ErrorResponse | str]]
    price_usd: float | None
    """US dollars for one image; None where nobody says."""
    typical_latency_seconds: float | None
    """Seconds that one image usually takes; None where nobody says."""


MODELS: Mapping[str, Model] = MappingProxyType(
    {
        "imagen": Model(
            slug="imagen",
            request=ImagenRequest,
            generate_path="/v1/imagen",
            read_generated=generate_imagen.read,
            submit_path="/v2/imagen",
            read_submitted=submit_imagen.read,
            price_usd=0.06,
            typical_latency_seconds=8.16,
        ),
        "imagen-4": Model(
            slug="imagen-4",
            request=Imagen4Request,
            generate_path="/v1/imagen-4",
            read_generated=generate_imagen_4.read,
            submit_path="/v2/imagen-4",
            read_submitted=submit_imagen_4.read,
            price_usd=0.06,
            typical_latency_seconds=11.6,
        ),
        "imagen-4-fast": Model(
            slug="imagen-4-fast",
            request=Imagen4FastRequest,
            generate_path="/v1/imagen-4-fast",
            read_generated=generate_imagen_4_fast.read,
            submit_path="/v2/imagen-4-fast",
            read_submitted=submit_imagen_4_fast.read,
            price_usd=0.02,
            typical_latency_seconds=5,
        ),
        "imagen-4-ultra": Model(
            slug="imagen-4-ultra",
            request=Imagen4UltraRequest,
            generate_path="/v1/imagen-4-ultra",
            read_generated=generate_imagen_4_ultra.read,
            submit_path="/v2/imagen-4-ultra",
            read_submitted=submit_imagen_4_ultra.read,
            price_usd=0.06,
            typical_latency_seconds=12.07,
        ),
    }
)

STATUS = get_job_status
RESULT = get_job_result
CREDITS = get_user_credits

POLL_INTERVAL_SECONDS = 1.0
"""Between two polls, as the vendor recommends."""
POLL_DEADLINE_SECONDS = 600
"""From submission until polling stops, as the vendor recommends."""
JOB_RETENTION_SECONDS = 3600
"""Until a job's status and result are gone."""
IMAGE_RETENTION_SECONDS = 604800
"""Until an image's address is gone."""


def known_model(slug: str, parameters: Iterable[str]) -> Model:
    """The model with this slug, if the contract knows it and all these parameters. Raises InvalidParameter."""
    if slug not in MODELS:
        raise InvalidParameter("Model", "slug", slug, f"one of {', '.join(MODELS)}{guess(slug, MODELS)}")
    names = MODELS[slug].request.names()
    for name in parameters:
        if name not in names:
            kind = MODELS[slug].request.__name__
            raise InvalidParameter(
                kind, str(name), name, f"one of the parameters {', '.join(names)}{guess(name, names)}"
            )
    return MODELS[slug]


def guess(word: str, words: Iterable[str]) -> str:
    close = get_close_matches(str(word), words, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def model(slug: str) -> Model:
    """The model with this slug; one with open parameters and answers like its siblings' where the contract knows none."""
    known = MODELS.get(slug)
    if known is not None:
        return known
    return Model(
        slug=slug,
        request=RequestBody,
        generate_path="/v1/{model}".replace("{model}", path_segment("model", slug)),
        read_generated=generate_imagen.read,
        submit_path="/v2/{model}".replace("{model}", path_segment("model", slug)),
        read_submitted=submit_imagen.read,
        price_usd=None,
        typical_latency_seconds=None,
    )
