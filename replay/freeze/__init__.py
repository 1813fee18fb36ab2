"""Lineage → recipe: collects every gap, then decides the grade."""

from replay.freeze.files import load_recipe, write_recipe
from replay.freeze.freezer import freeze

__all__ = ["freeze", "load_recipe", "write_recipe"]
