"""Who may use the admin interface, and who is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anyio
import httpx
import pytest

from segmind_mock import DEFAULT_KEY, AdminAccess, Double, serve
from segmind_mock.journal import mask

TOKEN = "a-token-of-this-test"  # noqa: S105  of no use elsewhere
WITH_TOKEN = {"authorization": f"Bearer {TOKEN}"}
OTHER_MACHINE = "192.0.2.7"
SECRET = "SG_5ec4e75ec4e75ec4"  # noqa: S105  nobody holds it


@pytest.fixture
def admin(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{address}/_mock") as client:
        yield client


def call(double: Double, caller: str, method: str = "GET", path: str = "/_mock/clock", **options: Any) -> int:
    """The status that a caller at an IP address gets."""

    async def send() -> int:
        transport = httpx.ASGITransport(double.app, client=(caller, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://double:4010") as client:
            return (await client.request(method, path, **options)).status_code

    return anyio.run(send)


class TestHost:
    @pytest.mark.parametrize(
        "host", ["evil.example", "evil.example:4010", "localhost.evil.example", "127.0.0.1.nip.io", "[", ""]
    )
    @pytest.mark.parametrize("path", ["/accounts", "/jobs", "/journal", "/clock"])
    def test_a_request_with_a_foreign_host_name_is_refused(self, admin: httpx.Client, path: str, host: str) -> None:
        response = admin.get(path, headers={"host": host})
        assert response.status_code == 403
        assert "Host header" in response.json()["error"]

    @pytest.mark.parametrize("host", ["localhost", "LOCALHOST:4010", "127.0.0.1:1", "127.9.9.9", "[::1]:4010"])
    def test_a_request_with_a_loopback_name_is_served(self, admin: httpx.Client, host: str) -> None:
        assert admin.get("/clock", headers={"host": host}).status_code == 200

    def test_the_configured_host_name_is_served(self) -> None:
        double = Double(admin_access=AdminAccess(host="my-laptop"))
        with serve(double.app) as url:
            statuses = {
                name: httpx.get(f"{url}/_mock/clock", headers={"host": name}).status_code
                for name in ("my-laptop:4010", "other-laptop:4010")
            }
        assert statuses == {"my-laptop:4010": 200, "other-laptop:4010": 403}

    def test_a_double_in_process_is_called_by_any_name(self) -> None:
        assert call(Double(), "127.0.0.1") == 200

    def test_the_api_itself_is_called_by_any_host_name(self, address: str) -> None:
        headers = {"host": "api.example", "x-api-key": DEFAULT_KEY}
        assert httpx.get(f"{address}/v1/get-user-credits", headers=headers).status_code == 200


class TestOrigin:
    @pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost"])
    @pytest.mark.parametrize(("method", "path"), [("POST", "/reset"), ("DELETE", "/faults"), ("GET", "/accounts")])
    def test_a_request_of_a_page_from_another_origin_is_refused(
        self, admin: httpx.Client, double: Double, method: str, path: str, origin: str
    ) -> None:
        double.open_account("bob")
        response = admin.request(method, path, headers={"origin": origin})
        assert response.status_code == 403
        assert "origin" in response.json()["error"]
        assert double.account("bob").credits == 100

    def test_a_request_of_a_page_of_the_doubles_own_is_served(self, admin: httpx.Client, address: str) -> None:
        assert admin.post("/reset", headers={"origin": address}).status_code == 200

    def test_a_page_whose_host_name_was_made_to_resolve_to_this_machine_is_refused(self, admin: httpx.Client) -> None:
        headers = {"host": "evil.example:4010", "origin": "http://evil.example:4010"}
        assert admin.post("/reset", headers=headers).status_code == 403

    def test_a_page_from_another_origin_that_sends_the_token_is_refused(self) -> None:
        double = Double(admin_access=AdminAccess(TOKEN, everywhere=True))
        assert call(double, OTHER_MACHINE, headers={**WITH_TOKEN, "origin": "https://evil.example"}) == 403


class TestContentType:
    @pytest.mark.parametrize(
        "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", None]
    )
    def test_a_body_that_is_not_declared_as_json_is_refused(
        self, admin: httpx.Client, double: Double, content_type: str | None
    ) -> None:
        headers = {} if content_type is None else {"content-type": content_type}
        response = admin.post("/accounts", content=b'{"key": "bob"}', headers=headers)
        assert response.status_code == 415
        assert "Content-Type: application/json" in response.json()["error"]
        with pytest.raises(KeyError):
            double.account("bob")

    def test_a_charset_may_be_declared(self, admin: httpx.Client) -> None:
        headers = {"content-type": "application/json; charset=utf-8"}
        assert admin.post("/clock", content=b'{"hours": 1}', headers=headers).status_code == 200

    def test_no_body_needs_no_content_type(self, admin: httpx.Client) -> None:
        assert admin.post("/reset").status_code == 200

    def test_a_body_over_the_largest_is_413(self, admin: httpx.Client, double: Double) -> None:
        body = b" " * (double.settings.largest_body + 1)
        response = admin.post("/clock", content=body, headers={"content-type": "application/json"})
        assert response.status_code == 413


class TestToken:
    @pytest.mark.parametrize(
        ("everywhere", "caller", "headers", "status"),
        [
            (False, "127.0.0.1", {}, 401),
            (False, "127.0.0.1", WITH_TOKEN, 200),
            (False, OTHER_MACHINE, WITH_TOKEN, 403),
            (True, "127.0.0.1", {}, 401),
            (True, OTHER_MACHINE, {}, 401),
            (True, OTHER_MACHINE, {"authorization": "Bearer another"}, 401),
            (True, OTHER_MACHINE, {"authorization": TOKEN}, 401),
            (True, OTHER_MACHINE, {"authorization": "Bearer \u00fc"}, 401),
            (True, OTHER_MACHINE, WITH_TOKEN, 200),
            (True, OTHER_MACHINE, {**WITH_TOKEN, "host": "any.example"}, 200),
        ],
    )
    def test_a_double_with_a_token_is_steered_by_those_who_send_it(
        self, everywhere: bool, caller: str, headers: dict[str, str], status: int
    ) -> None:
        access = AdminAccess(TOKEN, everywhere=everywhere)
        encoded = [(name, value.encode("latin-1")) for name, value in headers.items()]
        assert call(Double(admin_access=access), caller, headers=encoded) == status

    @pytest.mark.parametrize(
        ("caller", "status"),
        [("127.0.0.1", 200), ("127.8.8.8", 200), ("::1", 200), ("::ffff:127.0.0.1", 200), (OTHER_MACHINE, 403)],
    )
    def test_a_double_without_a_token_is_steered_by_callers_on_the_same_machine(self, caller: str, status: int) -> None:
        assert call(Double(), caller) == status

    def test_access_from_other_machines_needs_a_token(self) -> None:
        with pytest.raises(ValueError, match="needs a token"):
            AdminAccess(everywhere=True)

    @pytest.mark.parametrize("token", ["", " ", "a\nb", "\u00fc"])
    def test_a_token_that_no_header_can_carry_is_refused(self, token: str) -> None:
        with pytest.raises(ValueError, match="expected printable ASCII"):
            AdminAccess(token)

    def test_a_token_does_not_show_in_a_repr(self) -> None:
        assert TOKEN not in repr(AdminAccess(TOKEN))


class TestHealth:
    def test_every_caller_may_ask_for_the_health(self) -> None:
        double = Double(admin_access=AdminAccess(TOKEN))
        headers = {"host": "any.example", "origin": "https://any.example"}
        assert call(double, OTHER_MACHINE, path="/_mock/health", headers=headers) == 200

    def test_the_response_of_a_health_check_has_no_other_field(self, admin: httpx.Client) -> None:
        assert admin.get("/health").json() == {"status": "ok"}


class TestKeys:
    @pytest.mark.parametrize("path", ["/accounts", "/faults", "/jobs"])
    def test_no_list_shows_a_whole_key(self, admin: httpx.Client, address: str, double: Double, path: str) -> None:
        double.open_account(SECRET)
        double.add_fault({"latency": "0"}, key=SECRET)
        httpx.post(f"{address}/v2/imagen", json={"prompt": "x"}, headers={"x-api-key": SECRET})
        response = admin.get(path)
        assert mask(SECRET) in [row["key"] for row in response.json()]
        assert SECRET not in response.text

    def test_opening_an_account_does_not_repeat_its_key(self, admin: httpx.Client, double: Double) -> None:
        assert SECRET not in admin.post("/accounts", json={"key": SECRET}).text
        assert double.account(SECRET).key == SECRET
