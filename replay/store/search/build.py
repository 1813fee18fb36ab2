"""Brings a search index up to date with its record: what is new is read once, in one state, and added in one change."""

from __future__ import annotations

import contextlib
import datetime
import heapq
import itertools
import operator
from collections.abc import Iterable, Iterator, Sequence

from replay.progress import Progress, Silent
from replay.search.times import microseconds
from replay.store import reads
from replay.store.collecting import nothing_to_collect
from replay.store.database import Store
from replay.store.interface import Database, Row
from replay.store.search.documents import Documents
from replay.store.search.edges import TYPES
from replay.store.search.facets import Facets
from replay.store.search.index import IndexCursor, IndexDatabase, State
from replay.store.search.relations import Relations

BATCH = 4_000
_MANY = 5_000
"""So many new nodes are worth a word."""
_TASK = "search index"
_WAITING = "wait for the search index, which another process makes"
_NOTHING = State(store="", tx=0, leaf=b"", node=0, facet=0, text=0, part=0)
_HEAD = "SELECT tx, leaf FROM transactions ORDER BY tx DESC LIMIT 1"
_LAST = "SELECT (SELECT coalesce(max(id), 0) FROM nodes), (SELECT coalesce(max(id), 0) FROM facets)"
_NODES = "SELECT id, uid, kind, type, name, identity, attrs, tx FROM nodes WHERE id > ? AND id <= ? ORDER BY id"
_EDGE = "younger, older, type, role, attrs, tx"
_TYPES = ",".join(map(str, TYPES))
_EDGES = (
    f"SELECT {_EDGE} FROM edges WHERE younger > ? AND younger <= ? AND late = 0 AND type IN ({_TYPES}) ORDER BY younger"
)
_LATE = f"SELECT {_EDGE} FROM edges WHERE late = 1 AND tx > ? AND type IN ({_TYPES}) ORDER BY tx"


def refresh(index: IndexDatabase, store: Store, progress: Progress) -> int:
    """Bring the index up to date, or make it; the transaction of the record up to which it goes.

    Raises:
        StoreError: It cannot be written; it is as it was.
        StoreBusyError: Another process kept it for very long.
    """
    with store.reading() as record:
        tx, leaf = _head(record)
        state = index.state()
        if state is not None and (state.store, state.tx, state.leaf) == (store.id, tx, leaf):
            return tx
    with _alone(index, progress), store.reading() as record, record.snapshot():
        return _refresh(index, index.state(), record, store.id, progress)


@contextlib.contextmanager
def _alone(index: IndexDatabase, progress: Progress) -> Iterator[None]:
    """Let nobody else change the index; say so when that means to wait."""
    waited: list[str] = []

    def waiting() -> None:
        waited.append(_WAITING)
        progress.started(_WAITING)

    with index.alone(waiting):
        for task in waited:
            progress.finished(task)
        yield


def _refresh(index: IndexDatabase, state: State | None, record: Database, store: str, progress: Progress) -> int:
    tx, leaf = _head(record)
    node, facet = record.rows(_LAST)[0]
    goal = State(store=store, tx=tx, leaf=leaf, node=node, facet=facet, text=0, part=0)
    if state is None or not _goes_on(state, goal, record):
        with index.rebuilding() as cursor, nothing_to_collect():
            _fill(_NOTHING, goal, index, cursor, record, progress)
    elif state.tx < tx:
        with index.updating() as cursor, nothing_to_collect():
            _fill(state, goal, index, cursor, record, progress)
    return tx


def _head(record: Database) -> tuple[int, bytes]:
    found = record.rows(_HEAD)
    return (found[0][0], bytes(found[0][1])) if found else (0, b"")


def _goes_on(state: State, goal: State, record: Database) -> bool:
    """Whether the record is the one that the index was made from, with or without more."""
    if state.store != goal.store:
        return False
    found = record.rows("SELECT leaf FROM transactions WHERE tx = ?", (state.tx,))
    return bytes(found[0][0]) == bytes(state.leaf) if found else state.tx == 0


def _fill(
    before: State, goal: State, index: IndexDatabase, cursor: IndexCursor, record: Database, progress: Progress
) -> None:
    """Add everything that the record has and the index has not."""
    if before.tx and goal.node - before.node < _MANY:
        progress = Silent()
    progress.started(_TASK, goal.node - before.node)
    documents = Documents(cursor, fresh=before.tx == 0, text=before.text, part=before.part)
    relations = Relations(before, goal, index, cursor, record)
    facets = Facets(documents, record)
    for batch in _batches(record.stream(_NODES, (before.node, goal.node))):
        created = _created(record, {row[-1] for row in batch})
        links = documents.add(batch, created)
        facets.add_new(batch, created)
        documents.flush()
        relations.add_nodes(batch, links)
        progress.advanced(_TASK, f"{batch[-1][0]:,} of {goal.node:,} nodes", len(batch))
    facets.add_late(before, goal)
    documents.flush()
    for batch in _batches(_edges(record, before, goal)):
        relations.add_edges(batch)
    end = goal._replace(text=documents.text, part=documents.part)
    cursor.rows("DELETE FROM search_state")
    cursor.insert("search_state", [tuple(end)])
    progress.finished(_TASK, f"{goal.node - before.node:,} nodes")


def _edges(record: Database, before: State, goal: State) -> Iterator[Row]:
    """The new edges in the order of their transactions."""
    late = record.rows(_LATE, (before.tx,))
    return heapq.merge(record.stream(_EDGES, (before.node, goal.node)), late, key=operator.itemgetter(5))


def _batches(rows: Iterable[Row]) -> Iterator[Sequence[Row]]:
    rows = iter(rows)
    while batch := list(itertools.islice(rows, BATCH)):
        yield batch


def _created(record: Database, transactions: set[int]) -> dict[int, int]:
    times = reads.created_at(record, transactions)
    return {tx: microseconds(datetime.datetime.fromisoformat(time)) for tx, time in times.items()}
