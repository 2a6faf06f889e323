# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
from typing import Literal

SafetyFilterLevel = Literal["BLOCK_LOW_AND_ABOVE", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_ONLY_HIGH"]
