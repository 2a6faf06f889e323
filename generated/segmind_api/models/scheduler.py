# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
from typing import Literal

Scheduler = Literal["DDIM", "PNDM", "LMSDiscrete", "DPMSolverMultistep", "EulerAncestralDiscrete"]
