"""The defects: what people who write such a service by hand get wrong."""

from __future__ import annotations

from tests.contract.defects import code_defects, contract_defects, response_defects
from tests.contract.defects.kinds import Defect


def all_defects() -> list[Defect]:
    modules = (contract_defects, response_defects, code_defects)
    return [defect for module in modules for group in module.GROUPS for defect in group()]
