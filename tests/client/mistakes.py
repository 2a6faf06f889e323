"""Mistakes that a client may have, and what of the suite catches each; a pytest plugin seeds one of them."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec, module_from_spec
from pathlib import Path

import attrs

VARIABLE = "SEGMIND_MISTAKE"
"""Of the environment: the name of the mistake to seed."""

FLOWS = "segmind_client.flows"
DRIVERS = "segmind_client.drivers"
TRANSPORT = "segmind_client.transport"
CLIENTS = "segmind_client.clients"
DOWNLOADS = "segmind_client.downloads"
ERRORS = "segmind_api.errors"

SUBMITS = "test_flows.py::test_a_submit_is_repeated_only_where_it_cannot_have_been_accepted"
ELSEWHERE = "test_clients.py::TestKey::test_is_not_sent_along_a_redirect_or_to_an_address_in_an_answer"
TROUBLE = "test_flows.py::test_trouble_while_polling_does_not_end_the_job"
DEADLINE = "test_flows.py::test_a_deadline_ends_the_wait_with_the_id_of_the_job_and_the_last_trouble"
ANSWERS = "test_answers.py::test_a_documented_error_is_raised_with_all_that_came"

Edit = tuple[str, str, str]
"""A module, what stands there, and what comes in its place."""


@attrs.frozen
class Mistake:
    name: str
    caught_by: str
    """The first test that fails, of those that share its function."""
    edits: tuple[Edit, ...]


def mistake(name: str, caught_by: str, *edits: Edit) -> Mistake:
    return Mistake(name, f"tests/client/{caught_by}", edits)


MISTAKES = [
    mistake(
        "a submit is repeated after a read timeout",
        "test_clients.py::test_what_httpx_raises_says_whether_a_submit_arrived[ReadTimeout-MayHaveBeenAccepted]",
        (DRIVERS, "    httpx.PoolTimeout,\n", "    httpx.PoolTimeout,\n    httpx.ReadTimeout,\n"),
    ),
    mistake(
        "a submit is repeated after a lost answer",
        f"{SUBMITS}[answer lost]",
        (FLOWS, 'if request.method != "GET":\n', "if False:\n"),
    ),
    mistake(
        "a submit is repeated after a success that cannot be read",
        f"{SUBMITS}[2xx that is no JSON]",
        (
            FLOWS,
            "    if response.status not in REPEATED_AFTER[request.method]:\n",
            "    if response.status == 200 and not response.content.startswith(b'{'):\n        return True\n"
            "    if response.status not in REPEATED_AFTER[request.method]:\n",
        ),
    ),
    mistake(
        "a submit is repeated after a 504",
        f"{SUBMITS}[504]",
        (FLOWS, "{429, 500, 502, 503}", "{429, 500, 502, 503, 504}"),
    ),
    mistake(
        "a submit is repeated after a proxy's 502",
        f"{SUBMITS}[a proxy's 502]",
        (FLOWS, "response.status == 429 or error_message(response) is not None", "True"),
    ),
    mistake(
        "a 504 is taken to say that a submit was not accepted",
        f"{SUBMITS}[504]",
        (FLOWS, "not 400 <= answer.status < 500", "not 400 <= answer.status < 600"),
    ),
    mistake(
        "a job without an id is a job",
        f"{SUBMITS}[2xx without an id]",
        (FLOWS, "if named_in(job) is None:", "if False:"),
    ),
    mistake(
        "the key goes to the address of the status in an answer",
        ELSEWHERE,
        (FLOWS, "        return job\n", "        Caller.seen = job.get('status_url')\n        return job\n"),
        (
            FLOWS,
            "self.exchange(get_job_status.build(request_id), until=until)",
            "self.exchange(ApiRequest('GET', Caller.seen), until=until)",
        ),
        (
            TRANSPORT,
            "self._address + request.path",
            "request.path if '://' in request.path else self._address + request.path",
        ),
    ),
    mistake(
        "a hook's error is taken for one of the submit",
        "test_lent_clients.py::test_a_hook_that_fails_does_not_make_a_submit_be_sent_twice",
        (
            TRANSPORT,
            "isinstance(error, httpx.HTTPError) and error.request is request",
            "isinstance(error, httpx.HTTPError)",
        ),
    ),
    mistake(
        "a head is waited for without end",
        "test_time_limits.py::test_no_socket_is_read_when_the_time_is_over",
        ("segmind_client.network", "if left <= 0:", "left = 1.0\n        if False:"),
    ),
    mistake(
        "a redirect is followed with the key",
        ELSEWHERE,
        (
            TRANSPORT,
            "        return whole(self._transport.handle_request(build()))\n",
            "        request = build()\n"
            "        response = self._transport.handle_request(request)\n"
            "        if response.has_redirect_location:\n"
            "            request.url = httpx.URL(response.headers['location'])\n"
            "            response = self._transport.handle_request(request)\n"
            "        return whole(response)\n",
        ),
    ),
    mistake(
        "the key goes to the address of the image",
        "test_downloads.py::TestKey::test_goes_to_the_service_only[sync]",
        (
            DRIVERS,
            "                return self.images.stream(",
            "                self.images._client().headers.update(self.http._headers)\n"
            "                return self.images.stream(",
        ),
        (DRIVERS, '"user-agent": client.headers["user-agent"]}', "**client.headers}"),
    ),
    mistake(
        "the key shows in a repr",
        "test_clients.py::TestKey::test_shows_in_no_repr_error_traceback_or_log",
        (CLIENTS, "base_url={str(self._driver.http.base_url)!r}", "http={vars(self._driver.http)!r}"),
    ),
    mistake(
        "a wait that the service asks for is without a bound",
        "test_flows.py::test_a_wait_beyond_the_callers_time_is_not_begun",
        (FLOWS, " or self.clocks.monotonic() + pause > last", ""),
    ),
    mistake(
        "a wait that the service asks for is ignored",
        "test_flows.py::test_a_wait_that_the_service_asks_for_is_honoured[Retry-After in seconds]",
        (FLOWS, "wanted = server_wait(outcome, self.clocks.utc())", "wanted = 0.0"),
    ),
    mistake(
        "attempts go on for any time",
        "test_flows.py::test_attempts_end_when_the_next_would_come_after_the_total_time",
        (FLOWS, "last = min(until, self.clocks.monotonic() + self.options.retry_seconds)", "last = until"),
    ),
    mistake(
        "backoff has no bound",
        "test_flows.py::test_backoff_doubles_up_to_its_bound",
        (FLOWS, "min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0**attempt)", "FIRST_BACKOFF * 2.0**attempt"),
    ),
    mistake(
        "an error of a poll ends the job",
        f"{TROUBLE}[a bad gateway]",
        (FLOWS, "if not may_pass(error):", "if True:"),
    ),
    mistake(
        "a state that nobody knows ends the job",
        f"{TROUBLE}[a state that nobody knows]",
        (
            FLOWS,
            'if status.get("status") == "FAILED":',
            'if status.get("status") not in ("QUEUED", "PROCESSING", "COMPLETED"):',
        ),
    ),
    mistake(
        "a deadline is ignored",
        DEADLINE,
        (FLOWS, "if watch.asked >= watch.until:", "if False:"),
    ),
    mistake(
        "a pause goes on beyond the deadline",
        DEADLINE,
        (FLOWS, "seconds = min(pause, watch.until - now)", "seconds = pause"),
    ),
    mistake(
        "a deadline loses the id of the job",
        DEADLINE,
        (
            FLOWS,
            "request_id=watch.request_id,\n        elapsed_s",
            "request_id='',\n        elapsed_s",
        ),
    ),
    mistake(
        "a failed job loses its id",
        f"{ANSWERS}[sync-getJobStatus-422-blocked]",
        (FLOWS, "request_id=request_id,\n        status_body", "status_body"),
    ),
    mistake(
        "an error loses the service's message",
        f"{ANSWERS}[sync-generateImagen-400-missing-prompt]",
        (FLOWS, 'error_message(response) or answer.problem or "no message"', 'answer.problem or "no message"'),
    ),
    mistake(
        "a pickled error loses the answer",
        "test_answers.py::test_every_error_survives_pickling[BadGateway]",
        (ERRORS, "return restore, (type(self), self.__dict__)", "return type(self), (self.detail,)"),
    ),
    mistake(
        "what the transport raises comes out as it is",
        "test_hostile_answers.py::test_a_lie_about_the_encoding_is_an_error_of_the_clients[not encoded-gzip]",
        (DRIVERS, "isinstance(error, httpx.HTTPError) or", "isinstance(error, httpx.TransportError) or"),
    ),
    mistake(
        "an image is fetched from a private IP address",
        "test_downloads.py::TestAServiceOnHttps::test_has_no_image_fetched_from_a_private_or_unencrypted_place"
        "[https://127.0.0.1/a.png]",
        (DOWNLOADS, "return not refused_address(name)", "return True"),
    ),
    mistake(
        "an image that was cut short is saved",
        "test_downloads.py::TestABodyThatEndsWithTheConnection::test_is_checked_in_memory_too",
        (DOWNLOADS, "if self._framed or (found and found.is_complete(body)):", "if True:"),
    ),
    mistake(
        "a save that is interrupted leaves an empty file",
        "test_downloads.py::TestInterruption::test_at_the_rename_leaves_nothing_where_there_are_no_links",
        (DOWNLOADS, "        if self._reserved:\n", "        if False:\n"),
    ),
]


def pytest_configure() -> None:
    for mistake in MISTAKES:
        if mistake.name == os.environ.get(VARIABLE):
            seed(mistake)


def seed(mistake: Mistake) -> None:
    """Imports the modules of a mistake from their changed source, before anything else imports them."""
    sources: dict[str, str] = {}
    for name, right, wrong in mistake.edits:
        source = sources.get(name) or source_of(name)
        assert right in source, f"{name} no longer has {right!r}"
        sources[name] = source.replace(right, wrong)
    for name, source in sources.items():
        spec = find_spec(name)
        assert spec is not None
        assert name not in sys.modules
        module = sys.modules[name] = module_from_spec(spec)
        exec(compile(source, spec.origin or name, "exec"), vars(module))  # noqa: S102  its own source, almost
        setattr(sys.modules[spec.parent or ""], name.rpartition(".")[2], module)


def source_of(name: str) -> str:
    spec = find_spec(name)
    assert spec is not None
    return Path(spec.origin or "").read_text(encoding="utf-8")
