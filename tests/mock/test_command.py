"""The command `segmind-mock`, run in this process: what each option does, what is printed, and how errors end it."""

from __future__ import annotations

import io
import os
import re
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

import anyio
import attrs
import httpx
import pytest
import uvicorn
from uvicorn.supervisors import Multiprocess

from segmind_mock import DEFAULT_KEY, Double
from segmind_mock.__main__ import main, parse_arguments
from segmind_mock.server import listen, wait_for_start
from segmind_mock.worker import VARIABLE, app

PROMPT = {"prompt": "x"}
SOON = 10
"""Seconds of real time after which a test has failed."""
OTHER_MACHINE = "192.0.2.7"


@attrs.frozen
class Running:
    """A command that serves: the caller of its URL, with its key, and what it has printed."""

    call: httpx.Client
    stdout: io.BytesIO

    @property
    def printed(self) -> list[str]:
        return self.stdout.getvalue().decode().splitlines()

    @property
    def variables(self) -> dict[str, str]:
        return dict(re.findall(r"export (\w+)=(\S+)", "\n".join(self.printed)))


Start = Callable[..., AbstractContextManager[Running]]


def flushed_stdout(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """What is printed and flushed from now on."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written))
    return written


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Start:
    """Runs the command with arguments until the block ends, and fails where it does not end with 0."""
    servers: Queue[uvicorn.Server] = Queue()
    run = uvicorn.Server.run

    def run_here(server: uvicorn.Server, sockets: Any) -> None:
        servers.put(server)
        run(server, sockets)

    monkeypatch.setattr(uvicorn.Server, "run", run_here)
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.delenv("SEGMIND_MOCK_ADMIN_TOKEN", raising=False)

    @contextmanager
    def started(*arguments: str) -> Generator[Running]:
        monkeypatch.setattr(sys, "argv", ["segmind-mock", "--port", "0", *arguments])
        stdout = flushed_stdout(monkeypatch)
        ended: list[int] = []
        thread = threading.Thread(target=lambda: ended.append(main()), daemon=True)
        thread.start()
        server = servers.get(timeout=SOON)
        try:
            wait_for_start(server, thread)
            (port,) = re.findall(r":(\d+)", stdout.getvalue().decode().partition("\n")[0].partition(" go to ")[0])
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=SOON) as call:
                running = Running(call, stdout)
                call.headers["x-api-key"] = running.variables.get("SEGMIND_API_KEY", "")
                yield running
        finally:
            server.should_exit = True
            thread.join(SOON)
        assert ended == [0]

    return started


def submit(call: httpx.Client) -> dict[str, Any]:
    return dict(call.post("/v2/imagen", json=PROMPT).json())


def jobs(call: httpx.Client) -> list[dict[str, Any]]:
    return list(call.get("/_mock/jobs").json())


def test_the_defaults_are_those_of_the_documentation() -> None:
    options = vars(parse_arguments([]))
    del options["command"]
    assert options == {
        "host": "127.0.0.1",
        "port": 4010,
        "key": "SG_0123456789abcdef",
        "credits": None,
        "requests_per_minute": None,
        "latency_factor": 1.0,
        "latency_jitter": 0.0,
        "polls_to_complete": None,
        "generate_as": "json",
        "generate_seconds": 60.0,
        "image_format": "png",
        "strict": False,
        "largest_body": 1_000_000,
        "workers": 1,
        "store": None,
        "admin_everywhere": False,
        "admin_token": None,
    }


def test_the_proxy_listens_where_the_options_before_or_after_its_name_say() -> None:
    for arguments in (
        ["--host", "::1", "--port", "5", "proxy", "--upstream", "https://x"],
        ["proxy", "--host", "::1", "--port", "5", "--upstream", "https://x"],
    ):
        options = parse_arguments(arguments)
        assert (options.host, options.port, options.upstream) == ("::1", 5, "https://x")
    defaults = parse_arguments(["proxy", "--upstream", "https://x"])
    assert (defaults.host, defaults.port) == ("127.0.0.1", 4010)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--credits", "much"],
        ["--requests-per-minute", "1.5"],
        ["--latency-factor", "slow"],
        ["--latency-jitter", "some"],
        ["--polls-to-complete", "1.5"],
        ["--generate-as", "xml"],
        ["--generate-seconds", "soon"],
        ["--image-format", "gif"],
        ["--workers", "1.5"],
        ["--port", "http"],
        ["proxy"],
        ["reverse-proxy"],
    ],
    ids=" ".join,
)
def test_arguments_that_cannot_be_read_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refusal:
        parse_arguments(arguments)
    assert refusal.value.code == 2
    assert capsys.readouterr().err.startswith("usage: segmind-mock")


@pytest.mark.parametrize("command", [[], ["proxy"]], ids=["double", "proxy"])
def test_the_help_says_what_each_option_is_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("NO_COLOR", "1")
    with pytest.raises(SystemExit):
        parse_arguments([*command, "--help"])
    # The description of an option with a long name begins on a line of its own.
    options = re.sub(r"\n {8,}", "  ", capsys.readouterr().out).partition("options:\n")[2].splitlines()
    assert len(options) == (4 if command else 17)
    assert [line for line in options if not re.fullmatch(r"  --?\w[^ ]*( [^ ]+){0,2} {2,}\w.{9,}", line)] == []


class TestOptions:
    def test_without_any_jobs_take_their_typical_latency_and_the_account_has_100_dollars_and_no_limit(
        self, start: Start
    ) -> None:
        with start() as running:
            submitted = submit(running.call)
            (job,) = jobs(running.call)
            (account,) = running.call.get("/_mock/accounts").json()
            status = running.call.get(submitted["status_url"]).json()["status"]
        latency = Double().contract.models["imagen"].typical_latency
        assert job["ended_at"] - job["submitted_at"] == pytest.approx(latency)
        assert status == "QUEUED"
        assert (account["credits"], account["requests_per_minute"]) == (100, None)
        assert running.variables["SEGMIND_API_KEY"] == DEFAULT_KEY

    def test_key_is_the_key_of_the_ready_account_and_is_printed(self, start: Start) -> None:
        with start("--key", "bob") as running:
            assert running.variables["SEGMIND_API_KEY"] == "bob"
            statuses = [
                running.call.get("/v1/get-user-credits", headers={"x-api-key": key}).status_code
                for key in ("bob", DEFAULT_KEY)
            ]
        assert statuses == [200, 401]

    def test_credits_are_those_of_the_ready_account(self, start: Start) -> None:
        with start("--credits", "7.5") as running:
            assert running.call.get("/v1/get-user-credits").json()["credits"] == 7.5

    def test_requests_per_minute_limits_the_ready_account(self, start: Start) -> None:
        with start("--requests-per-minute", "2") as running:
            statuses = [running.call.get("/v1/get-user-credits").status_code for _ in range(3)]
        assert statuses == [200, 200, 429]

    def test_latency_factor_multiplies_the_latency(self, start: Start) -> None:
        with start("--latency-factor", "0") as running:
            assert running.call.get(submit(running.call)["status_url"]).json()["status"] == "COMPLETED"

    def test_latency_jitter_varies_the_latency(self, start: Start) -> None:
        with start("--latency-jitter", "0.5") as running:
            for _ in range(3):
                submit(running.call)
            latencies = {round(job["ended_at"] - job["submitted_at"], 3) for job in jobs(running.call)}
        assert len(latencies) == 3

    def test_polls_to_complete_ends_a_job_with_that_poll(self, start: Start) -> None:
        with start("--polls-to-complete", "2") as running:
            url = submit(running.call)["status_url"]
            states = [running.call.get(url).json()["status"] for _ in range(2)]
        assert states == ["PROCESSING", "COMPLETED"]

    @pytest.mark.parametrize(
        ("kind", "content_type"), [("json", "application/json"), ("text", "text/plain"), ("image", "image/png")]
    )
    def test_generate_as_decides_what_v1_responds_with(self, start: Start, kind: str, content_type: str) -> None:
        with start("--latency-factor", "0", "--generate-as", kind) as running:
            response = running.call.post("/v1/imagen", json=PROMPT)
        assert (response.status_code, response.headers["content-type"]) == (200, content_type)

    def test_generate_seconds_cut_a_v1_call_off(self, start: Start) -> None:
        with start("--generate-seconds", "0.01") as running:
            assert running.call.post("/v1/imagen", json=PROMPT).status_code == 504

    def test_image_format_is_that_of_the_images(self, start: Start) -> None:
        with start("--latency-factor", "0", "--image-format", "jpeg") as running:
            url = running.call.post("/v1/imagen", json=PROMPT).json()["output"]
            assert running.call.get(url).content.startswith(b"\xff\xd8\xff")

    def test_strict_refuses_parameters_that_the_contract_lacks(self, start: Start) -> None:
        with start("--latency-factor", "0", "--strict") as running:
            responses = [running.call.post("/v2/imagen", json={**PROMPT, **more}) for more in ({}, {"aspect": "1:1"})]
        assert [response.status_code for response in responses] == [200, 400]

    def test_store_is_where_the_state_is_and_stays(self, start: Start, tmp_path: Path) -> None:
        store = f"sqlite:{tmp_path / 'state.db'}"
        with start("--latency-factor", "0", "--store", store) as running:
            submit(running.call)
            assert running.printed[-1] == f"State is in {store}. Stop it with Ctrl-C."
        with start("--store", store) as again:
            assert again.call.get("/v1/get-user-credits").json()["credits"] == 99.94

    def test_without_a_store_the_state_is_in_memory(self, start: Start) -> None:
        with start() as running:
            assert running.printed[-1] == "State is in memory. Stop it with Ctrl-C."

    def test_host_and_port_are_where_it_listens(self, start: Start) -> None:
        with listen("127.0.0.1", 0) as free:
            port = free.getsockname()[1]
        with start("--host", "127.0.0.1", "--port", str(port)) as running:
            assert running.variables["SEGMIND_BASE_URL"] == f"http://127.0.0.1:{port}"
            assert running.printed[0] == f"The double listens on http://127.0.0.1:{port}"
            assert running.call.get("/_mock/health").status_code == 200

    def test_the_name_of_the_host_is_one_that_the_admin_interface_is_called_by(
        self, monkeypatch: pytest.MonkeyPatch, start: Start
    ) -> None:
        resolve = socket.getaddrinfo

        def resolve_here(host: str, *arguments: Any, **options: Any) -> Any:
            return resolve("127.0.0.1" if host == "My-Laptop" else host, *arguments, **options)

        monkeypatch.setattr(socket, "getaddrinfo", resolve_here)
        with start("--host", "My-Laptop") as running:
            headers = [{"host": "my-laptop:4010"}, {"host": "other-laptop:4010"}]
            assert [running.call.get("/_mock/clock", headers=it).status_code for it in headers] == [200, 403]


class TestWorkers:
    def test_share_an_sqlite_file_that_is_removed_at_the_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(VARIABLE, "")
        stdout = flushed_stdout(monkeypatch)
        seen: list[tuple[int, bool, bool]] = []
        folders: list[Path] = []

        def run(self: Multiprocess) -> None:
            (place,) = re.findall(r"State is in sqlite:(\S+)\. Stop", stdout.getvalue().decode())
            folders.append(Path(place).parent)
            (listener,) = self.sockets
            seen.append((self.config.workers, Path(place).exists(), listener.getsockname()[1] > 0))

        monkeypatch.setattr(Multiprocess, "run", run)
        monkeypatch.setattr(sys, "argv", ["segmind-mock", "--port", "0", "--workers", "3"])
        assert main() == 0
        assert seen == [(3, True, True)]
        assert folders[0].parent == Path(tempfile.gettempdir())
        assert not folders[0].exists()

    def test_share_the_store_that_is_named(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv(VARIABLE, "")
        ran: list[Multiprocess] = []

        def run(self: Multiprocess) -> None:
            ran.append(self)

        monkeypatch.setattr(Multiprocess, "run", run)
        store = tmp_path / "state.db"
        monkeypatch.setattr(
            sys, "argv", ["segmind-mock", "--port", "0", "--workers", "2", "--store", f"sqlite:{store}"]
        )
        assert main() == 0
        assert store.exists()
        assert [it.config.workers for it in ran] == [2]


def from_another_machine(**headers: str) -> int:
    """The status of a request to the admin interface of the command that runs, from an IP address elsewhere."""

    async def call() -> int:
        transport = httpx.ASGITransport(app(), client=(OTHER_MACHINE, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://double") as client:
            return (await client.get("/_mock/clock", headers=headers)).status_code

    return anyio.run(call)


class TestAdmin:
    def test_is_open_without_a_token_on_loopback_and_closed_to_other_machines(self, start: Start) -> None:
        with start() as running:
            assert "SEGMIND_MOCK_ADMIN_TOKEN" not in running.variables
            assert running.call.get("/_mock/clock").status_code == 200
            assert from_another_machine() == 403

    def test_everywhere_lets_other_machines_in_with_a_token_that_is_drawn_and_printed(self, start: Start) -> None:
        tokens: set[str] = set()
        for _ in range(2):
            with start("--admin-everywhere") as running:
                token = running.variables["SEGMIND_MOCK_ADMIN_TOKEN"]
                assert running.call.get("/_mock/clock").status_code == 401
                assert from_another_machine() == 401
                assert from_another_machine(authorization=f"Bearer {token}") == 200
                tokens.add(token)
        assert len(tokens) == 2
        assert all(len(token) >= 20 for token in tokens)

    def test_token_is_drawn_where_the_host_is_reached_from_other_machines(self, start: Start) -> None:
        with start("--host", "0.0.0.0") as running:  # noqa: S104  the point
            assert running.call.get("/_mock/clock").status_code == 401
            # To reach the double is not yet to reach its admin interface.
            token = running.variables["SEGMIND_MOCK_ADMIN_TOKEN"]
            assert from_another_machine(authorization=f"Bearer {token}") == 403

    @pytest.mark.parametrize("everywhere", [False, True])
    def test_token_that_is_given_is_needed_and_not_printed(self, start: Start, everywhere: bool) -> None:
        with start("--admin-token", "a-token", *["--admin-everywhere"] * everywhere) as running:
            assert "a-token" not in "\n".join(running.printed)
            assert running.call.get("/_mock/clock").status_code == 401
            headers = {"authorization": "Bearer a-token"}
            assert running.call.get("/_mock/clock", headers=headers).status_code == 200
            assert from_another_machine(**headers) == (200 if everywhere else 403)

    def test_token_may_be_in_the_environment(self, monkeypatch: pytest.MonkeyPatch, start: Start) -> None:
        monkeypatch.setenv("SEGMIND_MOCK_ADMIN_TOKEN", "a-token")
        with start() as running:
            assert "a-token" not in "\n".join(running.printed)
            assert running.call.get("/_mock/clock").status_code == 401
            assert from_another_machine(authorization="Bearer a-token") == 403
            headers = {"authorization": "Bearer a-token"}
            assert running.call.get("/_mock/clock", headers=headers).status_code == 200

    def test_token_of_the_option_counts_before_that_of_the_environment(
        self, monkeypatch: pytest.MonkeyPatch, start: Start
    ) -> None:
        monkeypatch.setenv("SEGMIND_MOCK_ADMIN_TOKEN", "another")
        with start("--admin-token", "a-token") as running:
            statuses = [
                running.call.get("/_mock/clock", headers={"authorization": f"Bearer {token}"}).status_code
                for token in ("a-token", "another")
            ]
        assert statuses == [200, 401]

    def test_an_empty_token_in_the_environment_is_none(self, monkeypatch: pytest.MonkeyPatch, start: Start) -> None:
        monkeypatch.setenv("SEGMIND_MOCK_ADMIN_TOKEN", "")
        with start() as running:
            assert running.call.get("/_mock/clock").status_code == 200


class TestProxy:
    def test_passes_calls_on_and_reports_misfits_at_once(self, address: str, double: Double, start: Start) -> None:
        with start("proxy", "--upstream", address) as running:
            assert running.printed[0].endswith(f" go to {address}; differences are reported here.")
            response = running.call.get("/v1/get-user-credits", headers={"x-api-key": ""})
            assert response.status_code == 401
            running.call.get("/v1/get-user-credits", headers={"x-api-key": DEFAULT_KEY})
            assert running.printed[1:] == ["GET /v1/get-user-credits: the request: there is no x-api-key header"]
        assert [row.status for row in double.requests()] == [401, 200]

    def test_does_not_print_the_password_in_its_upstream(self, start: Start) -> None:
        with start("proxy", "--upstream", "http://bob:secret@127.0.0.1:9") as running:
            assert "go to http://127.0.0.1:9; differences" in running.printed[0]
            assert "secret" not in running.printed[0]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            ModuleNotFoundError("", name="redis"),
            "redis is missing; install it with: pip install 'segmind-openapi[redis]'",
        ),
        (
            ModuleNotFoundError("", name="orjson"),
            "orjson is missing; install it with: pip install 'segmind-openapi[mock]'",
        ),
        (OSError(98, "port 1 is in use"), "segmind-mock: port 1 is in use"),
        (OSError("state.db cannot be used"), "segmind-mock: state.db cannot be used"),
        (FileNotFoundError(2, "No such file", "x.db"), "segmind-mock: [Errno 2] No such file: 'x.db'"),
        (ValueError("expected 1 worker or more"), "segmind-mock: expected 1 worker or more"),
        (OverflowError("port must be 0-65535."), "segmind-mock: port must be 0-65535."),
    ],
)
def test_an_error_is_one_line_and_ends_the_command_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, message: str
) -> None:
    assert ended_with(error, monkeypatch) == 1
    assert capsys.readouterr().err == f"{message}\n"


def test_ctrl_c_ends_the_command_with_0_and_without_a_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended_with(KeyboardInterrupt(), monkeypatch) == 0
    assert capsys.readouterr().err == ""


def ended_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    """What the command ends with where serving raises an error."""

    def run(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setattr(uvicorn.Server, "run", run)
    monkeypatch.setattr(sys, "argv", ["segmind-mock", "--port", "0"])
    return main()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workers", "0"], "segmind-mock: expected 1 worker or more\n"),
        (["--workers", "2", "--store", "memory"], "segmind-mock: several workers cannot share memory: "),
        (["--store", "postgres://x"], "segmind-mock: no store is called 'postgres://x'; expected memory, "),
        (["--admin-token", "\u00fc"], "segmind-mock: the admin token: expected printable ASCII characters\n"),
        (["proxy", "--upstream", "nonsense"], "segmind-mock: --upstream: expected a URL such as https://host"),
    ],
)
def test_options_that_make_no_sense_end_the_command_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    monkeypatch.setenv(VARIABLE, os.environ.get(VARIABLE, ""))
    monkeypatch.setattr(sys, "argv", ["segmind-mock", "--port", "0", *arguments])
    assert main() == 1
    assert capsys.readouterr().err.startswith(message)
