"""Searches answered in plain Python: what the index and its SQL must find, computed from the record alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
from tests_support import search_facts as facts

from replay.lineage import Edge, EdgeType, Facet, Kind, Node
from replay.search.expression import Compare, Either, Every, Exists, Expression, Nested, Not, OneOf, Op, Value, Words

ELEMENTS = {"size": "attrs.size", "verdict": "attrs.verdict", "seconds": "attrs.facts.seconds", "to": "name"}


class Said(msgspec.Struct, frozen=True):
    """A facet, and the transaction that said it."""

    node: str
    key: str
    value: Any
    tx: int
    time: str


class World(msgspec.Struct):
    """Everything that was recorded, with the transaction that recorded it."""

    nodes: dict[str, tuple[Node, int]] = {}
    edges: dict[tuple[str, str, str, str], tuple[Edge, int]] = {}
    facets: list[Said] = []
    versions: dict[tuple[str, int], tuple[str, int]] = {}
    times: dict[int, str] = {}

    def until(self, tx: int) -> World:
        """What there was at a transaction."""
        return World(
            nodes={uid: one for uid, one in self.nodes.items() if one[1] <= tx},
            edges={key: one for key, one in self.edges.items() if one[1] <= tx},
            facets=[one for one in self.facets if one.tx <= tx],
            versions={key: one for key, one in self.versions.items() if one[1] <= tx},
            times=self.times,
        )

    def add(self, tx: int, time: str, nodes: Iterable[Node], edges: Iterable[Edge], facets: Iterable[Facet]) -> None:
        """What one transaction brought."""
        self.times[tx] = time
        for node in nodes:
            self.nodes.setdefault(node.uid, (node, tx))
        for edge in edges:
            self.edges.setdefault((edge.source, edge.type, edge.role, edge.target), (edge, tx))
        self.facets += [Said(facet.node, facet.key, facet.value, tx, time) for facet in facets]


class Oracle:
    """Answers about one state of a world."""

    def __init__(self, world: World) -> None:
        self._nodes = {uid: node for uid, (node, _) in world.nodes.items()}
        self._edges = [edge for edge, _ in world.edges.values()]
        self._world = world
        self._flows: dict[str, dict[str, set[str]]] = {
            "values": self._closed(facts.values_rule),
            "trial": self._closed(facts.trial_rule),
            "model": self._closed(facts.model_rule),
        }
        self._places = {
            uid: [
                self._nodes[e.target].name
                for e in self._out(uid, EdgeType.SPECIALIZES)
                if self._kind(e.target) is Kind.LOCATOR
            ]
            for uid in self._nodes
        }

    def matches(self, expression: Expression) -> set[str]:
        """The uids of what satisfies it."""
        return {uid for uid in self._nodes if self._holds(expression, uid)}

    def order(self, uids: Iterable[str], field: str, *, descending: bool) -> list[tuple[float | None, str | None]]:
        """What nodes are sorted by, in the order in which it must come."""
        keys = []
        for uid in uids:
            found = self.values(uid, field)
            if field == "name":  # its own, not those of its locators
                found = [self._nodes[uid].name] if self._nodes[uid].name else []
            pick = max if descending else min
            numbers = [float(v) for v in found if not isinstance(v, str)]
            texts = [v for v in found if isinstance(v, str)]
            keys.append((pick(numbers, default=None), pick(texts, default=None)))
        keys.sort(key=lambda key: key[1] or "", reverse=descending)
        keys.sort(key=lambda key: key[1] is None)
        keys.sort(key=lambda key: key[0] or 0.0, reverse=descending)
        keys.sort(key=lambda key: key[0] is None)
        return keys

    # -- the graph ---------------------------------------------------------------------------------------------------

    def _kind(self, uid: str) -> Kind:
        return self._nodes[uid].kind

    def _out(self, uid: str, type_: EdgeType) -> list[Edge]:
        return [edge for edge in self._edges if edge.source == uid and edge.type is type_]

    def _closed(self, rule: Callable[[Edge, Node, Node], Iterator[tuple[str, str]]]) -> dict[str, set[str]]:
        """Of each node everything whose values come to it, itself included."""
        into: dict[str, set[str]] = {}
        for edge in self._edges:
            for carrier, doc in rule(edge, self._nodes[edge.source], self._nodes[edge.target]):
                into.setdefault(doc, set()).add(carrier)
        found = {}
        for uid in self._nodes:
            seen, stack = {uid}, [uid]
            while stack:
                fresh = into.get(stack.pop(), set()) - seen
                seen |= fresh
                stack += fresh
            found[uid] = seen
        return found

    # -- values ------------------------------------------------------------------------------------------------------

    def values(self, uid: str, field: str) -> list[Value]:
        """Every value that a node has of a field."""
        node = self._nodes[uid]
        head, _, rest = re.sub("[.:]", "\0", field, count=1).partition("\0")
        if field == "name":
            return [*([node.name] if node.name else []), *self._places[uid]]
        if field == "type":
            return [node.type] if node.type else []
        if field in {"created", "modified"}:
            return [self._time(uid, field)]
        if head in {"tag", "property", "facet"} or field in {"status", "stage", "owner"}:
            key = {"tag": f"tag:{rest}", "property": f"property:{rest}", "facet": rest}.get(head, field)
            return self._facet(uid, key)
        if field == "alias":
            return [alias for alias, version in self._aliases() if version == uid]
        if head == "attrs":
            return list(facts.attributes(node, rest))
        if field in {"model", "version"}:
            return [v for one in self._flows["model"][uid] for v in self._registered(one, field)]
        if field in {"experiment", "trial"}:
            carriers = (self._nodes[one] for one in self._flows["trial"][uid])
            return [c.name for c in carriers if c.kind is Kind.COLLECTION and c.type == field]
        carriers = [self._nodes[one] for one in self._flows["values"][uid]]
        return [value for carrier in carriers for value in facts.carried(carrier, head, rest)]

    def _registered(self, uid: str, field: str) -> list[Value]:
        node = self._nodes[uid]
        if field == "model" and node.kind is Kind.COLLECTION and node.type == "model_group":
            return [node.name]
        return [
            key[0] if field == "model" else key[1] for key, (other, _) in self._world.versions.items() if other == uid
        ]

    def _time(self, uid: str, field: str) -> int:
        tx = self._world.nodes[uid][1]
        spoken = (
            [one.tx for one in self._world.facets if one.node == uid and one.tx > tx] if field == "modified" else []
        )
        return facts.microseconds(self._world.times[max([tx, *spoken])])

    def _facet(self, uid: str, key: str) -> list[Value]:
        """The standing value of a facet, or a leaf inside one."""
        standing = {one.key: one.value for one in self._world.facets if one.node == uid}
        found: list[Value] = []
        for name, value in standing.items():
            for path, leaf in facts.leaves(value, name):
                if path == key and leaf is not None:
                    found += facts.twofold(leaf)
        return found

    def _aliases(self) -> Iterator[tuple[str, str]]:
        for uid, node in self._nodes.items():
            if node.kind is Kind.COLLECTION:
                standing = {one.key: one.value for one in self._world.facets if one.node == uid}
                for key, value in standing.items():
                    if key.startswith("alias:") and (node.name, value) in self._world.versions:
                        yield key.removeprefix("alias:"), self._world.versions[node.name, value][0]

    # -- words -------------------------------------------------------------------------------------------------------

    def _texts(self, uid: str) -> list[list[str]]:
        texts = self._told(uid) + [leaf for leaf in facts.attributes(self._nodes[uid], None) if isinstance(leaf, str)]
        for one in self._world.facets:
            later = any(
                o.node == uid and o.key == one.key and o is not one
                for o in self._world.facets[self._world.facets.index(one) :]
            )
            if one.node == uid and not later and one.value is not None:
                texts += [one.key, *(leaf for _, leaf in facts.leaves(one.value, "") if isinstance(leaf, str))]
        for flow in self._flows.values():
            for other in flow[uid] - {uid}:
                texts += self._told(other)
        for edge in self._out(uid, EdgeType.SPECIALIZES):
            if self._kind(edge.target) is Kind.LOCATOR:
                texts += self._told(edge.target)
        return [facts.words(text) for text in texts]

    def _told(self, uid: str) -> list[str]:
        """Texts by which also that is found for which a node stands."""
        node = self._nodes[uid]
        texts = [node.name, node.type]
        for family in ("params", "metrics", "seeds"):
            for key, value in facts.family(node, family):
                texts += [key, *([value] if isinstance(value, str) else [])]
        return texts

    # -- expressions -------------------------------------------------------------------------------------------------

    def _holds(self, part: Expression, uid: str) -> bool:
        if isinstance(part, Every):
            return all(self._holds(one, uid) for one in part.of)
        if isinstance(part, Either):
            return any(self._holds(one, uid) for one in part.of)
        if isinstance(part, Not):
            return not self._holds(part.of, uid)
        if isinstance(part, Words):
            return self._has_words(part, uid)
        if isinstance(part, Nested):
            return any(self._element_holds(part.where, part.list, one) for one in self._elements(part.list, uid))
        if isinstance(part, Exists) and part.field in {"inputs", "outputs", "steps", "seeds", "deployments", "replays"}:
            return bool(self._elements(part.field, uid))
        if part.field == "kind":
            return isinstance(part, Exists) or facts.compare(part, [self._kind(uid).value])
        if part.field == "id":
            return self._with_id(part, uid)
        return facts.compare(part, self.values(uid, part.field))

    def _has_words(self, part: Words, uid: str) -> bool:
        wanted = facts.words(part.text)
        for text in self._texts(uid):
            for start in range(len(text) - len(wanted) + 1):
                there = text[start : start + len(wanted)]
                last = there[-1].startswith(wanted[-1]) if part.begins else there[-1] == wanted[-1]
                if there[:-1] == wanted[:-1] and last and "" not in there:
                    return True
        return False

    def _with_id(self, part: Compare | OneOf | Exists, uid: str) -> bool:
        starts = lambda text: uid.startswith(text) or uid.partition(":")[2].startswith(text)  # noqa: E731
        if isinstance(part, Exists):
            return True
        if isinstance(part, OneOf):
            return any(starts(str(value)) for value in part.values)
        return starts(str(part.value)) is (part.op is Op.EQUAL)

    def _elements(self, list_: str, uid: str) -> list[tuple[dict[str, Value], str | None]]:
        """Elements: what is kept with them, and the node that they are."""
        runs = [one for one in self._flows["values"][uid] if self._kind(one) is Kind.RUN]
        if list_ == "steps":
            return [({}, one) for one in runs if one != uid]
        if list_ == "seeds":
            return [
                ({"name": s["name"], "place": s["place"], "value": s["value"]}, None)
                for run in runs
                for s in self._nodes[run].attrs.get("seeds", [])
            ]
        if list_ in {"inputs", "outputs"}:
            type_ = EdgeType.USED if list_ == "inputs" else EdgeType.GENERATED
            return [(facts.edge_fields(edge, list_), edge.target) for run in runs for edge in self._out(run, type_)]
        if list_ == "replays":
            return [({}, edge.source) for edge in self._edges if edge.type is EdgeType.REPLAYS and edge.target == uid]
        return [
            ({}, made.target)
            for used in self._edges
            if used.type is EdgeType.USED and used.target == uid and self._kind(used.source) is Kind.ACTION
            and self._kind(uid) is Kind.MODEL_VERSION
            for made in self._out(used.source, EdgeType.GENERATED)
            if self._kind(made.target) is Kind.DEPLOYMENT
        ]  # fmt: skip

    def _element_holds(self, part: Expression, list_: str, element: tuple[dict[str, Value], str | None]) -> bool:
        fields, uid = element
        if isinstance(part, Every):
            return all(self._element_holds(one, list_, element) for one in part.of)
        if isinstance(part, Either):
            return any(self._element_holds(one, list_, element) for one in part.of)
        if isinstance(part, Not):
            return not self._element_holds(part.of, list_, element)
        if isinstance(part, Compare | OneOf | Exists) and part.field in fields:
            value = fields[part.field]
            values = facts.twofold(value) if part.field == "value" else [value] if value != "" else []
            return facts.compare(part, values)
        assert uid is not None
        if isinstance(part, Compare | OneOf | Exists) and part.field in ELEMENTS:
            part = msgspec.structs.replace(part, field=ELEMENTS[part.field])
        return self._holds(part, uid)
