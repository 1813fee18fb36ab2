"""Saying what the rows of a group mean, before there are any, and anew later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from replay.acting import Asker, act
from replay.errors import UsageError
from replay.features.groups import DEFINITION, SCHEMA, batches_of, group_node, known, read_group
from replay.features.values import Columns, Definition, Group
from replay.lineage import Node
from replay.record.secrets import refuse_secrets
from replay.store.database import Decision

if TYPE_CHECKING:
    from replay.session import Session
    from replay.store.database import Store


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """What `register` made, or found."""

    group: Group
    new: bool
    """False when just this was registered already."""


def register(
    name: str,
    session: Session,
    *,
    record_id: str,
    event_time: str,
    document: str = "",
    columns: Columns = (),
) -> Registered:
    """Register a group, or a new version of its definition; what was registered before stays as it is.

    Args:
        name: The group's name in this store.
        session: Where to record it.
        record_id: The column that says whose row it is.
        event_time: The column that says from when on a row holds.
        document: What describes the group, kept as it is; by default the one before stays.
        columns: Names and types of all columns; by default the first rows that are written decide.

    Raises:
        UsageError: A name or column is wrong, or something changes that rows rest on.
        PolicyError: Who runs the command may not, or the document looks as if it held a secret.
    """
    store, asker = session.store, session.asker
    node = group_node(name, store)
    if record_id == event_time:
        raise UsageError(f"got the column {record_id!r} as record id and as event time, expected two columns")
    refuse_secrets({"the definition": document})
    if read_group(node, store) is not None:
        session.require("use", [node.uid])
    given = Definition(version=0, record_id=record_id, event_time=event_time, document=document, columns=columns)
    changed: list[bool] = []

    def build() -> Decision:
        group = read_group(node, store)
        decision = _decision(node, group, _wanted(node.name, given, group, store), asker)
        changed.append(bool(decision[2]))
        return decision

    store.decide(build)
    if changed[-1]:
        store.note("features register", feature_group=name)
    return Registered(group=known(node.uid, store), new=changed[-1])


def _wanted(name: str, given: Definition, group: Group | None, store: Store) -> Definition:
    """The definition that there should be, checked against the rows that there are."""
    before = group.definition if group else given
    if group and (written := len(batches_of(group, store))):
        _require_kept(name, before, given, written)
    wanted = msgspec.structs.replace(
        given,
        version=before.version + 1,
        document=given.document or before.document,
        columns=given.columns or before.columns,
    )
    if wanted.columns:
        from replay.features.columns import require_keys

        require_keys(wanted.columns, wanted.record_id, wanted.event_time)
    return wanted


def _require_kept(name: str, before: Definition, given: Definition, batches: int) -> None:
    """Refuse what would give rows that are there another meaning."""
    wrong = [
        f"the {what}: got {got!r}, expected {there!r}"
        for what, got, there in (
            ("record id", given.record_id, before.record_id),
            ("event time", given.event_time, before.event_time),
        )
        if got != there
    ]
    columns = dict(given.columns)
    for column, kind in before.columns if columns else ():
        if column not in columns:
            wrong.append(f"the column {column!r} ({kind}) is missing")
        elif columns[column] != kind:
            wrong.append(f"column {column!r}: got {columns[column]}, expected {kind}")
    if wrong:
        count = "1 batch" if batches == 1 else f"{batches:,} batches"
        raise UsageError(
            f"{name} has rows ({count}), and they rest on its definition: {'; '.join(wrong)}",
            hint="columns may be added; for anything else register another group",
        )


def _decision(node: Node, group: Group | None, wanted: Definition, asker: Asker) -> Decision:
    """The action that says so; nothing when it is so already."""
    before = group.definition if group else None
    if before and wanted == msgspec.structs.replace(before, version=wanted.version, recorded="", by=""):
        return (), (), ()
    said: dict[str, Any] = {
        DEFINITION: {
            "version": wanted.version,
            "record_id": wanted.record_id,
            "event_time": wanted.event_time,
            "document": wanted.document,
        }
    }
    if wanted.columns and (before is None or wanted.columns != before.columns):
        said[SCHEMA] = [list(column) for column in wanted.columns]
    made = act(
        "register",
        asker,
        {node.uid: "feature_group"},
        name=f"register {node.name}",
        attrs={"definition": wanted.version},
        facets={node.uid: said},
    )
    return (node, *made.nodes), made.edges, made.facets
