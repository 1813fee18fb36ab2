"""Which views a run used: its inputs are known by their bytes, and a view's file by the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from replay.features.groups import ROWS, is_any_registered, source_uid, view_of
from replay.lineage import EdgeType, Kind
from replay.recipe import Artifact, PathKind
from replay.record.views import UsedView
from replay.store.database import Store
from replay.store.hashing import digest_file


def views_among(inputs: Iterable[tuple[Artifact, Path]], store: Store) -> tuple[UsedView, ...]:
    """The views whose files are among the inputs of a run, or among the Parquet files in its directories.

    Args:
        inputs: What was recorded of each input, and where it lies.
        store: Where the views were read from.

    Raises:
        StoreError: The store or an input cannot be read.
    """
    if not is_any_registered(store):  # the usual case: no directory is hashed anew
        return ()
    found: dict[tuple[str, str], UsedView] = {}
    for path, sha256 in _files(inputs):
        uid = source_uid(sha256)
        edges = store.neighbours(uid) if store.has(uid) else []
        for edge, node in edges:
            if edge.type is EdgeType.DERIVED_FROM and edge.role == ROWS and node.kind is Kind.FEATURE_VIEW:
                view = view_of(node)
                used = UsedView(view=view.uid, group=view.group, path=path, as_of=view.as_of, written=view.written)
                found.setdefault((view.uid, path), used)
    return tuple(found.values())


def _files(inputs: Iterable[tuple[Artifact, Path]]) -> Iterator[tuple[str, str]]:
    """Path and SHA-256 of each file that may be a view's."""
    for artifact, place in inputs:
        if artifact.kind is PathKind.FILE:
            yield artifact.path, artifact.digests.sha256
            continue
        for file in sorted(place.rglob("*.parquet")):
            if file.is_file() and not file.is_symlink():
                inner = file.relative_to(place).as_posix()
                yield f"{artifact.path}/{inner}", digest_file(file)[1].sha256
