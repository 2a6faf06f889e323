"""The double as pytest fixtures; installed with the package, nothing to import."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from segmind_mock.double import Double


class Stage:
    """An application that is whichever double is on it: to start a server takes longer than most tests."""

    double: Double

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.double.app(scope, receive, send)


@pytest.fixture
def segmind_double() -> Double:
    """A double in process, new for each test: jobs complete at once, time stands still until it is moved."""
    from segmind_mock.clock import MovableClock
    from segmind_mock.double import Double

    return Double(clock=MovableClock())


@pytest.fixture(scope="session")
def segmind_double_stage() -> Iterator[tuple[Stage, str]]:
    """The one server of a test session, and its address."""
    from segmind_mock.double import Double
    from segmind_mock.server import serve

    stage = Stage()
    stage.double = Double()
    with serve(stage) as address:
        yield stage, address


@pytest.fixture
def segmind_double_url(segmind_double: Double, segmind_double_stage: tuple[Stage, str]) -> str:
    """The address of `segmind_double` on a real port, for other threads, processes and languages."""
    stage, address = segmind_double_stage
    stage.double = segmind_double
    return address
