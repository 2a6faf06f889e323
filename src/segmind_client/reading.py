"""Reads responses: a result, an error, the job that they name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, TypeVar

from segmind_api.models import ErrorResponse, FailedJob, JobResult, JobStatus, SubmittedJob
from segmind_api.types import ApiRequest, ApiResponse, TypedResponse, as_string, json_body, path_segment
from segmind_client.decoding import GZIP_MAGIC, decompressed
from segmind_client.errors import (
    ConnectionLost,
    ForeignURL,
    InferenceFailed,
    InvalidParameter,
    MayHaveBeenAccepted,
    NotSent,
    SegmindError,
    StatusError,
    UnreadableResponse,
    cut,
)
from segmind_client.formats import MEDIA, UNTYPED, Kind, format_of, kind_of
from segmind_client.masking import masked
from segmind_client.steps import Sent, TooLarge
from segmind_client.urls import origin_of

ResultT = TypeVar("ResultT")

RETRIED = {"POST": frozenset({500, 502, 503}), "GET": frozenset({408, *range(500, 600)})}
"""Statuses after which a request is retried, besides 429: a POST only where the service says that it failed."""
LONGEST_TIME = 50
"""The most characters of a time of the service in a message."""
DOUBT = (
    "It may have been accepted, and then it is charged: sending it again may pay twice. credits() says whether the "
    "balance fell"
)
ERROR_FIELDS = frozenset(name for name, it in vars(ErrorResponse).items() if isinstance(it, property))
REQUEST_ID = re.compile(rb'"request_id"\s*:\s*"([^"\\]{1,1000})"')


def is_transient(error: SegmindError) -> bool:
    """Whether the same GET may succeed later."""
    if isinstance(error, TooLarge):
        return False
    if error.status is None:
        return isinstance(error, NotSent | ConnectionLost)
    return error.status in RETRIED["GET"] or isinstance(error, UnreadableResponse)


def is_retried(request: ApiRequest, response: ApiResponse) -> bool:
    """Whether a request is retried after this response; a POST only if the service itself reports a failure."""
    if response.status not in RETRIED[request.method]:
        return False
    return request.method == "GET" or (is_of_service(response) and not may_be_accepted(response))


def is_of_service(response: ApiResponse) -> bool:
    """Whether an error has the documented form and a message. Errors of gateways have other fields, or only the name of
    the status.
    """
    body: Mapping[str, Any] = json_body(ErrorResponse.from_raw)(response) or {}
    with suppress(ValueError):
        if body.get("error") == HTTPStatus(response.status).phrase:
            return False
    return isinstance(body.get("error"), str) and set(body) <= ERROR_FIELDS


def may_be_accepted(response: ApiResponse) -> bool:
    """Whether an error names a job or costs, in its body or its headers."""
    mentioned = b'"request_id"' in response.content or b'"cost"' in response.content
    return mentioned or bool(response.headers.cost) or job_in(response) is not None


def is_refusal(request: ApiRequest, response: ApiResponse) -> bool:
    """Whether the response to a POST says that it was not accepted. It may have been received in part."""
    if response.status == 429:
        # Its body may name a job.
        return error_message(response) is not None and not may_be_accepted(response)
    return 400 <= response.status < 500 or is_retried(request, response)


def expect(typed: TypedResponse[ResultT, ErrorResponse | FailedJob | str], request_id: str | None) -> ResultT:
    """The result of a GET, or the error that its response stands for."""
    if request_id is not None and other_job(typed.response, request_id):
        raise UnreadableResponse(
            "the service's response is about another job than the one asked for",
            response=typed.response,
            request_id=request_id,
        )
    if typed.result is not None:
        return typed.result
    if isinstance(typed.error, FailedJob) and is_failure(typed.error):
        raise job_failed(typed.error, typed.response, request_id)
    if typed.status < 400:
        raise UnreadableResponse(
            f"the service's response cannot be read: {typed.problem}", response=typed.response, request_id=request_id
        )
    raise status_error(typed, request_id=request_id)


def media_type_of(response: ApiResponse) -> str:
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()


def received_output(response: ApiResponse, kind: Kind | None) -> str | bytes | None:
    """The output of a v1 call in a response with a media type that the contract lacks: the only copy, and paid for.

    `kind` is what the model makes; None if that is not known.
    """
    if response.status != 200:
        return None
    media_type = media_type_of(response)
    found = kind_of(media_type)
    if found in MEDIA or (media_type in UNTYPED and format_of(response.content) is not None):
        return response.content
    if found == "text" and kind not in MEDIA:
        return response.content.decode(errors="replace")
    # An object is read as the contract has it.
    is_value = found == "json" and kind not in MEDIA and not isinstance(response.parsed, Mapping | None)
    return response.content if is_value else None


def expect_of_post(
    request: ApiRequest, typed: TypedResponse[ResultT, ErrorResponse | str], *, is_generation: bool = False
) -> ResultT:
    """The result of a POST, or the error that its response stands for."""
    if typed.result is not None:
        return typed.result
    # An error of a proxy does not tell what the service behind it has done, and the service may still accept the POST.
    message = error_message(typed.response)
    says_failed = typed.status in RETRIED["POST"] and is_of_service(typed.response)
    named = job_in(typed.response)
    has_job = may_be_accepted(typed.response) and typed.status in (429, *RETRIED["POST"])
    if has_job or typed.headers.cost or (not says_failed and not 400 <= typed.status < 500):
        problem = typed.problem or f"the response was {typed.status}, not from the service itself"
        if message is not None:
            problem = f"the response was {typed.status}: {cut(message)}"
        raise may_have_been_accepted(request, problem, typed.response, is_generation=is_generation)
    raise status_error(typed, of_submit=named)


def is_failure(body: Mapping[str, Any]) -> bool:
    """Whether a 422 is about a failed job: those of gateways and validators say nothing about the job."""
    status = body.get("status")
    return status == "FAILED" or (status is None and "request_id" in body and isinstance(body.get("error"), str))


def check_state(job: JobStatus, request_id: str) -> None:
    """Raises UnreadableResponse for a response to a poll without a status."""
    if as_string(job.get("status")) is None:
        raise UnreadableResponse(
            "the service's response to a poll is missing status", response=job.response, request_id=request_id
        )


def check_completed(result: JobResult, request_id: str) -> JobResult:
    """The result of a completed job, with its id. Raises InferenceFailed and UnreadableResponse for any other."""
    status = result.get("status")
    if status == "FAILED":
        raise job_failed(result, result.response, request_id)
    if status not in (None, "COMPLETED") or not {"status", "output", "metrics"} & set(result):
        raise UnreadableResponse(
            f"the service sent a result whose status is {cut(str(status))}, not COMPLETED",
            response=result.response,
            request_id=request_id,
        )
    return JobResult({**result, "request_id": request_id}, result.response)


def job_failed(body: Mapping[str, Any], response: ApiResponse | None, request_id: str | None) -> InferenceFailed:
    detail = body.get("error")
    return InferenceFailed(
        detail if isinstance(detail, str) else "", response=response, request_id=request_id, status_body=body
    )


def may_have_been_accepted(
    request: ApiRequest,
    what_happened: str,
    response: ApiResponse | None = None,
    request_id: str | None = None,
    *,
    is_generation: bool = False,
) -> MayHaveBeenAccepted:
    """The error for a POST whose response does not say whether it was accepted. A v1 call has no job."""
    next_step = DOUBT
    if is_generation and response is not None:
        request_id = request_id or response.headers.request_id or job_in(response)
        if response.status == 200:
            next_step = "It was accepted and is charged: sending it again pays twice"
        if response.content:
            next_step += "; `response` has what was received"
    elif response is not None:
        request_id = request_id or job_in(response) or job_mentioned(response.content)
    named = f". It is the call {cut(request_id)}" if is_generation and request_id else naming(request_id)
    return MayHaveBeenAccepted(
        f"{request.method} {request.path} was sent, but {what_happened}. {next_step}{named}",
        response=response,
        request_id=request_id,
    )


def status_error(
    typed: TypedResponse[Any, ErrorResponse | FailedJob | str] | TypedResponse[Any, ErrorResponse | str],
    *,
    request_id: str | None = None,
    of_submit: str | None = None,
) -> StatusError:
    """The error for a status, documented or not, with the service's message if it sent one.

    `request_id` is that of the job asked for, `of_submit` one that a refusal of a submit names.
    """
    response = typed.response
    detail = cut(error_message(response) or typed.problem or "no message")
    kind = StatusError.by_status.get(response.status, StatusError)
    advice = kind.advice_on_job if request_id else kind.advice
    until = response.headers.get("retry-after") or response.headers.rate_limit_reset_at_utc
    if until:
        advice += f"; the service says until when: {masked(until)[:LONGEST_TIME]}"
    return kind(
        f"{response.status} from the service: {detail} ({advice})",
        response=response,
        request_id=request_id or of_submit,
    )


def job_in(response: ApiResponse) -> str | None:
    """The id of the job in a response of any status and Content-Type."""
    return named_in(json_body(SubmittedJob.from_raw)(response) or {})


def job_in_part(sent: Sent) -> str | None:
    """The id of the job in a response that may have been received in part."""
    content = bytes(sent.received)
    encoding = "gzip" if content.startswith(GZIP_MAGIC) else sent.encoding
    content, _ = decompressed(encoding, content, sent.largest)
    return job_mentioned(content)


def job_mentioned(content: bytes) -> str | None:
    """The id of the job in a body that may not be valid JSON."""
    found = REQUEST_ID.search(content)
    return named_in({"request_id": found[1].decode("latin-1")}) if found else None


def named_in(fields: Mapping[str, Any]) -> str | None:
    """The id of a job; None for a value that cannot be in a URL."""
    request_id: Any = fields.get("request_id")
    try:
        check_request_id(request_id)
    except InvalidParameter:
        return None
    return str(request_id)


def check_request_id(request_id: str) -> None:
    """Raises InvalidParameter for what cannot be the id of a job."""
    path_segment("request_id", request_id)


def other_job(response: ApiResponse, request_id: str) -> bool:
    """Whether a response names another job."""
    named = job_in(response)
    return named is not None and named.lower() != request_id.lower()


def belongs_to_job(response: ApiResponse, request_id: str, *, result: bool) -> bool:
    """Whether a response belongs to a request about this job: it names the job, or leads to a retry.

    A `result` has an output besides, or it may be what is left over from a request for the status.
    """
    if response.status == 429 or response.status in RETRIED["GET"]:
        return True
    if result and response.status == 200 and b'"output"' not in response.content:
        return False
    named = job_in(response)
    return named is not None and named.lower() == request_id.lower()


def naming(request_id: str | None) -> str:
    return f". It names the job {cut(request_id)}, which job(request_id) picks up" if request_id else ""


def error_message(response: ApiResponse) -> str | None:
    """The service's message; None if it sent none in the documented form."""
    error = json_body(ErrorResponse.from_raw)(response) or ErrorResponse({})
    message = error.get("error")
    if not isinstance(message, str):
        return None
    return f"{message}: {error.error_description}" if error.error_description else message


def check_origin(job: SubmittedJob, trusted: tuple[str, ...]) -> None:
    """Raises ForeignURL for a job with URLs of another origin than those of the service."""
    for name in ("status_url", "response_url", "poll_url"):
        url = job.get(name)
        if not isinstance(url, str) or not trusted or url.startswith(trusted):
            continue
        origin = origin_of(url)
        if origin not in ("", *map(origin_of, trusted)):
            raise ForeignURL(
                f"the job was accepted, but its {name} is at {origin}; nothing was sent there. Pick the job up with "
                f"its request id",
                request_id=job.request_id,
                response=job.response,
            )
