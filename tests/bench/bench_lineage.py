"""The lineage store at 100,000 and at a million nodes, against ML Metadata, and what many writers do to it."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import graph as synthetic
import numpy as np
from race import BIN, Row, at_least, command, duration, medians, ratio, told, within, written

from replay.identity import ulid
from replay.lineage import Edge, EdgeType, Kind, Node
from replay.store import reads
from replay.store.database import Store

SMALL, LARGE = 100_000, 1_000_000
MODELS, ROUNDS, FOREIGN = 200, 5, 40
WRITERS, APPENDS, WARM = 16, 40, 300
Batch = tuple[list[Node], list[Edge]]
HERE = Path(__file__).resolve().parent
_COLD = """
import sys, time
from pathlib import Path
from replay.store.database import Store
with Store.open(Path(sys.argv[1])) as store:
    found = store.reach(sys.argv[2], direction="down")
    assert len(found) > 40_000
"""


def rows(folder: Path) -> list[Row]:
    """All rows; needs 3 GB of disk and of memory, and some minutes."""
    small, large = synthetic.make(SMALL), synthetic.make(LARGE)
    with _repository(folder / "small", small) as (few, fast), _repository(folder / "large", large) as (many, rate):
        closures = _closures(few, small, many, large)
        return [
            *closures,
            *_foreign(folder, many, large),
            _process(folder / "large", many, large),
            *_hot(folder / "large", many, large),
            _diamonds(folder),
            *_imports({SMALL: fast, LARGE: rate}),
            *_appends(many, folder),
            *_postgres(large),
        ]


@contextlib.contextmanager
def _repository(place: Path, graph: synthetic.Graph) -> Iterator[tuple[Store, float]]:
    """A repository whose store holds the graph, and how many nodes a second went in."""
    place.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", place], check=True)
    written()
    with Store.open(place / ".replay", create=True) as store:
        making = _Making(synthetic.batches(graph))
        begun = time.perf_counter()
        count = store.load(making)
        rate = count / (time.perf_counter() - begun - making.seconds)
        yield store, rate


class _Making(Iterator[Batch]):
    """Batches, and how long it took to make them, which is no part of importing them."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self._batches = batches
        self._last: Batch = ([], [])
        self.seconds = 0.0

    def __next__(self) -> Batch:
        begun = time.perf_counter()
        try:
            for values in self._last:
                values.clear()  # giving memory back is no part of it either
            self._last = next(self._batches)
            return self._last
        finally:
            self.seconds += time.perf_counter() - begun


def _imports(rates: Mapping[int, float]) -> list[Row]:
    note = "one durable commit, chain and all"
    return [at_least(f"bulk import, {n:,} nodes", 100_000, round(rate), "nodes/s", note) for n, rate in rates.items()]


def _typical(graph: synthetic.Graph, size: Callable[[str], int], count: int) -> list[int]:
    """Models with 60 to 300 ancestors."""
    picked = []
    for number in np.random.default_rng(5).permutation(len(graph.kinds)).tolist():
        if graph.kinds[number] is Kind.MODEL and 60 <= size(graph.uid(number)) <= 300:
            picked.append(number)
            if len(picked) == count:
                break
    return picked


def _closures(few: Store, small: synthetic.Graph, many: Store, large: synthetic.Graph) -> list[Row]:
    """Upstream closures, alternately in the small and in the large store."""
    sides = [
        (store, [graph.uid(n) for n in _typical(graph, lambda uid, s=store: len(s.reach(uid)), MODELS)])  # type: ignore[misc]
        for store, graph in ((few, small), (many, large))
    ]
    taken: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for pair in zip(*(uids for _, uids in sides), strict=True):
            for times, (store, _), uid in zip(taken, sides, pair, strict=True):
                times.append(_seconds(lambda s=store, u=uid: reads.reach(s.database, u, "up")))  # type: ignore[misc]
    at_small, at_large = map(statistics.median, taken)
    name = "upstream closure, 60–300 ancestors"
    return [
        within(f"{name}, 1M nodes, SQLite", 0.25, at_large, f"median of {MODELS} models × {ROUNDS}"),
        ratio(f"{name}, 1M / 100k nodes", 1.5, at_large, at_small),
    ]


