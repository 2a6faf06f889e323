"""Rules about URLs: where the service is, where jobs may be, and where images may be fetched from."""

from __future__ import annotations

import re
import reprlib
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TypeGuard
from urllib.parse import urlsplit

import httpx

from segmind_api.client import BASE_URL

HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label of an IPv4 address in an old notation: 127.1, 0x7f.1, 2130706433."""
ALLOWING = "the option any_image_host=True allows it"
NAT64 = IPv6Network("64:ff9b::/96")
"""IPv6 addresses that are translated to the IPv4 address in their last four bytes."""


def problem_of(url: str, *, public_only: bool) -> str | None:
    """Why no image is fetched from a URL, as a predicate for a message; None if one is."""
    if not is_url(url):
        return "is not a URL that an image can be fetched from"
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        return f"is not a URL that an image can be fetched from: {error}"
    if not public_only:
        return None
    if parsed.scheme != "https":
        return f"is not encrypted; {ALLOWING}"
    if parsed.userinfo:
        return f"holds a user name or a password; {ALLOWING}"
    # In ASCII, as httpx would connect to it.
    if not is_public_host(parsed.raw_host.decode()):
        return f"leads into a private network; {ALLOWING}"
    return None


def is_public_host(host: str) -> bool:
    """Whether a host is a name, or a public IP address in the usual notation. The name is not resolved."""
    name = host.lower().rstrip(".")
    if ":" in name or all(NUMBER.fullmatch(label) for label in name.split(".")):
        return not refused_address(name)
    last = name.rpartition(".")[2]
    return bool(HOST.fullmatch(name)) and last != "localhost" and not NUMBER.fullmatch(last)


def refused_address(ip: str) -> bool:
    """Whether an IP address is invalid, private, loopback, link-local, reserved or multicast."""
    try:
        address: IPv4Address | IPv6Address = ip_address(ip)
    except ValueError:
        return True
    if isinstance(address, IPv6Address):
        nat64 = IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else None
        address = address.ipv4_mapped or address.sixtofour or nat64 or address
    site_local = isinstance(address, IPv6Address) and address.is_site_local
    return not address.is_global or address.is_multicast or address.is_reserved or site_local


def is_url(text: object) -> TypeGuard[str]:
    """Whether a text is an http or https URL."""
    if not isinstance(text, str) or not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def trusted_prefixes(base_url: str) -> tuple[str, ...]:
    """The URL prefixes under which the jobs of a service may be: its base URL, and the one of the contract."""
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.netloc}/", f"{BASE_URL}/"


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL; empty for a relative one."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return f"a URL that cannot be read, {reprlib.repr(url)}"
    return f"{parts.scheme}://{parts.hostname}:{port}" if parts.scheme or parts.netloc else ""
