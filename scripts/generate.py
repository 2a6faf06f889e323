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
from generator.python import write_python_package

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    options = parse_arguments()
    output: Path = options.output
    output.parent.mkdir(parents=True, exist_ok=True)
    # Beside the output, so that moving it into place is a rename on one file system.
    with tempfile.TemporaryDirectory(prefix=".generate-", dir=output.parent) as folder:
        fresh = Path(folder) / "fresh"
        try:
            generate(options.contract, fresh)
        except GenerationError as error:
            print(f"{options.contract}: {error}\nNothing was written.", file=sys.stderr)
            return 1
        if options.check:
            return report_drift(committed=output, fresh=fresh)
        if output.exists():
            output.rename(Path(folder) / "replaced")
        fresh.rename(output)
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Derive generated/ from the contract.")
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 on drift")
    parser.add_argument("--contract", type=Path, default=ROOT / "openapi" / "segmind.yaml")
    parser.add_argument("--output", type=Path, default=ROOT / "generated")
    return parser.parse_args()


def generate(contract_path: Path, folder: Path) -> None:
    """Writes everything that derives from the contract into a new folder; raises GenerationError."""
    contract = load_contract(contract_path)
    folder.mkdir()
    write_python_package(contract, folder / "segmind_api")
    write_editions(contract, folder / "segmind_openapi")


def report_drift(*, committed: Path, fresh: Path) -> int:
    paths = sorted(set(files_below(committed)) | set(files_below(fresh)))
    drifted = 0
    for path in paths:
        old, new = read_lines(committed / path), read_lines(fresh / path)
        if old != new:
            drifted += 1
            sys.stdout.writelines(difflib.unified_diff(old, new, f"committed/{path}", f"from the contract/{path}"))
    if drifted:
        print(
            f"{committed}: {drifted} files differ from the contract. Run scripts/generate.py.",
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
