"""The reading half of a store: from its database to values. Never imports SQLAlchemy."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec

from replay.errors import ModelNotFoundError, ResolveError, StoreCorruptError, UsageError
from replay.identity import ModelId
from replay.lineage import Edge, Facet, Lineage, Node, group_node
from replay.store import reads
from replay.store.interface import Database
from replay.store.reach import Reach, Reaching
from replay.store.reads import Direction, ModelRow


class Reader:
    """What is recorded, as values. Threads of one process take turns."""

    def __init__(self, root: Path, database: Database) -> None:
        self.root = root
        """The ``.replay`` directory."""
        self.database = database
        """The lineage database."""
        self._reaching = Reaching(root, database)
        self._lock = threading.RLock()

    @property
    def id(self) -> str:
        """This store's ULID; copies share it."""
        with self.reading() as database:
            return str(database.rows("SELECT value FROM meta WHERE key = 'store'")[0][0])

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
