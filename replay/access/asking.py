"""Who asks, and whether they may."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Collection, Mapping

from replay.access.judging import Judge, Subject, subjects_of
from replay.access.rules import rule_of
from replay.acting import Asker
from replay.config import AccessSettings
from replay.errors import PolicyError, StoreError
from replay.store.database import Store

_NAMED = 3
_NOTED = 100


def current(store: Store, settings: AccessSettings | None = None) -> Asker:
    """Who asks: as the store's own rule says, else as conf/ says.

    Args:
        store: The store that is asked.
        settings: What conf/ says; the operating system's user by default.

    Raises:
        PolicyError: A signed token is wanted, and there is none or it is refused. It is journalled.
        ConfigError: A trusted key cannot be read.
    """
    try:
        return identified(store, settings)
    except PolicyError as error:
        raise _journalled(error, store, action="identify", by=system_user().user) from error


def identified(store: Store, settings: AccessSettings | None) -> Asker:
    """As `current`, for a store whose journal is not ours.

    Raises:
        PolicyError: A signed token is wanted, and there is none or it is refused.
        ConfigError: A trusted key cannot be read.
    """
    rule = rule_of(store, settings)
    if rule.identity == "os":
        return system_user()
    from replay.access import tokens

    return tokens.verified(tokens.given(), rule)


def system_user() -> Asker:
    """The operating system's user and groups; by their numbers, for what the environment says is anybody's to set."""
    groups = []
    for number in {os.getegid(), *os.getgroups()}:
        try:
            groups.append(grp.getgrgid(number).gr_name)
        except KeyError:  # a group without a name here
            groups.append(f"#{number}")
    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        name = f"#{os.geteuid()}"
    return Asker(user=name, groups=tuple(sorted(groups)))


def require(action: str, uids: Collection[str], asker: Asker, store: Store) -> None:
    """Check that ``asker`` may do this to all of these nodes of the store that was opened.

    Args:
        action: One of `policies.ACTIONS`: ``read``, ``use``, ``replay``, ``approve``, ``delete`` or ``share``.
        uids: To which nodes; those that are not recorded are in no group.
        asker: Who.
        store: The store that holds them, and the policies.

    Raises:
        PolicyError: A policy forbids it; the message names the policy. It is journalled.
        UsageError: There is no such action.
    """
    subjects = subjects_of(store, uids)
    refuse(action, subjects, Judge(store, asker, origin=store.id).refusals(action, subjects), asker, store)


def refuse(action: str, subjects: Collection[Subject], refusals: Mapping[str, str], asker: Asker, store: Store) -> None:
    """Raise a refusal, if there is one, and journal it in the asker's own store.

    Args:
        action: What was to be done.
        subjects: To which nodes.
        refusals: Of those that were refused: why.
        asker: Who.
        store: The asker's own store.

    Raises:
        PolicyError: There is a refusal.
    """
    if not refusals:
        return
    refused = [subject for subject in subjects if subject.uid in refusals]
    reasons = dict.fromkeys(refusals[subject.uid] for subject in refused)
    named = ", ".join(_titled(subject) for subject in refused[:_NAMED])
    more = f" and {len(refused) - _NAMED} more" if len(refused) > _NAMED else ""
    error = PolicyError(
        f"{asker.user} may not {action} {named}{more}: {'; '.join(reasons)}",
        hint="`replay group policy NAME` shows a group's policy; who may change it can also permit this",
    )
    raise _journalled(error, store, action=action, by=asker.user, nodes=[subject.uid for subject in refused[:_NOTED]])


def _titled(subject: Subject) -> str:
    kind = subject.kind.value.replace("_", " ")
    return f"{kind} {subject.name} ({subject.uid[:19]}…)" if subject.name else f"{kind} {subject.uid[:19]}…"


def _journalled(error: PolicyError, store: Store, *, action: str, by: str, nodes: Collection[str] = ()) -> PolicyError:
    """The refusal, once it stands in the journal. A refusal stays one where the journal cannot be written."""
    fields = {"nodes": list(nodes)} if nodes else {}
    try:
        store.note("refused", refused=action, by=by, because=str(error), **fields)
    except StoreError as trouble:
        return PolicyError(f"{error} (which could not be journalled: {trouble})", hint=error.hint)
    return error
