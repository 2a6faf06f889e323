"""What a generator cannot know: how to wait for a job, and what may be sent again without paying twice."""

import random
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx


class NotSent(Exception): ...


class MayHaveBeenAccepted(Exception): ...


class TimedOut(Exception): ...


def wait(status: Callable[[], object], seconds: float, interval: float = 1.0) -> None:
    """Polls until the job has completed."""
    end = time.monotonic() + seconds
    while status() != "COMPLETED":
        if time.monotonic() > end:
            raise TimedOut("the job has not completed in time; poll it again")
        time.sleep(interval)


class SafeClient(httpx.Client):
    """Repeats a request for a minute at most, and a POST three times at most, where that cannot pay twice."""

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        post, end, attempt = request.method == "POST", time.monotonic() + 60, 0
        while True:
            attempt += 1
            response, problem, said = httpx.Response(0), None, None
            try:
                response = super().send(request, **options)
            except httpx.RequestError as error:
                problem = error
            with suppress(ValueError):
                said = response.json()
            unsent, status = isinstance(problem, httpx.ConnectError | httpx.ConnectTimeout), response.status_code
            # An error of the service itself that names no job and no cost. A proxy's error says nothing about the job.
            own = (
                isinstance(said, dict)
                and isinstance(said.get("error"), str)
                and not said.keys() & {"request_id", "cost"}
            )
            failed = status in (0, 429) or status >= 500 or (status == 408 and not post)
            garbled = status == 200 and said is None and "json" in response.headers.get("content-type", "")
            if post and not unsent and (garbled or (failed and not (own and status in (429, 500, 502, 503)))):
                raise MayHaveBeenAccepted(f"status {status}: {problem}")
            pause = random.uniform(0, 0.25 * 2 ** min(attempt, 7))
            if status == 429 and (reset := response.headers.get("x-rate-limit-reset-at-utc")):
                pause = (
                    datetime.fromisoformat(reset) - parsedate_to_datetime(response.headers["date"])
                ).total_seconds()
            if not failed or (post and attempt == 4) or time.monotonic() + pause > end:
                if problem is not None:
                    raise NotSent from problem
                return response
            time.sleep(max(0.0, pause))
