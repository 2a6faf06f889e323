"""What the double does with a call: the contract's operations over accounts and jobs, without I/O."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, cast
from urllib.parse import quote

import orjson

from segmind_mock.contract import Contract, Model, Operation, describe, media_type_of
from segmind_mock.faults import NO_FAULT, ROLES, Fault, parse_prefer, read_fault, strikes
from segmind_mock.images import draw, image_digest, image_size
from segmind_mock.records import NEVER, Account, FaultRule, Job, new_opening
from segmind_mock.stores import Transaction

RESERVED_PREFIX = "/_mock"
"""Paths below it are the double's own, not the service's."""
WINDOW_SECONDS = 60.0
FAULT_WINDOW_SECONDS = 1.0
"""Until the reset that a 429 on demand names."""
GRACE_SECONDS = 60.0
"""For which the price of a v1 call stays reserved after its time: its process may have died, or may only be late."""
SHARE_IN_QUEUE = 0.1
"""Part of a job's latency that it spends in the queue."""
MOST_JOBS = 10_000
"""Jobs that are remembered; beyond that the oldest that have ended are forgotten, if need be before their retention."""
FORGOTTEN_AT_ONCE = 100
LONGEST_TEXT = 10_000
"""Characters of each parameter that a job keeps."""
MOST_RULES = 100
MOST_LISTED = 10_000
LONGEST_MESSAGE = 500
"""Characters; a message may quote what was sent."""
SEED_BITS = 31
UUID_VARIANTS = {f"{digit:x}": f"{8 + digit % 4:x}" for digit in range(16)}
"""The first digit of the fourth group of a random UUID, from a random digit."""
WITHOUT_BODY = frozenset({204, 205, 304})
"""Statuses whose answer has no body."""
JSON = "application/json"


@dataclass(frozen=True)
class Settings:
    """How a double behaves; the same for all processes that serve it."""

    latency_factor: float = 0.0
    """Times the contract's typical latency; 0 answers and completes at once."""
    latency_jitter: float = 0.0
    """Share of the latency by which it varies, up and down, from 0 to 1."""
    polls_to_complete: int | None = None
    """Status calls until a job ends; None lets the time decide."""
    generate_as: Literal["json", "text", "image"] = "json"
    """What v1 answers with; the vendor's documentation has all three."""
    generate_seconds: float = 60.0
    """Seconds after which a v1 call is cut off with 504. The default is inferred: the service documents no number."""
    image_format: Literal["png", "jpeg"] = "png"
    captions: bool = False
    """Whether model, prompt and seed are written on the picture. JPEG and captions need the extra `pictures`."""
    largest_body: int = 1_000_000
    """Bytes of a request's body."""

    def __post_init__(self) -> None:
        """Raises ValueError for what makes no sense."""
        if not 0 <= self.latency_factor < math.inf or not 0 <= self.latency_jitter <= 1:
            raise ValueError("expected a latency factor of 0 or more and a jitter from 0 to 1")
        polls = self.polls_to_complete
        if polls is not None and polls < 1:
            raise ValueError("expected 1 poll or more until a job completes")
        if self.generate_as not in ("json", "text", "image") or self.image_format not in ("png", "jpeg"):
            raise ValueError("expected generate_as json, text or image, and image_format png or jpeg")
        if not 0 < self.generate_seconds < math.inf:
            raise ValueError("expected more than 0 generate_seconds")
        if self.largest_body < 1:
            raise ValueError("expected a largest_body of 1 byte or more")


@dataclass(slots=True)
class Call:
    """One call of an operation."""

    operation: Operation
    request_id: str
    """Of the job that the path names; empty where it names none."""
    headers: Mapping[str, str]
    body: bytes
    address: str
    """Scheme, host and port that the caller used."""
    now: float

    @property
    def model(self) -> Model:
        if self.operation.model is None:
            raise TypeError(f"{self.operation.operation_id} calls no model: its operation has no request body")
        return self.operation.model


