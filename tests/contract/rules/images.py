"""Images: size, seed, retention and description."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

from PIL import Image

from tests.contract.rules.rule import AT_ONCE, PROMPT, V1, OpenStage, finished, rule, submit
from tests.support.contract import MODELS
from tests.support.stage import Stage


@rule
def an_image_has_the_size_and_the_shape_that_were_asked_for(open_stage: OpenStage) -> None:
    stage = open_stage(AT_ONCE)
    for slug, parameters, size in SIZES:
        for image in image_v1(stage, slug, parameters), image_v2(stage, slug, parameters):
            assert image.size == size, f"{slug} {parameters} is {image.size}"


@rule
def the_same_seed_gives_the_same_image_and_another_gives_another(open_stage: OpenStage) -> None:
    stage = open_stage(AT_ONCE)

    def drawn(**parameters: Any) -> bytes:
        fetched: dict[str, Any] = finished(stage, submit(stage, **parameters))
        return stage.call("GET", fetched["output"]).content

    assert drawn(seed=7) == drawn(seed=7)
    assert drawn(seed=7) != drawn(seed=8)
    assert drawn(seed=7) != drawn(seed=7, prompt="another")
    assert drawn(seed=7) != drawn(seed=7, steps=26)
    assert drawn() != drawn(), "two drawn seeds gave one image"


@rule
def a_seed_is_reported_by_the_models_that_have_one(open_stage: OpenStage) -> None:
    stage = open_stage(AT_ONCE)
    for seed in (0, 7, 2147483647):
        generated = stage.call("POST", V1, json={**PROMPT, "seed": seed})
        assert generated.headers["x-seed-value"] == str(seed)
        assert generated.json()["seed"] == seed
        assert finished(stage, submit(stage, seed=seed))["seed"] == seed
    left_to_the_service: list[dict[str, Any]] = [{}, {}, {"seed": -1}, {"seed": -1}]
    drawn = [finished(stage, submit(stage, **seed))["seed"] for seed in left_to_the_service]
    assert len(set(drawn)) == 4
    assert min(drawn) >= 0
    for slug, model in MODELS.items():
        generated = stage.call("POST", f"/v1/{slug}", json=PROMPT)
        reports = ["x-seed-value" in generated.headers, "seed" in generated.json()]
        assert [*reports, "seed" in finished(stage, submit(stage, f"/v2/{slug}"))] == ["seed" in model.parameters] * 3


@rule
def an_image_is_kept_for_seven_days(open_stage: OpenStage) -> None:
    stage = open_stage(AT_ONCE)
    url = finished(stage, submit(stage))["output"]
    stage.clock.advance(7 * 86400 - 120)
    assert stage.call("GET", url, key=None).status_code == 200
    stage.clock.advance(120)
    assert stage.call("GET", url, key=None).status_code == 404


@rule
def a_result_describes_its_image(open_stage: OpenStage) -> None:
    stage = open_stage(AT_ONCE)
    body = finished(stage, submit(stage))
    (described,) = body["images"]
    served = stage.call("GET", described["url"], key=None)
    assert body["output"] == described["url"]
    assert (described["content_type"], described["file_size"]) == (served.headers["content-type"], len(served.content))
    assert body["error"] is None
    assert re.fullmatch(r"[\w-]+\.png", described["file_name"])


def image_v1(stage: Stage, slug: str, parameters: Mapping[str, Any]) -> Image.Image:
    url = stage.call("POST", f"/v1/{slug}", json={**PROMPT, **parameters}).json()["output"]
    return Image.open(io.BytesIO(stage.call("GET", url, key=None).content))


def image_v2(stage: Stage, slug: str, parameters: Mapping[str, Any]) -> Image.Image:
    url = finished(stage, submit(stage, f"/v2/{slug}", **parameters))["output"]
    return Image.open(io.BytesIO(stage.call("GET", url, key=None).content))


SIZES: list[tuple[str, dict[str, Any], tuple[int, int]]] = [
    ("imagen-4-fast", {}, (512, 512)),
    ("imagen-4-fast", {"width": 256, "height": 1024}, (256, 1024)),
    ("imagen-4-ultra", {"width": 300}, (300, 512)),
    ("imagen-4-ultra", {"height": 301}, (512, 301)),
    ("imagen-4-fast", {"aspect_ratio": "16:9"}, (1024, 576)),
    ("imagen-4", {}, (1024, 768)),
    ("imagen-4", {"aspect_ratio": "3:4"}, (768, 1024)),
    ("imagen", {}, (1024, 576)),
    ("imagen", {"aspect_ratio": "1:1"}, (1024, 1024)),
    ("imagen", {"aspect_ratio": "9:16"}, (576, 1024)),
]
