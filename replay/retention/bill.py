"""The whole bill: what is looked at, measured and counted for ``replay costs``."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from replay.identity import ModelId
from replay.retention.costing import Amount, Costs, costs
from replay.retention.looking import Seen, look
from replay.retention.shelves import measured
from replay.retention.world import STORE
from replay.session import Session

_EVIDENCE = {
    "mirrors": "bare Git mirrors",
    "replays": "results, reports and logs of replays",
    "workspaces": "kept workspaces and copies made for comparing",
}


def bill(models: Sequence[str], session: Session, *, dvc: str = "unused") -> Costs:
    """What is kept here costs.

    Args:
        models: Which model versions get a line; all of them when none is named.
        session: Where.
        dvc: Which objects of DVC's cache deleting would take; one of `in_use.MODES`.

    Raises:
        ModelNotFoundError: There is no such model version.
    """
    uids = [session.store.model_version(ModelId.parse(model)) for model in dict.fromkeys(models)]
    seen = look(session, dvc=dvc, strict=False)
    chosen = [seen.holder(uid) for uid in dict.fromkeys(uids)] if uids else seen.versions
    made = costs(seen.world, seen.standings, chosen, seen.now)
    unclaimed = _unclaimed(seen)
    return msgspec.structs.replace(
        made, places=_places(seen, session), unclaimed=unclaimed, unknown=(*made.unknown, *_unknown(session))
    )


def _places(seen: Seen, session: Session) -> tuple[Amount, ...]:
    root = session.store.root
    found = [Amount(name="the store's blobs", bytes=measured(root / "blobs"))]
    for cache in seen.shelves.caches:
        recorded = [piece.size for key, piece in seen.world.pieces.items() if key.place == str(cache)]
        whole, ours = measured(cache), sum(recorded)
        found += [
            Amount(name=f"DVC's cache {cache}, what is recorded", bytes=ours, files=len(recorded)),
            Amount(name=f"DVC's cache {cache}, everything else", bytes=whole - ours),
        ]
    found += [Amount(name=name, bytes=measured(root / folder)) for folder, name in _EVIDENCE.items()]
    others = measured(root, without=("blobs", *_EVIDENCE))
    return (*found, Amount(name="lineage database and journal", bytes=others))


def _unclaimed(seen: Seen) -> Amount:
    """Blobs that nobody holds; the listings of directories are digests and belong to them."""
    blobs = seen.shelves.blobs
    listings = {t.sha256[0] for holder in seen.world.holders for t in holder.things if t.directory}
    claimed = {key.id for key in seen.world.by_key if key.place == STORE} | listings
    sizes = [blobs.path(sha256).lstat().st_size for sha256 in blobs.iter_ids() if sha256 not in claimed]
    return Amount(name="blobs that nothing in the lineage holds", bytes=sum(sizes), files=len(sizes))


def _unknown(session: Session) -> tuple[str, ...]:
    if not session.store.database.shared:
        return ()
    return (f"the size of the lineage in {session.store.database.place}", "what other stores with this lineage keep")
