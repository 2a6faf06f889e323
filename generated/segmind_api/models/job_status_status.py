# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
from typing import Literal

JobStatusStatus = Literal["QUEUED", "PROCESSING", "COMPLETED"]
