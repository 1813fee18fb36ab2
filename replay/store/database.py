"""The store: lineage database, blobs and journal. The database is a file in the ``.replay`` directory or PostgreSQL."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from replay.errors import ModelNotFoundError, ResolveError, StoreCorruptError, StoreError, UsageError
from replay.identity import ModelId
from replay.lineage import Edge, Facet, Lineage, Node, group_node
from replay.store import backends, reads
from replay.store.blobs import Blobs
from replay.store.interface import Database
from replay.store.journal import Journal, Record
from replay.store.reach import Reach, Reaching
from replay.store.reads import Direction, ModelRow

if TYPE_CHECKING:
    from replay.store.chain import Checkpoint
    from replay.store.writes import Transaction

NAME = ".replay"

Build = Callable[[int], tuple[list[Node], list[Edge], str]]
Decision = tuple[Iterable[Node], Iterable[Edge], Iterable[Facet]]


class Store:
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
        self.root = root
        self.database = database
        self.blobs = Blobs(root / "blobs")
        self.journal = Journal(root / "journal.jsonl")
        self._reaching = Reaching(root, database)
        self._lock = threading.RLock()
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

    @property
    def id(self) -> str:
        """This store's ULID; copies share it."""
        with self.reading() as database:
            return str(database.rows("SELECT value FROM meta WHERE key = 'store'")[0][0])

    # -- writing -----------------------------------------------------------------------------------------------------

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

        An edge's ends are in its batch or in an earlier one. A batch is best some 10,000 nodes, older ones first.

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

    # -- reading -----------------------------------------------------------------------------------------------------

    def model_version(self, id: ModelId) -> str:
        """The uid of a model version's node; a name alone means its newest version.

        Raises:
            ModelNotFoundError: There is none; the hint has near matches.
        """
        version = id.version if id.alias is None else self.alias(id.name, id.alias)
        found = None
        if version is not None or id.alias is None:
            with self.reading() as database:
                found = reads.version_uid(database, id.name, version)
        if found is None:
            raise self._not_found(id)
        return found

    def alias(self, name: str, alias: str) -> int | None:
        """The version that ``name@alias`` means now."""
        facet = self.facets(group_node(name).uid).get(f"alias:{alias}")
        return int(facet.value) if facet and facet.value is not None else None

    def models(self, name: str | None = None) -> list[ModelRow]:
        """All registered model versions, or those of one model, by name and version."""
        with self.reading() as database, database.snapshot():
            moves = reads.facets_like(database, "alias:", "alias:\U0010ffff")
            rows = reads.model_versions(database, name)
        standing = {(facet.node, facet.key.partition(":")[2]): facet.value for facet in moves}
        named: dict[tuple[str, int], list[str]] = {}
        for (group, alias), version in standing.items():
            named.setdefault((group, version), []).append(alias)
        return [
            ModelRow(
                name=model,
                version=version,
                created=created,
                uid=uid,
                aliases=tuple(sorted(named.get((group_node(model).uid, version), ()))),
            )
            for model, version, created, uid in rows
        ]

    def node(self, uid: str) -> Node:
        """The node with this uid.

        Raises:
            ResolveError: There is none.
        """
        with self.reading() as database:
            found = reads.node(database, uid)
        if found is None:
            raise _no_node(uid)
        return found

    def has(self, uid: str) -> bool:
        """Whether a node is recorded."""
        with self.reading() as database:
            return reads.node_id(database, uid) is not None

    def reach(self, uid: str, *, direction: Direction = "up") -> Reach:
        """The uids of a node and of everything upstream or downstream of it, nearest first, and nothing else.

        Raises:
            ResolveError: There is no such node.
        """
        with self.reading():
            found = self._reaching.reach(uid, direction)
        if not len(found):
            raise _no_node(uid)
        return found

    def closure(self, uid: str, *, direction: Direction = "up", limit: int | None = None) -> Lineage:
        """Everything upstream (what it stands on) or downstream (what stands on it) of a node, nearest first.

        Raises:
            ResolveError: There is no such node.
            UsageError: ``limit`` is below 1.
        """
        if limit is not None and limit < 1:
            raise UsageError(f"got the limit {limit}, expected at least 1")
        with self.reading() as database:
            found = reads.closure(database, uid, direction, limit)
        if not found.nodes:
            raise _no_node(uid)
        return found

    def neighbours(self, uid: str, *, direction: Direction = "up") -> list[tuple[Edge, Node]]:
        """The edges one step up or down with the nodes at their other end, e.g. all outputs of a run (``down``).

        Raises:
            ResolveError: There is no such node.
        """
        with self.reading() as database:
            number = reads.node_id(database, uid)
            if number is None:
                raise _no_node(uid)
            return reads.neighbours(database, uid, number, direction)

    def find_prefix(self, prefix: str, *, limit: int = 20) -> list[Node]:
        """The nodes whose digest, commit or ULID begins with ``prefix`` (4 characters and more), at most ``limit``."""
        with self.reading() as database:
            return reads.prefixed(database, prefix, limit)

    def find_name(self, name: str, *, limit: int = 20) -> list[Node]:
        """The locators, collections, agents, plans, deployments and feature views of this name, at most ``limit``."""
        with self.reading() as database:
            return reads.named(database, name, limit)

    def facets(self, uid: str) -> dict[str, Facet]:
        """What holds of a node now, by key; nothing for a node that is not recorded."""
        return {facet.key: facet for facet in self.history(uid)}

    def history(self, uid: str) -> list[Facet]:
        """Everything that was ever said of a node, oldest first."""
        return self.histories([uid]).get(uid, [])

    def histories(self, uids: Collection[str]) -> dict[str, list[Facet]]:
        """Everything that was ever said of many nodes, oldest first."""
        with self.reading() as database:
            numbers = {number: uid for uid, number in reads.node_ids(database, uids).items()}
            found = reads.facets(database, list(numbers)) if numbers else {}
        return {numbers[number]: facets for number, facets in found.items()}

    @contextlib.contextmanager
    def reading(self) -> Iterator[Database]:
        """The database, for this thread alone.

        Raises:
            UsageError: Something that is no Unicode was asked for.
            StoreCorruptError: What was read was never written by this program.
        """
        try:
            with self._lock:
                yield self.database
        except UnicodeEncodeError as error:
            raise UsageError(f"got text that is no Unicode: {error}") from error
        except (msgspec.DecodeError, ValueError, KeyError, RecursionError) as error:
            raise StoreCorruptError(
                f"{self.database.place}: {error}", hint="`replay verify` says what is damaged"
            ) from error

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


def _no_node(uid: str) -> ResolveError:
    return ResolveError(f"no node {uid} is recorded", hint="`replay models` lists what is recorded")


def _require_name(name: str) -> None:
    if ModelId.parse(name) != ModelId(name=name):
        raise UsageError(f"got {name!r}, expected a name without version or alias")
