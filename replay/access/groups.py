"""Lineage groups: named sets of entities, each with a policy. Every change is an action of the lineage."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from replay.access import policies
from replay.access.asking import require
from replay.access.judging import Judge, group_uid, subjects_of
from replay.acting import Act, Asker, act
from replay.errors import UsageError
from replay.lineage import Edge, Facet, Kind, Node
from replay.naming import name_of, text_of
from replay.record.secrets import refuse_secrets
from replay.store import shares
from replay.store.database import Store
from replay.store.owners import is_owner

PRINCIPALS = {"user": "User", "group": "Group", "store": "Store"}


class Group(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A lineage group as it is now."""

    uid: str
    name: str
    created: str
    by: str
    members: int
    """How many entities are in it."""
    policy: str = ""
    """Its Cedar text."""
    versions: int = 0
    """How many policy texts it has had."""


class Version(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A policy text that a group has or had."""

    number: int
    recorded: str
    by: str
    text: str | None
    """``None``: the policy was taken back."""


class Groups:
    """The lineage groups of one store, for one asker."""

    def __init__(self, store: Store, asker: Asker) -> None:
        self._store = store
        self._asker = asker
        self._id = store.id

    def create(self, name: str, reason: str = "") -> Group:
        """Make an empty group.

        Raises:
            UsageError: The name is none, or taken.
        """
        name_of(name, "group")
        uid = group_uid(name, self._id)
        if self._store.has(uid):
            raise UsageError(f"there is a group {name!r} already", hint=f"`replay group show {name}` shows it")
        node = Node(
            kind=Kind.COLLECTION, type="lineage_group", identity={"lineage_group": name, "store": self._id}, name=name
        )
        self._act("create", name, lambda: {uid: {shares.GROUP: name}}, nodes=(node,), reason=reason)
        return self.get(name)

    def get(self, name: str) -> Group:
        """The group of this name.

        Raises:
            UsageError: There is none; the hint has near matches.
        """
        found = self._facet(name)
        history = [facet for facet in self._store.history(found.node) if facet.key == shares.POLICY]
        with self._store.reading() as database:
            count = len(shares.members(database, found.node))
        return Group(
            uid=found.node,
            name=name,
            created=found.recorded,
            by=found.basis,
            members=count,
            policy=(history[-1].value or "") if history else "",
            versions=len(history),
        )

    def all(self) -> list[Group]:
        """Every group that the asker may read, by name."""
        with self._store.reading() as database:
            named = shares.standing(database, shares.GROUP)
        judge = Judge(self._store, self._asker, self._id)
        refused = judge.refusals("read", subjects_of(self._store, named))
        names = sorted(str(facet.value) for uid, facet in named.items() if uid not in refused)
        return [self.get(name) for name in names]

    def members(self, name: str) -> list[str]:
        """The uids of what is in a group, in the order in which it came to it.

        Raises:
            UsageError: There is no such group.
        """
        with self._store.reading() as database:
            return shares.members(database, self._facet(name).node)

    def add(self, name: str, uids: Collection[str], *, upstream: bool = False) -> list[str]:
        """Put entities into a group; those that were not in it yet.

        Args:
            name: The group.
            uids: Nodes of this store.
            upstream: With everything that they stand on, as it is now; what is recorded later is not in the group.

        Raises:
            UsageError: There is no such group, or a node is not recorded in this store.
            PolicyError: The asker may not change the group, or not share one of the nodes.
        """
        group = self._facet(name).node
        wanted = dict.fromkeys(uids)
        lost = [uid for uid in wanted if not self._store.has(uid)]
        if lost:
            raise UsageError(
                f"{lost[0]} is not recorded in this store, and a group holds what its own store has recorded",
                hint="share it in the store that recorded it",
            )
        for uid in list(wanted) if upstream else ():
            wanted |= dict.fromkeys(self._store.closure(uid).nodes)
        there = set(self.members(name))
        fresh = [uid for uid in wanted if uid not in there]
        self._require([group, *fresh])
        if fresh:
            self._act("add", name, lambda: {uid: {shares.member_key(group): name} for uid in fresh})
        return fresh

    def remove(self, name: str, uids: Collection[str]) -> None:
        """Take entities out of a group.

        Raises:
            UsageError: There is no such group, or a node is not in it.
            PolicyError: The asker may not change the group.
        """
        group = self._facet(name).node
        lost = set(uids).difference(self.members(name))
        if lost:
            raise UsageError(f"{min(lost)} is not in the group {name!r}", hint=f"`replay group show {name}` lists it")
        self._require([group, *uids])
        self._act("remove", name, lambda: {uid: {shares.member_key(group): None} for uid in uids})

    def share(self, name: str, principals: Collection[tuple[str, str]], actions: Collection[str]) -> Group:
        """Add a policy to a group that permits some actions to users, groups or everybody of a store.

        Args:
            name: The group.
            principals: Pairs of one of `PRINCIPALS` and a name (of a store: its id).
            actions: Some of `policies.ACTIONS`.

        Raises:
            UsageError: There is no such group, or an action or a name is none.
            PolicyError: The asker may not change the group.
        """
        unknown = [action for action in actions if action not in policies.ACTIONS]
        if unknown or not actions or not principals:
            raise UsageError(
                f"got the actions {', '.join(actions) or 'none'} for {len(principals)} principals, "
                f"expected some of {', '.join(policies.ACTIONS)} for at least one"
            )
        for kind, principal in principals:
            name_of(principal, kind)
        group = self._facet(name).node
        self._require([group])
        texts = [policies.permit(name, (PRINCIPALS[kind], principal), actions) for kind, principal in principals]
        self._act("share", name, lambda: self._grown(name, group, texts))
        return self.get(name)

    def set_policy(self, name: str, text: str | None, reason: str = "") -> Group:
        """Replace the policy of a group, or take it back; the old texts stay on record.

        Raises:
            UsageError: There is no such group, or the text cannot be used.
            PolicyError: The asker may not change the group.
        """
        group = self._facet(name).node
        self._require([group])
        if text is not None:
            self._check(text, name, group)
        self._act("policy", name, lambda: {group: {shares.POLICY: text}}, reason=reason)
        return self.get(name)

    def history(self, name: str) -> list[Version]:
        """Every policy text that a group has had, oldest first.

        Raises:
            UsageError: There is no such group.
        """
        facets = self._policies(self._facet(name).node)
        return [
            Version(number=number, recorded=facet.recorded, by=facet.basis, text=facet.value)
            for number, facet in enumerate(facets, start=1)
        ]

    def require_readable(self, name: str) -> None:
        """Check that the asker may read the group.

        Raises:
            UsageError: There is no such group.
            PolicyError: A policy forbids it, and the asker does not own the database.
        """
        self._unless_owner("read", [self._facet(name).node])

    def _grown(self, name: str, group: str, texts: Collection[str]) -> dict[str, dict[str, str]]:
        """The policy of a group with further ones; nothing when it has them already."""
        history = self._policies(group)
        old = (history[-1].value or "") if history else ""
        grown = _with(old, texts)
        self._check(grown, name, group)
        return {group: {shares.POLICY: grown}} if grown != old else {}

    def _check(self, text: str, name: str, group: str) -> None:
        policies.check(text, name, {group, *self.members(name)})

    def _policies(self, group: str) -> list[Facet]:
        return [facet for facet in self._store.history(group) if facet.key == shares.POLICY]

    def _facet(self, name: str) -> Facet:
        facet = self._store.facets(group_uid(name, self._id)).get(shares.GROUP)
        if facet is not None:
            return facet
        known = [group.name for group in self.all()]
        near = difflib.get_close_matches(name, known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"groups: {', '.join(known) or 'none'}"
        raise UsageError(f"there is no group {name!r}", hint=hint)

    def _require(self, uids: Collection[str]) -> None:
        self._unless_owner("share", uids)

    def _unless_owner(self, action: str, uids: Collection[str]) -> None:
        """The owner of the database has the last word: or a policy could lock everybody out for good."""
        with self._store.reading() as database:
            owner = is_owner(database)
        if not owner:
            require(action, uids, self._asker, self._store)

    def _act(
        self,
        done: str,
        name: str,
        says: Callable[[], Mapping[str, Mapping[str, Any]]],
        *,
        nodes: tuple[Node, ...] = (),
        reason: str = "",
    ) -> None:
        """Record a change; ``says`` decides what is new of which nodes, while nobody else can write.

        The action has one edge, to the group: edges to all members would connect them.
        """
        group = group_uid(name, self._id)
        attrs = {"change": done, **({"reason": text_of(reason, "reason")} if reason else {})}
        refuse_secrets({"the reason": reason})
        made: list[Act] = []

        def build() -> tuple[tuple[Node, ...], tuple[Edge, ...], tuple[Facet, ...]]:
            facets = says()
            if not facets:
                return (), (), ()
            made.append(act("share", self._asker, {group: "group"}, name=f"{done} {name}", attrs=attrs, facets=facets))
            return (*made[0].nodes, *nodes), made[0].edges, made[0].facets

        self._store.decide(build)
        for one in made:
            self._store.note(f"group {done}", group=name, action=one.uid, by=self._asker.user, facets=len(one.facets))


def _with(old: str, texts: Collection[str]) -> str:
    """A policy text with further policies, unless it has them."""
    for text in texts:
        if text not in old:
            old = f"{old.rstrip()}\n\n{text}" if old else text
    return old
