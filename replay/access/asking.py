"""Who asks, and whether they may."""

from __future__ import annotations

from collections.abc import Collection

from replay.acting import Asker
from replay.store.database import Store


def current(store: Store) -> Asker:
    """Who asks: the operating system's user with its groups."""
    import getpass
    import grp
    import os

    groups = []
    for number in {os.getgid(), *os.getgroups()}:
        try:
            groups.append(grp.getgrgid(number).gr_name)
        except KeyError:  # a group without a name here
            groups.append(str(number))
    return Asker(user=getpass.getuser(), groups=tuple(sorted(groups)))


def require(action: str, uids: Collection[str], asker: Asker, store: Store) -> None:
    """Check that ``asker`` may do this to all of these nodes.

    Args:
        action: ``read``, ``use``, ``replay``, ``approve`` or ``delete``.
        uids: To which nodes.
        asker: Who.
        store: The store that holds them, and the policies.

    Raises:
        PolicyError: A policy forbids it, or none allows it; the message names the policy. It is journalled.
    """
