"""Defects of a double's own code: jobs, keys, money, limits, bodies and images."""

# A replacement takes what the function takes that it replaces, and a lambda cannot say so:
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import orjson

from segmind_mock import app, images, money, records, service
from segmind_mock.calls import Call, Outcome, RefusedError
from segmind_mock.records import Account, Job
from segmind_mock.service import Service
from tests.contract.defects.kinds import Defect, becoming, in_answers, in_body, in_code, patched

COUNT = itertools.count()


def jobs() -> Iterator[Defect]:
    """How a job gets on, and who may see it."""
    yield in_code(
        "COMPLETED before its time", Job, "state", lambda _: lambda job, _now: "FAILED" if job.error else "COMPLETED"
    )
    yield in_code(
        "never PROCESSING",
        Job,
        "state",
        lambda state: lambda job, now: "QUEUED" if state(job, now) == "PROCESSING" else state(job, now),
    )
    yield in_code(
        "PROCESSING again after half an hour",
        Job,
        "state",
        lambda state: lambda job, now: "PROCESSING" if now > job.submitted_at + 1800 else state(job, now),
    )
    yield in_code(
        "COMPLETED becomes FAILED after half an hour",
        Job,
        "state",
        lambda state: lambda job, now: "FAILED" if now > job.submitted_at + 1800 else state(job, now),
    )
    yield in_code(
        "FAILED becomes COMPLETED after half a minute",
        Job,
        "state",
        lambda state: lambda job, now: "COMPLETED" if now > job.ended_at + 30 else state(job, now),
    )

    def early(result: Any) -> Any:
        def serve(self: Service, tx: Any, call: Call, account: Account, fault: Any) -> Any:
            job = tx.get(Job, call.request_id)
            if job is not None and job.error is None:
                call.now = max(call.now, min(job.ended_at, job.submitted_at + 3599))
            return result(self, tx, call, account, fault)

        return serve

    yield in_code("a result before completion", Service, "_result", early)

    def look_up(*, own: bool, kept: bool) -> Callable[[Any], Any]:
        def broken(_: Any) -> Any:
            def find(self: Service, tx: Any, call: Call, account: Account) -> Any:
                job = tx.get(Job, call.request_id)
                expired = job is not None and call.now >= job.submitted_at + self.contract.job_retention
                if job is None or (own and job.key != account.key) or (kept and expired):
                    raise RefusedError(404, example="unknown-or-expired")
                return job

            return find

        return broken

    yield in_code("a foreign key's job visible", Service, "_job", look_up(own=False, kept=True))
    yield in_code("retention ignored", Service, "_job", look_up(own=True, kept=False))

    def any_id(find: Any) -> Any:
        def invent(self: Service, tx: Any, call: Call, account: Account) -> Any:
            try:
                return find(self, tx, call, account)
            except RefusedError:
                return Job(
                    call.request_id, account.key, "imagen", {"prompt": "x"}, 0, 0.06, call.now, call.now, call.now
                )

        return invent

    yield in_code("any id is a job", Service, "_job", any_id)
    yield in_code(
        "an id given to every job", Service, "_draw_id", lambda _: lambda _self: "7c9e6679-7425-40de-944b-e07fc1f90ae8"
    )

    def few_ids(_: Any) -> Any:
        return lambda _self: f"7c9e6679-7425-40de-944b-{next(COUNT) % 40:012x}"

    yield in_code("an id given again after forty", Service, "_draw_id", few_ids)
    yield in_code("ids without hyphens", Service, "_draw_id", lambda draw: lambda self: draw(self).replace("-", ""))
    yield in_code(
        "addresses of v1",
        Service,
        "_job_urls",
        lambda job_urls: (
            lambda self, base_url, request_id: {
                name: url.replace("/v2/", "/v1/") for name, url in job_urls(self, base_url, request_id).items()
            }
        ),
    )


