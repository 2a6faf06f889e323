"""The double as pytest fixtures; installed with the package, nothing to import."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from segmind_mock.clock import MovableClock
    from segmind_mock.double import Double


class Stage:
    """An application that is whichever double is on it: to start a server takes longer than most tests."""

    double: Double

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.double.app(scope, receive, send)


@pytest.fixture
def segmind_double() -> Double[MovableClock]:
    """A double in process, new for each test: jobs complete at once, time stands still until it is moved."""
    segmind_mock = package_with_extra()
    double: Double[MovableClock] = segmind_mock.Double(clock=segmind_mock.MovableClock())
    return double


@pytest.fixture(scope="session")
def segmind_double_stage() -> Iterator[tuple[Stage, str]]:
    """The one server of a test session, and its URL."""
    segmind_mock = package_with_extra()
    stage = Stage()
    stage.double = segmind_mock.Double()
    with segmind_mock.serve(stage) as url:
        yield stage, url


@pytest.fixture
def segmind_double_url(segmind_double: Double, segmind_double_stage: tuple[Stage, str]) -> str:
    """The URL of `segmind_double` on a real port, for other processes and languages."""
    stage, url = segmind_double_stage
    stage.double = segmind_double
    return url


def package_with_extra() -> Any:
    """`segmind_mock`, or a failure that says what to install."""
    import segmind_mock

    try:
        # The names are looked up when they are first used.
        _ = segmind_mock.serve, segmind_mock.Double
    except ModuleNotFoundError as error:
        pytest.fail(str(error), pytrace=False)
    return segmind_mock
