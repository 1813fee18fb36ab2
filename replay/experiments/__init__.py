"""Experiments: the trials of one question side by side."""

from replay.experiments.listing import Listed, listed
from replay.experiments.table import SCHEMA, Table
from replay.experiments.trials import table_of

__all__ = ["SCHEMA", "Listed", "Table", "listed", "table_of"]