def keys() -> Iterator[Defect]:
    def with_key(change: Callable[[Call, str], str | None]) -> Callable[[Any], Any]:
        """The key that counts is another than the one that was sent."""

        def broken(authenticate: Any) -> Any:
            def check(self: Service, tx: Any, call: Call) -> Any:
                name = self.contract.key_header
                key = change(call, call.headers.get(name, ""))
                sent = {**call.headers, name: key} if key is not None else call.headers
                return authenticate(self, tx, replace(call, headers=sent))

            return check

        return broken

    known = records.DEFAULT_KEY
    changes: dict[str, Callable[[Call, str], str | None]] = {
        "no key needed": lambda _, key: key or known,
        "any key is good": lambda _, key: key and known,
        "a key compared by its prefix": lambda _, key: known if len(key) >= 3 and known.startswith(key) else key,
        "a key compared by its beginning": lambda _, key: known if key.startswith(known) else key,
        "a key compared without case": lambda _, key: known if key.lower() == known.lower() else key,
        "a bearer token taken for the key": lambda call, key: (
            call.headers["authorization"].removeprefix("Bearer ") if "authorization" in call.headers else key
        ),
        "no key needed to poll": lambda call, key: key or (known if call.operation.role == "status" else ""),
        "no key needed for the balance": lambda call, key: key or (known if call.operation.role == "credits" else ""),
        "an unknown key may generate": lambda call, key: known if key and call.operation.role == "generate" else key,
    }
    for name, change in changes.items():
        yield in_code(name, Service, "_authenticate", with_key(change))

    def same_message(authenticate: Any) -> Any:
        def check(self: Service, tx: Any, call: Call) -> Any:
            try:
                return authenticate(self, tx, call)
            except RefusedError as error:
                raise RefusedError(error.status, body={"error": "unauthorized"}, headers=error.headers) from error

        return check

    yield in_code("one message for both kinds of 401", Service, "_authenticate", same_message)

    def body_first(answer: Any) -> Any:
        def check(self: Service, tx: Any, call: Call, fault: Any) -> Any:
            if call.operation.model is not None and not fault.replaces_the_call:
                try:
                    service.read_parameters(call, strict=False)
                except RefusedError as error:
                    body = error.body or {"error": "content type"}
                    return Outcome(error.status, orjson.dumps(body))
            return answer(self, tx, call, fault)

        return check

    def job_first(answer: Any) -> Any:
        def check(self: Service, tx: Any, call: Call, fault: Any) -> Any:
            if call.request_id and tx.get(Job, call.request_id) is None and not fault.replaces_the_call:
                return Outcome(404, b'{"error": "no such request"}')
            return answer(self, tx, call, fault)

        return check

    yield in_code("400 before 401", Service, "respond", body_first)
    yield in_code("404 before 401", Service, "respond", job_first)


def payments() -> Iterator[Defect]:
    def charge_failed(settle_job: Any) -> Any:
        def charge(account: Account, job: Job) -> None:
            settle_job(account, job)
            if job.error is not None:
                money.charge(account, job.price)

        return charge

    yield in_code("a failed job charged", money, "settle_job", charge_failed)
    yield in_code(
        "jobs never charged",
        money,
        "settle_job",
        lambda _: lambda account, job: setattr(job, "remaining_credits", account.credits),
    )

    def charge_twice(settle_job: Any) -> Any:
        def charge(account: Account, job: Job) -> None:
            settle_job(account, job)
            settle_job(account, job)

        return charge

    yield in_code("a job charged twice", money, "settle_job", charge_twice)

    def charge_polls(status: Any) -> Any:
        def ask(self: Service, tx: Any, call: Call, account: Account, fault: Any) -> Any:
            money.charge(account, 0.001)
            return status(self, tx, call, account, fault)

        return ask

    yield in_code("polls charged", Service, "_status", charge_polls)
    yield in_code("results charged", Service, "_result", charge_polls)

    def charge_submits(submit: Any) -> Any:
        def take(self: Service, tx: Any, call: Call, account: Account, fault: Any) -> Any:
            outcome = submit(self, tx, call, account, fault)
            money.charge(account, call.model.price)
            return outcome

        return take

    yield in_code("a job charged when it is submitted too", Service, "_submit", charge_submits)
    yield in_code(
        "v1 for nothing",
        money,
        "charge",
        lambda charge: lambda account, price: charge(account, 0.0 if price < 0.05 else price),
    )

    def charge_answers(*statuses: int) -> Callable[[Any], Any]:
        def broken(answer: Any) -> Any:
            def take(self: Service, tx: Any, call: Call, fault: Any) -> Any:
                outcome = answer(self, tx, call, fault)
                account = tx.get(Account, call.headers.get(self.contract.key_header, ""))
                if outcome.status in statuses and account is not None:
                    money.charge(account, 0.02)
                return outcome

            return take

        return broken

    yield in_code("refused calls charged", Service, "respond", charge_answers(400, 406))
    yield in_code("server errors charged", Service, "respond", charge_answers(500, 502, 504))
    yield in_code("nobody is too poor", money, "can_pay", lambda _: lambda _account, _price: True)
    yield in_code("poor only at zero", money, "can_pay", lambda _: lambda account, _price: account.credits > 0)
    yield in_code(
        "the exact price is too little",
        money,
        "can_pay",
        lambda _: lambda account, price: account.credits > price + 1e-6,
    )
    yield in_body("a balance in cents", "credits", 200, lambda body: body.update(credits=body["credits"] * 100))
    yield in_body(
        "the balance of now with every job",
        "result",
        200,
        lambda body: body["metrics"].update(remaining_credits=round(body["metrics"]["remaining_credits"] - 0.02, 6)),
    )


