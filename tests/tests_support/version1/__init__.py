"""The store of release 0.1, as that release wrote it: two steps, recorded three times (once from a dirty tree), one
replay, and an alias that was moved. ``lineage.sql`` is its database in SQL, ``journal.jsonl`` its journal."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from replay.store.blobs import Blobs

_HERE = Path(__file__).parent
_PATCH = b"""\
diff --git a/params.yaml b/params.yaml
index 0e424ddc2044fc8460432f935cb92741e3156074..b41373df99a04304e7a65001bef974c349b27fd5 100644
--- a/params.yaml
+++ b/params.yaml
@@ -1 +1 @@
-window: 5
+window: 7
"""
_LOG = b""

RECIPES = {
    "trend:1": "05a7cf48752f4514e767545a8a98f3355fcd761c66e679ef67805beb660ae5c2",
    "trend:2": "b9bc1a70d2c272acbe4cacd50ce4ee660c253d8d9694c490ab6ccd0c21ead2f8",
    "trend:3": "033753d1312cf83ebca7b70f8ac4567f53c744102d14d17aaf275d66caed5fbd",
}
"""What release 0.1 froze: model id → recipe id."""
REPLAY = "01M87VNX83Q48X2V66E5EQRNNM"
"""Of trend:1; its ULID."""
EXECUTIONS = ("01M87VNRE45YWE5KVWZS8XB2E2", "01M87VNTVBJJ4JGQBXNPVJXH1C", "01M87VNWXYYJ5KSDMCZZS3Z2JE")


def lay_out(root: Path, *, wal: bool = True) -> Path:
    """Write the store into ``root``, a ``.replay`` folder that is not there yet; its database file."""
    root.mkdir(parents=True)
    (root / ".gitignore").write_text("*\n")
    (root / "journal.jsonl").write_bytes((_HERE / "journal.jsonl").read_bytes())
    blobs = Blobs(root / "blobs")
    for content in (_PATCH, _LOG):
        blobs.put_bytes(content)
    file = root / "lineage.db"
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.executescript((_HERE / "lineage.sql").read_text())
        if wal:
            connection.execute("PRAGMA journal_mode = WAL")
    return file


def rows(file: Path, sql: str) -> list[tuple[object, ...]]:
    """What a query tells of such a database."""
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()
