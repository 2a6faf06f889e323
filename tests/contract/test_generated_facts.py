"""The generated Python does what is documented of the service."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.contract.generated_facts import PARTS, Claim


@pytest.mark.parametrize("part", PARTS)
def test_the_generated_python_does_what_is_documented(part: Callable[[str], Iterator[Claim]]) -> None:
    claims = list(part("segmind_api"))
    assert claims
    assert [claim for claim, holds in claims if not holds] == []
