"""The operations of the contract, each as a flow: the request it sends, and what its response means.

A flow is a generator. It yields a `Send`, a `Fetch` or a `Pause`, and is resumed with a response, or with the exception
that the driver throws into it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

import attrs

from segmind_api import catalog
from segmind_api.api.account import get_user_credits
from segmind_api.api.jobs import get_job_result, get_job_status
from segmind_api.catalog import JOB_RETENTION_SECONDS, Model
from segmind_api.models import Credits, GenerationOutput, JobResult, JobStatus, SubmittedJob
from segmind_api.types import ApiRequest, ApiResponse
from segmind_client.call import Call
from segmind_client.errors import InvalidParameter, NotFound, in_words, mask_keys
from segmind_client.formats import LARGEST
from segmind_client.line import Rank
from segmind_client.options import OPTIONS
from segmind_client.reading import (
    check_completed,
    check_origin,
    expect,
    expect_of_post,
    may_have_been_accepted,
    named_in,
    received_output,
)
from segmind_client.retry import Caller
from segmind_client.steps import LARGEST_GENERATION, Flow

LARGEST_RESULT = 6 * LARGEST["text"]
"""Bytes of a result's body: JSON may write each byte of a text as six, such as \\u001f."""
logger = logging.getLogger("segmind_client")


@attrs.frozen
class Submission:
    """Which model a job was submitted to, and when."""

    model: Model
    at: float
    """Monotonic."""


def generate(
    caller: Caller, call: Call, model: Model, parameters: Mapping[str, Any]
) -> Flow[tuple[ApiResponse, GenerationOutput | str | bytes]]:
    """A v1 call: the response, and its output by Content-Type."""
    body = model.request.from_parameters(parameters).to_dict()
    request = ApiRequest("POST", model.generate_path, body)
    read_seconds = max(caller.options.generate_seconds, caller.options.read_seconds)
    response = yield from caller.exchange(
        request,
        Rank.SUBMIT,
        call=call,
        read_seconds=read_seconds,
        largest=max(LARGEST_GENERATION, LARGEST[model.output]),
    )
    if response.status == 200:
        call.response = response
    output = received_output(response, model.output)
    if output is not None:
        return response, output
    return response, expect_of_post(request, model.read_generated(response), is_generation=True)


def submit(caller: Caller, call: Call, model: Model, parameters: Mapping[str, Any]) -> Flow[SubmittedJob]:
    body = model.request.from_parameters(parameters).to_dict()
    request = ApiRequest("POST", model.submit_path, body)
    response = yield from caller.exchange(request, Rank.SUBMIT, call=call)
    job = expect_of_post(request, model.read_submitted(response))
    call.request_id = named_in(job)
    if call.request_id is None:
        raise may_have_been_accepted(request, "the response is missing request_id", response)
    logger.info("%s was accepted as the job %s", request.path, job.request_id)
    check_origin(job, caller.trusted)
    return job


def status(
    caller: Caller, request_id: str, *, until: float | None = None, expires: float = math.inf
) -> Flow[JobStatus]:
    request = get_job_status.build(request_id)
    until = caller.deadline() if until is None else until
    response = yield from caller.exchange(request, Rank.POLL, until=until, expires=expires, request_id=request_id)
    return expect(get_job_status.read(response), request_id)


def result(
    caller: Caller, request_id: str, *, until: float | None = None, expires: float = math.inf
) -> Flow[JobResult]:
    request = get_job_result.build(request_id)
    until = caller.deadline() if until is None else until
    response = yield from caller.exchange(
        request, Rank.RESULT, until=until, expires=expires, request_id=request_id, largest=LARGEST_RESULT
    )
    return check_completed(expect(get_job_result.read(response), request_id), request_id)


def present_result(caller: Caller, request_id: str, submission: Submission | None) -> Flow[JobResult]:
    """The result of a job that has completed. Raises NotFound, which says whether the job runs or has expired."""
    try:
        return (yield from result(caller, request_id))
    except NotFound as error:
        try:
            job = yield from status(caller, request_id)
        except NotFound:
            if submission and (age := caller.clock.monotonic() - submission.at) >= JOB_RETENTION_SECONDS:
                error.detail = (
                    f"the job has expired: it was submitted {age / 60:.0f} minutes ago, and the service keeps a "
                    f"job for {in_words(JOB_RETENTION_SECONDS)}"
                )
            raise error from None
        error.detail = f"there is no result yet: the job is {job.get('status')}; wait() waits for it"
        raise


def balance(caller: Caller) -> Flow[Credits]:
    response = yield from caller.exchange(get_user_credits.build(), Rank.POLL, until=caller.deadline(), fresh=True)
    return expect(get_user_credits.read(response), None)


def model_of(slug: object) -> Model:
    """The model of a slug, also of one that the contract does not know. Raises InvalidParameter."""
    if not isinstance(slug, str):
        error = InvalidParameter("Model", "slug", slug, "a string")
        mask_keys(error)
        raise error
    try:
        return catalog.model(slug)
    except InvalidParameter as error:
        mask_keys(error)
        raise


def known_slug(slug: str, parameters: Mapping[str, Any]) -> str:
    """A slug that the contract knows, with parameters that it knows. Raises InvalidParameter."""
    model_of(slug)
    try:
        return catalog.known_model(slug, parameters).slug
    except InvalidParameter as error:
        if error.value in OPTIONS:
            error.detail += f". `{error.value}` is an option: use with_options({error.value}=...)"
        mask_keys(error)
        raise
