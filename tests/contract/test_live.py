"""The run against the real service, tried on a double that keeps the contract and on doubles that do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from segmind_mock import DEFAULT_KEY, Double, MovableClock, Settings
from segmind_mock.calls import Call
from tests.contract import live
from tests.contract.defects.catalogue import all_defects

PRICE = 0.02


@pytest.fixture
def settings() -> Settings:
    return Settings()


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGMIND_API_KEY", DEFAULT_KEY)


def check(address: str, tmp_path: Path, *arguments: str) -> tuple[int, str]:
    report = tmp_path / "live.md"
    code = live.main(["--url", address, "--yes", "--report", str(report), *arguments], sleep=lambda _: None)
    return code, report.read_text()


def test_a_service_that_keeps_the_contract_differs_in_nothing_and_costs_nothing(
    address: str, double: Double, tmp_path: Path
) -> None:
    code, report = check(address, tmp_path)
    assert (code, double.account().credits) == (0, 100.0)
    assert "0 that differ from the contract; $0 spent" in report
    assert {row.status for row in double.requests()} >= {200, 400, 401, 404, 405, 406}


def test_what_is_paid_for_has_to_be_asked_for(address: str, double: Double, tmp_path: Path) -> None:
    code, report = check(address, tmp_path, "--paid")
    assert code == 0
    assert double.account().credits == pytest.approx(100 - 2 * PRICE)
    assert f"${2 * PRICE:g} spent" in report
    assert "fetch the result | 200" in report


def test_a_job_is_polled_until_it_ends(address: str, double: Double, clock: MovableClock, tmp_path: Path) -> None:
    double.service.settings = Settings(latency_factor=1.0)
    code = live.main(["--url", address, "--yes", "--paid", "--report", str(tmp_path / "live.md")], sleep=clock.advance)
    assert code == 0
    assert len(double.requests("getJobStatus", status=200)) == 4


@pytest.mark.parametrize(
    ("defect", "complaint"),
    [
        ("*: 403 for 401", "the contract expects 401"),
        ("405 as JSON", "content type application/json"),
        ("* 401 as text/html", "content type text/html"),
        ("credits 200: credits is '12.50'", "is not of type 'number'"),
        ("* 400 without error", "'error' is a required property"),
        ("any content type accepted", "the contract expects 406"),
        ("status: 410 for 404", "status 410"),
    ],
)
def test_it_reports_where_a_service_differs(address: str, tmp_path: Path, defect: str, complaint: str) -> None:
    with next(it for it in all_defects() if it.name == defect).mischief():
        code, report = check(address, tmp_path)
    assert code == 1
    assert complaint in report


def test_the_first_call_that_is_accepted_and_should_not_be_is_the_last_that_is_risked(
    double: Double, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take_anything(_: Call, **_options: object) -> dict[str, str]:
        return {"prompt": "x"}

    monkeypatch.setattr("segmind_mock.service.read_parameters", take_anything)
    code, report = check(address, tmp_path)
    assert code == 1
    assert double.account().credits == pytest.approx(100 - PRICE)
    assert f"${PRICE:g} spent" in report
    assert "not sent: it may cost" in report


def test_the_budget_is_kept(address: str, double: Double, tmp_path: Path) -> None:
    code, report = check(address, tmp_path, "--paid", "--budget", "0.03")
    assert code == 1
    assert len(double.billed_requests()) == 1
    assert "not sent" in report


def test_nothing_is_sent_without_a_key_or_a_yes(
    address: str, double: Double, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert live.main(["--url", address]) == 2
    assert "Nothing was sent" in capsys.readouterr().err
    monkeypatch.delenv("SEGMIND_API_KEY")
    assert live.main(["--url", address, "--yes"]) == 2
    assert "SEGMIND_API_KEY" in capsys.readouterr().err
    assert double.requests() == []


def test_no_message_shows_the_key(address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, report = check(address, tmp_path)
    output = capsys.readouterr()
    assert DEFAULT_KEY not in report + output.out + output.err
