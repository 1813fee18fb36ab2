"""A small record to search in: two models of an experiment, as recordings write them, and short ways to ask."""

from __future__ import annotations

import json
from typing import Any

from replay.ask import Ground
from replay.ask.search import search
from replay.identity import to_crockford
from replay.lineage import Edge, EdgeType, Facet, Kind, Node, group_node
from replay.search.parse import parse
from replay.search.request import Found, Search
from replay.store.database import Store


def number(name: str, more: int = 0) -> int:
    return sum(ord(letter) << (5 * place) for place, letter in enumerate(name)) * 100 + more


def record(
    store: Store,
    name: str,
    *,
    parameters: dict[str, Any] | None = None,
    metrics: dict[str, Any] | None = None,
    trial: str = "first",
    says: dict[str, Any] | None = None,
) -> str:
    """A model version with one run, as a recording writes it; its uid."""
    texts = {f"params.yaml:{key}": json.dumps(value) for key, value in (parameters or {"lr": 0.5}).items()}
    values = {key: json.dumps(value) for key, value in (metrics or {"sharpe": 1.0}).items()}

    def build(version: int) -> tuple[list[Node], list[Edge], str]:
        start = number(name, version)
        seeds = [{"name": "numpy", "value": str(version), "place": "params.yaml:seed"}]
        facts = {"seconds": "1.5", "exit_code": 0}
        run = Node(
            kind=Kind.RUN,
            identity={"run": to_crockford(start)},
            name="train",
            attrs={"parameters": texts, "seeds": seeds, "facts": facts},
        )
        code = Node(kind=Kind.CODE, identity={"commit": f"{start:040x}"[::-1]}, name="code")
        data = Node(kind=Kind.DATASET, identity={"sha256": "ab" * 32}, name="data/train.csv", attrs={"size": 1000})
        place = Node(kind=Kind.LOCATOR, type="path", identity={"path": "data/train.csv"}, name="data/train.csv")
        made = Node(
            kind=Kind.METRICS,
            identity={"sha256": f"{start:064x}"},
            name="metrics.json",
            attrs={"values": values, "size": 120},
        )
        execution = Node(kind=Kind.COLLECTION, type="execution", identity={"execution": to_crockford(start)}, name=name)
        part = Node(kind=Kind.COLLECTION, type="trial", identity={"trial": trial}, name=trial)
        experiment = Node(kind=Kind.COLLECTION, type="experiment", identity={"experiment": "momentum"}, name="momentum")
        focal = Node(
            kind=Kind.MODEL_VERSION,
            identity={"model": name, "version": str(version), "execution": execution.identity["execution"]},
            name=f"{name}:{version}",
        )
        group = group_node(name)
        links = [
            (run, EdgeType.USED, code, "code"),
            (run, EdgeType.USED, data, "input:data/train.csv"),
            (run, EdgeType.GENERATED, made, "output:metrics.json"),
            (run, EdgeType.PART_OF, execution, "step"),
            (data, EdgeType.SPECIALIZES, place, ""),
            (execution, EdgeType.PART_OF, part, "execution"),
            (part, EdgeType.PART_OF, experiment, "trial"),
            (focal, EdgeType.DERIVED_FROM, execution, "execution"),
            (focal, EdgeType.DERIVED_FROM, run, "step"),
            (focal, EdgeType.DERIVED_FROM, made, "output:metrics.json"),
            (focal, EdgeType.PART_OF, group, "version"),
        ]
        roles = {made.uid: {"role": "metrics", "storage": "store"}, data.uid: {"storage": "dvc"}}
        edges = [
            Edge(source=a.uid, type=type_, target=b.uid, role=role, attrs=roles.get(b.uid, {}) if role else {})
            for a, type_, b, role in links
        ]
        return [run, code, data, place, made, execution, part, experiment, focal, group], edges, focal.uid

    store.register(name, build)
    with store.reading() as database:
        newest = database.rows("SELECT max(version) FROM model_versions WHERE name = ?", (name,))[0][0]
    uid = next(row.uid for row in store.models(name) if row.version == newest)
    say(store, uid, **(says or {}))
    return uid


def say(store: Store, uid: str, **says: Any) -> None:
    """Say something of a node: ``tag_desk`` is ``tag:desk``."""
    facets = [Facet(node=uid, key=key.replace("_", ":", 1), value=value) for key, value in says.items()]
    if facets:
        store.append([], [], facets)


def ask(store: Store, text: str, **options: Any) -> Found:
    """What a search finds in one store."""
    return search(Search(where=parse(text) if text else None, **options), Ground.of(store))


def names(store: Store, text: str, **options: Any) -> list[str]:
    """The names of the hits, in their order."""
    return [hit.name for hit in ask(store, text, **options).hits]
