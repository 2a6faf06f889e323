# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
"""Typed Python for the Segmind image API, derived from version 0.1.0 of its contract.

- `segmind_api.models`: a class per schema. Request classes check what they are given and send only what was
  set; response classes are mappings over what the service sent, with typed attributes.
- `segmind_api.api`: a module per operation, each with `build`, `read`, `call` and `call_async`.
- `segmind_api.catalog`: the models that can be called, by slug.
- `segmind_api.calls`: call signatures that a type checker resolves by slug.
"""

CONTRACT_VERSION = "0.1.0"