def limits() -> Iterator[Defect]:
    yield in_code(
        "one call more than the limit",
        service,
        "count_call",
        lambda count: lambda tx, account, limit, now: count(tx, account, limit + 1, now),
    )
    yield in_code(
        "one call less than the limit",
        service,
        "count_call",
        lambda count: lambda tx, account, limit, now: count(tx, account, limit - 1, now),
    )
    yield in_code("no limit at all", service, "count_call", lambda _: lambda *_: None)
    yield Defect("a window of half a minute", mischief=patched(service, "WINDOW_SECONDS", 30.0))
    yield Defect("a window of two minutes", mischief=patched(service, "WINDOW_SECONDS", 120.0))

    def one_for_all(authenticate: Any) -> Any:
        def check(self: Service, tx: Any, call: Call) -> Any:
            account = authenticate(self, tx, call)
            first = tx.get(Account, records.DEFAULT_KEY)
            if account.key != records.DEFAULT_KEY and first is not None and first.requests_per_minute:
                service.count_call(tx, first, first.requests_per_minute, call.now)
            return account

        return check

    yield in_code("one limit for all keys", Service, "_authenticate", one_for_all)
    yield in_code("a closed model open", Service, "_accept", open_models)


def open_models(accept: Any) -> Any:
    return lambda self, call, account: accept(self, call, replace(account, forbidden_models=[]))