@dataclass(slots=True)
class Outcome:
    """What a call is answered with."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] | None = None
    request_id: str | None = None
    """The job that was accepted."""
    accepted: bool = False
    """Whether this is a POST that is charged for, now or when its job completes."""
    wait: float = 0.0
    """Seconds until the answer."""
    finish: Callable[[Transaction, float], Outcome] | None = None
    """Gives the response after the wait, at the time of then, where it depends on what happens until then."""
    abandon: Callable[[Transaction], None] | None = None
    """For a caller who hangs up during the wait."""


class RefusedError(Exception):
    """A call that is answered with a documented error: a named example of the contract, or a body of its own."""

    def __init__(
        self,
        status: int,
        *,
        example: str = "",
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, example, body)
        self.status = status
        self.example = example
        self.body = body
        self.headers = headers


class Service:
    """Answers calls. All state is in the transaction; a service itself remembers nothing but its settings.

    `ready` is the account that always exists.
    """

    def __init__(self, contract: Contract, settings: Settings, ready: Account, seed: int | None = None) -> None:
        self.contract = contract
        self.settings = settings
        self.ready = ready
        self._random = random.Random(seed)  # noqa: S311  no secret
        # Never seeded by the caller: two processes must not give out the same ids. Asking the system for random
        # bytes with every id costs a tenth of a call.
        self._ids = random.Random()  # noqa: S311  no secret
        self._status_path, self._result_path = (
            contract.job_paths[role].replace("%", "%%").replace("{request_id}", "%s") for role in ("status", "result")
        )
        self._poll_path = (contract.poll_path or "").replace("%", "%%").replace("{request_id}", "%s")
        self._handlers: Mapping[str, Callable[[Transaction, Call, Account, Fault], Outcome]] = {
            "generate": self._generate,
            "submit": self._submit,
            "status": self._status,
            "result": self._result,
            "credits": self._credits,
        }

    def account(self, tx: Transaction, key: str) -> Account | None:
        """The account of a key; opens the ready one where it is missing: a store may lose what it held."""
        account = tx.get(Account, key)
        if account is None and key == self.ready.key:
            ready = self.ready
            account = replace(
                ready, forbidden_models=[*ready.forbidden_models], pending=[], reserved=0.0, opening=new_opening()
            )
            tx.put(key, account)
        return account

    def settled_accounts(self, tx: Transaction, now: float, count: int) -> list[Account]:
        """The oldest accounts, with all that has ended by now charged."""
        self.account(tx, self.ready.key)
        accounts = tx.oldest(Account, count)
        for account in accounts:
            if settle(tx, account, now):
                tx.put(account.key, account)
        return accounts

    def fault_of(self, tx: Transaction, call: Call) -> tuple[dict[str, str], Fault]:
        """How this call goes wrong, by its own header or else by the first rule that strikes. Raises ValueError."""
        fields = parse_prefer(call.headers["prefer"]) if "prefer" in call.headers else {}
        if not fields and tx.count(FaultRule):
            fields = self._fields_by_rule(tx, call)
        return fields, read_fault(fields) if fields else NO_FAULT

    def _fields_by_rule(self, tx: Transaction, call: Call) -> dict[str, str]:
        key = call.headers.get(self.contract.key_header)
        for rule in tx.oldest(FaultRule, MOST_RULES):
            if rule.operation_id not in (None, call.operation.operation_id) or rule.key not in (None, key):
                continue
            if rule.times == 0 or any(
                ROLES.get(name, call.operation.role) != call.operation.role for name in rule.fault
            ):
                continue
            rule.seen += 1
            struck = strikes(rule.seed, rule.seen, rule.probability)
            if struck and rule.times is not None:
                rule.times -= 1
            tx.put(rule.rule_id, rule)
            if struck:
                return rule.fault
        return {}

    def answer(self, tx: Transaction, call: Call, fault: Fault) -> Outcome:
        """Carries a call out. Raises nothing: what is refused is an answer too."""
        if fault.replaces_the_call:
            return self._replacement(call.operation, fault, call.now)
        try:
            account = self._authenticate(tx, call)
            outcome = self._handlers[call.operation.role](tx, call, account, fault)
        except RefusedError as refusal:
            outcome = self._refused(call.operation, refusal)
        return outcome

    def _refused(self, operation: Operation, refusal: RefusedError) -> Outcome:
        body = refusal.body or self.contract.example(operation, refusal.status, refusal.example)
        return Outcome(refusal.status, orjson.dumps(body), headers=refusal.headers)

    def _replacement(self, operation: Operation, fault: Fault, now: float) -> Outcome:
        if fault.html is not None and fault.html not in WITHOUT_BODY:
            page = f"<!doctype html><title>{fault.html}</title><h1>{fault.html}</h1>"
            return Outcome(fault.html, page.encode(), "text/html")
        status = fault.code or fault.html or 502
        documented = operation.responses.get(status)
        if status in WITHOUT_BODY:
            return Outcome(status, b"")
        if documented is None:
            return Outcome(status, orjson.dumps({"error": f"status {status}, as it was asked for"}))
        headers = {name: str(header["example"]) for name, header in self.contract.headers(documented).items()}
        if status == 429:
            headers |= limit_headers(now + FAULT_WINDOW_SECONDS)
        for media_type, media in documented["content"].items():
            examples = media.get("examples", {})
            name = fault.example or next(iter(examples), None)
            if name in examples:
                value = examples[name]["value"]
                body = orjson.dumps(value) if media_type == JSON else str(value).encode()
                return Outcome(status, body, media_type, headers)
        message = f"the contract has no example {fault.example!r} for {operation.operation_id} and {status}"
        return Outcome(400, orjson.dumps({"error": f"Prefer: {message}"}))

    def _authenticate(self, tx: Transaction, call: Call) -> Account:
        key = call.headers.get(self.contract.key_header)
        if not key:
            raise RefusedError(401, example="missing-key")
        account = self.account(tx, key)
        if account is None:
            raise RefusedError(401, example="unknown-key")
        if settle(tx, account, call.now):
            tx.put(key, account)
        if account.requests_per_minute is not None:
            count_call(tx, account, account.requests_per_minute, call.now)
        return account

    def _draw_id(self) -> str:
        digits = f"{self._ids.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{UUID_VARIANTS[digits[16]]}{digits[17:20]}-{digits[20:]}"

    def latency(self, model: Model) -> float:
        """Seconds that the next call of a model takes."""
        if self.settings.latency_factor == 0:
            return 0.0
        varied = 1 + self.settings.latency_jitter * (2 * self._random.random() - 1)
        return model.typical_latency * self.settings.latency_factor * varied

    def _seed(self, model: Model, parameters: Mapping[str, Any]) -> int:
        seed = parameters.get("seed", -1) if "seed" in model.parameters else -1
        # A number by the contract of the models that it has; another model may say otherwise.
        is_drawn = seed == -1 or isinstance(seed, bool) or not isinstance(seed, int | float)
        return self._random.getrandbits(SEED_BITS) if is_drawn else int(seed)

    def _accept(self, call: Call, account: Account) -> dict[str, Any]:
        """The parameters of a call that can be carried out. Raises RefusedError."""
        model = call.model
        if model.slug in account.forbidden_models:
            raise RefusedError(403, example="model-not-allowed")
        parameters = read_parameters(call)
        if not account.can_pay(model.price):
            raise RefusedError(406, example="balance-too-low")
        return model.own(parameters)

    def _generate(self, tx: Transaction, call: Call, account: Account, _: Fault) -> Outcome:
        parameters = self._accept(call, account)
        model, latency = call.model, self.latency(call.model)
        seed = self._seed(model, parameters)
        job = Job(
            self._draw_id(),
            account.key,
            model.slug,
            parameters,
            seed,
            model.price,
            call.now,
            call.now,
            call.now + latency,
        )
        if latency == 0:
            account.charge(job.price)
            tx.put(account.key, account)
            return self._generated(call, job, account.credits)
        wait, opening = min(latency, self.settings.generate_seconds), account.opening

        def finish(tx: Transaction, now: float) -> Outcome:
            # Read again: others may have spent in the meantime, and a reset may have forgotten this call.
            payer = self.account(tx, job.key)
            if payer is None or payer.opening != opening:
                return self._refused(call.operation, RefusedError(504, example="cut-off"))
            reserved = payer.release(job.request_id)
            settle(tx, payer, now)
            charged = wait == latency and (reserved or payer.can_pay(job.price))
            if charged:
                payer.charge(job.price)
            tx.put(payer.key, payer)
            if not charged:
                return self._refused(call.operation, RefusedError(504, example="cut-off"))
            return self._generated(call, job, payer.credits)

        def abandon(tx: Transaction) -> None:
            payer = tx.get(Account, job.key)
            if payer is not None and payer.release(job.request_id):
                tx.put(payer.key, payer)

        # Reserved before the wait, so that calls in parallel cannot spend the same credits; and only for a time,
        # since this process may die before it can release them.
        account.reserve(job.request_id, job.price, call.now + wait + GRACE_SECONDS)
        tx.put(account.key, account)
        return Outcome(200, b"", wait=wait, finish=finish, abandon=abandon)

    def _generated(self, call: Call, job: Job, credits_left: float) -> Outcome:
        model, parameters, seed = call.model, job.parameters, job.seed
        headers = {
            "x-request-id": job.request_id,
            "x-cost": f"{job.price:g}",
            "x-remaining-credits": f"{credits_left:.6f}",
            "x-generation-time": f"{job.ended_at - job.started_at:.3f}",
        }
        if "seed" in model.parameters:
            headers["x-seed-value"] = str(seed)
        described = self._describe_image(call.address, model, job, job.started_at)
        outcome = Outcome(200, b"", headers=headers, accepted=True)
        match self.settings.generate_as:
            case "text":
                outcome.body, outcome.content_type = described["url"].encode(), "text/plain"
            case "image":
                outcome.body, outcome.content_type = self._picture(model, job), described["content_type"]
            case _:
                body = {"output": described["url"], "images": [described], "prompt": prompt_of(parameters)}
                outcome.body = orjson.dumps({**body, "seed": seed} if "seed" in model.parameters else body)
        return outcome

    def _submit(self, tx: Transaction, call: Call, account: Account, fault: Fault) -> Outcome:
        parameters = self._accept(call, account)
        model, now, latency = call.model, call.now, self.latency(call.model)
        request_id, polls = self._draw_id(), self.settings.polls_to_complete
        started_at = now + SHARE_IN_QUEUE * latency if polls is None else NEVER
        ended_at = now + latency if polls is None else NEVER
        seed = self._seed(model, parameters)
        digest = ""
        if len(call.body) > LONGEST_TEXT:
            # The image follows from all that was sent.
            digest = image_digest(model.slug, parameters, seed)
            parameters = {name: shortened(value) for name, value in parameters.items()}
        job = Job(
            request_id,
            account.key,
            model.slug,
            parameters,
            seed,
            model.price,
            now,
            started_at,
            ended_at,
            polls,
            fault.fail,
            None,
            digest,
        )
        if ended_at <= now:
            settle_job(account, job)
        else:
            account.reserve(request_id, model.price, min(ended_at, now + self.contract.job_retention))
        tx.put(account.key, account)
        tx.put(request_id, job)
        self._forget(tx, now)
        body = {"request_id": request_id, "status": "QUEUED", **self._addresses(call.address, request_id)}
        if self._poll_path:
            body["poll_url"] = call.address + self._poll_path % request_id
        return Outcome(200, orjson.dumps(body), request_id=request_id, accepted=True)

    def _forget(self, tx: Transaction, now: float) -> None:
        """Forgets the oldest jobs beyond the number that is remembered, many at once; none that has not ended."""
        count = tx.count(Job)
        # Not with every submit, which would be slow where no job has ended.
        if count < MOST_JOBS + FORGOTTEN_AT_ONCE or (count - MOST_JOBS) % FORGOTTEN_AT_ONCE:
            return
        unsettled = {
            item[1] for account in self.settled_accounts(tx, now, tx.count(Account)) for item in account.pending
        }
        looked_at, ended = FORGOTTEN_AT_ONCE, list[str]()
        while len(ended) < FORGOTTEN_AT_ONCE and looked_at < 2 * count:
            # The newest stay, whether they have ended or not.
            jobs = tx.oldest(Job, min(looked_at, count - FORGOTTEN_AT_ONCE))
            ended = [job.request_id for job in jobs if job.request_id not in unsettled]
            looked_at *= 2
        for request_id in ended[:FORGOTTEN_AT_ONCE]:
            tx.delete(Job, request_id)

    def _status(self, tx: Transaction, call: Call, account: Account, fault: Fault) -> Outcome:
        job = self._job(tx, call, account)
        if job.polls_left is not None and job.polls_left > 0:
            poll(tx, job, account, call.now)
        body = job_body(job, call.now)
        if fault.state is not None:
            body["status"] = fault.state
        return Outcome(200, orjson.dumps({**body, **self._addresses(call.address, job.request_id)}))

    def _result(self, tx: Transaction, call: Call, account: Account, _: Fault) -> Outcome:
        job = self._job(tx, call, account)
        body = job_body(job, call.now)
        if body["status"] != "COMPLETED":
            raise RefusedError(404, example="not-completed")
        model = self.contract.models[job.slug]
        described = self._describe_image(call.address, model, job, job.ended_at)
        body |= {"output": described["url"], "images": [described], "prompt": prompt_of(job.parameters), "error": None}
        if "seed" in model.parameters:
            body["seed"] = job.seed
        return Outcome(200, orjson.dumps(body))

    def _credits(self, _tx: Transaction, _call: Call, account: Account, _: Fault) -> Outcome:
        if not account.has_balance:
            raise RefusedError(404, example="no-balance")
        return Outcome(200, orjson.dumps({"credits": account.credits, "free-credits": 0.0}))

    def _job(self, tx: Transaction, call: Call, account: Account) -> Job:
        job = tx.get(Job, call.request_id)
        if job is None or job.key != account.key or call.now >= job.submitted_at + self.contract.job_retention:
            raise RefusedError(404, example="unknown-or-expired")
        return job

    def _addresses(self, address: str, request_id: str) -> dict[str, str]:
        return {
            "status_url": address + self._status_path % request_id,
            "response_url": address + self._result_path % request_id,
        }

    def _describe_image(self, address: str, model: Model, job: Job, made_at: float) -> dict[str, Any]:
        width, height = image_size(job.parameters, model.defaults)
        suffix = "jpg" if self.settings.image_format == "jpeg" else "png"
        # The URL says all that the image follows from, so that any process can draw it again.
        name = f"{job.request_id}-{digest_of(job)}-{width}x{height}-{int(made_at)}.{suffix}"
        caption = f"?caption={quote(self._caption(job))}" if self.settings.captions else ""
        return {
            "url": f"{address}{RESERVED_PREFIX}/images/{name}{caption}",
            "content_type": f"image/{self.settings.image_format}",
            "file_name": f"{job.request_id}.{suffix}",
            "file_size": len(self._picture(model, job)),
        }

    def _picture(self, model: Model, job: Job) -> bytes:
        width, height = image_size(job.parameters, model.defaults)
        caption = self._caption(job) if self.settings.captions else ""
        return draw(digest_of(job), width, height, image_format=self.settings.image_format, caption=caption)

    @staticmethod
    def _caption(job: Job) -> str:
        return f"{job.slug}, seed {job.seed}: {prompt_of(job.parameters)[:80]}"


def digest_of(job: Job) -> str:
    return job.digest or image_digest(job.slug, job.parameters, job.seed)


def shortened(value: Any) -> Any:
    """As much of a parameter's value as a job keeps."""
    return value[:LONGEST_TEXT] if isinstance(value, str) else value


