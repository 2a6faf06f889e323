"""Writes the Python package: templates over the views of the contract, and modules that are the same for every one."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from generator.contract import GenerationError
from generator.documentation import help_text, overload_text, parameters_text
from generator.views import Views

TEMPLATES = Path(__file__).resolve().parent / "templates"
RUNTIME = Path(__file__).resolve().parent / "runtime"
"""Modules that are the same for every contract."""
LINE_LENGTH = 120
COPY_HEADER = "# Copied by scripts/generate.py from scripts/generator/runtime/{name}; do not edit.\n"


def write_python_package(views: Views, folder: Path) -> None:
    """Writes `segmind_api` into a new folder; raises GenerationError."""
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701  Python, not HTML.
    )
    names: dict[str, Any] = {"views": views, "docstring": docstring, "signature": signature, "safe": safe}
    names |= {"help_text": help_text, "overload_text": overload_text, "parameters_text": parameters_text}
    templates.globals.update(names)
    # Jinja's own escapes what HTML must not have.
    templates.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)

    def write(path: str, template: str, **names: Any) -> None:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        text = templates.get_template(f"{template}.py.jinja").render(names)
        target.write_text(text, encoding="utf-8", newline="\n")

    write("__init__.py", "package_init")
    for name in ("calls", "catalog", "headers", "responses", "service", "signatures"):
        write(f"{name}.py", name)
    write("models/__init__.py", "models_init")
    for place, view in views.classes.items():
        write(f"models/{view.module}.py", view.kind, place=place, view=view, model=views.models.get(place))
    write("api/__init__.py", "api_init")
    for tag in views.tags:
        write(f"api/{tag}/__init__.py", "tag_init", tag=tag)
    for operation in views.operations:
        write(f"api/{operation.tag}/{operation.module}.py", "operation", operation=operation)
    write("entries/__init__.py", "entries_init")
    for entry in views.catalog:
        write(f"entries/{entry.submit.module}.py", "entry", entry=entry)
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
    paragraphs = [wrapped(paragraph, LINE_LENGTH - indent - 4) for paragraph in text.strip().split("\n\n")]
    lines = textwrap.indent("\n\n".join(paragraphs), margin).strip()
    closing = f"\n{margin}" if "\n" in lines else ""
    return f'"""{lines}{closing}"""'


def wrapped(paragraph: str, width: int) -> str:
    """Lines of a docstring; a line that begins with `- ` stays one, with what follows it indented."""
    lines = paragraph.splitlines()
    parts = lines if lines and all(line.startswith("- ") for line in lines) else [paragraph]
    return "\n".join(
        textwrap.fill(
            safe(part),
            width,
            subsequent_indent="  " if part.startswith("- ") else "",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for part in parts
    )


def safe(text: str) -> str:
    """Text that a docstring can hold."""
    escaped = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'{escaped[:-1]}\\"' if escaped.endswith('"') and not escaped.endswith('\\"') else escaped


def signature(properties: list[Any]) -> str:
    """Parameters of a function by keyword, those that are required first."""
    return ", ".join(
        f"{item.python_name}: {item.annotation}" + ("" if item.required else f" = {item.default}")
        for item in properties
    )


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
