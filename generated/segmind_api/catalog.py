# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
"""The models that can be called, by slug, and what the vendor says of calling them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import cast

from .api.account import get_user_credits
from .api.jobs import get_job_result, get_job_status
from .entries import Model as Model
from .errors import InvalidParameter
from .types import RequestBody, path_segment


class Models(Mapping[str, Model]):
    """Models by slug. Each is imported when it is first looked up, so that there may be many."""

    def __init__(self, modules: Mapping[str, str]) -> None:
        self._modules = modules

    def __getitem__(self, slug: str) -> Model:
        return cast(Model, import_module(f".entries.{self._modules[slug]}", __package__).MODEL)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)

    def __contains__(self, slug: object) -> bool:
        return slug in self._modules


MODELS: Mapping[str, Model] = Models(
    {
        "imagen": "submit_imagen",
        "imagen-4": "submit_imagen_4",
        "imagen-4-fast": "submit_imagen_4_fast",
        "imagen-4-ultra": "submit_imagen_4_ultra",
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
"""Until the URL of what was made is gone."""


def known_model(slug: str, parameters: Iterable[str]) -> Model:
    """The model with this slug, if the contract knows it and all these parameters. Raises InvalidParameter."""
    if slug not in MODELS:
        raise InvalidParameter("Model", "slug", slug, f"one of {', '.join(MODELS)}{guess(slug, MODELS)}")
    model = MODELS[slug]
    python_names = model.request.PARAMETERS
    for name in parameters:
        if name not in python_names and name not in model.request.names():
            allowed = f"one of the parameters {', '.join(python_names)}{guess(name, python_names)}"
            raise InvalidParameter(model.request.__name__, str(name), name, allowed)
    return model


def guess(word: str, words: Iterable[str]) -> str:
    close = get_close_matches(str(word), words, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def model(slug: str) -> Model:
    """The model with this slug; where the contract knows none, one with open parameters and its siblings' responses."""
    known = MODELS.get(slug)
    if known is not None:
        return known
    sibling = MODELS["imagen"]
    return Model(
        slug=slug,
        request=RequestBody,
        generate_path="/v1/{model}".replace("{model}", path_segment("model", slug)),
        read_generated=sibling.read_generated,
        submit_path="/v2/{model}".replace("{model}", path_segment("model", slug)),
        read_submitted=sibling.read_submitted,
        output=None,
    )
