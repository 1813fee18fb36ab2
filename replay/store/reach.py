"""Everything up or down from a node, by the quickest way there is: the ids alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from replay.errors import StoreError
from replay.store import reads
from replay.store.interface import Database
from replay.store.reads import Direction

if TYPE_CHECKING:
    from replay.store.snapshot import Snapshot

FILE = Path("cache", "snapshot.bin")
WORTH = 20_000
"""A walk that met so many nodes makes a snapshot for the next one."""
RENEW = 0.2
"""A snapshot that lacks this share of the edges is made anew."""


class Reach(Sequence[str]):
    """The uids of a node and of all that is up or down from it, nearest first. They are spelled out when looked at."""

    def __init__(self, numbers: Sequence[int], database: Database, taken: Snapshot | None) -> None:
        """Use `Reaching.reach`."""
        self.numbers = numbers
        """The nodes by their numbers inside the database."""
        self._database = database
        self._snapshot = taken
        self._uids: list[str] | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[str]:
        return iter(self._spelled())

    def __getitem__(self, index: int) -> str:  # type: ignore[override]  # no slices: nobody needs them
        return self._spelled()[index]

    def _spelled(self) -> list[str]:
        if self._uids is None:
            self._uids = self._spell()
        return self._uids

    def _spell(self) -> list[str]:
        taken = self._snapshot
        if taken is not None and max(self.numbers, default=0) <= taken.nodes:
            return taken.uids(self.numbers)
        old = [number for number in self.numbers if taken is not None and number <= taken.nodes]
        known = dict(zip(old, taken.uids(old), strict=True)) if taken is not None else {}
        new = [number for number in self.numbers if number not in known]
        known |= reads.uids(self._database, new)
        return [known[number] for number in self.numbers]


class Reaching:
    """Walks a store by SQL, or over a snapshot of its adjacency where that pays: downwards, and again."""

    def __init__(self, root: Path, database: Database) -> None:
        self._file = root / FILE
        self._database = database
        self._snapshot: Snapshot | None = None
        self._looked = False

    def reach(self, uid: str, direction: Direction) -> Reach:
        """See `database.Store.reach`; empty when the node is not recorded."""
        taken = self._taken(direction)
        if taken is None:
            found = reads.reach(self._database, uid, direction)
            if len(found) >= WORTH:
                self._renew()
            return Reach(found, self._database, None)
        taken.catch_up(self._database)
        start = reads.node_id(self._database, uid)
        numbers = taken.reach(start, direction) if start is not None else ()
        if taken.later > RENEW * taken.edges:
            self._renew()
        return Reach(numbers, self._database, taken)

    def _taken(self, direction: Direction) -> Snapshot | None:
        """The snapshot; upwards, where walks are short, only when it is open already."""
        if self._snapshot is None and not self._looked and direction == "down":
            from replay.store.snapshot import Snapshot

            self._snapshot, self._looked = Snapshot.open(self._file, self._database), True
        return self._snapshot

    def _renew(self) -> None:
        """Make a snapshot for the next walk; one that cannot be written costs time, never an answer."""
        from replay.store import snapshot

        try:
            snapshot.make(self._database, self._file)
        except StoreError:
            return
        self._snapshot, self._looked = None, False
