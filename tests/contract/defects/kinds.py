"""Three ways to break a double without a second copy of its code: its contract, its answers, its functions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from importlib.resources import files
from typing import Any
from unittest import mock

import orjson

from segmind_mock import Settings, app
from segmind_mock.calls import Outcome
from segmind_mock.contract import Contract
from tests.support.stage import Stage

DOCUMENT = (files("segmind_openapi") / "segmind.json").read_text(encoding="utf-8")
ROLES = (
    ("status", re.compile("/v2/requests/[^/]+/status")),
    ("result", re.compile("/v2/requests/[^/]+")),
    ("credits", re.compile("/v1/get-user-credits")),
    ("generate", re.compile("/v1/[^/]+")),
    ("submit", re.compile("/v2/[^/]+")),
)


@dataclass(frozen=True)
class Defect:
    """One defect; `contract` and `mischief` are how a double gets it."""

    name: str
    contract: Callable[[], Contract] = Contract.load
    mischief: Callable[[], AbstractContextManager[object]] = nullcontext

    def open_stage(self, settings: Settings | None = None) -> Stage:
        """A double that has the defect, while the mischief lasts."""
        return Stage(settings, contract=self.contract())


def in_contract(name: str, change: Callable[[Any], object]) -> Defect:
    """The double takes the contract to say something else."""

    def contract() -> Contract:
        document = json.loads(DOCUMENT)
        change(document)
        return Contract(document)

    return Defect(name, contract=contract)


def in_answers(name: str, role: str, status: int, change: Callable[[Outcome], object]) -> Defect:
    """The double answers right, and then the answer is changed; a role of "*" stands for all."""

    @contextmanager
    def mischief() -> Generator[None]:
        send_outcome = app.send_outcome

        async def send_changed(scope: Any, send: Any, outcome: Outcome, fault: Any) -> None:
            if role in ("*", role_of(scope["path"])) and outcome.status == status:
                change(outcome)
            await send_outcome(scope, send, outcome, fault)

        with mock.patch.object(app, "send_outcome", send_changed):
            yield

    return Defect(name, mischief=mischief)


def in_body(name: str, role: str, status: int, change: Callable[[Any], object]) -> Defect:
    """The JSON of an answer is changed in place."""

    def change_body(outcome: Outcome) -> None:
        body = orjson.loads(outcome.body)
        change(body)
        outcome.body = orjson.dumps(body)

    return in_answers(name, role, status, change_body)


def in_code(name: str, owner: Any, attribute: str, broken: Callable[[Any], Callable[..., Any]]) -> Defect:
    """A function is replaced by what `broken` makes of it."""
    return Defect(name, mischief=lambda: mock.patch.object(owner, attribute, broken(getattr(owner, attribute))))


def patched(owner: Any, attribute: str, value: object) -> Callable[[], AbstractContextManager[object]]:
    return lambda: mock.patch.object(owner, attribute, value)


def at(document: Any, place: Sequence[str]) -> Any:
    for key in place:
        document = document[key]
    return document


def holding(name: str, value: object, *place: str) -> Callable[[Any], object]:
    """Sets what stands at a place."""
    return lambda document: at(document, place).update({name: value})


def lacking(name: str, *place: str) -> Callable[[Any], object]:
    """Takes out what stands at a place."""
    return lambda document: at(document, place).pop(name)


def becoming(**changes: Any) -> Callable[[Outcome], None]:
    """Changes an answer itself."""

    def change(outcome: Outcome) -> None:
        for name, value in changes.items():
            setattr(outcome, name, value)

    return change


def role_of(path: str) -> str:
    return next((role for role, pattern in ROLES if pattern.fullmatch(path)), "")
