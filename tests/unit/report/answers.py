"""Answers of the lineage to be shown: a small story, and graphs of every awkward shape."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from replay.lineage import Edge, EdgeType, Evidence, Kind
from replay.query import Answer, Direction, Entry, Query

TIME = "2026-03-01T10:20:30.123456+00:00"
LATER = "2026-03-02T08:00:00.000000+00:00"
HOSTILE = (
    '"];\\N %%{init: {"theme":"dark"}}%% <script>alert(1)</script> [bold]x[/] `a` #quot; | &amp; é \x1b[31m\n\u202e\x9b'
)


def uid(name: str) -> str:
    """A uid that is as good as that of the bytes of ``name``."""
    return "sha256:" + name.encode().hex().ljust(64, "0")[:64]


def entry(key: str, kind: Kind = Kind.DATASET, depth: int = 1, **changes: Any) -> Entry:
    plain: dict[str, Any] = {"uid": uid(key), "identity": {"key": key}, "name": key, "created": TIME}
    return Entry(kind=kind, depth=depth, **plain | changes)


def edge(source: str, type_: EdgeType, target: str, role: str = "", **changes: Any) -> Edge:
    return Edge(source=uid(source), type=type_, target=uid(target), role=role, **changes)


def answer(entries: Iterable[Entry], edges: Iterable[Edge] = (), **changes: Any) -> Answer:
    """An answer about the nodes of depth 0."""
    nodes = {one.uid: one for one in entries}
    starts = tuple(one.uid for one in nodes.values() if one.depth == 0)
    query = changes.pop("query", {})
    found = changes.pop("found", tuple(key for key in nodes if key not in starts))
    return Answer(query=Query(start=starts, **query), found=found, nodes=nodes, edges=tuple(edges), **changes)


STORY = (
    entry("demo:1", Kind.MODEL_VERSION, 0, uid="id:" + "d" * 64, facets={
        "status": "approved", "stage": "production", "owner": "rates", "tag:desk": "rates", "property:note": "quiet"}),
    entry("model.txt", Kind.MODEL, 1),
    entry("train", Kind.RUN, 2, uid="run:01M87V9C5JFKKMG3TAWC1R431M"),
    entry("prices.csv", Kind.DATASET, 3, created=LATER),
    entry("prices.csv", Kind.LOCATOR, 4, uid="id:" + "1" * 64, type="path"),
    entry("labels.csv", Kind.DATASET, 3, evidence=Evidence.INFERRED, basis="same second"),
    entry("5fd1c9e0a1b2", Kind.CODE, 3, uid="commit:5fd1c9e0a1b2" + "0" * 28),
)  # fmt: skip
_MODEL, _RUN, _PLACE, _CODE = STORY[0].uid, STORY[2].uid, STORY[4].uid, STORY[6].uid
STORY_EDGES = (
    Edge(source=_MODEL, type=EdgeType.DERIVED_FROM, target=uid("model.txt"), role="model"),
    Edge(source=_MODEL, type=EdgeType.DERIVED_FROM, target=_RUN, role="step"),
    Edge(source=_RUN, type=EdgeType.GENERATED, target=uid("model.txt"), role="output:model.txt"),
    Edge(source=_RUN, type=EdgeType.USED, target=uid("prices.csv"), role="input:prices.csv"),
    Edge(source=_RUN, type=EdgeType.USED, target=uid("prices.csv"), role="validation:prices.csv"),
    Edge(source=_RUN, type=EdgeType.USED, target=uid("labels.csv"), role="input:elsewhere.csv",
         evidence=Evidence.ASSERTED, basis="an import"),
    Edge(source=_RUN, type=EdgeType.USED, target=_CODE, role="code"),
    Edge(source=uid("prices.csv"), type=EdgeType.SPECIALIZES, target=_PLACE),
)  # fmt: skip


def story(**changes: Any) -> Answer:
    """How a model version was made: a run that used a dataset in two roles, and another one as somebody said."""
    return answer(STORY, STORY_EDGES, **changes)


def hostile() -> Answer:
    """Every word that a recording or an import can bring, as bad as it can be, in every kind of node and edge."""
    kinds, types = list(Kind), itertools.cycle(EdgeType)
    entries = [
        entry(f"{number}", kind, number, name=HOSTILE, type=HOSTILE, basis=HOSTILE, evidence=Evidence.INFERRED,
              facets={"status": HOSTILE, f"tag:{HOSTILE}": HOSTILE, f"alias:{HOSTILE}": 3}, stores=("", HOSTILE))
        for number, kind in enumerate(kinds)
    ]  # fmt: skip
    edges = [
        edge(f"{number}", next(types), f"{number + 1}", HOSTILE, evidence=Evidence.ASSERTED, basis=HOSTILE)
        for number in range(len(kinds) - 1)
    ]
    return answer(
        entries,
        edges,
        query={"direction": Direction.CONNECTED, "where": {HOSTILE: HOSTILE}},
        findings=(HOSTILE,),
        complete=False,
        truncated_by=("depth", HOSTILE),
        frontier=(entries[-1].uid,),
        unresolved=(entries[-1].uid,),
        paths=((entries[0].uid, entries[1].uid),),
        next=HOSTILE,
    )


def levels(count: int, width: int) -> Answer:
    """``count`` fully linked levels of ``width`` nodes below one: ``width ** count`` ways, each node once."""
    rows = [["top"], *([f"{level}-{number}" for number in range(width)] for level in range(1, count + 1))]
    entries = [entry(name, depth=depth) for depth, row in enumerate(rows) for name in row]
    pairs = [(a, b) for upper, lower in itertools.pairwise(rows) for a in upper for b in lower]
    return answer(entries, [edge(a, EdgeType.DERIVED_FROM, b) for a, b in pairs])


def chain(length: int) -> Answer:
    """One node below the other."""
    entries = [entry(f"link {number}", depth=number) for number in range(length + 1)]
    pairs = itertools.pairwise(range(length + 1))
    return answer(entries, [edge(f"link {a}", EdgeType.DERIVED_FROM, f"link {b}") for a, b in pairs])


def star(count: int) -> Answer:
    """One dataset, and many runs that used it."""
    entries = [entry("hot", depth=0), *(entry(f"run {number}", Kind.RUN) for number in range(count))]
    edges = [edge(f"run {number}", EdgeType.USED, "hot", "input") for number in range(count)]
    return answer(entries, edges, query={"direction": Direction.DOWN})


def ring() -> Answer:
    """Three things that an import says were each made from the next."""
    depths = {"a": 0, "b": 1, "c": 2}
    edges = [edge(one, EdgeType.DERIVED_FROM, other) for one, other in ("ab", "bc", "ca")]
    cycle = f"cycle: {' → '.join(uid(name) for name in 'abca')}"
    return answer([entry(name, depth=depth) for name, depth in depths.items()], edges, findings=(cycle,))


SHAPES: Mapping[str, Answer] = {
    "story": story(),
    "hostile": hostile(),
    "levels": levels(12, 4),
    "chain": chain(60),
    "star": star(60),
    "ring": ring(),
    "alone": answer([entry("alone", depth=0)]),
    "flat": answer([entry("start", depth=0), entry("found", depth=2)]),
}
"""Answers by what is special about them."""
