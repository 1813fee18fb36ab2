"""Rebuilds, reruns and judges recorded models.

    import replay

    with replay.Session.open(Path("."), overrides=(), progress=replay.Silent(), create=False) as session:
        recipe = replay.recipe_of("momentum:1", session)
        result = replay.replay(recipe, session)
        print(result.verdict, result.reason)

The names below are imported when they are first used. The verbs' packages (`replay.record`, `replay.diff` …) have the
parts; `replay.engine` and `replay.inspecting` have the whole.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from replay.engine import RecordRequest, Wishes, certify, recipe_of, replay
    from replay.errors import ReplayError
    from replay.identity import ModelId
    from replay.outcome import Match, ReplayResult, Verdict
    from replay.progress import Silent
    from replay.recipe import Recipe
    from replay.session import Session

_HOMES = {
    "engine": ("RecordRequest", "Wishes", "certify", "recipe_of", "replay"),
    "errors": ("ReplayError",),
    "identity": ("ModelId",),
    "outcome": ("Match", "ReplayResult", "Verdict"),
    "progress": ("Silent",),
    "recipe": ("Recipe",),
    "session": ("Session",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Match",
    "ModelId",
    "Recipe",
    "RecordRequest",
    "ReplayError",
    "ReplayResult",
    "Session",
    "Silent",
    "Verdict",
    "Wishes",
    "certify",
    "recipe_of",
    "replay",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"replay.{_HOME[name]}"), name)
