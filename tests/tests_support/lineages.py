"""Small lineage graphs for tests."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable
from typing import Any

from replay.lineage import Edge, EdgeType, Kind, Node, group_node
from replay.store.database import Store


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def data(name: str, kind: Kind = Kind.DATASET, **attrs: Any) -> Node:
    """Content that is known by its name alone."""
    return Node(kind=kind, identity={"sha256": sha(name)}, name=name, attrs=attrs)


def thing(kind: Kind, name: str, type_: str = "", **attrs: Any) -> Node:
    """A node that is no content."""
    return Node(kind=kind, type=type_, identity={"test": name}, name=name, attrs=attrs)


def used(run: Node, *inputs: Node, **roles: Node) -> list[Edge]:
    """Edges of what a run used; a keyword is the role."""
    pairs = [(node, "") for node in inputs] + [(node, role) for role, node in roles.items()]
    return [Edge(source=run.uid, type=EdgeType.USED, target=node.uid, role=role) for node, role in pairs]


def made(run: Node, *outputs: Node) -> list[Edge]:
    return [Edge(source=run.uid, type=EdgeType.GENERATED, target=node.uid) for node in outputs]


def link(source: Node, type_: EdgeType, target: Node, role: str = "") -> Edge:
    return Edge(source=source.uid, type=type_, target=target.uid, role=role)


class Endpoint:
    """A model behind an endpoint, as a cloud's documentation draws it.

    raw → processing job → train.csv v1; train.csv v1, val.csv, image, code → training job → model.tar.gz → g:1 →
    approval and deployment → endpoint; the jobs are part of a pipeline execution. train.csv v2 is used by nothing.
    """

    raw, train, newer, val = data("raw"), data("train.csv v1"), data("train.csv v2"), data("val.csv")
    place = thing(Kind.LOCATOR, "s3://bucket/train.csv", "uri")
    image = Node(kind=Kind.IMAGE, identity={"image": "sha256:" + sha("image")}, name="image")
    code = Node(kind=Kind.CODE, identity={"commit": sha("commit")[:40]}, name="code")
    execution = thing(Kind.COLLECTION, "pe", "pipeline")
    processing, training = thing(Kind.RUN, "pj", "processing"), thing(Kind.RUN, "tj", "training")
    model = data("model.tar.gz", Kind.MODEL)
    package = thing(Kind.MODEL_VERSION, "g:1")
    approval, deploying = thing(Kind.ACTION, "approval", "approve"), thing(Kind.ACTION, "deploying", "deploy")
    endpoint = thing(Kind.DEPLOYMENT, "ep1", "endpoint")
    nodes = (
        raw, train, newer, val, place, image, code, execution, processing, training, model, package, group_node("g"),
        approval, deploying, endpoint,
    )  # fmt: skip
    edges = (
        link(train, EdgeType.SPECIALIZES, place),
        link(newer, EdgeType.SPECIALIZES, place),
        *used(processing, raw),
        *made(processing, train),
        *used(training, image, code, train=train, validation=val),
        *made(training, model),
        link(processing, EdgeType.PART_OF, execution),
        link(training, EdgeType.PART_OF, execution),
        link(package, EdgeType.DERIVED_FROM, model, "model"),
        link(package, EdgeType.PART_OF, group_node("g"), "version"),
        *used(approval, subject=package),
        *used(deploying, model=package, approval=approval),
        *made(deploying, endpoint),
    )

    @classmethod
    def record(cls, store: Store) -> None:
        store.append(cls.nodes, cls.edges)


def names(uids: Iterable[str], store: Store) -> set[str]:
    """The names of nodes."""
    return {store.node(uid).name for uid in uids}


def diamonds(levels: int, width: int) -> tuple[list[Node], list[Edge]]:
    """One node at the top, ``levels`` fully linked levels of ``width`` nodes below it: width ** levels walks."""
    rows = [[data(f"{level}-{i}") for i in range(width if level else 1)] for level in range(levels + 1)]
    edges = [link(a, EdgeType.DERIVED_FROM, b) for one, two in itertools.pairwise(rows) for a in one for b in two]
    return [node for row in rows for node in row], edges


def chain(length: int) -> tuple[list[Node], list[Edge]]:
    """``length`` edges in a row; the first node is the youngest."""
    nodes = [data(f"link {number}") for number in range(length + 1)]
    return nodes, [link(a, EdgeType.DERIVED_FROM, b) for a, b in itertools.pairwise(nodes)]
