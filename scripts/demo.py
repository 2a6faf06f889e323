#!/usr/bin/env python3
"""Makes one image with each model, through v1 and through v2, and prints what it took.

scripts/demo.py            against the double: no key, no cost
scripts/demo.py --live     against the service, with SEGMIND_API_KEY, after asking
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from segmind_api.catalog import MODELS
from segmind_api.client import API_KEY_VARIABLE
from segmind_client import Client, Result, SegmindError
from segmind_mock import DEFAULT_KEY, Double, Settings, serve

PROMPT = "a lighthouse on a cliff at first light"
LATENCY_FACTOR = 0.05
"""The double takes a twentieth of the time that the service takes."""
ROW = "{:<16}  {:<5}  {:<10}  {:>7}  {:>6}  {}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Make one image with each model, through v1 and through v2.")
    parser.add_argument("--live", action="store_true", help="call the service, which costs money, not the double")
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="folder for the images")
    options = parser.parse_args()
    try:
        options.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"--output: {error}", file=sys.stderr)
        return 1
    if not options.live:
        with (
            serve(Double(Settings(latency_factor=LATENCY_FACTOR)).app) as address,
            Client(DEFAULT_KEY, base_url=address) as client,
        ):
            return make_images(client, options.output)
    if not os.environ.get(API_KEY_VARIABLE):
        print(f"--live needs a key: set {API_KEY_VARIABLE}. Nothing was sent.", file=sys.stderr)
        return 1
    with Client() as client:
        return make_images(client, options.output) if confirmed(client) else 1


def confirmed(client: Client) -> bool:
    unpriced = [slug for slug, model in MODELS.items() if model.price_usd is None]
    total = 2 * sum(model.price_usd or 0.0 for model in MODELS.values())
    # A price that is a range counts with its upper end.
    most = " at most" if any(model.price_range_usd for model in MODELS.values()) else ""
    print(f"{client}: {2 * len(MODELS)} images, at the contract's prices {total:.2f} US dollars{most}.")
    if unpriced:
        print(f"Nobody says what these cost: {', '.join(unpriced)}.")
    try:
        answer = input("Type yes to pay for them: ")
    except EOFError:
        answer = ""
    if answer.strip() != "yes":
        print("Nothing was sent.")
        return False
    return True


def make_images(client: Client, folder: Path) -> int:
    print(ROW.format("model", "route", "status", "time", "cost", "file"))
    failures = 0
    for slug in MODELS:
        for route, make in (("v1", client.generate_model), ("v2", client.run_model)):
            started = time.monotonic()
            try:
                made = make(slug, {"prompt": PROMPT})
                status = made.status if isinstance(made, Result) else str(made.response.status)
                cost, file = made.cost, str(made.save(folder))
            except SegmindError as error:
                failures += 1
                status, cost, file = "error", None, str(error)
            seconds = f"{time.monotonic() - started:.2f} s"
            print(ROW.format(slug, route, status, seconds, "-" if cost is None else f"${cost:.2f}", file), flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
