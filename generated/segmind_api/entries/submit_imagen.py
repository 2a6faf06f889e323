# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
from ..api.generations import generate_imagen
from ..api.jobs import submit_imagen
from ..models.imagen_request import ImagenRequest
from . import Model

MODEL = Model(
    slug="imagen",
    request=ImagenRequest,
    generate_path="/v1/imagen",
    read_generated=generate_imagen.read,
    submit_path="/v2/imagen",
    read_submitted=submit_imagen.read,
    output="image",
    price_usd=0.06,
    typical_latency_seconds=8.16,
)
