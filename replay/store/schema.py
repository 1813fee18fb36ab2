"""The tables of the lineage database, as SQLAlchemy knows them. What makes them is `migrations`; a test compares both.

Inside the database nodes are integers (closures are 2 × faster than on text) that grow with their age, kinds and edge
types are the codes of `rows`, and every row names the transaction that wrote it. The rows of a transaction are bound
into its digest, and each transaction into the next one (see `chain`). All of these tables are append-only: triggers
refuse everything else.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

METADATA = MetaData()

_Text = Text().with_variant(Text(collation="C"), "postgresql")
"""Compared by code points, on both."""
_Id = BigInteger().with_variant(Integer, "sqlite")


def _tx() -> Column[int]:
    return Column("tx", _Id, ForeignKey("transactions.tx", deferrable=True, initially="DEFERRED"), nullable=False)


def _node(name: str, *, primary_key: bool = False, nullable: bool = False) -> Column[int]:
    return Column(name, _Id, ForeignKey("nodes.id"), nullable=nullable, primary_key=primary_key)


meta = Table(
    "meta",
    METADATA,
    Column("key", _Text, primary_key=True),
    Column("value", _Text, nullable=False),
)
"""``store``: this store's ULID; a copy keeps it. ``journal …``: see `writes.tie`."""

transactions = Table(
    "transactions",
    METADATA,
    Column("tx", _Id, primary_key=True, autoincrement=False),
    Column("created", _Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("sums", LargeBinary, nullable=False),
    Column("leaf", LargeBinary, nullable=False),
)
"""One row for each recorded transaction; see `chain.Entry`."""

checkpoints = Table(
    "checkpoints",
    METADATA,
    Column("size", _Id, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
    Column("created", _Text, nullable=False),
)
"""Merkle roots (RFC 6962) over the first ``size`` transactions."""

nodes = Table(
    "nodes",
    METADATA,
    Column("id", _Id, primary_key=True, autoincrement=False),
    Column("uid", LargeBinary, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("type", _Text, nullable=False),
    Column("name", _Text, nullable=False),
    Column("identity", _Text),
    Column("attrs", _Text, nullable=False),
    Column("evidence", _Text),
    _tx(),
)
"""``identity`` is kept only where the uid does not tell it. ``evidence``: nothing means recorded."""

Index("nodes_uid", nodes.c.uid, unique=True)
Index(
    "nodes_named",
    nodes.c.name,
    sqlite_where=text("kind IN (2, 10, 11, 12, 13, 17)"),
    postgresql_where=text("kind IN (2, 10, 11, 12, 13, 17)"),
)

edges = Table(
    "edges",
    METADATA,
    _node("younger", primary_key=True),
    _node("older", primary_key=True),
    Column("type", SmallInteger, primary_key=True),
    Column("role", _Text, primary_key=True),
    Column("attrs", _Text, nullable=False),
    Column("evidence", _Text),
    Column("late", SmallInteger, nullable=False),
    _tx(),
    sqlite_with_rowid=False,
)
"""Source and target follow from ``younger`` and ``older`` by the type (see `lineage.Edge`).

``late``: the younger node was recorded by an earlier transaction, so a snapshot of that time lacks the edge.
"""

Index("edges_reverse", edges.c.older, edges.c.younger, edges.c.type, edges.c.role)
Index("edges_late", edges.c.tx, sqlite_where=text("late = 1"), postgresql_where=text("late = 1"))

facets = Table(
    "facets",
    METADATA,
    Column("id", _Id, primary_key=True, autoincrement=False),
    _node("node"),
    Column("key", _Text, nullable=False),
    Column("value", _Text, nullable=False),
    Column("evidence", _Text),
    _node("action", nullable=True),
    _tx(),
)

Index("facets_node", facets.c.node, facets.c.key, facets.c.id)
Index("facets_key", facets.c.key, facets.c.id)

model_versions = Table(
    "model_versions",
    METADATA,
    Column("name", _Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    _node("node"),
    _tx(),
    UniqueConstraint("node"),
    sqlite_with_rowid=False,
)

blobs = Table(
    "blobs",
    METADATA,
    Column("sha256", LargeBinary, primary_key=True),
    Column("size", _Id, nullable=False),
    _tx(),
    sqlite_with_rowid=False,
)
"""The blobs that must be there, unless they were forgotten."""
