"""The store: lineage database, blobs and journal. The database is a file in the ``.replay`` directory or PostgreSQL."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from replay import light  # noqa: F401  # first of all
from replay.errors import StoreError, UsageError
from replay.identity import ModelId
from replay.lineage import Edge, Facet, Node
from replay.store import backends
from replay.store.blobs import Blobs
from replay.store.interface import Database
from replay.store.journal import Journal, Record
from replay.store.reader import Reader

if TYPE_CHECKING:
    from replay.store.chain import Checkpoint
    from replay.store.writes import Transaction

NAME = ".replay"

Build = Callable[[int], tuple[list[Node], list[Edge], str]]
Decision = tuple[Iterable[Node], Iterable[Edge], Iterable[Facet]]


class Store(Reader):
    """Everything recorded. Append-only: what was recorded first stays.

    Several processes may read and write at once; in one process its threads take turns. Reading never imports
    SQLAlchemy.

    Attributes:
        root: The ``.replay`` directory.
        database: The lineage database.
        blobs: The content-addressed blobs.
        journal: The hash-chained journal of commands, with a checkpoint of the database in each line.
    """

    def __init__(self, root: Path, database: Database) -> None:
        """Use `Store.open`, which checks first."""
        super().__init__(root, database)
        self.blobs = Blobs(root / "blobs")
        self.journal = Journal(root / "journal.jsonl")
        self._writing = False

    @classmethod
    def open(cls, root: Path, *, create: bool = False, url: str | None = None, read_only: bool = False) -> Store:
        """Open the store in ``root``, the ``.replay`` directory.

        Args:
            root: The directory.
            create: Make a store with an SQLite file when there is none.
            url: The address of a PostgreSQL database, instead of the one that the store itself names.
            read_only: It is somebody else's: nothing is written.

        Raises:
            UsageError: It is missing.
            StoreError: Not writable, made by an older or newer program, or no server answers.
            StoreCorruptError: Not a lineage database, or damaged.
        """
        return cls(root, backends.open_database(root, create=create, url=url, read_only=read_only))

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
            self.database.close()

    def append(self, nodes: Iterable[Node], edges: Iterable[Edge] = (), facets: Iterable[Facet] = ()) -> None:
        """Add nodes, edges and facets in one durable transaction; a node or edge that is there stays as it was.

        Blobs put through `blobs` since the last transaction are recorded with it.

        Raises:
            UsageError: A float or a non-text identity in a node.
            StoreError: An edge's end is no recorded node; or the disk is full, not writable, or failed.
            StoreBusyError: Another process wrote for too long.
        """
        with self._transaction() as transaction:
            transaction.add(nodes, edges)
            transaction.add_facets(facets)

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
            transaction.add(nodes, edges)
            transaction.add_version(name, version, uid)
        return version

    def decide(self, build: Callable[[], Decision]) -> None:
        """Add the nodes, edges and facets that ``build()`` returns, decided while no other process can write.

        What ``build`` reads therefore holds until all of it is recorded. It must not write to this store.

        Raises:
            StoreError: As `append`.
            StoreBusyError: Another process wrote for too long.
        """
        with self._transaction() as transaction:
            nodes, edges, facets = build()
            transaction.add(nodes, edges)
            transaction.add_facets(facets)

    def load(self, batches: Iterable[tuple[Sequence[Node], Sequence[Edge]]]) -> int:
        """Add very many nodes and edges, all or nothing; returns how many nodes were not there yet.

        An edge's ends are in its batch or in an earlier one. A batch is best some 500 nodes, older ones first.

        Raises:
            UsageError: A float or a non-text identity in a node.
            StoreError: An edge's end is no recorded node; or the disk is full, not writable, or failed.
            StoreBusyError: Another process wrote for too long.
        """
        from replay.store.loading import load

        with self._alone():
            return load(self.database, batches)

    def checkpoint(self) -> Checkpoint | None:
        """Record the Merkle root over everything recorded; ``None`` for an empty store.

        Raises:
            StoreError: The database cannot be written.
        """
        from replay.store import writes

        with self._alone(), self.database.writing() as cursor:
            return writes.add_checkpoint(cursor, writes.now())

    def note(self, action: str, /, **fields: Any) -> Record:
        """Write a command into the journal, with a checkpoint: from then on nothing before it can be set back unseen.

        The database in turn is told of the journal's newest record, so that the journal cannot be cut back unseen.

        Raises:
            StoreError: The disk is full, not writable, or failed.
        """
        from replay.store import writes

        with self._alone(), self.database.writing() as cursor:
            writes.tie(cursor, self.journal.ends())
            made = writes.add_checkpoint(cursor, writes.now())
        seal = {"size": made.size, "root": made.root.hex()} if made else {"size": 0, "root": ""}
        return self.journal.append(action, **fields, **seal)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """No other write of this store, not even one from inside this one: it would wait for itself."""
        with self._lock:
            if self._writing:
                raise StoreError("got a write from inside another write of this store, expected one after the other")
            self._writing = True
            try:
                yield
            finally:
                self._writing = False

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Transaction]:
        from replay.store import writes

        with self._alone():
            blobs = self.blobs.take_new()
            try:
                with writes.writing(self.database) as transaction:
                    yield transaction
                    self._require_there(blobs)
                    transaction.add_blobs(blobs)
            except BaseException:
                self.blobs.give_back(blobs)
                raise

    def _require_there(self, blobs: Iterable[str]) -> None:
        """Whoever forgets deletes while nobody can write: from here on, what is there stays."""
        if gone := sorted(sha256 for sha256 in blobs if not self.blobs.has(sha256)):
            raise StoreError(
                f"blob {gone[0]}: was forgotten by another process while this one kept it",
                hint="nothing was recorded; run the same command again",
            )


def _require_name(name: str) -> None:
    if ModelId.parse(name) != ModelId(name=name):
        raise UsageError(f"got {name!r}, expected a name without version or alias")
