"""What a schema cannot say: rules over several calls, over time and over money, each a claim with its own double."""

from tests.contract.rules import images, jobs, money, requests
from tests.contract.rules.money import FORMS
from tests.contract.rules.rule import RULES

__all__ = ["FORMS", "RULES", "images", "jobs", "money", "requests"]
