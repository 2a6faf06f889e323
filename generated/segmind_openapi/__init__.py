# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
"""Editions of the contract, as package data. Read one with `importlib.resources.files("segmind_openapi")`.

`segmind.json` is the contract itself, `segmind.codegen.json` its edition for code generators, and
`segmind.codegen-3.0.3.json` the same for tools that stop at OpenAPI 3.0. `segmind.strict-requests.json` refuses
parameters that no model has; `segmind.one-error-3.0.3.json` has one type of error. `info.x-edition` has the SHA-256 of
the contract that an edition was made from. `segmind.vocabularies.overlay.json` is an OpenAPI Overlay that says when to
poll and retry, `segmind.arazzo.json` has the calls of each model as Arazzo workflows.
"""
