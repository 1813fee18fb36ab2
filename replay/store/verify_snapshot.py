"""Does the snapshot of the adjacency say what the database says?"""

from __future__ import annotations

import filecmp
import tempfile
from collections.abc import Iterator
from pathlib import Path

from replay.store import snapshot
from replay.store.findings import Finding
from replay.store.interface import Database
from replay.store.reach import FILE


def check(root: Path, database: Database) -> Iterator[Finding]:
    """A snapshot that the program would use must be the one that it would make of the same state."""
    file = root / FILE
    taken = snapshot.Snapshot.open(file, database)
    if taken is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder) / "snapshot.bin"
        snapshot.make(database, again, tx=taken.tx)
        if not filecmp.cmp(file, again, shallow=False):
            yield Finding(place=str(file), problem="is not what the database says; delete it, it is made anew")
