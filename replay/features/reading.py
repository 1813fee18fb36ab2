"""The rows of a group as of a time: of each record the newest, among what was written until then."""

from __future__ import annotations

import datetime
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from replay.ask.times import instant
from replay.errors import StoreBusyError, StoreCorruptError, UsageError
from replay.features.groups import BATCH, ROWS, VIEW, batches_of, read_group, view_of
from replay.features.times import is_day, nanoseconds, recorded, shown
from replay.features.values import Batch, Columns, Definition, Group, View
from replay.features.writing import content_node, scratch
from replay.lineage import Edge, EdgeType, Kind, Node, agent_node
from replay.store import fsops
from replay.store.database import Decision
from replay.store.hashing import Described, describe

if TYPE_CHECKING:
    from replay.features.selecting import Selection
    from replay.session import Session
    from replay.store.database import Store


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What `read` wrote and recorded."""

    view: View
    path: Path
    described: Described
    batches: tuple[Batch, ...]
    """Those that it was read from, in the order of writing."""
    warnings: tuple[str, ...] = ()


class _Question(msgspec.Struct, frozen=True, kw_only=True):
    """A view before its rows are read."""

    node: Node
    """Without what is learnt from the rows."""
    as_of: int
    definition: Definition
    batches: tuple[Batch, ...]
    all_versions: bool


def read(
    group: Group,
    session: Session,
    *,
    as_of: str,
    target: Path,
    written: str | None = None,
    all_versions: bool = False,
) -> Reading:
    """Write the rows of ``group`` as of an event time to a Parquet file, and record the view.

    Of each record the newest row with an event time up to ``as_of`` counts, among the rows that were written up to
    ``written``; of several with the same event time the one that was written last. Records whose newest row says that
    they are deleted are left out. Rows come by record id. The same view is the same rows whenever it is read, and the
    same bytes with the same release of pyarrow.

    Args:
        group: From which group.
        session: Where it is recorded.
        as_of: The event time; without a zone it is UTC.
        target: The file; replaced when it is there.
        written: Up to which write; by default the newest one so far. Either way the view is pinned to a write.
        all_versions: All rows up to ``as_of`` instead, deletions included, by record id, event time and write.

    Raises:
        UsageError: A time is none or does not fit the group, or there were no columns yet.
        PolicyError: Who runs the command may not.
        StoreCorruptError: A batch's bytes are not the recorded ones, or other rows come out than before.
        StoreError: The file or the record could not be written.
    """
    from replay.features.selecting import Selection, write_rows

    if target.is_dir() or not target.parent.is_dir():
        raise UsageError(f"{target}: expected the path of a file in a directory that is there")
    store = session.store
    question = _question(group, store, as_of, written, all_versions)
    session.require("read", [group.uid, *(batch.uid for batch in question.batches)])
    selection = Selection(
        definition=question.definition,
        as_of=question.as_of,
        batches=question.batches,
        all_versions=all_versions,
    )
    reader = agent_node(session.asker.user, session.asker.basis)
    with fsops.temporary(target.parent) as (temp, fd):
        with fsops.guard(target):
            count, digest = write_rows(selection, store.blobs, temp, scratch(store), question.node.identity)
        described = describe(temp)
        view = _view_node(question, selection, count, digest)
        content = content_node(target.name, described)
        store.decide(lambda: _decision(group, question, view, content, reader, store))
        fsops.publish(temp, fd, target, mode=0o644)
    found = view_of(view)
    store.note("features read", feature_group=group.name, view=found.uid, as_of=found.as_of, written=found.written)
    warnings = tuple(_warnings(question, found))
    return Reading(view=found, path=target, described=described, batches=question.batches, warnings=warnings)


def _question(group: Group, store: Store, as_of: str, written: str | None, all_versions: bool) -> _Question:
    until = _until(written)
    with store.reading() as database, database.snapshot():
        then = read_group(store.node(group.uid), store, *until)
        batches = batches_of(group, store, *until)
    if then is None:
        raise UsageError(
            f"{group.name} was not registered at {written}", hint=f"it was at {group.definitions[0].recorded}"
        )
    definition = then.definition
    if not definition.columns:
        raise UsageError(
            f"{group.name} had no rows at {written}" if written else f"{group.name} has no rows yet",
            hint=f"`replay features write {group.name} FILE` writes some",
        )
    moment, text = _event_time(as_of, definition, group.name)
    identity = {
        "feature_group": group.name,
        "store": store.id,
        "as_of": text,
        # The newest thing that was said up to then: what is recorded later has a later time.
        "written": max([definition.recorded, *(batch.written for batch in batches)]),
        **({"versions": "all"} if all_versions else {}),
    }
    every = ", all versions" if all_versions else ""
    name = f"{group.name} as of {text}, written up to {identity['written']}{every}"
    node = Node(kind=Kind.FEATURE_VIEW, identity=identity, name=name)
    return _Question(
        node=node,
        as_of=moment,
        definition=definition,
        batches=_recorded_batches(node, batches, store) or _starting(batches, moment),
        all_versions=all_versions,
    )


def _until(written: str | None) -> tuple[str, ...]:
    if written is None:
        return ()
    until, now = instant(written), instant(datetime.datetime.now(datetime.UTC).isoformat())
    if until > now:
        raise UsageError(
            f"got the write time {written}, which is yet to come: it is {now}",
            hint="leave --written out: the newest write so far is taken, and recorded",
        )
    return (until,)


def _event_time(as_of: str, definition: Definition, name: str) -> tuple[int, str]:
    """The event time in nanoseconds, and the one way to write it."""
    moment = nanoseconds(as_of)
    days = dict(definition.columns)[definition.event_time] == "date"
    if days and not is_day(as_of):
        raise UsageError(
            f"{name}: its event time {definition.event_time!r} is a date: got {as_of!r}, "
            "expected a day such as 2026-11-24",
            hint="a date does not say when on its day a row was known; give the last day whose rows may be used",
        )
    return moment, shown(moment, day=days)


def _starting(batches: list[Batch], as_of: int) -> tuple[Batch, ...]:
    """Those that have rows up to an event time."""
    return tuple(batch for batch in batches if recorded(batch.first) <= as_of)


def _recorded_batches(node: Node, batches: list[Batch], store: Store) -> tuple[Batch, ...]:
    """The batches that a view was read from before: they, and no others, are read again, whatever the clocks said."""
    if not store.has(node.uid):
        return ()
    view = view_of(store.node(node.uid))
    edges = [e for e, _ in store.neighbours(node.uid) if e.type is EdgeType.DERIVED_FROM and e.role == BATCH]
    uids = {edge.target for edge in edges}
    found = tuple(batch for batch in batches if batch.uid in uids)
    if len(found) != view.batches:
        raise StoreCorruptError(
            f"{node.name}: got {len(found)} of the {view.batches} batches that it was read from",
            hint="`replay verify` says what is damaged",
        )
    return found


def _view_node(question: _Question, selection: Selection, rows: int, digest: str) -> Node:
    identity = question.node.identity
    columns: Columns = selection.columns
    attrs = {
        "group": identity["feature_group"],
        "as_of": identity["as_of"],
        "written": identity["written"],
        "all_versions": question.all_versions,
        "rows": rows,
        "digest": f"sha256:{digest}",
        "columns": [list(pair) for pair in columns],
        "batches": len(question.batches),
        "definition": question.definition.version,
    }
    return msgspec.structs.replace(question.node, attrs=attrs)


def _decision(group: Group, question: _Question, view: Node, content: Node, reader: Node, store: Store) -> Decision:
    """The view and the file's content, unless something else is recorded of it, or came meanwhile."""
    if store.has(view.uid):
        _require_same(view, store)
    elif _starting(batches_of(group, store, view.identity["written"]), question.as_of) != question.batches:
        raise StoreBusyError(f"rows were written to {group.name} meanwhile", hint="run the same command again")
    edges = [
        Edge(source=view.uid, type=EdgeType.PART_OF, target=group.uid, role=VIEW),
        Edge(source=view.uid, type=EdgeType.ACTED_BY, target=reader.uid, role="reader"),
        Edge(source=content.uid, type=EdgeType.DERIVED_FROM, target=view.uid, role=ROWS),
    ]
    edges += [
        Edge(source=view.uid, type=EdgeType.DERIVED_FROM, target=batch.uid, role=BATCH) for batch in question.batches
    ]
    return (reader, view, content), edges, ()


def _require_same(view: Node, store: Store) -> None:
    before, now = view_of(store.node(view.uid)), view_of(view)
    if before != now:
        raise StoreCorruptError(
            f"{view.name}: got {now.rows} rows {now.digest} from {now.batches} batches, "
            f"expected {before.rows} rows {before.digest} from {before.batches}, as recorded",
            hint="`replay verify` says what is damaged; nothing was written",
        )


def _warnings(question: _Question, view: View) -> list[str]:
    found = []
    if question.as_of > time.time_ns():
        found.append(
            f"the event time {view.as_of} is yet to come: rows that are known by then and not yet written are not here"
        )
    if not view.rows:
        found.append(f"no record has a row up to {view.as_of}")
    return found
