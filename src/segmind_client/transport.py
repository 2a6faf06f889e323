"""What carries requests: connections of the client's own, or a custom httpx client or transport."""

from __future__ import annotations

import queue
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, Generic, NoReturn, TypeVar, cast

import anyio
import httpx

from segmind_api.types import ApiResponse
from segmind_client.errors import ConnectionLost, DownloadFailed, NoClient
from segmind_client.line import CLOSED
from segmind_client.masking import Secret, logged_only
from segmind_client.network import (
    HEADERS,
    LATE,
    AsyncConnection,
    AsyncPool,
    CheckAddress,
    Connection,
    Pool,
    Target,
    Times,
    closing_pieces,
    decoded,
    on_thread,
    receive_async,
)
from segmind_client.steps import RequestBody, Sent, Sink

ClientT = TypeVar("ClientT", httpx.Client, httpx.AsyncClient)

IMAGE_HEADERS = {**HEADERS, "accept": "image/*"}


class Carrier:
    """What all carriers have in common: requests go to one URL, which alone is given the key."""

    closed = False

    def __init__(self, base_url: str, key_header: str, key: Secret) -> None:
        self.base_url = httpx.URL(base_url)
        self._url = base_url
        self._key_header = key_header
        self._key = key

    def headers(self) -> dict[str, str]:
        return {**HEADERS, self._key_header: self._key.reveal()}

    def check_open(self) -> None:
        """Raises NoClient."""
        if self.closed:
            raise NoClient(CLOSED)

    def __reduce__(self) -> NoReturn:
        raise NoClient("what sends requests has a key and connections, so it is not pickled")


class Sender(Carrier):
    """Sends over connections of its own, without httpx's client and pool, which take most of the CPU of a call."""

    def __init__(self, base_url: str, key_header: str, key: Secret) -> None:
        super().__init__(base_url, key_header, key)
        target = Target(self.base_url)
        self._pool = Pool(target, self.base_url.raw_path.rstrip(b"/"), raw(self.headers()))

    def exchange(self, sent: Sent, times: Times) -> ApiResponse:
        """The response, with its body decoded. Raises ConnectionLost, NoClient, and what httpcore raises."""
        self.check_open()
        return self._pool.exchange(sent, times)

    def fetch(self, sent: Sent, times: Times, into: Sink, check_address: CheckAddress | None) -> ApiResponse:
        """The head of the response to a request without the key. Its body goes into the sink."""
        self.check_open()
        target, request = image_request(sent, times, check_address)
        connection = Connection(target)
        try:
            return connection.exchange(request, sent, times, time.monotonic() + times.total, into)
        finally:
            connection.close()

    def close(self) -> None:
        self.closed = True
        self._pool.close()


class AsyncSender(Carrier):
    """`Sender` with `await`."""

    def __init__(self, base_url: str, key_header: str, key: Secret) -> None:
        super().__init__(base_url, key_header, key)
        target = Target(self.base_url)
        self._pool = AsyncPool(target, self.base_url.raw_path.rstrip(b"/"), raw(self.headers()))

    async def exchange(self, sent: Sent, times: Times) -> ApiResponse:
        self.check_open()
        return await self._pool.exchange(sent, times)

    async def fetch(self, sent: Sent, times: Times, into: Sink, check_address: CheckAddress | None) -> ApiResponse:
        self.check_open()
        target, request = image_request(sent, times, check_address)
        connection = AsyncConnection(target)
        try:
            with anyio.move_on_after(times.total):
                return await connection.exchange(request, sent, times, into)
            raise httpx.ReadTimeout(LATE)
        finally:
            await connection.close()

    async def close(self) -> None:
        self.closed = True
        await self._pool.close()


