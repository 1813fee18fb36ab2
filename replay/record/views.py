"""Feature views among the inputs of a run, and how the lineage says so."""

from __future__ import annotations

import msgspec

from replay.lineage import Edge, EdgeType, Evidence


class UsedView(msgspec.Struct, frozen=True, kw_only=True):
    """A run's input is the file of a feature view."""

    view: str
    """The view's uid; it is recorded."""
    group: str
    path: str
    """Of the input."""
    as_of: str
    """Up to which event time the view goes."""
    written: str
    """Up to which write."""


def view_edge(run: str, used: UsedView) -> Edge:
    """From the run to the view, past the file: the content says that they belong together."""
    return Edge(
        source=run,
        type=EdgeType.USED,
        target=used.view,
        role=f"features:{used.group}",
        attrs={"path": used.path, "as_of": used.as_of, "written": used.written},
        evidence=Evidence.INFERRED,
        basis="the input has the content that was read from the view",
    )
