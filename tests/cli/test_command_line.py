"""The command `segmind` against the double: what it prints, exits with, sends and saves."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from segmind_cli.app import run
from segmind_cli.failures import EXIT_CODES, exit_code
from segmind_client import errors
from segmind_mock import DEFAULT_KEY, Double, Settings, serve
from tests.conftest import ROOT

PNG = b"\x89PNG\r\n\x1a\n"


class Shell:
    """Runs command lines in this process and keeps what they print."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self.capture = capture
        self.out = ""
        self.err = ""

    def __call__(self, *arguments: str) -> int:
        self.capture.readouterr()
        code = run(list(arguments))
        self.out, self.err = self.capture.readouterr()
        return code

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.chdir(tmp_path)
    for name in ("SEGMIND_API_KEY", "SEGMIND_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return Shell(capsys)


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch, shell: Shell) -> Iterator[Double[Any]]:  # noqa: ARG001  It clears the environment.
    """A double on a port, which the environment names. Its jobs are done at once."""
    made = Double(Settings(latency_factor=0))
    with serve(made.app) as url:
        monkeypatch.setenv("SEGMIND_BASE_URL", url)
        monkeypatch.setenv("SEGMIND_API_KEY", DEFAULT_KEY)
        yield made


def bodies(double: Double[Any], operation_id: str) -> list[dict[str, Any]]:
    return [json.loads(row.body) for row in double.requests(operation_id=operation_id)]


