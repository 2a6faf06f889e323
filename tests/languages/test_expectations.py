"""What every program prints, as clients/expected.txt has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from languages.expectations import read_expectations, read_output


def expectations_file(folder: Path, text: str) -> Path:
    path = folder / "expected.txt"
    path.write_text(text)
    return path


def test_a_shortfall_stands_for_the_line_of_its_name(tmp_path: Path) -> None:
    expectations = read_expectations(
        expectations_file(tmp_path, "# all\nfirst: 1\nsecond: 2: two\n\n[go] first: 0  # it counts from zero\n")
    )
    assert expectations.of("go") == {"first": "0", "second": "2: two"}
    assert expectations.of("java") == {"first": "1", "second": "2: two"}
    assert expectations.shortfalls["go"]["first"].reason == "it counts from zero"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no outcome", "expected.txt:1: expected NAME: OUTCOME"),
        ("first: 1\nfirst: 2", "expected.txt:2: 'first' is there twice"),
        ("first: 1\n[go] first: 2", "expected.txt:2: expected the name of a line above, and a reason"),
        ("first: 1\n[go] second: 2  # why", "expected.txt:2: expected the name of a line above, and a reason"),
    ],
)
def test_a_line_in_another_form_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_expectations(expectations_file(tmp_path, text))


def test_output_is_read_line_by_line() -> None:
    assert read_output("noise\nfirst: 1\nsecond: 2: two\n") == {"first": "1", "second": "2: two"}
