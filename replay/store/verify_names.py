"""What rows are called when something is wrong with them."""

from __future__ import annotations

from typing import Any

from replay.lineage import EdgeType
from replay.store.interface import Reads, Row
from replay.store.rows import EDGE_TYPES
from replay.uid import text_of


def name_of(database: Reads, table: str, row: Row) -> str:
    """A row in words: nodes by their uids, whatever else can be read."""
    if table == "nodes":
        return f"node {_uid(row[1])}"
    if table == "edges":
        younger, older, code, role = row[:4]
        type_ = EDGE_TYPES.get(code)
        source, target = (older, younger) if type_ is EdgeType.GENERATED else (younger, older)
        return f"edge {_node(database, source)} {type_ or code}({role}) {_node(database, target)}"
    if table == "facets":
        return f"facet {row[2]} of {_node(database, row[1])}"
    if table == "model_versions":
        return f"model version {row[0]}:{row[1]}"
    return f"blob {_hex(row[0])}"


def _node(database: Reads, number: Any) -> str:
    found = database.rows("SELECT uid FROM nodes WHERE id = ?", (number,)) if isinstance(number, int) else []
    return _uid(found[0][0]) if found else f"number {number}"


def _uid(raw: Any) -> str:
    try:
        return text_of(raw)
    except (ValueError, TypeError, AttributeError):
        return _hex(raw)


def _hex(field: Any) -> str:
    return field.hex() if isinstance(field, bytes) else str(field)
