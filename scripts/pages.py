#!/usr/bin/env python3
"""Reads saved pages of models and holds them against the contract.

    scripts/pages.py check PAGE…    print each difference between a page and the contract
    scripts/pages.py draft PAGE…    write the models of the pages into the contract

`check` exits with 0 if they agree, 1 if they differ, 2 if a page cannot be read. `draft` exits with 0 if it wrote, 1
if the contract cannot take a model, 2 if a page cannot be read; then nothing is written. Whatever is no difference, or
not sure, goes to the standard error.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from generator.contract import GenerationError, load_contract
from generator.views import Views
from model_pages.comparing import Comparison
from model_pages.drafting import ContractText, Draft, DraftError, draft_of
from model_pages.page import Page, PageError
from model_pages.reading import read_page

CONTRACT = Path(__file__).resolve().parent.parent / "openapi" / "segmind.yaml"
AGREE, DIFFER, UNREADABLE = 0, 1, 2


def main() -> int:
    options = parse_arguments()
    pages, status = read_pages(options.pages)
    try:
        if options.command == "check":
            return max(status, check(options.contract, pages))
        return status or draft(options.contract, pages)
    except (GenerationError, DraftError, OSError) as error:
        say(f"{options.contract}: {error}")
        say("Nothing was written." if options.command == "draft" else "Nothing was checked.")
        return DIFFER


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Hold saved pages of models against the contract.")
    parser.add_argument("command", choices=["check", "draft"])
    parser.add_argument("pages", metavar="PAGE", nargs="+", type=Path, help="a model's page, saved as text")
    parser.add_argument("--contract", type=Path, default=CONTRACT)
    return parser.parse_args()


def read_pages(paths: list[Path]) -> tuple[list[tuple[Path, Page]], int]:
    """The pages that can be read, and what to exit with."""
    found: list[tuple[Path, Page]] = []
    status = AGREE
    for path in paths:
        try:
            found.append((path, read_page(path)))
        except PageError as error:
            say(f"{path}:{error.line}: cannot be read from here: {error.problem}")
            status = UNREADABLE
        except OSError as error:
            say(f"{path}: cannot be read: {error.strerror}")
            status = UNREADABLE
    return found, status


def check(contract_path: Path, pages: list[tuple[Path, Page]]) -> int:
    contract = load_contract(contract_path)
    status = AGREE
    for path, page in pages:
        comparison = Comparison(contract, page)
        for line, text in comparison.differences:
            print(f"{path}:{line}: {page.slug}: {text}")
            status = DIFFER
        for text in comparison.left_out:
            say(f"{path}: {page.slug}: not on the page, so no difference: {text}")
        if not comparison.differences:
            say(f"{path}: {page.slug}: agrees with the contract")
    return status


def draft(contract_path: Path, pages: list[tuple[Path, Page]]) -> int:
    contract = ContractText(contract_path.read_text(encoding="utf-8"))
    drafts: list[Draft] = []
    for path, page in pages:
        try:
            drafts.append(draft_of(page, contract))
        except DraftError as error:
            raise DraftError(f"{path}: {error}") from error
        contract.add(drafts[-1])
    # Refused here, a draft leaves no contract behind that cannot be generated from.
    with tempfile.TemporaryDirectory(prefix=".draft-", dir=contract_path.parent) as folder:
        drafted = Path(folder) / contract_path.name
        drafted.write_text(contract.text(), encoding="utf-8", newline="\n")
        Views(load_contract(drafted))
        drafted.replace(contract_path)
    for made in drafts:
        print(f"{made.slug}: written into {contract_path}")
    for made in drafts:
        for text in made.unsure:
            say(f"{made.slug}: not sure: {text}")
    say("Replace each TODO in the contract by a description of your own, then run make generate.")
    return AGREE


def say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