def prompt_of(parameters: Mapping[str, Any]) -> str:
    """The prompt that was sent; empty for a model that takes none."""
    return str(parameters.get("prompt", ""))


def read_parameters(call: Call) -> dict[str, Any]:
    """The checked body of a call. Raises RefusedError."""
    if media_type_of(call.headers) != JSON:
        raise RefusedError(406, example="content-type")
    try:
        parameters = orjson.loads(call.body)
    except orjson.JSONDecodeError as error:
        raise RefusedError(400, body={"error": f"the body is not valid JSON: {error}"}) from error
    if not call.model.validator.is_valid(parameters):
        problem = next(call.model.validator.iter_errors(parameters))
        raise RefusedError(400, body={"error": describe(problem)[:LONGEST_MESSAGE]})
    return cast(dict[str, Any], parameters)


def count_call(tx: Transaction, account: Account, limit: int, now: float) -> None:
    """Counts a call against the account's limit. Raises RefusedError for one beyond it."""
    if now >= account.window_started + WINDOW_SECONDS:
        account.window_started, account.window_calls = now, 0
    if account.window_calls >= limit:
        raise RefusedError(429, example="too-many", headers=limit_headers(account.window_started + WINDOW_SECONDS))
    account.window_calls += 1
    tx.put(account.key, account)


