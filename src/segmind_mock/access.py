"""Who may use the admin interface."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class AdminAccess:
    """Without a token: callers on this machine that use a loopback name or `host`. With a token: callers that send it.

    `everywhere` admits callers on other machines, and needs a token. Raises ValueError for a token that no header can
    carry, and without the needed one.
    """

    token: str | None = field(default=None, repr=False)
    everywhere: bool = False
    host: str | None = None

    def __post_init__(self) -> None:
        if self.token is not None and not (self.token.isascii() and self.token.isprintable() and self.token.strip()):
            raise ValueError("the admin token: expected printable ASCII characters")
        if self.everywhere and self.token is None:
            raise ValueError("an admin interface for other machines needs a token")

    def refusal(self, scope: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[int, str] | None:
        """The status and the message for a request that is refused; None for any other."""
        host = headers.get("host", "")
        origin = headers.get("origin")
        # A browser sends the origin of the page, except with a GET, whose response the page cannot read.
        if origin is not None and origin.lower() != f"{scope['scheme']}://{host}".lower():
            return 403, "the admin interface refuses requests of web pages from another origin"
        client = scope["client"]
        if not self.everywhere and (client is None or not is_loopback(client[0])):
            return 403, "the admin interface serves loopback only; --admin-everywhere lets other machines use it"
        if self.token is not None:
            sent = headers.get("authorization", "").encode("latin-1")
            if not hmac.compare_digest(sent, f"Bearer {self.token}".encode()):
                return 401, "the admin interface needs the header Authorization: Bearer, with the token"
        elif not self._is_own_name(name_in(host), scope["server"]):
            # DNS rebinding: a page whose host name resolves to this machine has the same origin, with its name as Host.
            return 403, "the admin interface needs a loopback name in the Host header"
        return None

    def _is_own_name(self, name: str, server: tuple[str, int | None] | None) -> bool:
        # In process, the server is the host of the URL.
        return is_loopback(name) or name in (self.host, server and server[0])


def name_in(host: str) -> str:
    """The name in a Host header, without the port; empty if the header is invalid."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Whether a host name or an IP address is a loopback one."""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    # A dual-stack socket shows an IPv4 caller as ::ffff:127.0.0.1.
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