def _foreign(folder: Path, store: Store, graph: synthetic.Graph) -> list[Row]:
    """The same closures in ML Metadata, in alternate rounds: each model asked for by its own id, and by its name."""
    arrays = folder / "graph.npz"
    np.savez(arrays, is_run=np.array([k is Kind.RUN for k in graph.kinds]), younger=graph.younger, older=graph.older)
    models = _typical(graph, lambda uid: len(store.reach(uid)), FOREIGN)
    ours: list[float] = []
    theirs: dict[str, list[float]] = {"id": [], "name": []}
    with _mlmd(folder, arrays) as ask:
        for by, times in list(theirs.items()) * ROUNDS:
            for number in models:
                seconds, nodes = ask(by, number)
                times.append(seconds)
                if nodes != len(reads.reach(store.database, graph.uid(number), "up")):
                    raise SystemExit(f"{graph.uid(number)}: ML Metadata found {nodes} nodes, and we others")
            for uid in map(graph.uid, models):
                ours.append(_seconds(lambda u=uid: reads.reach(store.database, u, "up")))  # type: ignore[misc]
    mine, by_id, by_name = map(statistics.median, (ours, theirs["id"], theirs["name"]))
    name = "upstream closure, ML Metadata asked by {} / ours by uid"
    note = f"{{}} against {duration(mine)}; {FOREIGN} models × {ROUNDS}, 1M nodes, both SQLite"
    searched = at_least(name.format("name"), 400, by_name / mine, "×", note.format(duration(by_name)))
    return [
        at_least(name.format("its own id"), 400, by_id / mine, "×", note.format(duration(by_id))),
        searched | {"goal": None, "ok": None},
    ]


