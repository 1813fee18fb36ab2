"""Links between nodes, so that a search never walks: whatever values come from over several edges is one link too."""

from __future__ import annotations

from collections.abc import Iterable

from replay.search.fields import Flow
from replay.store.search.edges import Link
from replay.store.search.index import IndexCursor, IndexDatabase

_DIRECT = frozenset({Flow.PLACE, Flow.PART})
"""These lead on to nothing."""
_Ends = dict[tuple[int, int], set[int]]
"""Of a node and a flow: the nodes at the other end."""


def close(fresh: Iterable[Link], cursor: IndexCursor, database: IndexDatabase) -> list[Link]:
    """All links that these links, in the order of their transactions, bring into being.

    Some may be there already. A link that there was before is older than any other way between its ends.
    """
    links = list(fresh)
    chained = [link for link in links if _leads_on(link)]
    above = _known(chained, cursor, database, up=True)
    below = _known(chained, cursor, database, up=False)
    made: dict[tuple[int, Flow, int], int] = {}
    for link in links:
        made.setdefault((link.carrier, link.flow, link.doc), link.since)
        if not _leads_on(link):
            continue
        for source in (link.carrier, *above[link.carrier, link.flow]):
            for target in (link.doc, *below[link.doc, link.flow]):
                made.setdefault((source, link.flow, target), link.since)  # it is the youngest of the way
                if (target, link.flow) in above and target != source:
                    above[target, link.flow].add(source)
                if (source, link.flow) in below and target != source:
                    below[source, link.flow].add(target)
    return [Link(carrier, flow, doc, since) for (carrier, flow, doc), since in made.items()]


def _leads_on(link: Link) -> bool:
    return link.flow not in _DIRECT and link.carrier != link.doc


def _known(links: list[Link], cursor: IndexCursor, database: IndexDatabase, *, up: bool) -> _Ends:
    """Of every carrier what links to it, or of every doc what it links to."""
    ends: _Ends = {(link.carrier if up else link.doc, link.flow): set() for link in links}
    near, far = ("doc", "carrier") if up else ("carrier", "doc")
    query = f"SELECT {near}, flow, {far} FROM search_links WHERE {near} {database.any}"
    for node, flow, other in cursor.rows(query, (database.many({node for node, _ in ends}),)):
        if (node, flow) in ends and node != other:
            ends[node, flow].add(other)
    return ends
