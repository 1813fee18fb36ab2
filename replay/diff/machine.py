"""A difference as JSON, and its published JSON Schema."""

from __future__ import annotations

from typing import Any

from replay.diff.tree import SCHEMA, RecipeDiff
from replay.report.machine import pretty, schema_of


def to_json(diff: RecipeDiff) -> bytes:
    """The difference as indented JSON with a final line end."""
    return pretty(diff)


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a difference."""
    return schema_of(RecipeDiff, SCHEMA, "What differs between two recipes")
