"""Starts the command line, or says what to install for it."""

from __future__ import annotations

import sys
from importlib.util import find_spec

NEEDED = ("click", "rich")


def main() -> int:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        install = "install it with: pip install 'segmind-openapi[cli]'"
        print(f"segmind: the command line needs {' and '.join(missing)}; {install}", file=sys.stderr)
        return 1
    from segmind_cli.app import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
