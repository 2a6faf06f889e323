"""Jobs: where each one is follows from the time since it was submitted."""

from __future__ import annotations

import heapq
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from segmind_mock.accounts import Account
from segmind_mock.contract import Model

State = Literal["QUEUED", "PROCESSING", "COMPLETED", "FAILED"]

SHARE_IN_QUEUE = 0.1
"""Part of a job's latency that it spends in the queue."""


@dataclass
class Job:
    """One submitted generation. Times are in seconds since the epoch."""

    request_id: str
    account: Account
    model: Model
    parameters: Mapping[str, Any]
    seed: int
    submitted_at: float
    started_at: float
    ended_at: float
    error: str | None = None
    """Why the job fails, if it does."""
    remaining_credits: float | None = None
    """The balance after the job, once it was charged."""

    def state(self, now: float) -> State:
        if now >= self.ended_at:
            return "COMPLETED" if self.error is None else "FAILED"
        return "PROCESSING" if now >= self.started_at else "QUEUED"


@dataclass
class Jobs:
    """The jobs of one double, by request id."""

    retention: float
    """Seconds from its submission until a job is forgotten."""
    _by_id: dict[str, Job] = field(default_factory=dict[str, Job])
    _unsettled: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])

    def submit(
        self, account: Account, model: Model, parameters: Mapping[str, Any], *, seed: int, now: float, latency: float
    ) -> Job:
        """Queues a job that ends `latency` seconds from now, and sets its price aside."""
        job = Job(
            request_id=str(uuid.uuid4()),
            account=account,
            model=model,
            parameters=parameters,
            seed=seed,
            submitted_at=now,
            started_at=now + SHARE_IN_QUEUE * latency,
            ended_at=now + latency,
        )
        account.reserve(model.price)
        self._by_id[job.request_id] = job
        heapq.heappush(self._unsettled, (job.ended_at, job.request_id))
        return job

    def find(self, request_id: str, account: Account, now: float) -> Job | None:
        """The account's job with this id; None if there is none, or its retention is over."""
        job = self._by_id.get(request_id)
        if job is None or job.account is not account or now >= job.submitted_at + self.retention:
            return None
        return job

    def settle(self, now: float) -> None:
        """Charges what has completed since the last call, in the order of completion, and forgets what expired."""
        while self._unsettled and self._unsettled[0][0] <= now:
            job = self._by_id[heapq.heappop(self._unsettled)[1]]
            job.account.release(job.model.price)
            if job.error is None:
                job.account.charge(job.model.price)
                job.remaining_credits = job.account.credits
        # Dictionaries keep the order of submission, so that the oldest job comes first.
        while self._by_id:
            oldest = next(iter(self._by_id.values()))
            if now < max(oldest.submitted_at + self.retention, oldest.ended_at):
                break
            del self._by_id[oldest.request_id]

    def fail(self, request_id: str, error: str) -> None:
        """Lets a job end as FAILED instead of COMPLETED. Raises KeyError for an id that is not known."""
        self._by_id[request_id].error = error
