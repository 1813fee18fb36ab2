"""A synthetic lineage graph with the shape of a real one, the same for every run.

A fifth of the nodes are runs, up to 12 in a chain (24 edges). A run uses 2 to 10 artifacts, picked by a power law, and
generates 1 to 4. So the hottest dataset has more than 40,000 descendants at a million nodes, and a typical model (60 to
300 ancestors) about 100. Each node has some 300 bytes of attributes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from replay.identity import to_crockford
from replay.lineage import Edge, EdgeType, Kind, Node

LEVELS = 12
BATCH = 500
"""Nodes in a transaction: what one has stays in the processor's cache."""
_SHARES = np.array([0.08, 0.09, 0.09, 0.09, 0.09, 0.09, 0.09, 0.09, 0.08, 0.08, 0.07, 0.06])
_RAW_KINDS = (Kind.DATASET, Kind.CONFIG, Kind.CODE, Kind.IMAGE)
_MADE_KINDS = (Kind.DATASET, Kind.MODEL, Kind.METRICS, Kind.PLOT)
_MADE_SHARES = (0.4, 0.3, 0.2, 0.1)


class Graph(NamedTuple):
    """The graph as arrays; nodes are numbers, older ones first.

    Attributes:
        kinds: Kind of each node.
        younger: The younger end of each edge, ascending.
        older: The older end of each edge.
        hot: The dataset that most stands on.
    """

    kinds: list[Kind]
    younger: np.ndarray
    older: np.ndarray
    hot: int

    def uid(self, number: int) -> str:
        """The uid of a node."""
        return _identity(number, self.kinds[number])[1]

    def closure(self, start: int, *, up: bool) -> np.ndarray:
        """All nodes up or down from one, itself included, by breadth-first search."""
        ends = (self.younger, self.older) if up else (self.older, self.younger)
        order = np.argsort(ends[0], kind="stable")
        near, far = ends[0][order], ends[1][order]
        seen = np.zeros(len(self.kinds), dtype=bool)
        seen[start] = True
        front = np.array([start])
        while len(front):
            first, last = np.searchsorted(near, front), np.searchsorted(near, front, side="right")
            front = np.unique(np.concatenate([far[a:b] for a, b in zip(first, last, strict=True)] or [front[:0]]))
            front = front[~seen[front]]
            seen[front] = True
        return np.flatnonzero(seen)


def make(nodes: int) -> Graph:
    """A graph of about so many nodes."""
    rng = np.random.default_rng(7)
    runs, raw = nodes // 5, int(nodes * 0.42)
    level = np.sort(rng.choice(LEVELS, size=runs, p=_SHARES))
    makes = rng.choice([1, 2, 3, 4], size=runs, p=[0.42, 0.33, 0.15, 0.1])
    uses = np.clip(rng.poisson(4.2, size=runs) + 1, 2, 10)
    run = raw + np.cumsum(1 + makes) - (1 + makes)
    maker = np.repeat(np.arange(runs), makes)
    made = np.arange(len(maker)) + raw + maker + 1
    pools = [made[level[maker] == one] for one in range(LEVELS)]

    def picked(pool: np.ndarray, count: int, skew: float) -> np.ndarray:
        return pool[(len(pool) * rng.random(count) ** skew).astype(np.int64)]

    younger, older = [made], [run[maker]]
    for one in range(1, LEVELS):
        here = run[level == one]
        second = here[rng.random(len(here)) < 0.3]
        younger += [here, second]
        older += [picked(pools[one - 1], len(here), 1.3), picked(pools[rng.integers(0, one)], len(second), 1.3)]
    user = np.repeat(run, np.maximum(uses - (level > 0), 1))
    pairs = np.unique(
        np.stack(
            [np.concatenate([*younger, user]), np.concatenate([*older, picked(np.arange(raw), len(user), 2.0)])], 1
        ),
        axis=0,
    )
    kinds = [Kind.DATASET] * (int(made[-1]) + 1)
    for number, choice in enumerate(rng.choice(len(_RAW_KINDS), size=raw, p=(0.5, 0.3, 0.15, 0.05))):
        kinds[number] = _RAW_KINDS[choice]
    for number in run.tolist():
        kinds[number] = Kind.RUN
    for number, choice in zip(made.tolist(), rng.choice(len(_MADE_KINDS), size=len(made), p=_MADE_SHARES), strict=True):
        kinds[number] = _MADE_KINDS[choice]
    kinds[0] = Kind.DATASET
    return Graph(kinds, pairs[:, 0], pairs[:, 1], hot=0)


def batches(graph: Graph) -> Iterator[tuple[list[Node], list[Edge]]]:
    """The graph as values, `BATCH` nodes at a time."""
    total = len(graph.kinds)
    cuts = np.searchsorted(graph.younger, np.arange(0, total + BATCH, BATCH))
    for start in range(0, total, BATCH):
        part = slice(cuts[start // BATCH], cuts[start // BATCH + 1])
        ends = zip(graph.younger[part].tolist(), graph.older[part].tolist(), strict=True)
        yield (
            [node(number, graph.kinds[number]) for number in range(start, min(start + BATCH, total))],
            [edge(graph, younger, older) for younger, older in ends],
        )


def node(number: int, kind: Kind) -> Node:
    """The node of this number."""
    attrs = {
        "files": 1,
        "kind": "file",
        "size": number * 7919 % 10**9,
        "blake3": f"{number * 0x9E3779B97F4A7C15 % 2**64:064x}",
        "md5": f"{number * 0xC2B2AE3D27D4EB4F % 2**64:032x}",
        "host": f"trainer-{number % 977:03d}.rates.example",
        "started": f"20{number % 25:02d}-0{number % 9 + 1}-1{number % 9}T08:{number % 60:02d}:00+00:00",
        "parameters": {"rate": f"0.{number % 1000:03d}", "depth": str(number % 16), "leaves": str(number % 255)},
    }
    return Node(kind=kind, identity=_identity(number, kind)[0], name=f"{kind.value}-{number}", attrs=attrs)


def edge(graph: Graph, younger: int, older: int) -> Edge:
    """The edge between two nodes: a run used it, or it was generated by a run."""
    if graph.kinds[younger] is Kind.RUN:
        role = f"input:data/part-{older % 40}.csv"
        return Edge(source=graph.uid(younger), type=EdgeType.USED, target=graph.uid(older), role=role)
    role = f"output:out/part-{younger % 40}.csv"
    return Edge(source=graph.uid(older), type=EdgeType.GENERATED, target=graph.uid(younger), role=role)


def _identity(number: int, kind: Kind) -> tuple[dict[str, str], str]:
    """The identity and the uid of a node; its bytes look random, as digests do."""
    random = (number + 1) * 0x9E3779B97F4A7C15F39CC0605CEDC8341082276BF3A27251F86C6A11D0C18E95 % 2**256
    if kind is Kind.RUN:
        text = to_crockford(random >> 129)
        return {"run": text}, f"run:{text}"
    return {"sha256": f"{random:064x}"}, f"sha256:{random:064x}"
