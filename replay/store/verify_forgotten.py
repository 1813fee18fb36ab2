"""Which blobs must be gone, because they were forgotten and nobody holds them any more."""

from __future__ import annotations

from replay.store import reads
from replay.store.blobs import Blobs
from replay.store.holders import holders_in
from replay.store.holdings import FORGOTTEN, blob_claims, dropped
from replay.store.interface import Database


def forgotten(database: Database, blobs: Blobs) -> dict[str, str]:
    """Of every such blob: by whom it was forgotten, when and why. One cheap look where nothing ever was."""
    said = {facet.node: facet for facet in reads.facets_like(database, FORGOTTEN, FORGOTTEN)}
    if not said:
        return {}
    claims = blob_claims(holders_in(database), blobs)
    found = {}
    for sha256 in dropped(claims):
        facet = said[claims[sha256][0][1].uid]
        why = facet.value.get("reason") if isinstance(facet.value, dict) else facet.value
        found[sha256] = f"forgotten by {facet.basis or 'unknown'} on {facet.recorded[:19]} ({why})"
    return found
