"""Drawn contracts: the generated classes and the double accept what jsonschema accepts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.generated.differential import compare, type_errors

CONTRACTS = 12


def test_generated_classes_and_the_double_accept_what_jsonschema_accepts_and_pass_type_checkers(
    document: Any, tmp_path: Path
) -> None:
    compared = compare(tmp_path, document, contracts_count=CONTRACTS, seed_value=1)
    assert compared > 25 * CONTRACTS
    # Type checkers need seconds for each.
    assert type_errors(tmp_path, most=3) == []
