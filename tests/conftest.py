"""What tests in every folder share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from generator.contract import Contract, load_contract
from segmind_mock import Double, MovableClock, serve

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def contract() -> Contract:
    """The contract as it stands in openapi/segmind.yaml."""
    return load_contract(ROOT / "openapi" / "segmind.yaml")


@pytest.fixture
def document(contract: Contract) -> Any:
    """A copy of the contract to change."""
    return json.loads(json.dumps(contract.document))


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def double(clock: MovableClock) -> Double:
    """A double whose jobs take the contract's typical latency, on a clock that the test moves."""
    return Double(clock=clock, latency_factor=1.0)


class Stage:
    """An application that is whichever double is on it: to start a server takes longer than most tests."""

    def __init__(self) -> None:
        self.double = Double()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.double.app(scope, receive, send)


@pytest.fixture(scope="session")
def stage() -> Iterator[tuple[Stage, str]]:
    stage = Stage()
    with serve(stage) as address:
        yield stage, address


@pytest.fixture
def address(stage: tuple[Stage, str], double: Double) -> str:
    """The address of the double on a real port."""
    stage[0].double = double
    return stage[1]
