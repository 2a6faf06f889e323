# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
from ..api.generations import generate_imagen_4_ultra
from ..api.jobs import submit_imagen_4_ultra
from ..models.imagen_4_ultra_request import Imagen4UltraRequest
from . import Model

MODEL = Model(
    slug="imagen-4-ultra",
    request=Imagen4UltraRequest,
    generate_path="/v1/imagen-4-ultra",
    read_generated=generate_imagen_4_ultra.read,
    submit_path="/v2/imagen-4-ultra",
    read_submitted=submit_imagen_4_ultra.read,
    output="image",
    price_usd=0.06,
    typical_latency_seconds=12.07,
)
