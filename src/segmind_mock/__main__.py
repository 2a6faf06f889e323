"""The command `segmind-mock`: serves the double until it is interrupted."""

from __future__ import annotations

import argparse
import sys

DEFAULT_PORT = 4010


def main() -> int:
    options = parse_arguments()
    try:
        import uvicorn

        from segmind_mock import DEFAULT_KEY, Double
    except ModuleNotFoundError as error:
        print(f"{error.name} is missing; install it with: pip install 'segmind-openapi[mock]'", file=sys.stderr)
        return 1
    double = Double(latency_factor=options.latency_factor)
    account = double.accounts.add(options.key or DEFAULT_KEY, credits=options.credits)
    print(
        f"The double listens on http://{options.host}:{options.port}\n"
        f"    export SEGMIND_BASE_URL=http://{options.host}:{options.port}\n"
        f"    export SEGMIND_API_KEY={account.key}\n"
        f"It has {account.credits:g} credits. Stop it with Ctrl-C.",
        flush=True,
    )
    uvicorn.run(double.app, host=options.host, port=options.port, log_level="warning")
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="segmind-mock", description="A stateful double of Segmind's image API.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port to listen on (default: %(default)s)")
    parser.add_argument("--key", help="key of the ready account (default: one that is printed)")
    parser.add_argument("--credits", type=float, default=100.0, help="US dollars on it (default: %(default)g)")
    parser.add_argument(
        "--latency-factor",
        type=float,
        default=1.0,
        help="times the typical latency of each model; 0 completes at once (default: %(default)g)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
