"""Runs Schemathesis against Prism, which serves the same contract and remembers nothing: `make contract-prism`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from segmind_mock import DEFAULT_KEY
from tests.conftest import ROOT
from tests.support.servers import free_port

PRISM = ROOT / "benchmarks" / "node_modules" / ".bin" / "prism"
CONTRACT = "openapi/segmind.yaml"
START_SECONDS = 30.0


def main() -> int:
    port = free_port()
    prism = [str(PRISM), "mock", "-v", "silent", CONTRACT, "-h", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(prism, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        try:
            wait_for(port, process)
            st = [str(Path(sys.executable).with_name("st")), "run", CONTRACT, "--url", f"http://127.0.0.1:{port}"]
            environment = {**os.environ, "SEGMIND_API_KEY": DEFAULT_KEY}
            return subprocess.run(st, cwd=ROOT, env=environment, check=False).returncode
        finally:
            process.terminate()


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("Prism did not start") from error
            time.sleep(0.1)
        else:
            return


if __name__ == "__main__":
    sys.exit(main())
