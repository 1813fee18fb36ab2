"""Who asks, what they may do, and which stores are read beside one's own."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from replay.access.ground import close, ground_of, has_attachments, is_open

if TYPE_CHECKING:
    from replay.access.asking import current, require
    from replay.access.guarding import require_attached

__all__ = ["close", "current", "ground_of", "has_attachments", "is_open", "require", "require_attached"]
_LATER = {"current": "asking", "require": "asking", "require_attached": "guarding"}


def __getattr__(name: str) -> Any:
    """Import the rest when it is used: most stores have no policy."""
    if name in _LATER:
        return getattr(import_module(f"replay.access.{_LATER[name]}"), name)
    raise AttributeError(name)
