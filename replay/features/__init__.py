"""Feature groups: rows that are written once, and read as of a time, the same ones again years later."""

from replay.features.groups import batches_of, every, find, views_of, with_users
from replay.features.reading import Reading, read
from replay.features.registering import Registered, read_columns, read_document, register
from replay.features.writing import Written, write

__all__ = [
    "Reading",
    "Registered",
    "Written",
    "batches_of",
    "every",
    "find",
    "read",
    "read_columns",
    "read_document",
    "register",
    "views_of",
    "with_users",
    "write",
]
