"""An answer of the lineage for people: a tree or a table on a terminal, Graphviz, Mermaid, a picture."""

from replay.report.lineage.dot import to_dot
from replay.report.lineage.mermaid import to_mermaid
from replay.report.lineage.svg import to_svg
from replay.report.lineage.table import render_table
from replay.report.lineage.tree import render_notes, render_tree

__all__ = ["render_notes", "render_table", "render_tree", "to_dot", "to_mermaid", "to_svg"]
