#!/usr/bin/env python3
"""What the command line costs before it does anything: CPU of `segmind --help` and of one Tab, beside its peers.

    benchmarks/cli.py [--rounds 15]

The commands take turns. Of the peers (hf, llm, http, fal), those that are on PATH are measured: install them in another
environment with `pip install huggingface_hub llm httpie fal`.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

BIN = Path(sys.executable).parent
TAB = {"_SEGMIND_COMPLETE": "bash_complete", "COMP_WORDS": "segmind run im", "COMP_CWORD": "2"}
PEERS = ("hf", "llm", "http", "fal")


def cpu_ms(command: list[str], variables: dict[str, str]) -> float:
    """Milliseconds of CPU of a command, with its interpreter."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env={**os.environ, **variables}, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    segmind = str(BIN / "segmind")
    commands: dict[str, tuple[list[str], dict[str, str]]] = {
        "python -c pass": ([sys.executable, "-c", "pass"], {}),
        "import click": ([sys.executable, "-c", "import click"], {}),
        "segmind --help": ([segmind, "--help"], {}),
        "segmind run MODEL --help": ([segmind, "run", "imagen-4-fast", "--help"], {}),
        "segmind, one Tab": ([segmind], TAB),
        **{f"{peer} --help": ([peer, "--help"], {}) for peer in PEERS if shutil.which(peer)},
    }
    figures: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, (command, variables) in commands.items():
            figures[name].append(cpu_ms(command, variables))
    bare = statistics.median(figures["python -c pass"])
    print(f"{'':26} {'CPU ms':>7} {'of bare Python':>15}")
    for name, values in figures.items():
        print(f"{name:26} {statistics.median(values):7.0f} {statistics.median(values) / bare:15.1f}")


if __name__ == "__main__":
    main()
