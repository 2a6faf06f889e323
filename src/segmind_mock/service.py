"""What the double does with a call: it carries out the contract's operations on accounts and jobs, without I/O."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

import orjson

from segmind_mock import money
from segmind_mock.calls import JSON, LONGEST_MESSAGE, Call, Outcome, RefusedError, limit_headers
from segmind_mock.contract import Contract, Model, Operation, describe, media_type_of
from segmind_mock.faults import Fault, replacement
from segmind_mock.outputs import describe_output, digest_of, output_of, prompt_of
from segmind_mock.records import NEVER, Account, Job, Transaction, new_opening
from segmind_mock.settings import Settings

WINDOW_SECONDS = 60.0
"""In which an account may make as many calls as its limit says."""
GRACE_SECONDS = 60.0
"""How much longer than the call the price of a v1 call stays reserved: its process may be late, or may have died."""
SHARE_IN_QUEUE = 0.1
"""Share of a job's latency during which it is QUEUED."""
MOST_JOBS = 10_000
"""Jobs that are kept. Of more, the oldest that have ended are deleted, if need be before their retention ends."""
FORGOTTEN_AT_ONCE = 100
LONGEST_TEXT = 10_000
"""Characters that a job keeps of each parameter."""
SEED_BITS = 31
UUID_BITS, UUID_4 = ~(0xF << 76 | 0x3 << 62), 0x4 << 76 | 0x2 << 62
"""The random bits of a UUID, and its version and variant."""