def limit_headers(reset: float) -> dict[str, str]:
    """Of a 429. Rounded up to a second, so that the window has ended when a caller comes back at the named time."""
    named = datetime.fromtimestamp(math.ceil(reset), UTC)
    return {"x-rate-limit-reset-at-utc": named.strftime("%Y-%m-%dT%H:%M:%SZ"), "x-rate-limit-remaining": "0"}


def settle(tx: Transaction, account: Account, now: float) -> bool:
    """Charges the account's jobs that have completed, in the order of completion; whether anything was settled."""
    settled = False
    while (request_id := account.pop_due(now)) is not None:
        settled = True
        job = tx.get(Job, request_id)
        if job is None:
            # A v1 call whose process has died, or is late.
            continue
        if job.ended_at > now:
            # Its retention is over, and nobody has polled it to its end.
            job.error, job.ended_at = "expired", now
        settle_job(account, job)
        tx.put(request_id, job)
    return settled


def settle_job(account: Account, job: Job) -> None:
    """Charges a job that has ended, unless it failed."""
    if job.error is None:
        account.charge(job.price)
        job.remaining_credits = account.credits


def poll(tx: Transaction, job: Job, account: Account, now: float) -> None:
    """Counts a poll of a job whose state follows from the number of polls."""
    job.polls_left = (job.polls_left or 0) - 1
    job.started_at = min(job.started_at, now)
    if job.polls_left == 0:
        end(tx, job, account, now)
    else:
        tx.put(job.request_id, job)


def end(tx: Transaction, job: Job, account: Account, now: float) -> None:
    """Lets a job that is on its way end now, and settles it."""
    job.started_at = min(job.started_at, now)
    job.ended_at = now
    job.polls_left = 0 if job.polls_left is not None else None
    account.release(job.request_id)
    # What has completed before it is charged before it.
    settle(tx, account, now)
    settle_job(account, job)
    tx.put(job.request_id, job)
    tx.put(account.key, account)


def job_body(job: Job, now: float) -> dict[str, Any]:
    """What every answer about a job holds. Raises RefusedError for one that failed."""
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