@contextlib.contextmanager
def _mlmd(folder: Path, arrays: Path) -> Iterator[Callable[[str, int], tuple[float, int]]]:
    """ML Metadata with the graph, in an environment of its own."""
    python = folder / "mlmd" / "bin" / "python"
    uv = [BIN / "uv", "--quiet"]
    subprocess.run([*uv, "venv", "--python", sys.executable, folder / "mlmd"], check=True)
    lock = HERE / "mlmd.lock"
    subprocess.run([*uv, "pip", "install", "--python", python, "--require-hashes", "-r", lock], check=True)
    with subprocess.Popen(
        [python, HERE / "mlmd_side.py", arrays, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as side:
        if side.stdin is None or side.stdout is None or side.stdout.readline() != "ready\n":
            raise SystemExit("ML Metadata did not load the graph")
        asked, answered = side.stdin, side.stdout

        def ask(by: str, number: int) -> tuple[float, int]:
            asked.write(f"{by} {number}\n")
            asked.flush()
            seconds, nodes = answered.readline().split()
            return float(seconds), int(nodes)

        yield ask
        asked.close()


def _process(place: Path, store: Store, graph: synthetic.Graph) -> Row:
    uid = graph.uid(_typical(graph, lambda uid: len(store.reach(uid)), 1)[0])
    nothing, asked = medians(
        [command(sys.executable, "-c", "pass"), command(BIN / "replay", "lineage", uid, "--json", cwd=place)], 15
    )
    return ratio("`replay lineage ID --json`, 1M nodes / `python -c pass`", 5, asked, nothing, "whole process")


def _hot(place: Path, store: Store, graph: synthetic.Graph) -> list[Row]:
    """Everything downstream of the dataset that most stands on: ids only."""
    hot = graph.uid(graph.hot)
    size = len(store.reach(hot, direction="down"))  # makes the snapshot
    nothing, cold = medians(
        [command(sys.executable, "-c", "pass"), command(sys.executable, "-c", _COLD, place / ".replay", hot)], 15
    )
    with Store.open(place / ".replay") as living:
        (warm,) = medians([lambda: _seconds(lambda: living.reach(hot, direction="down"))], 25)
        spelled = _seconds(lambda: list(living.reach(hot, direction="down"))) - warm
    name = f"downstream closure of the hot dataset ({size:,} nodes), ids only"
    return [
        within(
            f"{name}, cold process", 60, cold, f"the whole process, of which Python's own start {duration(nothing)}"
        ),
        within(f"{name}, long-lived process", 5, warm, f"spelling the ids out as text: {duration(spelled)} more"),
    ]


def _diamonds(folder: Path) -> Row:
    levels = [
        [Node(kind=Kind.DATASET, identity={"bench": f"{level}-{i}"}) for i in range(4 if level else 1)]
        for level in range(13)
    ]
    edges = [
        Edge(source=a.uid, type=EdgeType.DERIVED_FROM, target=b.uid)
        for one, other in itertools.pairwise(levels)
        for a in one
        for b in other
    ]
    with Store.open(folder / "diamonds", create=True) as store:
        store.append([node for level in levels for node in level], edges)
        (seconds,) = medians([lambda: _seconds(lambda: store.reach(levels[0][0].uid))], 50)
    return within("49 nodes, 12 levels fully linked (16.8M walks)", 1, seconds)


def _appends(store: Store, folder: Path) -> list[Row]:
    """One run at a time, each durable before the next; alone, and from many processes at once."""
    store.checkpoint()
    written()
    inputs = [node.uid for node in _inputs(8)]
    store.append(_inputs(8))
    _taken(store, inputs, WARM)
    taken = _taken(store, inputs, 1000)
    place = folder / "writers"
    with Store.open(place, create=True) as shared:
        shared.append(_inputs(8))
    with multiprocessing.get_context("spawn").Pool(WRITERS) as pool:
        waits = pool.starmap(_writer, [(str(place), inputs)] * WRITERS)
    with Store.open(place) as shared, shared.reading() as database:
        kept = database.rows("SELECT count(*) FROM transactions")[0][0] - 1
    note = f"{kept} of {WRITERS * APPENDS} appends are there"
    return [
        within(
            "one durable append of a run (3 nodes, 8 edges), SQLite, 1M nodes", 0.5, statistics.median(taken),
            f"median of {len(taken):,}, after {WARM} that warm the caches",
        ),
        within(f"{WRITERS} processes write at once: the longest wait of any", 5000, max(map(max, waits)), note),
        {"name": f"{WRITERS} processes write at once: appends lost", "value": WRITERS * APPENDS - kept, "unit": "",
         "goal": 0, "ok": kept == WRITERS * APPENDS, "note": note},
    ]  # fmt: skip


def _writer(place: str, inputs: list[str]) -> list[float]:
    with Store.open(Path(place)) as store:
        return _taken(store, inputs, APPENDS)


def _taken(store: Store, inputs: list[str], count: int) -> list[float]:
    """The seconds of so many appends."""
    runs = [_a_run(inputs) for _ in range(count)]
    return [_seconds(lambda r=run: store.append(*r)) for run in runs]  # type: ignore[misc]


def _inputs(count: int) -> list[Node]:
    return [Node(kind=Kind.DATASET, identity={"bench": f"input {number}"}) for number in range(count)]


def _a_run(inputs: Sequence[str]) -> tuple[list[Node], list[Edge]]:
    """3 nodes and 8 edges."""
    run = Node(kind=Kind.RUN, identity={"run": ulid()}, attrs={"command": ["python3", "train.py"], "seed": 7})
    model, metrics = (
        Node(kind=kind, identity={"sha256": os.urandom(32).hex()}, attrs={"size": 1 << 20})
        for kind in (Kind.MODEL, Kind.METRICS)
    )
    edges = [
        Edge(source=run.uid, type=EdgeType.USED, target=uid, role=f"input:{n}") for n, uid in enumerate(inputs[:6])
    ]
    edges += [Edge(source=run.uid, type=EdgeType.GENERATED, target=node.uid) for node in (model, metrics)]
    return [run, model, metrics], edges


def _postgres(graph: synthetic.Graph) -> list[Row]:
    """The same closures in PostgreSQL, above what any question costs there."""
    import tempfile

    sys.path.insert(0, str(HERE.parent))
    from tests_support.postgres import Cluster

    from replay.store.migrating import upgrade_postgres

    cluster = Cluster(durable=True)
    try:
        upgrade_postgres(cluster.url())
        with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder), url=cluster.url()) as store:
            begun = time.perf_counter()
            count = store.load(synthetic.batches(graph))
            loaded = time.perf_counter() - begun
            store.database.rows("ANALYZE")  # as its autovacuum would in time
            models = [graph.uid(n) for n in _typical(graph, lambda uid: len(store.reach(uid)), MODELS)]
            trips, taken = [], []
            for _ in range(ROUNDS):
                for uid in models:
                    trips.append(_seconds(lambda: store.database.rows("SELECT 1")))
                    taken.append(_seconds(lambda u=uid: reads.reach(store.database, u, "up")))  # type: ignore[misc]
    finally:
        cluster.close()
    trip, whole = statistics.median(trips), statistics.median(taken)
    note = f"{whole * 1000:.2f} ms, of which the round trip {trip * 1000:.2f} ms; {LARGE:,} nodes"
    return [
        within("upstream closure, PostgreSQL, above the round trip", 1, whole - trip, note),
        told("import into PostgreSQL", loaded, f"{count:,} nodes"),
    ]


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