class Service:
    """Responds to calls. It owns the settings; all state is in the transaction.

    `ready` is the account that always exists.
    """

    def __init__(self, contract: Contract, settings: Settings, ready: Account, seed: int | None = None) -> None:
        self.contract = contract
        self.settings = settings
        self.ready = ready
        self._random = random.Random(seed)  # noqa: S311  no secret
        # Not seeded by the caller, since two processes must not draw the same ids; and not uuid4, since reading the
        # system's random bytes for every id takes a tenth of a call.
        self._ids = random.Random()  # noqa: S311  no secret
        self._job_paths = {
            name: path.replace("%", "%%").replace("{request_id}", "%s") for name, path in contract.job_paths.items()
        }
        self._handlers: Mapping[str, Callable[[Transaction, Call, Account, Fault], Outcome]] = {
            "generate": self._generate,
            "submit": self._submit,
            "status": self._status,
            "result": self._result,
            "credits": self._credits,
        }

    def account(self, tx: Transaction, key: str) -> Account | None:
        """The account of a key. Opens the ready account if it is missing: a store may lose its data."""
        account = tx.get(Account, key)
        if account is None and key == self.ready.key:
            ready = self.ready
            account = replace(
                ready, forbidden_models=[*ready.forbidden_models], pending=[], reserved=0.0, opening=new_opening()
            )
            tx.put(key, account)
        return account

    def settled_accounts(self, tx: Transaction, now: float, count: int) -> list[Account]:
        """The oldest accounts, settled."""
        self.account(tx, self.ready.key)
        accounts = tx.oldest(Account, count)
        for account in accounts:
            money.settle(tx, account, now)
        return accounts

    def answer(self, tx: Transaction, call: Call, fault: Fault) -> Outcome:
        """Carries a call out. Never raises RefusedError: a refusal is an outcome too."""
        if fault.replaces_the_call:
            return replacement(self.contract, call.operation, fault, call.now)
        try:
            account = self._authenticate(tx, call)
            return self._handlers[call.operation.role](tx, call, account, fault)
        except RefusedError as refusal:
            return self._refused(call.operation, refusal)

    def _refused(self, operation: Operation, refusal: RefusedError) -> Outcome:
        body = refusal.body or self.contract.example(operation, refusal.status, refusal.example)
        return Outcome(refusal.status, orjson.dumps(body), headers=refusal.headers)

    def _authenticate(self, tx: Transaction, call: Call) -> Account:
        key = call.headers.get(self.contract.key_header)
        if not key:
            raise RefusedError(401, example="missing-key")
        account = self.account(tx, key)
        if account is None:
            raise RefusedError(401, example="unknown-key")
        money.settle(tx, account, call.now)
        if account.requests_per_minute is not None:
            count_call(tx, account, account.requests_per_minute, call.now)
        return account

    def _draw_id(self) -> str:
        digits = f"{self._ids.getrandbits(128) & UUID_BITS | UUID_4:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def latency(self, model: Model) -> float:
        """Draws the seconds that the next call of a model takes."""
        if self.settings.latency_factor == 0:
            return 0.0
        varied = 1 + self.settings.latency_jitter * (2 * self._random.random() - 1)
        return model.typical_latency * self.settings.latency_factor * varied

    def _seed(self, model: Model, parameters: Mapping[str, Any]) -> int:
        seed = parameters.get("seed", -1) if "seed" in model.parameters else -1
        # A number by the contract of the models that it has; another model may say otherwise.
        is_drawn = seed == -1 or isinstance(seed, bool) or not isinstance(seed, int | float)
        return self._random.getrandbits(SEED_BITS) if is_drawn else int(seed)

    def _accept(self, call: Call, account: Account) -> tuple[Job, float]:
        """A new job, which ends now, and the latency to add. Raises RefusedError."""
        model = call.model
        if model.slug in account.forbidden_models:
            raise RefusedError(403, example="model-not-allowed")
        parameters = model.own(read_parameters(call, strict=self.settings.strict))
        if not money.can_pay(account, model.price):
            raise RefusedError(406, example="balance-too-low")
        latency = self.latency(model)
        job = Job(
            request_id=self._draw_id(),
            key=account.key,
            slug=model.slug,
            parameters=parameters,
            seed=self._seed(model, parameters),
            price=model.price,
            submitted_at=call.now,
            started_at=call.now,
            ended_at=call.now,
        )
        return job, latency

    def _generate(self, tx: Transaction, call: Call, account: Account, _: Fault) -> Outcome:
        job, latency = self._accept(call, account)
        job.ended_at += latency
        if latency == 0:
            money.charge(account, job.price)
            tx.put(account.key, account)
            return self._generated(call, job, account.credits)
        wait, opening = min(latency, self.settings.generate_seconds), account.opening

        def finish(tx: Transaction, now: float) -> Outcome:
            # Read again: other calls may have spent credits meanwhile, and a reset may have deleted this call.
            payer = self.account(tx, job.key)
            if payer is not None and payer.opening == opening:
                money.release(payer, job.request_id)
                money.settle(tx, payer, now)
                # It can pay what it has reserved, unless it was opened again with fewer credits.
                charged = wait == latency and money.can_pay(payer, job.price)
                if charged:
                    money.charge(payer, job.price)
                tx.put(payer.key, payer)
                if charged:
                    return self._generated(call, job, payer.credits)
            return self._refused(call.operation, RefusedError(504, example="cut-off"))

        def abandon(tx: Transaction) -> None:
            payer = tx.get(Account, job.key)
            if payer is not None and money.release(payer, job.request_id):
                tx.put(payer.key, payer)

        # Reserved before the wait, so that concurrent calls cannot spend the same credits. The reservation ends by
        # itself, since this process may die before it can release it.
        money.reserve(account, job.request_id, job.price, call.now + wait + GRACE_SECONDS)
        tx.put(account.key, account)
        return Outcome(200, b"", wait=wait, finish=finish, abandon=abandon)

    def _generated(self, call: Call, job: Job, credits_left: float) -> Outcome:
        headers = {
            "x-request-id": job.request_id,
            "x-cost": f"{job.price:g}",
            "x-remaining-credits": f"{credits_left:.6f}",
            "x-generation-time": f"{job.ended_at - job.started_at:.3f}",
        }
        if "seed" in call.model.parameters:
            headers["x-seed-value"] = str(job.seed)
        outcome = Outcome(200, b"", headers=headers, accepted=True)
        if self.settings.generate_as == "image":
            output = output_of(job, call.model, self.settings)
            outcome.make_body, outcome.content_type = output.content, output.format.media_type
            return outcome
        fields = self._output_fields(call, job, call.model, made_at=job.started_at)
        if self.settings.generate_as == "text":
            outcome.body, outcome.content_type = fields["output"].encode(), "text/plain"
        else:
            outcome.body = orjson.dumps(fields)
        return outcome

    def _submit(self, tx: Transaction, call: Call, account: Account, fault: Fault) -> Outcome:
        job, latency = self._accept(call, account)
        now, job.polls_left, job.error = call.now, self.settings.polls_to_complete, fault.fail
        if job.polls_left is None:
            job.started_at += SHARE_IN_QUEUE * latency
            job.ended_at += latency
        else:
            job.started_at = job.ended_at = NEVER
        if len(call.body) > LONGEST_TEXT:
            # The image depends on the whole parameters.
            job.digest = digest_of(job)
            job.parameters = {name: truncated(value) for name, value in job.parameters.items()}
        if job.ended_at <= now:
            money.settle_job(account, job)
        else:
            money.reserve(account, job.request_id, job.price, min(job.ended_at, now + self.contract.job_retention))
        tx.put(account.key, account)
        tx.put(job.request_id, job)
        self._forget(tx, now)
        body = {"request_id": job.request_id, "status": "QUEUED", **self._job_urls(call.base_url, job.request_id)}
        if "poll" in self._job_paths:
            body["poll_url"] = call.base_url + self._job_paths["poll"] % job.request_id
        return Outcome(200, orjson.dumps(body), request_id=job.request_id, accepted=True)

    def _forget(self, tx: Transaction, now: float) -> None:
        """Deletes the oldest jobs beyond MOST_JOBS, a batch at once; only jobs that have ended."""
        count = tx.count(Job)
        # Not with every submit, which would be slow as long as no job has ended.
        if count < MOST_JOBS + FORGOTTEN_AT_ONCE or (count - MOST_JOBS) % FORGOTTEN_AT_ONCE:
            return
        unsettled = {
            reservation[1]
            for account in self.settled_accounts(tx, now, tx.count(Account))
            for reservation in account.pending
        }
        looked_at, ended = FORGOTTEN_AT_ONCE, list[str]()
        while len(ended) < FORGOTTEN_AT_ONCE and looked_at < 2 * count:
            # The newest are kept, whether they have ended or not.
            jobs = tx.oldest(Job, min(looked_at, count - FORGOTTEN_AT_ONCE))
            ended = [job.request_id for job in jobs if job.request_id not in unsettled]
            looked_at *= 2
        for request_id in ended[:FORGOTTEN_AT_ONCE]:
            tx.delete(Job, request_id)

    def _status(self, tx: Transaction, call: Call, account: Account, fault: Fault) -> Outcome:
        job = self._job(tx, call, account)
        if job.polls_left:
            job.polls_left -= 1
            job.started_at = min(job.started_at, call.now)
            tx.put(job.request_id, job)
            if job.polls_left == 0:
                money.end(tx, account, job, call.now)
        body = job_body(job, call.now)
        if fault.state is not None:
            body["status"] = fault.state
        return Outcome(200, orjson.dumps({**body, **self._job_urls(call.base_url, job.request_id)}))

    def _result(self, tx: Transaction, call: Call, account: Account, _: Fault) -> Outcome:
        job = self._job(tx, call, account)
        body = job_body(job, call.now)
        if body["status"] != "COMPLETED":
            raise RefusedError(404, example="not-completed")
        fields = self._output_fields(call, job, self.contract.models[job.slug], made_at=job.ended_at)
        return Outcome(200, orjson.dumps({**body, **fields, "error": None}))

    def _credits(self, _tx: Transaction, _call: Call, account: Account, _: Fault) -> Outcome:
        if not account.has_balance:
            raise RefusedError(404, example="no-balance")
        return Outcome(200, orjson.dumps({"credits": account.credits, "free-credits": 0.0}))

    def _job(self, tx: Transaction, call: Call, account: Account) -> Job:
        job = tx.get(Job, call.request_id)
        if job is None or job.key != account.key or call.now >= job.submitted_at + self.contract.job_retention:
            raise RefusedError(404, example="unknown-or-expired")
        return job

    def _job_urls(self, base_url: str, request_id: str) -> dict[str, str]:
        return {
            "status_url": base_url + self._job_paths["status"] % request_id,
            "response_url": base_url + self._job_paths["result"] % request_id,
        }

    def _output_fields(self, call: Call, job: Job, model: Model, *, made_at: float) -> dict[str, Any]:
        """The fields of a response about what a job made."""
        output = output_of(job, model, self.settings)
        fields = describe_output(output, job.request_id, call.base_url, made_at)
        fields["prompt"] = prompt_of(job.parameters)
        return {**fields, "seed": job.seed} if "seed" in model.parameters else fields


