"""Lineage stores for tests: on both databases, with a small graph, and ways past everything that guards them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from replay.identity import ModelId, to_crockford
from replay.lineage import Edge, EdgeType, Evidence, Facet, Kind, Node, group_node
from replay.store import backends, sqlite
from replay.store.database import Store
from replay.store.interface import Row
from replay.store.postgres import PostgresDatabase
from replay.store.sqlite import SqliteDatabase

TABLES = ("meta", "transactions", "checkpoints", "nodes", "edges", "facets", "model_versions", "blobs")

Run = Callable[..., list[Row]]
"""Runs one statement, with ``?`` for its values; what it returns."""


def node(kind: Kind, **identity: str) -> Node:
    return Node(kind=kind, identity=identity)


def link(source: Node, type_: EdgeType, target: Node, role: str = "") -> Edge:
    return Edge(source=source.uid, type=type_, target=target.uid, role=role)


def run_id(number: int) -> str:
    """A ULID whose end tells the number."""
    return to_crockford(1 << 120 | number)


DATA = Node(
    kind=Kind.DATASET,
    identity={"sha256": "ab" * 32},
    attrs={"path": "data/ü.csv", "rows": 3, "nested": [None, True, {"a": "b"}]},
    name="prices",
    evidence=Evidence.INFERRED,
    basis="rule 7",
)


def build(version: int, name: str = "momentum") -> tuple[list[Node], list[Edge], str]:
    """A run that used `DATA` twice and generated a model and metrics, and the model's version."""
    start = sum(name.encode()) * 1000  # models with other names are other models
    run = Node(kind=Kind.RUN, identity={"run": run_id(start + version)}, name="train", attrs={"command": "train.py"})
    model = Node(kind=Kind.MODEL, identity={"sha256": f"{start + version:064x}"}, name="model.txt", attrs={"size": 3})
    metrics = Node(kind=Kind.METRICS, identity={"sha256": f"{start + version + 500:064x}"}, name="metrics.json")
    registered = Node(kind=Kind.MODEL_VERSION, identity={"model": name, "version": str(version)}, name=name)
    edges = [
        link(run, EdgeType.USED, DATA, "train"),
        link(run, EdgeType.USED, DATA, "valid"),
        link(run, EdgeType.GENERATED, model, "model"),
        link(run, EdgeType.GENERATED, metrics, "metrics"),
        link(registered, EdgeType.DERIVED_FROM, model),
    ]
    return [DATA, run, model, metrics, registered], edges, registered.uid


def set_alias(store: Store, name: str, alias: str, version: int | None) -> None:
    """Let ``name@alias`` mean this version from now on, or nothing."""
    group = group_node(name)
    store.append([group], facets=[Facet(node=group.uid, key=f"alias:{alias}", value=version)])


def uid(store: Store, text: str) -> str:
    """The uid of a model version."""
    return store.model_version(ModelId.parse(text))


def pointing_to(url: str, root: Path) -> Store:
    """A store in ``root`` whose lineage is at ``url``."""
    backends.make_directory(root)
    backends.point_to(root, url)
    return Store.open(root)


@contextlib.contextmanager
def raw(store: Store, *, guarded: bool = True) -> Iterator[Run]:
    """A connection of its own to the store's database; not ``guarded``: nothing is refused any more."""
    database = store.database
    if isinstance(database, SqliteDatabase):
        with contextlib.closing(sqlite.connect(database.path, write=True)) as connection:
            if not guarded:
                connection.execute("PRAGMA foreign_keys = OFF")
                for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                    connection.execute(f"DROP TRIGGER {name}")
            yield lambda sql, *values: connection.execute(sql, values).fetchall()
        return
    assert isinstance(database, PostgresDatabase)
    with psycopg.connect(database.url, autocommit=True) as other:
        if not guarded:
            other.execute("SET session_replication_role = replica")  # no trigger fires, no key is looked up

        def run(sql: str, *values: Any) -> list[Row]:
            cursor = other.execute(sql.replace("?", "%s"), values or None)
            return cursor.fetchall() if cursor.description else []

        yield run


def tamper(store: Store, sql: str, *values: Any) -> None:
    """Change the database past everything that guards it."""
    with raw(store, guarded=False) as run:
        run(sql, *values)


def contents(store: Store) -> dict[str, list[Row]]:
    """Every row of every table."""
    with raw(store) as run:
        return {table: sorted(run(f"SELECT * FROM {table}"), key=repr) for table in TABLES}


def statements(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that read from the store's database from now on; the list grows."""
    asked: list[str] = []
    real = store.database.rows

    def counting(sql: str, values: Sequence[Any] = ()) -> list[Row]:
        asked.append(sql)
        return real(sql, values)

    monkeypatch.setattr(store.database, "rows", counting)
    return asked
