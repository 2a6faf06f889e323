"""The errors, by the name that the vendor's package has for their module."""

from segmind_client.errors import *  # noqa: F403  all that `errors` lists, whatever that is
