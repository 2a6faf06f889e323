"""What a client is made with: the key, the base URL, a custom httpx client, transport or clock."""

from __future__ import annotations

import os
import re

import httpx

from segmind_api.client import API_KEY_VARIABLE, BASE_URL
from segmind_client.clock import Clock
from segmind_client.errors import InvalidParameter
from segmind_client.masking import Secret, masked
from segmind_client.urls import is_loopback

BASE_URL_VARIABLE = "SEGMIND_BASE_URL"
ALLOW_HTTP_VARIABLE = "SEGMIND_ALLOW_HTTP"
KEY_CHARACTERS = re.compile(r"[A-Za-z0-9._~+/=-]+")
"""As in the token68 of RFC 9110."""


def read_key(api_key: object) -> tuple[Secret | None, str]:
    """The key, or else a message that says why there is none."""
    value = os.environ.get(API_KEY_VARIABLE) if api_key is None else api_key
    if value is None or value == "":
        return None, f"no API key: pass api_key, or set {API_KEY_VARIABLE} in the environment"
    if not isinstance(value, str):
        return (
            None,
            f"the API key has to be a string, not {type(value).__name__}: pass api_key, or set it in the environment",
        )
    if not KEY_CHARACTERS.fullmatch(value):
        return None, (
            f"the API key cannot be one, it {problem_of_key(value)}: give the key alone, which has letters, digits and "
            f"-._~+/= only"
        )
    return Secret(value), ""


def problem_of_key(value: str) -> str:
    if value.strip() != value:
        return "begins or ends with white space, such as a line break"
    if value.lower().startswith("bearer "):
        return "begins with Bearer"
    return "looks like a URL" if "://" in value else "has a character that no key has"


def environment_allows_http() -> bool:
    """The value of SEGMIND_ALLOW_HTTP; False if it is not set. Raises InvalidParameter."""
    value = os.environ.get(ALLOW_HTTP_VARIABLE, "")
    if value.lower() in ("1", "true", "yes"):
        return True
    if value.lower() in ("0", "false", "no", ""):
        return False
    raise InvalidParameter("Client", ALLOW_HTTP_VARIABLE, value, "one of 1, true, yes, 0, false, no in the environment")


def read_base_url(base_url: object, *, allow_http: bool | None) -> str:
    """The URL before the paths of the contract; `/v1` or `/v2` at its end is removed. Raises InvalidParameter."""
    if allow_http is None:
        allow_http = environment_allows_http()
    given = os.environ.get(BASE_URL_VARIABLE, BASE_URL) if base_url is None else base_url
    allowed = "a URL such as https://host or http://127.0.0.1:port"
    if given == "" and base_url is None:
        raise InvalidParameter("Client", BASE_URL_VARIABLE, "", f"{allowed}; unset it to use the service itself")
    if not isinstance(given, str):
        raise InvalidParameter("Client", "base_url", given, allowed)
    # The caller may have passed the key as the URL.
    shown = masked(given)
    try:
        parsed = httpx.URL(given.strip())
        host, port = parsed.host, parsed.port
        host.encode("idna")
    except (httpx.InvalidURL, UnicodeError) as error:
        raise InvalidParameter("Client", "base_url", shown, f"{allowed} ({masked(str(error))})") from error
    if parsed.userinfo:
        # Without the password.
        raise InvalidParameter("Client", "base_url", f"{parsed.scheme}://…@{host}", f"{allowed}, without a user")
    if parsed.scheme not in ("http", "https") or not host:
        raise InvalidParameter("Client", "base_url", shown, allowed)
    if port is not None and not 0 < port < 65536:
        raise InvalidParameter("Client", "base_url", shown, f"{allowed}, with a port from 1 to 65535")
    if "?" in given or "#" in given:
        raise InvalidParameter("Client", "base_url", shown, f"{allowed}, without a query or a fragment")
    if parsed.scheme == "http" and not allow_http and not is_loopback(str(parsed)):
        raise InvalidParameter(
            "Client",
            "base_url",
            shown,
            "https, since anybody on the way could read the key; "
            f"allow_http=True, or {ALLOW_HTTP_VARIABLE}=1 in the environment, allows it",
        )
    path = parsed.path.rstrip("/")
    return str(parsed.copy_with(path=path.removesuffix("/v1").removesuffix("/v2"))).rstrip("/")


def check_custom(client: object, client_kind: type, transport: object, transport_kind: type, clock: object) -> None:
    """Raises InvalidParameter for objects of other types, and for both an httpx client and a transport."""
    if client is not None and not isinstance(client, client_kind):
        raise InvalidParameter("Client", "http_client", client, f"an httpx.{client_kind.__name__}")
    if transport is not None and not isinstance(transport, transport_kind):
        raise InvalidParameter("Client", "transport", transport, f"an httpx.{transport_kind.__name__}")
    if client is not None and transport is not None:
        raise InvalidParameter("Client", "transport", transport, "None, since http_client has one")
    if clock is not None and not isinstance(clock, Clock):
        raise InvalidParameter(
            "Client",
            "clock",
            clock,
            "an object with monotonic, sleep_until and sleep_until_async, such as segmind_mock.MovableClock()",
        )