class CustomFailure(Exception):
    """What a custom httpx client, its hooks or a custom transport raised, of whatever class it is."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Custom(Carrier, Generic[ClientT]):
    """Builds requests for a custom httpx client, with its headers and cookies, or for a custom transport."""

    _client: ClientT | None
    _closes = True
    """Whether each request has a connection of its own, as far as a header can ask for it; not in HTTP/2."""

    def _build(self, sent: Sent, times: Times) -> httpx.Request:
        self.check_open()
        headers = self.headers()
        if self._client is not None:
            # What else the client says of itself stays as it is.
            headers = {name: value for name, value in headers.items() if name in ("accept-encoding", self._key_header)}
        if self._closes:
            # The custom pool knows nothing of bytes that are left over from an earlier response.
            headers["connection"] = "close"
        stream: RequestBody | None = None
        if sent.request.body is not None:
            stream = RequestBody(sent)
            headers |= {"content-type": "application/json", "content-length": str(len(stream.content))}
        url, method, extensions = self._url + sent.request.path, sent.request.method, times.extensions()
        if self._client is None:
            # httpx adds it only to requests whose body it makes itself.
            headers["host"] = self.base_url.netloc.decode("ascii")
            return httpx.Request(method, url, headers=headers, stream=stream, extensions=extensions)
        built = self._client.build_request(method, url, headers=headers, extensions=extensions)
        return httpx.Request(method, built.url, headers=built.headers, stream=stream, extensions=extensions)

    def _build_fetch(self, sent: Sent, times: Times) -> httpx.Request:
        # Apart from the client, whose cookies and headers are none of the image host's business.
        self.check_open()
        headers = dict(IMAGE_HEADERS)
        if self._client is not None:
            headers["user-agent"] = self._client.headers["user-agent"]
        return httpx.Request("GET", sent.request.path, headers=headers, extensions=times.extensions())

    def _failure(self, error: Exception) -> CustomFailure:
        # h2 refuses the header, which HTTP/2 does not have.
        if isinstance(error, httpx.LocalProtocolError) and "connection-specific" in str(error).lower():
            self._closes = False
        return CustomFailure(error)

    def check_open(self) -> None:
        if self.closed or (self._client is not None and self._client.is_closed):
            raise NoClient(CLOSED)


class CustomSender(Custom[httpx.Client]):
    """Sends with a custom httpx client, which stays open, or over a custom transport.

    Each request runs on a thread of its own, since nothing else can end it in time.
    """

    def __init__(
        self,
        base_url: str,
        key_header: str,
        key: Secret,
        *,
        client: httpx.Client | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(base_url, key_header, key)
        self._client = client
        self._transport = transport

    def exchange(self, sent: Sent, times: Times) -> ApiResponse:
        return self._carry_out(self._build(sent, times), sent, times, None)

    def fetch(self, sent: Sent, times: Times, into: Sink, _: CheckAddress | None) -> ApiResponse:
        return self._carry_out(self._build_fetch(sent, times), sent, times, into)

    def _carry_out(self, request: httpx.Request, sent: Sent, times: Times, into: Sink | None) -> ApiResponse:
        limits = (times.head, times.total - times.head)
        try:
            return on_thread(
                lambda: self._receive(request, sent, into), *limits, goes_on=lambda: sent.status is not None
            )
        except queue.Empty:
            raise httpx.ReadTimeout(LATE) from None
        finally:
            sent.give_up()

    def _receive(self, request: httpx.Request, sent: Sent, into: Sink | None) -> ApiResponse:
        response = self._send(request, key_is_sent=into is None)
        try:
            was_read = response.is_stream_consumed
            head = sent.start_response(response.status_code, dict(response.headers))
            pieces = (response.content,) if was_read else self._pieces(response)
            if into is None:
                for piece in pieces:
                    sent.receive(piece)
            elif into.begin(head):
                for piece in pieces:
                    sent.check_wanted()
                    into.write(piece)
                into.end()
        finally:
            response.close()
        return head if into is not None else decoded(sent, already=was_read)

    def _send(self, request: httpx.Request, *, key_is_sent: bool) -> httpx.Response:
        try:
            if self._client is not None:
                without_auth: Any = {} if key_is_sent else {"auth": None}
                return self._client.send(request, stream=True, follow_redirects=False, **without_auth)
            return cast(httpx.BaseTransport, self._transport).handle_request(request)
        except httpx.HTTPStatusError as error:
            return response_in(error, request)
        except Exception as error:
            raise self._failure(error) from None

    def _pieces(self, response: httpx.Response) -> Iterator[bytes]:
        try:
            yield from response.iter_raw()
        except Exception as error:
            raise self._failure(error) from None

    def close(self) -> None:
        self.closed = True
        if self._transport is not None:
            with logged_only("Closing the custom transport failed"):
                self._transport.close()


class CustomAsyncSender(Custom[httpx.AsyncClient]):
    """`CustomSender` with `await`, and without threads."""

    def __init__(
        self,
        base_url: str,
        key_header: str,
        key: Secret,
        *,
        client: httpx.AsyncClient | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(base_url, key_header, key)
        self._client = client
        self._transport = transport

    async def exchange(self, sent: Sent, times: Times) -> ApiResponse:
        return await self._carry_out(self._build(sent, times), sent, times, None)

    async def fetch(self, sent: Sent, times: Times, into: Sink, _: CheckAddress | None) -> ApiResponse:
        return await self._carry_out(self._build_fetch(sent, times), sent, times, into)

    async def _carry_out(self, request: httpx.Request, sent: Sent, times: Times, into: Sink | None) -> ApiResponse:
        try:
            with anyio.move_on_after(times.total):
                response: httpx.Response | None = None
                with anyio.move_on_after(times.head):
                    response = await self._send(request, key_is_sent=into is None)
                if response is not None:
                    return await self._receive(response, sent, into)
        finally:
            sent.give_up()
        raise httpx.ReadTimeout(LATE)

    async def _receive(self, response: httpx.Response, sent: Sent, into: Sink | None) -> ApiResponse:
        was_read = response.is_stream_consumed
        head = sent.start_response(response.status_code, dict(response.headers))
        if was_read:
            await receive_async(one_piece(response.content), sent, head, into)
        else:
            pieces = aiter(cast(httpx.AsyncByteStream, response.stream))
            async with closing_pieces(pieces, response.aclose):
                await receive_async(self._pieces(pieces), sent, head, into)
        return head if into is not None else decoded(sent, already=was_read)

    async def _send(self, request: httpx.Request, *, key_is_sent: bool) -> httpx.Response:
        try:
            if self._client is not None:
                without_auth: Any = {} if key_is_sent else {"auth": None}
                return await self._client.send(request, stream=True, follow_redirects=False, **without_auth)
            return await cast(httpx.AsyncBaseTransport, self._transport).handle_async_request(request)
        except httpx.HTTPStatusError as error:
            return response_in(error, request)
        except Exception as error:
            raise self._failure(error) from None

    async def _pieces(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        try:
            async for piece in pieces:
                yield piece
        except Exception as error:
            raise self._failure(error) from None

    async def close(self) -> None:
        self.closed = True
        if self._transport is not None:
            with logged_only("Closing the custom transport failed"):
                await self._transport.aclose()


async def one_piece(content: bytes) -> AsyncIterator[bytes]:
    yield content


def raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]


def image_request(sent: Sent, times: Times, check_address: CheckAddress | None) -> tuple[Target, Any]:
    """Raises DownloadFailed for a URL that cannot be requested."""
    try:
        url = httpx.URL(sent.request.path)
        target = Target(url, check_address)
        return target, target.request(sent, url.raw_path, raw(IMAGE_HEADERS), times)
    except (httpx.InvalidURL, UnicodeError, KeyError) as error:
        raise DownloadFailed(f"the URL of the image cannot be requested: {error}") from error


def response_in(error: httpx.HTTPStatusError, request: httpx.Request) -> httpx.Response:
    """The response carried by a hook's HTTPStatusError. Raises ConnectionLost where it is that of another request, or
    one that the hook has made.
    """
    if error.response.request is not request or isinstance(error.response.stream, httpx.ByteStream):
        raise ConnectionLost(f"a hook of the httpx client failed, {type(error).__name__}: {error}") from error
    if error.response.is_stream_consumed:
        return error.response
    # httpx has closed it, and nobody has read its body.
    headers = [(name, value) for name, value in error.response.headers.raw if name.lower() != b"content-encoding"]
    return httpx.Response(error.response.status_code, headers=headers, content=b"", request=request)
