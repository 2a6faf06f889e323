"""Sends requests with a custom httpx client, or over a custom transport."""

from __future__ import annotations

import queue
from collections.abc import AsyncIterator, Iterator
from typing import Any, Generic, TypeVar, cast

import anyio
import httpx

from segmind_api.types import ApiResponse
from segmind_client.connections import HEADERS, closing_pieces, receive_async
from segmind_client.decoding import decoded
from segmind_client.errors import ClientUnusable, ConnectionLost
from segmind_client.line import CLOSED
from segmind_client.masking import Secret, logged_only
from segmind_client.sockets import LATE
from segmind_client.steps import CheckAddress, RequestBody, Sent, Sink, Times
from segmind_client.threads import on_thread
from segmind_client.transport import Carrier

ClientT = TypeVar("ClientT", httpx.Client, httpx.AsyncClient)


class CustomFailure(Exception):
    """Wraps an exception of a custom httpx client, of its hooks or of a custom transport."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Custom(Carrier, Generic[ClientT]):
    """Builds requests for a custom httpx client, with its headers and cookies, or for a custom transport."""

    _client: ClientT | None
    _closes = True
    """Whether requests have the header `connection: close`. HTTP/2 has no such header."""

    def _build(self, sent: Sent, times: Times) -> httpx.Request:
        self.check_open()
        headers = self.headers()
        if self._client is not None:
            # The client's other headers stay as they are.
            headers = {name: value for name, value in headers.items() if name in ("accept-encoding", self._key_header)}
        if self._closes:
            # The client's pool would read bytes left over from an earlier response as the next response.
            headers["connection"] = "close"
        stream: RequestBody | None = None
        if sent.request.body is not None:
            stream = RequestBody(sent)
            headers |= {"content-type": "application/json", "content-length": str(len(stream.content))}
        url, method, extensions = self._url + sent.request.path, sent.request.method, times.extensions()
        if self._client is None:
            # httpx adds this header only to requests whose body it encodes itself.
            headers["host"] = self.base_url.netloc.decode("ascii")
            return httpx.Request(method, url, headers=headers, stream=stream, extensions=extensions)
        built = self._client.build_request(method, url, headers=headers, extensions=extensions)
        return httpx.Request(method, built.url, headers=built.headers, stream=stream, extensions=extensions)

    def _build_fetch(self, sent: Sent, times: Times) -> httpx.Request:
        # Not built by the client, whose cookies and headers must not go to the host of the file.
        self.check_open()
        headers = dict(HEADERS)
        if self._client is not None:
            headers["user-agent"] = self._client.headers["user-agent"]
        return httpx.Request("GET", sent.request.path, headers=headers, extensions=times.extensions())

    def _failure(self, error: Exception) -> CustomFailure:
        # h2 refuses `connection: close`, which HTTP/2 does not have.
        if isinstance(error, httpx.LocalProtocolError) and "connection-specific" in str(error).lower():
            self._closes = False
        return CustomFailure(error)

    def check_open(self) -> None:
        if self.closed or (self._client is not None and self._client.is_closed):
            raise ClientUnusable(CLOSED)


class CustomSender(Custom[httpx.Client]):
    """Sends with a custom httpx client, which stays open, or over a custom transport.

    Each request runs on a thread of its own: nothing else can end the wait for it at a deadline.
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


def response_in(error: httpx.HTTPStatusError, request: httpx.Request) -> httpx.Response:
    """The response carried by a hook's HTTPStatusError. Raises ConnectionLost for a response to another request, or one
    that the hook has made up.
    """
    if error.response.request is not request or isinstance(error.response.stream, httpx.ByteStream):
        raise ConnectionLost(f"a hook of the httpx client failed, {type(error).__name__}: {error}") from error
    if error.response.is_stream_consumed:
        return error.response
    # httpx has closed the response before its body was read.
    headers = [(name, value) for name, value in error.response.headers.raw if name.lower() != b"content-encoding"]
    return httpx.Response(error.response.status_code, headers=headers, content=b"", request=request)
