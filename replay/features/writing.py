"""Rows are written to a group: once, as they are, for good."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from replay.acting import Asker, act
from replay.errors import StoreBusyError, UsageError
from replay.features.groups import BATCH, ROWS, SCHEMA, batches_of, known, source_uid
from replay.features.values import Batch, Definition, Group
from replay.lineage import Edge, EdgeType, Kind, Node
from replay.store import fsops
from replay.store.database import Decision
from replay.store.hashing import Described, describe

if TYPE_CHECKING:
    from replay.features.incoming import Facts
    from replay.session import Session
    from replay.store.database import Store


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What `write` kept, or found."""

    batch: Batch
    new: bool
    """False when the same bytes were written to this group before."""


class _Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """Checked rows on their way into the store."""

    name: str
    parquet: Path
    described: Described
    facts: Facts
    definition: Definition
    source: Node | None = None
    """The CSV file that they were converted from."""


def write(group: Group, path: Path, session: Session) -> Written:
    """Check the rows of a Parquet or CSV file and keep them as a batch of ``group``.

    A Parquet file is kept as it is, byte for byte, so that a batch which a recorded run made stands on that run. A CSV
    file is converted with the group's types; the batch stands on the file's bytes.

    Raises:
        UsageError: The rows are not such as the group has (see `incoming`), or the file is none.
        PolicyError: Who runs the command may not.
        StoreError: They could not be kept; nothing was recorded.
    """
    store = session.store
    session.require("use", [group.uid])
    given = describe(path, max_bytes=None)
    if given.files != 1 or not path.is_file():
        raise UsageError(f"{path}: got a directory, expected a Parquet or CSV file")
    if (before := _find(group, given.digests.sha256, store)) is not None:
        return Written(batch=before, new=False)
    with _checked(group, path, given, store) as incoming:
        if (before := _find(group, incoming.described.digests.sha256, store)) is not None:
            return Written(batch=before, new=False)
        store.blobs.put_file(incoming.parquet, incoming.described.digests.sha256)
    asker = session.asker
    store.decide(lambda: _decision(group, incoming, asker, store))
    found = _find(group, incoming.described.digests.sha256, store)
    if found is None:
        raise StoreBusyError(f"{path}: the rows were written, and cannot be seen yet", hint="ask again")
    store.note("features write", feature_group=group.name, batch=found.sha256)
    return Written(batch=found, new=True)


def _find(group: Group, sha256: str, store: Store) -> Batch | None:
    """The batch that is these bytes, or that was made of them."""
    uid = source_uid(sha256)
    if not store.has(uid):
        return None
    made = {e.source for e, _ in store.neighbours(uid, direction="down") if _is(e, EdgeType.DERIVED_FROM, ROWS)}
    return next((batch for batch in batches_of(group, store) if batch.uid in {uid, *made}), None)


def _is(edge: Edge, type_: EdgeType, role: str) -> bool:
    return edge.type is type_ and edge.role == role


@contextmanager
def _checked(group: Group, path: Path, given: Described, store: Store) -> Iterator[_Incoming]:
    from replay.features.columns import require_keys
    from replay.features.incoming import check_parquet, columns_in, convert_csv, is_parquet, sane

    definition = group.definition
    if is_parquet(path):
        if not definition.columns:
            columns = columns_in(path)
            with sane(path, "Parquet file"):
                require_keys(columns, definition.record_id, definition.event_time)
            definition = msgspec.structs.replace(definition, columns=columns)
        facts = check_parquet(path, definition)
        yield _Incoming(name=path.name, parquet=path, described=given, facts=facts, definition=definition)
        return
    if not definition.columns:
        raise UsageError(
            f"{path}: the group has no columns yet, and a CSV file does not say their types",
            hint=f"write Parquet first, or say them: `replay features register {group.name} … --schema FILE`",
        )
    folder = scratch(store)
    with fsops.temporary(folder) as (target, _):
        with fsops.guard(target):
            facts = convert_csv(path, target, definition)
        yield _Incoming(
            name=path.name,
            parquet=target,
            described=describe(target),
            facts=facts,
            definition=definition,
            source=content_node(path.name, given),
        )


def scratch(store: Store) -> Path:
    """Where files lie while they are made; what dead processes left there is removed."""
    folder = store.root / "workspaces"
    fsops.make_dir(folder)
    fsops.sweep(folder)
    return folder


def _decision(group: Group, incoming: _Incoming, asker: Asker, store: Store) -> Decision:
    """The batch and who wrote it, unless the group has changed since its rows were checked."""
    definition = incoming.definition
    now = known(group.uid, store)
    decided = msgspec.structs.replace(now.definition, columns=now.definition.columns or definition.columns)
    if decided != definition:
        raise StoreBusyError(
            f"the definition of {group.name} was changed while the rows were checked against it",
            hint="run the same command again",
        )
    batch = content_node(incoming.name, incoming.described)
    facts = {"rows": incoming.facts.rows, "first": incoming.facts.first, "last": incoming.facts.last}
    said: dict[str, Any] = {} if now.definition.columns else {SCHEMA: [list(pair) for pair in definition.columns]}
    made = act(
        "write",
        asker,
        {batch.uid: BATCH, group.uid: "feature_group"},
        name=f"write {group.name}",
        attrs=facts | ({"says": said} if said else {}),
        facets={group.uid: said},
    )
    attrs = {
        **facts,
        "name": incoming.name,
        "blake3": incoming.described.digests.blake3,
        "definition": definition.version,
    }
    edges = [Edge(source=batch.uid, type=EdgeType.PART_OF, target=group.uid, role=BATCH, attrs=attrs)]
    nodes = [batch]
    if incoming.source is not None:
        nodes.append(incoming.source)
        edges.append(Edge(source=batch.uid, type=EdgeType.DERIVED_FROM, target=incoming.source.uid, role=ROWS))
    return (*nodes, *made.nodes), (*edges, *made.edges), made.facets


def content_node(name: str, described: Described) -> Node:
    """The content of a file, as recordings write it."""
    attrs: dict[str, Any] = {
        "kind": described.kind.value,
        "size": described.size,
        "files": described.files,
        "blake3": described.digests.blake3,
        "md5": described.digests.md5,
    }
    return Node(kind=Kind.DATASET, identity={"sha256": described.digests.sha256}, name=name, attrs=attrs)
