"""Aliases: names of model versions that move."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replay.errors import UsageError
from replay.identity import ModelId
from replay.lineage import Node, group_node
from replay.naming import text_of
from replay.registry.doing import Deed, Done, own_version, perform

if TYPE_CHECKING:
    from replay.session import Session


def alias(uid: str, session: Session, *, name: str, reason: str = "", by: str | None = None) -> Done:
    """Let ``model@name`` mean this model version from now on. What it meant before stays on record.

    Raises:
        UsageError: It is no model version of this store, or ``name`` is no alias.
        PolicyError: Who runs the command may not.
    """
    version = own_version(uid, session)
    _require_alias(name)
    session.require("use", [uid])
    model, number = version.identity["model"], int(version.identity["version"])

    def plan() -> Deed:
        before = session.store.alias(model, name)
        notes = [f"{model}@{name} meant " + ("it already" if before == number else f"{model}:{before} before")]
        return _move(version, name, number, reason=reason, by=by, notes=tuple(notes if before else ()))

    return perform(plan, session)


def unalias(uid: str, session: Session, *, name: str, exact: bool, reason: str = "", by: str | None = None) -> Done:
    """Let ``model@name`` mean nothing from now on.

    Args:
        uid: A version of the model.
        session: Where it is recorded.
        name: The alias.
        exact: Only if the alias means just this version.
        reason: Why.
        by: Who decided, when that is not who runs the command.

    Raises:
        UsageError: There is no such alias, or it means another version.
        PolicyError: Who runs the command may not.
    """
    version = own_version(uid, session)
    session.require("use", [uid])

    def plan() -> Deed:
        before = _meant(version, name, session, exact=exact)
        note = f"it meant {version.identity['model']}:{before}"
        return _move(version, name, None, reason=reason, by=by, notes=(note,))

    return perform(plan, session)


def _meant(version: Node, name: str, session: Session, *, exact: bool) -> int:
    model, number = version.identity["model"], int(version.identity["version"])
    before = session.store.alias(model, name)
    if before is None:
        known = sorted({alias for row in session.store.models(model) for alias in row.aliases})
        raise UsageError(
            f"{model} has no alias {name!r}", hint=f"its aliases are {', '.join(known)}" if known else "it has none"
        )
    if exact and before != number:
        raise UsageError(
            f"{model}@{name} means {model}:{before}, not {version.name}",
            hint=f"`replay alias {model}@{name} {name} --remove` takes it from whatever it means",
        )
    return before


def _move(version: Node, name: str, number: int | None, *, reason: str, by: str | None, notes: tuple[str, ...]) -> Deed:
    model = version.identity["model"]
    group = group_node(model)
    return Deed(
        type="alias",
        subject=version,
        role="version",
        others={group.uid: "group"},
        by=by,
        reason=text_of(reason, "reason") if reason else "",
        says={f"alias:{name}": number},
        said_of=group.uid,
        told=f"{model}@{name} means " + (f"{model}:{number}" if number else "nothing"),
        making=lambda _: ((group,), ()),
        notes=notes,
    )


def _require_alias(name: str) -> None:
    try:
        known = ModelId.parse(f"model@{name}").alias == name
    except UsageError:
        known = False
    if not known or name.isdigit():
        raise UsageError(
            f"got the alias {name!r}, expected lower-case letters, digits and . _ -, and not a number alone",
            hint="such as prod or champion-2026",
        )
