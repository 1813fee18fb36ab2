"""Searching the lineage: by fields and by words, across stores."""

from replay.ask.search.searching import search

__all__ = ["search"]
