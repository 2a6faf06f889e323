# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
"""The operations with the tag `generations`."""
