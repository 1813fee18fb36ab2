"""The tables of the lineage database; append-only by triggers.

Inside the database nodes are integers (closures are 2 × faster than on text); outside only their ``uid`` counts.
Every row names the transaction that wrote it, and the transaction's digest is bound into the journal.
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

METADATA = MetaData()

transactions = Table(
    "transactions",
    METADATA,
    Column("tx", Integer, primary_key=True),
    Column("created", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
)


def _tx() -> Column[int]:
    return Column("tx", Integer, ForeignKey("transactions.tx"), nullable=False)


def _node(name: str, *, primary_key: bool = False) -> Column[int]:
    return Column(name, Integer, ForeignKey("nodes.id"), nullable=False, primary_key=primary_key)


nodes = Table(
    "nodes",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("uid", LargeBinary, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("identity", Text, nullable=False),
    Column("attrs", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    _tx(),
)

identities = Table(
    "identities",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    _node("node", primary_key=True),
    sqlite_with_rowid=False,
)
"""Look-up of nodes by one key of their identity, exact or by prefix."""

edges = Table(
    "edges",
    METADATA,
    _node("younger", primary_key=True),
    _node("older", primary_key=True),
    Column("type", Text, primary_key=True),
    Column("role", Text, primary_key=True),
    Column("attrs", Text, nullable=False),
    _tx(),
    sqlite_with_rowid=False,
)
"""Source and target follow from ``younger`` and ``older`` by the type (see `lineage.Edge`)."""

Index("edges_reverse", edges.c.older, edges.c.younger, edges.c.type, edges.c.role)

model_versions = Table(
    "model_versions",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    _node("node"),
    _tx(),
    UniqueConstraint("node"),
    sqlite_with_rowid=False,
)

alias_moves = Table(
    "alias_moves",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("alias", Text, nullable=False),
    Column("version", Integer, nullable=False),
    _tx(),
)
"""The newest move of an alias says where it points."""

Index("alias_moves_by_name", alias_moves.c.name, alias_moves.c.alias)

blobs = Table(
    "blobs",
    METADATA,
    Column("sha256", LargeBinary, primary_key=True),
    Column("size", Integer, nullable=False),
    _tx(),
    sqlite_with_rowid=False,
)
"""The blobs that must be there."""


def create(connection: Connection, *, version: int, application_id: int) -> None:
    """Make all tables and triggers in the transaction of ``connection``, on SQLite."""
    METADATA.create_all(connection)
    for table in METADATA.sorted_tables:
        for verb in ("UPDATE", "DELETE"):
            connection.exec_driver_sql(
                f"CREATE TRIGGER {table.name}_no_{verb.lower()} BEFORE {verb} ON {table.name} "
                f"BEGIN SELECT RAISE(ABORT, '{table.name} is append-only'); END"
            )
    connection.exec_driver_sql(f"PRAGMA application_id = {application_id}")
    connection.exec_driver_sql(f"PRAGMA user_version = {version}")
