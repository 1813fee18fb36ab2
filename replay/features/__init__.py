"""Feature groups: rows that are written once, and read as of a time, the same ones again years later."""

from replay.features.describing import read_columns, read_document
from replay.features.groups import batches_of, every, find, views_of
from replay.features.reading import Reading, read
from replay.features.registering import Registered, register
from replay.features.telling import Told, tell
from replay.features.writing import Written, write

__all__ = [
    "Reading",
    "Registered",
    "Told",
    "Written",
    "batches_of",
    "every",
    "find",
    "read",
    "read_columns",
    "read_document",
    "register",
    "tell",
    "views_of",
    "write",
]
