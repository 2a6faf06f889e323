"""Every entry in changes/ is in the changelog that a release makes of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_changelog_of_a_release_has_every_entry() -> None:
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "1.0", "--date", "2026-01-01"]
    draft = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    entries = [entry for entry in (ROOT / "changes").iterdir() if entry.name != "README.md"]
    missing = [entry.name for entry in entries if entry.read_text().splitlines()[0] not in draft]
    assert entries or "No significant changes" in draft
    assert missing == []
