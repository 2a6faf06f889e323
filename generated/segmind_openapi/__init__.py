# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
"""Editions of the contract, as package data.

`segmind.json` is the contract itself, `segmind.codegen.json` its edition for code generators, and
`segmind.codegen-3.0.3.json` the same for tools that stop at OpenAPI 3.0. Read one with
`importlib.resources.files("segmind_openapi")`.
"""
