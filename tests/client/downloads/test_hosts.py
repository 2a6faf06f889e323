"""Hosts from which images are fetched: none that is private where the service is public."""

from __future__ import annotations

import socket
from typing import Any

import anyio
import httpcore
import httpx
import pytest

from segmind_api.models import JobResult
from segmind_client import AsyncResult, Client, Result
from segmind_client.errors import DownloadFailed, NoOutput, SegmindError
from tests.support.images import PICTURE, SECRET, ImageService
from tests.support.internals import AsyncDriver, AsyncSender, Caller, Secret, Sender, SyncDriver, downloads, urls
from tests.support.servers import REQUEST_ID

PRIVATE = {
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "0.0.0.0": "unspecified",  # noqa: S104  nothing is bound to it
    "10.1.2.3": "private",
    "172.16.0.1": "private",
    "192.168.1.1": "private",
    "100.64.0.1": "shared by a provider's customers",
    "169.254.169.254": "link-local, where clouds have their metadata",
    "192.0.2.1": "documentation",
    "198.18.0.1": "benchmarks",
    "224.0.0.1": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "broadcast",
    "::": "unspecified",
    "::1": "loopback",
    "::ffff:127.0.0.1": "loopback in IPv6",
    "::ffff:7f00:1": "loopback in IPv6",
    "::127.0.0.1": "loopback in the old form of IPv6",
    "64:ff9b::7f00:1": "loopback behind NAT64",
    "64:ff9b:1::1": "local NAT64",
    "2002:7f00:1::": "loopback in 6to4",
    "2002:c0a8:101::": "private in 6to4",
    "2001:0:1::1": "Teredo",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local with a zone",
    "fc00::1": "private",
    "fd00:ec2::254": "private, where a cloud has its metadata",
    "fec0::1": "site-local",
    "ff02::1": "multicast",
    "ff0e::1": "multicast",
    "2001:db8::1": "documentation",
    "4000::1": "reserved",
    "": "no IP address",
    "images.example": "no IP address",
    "127.1": "no usual spelling",
}
PUBLIC = ["1.1.1.1", "8.8.8.8", "100.63.0.1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2606:4700::1111"]


@pytest.mark.parametrize("ip", PRIVATE, ids=[f"{ip or 'empty'} {kind}" for ip, kind in PRIVATE.items()])
def test_an_ip_address_that_is_not_public_is_refused(ip: str) -> None:
    assert urls.refused_address(ip)


@pytest.mark.parametrize("ip", PUBLIC)
def test_a_public_ip_address_is_not_refused(ip: str) -> None:
    assert not urls.refused_address(ip)
    downloads.check_address(ip)


LOCAL_URLS = [
    "https://localhost/a.png",
    "https://LOCALHOST:8443/a.png",
    "https://localhost./a.png",
    "https://localhost../a.png",
    "https://x.localhost/a.png",
    "https://x.localhost./a.png",
    "https://localhost\u3002/a.png",
    "https://127.0.0.1/a.png",
    "https://127.0.0.1./a.png",
    "https://127.1/a.png",
    "https://0/a.png",
    "https://0x7f.1/a.png",
    "https://0X7F.0.0.1/a.png",
    "https://0x7f000001/a.png",
    "https://2130706433/a.png",
    "https://0177.0.0.1/a.png",
    "https://127\u30020\u30020\u30021/a.png",
    "https://\uff11\uff12\uff17.0.0.1/a.png",
    "https://10.0.0.1/a.png",
    "https://169.254.169.254/latest/meta-data",
    "https://[::1]/a.png",
    "https://[::ffff:127.0.0.1]/a.png",
    "https://[::ffff:7f00:1]/a.png",
    "https://[fe80::1%25eth0]/a.png",
    "https://[2002:7f00:1::]/a.png",
    "https://%6cocalhost/a.png",
    "https://localhost%00.example/a.png",
    "https://x.0x7f/a.png",
    "https://user:pw@images.example/a.png",
    "https://user@images.example/a.png",
    "http://images.example/a.png",
    "http://127.0.0.1/a.png",
]
PUBLIC_URLS = [
    "https://images.example/a.png",
    "https://images.example./a.png",
    "https://images.example:8443/a.png?signature=abc",
    "https://IMAGES.example/a.png",
    "https://b\xfccher.example/a.png",
    "https://my_bucket.images.example/a.png",
    "https://localhost.example/a.png",
    "https://8.8.8.8/a.png",
    "https://[2606:4700::1111]/a.png",
]


