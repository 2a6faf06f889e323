#!/usr/bin/env python3
"""Builds a release into `dist/`: wheel, source distribution, editions, reference, what changed, checksums.

    scripts/release.py 0.2.0    exits with 1, and says why, if the commit is not that release

Builds the commit, not the working tree, twice and in two folders: the same commit has to give the same bytes. Then
installs the wheel and the source distribution, each alone, and runs a job against the double with it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
EDITIONS = Path("generated") / "segmind_openapi"
PROGRAM = """\
import sys
from importlib.metadata import version
from segmind_client import Client
from segmind_mock import DEFAULT_KEY, Double, Settings, serve
with serve(Double(Settings(latency_factor=0)).app) as url, Client(DEFAULT_KEY, base_url=url) as client:
    assert client.run_model("imagen-4", {"prompt": "a paper boat"}).status == "COMPLETED"
assert version("segmind-openapi") == sys.argv[1]
"""


class ReleaseError(Exception):
    """The commit cannot be released; says why and what to do."""


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: make release VERSION=0.2.0", file=sys.stderr)
        return 2
    version = sys.argv[1]
    try:
        changes = check_release(ROOT, version)
        with tempfile.TemporaryDirectory() as folder:
            first, second = (build(ROOT, Path(folder) / name, changes) for name in ("first", "second/of two"))
            check_same(first, second)
            for package in sorted(first.glob("segmind_openapi-*")):
                install(package, version)
            shutil.rmtree(DIST, ignore_errors=True)
            shutil.copytree(first, DIST)
    except (ReleaseError, OSError) as error:
        print(f"{error}\nNothing was released.", file=sys.stderr)
        return 1
    released = ROOT / "openapi" / "released" / "segmind.json"
    released.parent.mkdir(exist_ok=True)
    shutil.copy(DIST / "editions" / "segmind.json", released)
    print((DIST / "SHA256SUMS").read_text(encoding="utf-8"), end="")
    print(f"dist/ is release {version}. CONTRIBUTING.md says how to publish it.")
    return 0


def check_release(root: Path, version: str) -> str:
    """What CHANGELOG.md says of the version; raises ReleaseError for a commit that is not that release."""
    declared = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    if declared != version:
        raise ReleaseError(f"pyproject.toml: the version is {declared}, not {version}; set it and commit")
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    section = re.search(rf"^## {re.escape(version)}\b[^\n]*\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if section is None or not section[1].strip():
        raise ReleaseError(f'CHANGELOG.md: no text under "## {version}"; run: towncrier build --version {version}')
    if changed := run("git", "status", "--porcelain", cwd=root):
        raise ReleaseError(f"the working tree has changes; commit them first:\n{changed.rstrip()}")
    return section[1].strip() + "\n"


def build(root: Path, folder: Path, changes: str) -> Path:
    """Builds the commit in a new folder and returns the folder with what is released."""
    source, dist = folder / "source", folder / "dist"
    source.mkdir(parents=True)
    archive = folder / "source.tar"
    run("git", "archive", "--output", archive, "HEAD", cwd=root)
    shutil.unpack_archive(archive, source, filter="data")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, source)
    editions = dist / "editions"
    editions.mkdir()
    for edition in (source / "openapi" / "segmind.yaml", *sorted((source / EDITIONS).glob("*.json"))):
        shutil.copyfile(edition, editions / edition.name)
    redocly = root / "node_modules" / ".bin" / "redocly"
    # With a relative path: redocly writes the path that it is given into the page.
    reference = ("build-docs", "segmind.json", "--inlineBundle", "--output", dist / "reference.html")
    run(redocly, *reference, cwd=source / EDITIONS)
    (dist / "CHANGES.md").write_text(changes, encoding="utf-8", newline="\n")
    hashes = {path.relative_to(dist).as_posix(): hashlib.sha256(path.read_bytes()) for path in files_below(dist)}
    lines = [f"{sha256.hexdigest()}  {name}\n" for name, sha256 in hashes.items()]
    (dist / "SHA256SUMS").write_text("".join(lines), encoding="utf-8", newline="\n")
    return dist


def check_same(first: Path, second: Path) -> None:
    """Raises ReleaseError for two builds of one commit that differ."""
    names = {path.relative_to(folder) for folder in (first, second) for path in files_below(folder)}
    differ = [name.as_posix() for name in sorted(names) if content(first / name) != content(second / name)]
    if differ:
        raise ReleaseError(f"two builds of this commit differ: {', '.join(differ)}")


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def install(package: Path, version: str) -> None:
    """Installs a wheel or source distribution into an empty environment, and runs a job with it."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / ("Scripts" if os.name == "nt" else "bin") / "python"
        locked = (ROOT / "requirements" / "demo.txt").read_text(encoding="utf-8")
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text("\n".join(re.findall(r"^[\w-]+==[\w.]+", locked, re.MULTILINE)), encoding="utf-8")
        run(python, "-m", "pip", "install", "--quiet", "--constraint", constraints, f"{package}[mock]")
        run(python, "-c", PROGRAM, version, cwd=Path(folder))


def run(*command: str | Path, cwd: Path | None = None) -> str:
    environment = {**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    finished = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise ReleaseError(f"{' '.join(map(str, command))}: failed\n{finished.stdout}{finished.stderr}")
    return finished.stdout


if __name__ == "__main__":
    sys.exit(main())