def bodies() -> Iterator[Defect]:
    """How the body of a call is read."""

    def read_with(read: Callable[[Call], Call]) -> Callable[[Any], Any]:
        return lambda read_parameters: lambda call, **options: read_parameters(read(call), **options)

    def reparsed(change: Callable[[Any], Any]) -> Callable[[Call], Call]:
        def read(call: Call) -> Call:
            try:
                value = json.loads(call.body)
            except ValueError:
                return call
            return replace(call, body=orjson.dumps(change(value)))

        return read

    def any_type(call: Call) -> Call:
        return replace(call, headers={**call.headers, "content-type": "application/json"})

    def loose_type(call: Call) -> Call:
        declared = call.headers.get("content-type", "")
        return any_type(call) if "json" in declared or not declared else call

    def digits(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: int(v) if isinstance(v, str) and v.isdigit() else v for k, v in value.items()}
        return value

    def booleans(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: 256 if v is True else v for k, v in value.items()}
        return value

    def whole(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: int(v) if isinstance(v, float) and k != "guidance_scale" else v for k, v in value.items()}
        return value

    def without_nulls(value: Any) -> Any:
        return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value

    def stripped(value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("prompt"), str):
            return {**value, "prompt": value["prompt"].strip("\ufeff\x00 ")}
        return value

    def cut(value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("prompt"), str):
            return {**value, "prompt": value["prompt"][:1000]}
        return value

    def lenient(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: v.strip() if isinstance(v, str) and k != "prompt" else v for k, v in value.items()}
        return value

    def nan(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: 7.5 if isinstance(v, float) and not abs(v) < 1e300 else v for k, v in value.items()}
        return value

    def listed(value: Any) -> Any:
        return {"prompt": "x"} if isinstance(value, list) or value is None else value

    def repaired(call: Call) -> Call:
        return replace(call, body=call.body.decode(errors="replace").encode())

    def unquoted(call: Call) -> Call:
        return replace(call, body=call.body.replace(b"'", b'"') if call.body.startswith(b"{'") else call.body)

    def first_only(call: Call) -> Call:
        try:
            value, _ = json.JSONDecoder().raw_decode(call.body.decode())
        except ValueError:
            return call
        return replace(call, body=orjson.dumps(value))

    def refuse_ascii(call: Call) -> Call:
        call.body.decode("ascii")
        prompt = orjson.loads(call.body).get("prompt") if call.body.startswith(b"{") else ""
        if isinstance(prompt, str):
            prompt.encode("ascii")
        return call

    def refuse_nul(call: Call) -> Call:
        if b"\\u0000" in call.body:
            raise ValueError("NUL")
        return call

    def no_parameters(call: Call) -> Call:
        if ";" in call.headers.get("content-type", ""):
            return replace(call, headers={**call.headers, "content-type": "text/plain"})
        return call

    readers: dict[str, Callable[[Call], Call]] = {
        "any content type accepted": any_type,
        "no content type needed": loose_type,
        "a charset refused": no_parameters,
        "digits taken for an integer": reparsed(digits),
        "true taken for a number": reparsed(booleans),
        "fractions cut off": reparsed(whole),
        "null taken for nothing": reparsed(without_nulls),
        "a prompt stripped": reparsed(stripped),
        "a prompt cut at 1,000 characters": reparsed(cut),
        "blanks around a value ignored": reparsed(lenient),
        "NaN accepted": reparsed(nan),
        "null and a list taken for a body": reparsed(listed),
        "bytes that are no UTF-8 repaired": repaired,
        "single quotes accepted": unquoted,
        "what follows the JSON ignored": first_only,
        "500 on odd Unicode": refuse_ascii,
        "500 on NUL": refuse_nul,
    }
    for name, read in readers.items():
        yield in_code(name, service, "read_parameters", read_with(read))


def pictures() -> Iterator[Defect]:
    yield in_code(
        "width and height swapped",
        images,
        "image_size",
        lambda size: lambda asked, defaults: size(asked, defaults)[::-1],
    )
    yield in_code("every image 512 by 512", images, "image_size", lambda _: lambda _asked, _defaults: (512, 512))
    yield in_code(
        "one pixel too few",
        images,
        "draw",
        lambda draw: lambda digest, width, height, **texts: draw(digest, width - 1, height, **texts),
    )
    yield in_code(
        "one image for all seeds",
        images,
        "image_digest",
        lambda digest: lambda slug, parameters, _: digest(slug, {**parameters, "seed": 0}, 0),
    )
    yield in_code(
        "one image for all prompts",
        images,
        "image_digest",
        lambda digest: lambda slug, _, seed: digest(slug, {}, seed),
    )

    def ever_other(digest: Any) -> Any:
        return lambda slug, parameters, seed: digest(slug, {**parameters, "n": next(COUNT)}, seed)

    yield in_code("the same seed gives another image", images, "image_digest", ever_other)
    yield in_code(
        "every drawn seed is 42",
        Service,
        "_seed",
        lambda _: lambda _self, _model, parameters: 42 if parameters.get("seed", -1) == -1 else parameters["seed"],
    )
    yield in_code(
        "the seed that was sent ignored", Service, "_seed", lambda seed: lambda self, model, _: seed(self, model, {})
    )
    yield in_body("the size of a file wrong", "result", 200, lambda body: body["images"][0].update(file_size=1))
    yield in_body("output and image differ", "result", 200, lambda body: body.update(output=body["output"] + "?x"))


def paths() -> Iterator[Defect]:
    def answer_all(_: Any) -> Any:
        return lambda _self, _scope, _operations: Outcome(200, b"{}")

    def not_found(answer: Any) -> Any:
        return lambda self, scope, _: answer(self, scope, {})

    yield in_code("an unknown path is 200", app.MockApp, "_answer_unknown", answer_all)
    yield in_code("a wrong verb is 404", app.MockApp, "_answer_unknown", not_found)
    yield in_answers("404 in HTML", "", 404, becoming(body=b"<h1>Not Found</h1>"))


GROUPS = (jobs, keys, payments, limits, bodies, pictures, paths)
