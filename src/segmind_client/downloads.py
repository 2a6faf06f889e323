"""Downloads an output from its URL."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import urljoin, urlsplit

from segmind_api.types import ApiResponse
from segmind_client.errors import ConnectionLost, DownloadFailed, InvalidParameter, NotSent
from segmind_client.masking import shown_url
from segmind_client.retry import Caller
from segmind_client.sinks import DOWNLOAD_SECONDS, KEPT, OutputSink
from segmind_client.steps import Flow
from segmind_client.urls import ALLOWING, problem_of, refused_address

MOST_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
GONE = frozenset({404, 410})


def fetch(caller: Caller, url: str, sink: OutputSink) -> Flow[None]:
    """Downloads an output from its URL into a sink. Raises DownloadFailed, and what the sink raises."""
    try:
        yield from follow(caller, url, sink)
    # A proxy of the environment that cannot be used is an InvalidParameter.
    except (InvalidParameter, NotSent, ConnectionLost) as error:
        raise DownloadFailed(f"no file came from {shown_url(url)}: {error.detail}; try again, {KEPT}") from error


def follow(caller: Caller, url: str, sink: OutputSink) -> Flow[None]:
    public_only = needs_public_hosts(caller)
    secure = urlsplit(url).scheme == "https"
    if problem := problem_of(url, public_only=public_only):
        raise DownloadFailed(f"the file was not fetched: {shown_url(url)} {problem}")
    until = caller.clock.monotonic() + DOWNLOAD_SECONDS
    for _ in range(MOST_REDIRECTS + 1):
        sink.url = url
        response = yield from caller.fetch(url, sink, until, check_address if public_only else None)
        if response.status == 200:
            return
        location = response.headers.get("location")
        if response.status not in REDIRECTS or not location:
            raise not_the_file(url, response)
        url = redirected(url, location, secure=secure, public_only=public_only)
    raise DownloadFailed(f"the file is behind more than {MOST_REDIRECTS} redirects, the last to {shown_url(url)}")


def needs_public_hosts(caller: Caller) -> bool:
    """Whether outputs may be fetched from public https hosts only: the service uses https, and no option allows
    more.
    """
    return caller.is_https and not caller.options.any_image_host


def check_address(ip: str) -> None:
    """Raises DownloadFailed for an IP address from which nothing is fetched."""
    if refused_address(ip):
        raise DownloadFailed(f"the host of the file is in a private network ({ip}); {ALLOWING}")


def not_the_file(url: str, response: ApiResponse) -> DownloadFailed:
    if response.status in GONE:
        detail = f"there is no file at {shown_url(url)}, at least no longer: {KEPT}"
    else:
        detail = f"{shown_url(url)} responded with {response.status} instead of the file; try again, {KEPT}"
    return DownloadFailed(detail, response=response)


def redirected(url: str, location: str, *, secure: bool, public_only: bool) -> str:
    """The URL of a redirect. Raises DownloadFailed for a redirect that is not followed."""
    try:
        target = urljoin(url, quoted(location))
    except ValueError:
        target = location
    problem = problem_of(target, public_only=public_only)
    if secure and not problem and urlsplit(target).scheme != "https":
        problem = "is not encrypted"
    if problem:
        raise DownloadFailed(f"{shown_url(url)} redirects to {shown_url(target)}, which {problem}")
    return target


def quoted(location: str) -> str:
    """A Location header as a URL: services send UTF-8 and spaces in it."""
    with suppress(UnicodeError):
        location = location.encode("latin-1").decode()
    return location.replace(" ", "%20")
