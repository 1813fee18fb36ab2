"""Who asks, and what they may do."""

from replay.access.asking import current, require
from replay.access.ground import ground_of

__all__ = ["current", "ground_of", "require"]
