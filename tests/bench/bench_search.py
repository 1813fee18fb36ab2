"""The search at 100,000 nodes: making the index, bringing it up to date, and asking it."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import graph as synthetic
from race import Row, told, within

from replay.identity import ulid
from replay.lineage import Kind, Node
from replay.progress import Silent
from replay.search.parse import parse
from replay.store.database import Store
from replay.store.search.build import refresh
from replay.store.search.index import IndexDatabase
from replay.store.search.places import index_of
from replay.store.search.searcher import Searcher

NODES, ROUNDS, PAGE = 100_000, 5, 50
QUESTIONS = (
    "kind=run and params.rate>0.5",
    "kind=run and params.rate>0.99 and params.leaves=7",
    "kind=dataset and not attrs.size>500000000",
    "name ~ 'dataset-99'",
    "attrs.host='trainer-007.rates.example'",
    "outputs[kind=model and size>900000000]",
    "inputs[kind=config and name ~ '99']",
    "created>2020-01-01 and kind=run and params.depth=3",
    "trainer 007",
    "rates*",
)


def rows(folder: Path) -> list[Row]:
    """All rows; needs half a minute."""
    root = folder / "search" / ".replay"
    with Store.open(root, create=True) as store, contextlib.closing(_index(store)) as index:
        store.load(synthetic.batches(synthetic.make(NODES)))
        made = _seconds(lambda: refresh(index, store, Silent()))
        times = {text: _asked(Searcher(store, index, refresh(index, store, Silent())), text) for text in QUESTIONS}
        slowest = max(times, key=times.__getitem__)
        changes = [_changed(store, index) for _ in range(20)]
    middle = statistics.median(times.values()) * 1000
    note = f"count and {PAGE} hits; slowest of {len(QUESTIONS)} searches ({slowest}), their median {middle:.1f} ms"
    return [
        within(f"search, {NODES:,} nodes", 100, times[slowest], note),
        within(f"search index of {NODES:,} nodes", 15_000, made, "from nothing, SQLite"),
        told("search index, one more run recorded", statistics.median(changes)),
    ]


def _index(store: Store) -> IndexDatabase:
    return index_of(store, own=store, attached=False)


def _asked(searcher: Searcher, text: str) -> float:
    where = parse(text)

    def ask() -> None:
        searcher.page(where, sort=None, descending=True, skip=0, limit=PAGE)

    return statistics.median(_seconds(ask) for _ in range(ROUNDS))


def _changed(store: Store, index: IndexDatabase) -> float:
    run = Node(kind=Kind.RUN, identity={"run": ulid()}, name="run", attrs={"parameters": {"params.yaml:rate": "0.5"}})
    store.append([run])
    return _seconds(lambda: refresh(index, store, Silent()))


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
