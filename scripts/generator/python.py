"""Writes the Python package: openapi-python-client lays it out, our templates say what the code looks like."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, cast

from openapi_python_client import Project
from openapi_python_client.config import Config, ConfigFile, MetaType
from openapi_python_client.parser import GeneratorData
from openapi_python_client.parser.errors import GeneratorError
from openapi_python_client.strings import safe_for_docstring

from generator.contract import Contract, GenerationError
from generator.views import Views

TEMPLATES = Path(__file__).resolve().parent / "templates"
LINE_LENGTH = 120
BESIDE_THE_LAYOUT = ("calls", "catalog", "headers", "responses", "service")
"""Modules of ours that openapi-python-client does not know."""
RUNTIME = Path(__file__).resolve().parent / "runtime"
"""Modules that are the same for every contract."""
COPY_HEADER = "# Copied by scripts/generate.py from scripts/generator/runtime/{name}; do not edit.\n"


def write_python_package(contract: Contract, folder: Path) -> None:
    """Writes `segmind_api` into a new folder; raises GenerationError."""
    config = Config.from_sources(
        ConfigFile(
            package_name_override=folder.name,
            literal_enums=True,
            content_type_overrides={"image/*": "application/octet-stream"},
            post_hooks=[],
        ),
        meta_type=MetaType.NONE,
        document_source="",
        file_encoding="utf-8",
        overwrite=False,
        output_path=folder,
    )
    # The parser consumes what it is given.
    data = GeneratorData.from_dict(cast(dict[str, Any], json.loads(json.dumps(contract.document))), config=config)
    if isinstance(data, GeneratorError):
        raise GenerationError("#", f"{data.header}: {data.detail}")
    refuse_warnings(
        [
            *data.errors,
            *(error for item in data.endpoint_collections_by_tag.values() for error in item.parse_errors),
        ]
    )

    project = Project(openapi=data, config=config, custom_template_path=TEMPLATES)
    names: dict[str, Any] = {"views": Views(contract, data), "docstring": docstring}
    project.env.globals.update(names)
    with contextlib.redirect_stdout(io.StringIO()):
        refuse_warnings(project.build())
    for name in BESIDE_THE_LAYOUT:
        text = project.env.get_template(f"{name}.py.jinja").render()
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    (folder / "py.typed").touch()
    tidy(folder)
    copy_runtime(folder)


def copy_runtime(folder: Path) -> None:
    for path in sorted(RUNTIME.glob("*.py")):
        text = COPY_HEADER.format(name=path.name) + path.read_text(encoding="utf-8")
        (folder / path.name).write_text(text, encoding="utf-8", newline="\n")


def docstring(text: str, indent: int = 0) -> str:
    """A docstring with the paragraphs of a description, each wrapped."""
    margin = " " * indent
    paragraphs = [
        textwrap.fill(
            safe_for_docstring(paragraph), LINE_LENGTH - indent - 4, break_long_words=False, break_on_hyphens=False
        )
        for paragraph in text.strip().split("\n\n")
    ]
    lines = textwrap.indent("\n\n".join(paragraphs), margin).strip()
    closing = f"\n{margin}" if "\n" in lines else ""
    return f'"""{lines}{closing}"""'


def refuse_warnings(warnings: Any) -> None:
    """The generator leaves out what it warns of."""
    for warning in warnings:
        raise GenerationError(warning.header or "#", warning.detail or "openapi-python-client cannot generate this")


def tidy(folder: Path) -> None:
    """Removes the imports that a module turned out not to need, sorts the rest and formats."""
    shared = ["--isolated", "--no-cache", "--quiet", "--line-length", str(LINE_LENGTH), "--target-version", "py311"]
    imports = ["check", "--select", "F401,I", "--fix", "--config", "lint.isort.split-on-trailing-comma=false"]
    layout = ["format", "--config", "format.skip-magic-trailing-comma=true"]
    for command in (imports, layout):
        run = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *shared, str(folder)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        if run.returncode != 0:
            raise GenerationError("the generated Python", f"ruff refuses it:\n{run.stdout}{run.stderr}")
