"""The scenarios that the programs meet: the double, reached through a URL whose first segment names a scenario."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from segmind_mock import Double, Settings
from segmind_mock.asgi import Message, Receive, Scope, Send

POLLS_TO_COMPLETE = 3
REMOVED = object()
"""Instead of the value of a field that a response lacks."""
FOREIGN_ID = "job-"
"""Before the request id of a scenario whose ids are no UUIDs."""
ROLES = {
    "generate": ("POST", re.compile("/v1/")),
    "submit": ("POST", re.compile("/v2/")),
    "status": ("GET", re.compile("/v2/requests/[^/]+/status$")),
    "result": ("GET", re.compile("/v2/requests/[^/]+$")),
}


@dataclass(frozen=True)
class Scenario:
    """What the double does to the calls of one scenario."""

    posts: int | None = 1
    """How many POSTs a program sends, no more and no fewer: each one may be charged. None for any number."""
    prefer: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """By role: the fault of each call in turn, as in a `Prefer` header; the last one is for all that follow."""
    fields: Mapping[str, object] = field(default_factory=dict[str, object])
    """Fields that are set in each response about a job, or REMOVED from it."""
    foreign_ids: bool = False
    as_image: bool = False


SCENARIOS: Mapping[str, Scenario] = {
    "v2": Scenario(),
    "v1-json": Scenario(),
    "v1-image": Scenario(as_image=True),
    "parameters": Scenario(posts=4),
    # Some clients refuse the value themselves.
    "out-of-range": Scenario(posts=None),
    "wrong-key": Scenario(),
    "no-credits": Scenario(prefer={"submit": ("code=406",)}),
    "failed-job": Scenario(prefer={"submit": ('fail="blocked by the safety filter"',)}),
    "rate-limit": Scenario(prefer={"submit": ("code=429",)}),
    "unknown-status": Scenario(prefer={"status": ("state=PAUSED",)}),
    "unknown-field": Scenario(fields={"colour_profile": {"name": "sRGB", "channels": [8, 8, 8]}}),
    "no-metrics": Scenario(fields={"metrics": REMOVED}),
    "null-field": Scenario(fields={"images": None, "prompt": None}),
    "foreign-id": Scenario(foreign_ids=True),
    "html-502": Scenario(prefer={"submit": ("html=502",)}),
    "unavailable": Scenario(prefer={"submit": ("code=503",)}),
    "busy": Scenario(posts=2, prefer={"submit": ("code=503", "")}),
    "limited": Scenario(posts=2, prefer={"submit": ("code=429", "")}),
    # The second call is lost on a connection that the first one has kept open: some HTTP libraries repeat it then.
    "lost": Scenario(posts=2, prefer={"submit": ("", "drop=after")}),
    "gateway": Scenario(prefer={"submit": ("html=502",)}),
    "late": Scenario(prefer={"submit": ("code=504",)}),
    "unreadable": Scenario(prefer={"submit": ("malformed=json",)}),
    "flaky-polls": Scenario(prefer={"status": ("html=502", "drop=before", "code=503", "")}),
    "endless": Scenario(prefer={"status": ("state=PROCESSING",)}),
}


class ScenarioApp:
    """An ASGI application that sends /SCENARIO/PATH to a double as /PATH, with the faults of the scenario."""

    def __init__(self) -> None:
        self.doubles = {
            as_image: Double(
                Settings(polls_to_complete=POLLS_TO_COMPLETE, generate_as="image" if as_image else "json"), seed=1
            )
            for as_image in (False, True)
        }
        self.calls: Counter[tuple[str, str]] = Counter()
        """By scenario and role."""
        self.bodies: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        """Bodies of the POSTs, by scenario and path."""
        self.images: dict[str, bytes] = {}
        """The last image that was the response of a v1 call, by scenario."""

    def posts(self, scenario: str) -> int:
        return self.calls[scenario, "generate"] + self.calls[scenario, "submit"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.doubles[False].app(scope, receive, send)
            return
        name, _, rest = scope["path"].removeprefix("/").partition("/")
        scenario = SCENARIOS.get(name)
        path = f"/{rest}"
        if scenario is None:
            # The files of the double have URLs without a scenario.
            await self.doubles[False].app(scope, receive, send)
            return
        role = next(
            (it for it, (method, where) in ROLES.items() if scope["method"] == method and where.match(path)), ""
        )
        faults = scenario.prefer.get(role, ("",))
        fault = faults[min(self.calls[name, role], len(faults) - 1)]
        self.calls[name, role] += 1
        if scenario.foreign_ids:
            path = path.replace(f"/requests/{FOREIGN_ID}", "/requests/")
        headers = [*scope["headers"], *([(b"prefer", fault.encode())] if fault else [])]
        request = b""

        async def receive_body() -> Message:
            nonlocal request
            message = await receive()
            request += message.get("body", b"")
            if role in ("generate", "submit") and message["type"] == "http.request" and not message.get("more_body"):
                self.bodies[name][path] = read_json(request)
            return message

        start: Message = {}
        body = b""

        async def send_changed(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            body += message.get("body", b"")
            if message.get("more_body"):
                return
            if role == "generate" and start["status"] == 200:
                self.images[name] = body
            changed = changed_body(scenario, body)
            start["headers"] = [
                (key, str(len(changed)).encode() if key.lower() == b"content-length" else value)
                for key, value in start["headers"]
            ]
            await send(start)
            await send({"type": "http.response.body", "body": changed})

        double = self.doubles[scenario.as_image]
        # A MutableMapping of its own, since the double keeps the state of the connection in it.
        await double.app(
            {**scope, "path": path, "raw_path": path.encode(), "headers": headers}, receive_body, send_changed
        )


def changed_body(scenario: Scenario, body: bytes) -> bytes:
    """The body of a response about a job, with the fields of the scenario; any other body as it is."""
    value = read_json(body)
    if not isinstance(value, dict) or "request_id" not in value:
        return body
    job: dict[str, Any] = {**value, **scenario.fields}
    if scenario.foreign_ids:
        job["request_id"] = f"{FOREIGN_ID}{job['request_id']}"
    return json.dumps({name: it for name, it in job.items() if it is not REMOVED}).encode()


def read_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
