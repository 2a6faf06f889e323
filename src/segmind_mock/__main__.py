"""The command `segmind-mock`: serves the double, or a proxy that checks the service, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import tempfile
from dataclasses import asdict, fields
from pathlib import Path
from typing import get_args

from segmind_mock.records import DEFAULT_KEY
from segmind_mock.settings import GenerateAs, ImageFormat, Settings

DEFAULT_PORT = 4010
TOKEN_VARIABLE = "SEGMIND_MOCK_ADMIN_TOKEN"  # noqa: S105  the name of a variable


def main(arguments: list[str] | None = None, *, prog: str = "segmind-mock") -> int:
    options = parse_arguments(sys.argv[1:] if arguments is None else arguments, prog)
    try:
        return int(options.command(options))
    except ModuleNotFoundError as error:
        extra = "redis" if error.name == "redis" else "mock"
        print(f"{error.name} is missing; install it with: pip install 'segmind-openapi[{extra}]'", file=sys.stderr)
    except KeyboardInterrupt:
        return 0
    except OSError as error:
        # Errors of `listen` have a complete message, which needs no error number.
        message = error.strerror if error.strerror and error.filename is None else error
        print(f"segmind-mock: {message}", file=sys.stderr)
    except (OverflowError, ValueError) as error:
        print(f"segmind-mock: {error}", file=sys.stderr)
    return 1


def serve_double(options: argparse.Namespace) -> int:
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    from segmind_mock.access import is_loopback
    from segmind_mock.server import listen, server_config, url_of
    from segmind_mock.worker import WorkerSettings

    if options.workers < 1:
        raise ValueError("expected 1 worker or more")
    given_token = options.admin_token or os.environ.get(TOKEN_VARIABLE) or None
    with (
        tempfile.TemporaryDirectory(prefix="segmind-mock-") as folder,
        listen(options.host, options.port) as listener,
    ):
        store = options.store or (f"sqlite:{Path(folder) / 'state.db'}" if options.workers > 1 else "memory")
        if store == "memory" and options.workers > 1:
            raise ValueError(
                "several workers cannot share memory: leave out --store for SQLite, or give sqlite:FILE or redis://HOST"
            )
        beyond_loopback = options.admin_everywhere or not is_loopback(listener.getsockname()[0])
        token = given_token or (secrets.token_urlsafe(16) if beyond_loopback else None)
        settings = WorkerSettings(
            store=store,
            key=options.key,
            credits=options.credits,
            requests_per_minute=options.requests_per_minute,
            admin_access={"token": token, "everywhere": options.admin_everywhere, "host": options.host.lower()},
            settings={field.name: getattr(options, field.name) for field in fields(Settings)},
        )
        double = settings.double()
        key = double.account(options.key).key
        double.store.close()
        url = url_of(options.host, listener)
        lines = [
            f"The double listens on {url}",
            f"    export SEGMIND_BASE_URL={url}",
            f"    export SEGMIND_API_KEY={key}",
        ]
        if token is not None and given_token is None:
            lines.append(f"    export {TOKEN_VARIABLE}={token}")
        print(*lines, f"State is in {without_password(store)}. Stop it with Ctrl-C.", sep="\n", flush=True)
        settings.export()
        config = server_config("segmind_mock.worker:app", factory=True, workers=options.workers)
        if options.workers > 1:
            Multiprocess(config, sockets=[listener]).run()
        else:
            uvicorn.Server(config).run(sockets=[listener])
    return 0


def serve_proxy(options: argparse.Namespace) -> int:
    import uvicorn

    from segmind_mock.proxy import proxy_app
    from segmind_mock.server import listen, server_config, url_of

    app = proxy_app(options.upstream, lambda line: print(line, flush=True))
    with listen(options.host, options.port) as listener:
        url = url_of(options.host, listener)
        print(f"Calls to {url} go to {without_password(options.upstream)}; differences are reported here.", flush=True)
        uvicorn.Server(server_config(app)).run(sockets=[listener])
    return 0


def without_password(url: str) -> str:
    """A URL without its user, password and query, which may be secret."""
    before, separator, after = url.partition("://")
    return f"{before}{separator}{after.partition('?')[0].rpartition('@')[2]}" if separator else url


def parse_arguments(arguments: list[str], prog: str = "segmind-mock") -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=prog, description="A double of Segmind's image API.")
    parser.set_defaults(**{**asdict(Settings()), "command": serve_double, "latency_factor": 1.0})
    add_listener(parser, "127.0.0.1", DEFAULT_PORT)
    parser.add_argument("--key", default=DEFAULT_KEY, help="key of the ready account (default: %(default)s)")
    parser.add_argument("--credits", type=float, help="US dollars on it (default: 100)")
    parser.add_argument("--requests-per-minute", type=int, help="calls it may make in a minute (default: no limit)")
    parser.add_argument("--latency-factor", type=float, help="multiplies latencies; 0: no wait (default: %(default)g)")
    parser.add_argument("--latency-jitter", type=float, help="share by which the latency varies, 0 to 1")
    parser.add_argument("--polls-to-complete", type=int, help="status calls until a job ends, instead of time")
    parser.add_argument("--generate-as", choices=get_args(GenerateAs), help="format of v1 responses")
    parser.add_argument("--generate-seconds", type=float, help="until v1 is cut off with 504 (default: %(default)g)")
    parser.add_argument("--image-format", choices=get_args(ImageFormat), help="where no parameter chooses it")
    parser.add_argument("--strict", action="store_true", help="refuse parameters that the contract lacks")
    parser.add_argument("--workers", type=int, default=1, help="processes (default: %(default)s)")
    parser.add_argument(
        "--store", help="memory, sqlite:FILE or redis://HOST (default: memory; SQLite with more workers)"
    )
    parser.add_argument("--admin-everywhere", action="store_true", help="admin interface for other machines too")
    parser.add_argument(
        "--admin-token",
        help=f"token of the admin interface, sent as Authorization: Bearer (default: ${TOKEN_VARIABLE}, or a generated "
        "one if other machines can reach the double)",
    )
    commands = parser.add_subparsers()
    proxy = commands.add_parser("proxy", help="forward calls to the service, and report differences from the contract")
    proxy.set_defaults(command=serve_proxy)
    proxy.add_argument("--upstream", required=True, help="URL of the service")
    # Without defaults, which would override options before the command.
    add_listener(proxy, argparse.SUPPRESS, argparse.SUPPRESS)
    return parser.parse_args(arguments)


def add_listener(parser: argparse.ArgumentParser, host: str, port: int | str) -> None:
    parser.add_argument("--host", default=host, help="host name or IP address to listen on (default: 127.0.0.1)")
    parser.add_argument(
        "--port", type=int, default=port, help=f"port to listen on, 0 for a free one (default: {DEFAULT_PORT})"
    )


if __name__ == "__main__":
    sys.exit(main())
