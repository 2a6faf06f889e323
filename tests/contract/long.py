"""Runs Schemathesis against the double for as long as one likes, with a new seed each time: `make contract-long`."""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from segmind_mock import DEFAULT_KEY, serve
from tests.conftest import ROOT
from tests.support.stage import Stage

CONFIG = ROOT / "build" / "contract" / "long.toml"
MANY = 1_000_000


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make contract-long", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (default: %(default)g)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32), help="a seed that was printed before")
    options = parser.parse_args(arguments)
    # A deterministic run takes no seed.
    CONFIG.parent.mkdir(parents=True, exist_ok=True)
    settings = (ROOT / "schemathesis.toml").read_text(encoding="utf-8")
    CONFIG.write_text(settings.replace("deterministic = true", "deterministic = false"), encoding="utf-8")
    stage = Stage()
    stage.let_jobs_live()
    with serve(stage) as address:
        print(f"Seed {options.seed}; to repeat this run: make contract-long ARGS='--seed {options.seed}'", flush=True)
        command = [
            *(str(Path(sys.executable).with_name("st")), "--config-file", str(CONFIG)),
            *("run", "openapi/segmind.yaml", "--url", address),
            *("--seed", str(options.seed), "--max-examples", str(MANY)),
            *("--max-time", str(max(1, round(options.minutes * 60)))),
        ]
        environment = {**os.environ, "SEGMIND_API_KEY": DEFAULT_KEY}
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
