# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
"""The shared responses of the contract: for each media type, what reads a body of it."""

from __future__ import annotations

from .models.credits import Credits
from .models.error_response import ErrorResponse
from .models.failed_job import FailedJob
from .models.generation_output import GenerationOutput
from .models.job_result import JobResult
from .models.job_status import JobStatus
from .models.submitted_job import SubmittedJob
from .types import Bodies, binary_body, json_body, text_body

GENERATED: Bodies[GenerationOutput | str | bytes] = {
    "application/json": json_body(GenerationOutput.from_raw),
    "text/plain": text_body,
    "image/*": binary_body,
}
"""The image, and what it cost. The model's page promises text or JSON, its sample code reads JSON, and the guide
speaks of the bytes of the image (guide, sdk). Tell them apart by Content-Type.
"""

SUBMITTED: Bodies[SubmittedJob] = {"application/json": json_body(SubmittedJob.from_raw)}
"""The job is queued. Keep the request id, it is the only way to what will be paid for."""

JOB_STATUS: Bodies[JobStatus] = {"application/json": json_body(JobStatus.from_raw)}
"""How far the job is."""

JOB_RESULT: Bodies[JobResult] = {"application/json": json_body(JobResult.from_raw)}
"""The output of a completed job."""

CREDITS: Bodies[Credits] = {"application/json": json_body(Credits.from_raw)}
"""The balance of the account."""

BAD_REQUEST: Bodies[ErrorResponse] = {"application/json": json_body(ErrorResponse.from_raw)}
"""The body cannot be taken: it does not parse, lacks a required field, or has a value out of range. Nothing was
charged. Correct the body before sending it again.
"""

UNAUTHORIZED: Bodies[ErrorResponse] = {"application/json": json_body(ErrorResponse.from_raw)}
"""No key, or a key that is not valid; the two carry different messages. One part of the platform answers with three
fields instead of one (guide).
"""

FORBIDDEN: Bodies[ErrorResponse] = {"application/json": json_body(ErrorResponse.from_raw)}
"""The account or its team may not call this model. Nothing was charged."""

MODEL_NOT_FOUND: Bodies[ErrorResponse] = {"application/json": json_body(ErrorResponse.from_raw)}
"""No such model or endpoint."""

JOB_NOT_FOUND: Bodies[ErrorResponse] = {"application/json": json_body(ErrorResponse.from_raw)}
"""No job has this request id, or its hour of retention is over. For the result also: the job is not COMPLETED yet
(inferred).
"""

BALANCE_NOT_FOUND: Bodies[ErrorResponse] = {"application/json": json_body(ErrorResponse.from_raw)}
"""The key is valid, but its account has no record of a balance."""

METHOD_NOT_ALLOWED: Bodies[str] = {"text/html": text_body}
"""The path exists, the verb does not. Answered in HTML, unlike the other errors (guide)."""

INSUFFICIENT_CREDITS: Bodies[ErrorResponse] = {"application/json": json_body(ErrorResponse.from_raw)}
"""The balance is below the price of the call. The same status also answers a wrong or missing Content-Type, and a team
that has reached its spend limit (guide). Nothing was charged.
"""

MODEL_RETIRED: Bodies[ErrorResponse] = {"application/json": json_body(ErrorResponse.from_raw)}
"""The model is no longer offered."""

JOB_FAILED: Bodies[FailedJob] = {"application/json": json_body(FailedJob.from_raw)}
"""The job ran and failed; content and safety blocks end this way too. Nothing was charged, and the metrics hold
timings only.
"""

RATE_LIMITED: Bodies[ErrorResponse] = {"application/json": json_body(ErrorResponse.from_raw)}
"""Too many calls in this window. The vendor prints two tables of limits that disagree: 5 and 50 calls a minute, and
60, 120, 500 and 1,000 (guide). No Retry-After is sent (guide); honour one that comes. Nothing was charged.
"""

SERVER_ERROR: Bodies[ErrorResponse] = {"application/json": json_body(ErrorResponse.from_raw)}
"""The service broke. It can also mean a parameter value that the model found out about only while it ran (guide).
Nothing was charged.
"""

BAD_GATEWAY: Bodies[ErrorResponse | str] = {
    "application/json": json_body(ErrorResponse.from_raw),
    "text/html": text_body,
}
"""What stands before the service got no usable answer. A proxy on the way answers in HTML (guide)."""

TIMEOUT: Bodies[ErrorResponse] = {"application/json": json_body(ErrorResponse.from_raw)}
"""The call took too long and was cut off. A v1 call that runs too long ends this way; use v2 for anything slow
(guide). Whether a POST was accepted is not known.
"""
