"""What can be checked of the container files without an engine."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

from ruamel.yaml import YAML

from segmind_mock.__main__ import parse_arguments
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


def test_the_compose_example_gives_the_double_arguments_that_it_takes() -> None:
    yaml: Any = YAML(typ="safe", pure=True)
    services = yaml.load(ROOT / "compose.yaml")["services"]
    options = parse_arguments([*entry_point()[1:], *services["double"]["command"]])
    assert (options.workers, options.store) == (2, "redis://redis:6379")
    assert services["double"]["depends_on"] == ["redis"]
    assert all(port.startswith("127.0.0.1:") for port in services["double"]["ports"])