class Hosts:
    """An https service whose image is at a URL, and the hosts that are asked for images."""

    def __init__(self, url: str, *, base_url: str = "https://service.example") -> None:
        self.url = url
        self.base_url = base_url
        self.redirects = False
        self.asked: list[str] = []

    def serve(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/v2"):
            output = "https://first.example/a.png" if self.redirects else self.url
            return httpx.Response(200, json={"request_id": REQUEST_ID, "status": "COMPLETED", "output": output})
        self.asked.append(request.url.host)
        if request.url.host == "first.example":
            return httpx.Response(302, headers=[(b"location", self.url.encode())])
        return httpx.Response(200, content=PICTURE, headers={"content-type": "image/png"})

    def content(self, *, any_image_host: bool = False) -> bytes:
        transport = httpx.MockTransport(self.serve)
        with Client(SECRET, base_url=self.base_url, transport=transport, any_image_host=any_image_host) as client:
            return client.job(REQUEST_ID).result().content


class TestAServiceOnHttps:
    @pytest.mark.parametrize("url", LOCAL_URLS)
    def test_has_no_image_fetched_from_a_private_or_unencrypted_place(self, url: str) -> None:
        hosts = Hosts(url)
        with pytest.raises(SegmindError) as raised:
            hosts.content()
        assert isinstance(raised.value, DownloadFailed | NoOutput)
        assert raised.value.request_id == REQUEST_ID
        assert hosts.asked == []
        assert "pw" not in str(raised.value)

    @pytest.mark.parametrize("url", LOCAL_URLS)
    def test_has_no_redirect_followed_to_a_private_or_unencrypted_place(self, url: str) -> None:
        hosts = Hosts(url)
        hosts.redirects = True
        with pytest.raises(DownloadFailed) as raised:
            hosts.content()
        assert set(hosts.asked) == {"first.example"}
        assert "pw" not in str(raised.value)

    @pytest.mark.parametrize("redirects", [False, True])
    @pytest.mark.parametrize("url", PUBLIC_URLS)
    def test_has_images_fetched_from_public_hosts(self, url: str, redirects: bool) -> None:
        hosts = Hosts(url)
        hosts.redirects = redirects
        assert hosts.content() == PICTURE

    @pytest.mark.parametrize(
        "url", ["https://localhost/a.png", "http://images.example/a.png", "https://user:pw@images.example/a.png"]
    )
    def test_has_images_fetched_from_anywhere_if_an_option_allows_it(self, url: str) -> None:
        with pytest.raises(DownloadFailed, match="any_image_host=True"):
            Hosts(url).content()
        assert Hosts(url).content(any_image_host=True) == PICTURE


class TestAPublicNameOfAPrivateAddress:
    @pytest.fixture
    def result(self, server: ImageService, monkeypatch: pytest.MonkeyPatch) -> JobResult:
        """The image is on a public host, which resolves to this machine."""

        def resolve(*_: object, **__: object) -> Any:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        return JobResult({"request_id": REQUEST_ID, "output": "https://images.example/a.png"})

    def test_is_refused_by_a_sync_client_where_the_service_is_on_https(
        self, result: JobResult, server: ImageService
    ) -> None:
        driver = SyncDriver(Sender("https://service.example", "x-api-key", Secret(SECRET)))
        with pytest.raises(DownloadFailed, match=r"private network \(127") as raised:
            _ = Result(result, Caller(is_https=True), driver).content
        assert raised.value.request_id == REQUEST_ID
        assert server.requests == []

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_is_refused_by_an_async_client(
        self, result: JobResult, server: ImageService, backend: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Declared without its methods where anyio is missing.
        sockets: Any = httpcore.AnyIOBackend
        connect = sockets.connect_tcp

        async def connect_here(backend: Any, *_: object, **__: object) -> Any:
            return await connect(backend, "127.0.0.1", server.port)

        async def use() -> None:
            driver = AsyncDriver(AsyncSender("https://service.example", "x-api-key", Secret(SECRET)))
            with pytest.raises(DownloadFailed, match=r"private network \(127"):
                await AsyncResult(result, Caller(is_https=True), driver).content()
            await driver.close()

        monkeypatch.undo()
        monkeypatch.setattr(sockets, "connect_tcp", connect_here)
        anyio.run(use, backend=backend)
        assert server.requests == []


@pytest.mark.parametrize(
    "url", ["http://localhost/a.png", "http://127.1/a.png", "https://10.0.0.1/a.png", "http://user:pw@images.example/"]
)
def test_a_service_on_http_may_have_its_images_anywhere(url: str) -> None:
    assert Hosts(url, base_url="http://127.0.0.1:4010").content() == PICTURE
