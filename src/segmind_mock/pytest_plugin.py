"""pytest fixtures of the double, which pytest loads from the installed package."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from segmind_mock.clock import MovableClock
    from segmind_mock.double import Double
    from segmind_mock.settings import Settings


class Stage:
    """An application that forwards to the current double, since starting a server takes longer than most tests."""

    double: Double

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.double.app(scope, receive, send)


@pytest.fixture
def segmind_double_settings() -> Settings:
    """The settings of `segmind_double`. Define a fixture of this name to have others."""
    settings: Settings = package_with_extra().Settings()
    return settings


@pytest.fixture
def segmind_double(segmind_double_settings: Settings) -> Double[MovableClock]:
    """A new double in process: jobs complete at once, time stands still until it is moved."""
    segmind_mock = package_with_extra()
    double: Double[MovableClock] = segmind_mock.Double(segmind_double_settings, clock=segmind_mock.MovableClock())
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
    """The URL of `segmind_double` on a port, for other processes and languages."""
    stage, url = segmind_double_stage
    stage.double = segmind_double
    return url


def package_with_extra() -> Any:
    """`segmind_mock`; fails the test with what to install if the extra is missing."""
    import segmind_mock

    try:
        # The package imports its modules when their names are first used.
        _ = segmind_mock.serve, segmind_mock.Double
    except ModuleNotFoundError as error:
        pytest.fail(str(error), pytrace=False)
    return segmind_mock
