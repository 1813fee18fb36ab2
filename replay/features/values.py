"""What is known of a feature group, its batches of rows and the views read from them."""

from __future__ import annotations

import msgspec

DELETED = "is_deleted"
"""A boolean column of this name says of a row that its record is gone from then on."""

Columns = tuple[tuple[str, str], ...]
"""Name and type (see `columns`) of each column, in order."""


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what is told."""


class Definition(_Value, frozen=True, kw_only=True):
    """What the rows of a group mean. Never changed: registering another one makes the next version."""

    version: int
    record_id: str
    """The column that says whose row it is."""
    event_time: str
    """The column that says from when on the row holds."""
    columns: Columns = ()
    """Empty until the first rows decide it."""
    document: str = ""
    """The text that describes the group, YAML or JSON."""
    recorded: str = ""
    by: str = ""


class Group(_Value, frozen=True, kw_only=True):
    """A registered feature group."""

    uid: str
    name: str
    definitions: tuple[Definition, ...]
    """Oldest first, at least one."""

    @property
    def definition(self) -> Definition:
        """The one that holds now."""
        return self.definitions[-1]


class Batch(_Value, frozen=True, kw_only=True):
    """Rows that were written at once, and are never changed."""

    uid: str
    sha256: str
    blake3: str
    name: str
    """What the file was called."""
    rows: int
    first: str
    """The earliest event time."""
    last: str
    written: str
    """When it was recorded (UTC)."""
    definition: int
    """The version of the definition that it was checked against."""


class View(_Value, frozen=True, kw_only=True):
    """The rows of a group as of a time: the same rows again whenever it is read."""

    uid: str
    group: str
    as_of: str
    """Up to which event time."""
    written: str
    """Up to which write."""
    all_versions: bool
    rows: int
    digest: str
    """Of the rows, in whatever file (see `digest`)."""
    columns: Columns
    batches: int
    definition: int
    """The version of the group's definition that held then."""
    runs: tuple[str, ...] = ()
    """The runs that used it."""
    models: tuple[str, ...] = ()
    """The model versions that stand on it."""
