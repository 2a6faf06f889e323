"""What a generator cannot know: how to wait for a job, and what may be sent again without paying twice."""

import json
import random
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from segmind_generated import ApiException, Imagen4Request, JobResult, JobsApi
from urllib3.exceptions import ConnectTimeoutError, HTTPError, MaxRetryError, NewConnectionError

T = TypeVar("T")


class NotSent(Exception): ...


class MayHaveBeenAccepted(Exception): ...


class TimedOut(Exception): ...


def run(api: JobsApi, body: Imagen4Request, seconds: float, interval: float = 1.0) -> JobResult:
    end = time.monotonic() + seconds
    request_id = call(lambda: api.submit_imagen4(body, _request_timeout=30), end, post=True).request_id
    while call(lambda: api.get_job_status(request_id, _request_timeout=30), end).status != "COMPLETED":
        if time.monotonic() > end:
            raise TimedOut(f"job {request_id} has not completed in time; poll it again")
        time.sleep(interval)
    return call(lambda: api.get_job_result(request_id, _request_timeout=30), end)


def call(send: Callable[[], T], end: float, *, post: bool = False) -> T:
    """Repeats a GET until the deadline, and a POST three times at most where that cannot pay twice."""
    attempt = 0
    while True:
        attempt += 1
        status, headers, said = 0, {}, None
        try:
            return send()
        except ApiException as error:
            problem, status, headers = error, error.status or 0, error.headers or {}
            with suppress(ValueError):
                said = json.loads(error.body or "")
        except (HTTPError, ValueError) as error:  # A ValueError is a response that cannot be read.
            problem = error
        reason = problem.reason if isinstance(problem, MaxRetryError) else problem
        unsent = isinstance(reason, NewConnectionError | ConnectTimeoutError)
        # An error of the service itself that names no job and no cost. A proxy's error says nothing about the job.
        own = isinstance(said, dict) and isinstance(said.get("error"), str) and not said.keys() & {"request_id", "cost"}
        failed = status < 400 or status == 429 or status >= 500
        if post and failed and not unsent and not (own and status in (429, 500, 502, 503)):
            raise MayHaveBeenAccepted from problem
        pause = random.uniform(0, 0.25 * 2 ** min(attempt, 7))
        if status == 429 and (reset := headers.get("x-rate-limit-reset-at-utc")):
            pause = (datetime.fromisoformat(reset) - parsedate_to_datetime(headers["date"])).total_seconds()
        late = time.monotonic() + pause > end
        if (not failed and (post or status != 408)) or (post and (late or attempt == 4)):
            raise NotSent() if unsent else problem
        if late:
            raise TimedOut("the job has not completed in time; poll it again") from problem
        time.sleep(max(0.0, pause))
