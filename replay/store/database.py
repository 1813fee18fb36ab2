"""The store: lineage database, blobs and journal in one ``.replay`` directory."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import msgspec

from replay.errors import ModelNotFoundError, ResolveError, StoreCorruptError, StoreError, UsageError
from replay.identity import ModelId
from replay.lineage import Edge, Kind, Lineage, Node
from replay.store import fsops, reads, sqlite
from replay.store.blobs import Blobs
from replay.store.journal import Journal
from replay.store.reads import Direction, ModelRow

if TYPE_CHECKING:
    from replay.store.writes import Transaction, Writer

NAME = ".replay"
_UID = re.compile(r"[0-9a-f]{64}")

Build = Callable[[int], tuple[list[Node], list[Edge], str]]


class Store:
    """Everything recorded. Append-only: what was recorded first stays.

    Several processes may read and write at once; in one process its threads take turns. Reading never imports
    SQLAlchemy.

    Attributes:
        root: The ``.replay`` directory.
        database: The SQLite file.
        blobs: The content-addressed blobs.
        journal: The hash-chained journal.
    """

    def __init__(self, root: Path) -> None:
        """Use `Store.open`, which checks first."""
        self.root = root
        self.database = root / "lineage.db"
        self.blobs = Blobs(root / "blobs")
        self.journal = Journal(root / "journal.jsonl")
        self._lock = threading.RLock()
        self._reader = sqlite.connect(self.database)
        self._writer: Writer | None = None
        self._writing = False

    @classmethod
    def open(cls, root: Path, *, create: bool = False) -> Store:
        """Open the store in ``root``, the ``.replay`` directory; with ``create`` make it when it is missing.

        Raises:
            UsageError: It is missing.
            StoreError: Not writable, or made by a newer program.
            StoreCorruptError: Not a lineage database, or damaged.
        """
        database = root / "lineage.db"
        if create and not database.exists():
            _create(root, database)
        if not database.exists():
            raise UsageError(
                f"{root}: no store here, expected one with {database.name}",
                hint="`replay record` makes one; or run this inside the repository that has it",
            )
        sqlite.require_ours(database)
        return cls(root)

    @staticmethod
    def find(start: Path) -> Path | None:
        """The nearest ``.replay`` directory at or above ``start``, not beyond the repository that ``start`` is in."""
        here = start.resolve()
        for folder in (here, *here.parents):
            if (folder / NAME).is_dir():
                return folder / NAME
            if (folder / ".git").exists():  # a store further up belongs to another project
                return None
        return None

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            self._reader.close()
            if self._writer is not None:
                self._writer.close()
                self._writer = None

    def append(self, nodes: Iterable[Node], edges: Iterable[Edge]) -> None:
        """Add nodes and edges in one durable transaction; what is there already stays as it was recorded first.

        Blobs put through `blobs` since the last transaction are recorded with it.

        Raises:
            UsageError: A float or a non-text identity in a node.
            StoreError: An edge's end is no recorded node; or the disk is full, not writable, or failed.
            StoreBusyError: Another process wrote for too long.
        """
        with self._transaction() as transaction:
            transaction.add_nodes(nodes)
            transaction.add_edges(edges)

    def register(self, name: str, build: Build) -> int:
        """Allot the next version of model ``name`` and record what ``build(version)`` returns with it, all or nothing.

        ``build`` returns nodes, edges and the uid of the model version's node. It runs while no other process can
        write, so it must be quick and must not write to this store.

        Raises:
            UsageError: ``name`` is no model name.
            StoreError: As `append`; or the uid is no model version or is registered already.
            StoreBusyError: Another process wrote for too long.
        """
        _require_name(name)
        with self._transaction() as transaction:
            version = transaction.next_version(name)
            nodes, edges, uid = build(version)
            transaction.add_nodes(nodes)
            transaction.add_edges(edges)
            transaction.add_version(name, version, uid)
        return version

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Let ``name@alias`` mean ``name:version`` from now on; where it pointed before stays on record.

        Raises:
            UsageError: ``alias`` is no alias name.
            ModelNotFoundError: There is no such version.
            StoreError: The disk is full, not writable, or failed.
        """
        _require_name(alias)
        self.model_version(ModelId(name=name, version=version))
        with self._transaction() as transaction:
            transaction.add_alias(name, alias, version)

    def model_version(self, id: ModelId) -> str:
        """The uid of a model version's node; a name alone means its newest version.

        Raises:
            ModelNotFoundError: There is none; the hint has near matches.
        """
        with self._reading() as connection:
            version = id.version
            if id.alias is not None:
                version = reads.alias_version(connection, id.name, id.alias)
            found = None
            if version is not None or id.alias is None:
                found = reads.version_uid(connection, id.name, version)
        if found is None:
            raise self._not_found(id)
        return found

    def models(self) -> list[ModelRow]:
        """All registered model versions, by name and version."""
        with self._reading() as connection:
            return reads.models(connection)

    def node(self, uid: str) -> Node:
        """The node with this uid.

        Raises:
            ResolveError: There is none.
        """
        with self._reading() as connection:
            found = reads.node(connection, _uid(uid))
        if found is None:
            raise ResolveError(f"no node {uid} is recorded", hint="`replay models` lists what is recorded")
        return found

    def closure(self, uid: str, *, direction: Direction = "up", limit: int | None = None) -> Lineage:
        """Everything that ``uid`` stands on (``up``) or that stands on it (``down``), nearest first.

        With ``limit`` at most so many nodes; the answer says when something was cut off.

        Raises:
            ResolveError: There is no such node.
        """
        with self._reading() as connection:
            return reads.closure(connection, uid, self._id(connection, uid), direction, limit)

    def neighbours(self, uid: str, *, direction: Direction = "up") -> list[tuple[Edge, Node]]:
        """The edges one step up or down with the nodes at their other end, e.g. all outputs of a run (``down``).

        Raises:
            ResolveError: There is no such node.
        """
        with self._reading() as connection:
            return reads.neighbours(connection, uid, self._id(connection, uid), direction)

    def nodes_by(self, kind: Kind | None = None, **identity: str) -> list[Node]:
        """The nodes that have all these identity values, of one kind or of any, in the order of recording.

        Raises:
            UsageError: No identity value is given.
        """
        if not identity:
            raise UsageError("got no identity value to look for, expected at least one, such as sha256=…")
        with self._reading() as connection:
            return reads.nodes_by(connection, kind, identity)

    def find_digest(self, sha256: str) -> list[Node]:
        """All nodes whose identity has this sha256."""
        return self.nodes_by(sha256=sha256)

    def find_prefix(self, prefix: str, *, key: str = "sha256", limit: int = 20) -> list[Node]:
        """The nodes whose identity value of ``key`` begins with ``prefix``, at most ``limit``."""
        with self._reading() as connection:
            return reads.prefixed(connection, key, prefix, limit)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock, sqlite.translated(self.database):
                yield self._reader
        except (msgspec.DecodeError, ValueError) as error:
            raise StoreCorruptError(f"{self.database}: {error}", hint="`replay doctor` checks the store") from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Transaction]:
        from replay.store.writes import Writer

        with self._lock:
            if self._writing:
                raise StoreError("got a write from inside another write of this store, expected one after the other")
            if self._writer is None:
                self._writer = Writer(self.database, self.journal)
            self._writing, blobs = True, self.blobs.take_new()
            try:
                with self._writer.transaction() as transaction:
                    yield transaction
                    transaction.add_blobs(blobs)
            except BaseException:
                self.blobs.give_back(blobs)
                raise
            finally:
                self._writing = False

    def _id(self, connection: sqlite3.Connection, uid: str) -> int:
        found = reads.node_id(connection, _uid(uid))
        if found is None:
            raise ResolveError(f"no node {uid} is recorded", hint="`replay models` lists what is recorded")
        return found

    def _not_found(self, wanted: ModelId) -> ModelNotFoundError:
        import difflib

        rows = self.models()
        versions = [row for row in rows if row.name == wanted.name]
        if versions:
            known = [str(row.version) for row in versions] + [f"@{alias}" for row in versions for alias in row.aliases]
            hint = f"recorded of {wanted.name}: " + ", ".join(known)
        elif near := difflib.get_close_matches(wanted.name, sorted({row.name for row in rows}), cutoff=0.5):
            hint = "did you mean " + " or ".join(near) + "? `replay models` lists what is recorded"
        else:
            hint = "`replay models` lists what is recorded"
        return ModelNotFoundError(f"{wanted}: no such model version in {self.root}", hint=hint)


def _create(root: Path, database: Path) -> None:
    from replay.store.writes import create_database

    fsops.make_dir(root)
    with fsops.lock(root / "create.lock"):
        if database.exists():  # another process was faster
            return
        if (journal := root / "journal.jsonl").exists():
            raise StoreCorruptError(
                f"{database}: is gone, but {journal} tells of transactions in it",
                hint=f"bring it back from a backup, or move {root} away to start anew",
            )
        fsops.sweep(root)
        fsops.write_bytes(root / ".gitignore", b"*\n")
        create_database(database)


def _require_name(name: str) -> None:
    if ModelId.parse(name) != ModelId(name=name):
        raise UsageError(f"got {name!r}, expected a name without version or alias")


def _uid(uid: str) -> str:
    if not _UID.fullmatch(uid):
        raise UsageError(f"got the uid {uid!r}, expected 64 hex digits")
    return uid
