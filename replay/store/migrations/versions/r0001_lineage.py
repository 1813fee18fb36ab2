"""The lineage graph, its chain and its checkpoints, all of it append-only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from replay.identity import ulid

revision = "0001"
down_revision = None

_APPEND_ONLY = ("transactions", "checkpoints", "nodes", "edges", "facets", "model_versions", "blobs", "meta")
_NAMED = sa.text("kind IN (2, 10, 11, 12, 13, 17)")
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make everything."""
    _chain()
    _graph()
    _indexes()
    connection = op.get_bind()
    connection.execute(sa.text("INSERT INTO meta VALUES ('store', :id)"), {"id": ulid()})
    if connection.dialect.name == "sqlite":
        _guard_sqlite()
    else:
        _guard_postgres()


def _tx() -> sa.Column[int]:
    key = sa.ForeignKey("transactions.tx", deferrable=True, initially="DEFERRED")
    return sa.Column("tx", _ID, key, nullable=False)


def _node(name: str, *, primary_key: bool = False, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, _ID, sa.ForeignKey("nodes.id"), primary_key=primary_key, nullable=nullable)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, _ID, primary_key=True, autoincrement=False)


def _chain() -> None:
    op.create_table("meta", sa.Column("key", _TEXT, primary_key=True), sa.Column("value", _TEXT, nullable=False))
    op.create_table(
        "transactions",
        _number("tx"),
        sa.Column("created", _TEXT, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("sums", sa.LargeBinary, nullable=False),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "checkpoints",
        _number("size"),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("frontier", sa.LargeBinary, nullable=False),
        sa.Column("created", _TEXT, nullable=False),
    )


def _graph() -> None:
    op.create_table(
        "nodes",
        _number("id"),
        sa.Column("uid", sa.LargeBinary, nullable=False),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("type", _TEXT, nullable=False),
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("identity", _TEXT),
        sa.Column("attrs", _TEXT, nullable=False),
        sa.Column("evidence", _TEXT),
        _tx(),
    )
    op.create_table(
        "edges",
        _node("younger", primary_key=True),
        _node("older", primary_key=True),
        sa.Column("type", sa.SmallInteger, primary_key=True),
        sa.Column("role", _TEXT, primary_key=True),
        sa.Column("attrs", _TEXT, nullable=False),
        sa.Column("evidence", _TEXT),
        sa.Column("late", sa.SmallInteger, nullable=False),
        _tx(),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "facets",
        _number("id"),
        _node("node"),
        sa.Column("key", _TEXT, nullable=False),
        sa.Column("value", _TEXT, nullable=False),
        sa.Column("evidence", _TEXT),
        _node("action", nullable=True),
        _tx(),
    )
    op.create_table(
        "model_versions",
        sa.Column("name", _TEXT, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        _node("node"),
        _tx(),
        sa.UniqueConstraint("node"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "blobs",
        sa.Column("sha256", sa.LargeBinary, primary_key=True),
        sa.Column("size", _ID, nullable=False),
        _tx(),
        sqlite_with_rowid=False,
    )


def _indexes() -> None:
    op.create_index("nodes_uid", "nodes", ["uid"], unique=True)
    op.create_index("nodes_named", "nodes", ["name"], sqlite_where=_NAMED, postgresql_where=_NAMED)
    op.create_index("edges_reverse", "edges", ["older", "younger", "type", "role"])
    late = sa.text("late = 1")
    op.create_index("edges_late", "edges", ["tx"], sqlite_where=late, postgresql_where=late)
    op.create_index("facets_node", "facets", ["node", "key", "id"])
    op.create_index("facets_key", "facets", ["key", "id"])


def _guard_sqlite() -> None:
    for table in _APPEND_ONLY:
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
    op.execute(f"PRAGMA application_id = {0x52504C59}")


def _guard_postgres() -> None:
    op.execute(
        "CREATE FUNCTION replay_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
    )
    for table in _APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION replay_refuse()"
        )
        op.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM PUBLIC")
