"""The double keeps the rules that no schema can state."""

from __future__ import annotations

import pytest

from tests.contract.rules import RULES
from tests.support.stage import Stage


@pytest.mark.parametrize("name", RULES)
def test_the_double_keeps_the_rule(name: str) -> None:
    RULES[name](Stage)
