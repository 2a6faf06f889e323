"""What can be checked of the container files without an engine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from typing import Any

import pytest
from ruamel.yaml import YAML

from segmind_client import Client
from segmind_mock import Double, Settings, serve
from segmind_mock.__main__ import TOKEN_VARIABLE, parse_arguments
from tests.conftest import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def entry_point() -> list[str]:
    match = re.search(r"^ENTRYPOINT (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert match is not None
    return list(json.loads(match[1]))


def test_the_container_runs_the_command_with_arguments_that_it_takes() -> None:
    command, *arguments = entry_point()
    assert command == "segmind-mock"
    options = parse_arguments(arguments)
    assert (options.host, options.port) == ("0.0.0.0", 4010)  # noqa: S104  a container's own interfaces
    assert "EXPOSE 4010" in DOCKERFILE


def test_the_container_installs_extras_that_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    match = re.search(r"'\.\[([a-z,]+)\]'", DOCKERFILE)
    assert match is not None
    assert set(match[1].split(",")) <= set(project["optional-dependencies"])


def test_the_container_does_not_run_as_root() -> None:
    assert re.search(r"^USER (?!root)\w+$", DOCKERFILE, re.MULTILINE)


def services() -> Any:
    yaml: Any = YAML(typ="safe", pure=True)
    return yaml.load(ROOT / "compose.yaml")["services"]


def test_the_compose_example_gives_the_double_arguments_that_it_takes() -> None:
    double = services()["double"]
    options = parse_arguments([*entry_point()[1:], *double["command"]])
    assert (options.workers, options.store, options.admin_everywhere) == (2, "redis://redis:6379", True)
    assert list(double["environment"]) == [TOKEN_VARIABLE]
    assert all(port.startswith("127.0.0.1:") for port in double["ports"])


def test_the_compose_example_waits_until_what_is_needed_is_healthy() -> None:
    waits = {name: list(it.get("depends_on", {}).items()) for name, it in services().items()}
    healthy = {"condition": "service_healthy"}
    assert waits == {"redis": [], "double": [("redis", healthy)], "program": [("double", healthy)]}


def in_dockerfile() -> list[str]:
    match = re.search(r"^HEALTHCHECK .*CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert match is not None
    return list(json.loads(match[1]))


def in_compose() -> list[str]:
    kind, *command = services()["double"]["healthcheck"]["test"]
    assert kind == "CMD"
    return list(command)


@pytest.mark.parametrize("health_check", [in_dockerfile, in_compose])
def test_a_health_check_tells_a_double_that_answers_from_none(health_check: Callable[[], list[str]]) -> None:
    interpreter, flag, program = health_check()
    assert (interpreter, flag) == ("python", "-c")

    def check(port: int) -> int:
        # A proxy of the environment is of no use to reach the container itself.
        environment = {"http_proxy": "http://127.0.0.1:1"}
        command = [sys.executable, "-c", program.replace("4010", str(port))]
        return subprocess.run(command, env=environment, stderr=subprocess.DEVNULL, check=False).returncode

    with serve(Double().app) as url:
        port = int(url.rpartition(":")[2])
        healthy = check(port)
    assert (healthy, check(port)) == (0, 1)


@pytest.fixture
def settings() -> Settings:
    return Settings()


def test_the_program_of_the_compose_example_runs_a_job(address: str) -> None:
    program = services()["program"]
    _, flag, source = program["entrypoint"]
    environment = {**program["environment"], "SEGMIND_BASE_URL": address}
    command = [sys.executable, flag, source]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.stdout.startswith(address), run.stderr


def test_the_program_of_the_compose_example_may_call_the_double_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in services()["program"]["environment"].items():
        monkeypatch.setenv(name, value)
    assert repr(Client()) == "Client(base_url='http://double:4010')"
