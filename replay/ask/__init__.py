"""Asking the lineage: from any node, in any direction, across stores."""

from replay.ask.asking import ask
from replay.ask.focal import focal
from replay.ask.interface import Ground, Guard, Place

__all__ = ["Ground", "Guard", "Place", "ask", "focal"]
