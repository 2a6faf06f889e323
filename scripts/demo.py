#!/usr/bin/env python3
"""Calls each model, through v1 and through v2, prints what it took, and shows all that was made in one picture.

scripts/demo.py            against the double: no key, no cost
scripts/demo.py --live     against the service, with SEGMIND_API_KEY, after asking
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps, UnidentifiedImageError

from segmind_api.catalog import MODELS
from segmind_api.client import API_KEY_VARIABLE
from segmind_client import Client, Result, SegmindError
from segmind_mock import DEFAULT_KEY, Double, Settings, serve

PROMPT = "a lighthouse on a cliff at first light"
LATENCY_FACTOR = 0.05
"""The double takes a twentieth of the time that the service takes."""
COLUMNS, TILE, LABEL, GAP = 4, 320, 30, 20
"""Of the picture of all: how many tiles are side by side, and pixels."""
ROW = "{:<16}  {:<5}  {:<10}  {:>7}  {:>6}  {}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Call each model, through v1 and through v2.")
    parser.add_argument("--live", action="store_true", help="call the service, which costs money, not the double")
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="folder for the files")
    options = parser.parse_args()
    # `save` chooses the extensions, and would warn of each.
    logging.getLogger("segmind_client").setLevel(logging.ERROR)
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
            return make_files(client, options.output)
    if not os.environ.get(API_KEY_VARIABLE):
        print(f"--live needs a key: set {API_KEY_VARIABLE}. Nothing was sent.", file=sys.stderr)
        return 1
    with Client() as client:
        return make_files(client, options.output) if confirmed(client) else 1


def confirmed(client: Client) -> bool:
    unpriced = [slug for slug, model in MODELS.items() if model.price_usd is None]
    total = 2 * sum(model.price_usd or 0.0 for model in MODELS.values())
    # A price that is a range counts with its upper end.
    most = " at most" if any(model.price_range_usd for model in MODELS.values()) else ""
    print(f"{client}: {2 * len(MODELS)} calls, at the contract's prices {total:.2f} US dollars{most}.")
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


def make_files(client: Client, folder: Path) -> int:
    print(ROW.format("model", "route", "status", "time", "cost", "file"))
    failures, saved = 0, list[Path]()
    for slug in MODELS:
        parameters = parameters_of(slug)
        for route, make in (("v1", client.generate_model), ("v2", client.run_model)):
            started = time.monotonic()
            try:
                made = make(slug, parameters)
                status = made.status if isinstance(made, Result) else str(made.response.status)
                saved.append(made.save(folder / f"{slug}-{route}", overwrite=True))
                cost, file = made.cost, str(saved[-1])
            except SegmindError as error:
                failures += 1
                status, cost, file = "error", None, str(error)
            seconds = f"{time.monotonic() - started:.2f} s"
            print(ROW.format(slug, route, status, seconds, "-" if cost is None else f"${cost:.2f}", file), flush=True)
    if saved:
        sheet = folder / "contact-sheet.png"
        contact_sheet(saved).save(sheet)
        print(f"All of them in one picture: {sheet}")
    return 1 if failures else 0


def parameters_of(slug: str) -> Mapping[str, Any]:
    """The prompt; for a model that requires anything else, the contract's first example."""
    contract = json.loads((files("segmind_openapi") / "segmind.json").read_text(encoding="utf-8"))

    def resolved(node: Any) -> Any:
        if "$ref" not in node:
            return node
        section, name = node["$ref"].split("/")[2:]
        return contract["components"][section][name]

    body = resolved(contract["paths"][MODELS[slug].submit_path]["post"]["requestBody"])
    media = body["content"]["application/json"]
    if resolved(media["schema"]).get("required") == ["prompt"]:
        return {"prompt": PROMPT}
    example: Mapping[str, Any] = next(iter(media["examples"].values()))["value"]
    return example


def contact_sheet(paths: Sequence[Path]) -> Image.Image:
    """Small copies of images with their names; a tile with the name alone for any other file."""
    rows = math.ceil(len(paths) / COLUMNS)
    across, down = TILE + GAP, TILE + LABEL + GAP
    sheet = Image.new("RGB", (COLUMNS * across + GAP, rows * down + GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(16)
    for place, path in enumerate(paths):
        left, top = GAP + place % COLUMNS * across, GAP + place // COLUMNS * down
        draw.rectangle((left, top, left + TILE, top + TILE), fill=(238, 238, 238))
        try:
            with Image.open(path) as image:
                small = ImageOps.contain(image.convert("RGB"), (TILE, TILE), Image.Resampling.LANCZOS)
            sheet.paste(small, (left + (TILE - small.width) // 2, top + (TILE - small.height) // 2))
        except UnidentifiedImageError:
            middle = (left + TILE // 2, top + TILE // 2)
            draw.text(middle, path.suffix.removeprefix(".").upper(), fill="black", font=font, anchor="mm")
        draw.text((left, top + TILE + 6), path.name, fill="black", font=font)
    return sheet


if __name__ == "__main__":
    sys.exit(main())
