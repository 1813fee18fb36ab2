"""What lineage groups and identity rules are made of in the database: facets, looked up by key and never walked.

Membership is a facet on the member and not an edge to its group: an edge would make the group an ancestor of everything
in it, and a walk of what is connected would lead from each member to all others.
"""

from __future__ import annotations

from collections.abc import Collection

from replay.lineage import Facet
from replay.store import reads
from replay.store.interface import Database

POLICY = "policy"
"""On a group: its Cedar text; ``null`` takes it back."""
IDENTITY = "identity"
"""On the node of the store: how askers are known there."""
GROUP = "lineage_group"
"""On a group: it is one. So all of them are found without looking at every node."""
_MEMBER, _AFTER_MEMBER = "group:", "group;"
_NO_VALUE = "null"


def member_key(group: str) -> str:
    """The key of the facet that says of a node: it is in this group. The group's uid tells it from other stores'."""
    return _MEMBER + group


def is_private(key: str) -> bool:
    """Whether a facet is told to nobody who comes from another store."""
    return key in {POLICY, IDENTITY} or key.startswith(_MEMBER)


def has_rules(database: Database) -> bool:
    """Whether there was ever a policy or a rule of identity: one look into an index."""
    return bool(database.rows("SELECT 1 FROM facets WHERE key IN (?, ?) LIMIT 1", (POLICY, IDENTITY)))


def standing(database: Database, key: str) -> dict[str, Facet]:
    """The newest facet of this key of every node that has one; what was taken back is left out."""
    newest: dict[str, Facet] = {}
    for facet in reads.facets_like(database, key, key):
        newest.pop(facet.node, None)  # what came back comes last
        newest[facet.node] = facet
    return {uid: facet for uid, facet in newest.items() if facet.value is not None}


def members(database: Database, group: str) -> list[str]:
    """The uids of everything in a group, in the order in which it came to it."""
    return list(standing(database, member_key(group)))


def groups_of(database: Database, uids: Collection[str]) -> dict[str, frozenset[str]]:
    """Of each node that is in groups the uids of these."""
    ends = (_MEMBER, _AFTER_MEMBER)
    if not database.rows("SELECT 1 FROM facets WHERE key >= ? AND key < ? LIMIT 1", ends):
        return {}
    names = {number: uid for uid, number in reads.node_ids(database, uids).items()}
    # By node, not by key: the planner must not take the index of all memberships for a few nodes.
    query = (
        f"SELECT f.node, f.key, f.value FROM facets f WHERE f.node {database.any} "
        "AND substr(f.key, 1, 6) = ? ORDER BY f.id"
    )
    found: dict[int, frozenset[str]] = {}
    alone: dict[str, frozenset[str]] = {}  # most nodes are in one group or in none
    for node, key, value in database.rows(query, (database.many(names), _MEMBER)):
        group = alone.get(key) or alone.setdefault(key, frozenset((key.removeprefix(_MEMBER),)))
        known = found.get(node)
        if value == _NO_VALUE:
            found[node] = known - group if known else frozenset()
        else:
            found[node] = known | group if known else group
    return {names[node]: groups for node, groups in found.items() if groups}
