"""Who may call, and what they can spend."""

from __future__ import annotations

from dataclasses import dataclass, field

DEFAULT_KEY = "SG_0123456789abcdef"
"""Key of the account that every double starts with."""


@dataclass
class Account:
    """The holder of one key. Amounts are in US dollars."""

    key: str
    credits: float
    reserved: float = 0.0
    """Price of the jobs that are on their way."""

    def can_pay(self, price: float) -> bool:
        return dollars(self.credits - self.reserved) >= price

    def reserve(self, price: float) -> None:
        self.reserved = dollars(self.reserved + price)

    def release(self, price: float) -> None:
        self.reserved = dollars(self.reserved - price)

    def charge(self, price: float) -> None:
        self.credits = dollars(self.credits - price)


@dataclass
class Accounts:
    """The accounts of one double, by key."""

    by_key: dict[str, Account] = field(default_factory=dict[str, Account])

    def add(self, key: str = DEFAULT_KEY, *, credits: float = 100.0) -> Account:  # noqa: A002  the API's own word
        """Opens an account, or opens it anew."""
        account = Account(key, credits)
        self.by_key[key] = account
        return account


def dollars(amount: float) -> float:
    """Rounded to a millionth, so that sums of prices stay exact."""
    return round(amount, 6)
