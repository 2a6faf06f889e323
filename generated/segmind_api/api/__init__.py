# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
"""The operations of the contract, a package per tag and a module per operation."""