class TestRun:
    def test_saves_the_image_and_prints_its_path_alone(self, shell: Shell, double: Double[Any], tmp_path: Path) -> None:
        assert shell("run", "imagen-4", "a cabin", "--aspect-ratio", "1:1", "-o", "cabin.png") == 0
        assert shell.out == f"{tmp_path / 'cabin.png'}\n"
        assert (tmp_path / "cabin.png").read_bytes().startswith(PNG)
        assert bodies(double, "submitImagen4") == [{"prompt": "a cabin", "aspect_ratio": "1:1"}]

    def test_tells_cost_and_request_id_on_the_standard_error(self, shell: Shell, double: Double[Any]) -> None:
        assert shell("run", "imagen-4", "a cabin") == 0
        (job,) = double.jobs()
        assert f"It cost 0.06 dollars, request {job.request_id}.\n" in shell.err

    def test_without_a_file_name_saves_into_the_current_folder(
        self, shell: Shell, double: Double[Any], tmp_path: Path
    ) -> None:
        assert shell("run", "imagen-4", "a cabin") == 0
        assert [path.suffix for path in tmp_path.iterdir()] == [".png"]
        assert len(double.jobs()) == 1

    def test_sync_makes_one_v1_call(self, shell: Shell, double: Double[Any]) -> None:
        assert shell("run", "imagen-4-fast", "x", "--sync", "--steps", "3", "-o", "a.png") == 0
        assert bodies(double, "generateImagen4Fast") == [{"prompt": "x", "steps": 3}]
        assert double.jobs() == []

    def test_reads_the_prompt_from_the_standard_input(
        self, shell: Shell, double: Double[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("ein Fuchs é\n".encode())))
        assert shell("run", "imagen-4", "-") == 0
        assert bodies(double, "submitImagen4") == [{"prompt": "ein Fuchs é"}]

    def test_refuses_a_prompt_that_is_not_in_utf_8(
        self, shell: Shell, double: Double[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9")))
        assert shell("run", "imagen-4", "-") == 2
        assert "not in UTF-8" in shell.err
        assert double.requests() == []

    def test_sends_numbers_as_numbers_and_any_parameter_by_name(self, shell: Shell, double: Double[Any]) -> None:
        arguments = ("--guidance-scale", "2.5", "--seed", "-1", "--param", "extra=[1]", "--param", "note=a b")
        assert shell("run", "imagen-4-fast", "x", *arguments) == 0
        assert bodies(double, "submitImagen4Fast") == [
            {"prompt": "x", "guidance_scale": 2.5, "seed": -1, "extra": [1], "note": "a b"}
        ]

    def test_writes_the_image_to_a_pipe(self, double: Double[Any]) -> None:
        command = [sys.executable, "-m", "segmind_cli", "run", "imagen-4", "x", "-o", "-"]
        done = subprocess.run(command, capture_output=True, check=True, timeout=60)
        assert done.stdout.startswith(PNG)
        assert len(double.jobs()) == 1

    def test_prints_one_json_document_with_all_facts(self, shell: Shell, double: Double[Any], tmp_path: Path) -> None:
        assert shell("run", "imagen-4", "x", "-o", "a.png", "--json") == 0
        (job,) = double.jobs()
        facts = shell.json
        assert (facts["request_id"], facts["status"], facts["cost"]) == (job.request_id, "COMPLETED", 0.06)
        assert (facts["file"], facts["media_type"]) == (str(tmp_path / "a.png"), "image/png")
        assert facts["url"].endswith(".png")

    def test_a_file_that_exists_is_refused_before_anything_is_paid(
        self, shell: Shell, double: Double[Any], tmp_path: Path
    ) -> None:
        (tmp_path / "a.png").write_text("mine")
        assert shell("run", "imagen-4", "x", "-o", "a.png") == 2
        assert "a.png exists" in shell.err
        assert double.requests() == []
        assert shell("run", "imagen-4", "x", "-o", "a.png", "--overwrite") == 0
        assert (tmp_path / "a.png").read_bytes().startswith(PNG)

    def test_a_file_that_exists_with_the_suffix_that_would_be_added_is_refused(
        self, shell: Shell, double: Double[Any], tmp_path: Path
    ) -> None:
        (tmp_path / "a.png").write_text("mine")
        assert shell("run", "imagen-4", "x", "-o", "a") == 2
        assert "a.png exists" in shell.err
        assert double.requests() == []

    def test_of_v1_ends_at_the_deadline(self, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SEGMIND_API_KEY", DEFAULT_KEY)
        double = Double(Settings(latency_factor=1000))
        with serve(double.app) as url:
            arguments = ("--sync", "--deadline", "0.001", "--base-url", url)
            assert shell("run", "imagen-4", "x", *arguments) == 10

    @pytest.mark.parametrize("output", ["none/a.png", "none/"])
    def test_a_folder_that_is_not_there_is_refused_before_anything_is_paid(
        self, shell: Shell, double: Double[Any], output: str
    ) -> None:
        assert shell("run", "imagen-4", "x", "-o", output) == 2
        assert "is no folder: make it first" in shell.err
        assert double.requests() == []

    def test_a_model_outside_the_contract_is_called_when_asked(self, shell: Shell, double: Double[Any]) -> None:
        assert shell("run", "--any-model", "imagen-9", "x", "--param", "steps=3") == 6
        assert [row.path for row in double.requests()] == ["/v2/imagen-9"]
        assert shell("run", "--any-model", "imagen-9", "x", "--param", "steps=3", "--dry-run") == 0
        assert shell.json["body"] == {"prompt": "x", "steps": 3}

    def test_a_response_that_cannot_be_saved_is_saved_elsewhere(
        self, shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(elsewhere))
        double = Double(Settings(latency_factor=0, generate_as="image"))
        with serve(double.app) as url:
            monkeypatch.setenv("SEGMIND_API_KEY", DEFAULT_KEY)
            # The suffix is replaced by that of the image, and there is a file of that name.
            (tmp_path / "a.png").write_text("mine")
            assert shell("run", "imagen-4", "x", "--sync", "-o", "a.jpg", "--base-url", url) == 12
        (saved,) = elsewhere.iterdir()
        assert saved.read_bytes().startswith(PNG)
        assert f"What was received is in {saved}." in shell.err
        assert "segmind wait" not in shell.err


class TestDryRun:
    def test_prints_the_request_and_its_price_and_needs_no_key(self, shell: Shell) -> None:
        assert shell("run", "imagen-4", "x", "--aspect-ratio", "1:1", "--dry-run") == 0
        assert shell.json == {"method": "POST", "path": "/v2/imagen-4", "body": {"prompt": "x", "aspect_ratio": "1:1"}}
        assert shell.err == "Nothing was sent. It costs 0.06 dollars.\n"

    def test_of_a_v1_call_has_its_path(self, shell: Shell) -> None:
        assert shell("run", "imagen-4", "x", "--sync", "--dry-run", "--json") == 0
        assert shell.json["path"] == "/v1/imagen-4"
        assert shell.json["price_usd"] == {"from": 0.06, "to": 0.06, "source": "page"}

    def test_refuses_what_the_client_would_refuse(self, shell: Shell) -> None:
        assert shell("run", "imagen-4", "", "--dry-run") == 3
        assert "Imagen4Request.prompt: expected a string that is not empty" in shell.err
        assert shell.out == ""

    def test_has_the_body_that_is_sent(self, shell: Shell, double: Double[Any]) -> None:
        arguments = ("submit", "imagen-4", "x", "--param", "foo=1")
        assert shell(*arguments, "--dry-run") == 0
        printed = shell.json["body"]
        assert shell(*arguments) == 0
        assert bodies(double, "submitImagen4") == [printed] == [{"prompt": "x", "foo": 1}]

    @pytest.mark.parametrize("arguments", [["..", "x"], ["new", "x", "--param", "a=1e999"]])
    def test_refuses_what_cannot_be_sent_of_any_model(self, shell: Shell, arguments: list[str]) -> None:
        assert shell("run", "--any-model", *arguments, "--dry-run") == 3
        assert shell.out == ""

    def test_sends_nothing(self, shell: Shell, double: Double[Any]) -> None:
        assert shell("submit", "imagen-4", "x", "--dry-run") == 0
        assert double.requests() == []


class TestJobs:
    def test_are_submitted_looked_at_waited_for_and_fetched(
        self, shell: Shell, double: Double[Any], tmp_path: Path
    ) -> None:
        assert shell("submit", "imagen-4", "x") == 0
        request_id = shell.out.strip()
        assert [job.request_id for job in double.jobs()] == [request_id]
        assert f"segmind wait {request_id} -o FILE" in shell.err
        assert shell("status", request_id) == 0
        assert shell.out == "COMPLETED\n"
        assert shell("wait", request_id, "-o", "a.png") == 0
        assert shell("result", request_id, "-o", "b.png") == 0
        assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()

    def test_that_take_too_long_are_named_with_the_command_that_gets_them(
        self, shell: Shell, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SEGMIND_API_KEY", DEFAULT_KEY)
        double = Double(Settings(polls_to_complete=99))
        with serve(double.app) as url:
            assert shell("run", "imagen-4", "x", "--deadline", "0", "--base-url", url) == 9
        (job,) = double.jobs()
        assert f"Get the result with: segmind wait {job.request_id} -o FILE" in shell.err

    def test_that_fail_say_why(self, shell: Shell, double: Double[Any]) -> None:
        double.fail_next("submitImagen4", fail="The prompt was blocked")
        assert shell("run", "imagen-4", "x", "--json") == 7
        assert shell.json["error"]["kind"] == "InferenceFailed"
        assert "The prompt was blocked" in shell.json["error"]["message"]


def heed_signals() -> None:
    """A shell makes the processes that it starts in the background ignore Ctrl-C, and their children do too."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals for one process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_run_with_the_job_and_the_command_that_gets_it(number: signal.Signals) -> None:
    double = Double(Settings(polls_to_complete=99))
    with serve(double.app) as url:
        environment = {**os.environ, "SEGMIND_API_KEY": DEFAULT_KEY, "SEGMIND_BASE_URL": url}
        command = [sys.executable, "-m", "segmind_cli", "run", "imagen-4", "x", "--json"]
        with subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=heed_signals,
        ) as process:
            assert process.stderr is not None
            lines = [process.stderr.readline(), process.stderr.readline()]
            process.send_signal(number)
            try:
                out, err = process.communicate(timeout=60)
            finally:
                process.kill()
    (job,) = double.jobs()
    assert lines[0] == f"Submitted: request {job.request_id}.\n"
    assert process.returncode == 128 + number
    assert f"Get the result with: segmind wait {job.request_id} -o FILE" in err
    assert json.loads(out)["error"]["request_id"] == job.request_id
    assert len(err.splitlines()) == 2


class TestPaidResults:
    """What is paid for is named or kept, whatever happens to the output."""

    def finish(self, *arguments: str, **streams: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "segmind_cli", *arguments]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
        return subprocess.run(command, text=True, check=False, timeout=60, **streams)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
    @pytest.mark.parametrize("arguments", [["-o", "-"], ["-o", "a.png"], ["-o", "a.png", "--json"]])
    def test_name_the_job_where_the_standard_output_is_full(
        self, shell: Shell, double: Double[Any], arguments: list[str]
    ) -> None:
        assert shell.out == ""
        with Path("/dev/full").open("w") as full:
            done = self.finish("run", "imagen-4", "x", *arguments, stdout=full)
        (job,) = double.jobs()
        assert done.returncode == 12
        assert f"segmind wait {job.request_id} -o FILE" in done.stderr
        assert "Traceback" not in done.stderr

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
    def test_of_v1_are_kept_in_a_file_where_the_standard_output_is_full(
        self, shell: Shell, double: Double[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        assert shell.out == ""
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        with Path("/dev/full").open("w") as full:
            done = self.finish("run", "imagen-4", "x", "--sync", "-o", "-", stdout=full)
        (kept,) = tmp_path.iterdir()
        assert done.returncode == 12
        assert f"What was received is in {kept}." in done.stderr
        assert kept.read_bytes().startswith(b"{")
        assert len(double.requests(accepted=True)) == 1

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
    def test_are_printed_where_the_standard_error_is_full(self, shell: Shell, double: Double[Any]) -> None:
        assert shell.out == ""
        with Path("/dev/full").open("w") as full:
            done = self.finish("submit", "imagen-4", "x", stderr=full)
        (job,) = double.jobs()
        assert (done.returncode, done.stdout) == (0, f"{job.request_id}\n")


class TestMisspelt:
    @pytest.mark.parametrize(
        ("arguments", "guess"),
        [
            (["rum"], "Did you mean run?"),
            (["run", "imagen4", "x"], "Did you mean imagen-4?"),
            (["run", "imagen-4", "x", "--aspect-rato", "1:1"], "--aspect-ratio"),
            (["run", "imagen-4", "x", "--aspect-ratio", "4:33"], "Did you mean 4:3?"),
            (["models", "imagen4"], "Did you mean imagen-4?"),
            (["spec", "segmind.jsn"], "Did you mean segmind.json?"),
        ],
    )
    def test_words_are_refused_with_the_nearest_that_exist(
        self, shell: Shell, arguments: list[str], guess: str
    ) -> None:
        assert shell(*arguments) == 2
        assert guess in shell.err
        assert shell.out == ""

    @pytest.mark.parametrize(
        "arguments",
        [
            ["run", "imagen-4"],
            ["submit", "imagen-4", "--dry-run"],
            ["run", "imagen-4", "x", "--param", "steps"],
            ["run", "imagen-4", "x", "--param", "prompt=y"],
            ["run", "imagen-4-fast", "x", "--steps", "0"],
            ["run", "imagen-4", "x", "--json", "-o", "-"],
            ["credits", "--mock", "--base-url", "http://127.0.0.1:1"],
            ["journal"],
        ],
    )
    def test_or_impossible_command_lines_are_one_line_of_error(self, shell: Shell, arguments: list[str]) -> None:
        assert shell(*arguments) == 2
        assert "Traceback" not in shell.err
        assert shell.err.startswith("segmind: ")


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "code"), [(400, 3), (401, 4), (403, 4), (404, 6), (406, 5), (410, 6), (500, 13), (502, 13)]
    )
    def test_have_an_exit_code_for_their_kind_and_are_json_if_asked(
        self, shell: Shell, double: Double[Any], status: int, code: int
    ) -> None:
        double.fail_next("submitImagen4", status=status, times=9)
        assert shell("run", "imagen-4", "x", "--json") == code
        assert shell.json["error"]["exit_code"] == code
        assert len(shell.err.splitlines()) <= 2 + len(double.requests())

    def test_without_a_key_say_what_to_set(self, shell: Shell) -> None:
        assert shell("credits") == 4
        assert shell.err == "segmind: no API key: set SEGMIND_API_KEY in the environment, or try --mock\n"

    def test_never_show_the_key(self, shell: Shell, double: Double[Any], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SEGMIND_API_KEY", "SG_a_secret_key_of_mine")
        assert shell("credits", "--json", "-v") == 4
        assert "a_secret_key" not in shell.out + shell.err
        assert double.requests(status=401)

    def test_every_class_of_the_client_has_an_exit_code(self) -> None:
        classes = [getattr(errors, name) for name in dir(errors)]
        kinds = [it for it in classes if isinstance(it, type) and issubclass(it, errors.SegmindError)]
        # The bases, and errors in the use of the Python interface.
        general = {"SegmindError", "StatusError", "ClientUnusable", "MethodNotAllowed", "UnreadableField"}
        assert {it.__name__ for it in kinds if exit_code(it.__new__(it)) == 1} == general

    def test_exit_codes_are_those_of_the_documents(self) -> None:
        text = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
        rows = [line for line in text.splitlines() if line.startswith("| `")]
        documented = {
            int(row.split("|")[1].strip(" `"))
            for row in rows
            if row[3:5].strip("` ").isdigit() and "," not in row.split("|")[1]
        }
        assert documented | {130} == {code for code, _ in EXIT_CODES.values()} | {0, 1}


class TestDouble:
    def test_in_process_needs_no_key_and_no_time(self, shell: Shell, tmp_path: Path) -> None:
        assert shell("--mock", "run", "imagen-4", "x", "-o", "a.png") == 0
        assert (tmp_path / "a.png").read_bytes().startswith(PNG)
        assert "The double charged 0.06 dollars" in shell.err

    def test_of_another_process_shows_its_journal(self, shell: Shell, double: Double[Any]) -> None:
        assert shell("submit", "imagen-4", "x") == 0
        assert shell("journal") == 0
        assert shell.out.splitlines()[1].startswith("POST\t/v2/imagen-4\t200\t")
        assert shell("journal", "--status", "404", "--json") == 0
        assert shell.json == []
        assert len(double.requests()) == 1

    def test_is_started_by_mock(self) -> None:
        command = [sys.executable, "-m", "segmind_cli", "mock", "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            process.terminate()
        assert line.startswith("The double listens on http://127.0.0.1:")

    def test_is_not_there_says_so(self, shell: Shell) -> None:
        assert shell("journal", "--base-url", "http://127.0.0.1:1") == 1
        assert "No journal of a double at http://127.0.0.1:1" in shell.err


class TestListings:
    def test_of_models_have_price_latency_and_parameters(self, shell: Shell, document: Any) -> None:
        assert shell("models") == 0
        rows = [line.split("\t") for line in shell.out.splitlines()]
        posts = [path for path in document["paths"] if path.startswith("/v2/") and path.count("/") == 2]
        assert [row[0] for row in rows[1:]] == [path.rpartition("/")[2] for path in posts]
        assert rows[2][:4] == ["imagen-4", "image", "0.06", "11.6"]

    def test_of_one_model_have_its_parameters(self, shell: Shell) -> None:
        assert shell("models", "imagen-4-fast") == 0
        rows = {line.split("\t")[0]: line.split("\t") for line in shell.out.splitlines()}
        assert rows["prompt"][1] == "required"
        assert rows["steps"][1:3] == ["25", "integer 1 to 100"]

    def test_of_models_are_json_if_asked(self, shell: Shell) -> None:
        assert shell("models", "--json") == 0
        assert [it["slug"] for it in shell.json][1] == "imagen-4"
        assert shell.json[1]["price_usd"] == {"low": 0.06, "high": 0.06, "source": "page"}

    def test_of_editions_name_files_that_spec_prints(self, shell: Shell) -> None:
        assert shell("spec", "--list") == 0
        editions = shell.out.split()
        assert "segmind.json" in editions
        for edition in editions:
            assert shell("spec", edition) == 0
            printed = json.loads(shell.out)
            assert shell("spec", edition, "--path") == 0
            assert json.loads(Path(shell.out.strip()).read_text(encoding="utf-8")) == printed

    def test_help_names_the_options_of_the_model(self, shell: Shell) -> None:
        assert shell("run", "imagen-4-fast", "--help") == 0
        for text in ("--guidance-scale", "1<=x<=20", "default: 7.5", "DDIM|PNDM", "0.02 dollars"):
            assert text in shell.out


@pytest.mark.parametrize("shell_name", ["bash", "zsh", "fish"])
def test_completion_scripts_call_the_command(shell: Shell, shell_name: str) -> None:
    assert shell("completion", shell_name) == 0
    assert "_SEGMIND_COMPLETE" in shell.out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("segmind ru", "run"),
        ("segmind run imagen-4-f", "imagen-4-fast"),
        ("segmind run imagen-4 --aspect-r", "--aspect-ratio"),
        ("segmind run imagen-4 --aspect-ratio 16", "16:9"),
        ("segmind models --j", "--json"),
        ("segmind models imagen-4-f", "imagen-4-fast"),
        ("segmind spec segmind.j", "segmind.json"),
    ],
)
def test_tab_completes(words: str, expected: str) -> None:
    environment = {
        **os.environ,
        "_SEGMIND_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    command = [sys.executable, "-c", "import sys; from segmind_cli.app import run; sys.exit(run([]))"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert [line.partition(",")[2] for line in done.stdout.splitlines()] == [expected]


def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    program = (
        "import sys, importlib.util as util; find = util.find_spec\n"
        "util.find_spec = lambda name: None if name == 'click' else find(name)\n"
        "from segmind_cli.__main__ import main; sys.exit(main())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        "segmind: the command line needs click; install it with: pip install 'segmind-openapi[cli]'\n"
    )
