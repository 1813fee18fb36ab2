"""Where questions are asked: one's own store and those that are attached, and what may be seen there.

Most stores have neither policies nor attachments: finding that out is one look into an index and one for a file, and
nothing else is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from replay.ask import Ground, Place
from replay.errors import ReplayError
from replay.store import shares
from replay.store.database import Store

if TYPE_CHECKING:
    from replay.access.attached import AttachedStore, Attachment
    from replay.access.judging import Judge
    from replay.acting import Asker
    from replay.config import AccessSettings

ATTACHED = "attached.json"


def is_open(store: Store, settings: AccessSettings | None = None) -> bool:
    """Whether nobody need be asked who they are: there is no policy, and no token to show."""
    if settings is not None and settings.identity != "os":
        return False
    with store.reading() as database:
        return not shares.has_rules(database)


def has_attachments(store: Store) -> bool:
    """Whether other stores are read beside this one."""
    return (store.root / ATTACHED).exists()


def ground_of(store: Store, settings: AccessSettings | None = None) -> Ground:
    """The ground of a store that was opened. Who asked closes the attached stores (`close`).

    An attached store that cannot be asked is named in `Ground.missing`, and makes every answer incomplete.

    Args:
        store: The store that was opened.
        settings: What conf/ says of those who ask; the operating system's user by default.

    Raises:
        PolicyError: A signed token is wanted, and there is none or it is refused.
        ConfigError: ``attached.json`` or a trusted key cannot be read.
    """
    attached = has_attachments(store)
    if not attached and is_open(store, settings):
        return Ground.of(store)
    from replay.access.asking import current
    from replay.access.attached import attachments
    from replay.access.guarding import PolicyGuard
    from replay.access.judging import Judge

    asker = current(store, settings)
    judges, places, missing = {"": Judge(store, asker, store.id)}, [Place(store)], {}
    for name, attachment in attachments(store.root).items():
        try:
            opened, judge = _joined(name, attachment, store, asker)
        except ReplayError as error:
            missing[name] = str(error)
            continue
        judges[name] = judge
        places.append(Place(opened, name))
    needed = len(places) > 1 or not judges[""].is_lenient
    return Ground(places, PolicyGuard(store, judges) if needed else None, missing)


def close(ground: Ground) -> None:
    """Close the attached stores."""
    for place in ground.places:
        if place.name:
            place.store.close()


def _joined(name: str, attachment: Attachment, own: Store, asker: Asker) -> tuple[AttachedStore, Judge]:
    """An attached store, and what its policies say to somebody who comes from one's own."""
    from replay.access.asking import identified
    from replay.access.attached import open_attached
    from replay.access.judging import Judge
    from replay.access.rules import recorded_rule

    opened = open_attached(name, attachment, own.root)
    try:
        known = identified(opened, None) if recorded_rule(opened) else asker
        return opened, Judge(opened, known, own.id)
    except BaseException:
        opened.close()
        raise
