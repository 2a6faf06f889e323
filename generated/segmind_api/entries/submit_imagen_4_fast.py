# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
from ..api.generations import generate_imagen_4_fast
from ..api.jobs import submit_imagen_4_fast
from ..models.imagen_4_fast_request import Imagen4FastRequest
from . import Model

MODEL = Model(
    slug="imagen-4-fast",
    request=Imagen4FastRequest,
    generate_path="/v1/imagen-4-fast",
    read_generated=generate_imagen_4_fast.read,
    submit_path="/v2/imagen-4-fast",
    read_submitted=submit_imagen_4_fast.read,
    output="image",
    price_usd=0.02,
    typical_latency_seconds=5,
)
