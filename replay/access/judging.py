"""What the policies of one store say to one asker: one decision for each set of groups and kind, not one per node."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from replay.access import policies
from replay.access.policies import Policy, Principal, Resource
from replay.acting import Asker
from replay.ask.interface import Seen
from replay.errors import UsageError
from replay.lineage import Kind
from replay.store import reads, shares
from replay.store.database import Store
from replay.store.rows import KINDS
from replay.uid import text_of, uid_of

_Key = tuple[tuple[str, ...], str, str, str]
"""Groups with a policy, kind, type, and the uid where a policy names it."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A node as policies see it."""

    uid: str
    kind: Kind
    type: str
    name: str = ""


def group_uid(name: str, store: str) -> str:
    """The uid of a lineage group: it is one store's, so that groups of two stores never become one."""
    return uid_of({"lineage_group": name, "store": store})


def subjects_of(store: Store, uids: Iterable[str]) -> list[Subject]:
    """Those of these nodes that are recorded."""
    with store.reading() as database:
        numbers = reads.node_ids(database, uids)
        rows = reads.node_rows(database, numbers.values()) if numbers else {}
    return [
        Subject(uid=text_of(row[1]), kind=KINDS[row[2]], type=str(row[3]), name=str(row[4])) for row in rows.values()
    ]


class Judge:
    """The policies of a store as they are now, for one asker."""

    def __init__(self, store: Store, asker: Asker, origin: str) -> None:
        """Read the policies.

        Args:
            store: The store that is asked.
            asker: Who asks it.
            origin: The id of the store that was opened: this one, or the one that this one is attached to.
        """
        self.asker = asker
        self._store = store
        self._principal = Principal(user=asker.user, groups=asker.groups, origin=origin, store=store.id)
        self._policies = _policies_of(store)
        self._named: frozenset[str] | None = None
        self._decided: dict[str, dict[_Key, str]] = {}

    @property
    def is_direct(self) -> bool:
        """Whether the asker opened this store itself: then everything may be done that no policy forbids."""
        return self._principal.origin == self._principal.store

    @property
    def is_lenient(self) -> bool:
        """Whether nothing can be refused, because no policy forbids anything."""
        return self.is_direct and not policies.forbids(self._policies.values())

    def refusals(self, action: str, nodes: Collection[Seen]) -> dict[str, str]:
        """Of those nodes to which the action may not be done: which policy says so.

        Raises:
            UsageError: There is no such action.
        """
        if action not in policies.ACTIONS:
            raise UsageError(f"got the action {action!r}, expected one of {', '.join(policies.ACTIONS)}")
        if not nodes or self.is_lenient:
            return {}
        if not self._policies:  # nothing is shared: Cedar need not be asked
            nowhere = policies.decide((), self._principal, action, Resource(kind="", type="")).because
            return dict.fromkeys((node.uid for node in nodes), nowhere)
        if self._named is None:
            self._named = policies.names_of(self._policies.values())
        with self._store.reading() as database:
            groups = shares.groups_of(database, [node.uid for node in nodes])
        decided, refused = self._decided.setdefault(action, {}), {}
        for node in nodes:
            key = self._key(node, groups.get(node.uid, frozenset()))
            if key not in decided:
                decided[key] = self._decide(action, key)
            if because := decided[key]:
                refused[node.uid] = because
        return refused

    def _key(self, node: Seen, groups: frozenset[str]) -> _Key:
        counting = [group for group in groups if group in self._policies]
        if self.is_direct and node.uid in self._policies and node.uid not in groups:
            counting.append(node.uid)  # at home a group is among what it holds; how a team shares is its own affair
        named = node.uid if self._named and node.uid in self._named else ""
        return tuple(sorted(counting)) if len(counting) > 1 else tuple(counting), node.kind.value, node.type, named

    def _decide(self, action: str, key: _Key) -> str:
        groups, kind, type_, uid = key
        counting = tuple(self._policies[group] for group in groups)
        resource = Resource(kind=kind, type=type_, uid=uid)
        return policies.decide(counting, self._principal, action, resource).because


def _policies_of(store: Store) -> dict[str, Policy]:
    """The policy of each group that has one, by the group's uid."""
    with store.reading() as database:
        texts = shares.standing(database, shares.POLICY)
        names = shares.standing(database, shares.GROUP) if texts else {}
    found = {}
    for uid, facet in texts.items():
        name = names[uid].value if uid in names else None
        if isinstance(name, str) and uid == group_uid(name, store.id):  # else it is no group of this store
            found[uid] = Policy(group=name, text=str(facet.value))
    return found
