# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
from typing import Literal

AspectRatio = Literal["1:1", "4:3", "3:4", "9:16", "16:9"]
