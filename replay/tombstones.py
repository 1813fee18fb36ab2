"""What was forgotten of a recipe: by whom, when and why. Read from the facets that forgetting leaves."""

from __future__ import annotations

import msgspec

from replay.lineage import Facet
from replay.recipe import Recipe
from replay.store.database import Store
from replay.store.holdings import FORGOTTEN
from replay.uid import uid_of

IMAGE, PATCH = "the archived image", "the uncommitted diff"


class Tombstone(msgspec.Struct, frozen=True, kw_only=True):
    """One thing whose recorded bytes were dropped on purpose."""

    what: str
    by: str
    when: str
    """UTC, ISO 8601."""
    reason: str
    proof: str = ""
    """The replay that had made it identically: then it can be recomputed."""

    @property
    def recomputable(self) -> bool:
        """Whether its step makes it again."""
        return bool(self.proof)

    def __str__(self) -> str:
        when = f"{self.when[:19].replace('T', ' ')} UTC"
        if self.recomputable:
            return f"{self.what} was dropped on purpose by {self.by} on {when} ({self.reason}; proven by {self.proof})"
        return f"{self.what} was forgotten by {self.by} on {when}: {self.reason}"


def tombstones(recipe: Recipe, store: Store) -> dict[str, Tombstone]:
    """Path (or `IMAGE`, `PATCH`) → tombstone, of everything that was forgotten since the recipe was recorded here.

    Whether the bytes are to be had elsewhere all the same, this does not say.
    """
    wanted = {a.path: uid_of({"sha256": a.digests.sha256}) for step in recipe.steps for a in step.inputs}
    wanted |= {o.artifact.path: uid_of({"sha256": o.artifact.digests.sha256}) for s in recipe.steps for o in s.outputs}
    wanted[IMAGE] = uid_of({"image": recipe.environment.image.config})
    if recipe.code.patch:
        wanted[PATCH] = uid_of({"commit": recipe.code.commit, "patch": recipe.code.patch})
    since = next((row.created for row in store.models(recipe.name) if row.version == recipe.version), "")
    said = store.histories(list(dict.fromkeys(wanted.values())))
    found = ((what, standing(what, said.get(uid, []), since)) for what, uid in wanted.items())
    return {what: one for what, one in found if one is not None}


def standing(what: str, history: list[Facet], since: str = "") -> Tombstone | None:
    """The tombstone that holds of something, when it is not older than ``since``: it may have been recorded again."""
    newest = next((facet for facet in reversed(history) if facet.key == FORGOTTEN), None)
    if newest is None or not isinstance(newest.value, dict) or newest.recorded < since:
        return None
    return Tombstone(
        what=what,
        by=newest.basis or "unknown",
        when=newest.recorded,
        reason=str(newest.value.get("reason", "no reason is recorded")),
        proof=str(newest.value.get("proof", "")),
    )


def dropped_of(told: dict[str, Tombstone]) -> set[str]:
    """The paths whose recorded bytes were dropped because their steps make them again."""
    return {path for path, one in told.items() if one.recomputable}


def explained(failure: str, told: dict[str, Tombstone], recipe: Recipe) -> str:
    """Why a replay cannot be: what was forgotten on purpose first, in plain words, then what failed.

    Of what was forgotten only that counts which no step makes again.
    """
    made = {o.artifact.path for step in recipe.steps for o in step.outputs}
    lost = {what: one for what, one in told.items() if what not in made and not one.recomputable}
    named = [one for what, one in lost.items() if failure.startswith(what)] or list(lost.values())
    others = [one for one in lost.values() if one not in named]
    words = "; ".join(str(one) for one in (*named, *others) if str(one) not in failure)
    return f"{words} ({failure})" if words else failure
