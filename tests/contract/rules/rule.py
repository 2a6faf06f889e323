"""What the rules share: their registry, a few calls and values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import httpx

from segmind_mock import Settings
from tests.support.contract import MODELS, OPERATIONS
from tests.support.stage import Stage

PROMPT = {"prompt": "a cabin at sunrise"}
V1, V2 = "/v1/imagen-4-fast", "/v2/imagen-4-fast"
PRICES = {slug: model.price for slug, model in MODELS.items()}
LATENCIES = {slug: model.latency for slug, model in MODELS.items()}
POSTS = {name: path for name, (method, path, _) in OPERATIONS.items() if method == "POST"}
"""Paths by the operation id."""
AT_ONCE = Settings()
Rule = Callable[["OpenStage"], None]
RULES: dict[str, Rule] = {}


class OpenStage(Protocol):
    """Opens a double of its own for a rule."""

    def __call__(self, settings: Settings | None = None) -> Stage: ...


def rule(claim: Rule) -> Rule:
    RULES[claim.__name__] = claim
    return claim


def submit(stage: Stage, path: str = V2, **parameters: Any) -> str:
    response = stage.call("POST", path, json={**PROMPT, **parameters})
    assert response.status_code == 200, f"the response to a submit was {response.status_code}: {response.text}"
    return str(response.json()["request_id"])


def status(stage: Stage, request_id: str, **call: Any) -> httpx.Response:
    return stage.call("GET", f"/v2/requests/{request_id}/status", **call)


def result(stage: Stage, request_id: str, **call: Any) -> httpx.Response:
    return stage.call("GET", f"/v2/requests/{request_id}", **call)


def finished(stage: Stage, request_id: str) -> dict[str, Any]:
    stage.clock.advance(60)
    response = result(stage, request_id)
    assert response.status_code == 200, f"a completed job's result is {response.status_code}"
    body: dict[str, Any] = response.json()
    return body


JSON = {"content-type": "application/json"}
TEXT = {"content-type": "text/plain"}
REFUSED: list[dict[str, Any]] = [{"json": {}}, {"content": b"{", "headers": JSON}, {"content": b"{}", "headers": TEXT}]
