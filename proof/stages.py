"""The stages of the proof, from the cheapest to the dearest; each is a module with a `main`."""

from collections.abc import Mapping
from typing import Final

STAGES: Final[Mapping[str, tuple[str, str]]] = {}
"""By name: the module whose `main(arguments)` carries the stage out, and what it does."""
