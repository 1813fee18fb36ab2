"""Saying what the rows of a group mean, before there are any, and anew later."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from replay.acting import Asker, act
from replay.errors import UsageError
from replay.features.changing import Change, change
from replay.features.groups import DEFINITION, SCHEMA, batches_of, group_node, known, read_group
from replay.features.values import Columns, Definition, Group
from replay.lineage import Node
from replay.record.secrets import refuse_secrets
from replay.store import fsops

if TYPE_CHECKING:
    from replay.session import Session
    from replay.store.database import Store

_MAX_DOCUMENT = 1 << 20


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
    document: bytes | None = None,
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
    store = session.store
    node = group_node(name, store)
    if record_id == event_time:
        raise UsageError(f"got the column {record_id!r} as record id and as event time, expected two columns")
    if read_group(node, store) is not None:
        session.require("use", [node.uid])
    asker = session.asker
    kept = "" if document is None else _keep(document, store, node, record_id, event_time, columns)

    def build() -> Change:
        wanted = _wanted(node, store, record_id, event_time, kept, columns)
        return _change(node, wanted, read_group(node, store), asker)

    made = change(store, build)
    if made.nodes:
        action = made.nodes[1].uid
        store.note("register", action=action, feature_group=name)
    return Registered(group=known(node.uid, store), new=bool(made.nodes))


def _keep(document: bytes, store: Store, node: Node, record_id: str, event_time: str, columns: Columns) -> str:
    refuse_secrets({"the definition": document.decode()})
    _wanted(node, store, record_id, event_time, "", columns)  # what will be refused leaves no blob
    return store.blobs.put_bytes(document)


def _wanted(node: Node, store: Store, record_id: str, event_time: str, document: str, columns: Columns) -> Definition:
    """The definition that there should be, checked against the rows that there are."""
    group = read_group(node, store)
    if group is None:
        before = Definition(version=0, record_id=record_id, event_time=event_time)
    else:
        before = group.definition
        if written := len(batches_of(group, store)):
            _require_kept(node.name, before, record_id, event_time, columns, written)
    wanted = Definition(
        version=before.version + 1,
        record_id=record_id,
        event_time=event_time,
        document=document or before.document,
        columns=columns or before.columns,
    )
    if wanted.columns:
        from replay.features.columns import require_keys

        require_keys(wanted.columns, record_id, event_time)
    return wanted


def _require_kept(
    name: str, before: Definition, record_id: str, event_time: str, columns: Columns, batches: int
) -> None:
    """Refuse what would give rows that are there another meaning."""
    wrong = [
        f"the {what}: got {got!r}, expected {there!r}"
        for what, got, there in (
            ("record id", record_id, before.record_id),
            ("event time", event_time, before.event_time),
        )
        if got != there
    ]
    given = dict(columns)
    for column, kind in before.columns if columns else ():
        if column not in given:
            wrong.append(f"the column {column!r} ({kind}) is missing")
        elif given[column] != kind:
            wrong.append(f"column {column!r}: got {given[column]}, expected {kind}")
    if wrong:
        raise UsageError(
            f"{name} has rows, {batches} batches of them, and they rest on its definition: {'; '.join(wrong)}",
            hint="columns may be added; for anything else register another group",
        )


def _change(node: Node, wanted: Definition, group: Group | None, asker: Asker) -> Change:
    """The action that says so; nothing when it is so already."""
    if group is not None and wanted == msgspec.structs.replace(
        group.definition, version=wanted.version, recorded="", by=""
    ):
        return Change()
    said: dict[str, Any] = {
        DEFINITION: {
            "version": wanted.version,
            "record_id": wanted.record_id,
            "event_time": wanted.event_time,
            "document": wanted.document,
        }
    }
    if wanted.columns and (group is None or wanted.columns != group.definition.columns):
        said[SCHEMA] = [list(column) for column in wanted.columns]
    made = act(
        "register",
        asker,
        {node.uid: "feature_group"},
        name=f"register {node.name}",
        attrs={"says": said},
        facets={node.uid: said},
    )
    return Change(nodes=(node, *made.nodes), edges=made.edges, facets=made.facets)


def read_document(path: Path) -> bytes:
    """The text of a definition: a YAML or JSON file that holds a mapping, of whatever describes the group.

    Raises:
        UsageError: It is none, or larger than 1 MiB.
    """
    data = _small(path)
    if not isinstance(_parsed(path, data), dict):
        raise UsageError(f"{path}: got no mapping, expected fields such as `description: …`")
    return data


def read_columns(path: Path) -> Columns:
    """Columns from a file: those of a Parquet file, or a mapping of names to types in YAML or JSON.

    Raises:
        UsageError: It is none of these, or has a column type that groups cannot have.
    """
    from replay.features.columns import columns_of, schema_of
    from replay.features.incoming import columns_in, is_parquet

    os.close(fsops.open_regular(path))
    if is_parquet(path):
        return columns_in(path)
    found = _parsed(path, _small(path))
    if not isinstance(found, dict) or not all(isinstance(text, str) for pair in found.items() for text in pair):
        raise UsageError(
            f"{path}: got no mapping of columns to types", hint="write lines such as `close: float64`, or give Parquet"
        )
    try:
        return columns_of(schema_of(found.items()))
    except UsageError as error:
        raise UsageError(f"{path}: {error}", hint=error.hint) from error


def _small(path: Path) -> bytes:
    with os.fdopen(fsops.open_regular(path), "rb") as file:
        data = file.read(_MAX_DOCUMENT + 1)
    if len(data) > _MAX_DOCUMENT:
        raise UsageError(f"{path}: got more than {_MAX_DOCUMENT:,} bytes, expected a short text")
    return data


def _parsed(path: Path, data: bytes) -> Any:
    """The document in a YAML or JSON file."""
    if path.suffix not in {".yaml", ".yml", ".json"}:
        raise UsageError(f"{path}: got a file {path.suffix or 'without suffix'}, expected .yaml or .json")
    try:
        text = data.decode()
        if path.suffix == ".json":
            return json.loads(text)
        import yaml

        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(" ".join(str(error).split())) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error
