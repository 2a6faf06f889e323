# Written by scripts/generate.py from openapi/segmind.yaml; do not edit.
"""The URL of the service, and the API key that it takes."""

BASE_URL = "https://api.segmind.com"
API_KEY_HEADER = "x-api-key"
API_KEY_VARIABLE = "SEGMIND_API_KEY"
"""The environment variable that holds a key."""
API_KEY_PATTERN = "^SG_[0-9A-Fa-f]{16}$"
"""The form of a key, as a regular expression."""
