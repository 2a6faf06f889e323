"""Base URLs and the URLs of jobs: which are accepted, and what is sent there."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from segmind_api.catalog import MODELS
from segmind_client import AsyncClient, Client, errors
from segmind_mock import DEFAULT_KEY
from tests.support.internals import BASE_URL_VARIABLE
from tests.support.world import REQUEST_ID, SUBMITTED, json_of

SLUG = next(iter(MODELS))
BASE_URL = "https://x.example"


class TestBaseUrl:
    @staticmethod
    def called(base_url: str) -> str:
        """The URL that is called for the credits."""
        urls: list[str] = []

        def respond(request: httpx.Request) -> httpx.Response:
            urls.append(str(request.url))
            return httpx.Response(200, json={"credits": 1, "free-credits": 0})

        with Client(DEFAULT_KEY, base_url=base_url, transport=httpx.MockTransport(respond)) as client:
            client.credits()
        (url,) = urls
        return url

    @pytest.mark.parametrize(
        "url",
        ["http://127.0.0.1:4010", "http://localhost", "http://[::1]:80", "https://a.example", " https://a.example\n"],
    )
    def test_https_and_this_machine_are_allowed(self, url: str) -> None:
        Client(DEFAULT_KEY, base_url=url).close()

    @pytest.mark.parametrize("url", ["http://a.example", "http://10.0.0.1", "http://localhost.example"])
    def test_the_key_is_not_sent_in_the_clear_unless_that_is_allowed(self, url: str) -> None:
        with pytest.raises(errors.InvalidParameter, match="allow_http=True"):
            Client(DEFAULT_KEY, base_url=url)
        with pytest.raises(errors.InvalidParameter, match="allow_http=True"):
            AsyncClient(DEFAULT_KEY, base_url=url)
        Client(DEFAULT_KEY, base_url=url, allow_http=True).close()

    @pytest.mark.parametrize(
        ("base_url", "called"),
        [
            ("https://v1", "https://v1/v1/get-user-credits"),
            ("https://v2/", "https://v2/v1/get-user-credits"),
            ("https://v2/v1", "https://v2/v1/get-user-credits"),
            ("https://a.example/v1", "https://a.example/v1/get-user-credits"),
            ("https://a.example/v2/", "https://a.example/v1/get-user-credits"),
            ("https://a.example/below/v1", "https://a.example/below/v1/get-user-credits"),
            ("https://a.example/v1beta", "https://a.example/v1beta/v1/get-user-credits"),
            ("https://a.example:8443/", "https://a.example:8443/v1/get-user-credits"),
        ],
    )
    def test_a_version_is_taken_off_its_path_and_nothing_off_its_host(self, base_url: str, called: str) -> None:
        assert self.called(base_url) == called

    @pytest.mark.parametrize("kind", [Client, AsyncClient])
    @pytest.mark.parametrize(
        "base_url",
        [
            *("", "host", "ftp://host", "http://host:port", "http://", "https://xn--", "https://[::1"),
            *("https://host:99999", "https://host:0", "https://ho\x00st"),
        ],
    )
    def test_a_base_url_that_leads_nowhere_is_refused_at_once(
        self, kind: type[Client | AsyncClient], base_url: str
    ) -> None:
        with pytest.raises(errors.InvalidParameter, match="base_url"):
            kind(DEFAULT_KEY, base_url=base_url)

    @pytest.mark.parametrize("kind", [Client, AsyncClient])
    @pytest.mark.parametrize("base_url", [5, True, b"https://host", ["https://host"], {}, httpx.URL("https://host")])
    def test_one_of_another_type_is_refused(self, kind: type[Client | AsyncClient], base_url: Any) -> None:
        with pytest.raises(errors.InvalidParameter, match="base_url: expected a URL such as"):
            kind(DEFAULT_KEY, base_url=base_url)

    @pytest.mark.parametrize("end", ["?key=value", "#part", "/v1?a=b", "?", "#", "/v1?", "/?#"])
    def test_one_with_a_query_or_a_fragment_is_refused(self, end: str) -> None:
        with pytest.raises(errors.InvalidParameter, match="without a query or a fragment"):
            Client(DEFAULT_KEY, base_url=f"https://host{end}")

    @pytest.mark.parametrize("kind", [Client, AsyncClient])
    def test_one_with_a_password_is_refused_without_showing_it(self, kind: type[Client | AsyncClient]) -> None:
        with pytest.raises(errors.InvalidParameter, match="without a user") as raised:
            kind(DEFAULT_KEY, base_url="https://user:secret@host")
        assert "secret" not in str(raised.value)

    @pytest.mark.parametrize("kind", [Client, AsyncClient])
    def test_an_empty_variable_of_the_environment_is_not_the_paid_service(
        self, kind: type[Client | AsyncClient], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(BASE_URL_VARIABLE, "")
        with pytest.raises(errors.InvalidParameter, match=r"SEGMIND_BASE_URL: .* unset it to use the service"):
            kind(DEFAULT_KEY)

    def test_without_one_the_service_itself_is_called(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv(BASE_URL_VARIABLE, raising=False)
        assert repr(Client(DEFAULT_KEY)) == "Client(base_url='https://api.segmind.com')"


class TestUrlsOfAJob:
    @staticmethod
    def submit(**urls: str) -> str:
        body = {**json_of(SUBMITTED), **urls}
        transport = httpx.MockTransport(lambda _: httpx.Response(200, json=body))
        with Client(DEFAULT_KEY, base_url=BASE_URL, transport=transport) as client:
            return client.submit_model(SLUG, {"prompt": "x"}).request_id

    @pytest.mark.parametrize("name", ["status_url", "response_url", "poll_url"])
    def test_a_job_that_is_said_to_be_elsewhere_is_named_and_nothing_is_sent_there(self, name: str) -> None:
        with pytest.raises(errors.ForeignURL, match=r"elsewhere\.example") as raised:
            self.submit(**{name: "https://elsewhere.example/x"})
        assert raised.value.request_id == REQUEST_ID

    @pytest.mark.parametrize(
        "url", ["https://x.example:port/status", "http://[x", "https://a\N{ACCOUNT OF}b/x", "mailto:x"]
    )
    def test_a_url_that_cannot_be_read_is_elsewhere(self, url: str) -> None:
        with pytest.raises(errors.ForeignURL):
            self.submit(status_url=url)

    @pytest.mark.parametrize("origin", ["https://x.example", "https://x.example:443", "https://api.segmind.com", ""])
    def test_a_job_is_where_the_call_went_or_at_the_service_behind_it(self, origin: str) -> None:
        assert self.submit(status_url=f"{origin}/v2/requests/x/status") == REQUEST_ID
