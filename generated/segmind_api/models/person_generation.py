# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
from typing import Literal

PersonGeneration = Literal["ALLOW_ADULT", "DONT_ALLOW"]
