"""The audit of a store with its measure: how much was checked, and which Merkle root came out."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

import msgspec

from replay import merkle
from replay.errors import UsageError
from replay.progress import Progress
from replay.store.database import Store
from replay.store.findings import Finding
from replay.store.heads import count
from replay.store.interface import Database
from replay.store.verify import BAD, verify_store

TABLES = ("nodes", "edges", "facets", "model_versions", "blobs", "transactions", "checkpoints")
_MANY, _MUCH = 200_000, 4 << 30
_KEPT = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A Merkle root that was kept elsewhere."""

    size: int
    """Over so many transactions."""
    root: str

    @classmethod
    def parse(cls, text: str) -> Kept:
        """Read ``SIZE:HEX``, as `audit` and ``replay store status`` tell it.

        Raises:
            UsageError: It is none.
        """
        found = _KEPT.fullmatch(text.strip().lower())
        if found is None:
            raise UsageError(
                f"got the root {text!r}, expected SIZE:HEX with 64 hex digits",
                hint="`replay verify` and `replay store status` print it like that",
            )
        return cls(size=int(found[1]), root=found[2])


class Audit(msgspec.Struct, kw_only=True):
    """What was checked, and what was found."""

    findings: list[Finding] = []
    checked: dict[str, int] = {}
    """Of each table the rows, and ``journal`` its lines; a table that cannot be read is not there."""
    size: int = 0
    """Transactions."""
    root: str = merkle.EMPTY.hex()
    """The Merkle root over all of them."""


def audit(store: Store, *, kept: Sequence[Kept] = (), progress: Progress | None = None) -> Audit:
    """Check everything (see `verify.verify_store`), count it, and hold the roots against those ``kept`` elsewhere.

    Never raises on bad data.
    """
    done = Audit()
    database = store.database
    more = (
        ("size", lambda: _measure(database, done, kept)),
        ("counts", lambda: _counts(database, done)),
        ("journal", lambda: _lines(store, done)),
    )
    done.findings = verify_store(store, progress, more)
    return done


def is_large(store: Store) -> bool:
    """Whether an audit takes so long that somebody may want to watch it."""
    try:
        with store.reading() as database:
            nodes = database.rows("SELECT max(id) FROM nodes")[0][0]
            sizes = database.rows("SELECT sum(size) FROM blobs")[0][0]
        return bool((nodes or 0) >= _MANY or (sizes or 0) >= _MUCH)
    except BAD:
        return True


def _measure(database: Database, done: Audit, kept: Sequence[Kept]) -> Iterator[Finding]:
    roots = _roots(database, done, {one.size for one in kept})
    for one in kept:
        actual = roots.get(one.size)
        if actual is None:
            problem = f"the store has only {done.size} transactions: it was set back, or its newest ones are gone"
        elif actual != one.root:
            problem = f"got the root {actual}, expected {one.root}: something before it was changed"
        else:
            continue
        yield Finding(place=f"root of {one.size} transactions, kept elsewhere", problem=problem)


def _roots(database: Database, done: Audit, sizes: Collection[int]) -> dict[int, str]:
    """The roots at these sizes, and at the end."""
    roots = {0: merkle.EMPTY.hex()}
    frontier: list[bytes] = []
    for (leaf,) in database.stream("SELECT leaf FROM transactions ORDER BY tx"):
        frontier, done.size = merkle.grow(frontier, done.size, [leaf])
        if done.size in sizes:
            roots[done.size] = merkle.root_of(frontier).hex()
    done.root = merkle.root_of(frontier).hex()
    return roots


def _counts(database: Database, done: Audit) -> Iterator[Finding]:
    for table in TABLES:
        done.checked[table] = count(database, table)
    return iter(())


def _lines(store: Store, done: Audit) -> Iterator[Finding]:
    done.checked["journal"] = len(store.journal.records())
    return iter(())