def truncated(value: Any) -> Any:
    """As much of a parameter as a job keeps."""
    return value[:LONGEST_TEXT] if isinstance(value, str) else value


def read_parameters(call: Call, *, strict: bool) -> dict[str, Any]:
    """The validated body of a call. Raises RefusedError."""
    if media_type_of(call.headers) != JSON:
        raise RefusedError(406, example="content-type")
    try:
        parameters = orjson.loads(call.body)
    except orjson.JSONDecodeError as error:
        raise RefusedError(400, body={"error": f"the body is not valid JSON: {error}"}) from error
    validator = call.model.strict_validator if strict else call.model.validator
    if not validator.is_valid(parameters):
        problem = next(validator.iter_errors(parameters))
        raise RefusedError(400, body={"error": describe(problem)[:LONGEST_MESSAGE]})
    return cast(dict[str, Any], parameters)


def count_call(tx: Transaction, account: Account, limit: int, now: float) -> None:
    """Counts a call of the account. Raises RefusedError for a call beyond the limit."""
    if now >= account.window_started + WINDOW_SECONDS:
        account.window_started, account.window_calls = now, 0
    if account.window_calls >= limit:
        raise RefusedError(429, example="too-many", headers=limit_headers(account.window_started + WINDOW_SECONDS))
    account.window_calls += 1
    tx.put(account.key, account)


def job_body(job: Job, now: float) -> dict[str, Any]:
    """The fields of every response about a job. Raises RefusedError for a failed job."""
    metrics: dict[str, float] = {}
    if now >= job.started_at:
        metrics["queue_time"] = round(job.started_at - job.submitted_at, 3)
    if now >= job.ended_at:
        metrics["inference_time"] = round(job.ended_at - job.started_at, 3)
        metrics["total_time"] = round(metrics["queue_time"] + metrics["inference_time"], 3)
    if job.remaining_credits is not None:
        metrics["cost"] = job.price
        metrics["remaining_credits"] = job.remaining_credits
    body = {"request_id": job.request_id, "status": job.state(now), "metrics": metrics}
    if body["status"] == "FAILED":
        raise RefusedError(422, body={**body, "error": job.error})
    return body
