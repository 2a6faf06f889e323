"""The generated classes: what a request refuses and sends, what an answer tolerates."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any

import pytest

from segmind_api.errors import InvalidParameter, UnreadableField
from segmind_api.models import (
    FailedJob,
    Imagen4FastRequest,
    Imagen4Request,
    ImagenRequest,
    JobResult,
    JobStatus,
    OutputImage,
)
from segmind_api.types import UNSET

FAST = "Imagen4FastRequest"
WITHIN: dict[str, list[Any]] = {
    "width": [256, 1024],
    "height": [256, 1024],
    "steps": [1, 100],
    "guidance_scale": [1, 20, 7.5, 1.0],
    "seed": [-1, 0, 2147483647],
    "aspect_ratio": ["1:1", "4:3", "3:4", "9:16", "16:9"],
    "scheduler": ["DDIM", "PNDM", "LMSDiscrete", "DPMSolverMultistep", "EulerAncestralDiscrete"],
    "negative_prompt": ["", "blurry"],
    "prompt": ["x", "x" * 5000, "é\x00🦊"],
}
BEYOND: dict[str, tuple[list[Any], str]] = {
    "width": ([255, 1025, True, 512.0, "512", None], "an integer from 256 to 1024"),
    "height": ([255, 1025, True], "an integer from 256 to 1024"),
    "steps": ([0, 101], "an integer from 1 to 100"),
    "guidance_scale": ([0.99, 20.01, True, float("nan"), float("inf"), "7"], "a number from 1 to 20"),
    "seed": ([-2, 2147483648, 1.5], "an integer from -1 to 2147483647"),
    "aspect_ratio": (["2:1", "", 1, ["1:1"]], "one of '1:1', '4:3', '3:4', '9:16', '16:9'"),
    "scheduler": (["ddim"], "one of 'DDIM', 'PNDM'"),
    "negative_prompt": ([7], "a string"),
    "prompt": (["", None, 7, b"x", "\ud800", UNSET], "a string that is not empty"),
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WITHIN.items() for value in values])
def test_what_the_contract_allows_is_sent_as_it_is(name: str, value: Any) -> None:
    parameters: dict[str, Any] = {"prompt": "a fox", name: value}
    assert Imagen4FastRequest(**parameters).to_dict() == parameters


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [(name, value, allowed) for name, (values, allowed) in BEYOND.items() for value in values],
)
def test_what_the_contract_forbids_is_refused_by_class_field_value_and_what_is_allowed(
    name: str, value: Any, allowed: str
) -> None:
    parameters: dict[str, Any] = {"prompt": "a fox", name: value}
    with pytest.raises(InvalidParameter) as refusal:
        Imagen4FastRequest(**parameters)
    assert str(refusal.value).startswith(f"{FAST}.{name}: expected {allowed}")
    assert ", got " in str(refusal.value)
    assert refusal.value.value is value


def test_assignment_is_checked_and_a_refused_value_leaves_the_old_one() -> None:
    body = Imagen4FastRequest(prompt="a fox", width=512)
    with pytest.raises(InvalidParameter):
        body.width = 2000
    assert body.width == 512
    body.width = UNSET
    assert body.to_dict() == {"prompt": "a fox"}


def test_a_default_that_nobody_set_is_not_sent() -> None:
    assert ImagenRequest(prompt="a fox").to_dict() == {"prompt": "a fox"}


def test_none_for_a_parameter_that_may_be_missing_says_to_leave_it_out() -> None:
    with pytest.raises(InvalidParameter) as refusal:
        ImagenRequest.from_parameters({"prompt": "a fox", "aspect_ratio": None})
    assert str(refusal.value).endswith(", or leave it out, got None")
    with pytest.raises(InvalidParameter, match="a string that is not empty, got"):
        ImagenRequest.from_parameters({"prompt": None})


def test_unknown_parameters_that_change_later_do_not_shadow_known_ones() -> None:
    body = ImagenRequest(prompt="a fox", additional_properties={"new": 1})
    body.additional_properties["aspect_ratio"] = "2:1"
    assert body.to_dict() == {"prompt": "a fox", "new": 1}


def test_a_missing_prompt_is_refused() -> None:
    with pytest.raises(InvalidParameter, match=r"Imagen4Request\.prompt: .*it is required"):
        Imagen4Request.from_parameters({"aspect_ratio": "1:1"})


def test_a_message_about_a_missing_parameter_names_no_placeholder() -> None:
    with pytest.raises(InvalidParameter, match=r"got nothing$"):
        Imagen4Request.from_parameters({})


def test_a_parameter_that_the_contract_does_not_know_is_sent_too() -> None:
    body = Imagen4Request.from_parameters({"prompt": "a fox", "timeout": 3})
    assert body.to_dict() == {"prompt": "a fox", "timeout": 3}
    assert body.additional_properties == {"timeout": 3}


def test_a_known_parameter_cannot_pass_unchecked_among_the_unknown() -> None:
    with pytest.raises(InvalidParameter, match="aspect_ratio has"):
        Imagen4Request(prompt="a fox", additional_properties={"aspect_ratio": "2:1"})


def test_a_request_shows_what_it_sends() -> None:
    assert repr(Imagen4Request(prompt="a fox")) == "Imagen4Request(prompt='a fox')"


def test_a_refusal_survives_pickling() -> None:
    with pytest.raises(InvalidParameter) as refusal:
        Imagen4Request(prompt="")
    restored = pickle.loads(pickle.dumps(refusal.value))  # noqa: S301  made one line above
    assert (type(restored), str(restored), restored.field) == (InvalidParameter, str(refusal.value), "prompt")


RESULT = {
    "status": "COMPLETED",
    "request_id": "an id",
    "output": "https://images.example/a.png",
    "images": [{"url": "https://images.example/a.png", "file_size": "12"}],
    "seed": "7",
    "metrics": {"inference_time": 1, "queue_time": 0.5, "total_time": 1.5, "cost": 0.06, "remaining_credits": 9},
    "brand_new": {"kept": True},
}


def test_an_answer_is_a_mapping_with_typed_attributes() -> None:
    result = JobResult(RESULT)
    assert isinstance(result, Mapping)
    assert result.status == result["status"] == result.get("status") == "COMPLETED"
    assert result.metrics.inference_time == result["metrics"]["inference_time"] == 1
    assert result.images == (OutputImage({"url": "https://images.example/a.png", "file_size": "12"}),)
    assert result.seed == "7"
    assert result.to_dict() == dict(result) == RESULT


def test_unknown_fields_and_unknown_values_survive() -> None:
    assert JobResult(RESULT)["brand_new"] == {"kept": True}
    assert JobStatus({"status": "PAUSED"}).status == "PAUSED"


@pytest.mark.parametrize("images", [None, "x", {"url": "x"}, [1], [{"url": "x"}, None]])
def test_a_possible_field_of_another_type_reads_as_none_and_stays_an_item(images: Any) -> None:
    result = JobResult({**RESULT, "images": images})
    assert result.images is None
    assert result["images"] == images


@pytest.mark.parametrize("raw", [{}, {"request_id": None}, {"request_id": 7}])
def test_a_promised_field_that_is_not_there_says_so(raw: Mapping[str, Any]) -> None:
    with pytest.raises(UnreadableField, match=r"FailedJob\.request_id"):
        _ = FailedJob(raw).request_id


def test_numbers_that_json_does_not_have_read_as_none() -> None:
    assert JobResult({"metrics": {"cost": float("nan"), "retry_count": True}}).metrics.get("cost") is not None
    with pytest.raises(UnreadableField):
        _ = JobResult({"metrics": {"cost": float("nan")}}).metrics.cost
    assert JobResult({"metrics": {"retry_count": True}}).metrics.retry_count is None


def test_an_answer_survives_pickling() -> None:
    result = JobResult(RESULT)
    assert pickle.loads(pickle.dumps(result)) == result  # noqa: S301  made on the same line
