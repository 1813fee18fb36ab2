"""A search and what it found: the same in Python, on the command line and in JSON."""

from __future__ import annotations

from typing import Annotated

import msgspec

from replay.lineage import Kind
from replay.search.expression import Expression, Value

SCHEMA = "replay.search/1"
LIMIT = 50


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of searches and answers."""


class Search(_Value, frozen=True, kw_only=True, omit_defaults=True):
    """What to search for, and how to tell it."""

    where: Expression | None = None
    """Everything, when it is missing."""
    kinds: tuple[Kind, ...] = ()
    """Nodes of one of these kinds only."""
    sort: str | None = None
    """A field; what lacks it comes last, numbers come before texts. Without one the newest come first."""
    descending: bool = False
    """The greatest first. Of several values of a node the greatest counts then, else the least."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = LIMIT
    """Hits in one answer; `Found.next` goes on."""
    cursor: str | None = None
    """`Found.next` of the answer before."""


class Hit(_Value, frozen=True, kw_only=True):
    """A node that was found."""

    uid: str
    kind: Kind
    type: str
    name: str
    identity: dict[str, str]
    created: str
    """When it was recorded."""
    modified: str
    """When something was last said of it; when it was recorded, if nothing was."""
    values: dict[str, tuple[Value, ...]]
    """What it has of each field that the search names."""
    stores: tuple[str, ...] = ()
    """The attached stores that hold it, when it was found beyond this one; one's own has no name."""


class Found(_Value, frozen=True, kw_only=True):
    """What was found, and exactly what was not."""

    schema_version: str = SCHEMA
    search: Search
    hits: tuple[Hit, ...]
    total: int
    """Hits in all, on all pages."""
    complete: bool = True
    """Every hit that the asker asked for is counted."""
    truncated_by: tuple[str, ...] = ()
    """``access``; ``store NAME`` for an attached store that could not be asked."""
    hidden: int = 0
    """Hits in this store that the asker may not see, or whose values come from nodes that the asker may not see.

    In attached stores they are not even counted: a number would tell what is in them.
    """
    findings: tuple[str, ...] = ()
    """What is odd about the question: a filter that can match nothing."""
    next: str | None = None
    """The cursor of the next page."""
