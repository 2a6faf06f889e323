#!/usr/bin/env python3
"""Derives `generated/` from the contract.

    scripts/generate.py            write generated/
    scripts/generate.py --check    write nothing; print what differs and exit 1 if anything does

Whatever goes wrong, `generated/` is either replaced as a whole or left as it was.
"""

from __future__ import annotations

import argparse
import difflib
import sys
import tempfile
from pathlib import Path

from generator.contract import GenerationError, load_contract
from generator.editions import write_editions
from generator.models_table import write_models_table
from generator.python import write_python_package
from generator.views import Views

ROOT = Path(__file__).resolve().parent.parent
GENERATED = {"segmind_api", "segmind_openapi", "models.md", "__pycache__"}
"""What may be in a folder that is replaced."""


def main() -> int:
    options = parse_arguments()
    output: Path = options.output
    try:
        if options.check:
            with tempfile.TemporaryDirectory() as folder:
                fresh = Path(folder) / "fresh"
                generate(options.contract, fresh)
                return report_drift(committed=output, fresh=fresh)
        refuse_foreign_folder(output)
        output.parent.mkdir(parents=True, exist_ok=True)
        # Beside the output, so that moving it into place is a rename on one file system.
        with tempfile.TemporaryDirectory(prefix=".generate-", dir=output.parent) as folder:
            fresh = Path(folder) / "fresh"
            generate(options.contract, fresh)
            put_in_place(fresh, output, aside=Path(folder) / "replaced")
    except (GenerationError, OSError) as error:
        print(f"{options.contract}: {error}\nNothing was written.", file=sys.stderr)
        return 1
    return 0


def refuse_foreign_folder(output: Path) -> None:
    """Raises GenerationError for a folder that holds what was not generated."""
    if output.exists() and not (output.is_dir() and {path.name for path in output.iterdir()} <= GENERATED):
        raise GenerationError(str(output), "holds what was not generated; name an empty folder or a new one")


def put_in_place(fresh: Path, output: Path, *, aside: Path) -> None:
    if output.exists():
        output.rename(aside)
    try:
        fresh.rename(output)
    except OSError:
        if aside.exists():
            aside.rename(output)
        raise


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Derive generated/ from the contract.")
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 on drift")
    parser.add_argument("--contract", type=Path, default=ROOT / "openapi" / "segmind.yaml")
    parser.add_argument("--output", type=Path, default=ROOT / "generated")
    return parser.parse_args()


def generate(contract_path: Path, folder: Path) -> None:
    """Writes everything that derives from the contract into a new folder; raises GenerationError."""
    contract = load_contract(contract_path)
    views = Views(contract)
    folder.mkdir()
    write_python_package(views, folder / "segmind_api")
    write_editions(contract, folder / "segmind_openapi", source=contract_path.read_bytes())
    write_models_table(views, folder / "models.md")


def report_drift(*, committed: Path, fresh: Path) -> int:
    if not committed.is_dir():
        print(f"{committed}: there is no such folder. Run make generate.", file=sys.stderr)
        return 1
    paths = sorted(set(files_below(committed)) | set(files_below(fresh)))
    drifted = 0
    for path in paths:
        old, new = read_lines(committed / path), read_lines(fresh / path)
        if old != new:
            drifted += 1
            sys.stdout.writelines(difflib.unified_diff(old, new, f"committed/{path}", f"from the contract/{path}"))
    if drifted:
        print(
            f"{committed}: {drifted} files differ from the contract. Run make generate.",
            file=sys.stderr,
        )
        return 1
    print(f"{committed}: {len(paths)} files, all as the contract has them.")
    return 0


def files_below(folder: Path) -> list[str]:
    return [
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]


def read_lines(path: Path) -> list[str]:
    if not path.exists():
        return []
    # A file that exists but is empty must differ from one that does not exist.
    return path.read_text(encoding="utf-8").splitlines(keepends=True) or ["(empty file)\n"]


if __name__ == "__main__":
    sys.exit(main())
