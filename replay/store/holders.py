"""Who needs which recorded bytes: every model version, every feature group, and who else stands on the same things."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec

from replay.errors import StoreCorruptError
from replay.lineage import EdgeType, Kind
from replay.store.database import Store
from replay.store.holdings import FORGOTTEN, Holder, StepFacts, Thing
from replay.store.interface import Database, Row
from replay.store.rows import EDGE_CODES, KIND_CODES, KINDS
from replay.uid import forms_of, text_of

_USED, _GENERATED, _DERIVED, _PART, _SAME = (
    EDGE_CODES[t]
    for t in (EdgeType.USED, EdgeType.GENERATED, EdgeType.DERIVED_FROM, EdgeType.PART_OF, EdgeType.SAME_AS)
)
_NEED_NOTHING = tuple(KIND_CODES[kind] for kind in (Kind.ACTION, Kind.AGENT, Kind.LOCATOR))
_ATTRS = msgspec.json.Decoder(dict[str, Any])
_VERSIONS = (
    "SELECT v.name, v.version, v.tx, t.created, n.id, n.uid FROM model_versions v JOIN nodes n ON n.id = v.node "
    "JOIN transactions t ON t.tx = v.tx ORDER BY v.name, v.version"
)
_BELOW = (
    "SELECT v.node, n.id, n.uid, n.name, n.attrs FROM model_versions v JOIN edges e ON e.younger = v.node "
    "JOIN nodes n ON n.id = e.older WHERE e.type = ? AND e.role = ? ORDER BY n.id"
)
_THING = "a.id, a.uid, a.kind, a.attrs, e.role, e.attrs"
_INPUTS = (
    f"SELECT e.younger, {_THING} FROM edges e JOIN nodes a ON a.id = e.older "
    "WHERE e.younger {any} AND e.type = ? AND e.role >= 'input:' AND e.role < 'input;' ORDER BY e.role"
)
_OUTPUTS = (
    f"SELECT e.older, {_THING} FROM edges e JOIN nodes a ON a.id = e.younger "
    "WHERE e.older {any} AND e.type = ? ORDER BY e.role"
)
_USERS = (
    "SELECT e.older, y.id, y.uid, y.kind, y.type, y.name, e.tx FROM edges e JOIN nodes y ON y.id = e.younger "
    "WHERE e.older {any} AND e.type NOT IN (?, ?) ORDER BY e.tx"
)
_MAKERS = (
    "SELECT e.younger, r.id, r.uid, r.kind, r.type, r.name, e.tx FROM edges e JOIN nodes r ON r.id = e.older "
    "WHERE e.younger {any} AND e.type = ? ORDER BY e.tx"
)
_BATCHES = (
    "SELECT g.uid, g.name, e.tx, a.id, a.uid, a.kind, a.attrs, e.role, e.attrs FROM nodes g "
    "JOIN edges e ON e.older = g.id JOIN nodes a ON a.id = e.younger "
    "WHERE g.kind = ? AND g.type = 'feature_group' AND e.type = ? AND e.role = 'batch' ORDER BY e.tx, a.id"
)
_TOMBSTONES = "SELECT f.node, f.value, f.tx FROM facets f WHERE f.key = ? ORDER BY f.id"


def holders(store: Store) -> list[Holder]:
    """Every model version with what it holds, feature groups with their batches, and who else stands on one of these.

    Raises:
        StoreCorruptError: A record cannot be read.
    """
    with store.reading() as database, database.snapshot():
        return holders_in(database)


def newest(store: Store) -> int:
    """The newest transaction: while it is the same, so is everything that was read."""
    with store.reading() as database:
        return int(database.rows("SELECT coalesce(max(tx), 0) FROM transactions")[0][0])


def holders_in(database: Database) -> list[Holder]:
    """As `holders`, from an open database; raises what decoding raises."""
    graph = _Graph(database)
    made = [graph.holder(row) for row in database.rows(_VERSIONS)]
    return [*made, *graph.batches(), *graph.others()]


class _Graph:
    """Everything that is asked of the database, asked once for all model versions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tombstones = _standing(database)
        self._executions = {row[0]: row for row in database.rows(_BELOW, (_DERIVED, "execution"))}
        self._runs: dict[int, list[Row]] = {}
        for row in database.rows(_BELOW, (_DERIVED, "step")):
            self._runs.setdefault(row[0], []).append(row)
        numbers = {row[1] for rows in self._runs.values() for row in rows}
        self._inputs = self._grouped(_INPUTS, numbers, (_USED,))
        self._outputs = self._grouped(_OUTPUTS, numbers, (_GENERATED,))
        self._known = numbers | set(self._executions)
        self._things: dict[int, Thing] = {}

    def holder(self, row: Row) -> Holder:
        """A model version."""
        name, version, tx, created, number, raw = row
        execution = self._executions.get(number)
        attrs = _ATTRS.decode(execution[4]) if execution else {}
        code = attrs.get("code", {})
        runs = self._runs.get(number, [])
        things = [thing for run in runs for thing in self._of_run(run)]
        return Holder(
            label=f"{name}:{version}",
            uid=text_of(raw),
            tx=tx,
            created=created,
            name=name,
            version=version,
            commit=code.get("commit", ""),
            url=code.get("url"),
            directory=code.get("directory", ""),
            things=tuple({(t.uid, t.name, t.role): t for t in [*things, *self._of_execution(attrs)]}.values()),
            steps=tuple(self._step(run) for run in runs),
            forgotten=self._tombstones.get(number, 0),
        )

    def batches(self) -> Iterator[Holder]:
        """What was written to feature groups."""
        for raw, name, tx, *row in self._database.rows(_BATCHES, (KIND_CODES[Kind.COLLECTION], _PART)):
            thing = msgspec.structs.replace(self._artifact(tuple(row), "", ""), name=f"batch of {name}")
            yield Holder(
                label=f"feature group {name}",
                kind=Kind.COLLECTION,
                type="feature_group",
                uid=text_of(raw),
                tx=tx,
                things=(thing,),
            )

    def others(self) -> Iterator[Holder]:
        """Those who stand on things, or made them, without being part of a model version."""
        asked = ((_USERS, (_GENERATED, _SAME)), (_MAKERS, (_GENERATED,)))
        for query, types in asked:
            for number, rows in self._grouped(query, self._things, types).items():
                for other, raw, kind, type_, name, tx in rows:
                    if kind in _NEED_NOTHING or other in self._known:
                        continue
                    uid, things = text_of(raw), (self._things[number],)
                    label = f"{KINDS[kind].value.replace('_', ' ')} {name or uid}"
                    yield Holder(label=label, kind=KINDS[kind], type=type_, uid=uid, tx=tx, things=things)

    def _of_run(self, run: Row) -> Iterator[Thing]:
        _, number, raw, step, text = run
        for role, found in (("input", self._inputs), ("output", self._outputs)):
            for row in found.get(number, []):
                yield self._artifact(row, role, step)
        log = _ATTRS.decode(text)["facts"]["log"]
        if log:
            yield self._thing(number, raw, kind="log", name=step, sha256=(log,), step=step)

    def _of_execution(self, attrs: Mapping[str, Any]) -> Iterator[Thing]:
        if not attrs:
            return
        code, image = attrs["code"], attrs["environment"]["image"]
        parts = tuple(dict.fromkeys(digest.removeprefix("sha256:") for digest in (image["config"], *image["layers"])))
        wanted = [({"image": image["config"]}, "image", image["config"][:19], parts)]
        if code["patch"]:
            identity = {"commit": code["commit"], "patch": code["patch"]}
            wanted.append((identity, "patch", f"{code['commit'][:12]}+", (code["patch"],)))
        for identity, kind, name, blobs in wanted:
            number, raw = self._numbered(identity)
            yield self._thing(number, raw, kind=kind, name=name, sha256=blobs)

    def _numbered(self, identity: dict[str, str]) -> tuple[int, bytes]:
        uid, raw = forms_of(identity)
        for (number,) in self._database.rows("SELECT id FROM nodes WHERE uid = ?", (raw,)):
            return number, raw
        raise StoreCorruptError(f"an execution names {uid}, which is no recorded node")

    def _artifact(self, row: Row, role: str, step: str) -> Thing:
        number, raw, kind, text, place, edge = row
        attrs, about = _ATTRS.decode(text), _ATTRS.decode(edge)
        judgement = about.get("judgement", {})
        exact = judgement.get("comparator") == "bytes" and not judgement.get("volatile")
        return self._thing(
            number,
            raw,
            kind=KINDS[kind].value,
            name=place.partition(":")[2],
            sha256=(text_of(raw).removeprefix("sha256:"),),
            md5=attrs.get("md5", ""),
            blake3=attrs.get("blake3", ""),
            directory=attrs.get("kind") == "directory",
            size=attrs.get("size"),
            files=attrs.get("files", 1),
            storage=about.get("storage", "store"),
            role=role,
            step=step,
            bitwise=exact and not judgement.get("tolerance"),
            intermediate=about.get("role") == "data",
        )

    def _thing(self, number: int, raw: bytes, **fields: Any) -> Thing:
        made = Thing(uid=text_of(raw), forgotten=self._tombstones.get(number, 0), **fields)
        self._things.setdefault(number, made)
        return made

    def _step(self, run: Row) -> StepFacts:
        attrs = _ATTRS.decode(run[4])
        took = attrs["facts"]["seconds"]
        return StepFacts(
            name=run[3],
            inputs=tuple(attrs["inputs"]),
            outputs=tuple(attrs["outputs"]),
            seconds=float(took) if took else None,
        )

    def _grouped(self, query: str, numbers: Collection[int], types: tuple[int, ...]) -> dict[int, list[Row]]:
        found: dict[int, list[Row]] = {}
        asked = query.format(any=self._database.any)
        for first, *rest in self._database.rows(asked, (self._database.many(numbers), *types)) if numbers else ():
            found.setdefault(first, []).append(tuple(rest))
        return found


def _standing(database: Database) -> dict[int, int]:
    """The transaction of each node's standing tombstone."""
    found: dict[int, int] = {}
    for node, value, tx in database.rows(_TOMBSTONES, (FORGOTTEN,)):
        if value == "null":
            found.pop(node, None)
        else:
            found[node] = tx
    return found
