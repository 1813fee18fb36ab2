"""What an asker may see in each store of a walk."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from replay.access.asking import refuse
from replay.access.judging import Judge, subjects_of
from replay.ask.interface import Ground, Guard, Place, Seen
from replay.store.database import Store


class PolicyGuard(Guard):
    """Shows what the policies of each store let the asker read.

    In one's own store a refusal is open: the policy is named and the refusal journalled. In another team's store what
    may not be read cannot be told from what is not there, so nothing is said, and nothing is written either.
    """

    def __init__(self, own: Store, judges: Mapping[str, Judge]) -> None:
        """``judges`` has one for each place, by its name; that of one's own store is empty."""
        self._own = own
        self._judges = judges

    def readable(self, place: Place, nodes: Collection[Seen]) -> set[str]:
        """The uids of those nodes of a store that the asker may read."""
        refused = self._judges[place.name].refusals("read", nodes)
        return {node.uid for node in nodes if node.uid not in refused}

    def refuse(self, uids: Collection[str]) -> None:
        """Refuse openly what a policy of one's own store forbids to read, unless another store shows it.

        Raises:
            PolicyError: A policy forbids it. It is journalled.
        """
        judge = self._judges[""]
        subjects = subjects_of(self._own, uids)
        refuse("read", subjects, judge.refusals("read", subjects), judge.asker, self._own)

    def check(self, action: str, place: Place, uids: Collection[str]) -> None:
        """Check what another team's store says of nodes that it shows: somebody may read what they may not use.

        Raises:
            PolicyError: No policy of theirs permits it. It is journalled in one's own store.
        """
        subjects = subjects_of(place.store, uids)
        readable = self.readable(place, subjects)
        shown = [subject for subject in subjects if subject.uid in readable]
        judge = self._judges[place.name]
        refusals = {
            uid: f"in the attached store {place.name} {why}" for uid, why in judge.refusals(action, shown).items()
        }
        refuse(action, shown, refusals, judge.asker, self._own)


def require_attached(action: str, uids: Collection[str], ground: Ground) -> None:
    """Check what attached stores say of nodes that are not recorded in one's own.

    A store that cannot be asked forbids nothing: another team's server that is down must not stop one's work.

    Raises:
        PolicyError: One of them shows such a node and does not permit this. It is journalled in one's own store.
    """
    if uids and isinstance(ground.guard, PolicyGuard):
        for place in ground.places:
            if place.name:
                ground.guard.check(action, place, uids)
