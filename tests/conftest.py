"""What tests in every folder share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from generator.contract import Contract, load_contract
from segmind_mock import Double, MovableClock, Settings
from segmind_mock.pytest_plugin import Stage

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
def settings() -> Settings:
    """Jobs take the contract's typical latency."""
    return Settings(latency_factor=1.0)


@pytest.fixture
def double(settings: Settings, clock: MovableClock) -> Double:
    """A double on a clock that the test moves."""
    return Double(settings, clock=clock)


@pytest.fixture
def address(segmind_double_stage: tuple[Stage, str], double: Double) -> str:
    """The address of the double on a real port."""
    stage, address = segmind_double_stage
    stage.double = double
    return address
