# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
from ..api.generations import generate_imagen_4
from ..api.jobs import submit_imagen_4
from ..models.imagen_4_request import Imagen4Request
from . import Model

MODEL = Model(
    slug="imagen-4",
    request=Imagen4Request,
    generate_path="/v1/imagen-4",
    read_generated=generate_imagen_4.read,
    submit_path="/v2/imagen-4",
    read_submitted=submit_imagen_4.read,
    output="image",
    price_usd=0.06,
    typical_latency_seconds=11.6,
)
