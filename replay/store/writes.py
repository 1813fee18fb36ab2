"""Writing to the lineage database: one immediate transaction at a time, bound into the journal before it commits.

Imports SQLAlchemy; reading never comes here.
"""

from __future__ import annotations

import contextlib
import datetime
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, exc, func, insert, select
from sqlalchemy.pool import StaticPool

from replay.errors import StoreError, UsageError
from replay.identity import canonical_json
from replay.lineage import Edge, Kind, Node
from replay.store import fsops, rows, schema, sqlite
from replay.store.journal import Journal

TRANSACTION = "transaction"
_BATCH = 500


def _engine(connection: sqlite3.Connection) -> Engine:
    """An engine on this one connection, whose transactions are immediate."""
    engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
    event.listen(engine, "begin", lambda c: c.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def create_database(path: Path) -> None:
    """Make the database, which must not be there (the caller keeps others out); nobody ever sees a half-made one.

    Raises:
        StoreError: The disk is full, not writable, or failed.
    """
    with fsops.temporary(path.parent) as (temp, fd):
        engine = _engine(sqlite.connect(temp, write=True))
        try:
            with translated(path), engine.connect() as connection, connection.begin():
                schema.create(connection, version=sqlite.VERSION, application_id=sqlite.APPLICATION_ID)
        finally:
            engine.dispose()
        with sqlite.translated(path), contextlib.closing(sqlite.connect(temp, write=True)) as raw:
            raw.execute("PRAGMA journal_mode = WAL")  # stays with the file
        fsops.publish(temp, fd, path, mode=0o644)


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLAlchemy's and the driver's errors of the body into a `StoreError`."""
    try:
        with sqlite.translated(path):
            yield
    except exc.DBAPIError as error:
        raise sqlite.trouble(error.orig or error, path) from error


class Transaction:
    """One transaction being written; see `Writer.transaction`."""

    def __init__(self, connection: Connection, tx: int) -> None:
        self._connection = connection
        self._tx = tx
        self._ids: dict[str, int] = {}
        self.digests: list[str] = []

    def next_version(self, name: str) -> int:
        """The version that the next registration of model ``name`` gets."""
        table = schema.model_versions.c
        newest = self._connection.scalar(select(func.max(table.version)).where(table.name == name))
        return (newest or 0) + 1

    def add_nodes(self, nodes: Iterable[Node]) -> None:
        """Insert the nodes that are not there; of equal ones the first stays."""
        given = {node.uid: node for node in nodes}
        self._find(given)
        fresh = {uid: node for uid, node in given.items() if uid not in self._ids}
        texts = {uid: _texts(uid, node) for uid, node in fresh.items()}
        self._insert(schema.nodes, [{**text, "uid": bytes.fromhex(uid)} for uid, text in texts.items()])
        self._find(fresh)
        self._insert(
            schema.identities,
            [
                {"key": key, "value": value, "node": self._ids[uid]}
                for uid, node in fresh.items()
                for key, value in node.identity.items()
            ],
            numbered=False,
        )
        self.digests += [rows.node_digest(uid, **text) for uid, text in texts.items()]

    def add_edges(self, edges: Iterable[Edge]) -> None:
        """Insert the edges that are not there.

        Raises:
            StoreError: An end is no recorded node.
        """
        keyed = {(e.younger, e.older, e.type.value, e.role): e for e in edges}
        self._find({uid for key in keyed for uid in key[:2]})
        for key, edge in keyed.items():
            for uid in (edge.source, edge.target):
                if uid not in self._ids:
                    raise StoreError(f"edge {edge.type} {key[3]!r}: its end {uid} is no recorded node")
        known = self._known_edges({self._ids[key[0]] for key in keyed})
        fresh = []
        for (younger, older, type_, role), edge in keyed.items():
            if (self._ids[younger], self._ids[older], type_, role) not in known:
                fresh.append({"younger": younger, "older": older, "type": type_, "role": role,
                              "attrs": canonical_json(edge.attrs).decode()})  # fmt: skip
        self._insert(
            schema.edges,
            [{**row, "younger": self._ids[row["younger"]], "older": self._ids[row["older"]]} for row in fresh],
        )
        self.digests += [rows.edge_digest(r["younger"], r["older"], r["type"], r["role"], r["attrs"]) for r in fresh]

    def add_version(self, name: str, version: int, uid: str) -> None:
        """Register the node ``uid`` as version ``version`` of model ``name``.

        Raises:
            StoreError: ``uid`` is no recorded model version, or is registered already.
        """
        self._find([uid])
        table, versions = schema.nodes.c, schema.model_versions.c
        found = self._connection.execute(select(table.id, table.kind).where(table.uid == bytes.fromhex(uid))).first()
        if found is None or found.kind != Kind.MODEL_VERSION:
            raise StoreError(f"{name}:{version}: got the node {uid}, expected a recorded model version")
        query = select(versions.name, versions.version).where(versions.node == found.id)
        if (taken := self._connection.execute(query).first()) is not None:
            raise StoreError(f"{name}:{version}: its node {uid} is {taken.name}:{taken.version} already")
        self._insert(schema.model_versions, [{"name": name, "version": version, "node": found.id}])
        self.digests.append(rows.version_digest(name, version, uid))

    def add_alias(self, name: str, alias: str, version: int) -> None:
        """Let the alias point to ``version`` from now on."""
        self._insert(schema.alias_moves, [{"name": name, "alias": alias, "version": version}])
        self.digests.append(rows.alias_digest(name, alias, version))

    def add_blobs(self, sizes: dict[str, int]) -> None:
        """Record which blobs must be there."""
        table = schema.blobs.c.sha256
        known = {
            row.sha256.hex()
            for part in _parts([bytes.fromhex(sha256) for sha256 in sizes])
            for row in self._connection.execute(select(table).where(table.in_(part)))
        }
        fresh = {sha256: size for sha256, size in sizes.items() if sha256 not in known}
        self._insert(schema.blobs, [{"sha256": bytes.fromhex(s), "size": size} for s, size in fresh.items()])
        self.digests += [rows.blob_digest(sha256, size) for sha256, size in fresh.items()]

    def _insert(self, table: Any, values: list[dict[str, Any]], *, numbered: bool = True) -> None:
        if values:
            self._connection.execute(insert(table), [{**v, "tx": self._tx} for v in values] if numbered else values)

    def _find(self, uids: Iterable[str]) -> None:
        table = schema.nodes.c
        for part in _parts([bytes.fromhex(uid) for uid in uids if uid not in self._ids]):
            query = select(table.id, table.uid).where(table.uid.in_(part))
            self._ids.update((row.uid.hex(), row.id) for row in self._connection.execute(query))

    def _known_edges(self, younger: Iterable[int]) -> set[tuple[int, int, str, str]]:
        table = schema.edges.c
        columns = (table.younger, table.older, table.type, table.role)
        return {
            (row.younger, row.older, row.type, row.role)
            for part in _parts(sorted(younger))
            for row in self._connection.execute(select(*columns).where(table.younger.in_(part)))
        }


class Writer:
    """The writing side of a store."""

    def __init__(self, path: Path, journal: Journal) -> None:
        self._path = path
        self._journal = journal
        self._engine = _engine(sqlite.connect(path, write=True))

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One durable transaction. Its digest is in the journal before it commits, so no row lacks its record.

        A writer killed between the two leaves a record of a transaction that never was; the next one takes its
        number. A transaction that adds nothing leaves nothing.

        Raises:
            StoreError: The database cannot be written; nothing was added.
        """
        with translated(self._path), self._engine.connect() as connection, connection.begin() as outer:
            tx = (connection.scalar(select(func.max(schema.transactions.c.tx))) or 0) + 1
            transaction = Transaction(connection, tx)
            connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")  # rows name the transaction inserted last
            yield transaction
            if not transaction.digests:
                outer.rollback()
                return
            digest = rows.transaction_digest(transaction.digests)
            created = datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")
            row = {"tx": tx, "created": created, "digest": bytes.fromhex(digest)}
            connection.execute(insert(schema.transactions), row)
            self._journal.append(TRANSACTION, tx=tx, digest=digest, rows=len(transaction.digests))
            with fsops.guard(self._path):
                fsops.checkpoint("commit", self._path)
            outer.commit()

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()


def _texts(uid: str, node: Node) -> dict[str, str]:
    if not all(isinstance(value, str) for value in node.identity.values()):
        raise UsageError(f"node {uid}: got the identity {node.identity!r}, expected text values only")
    return {
        "kind": node.kind.value,
        "name": node.name,
        "identity": canonical_json(node.identity).decode(),
        "attrs": canonical_json(node.attrs).decode(),
        "evidence": node.evidence.value,
    }


def _parts(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]
