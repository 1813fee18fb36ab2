"""What the commands of ``replay store`` say alike."""

from __future__ import annotations

from collections.abc import Mapping

_TABLES = {
    "transactions": "transaction",
    "nodes": "node",
    "edges": "edge",
    "facets": "facet",
    "model_versions": "model version",
    "alias_moves": "alias move",
    "blobs": "blob",
    "checkpoints": "checkpoint",
}


def counted(rows: Mapping[str, int]) -> str:
    """How many of what, such as ``7 transactions, 1 node``; tables that nobody reads of are left out."""
    return ", ".join(plural(rows[table], word) for table, word in _TABLES.items() if table in rows)


def plural(number: int, word: str) -> str:
    """A number with its word."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def size(count: int) -> str:
    """Bytes for people."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
