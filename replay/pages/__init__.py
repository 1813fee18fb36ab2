"""The page of a node: everything that is known about it, in one place."""

from replay.pages.building import page_of
from replay.pages.page import SCHEMA, Page

__all__ = ["SCHEMA", "Page", "page_of"]
