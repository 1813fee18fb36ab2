"""What edges mean to the search: along which of them values come to a node, and which are elements of its lists."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from replay.lineage import EdgeType, Kind
from replay.search.fields import LISTS, Flow
from replay.search.values import cleaned
from replay.store.interface import Row
from replay.store.rows import EDGE_CODES, KIND_CODES, NO_ATTRS

TRIAL, EXPERIMENT, GROUP, WHOLE, APART = 101, 102, 103, 104, 105
"""Classes of collections: trials, experiments, model groups, others that hold runs, and others that hold none."""
_CLASSES = {"trial": TRIAL, "experiment": EXPERIMENT, "model_group": GROUP, "execution": WHOLE, "pipeline": WHOLE}
_COLLECTION = KIND_CODES[Kind.COLLECTION]
_RUN, _CONFIG, _CODE, _IMAGE, _METRICS, _VERSION, _ACTION, _DEPLOYMENT, _LOCATOR = (
    KIND_CODES[kind]
    for kind in (
        Kind.RUN,
        Kind.CONFIG,
        Kind.CODE,
        Kind.IMAGE,
        Kind.METRICS,
        Kind.MODEL_VERSION,
        Kind.ACTION,
        Kind.DEPLOYMENT,
        Kind.LOCATOR,
    )
)
_USED, _GENERATED, _DERIVED, _PART, _SPECIALIZES, _REPLAYS = (
    EDGE_CODES[type_]
    for type_ in (
        EdgeType.USED,
        EdgeType.GENERATED,
        EdgeType.DERIVED_FROM,
        EdgeType.PART_OF,
        EdgeType.SPECIALIZES,
        EdgeType.REPLAYS,
    )
)
TYPES = (_USED, _GENERATED, _DERIVED, _PART, _SPECIALIZES, _REPLAYS)
"""Edges of other types mean nothing to the search."""
LIST_CODES = {name: number for number, name in enumerate(LISTS, start=1)}

_SELF: dict[int, Flow] = {
    _RUN: Flow.VALUES,
    _CONFIG: Flow.VALUES,
    _METRICS: Flow.VALUES,
    _CODE: Flow.VALUES,
    _IMAGE: Flow.VALUES,
    _VERSION: Flow.MODEL,
    GROUP: Flow.MODEL,
    TRIAL: Flow.TRIAL,
    EXPERIMENT: Flow.TRIAL,
}
_ATTRS = msgspec.json.Decoder(dict[str, object])


class Link(NamedTuple):
    """Values come from ``carrier`` to ``doc``."""

    carrier: int
    flow: Flow
    doc: int
    since: int


def class_of(kind: int, type_: str) -> int:
    """What a node is to the search: its kind's code, or what sort of collection it is."""
    return _CLASSES.get(type_, APART) if kind == _COLLECTION else kind


def self_link(number: int, class_: int, tx: int) -> Link | None:
    """Values that come to others come to the node itself too."""
    flow = _SELF.get(class_)
    return None if flow is None else Link(number, flow, number, tx)


def links_of(row: Row, younger_class: int, older_class: int) -> list[Link]:
    """Along which way values come through an edge ``younger, older, type, role, attrs, tx``."""
    younger, older, type_, tx = row[0], row[1], row[2], row[5]
    up, down = (older, younger), (younger, older)
    if type_ == _USED and younger_class == _RUN and older_class in {_CONFIG, _CODE, _IMAGE}:
        ways = [(up, Flow.VALUES)]
    elif type_ == _GENERATED and younger_class == _METRICS and older_class == _RUN:
        ways = [(down, Flow.VALUES)]
    elif type_ == _SPECIALIZES and older_class == _LOCATOR:
        ways = [(up, Flow.PLACE)]
    elif type_ == _DERIVED and younger_class == _VERSION and older_class in {_RUN, WHOLE, TRIAL}:
        ways = [(up, Flow.VALUES), (up, Flow.TRIAL), (down, Flow.MODEL)]
    elif type_ == _PART:
        ways = _membership(up, down, younger_class, older_class)
    else:
        return []
    return [Link(carrier, flow, doc, tx) for (carrier, doc), flow in ways]


def _membership(
    up: tuple[int, int], down: tuple[int, int], member: int, whole: int
) -> list[tuple[tuple[int, int], Flow]]:
    if whole in {WHOLE, TRIAL} and member in {_RUN, WHOLE, TRIAL}:
        return [(down, Flow.VALUES), (up, Flow.TRIAL), (up, Flow.MODEL)]
    if whole in {WHOLE, TRIAL, EXPERIMENT} and member in {_RUN, WHOLE, TRIAL, EXPERIMENT, _VERSION}:
        return [(up, Flow.TRIAL)]
    if whole == GROUP and member == _VERSION:
        return [(up, Flow.MODEL)]
    return []


def items_of(row: Row, younger_class: int, older_class: int) -> list[Row]:
    """The rows of ``search_items`` that an edge makes."""
    younger, older, type_, role, attrs, tx = row
    head, _, path = role.partition(":")
    if type_ == _USED and younger_class == _RUN:
        known = {} if attrs == NO_ATTRS else _ATTRS.decode(attrs)
        return [item("inputs", younger, older, head, path, str(known.get("storage", "")), tx)]
    if type_ == _GENERATED and older_class == _RUN:
        known = {} if attrs == NO_ATTRS else _ATTRS.decode(attrs)
        return [item("outputs", older, younger, str(known.get("role", head)), path, str(known.get("storage", "")), tx)]
    if type_ == _REPLAYS:
        return [item("replays", older, younger, head, path, "", tx)]
    if type_ == _DERIVED and younger_class == _DEPLOYMENT:
        return [item("deployments", older, younger, head, path, "", tx)]
    return []


def is_deployment(row: Row, younger_class: int, older_class: int) -> bool:
    """Whether an edge says that an action made a deployment."""
    return bool(row[2] == _GENERATED and younger_class == _DEPLOYMENT and older_class == _ACTION)


def is_deployed(row: Row, younger_class: int, older_class: int) -> bool:
    """Whether an edge says that an action was about a model version."""
    return bool(row[2] == _USED and younger_class == _ACTION and older_class == _VERSION)


def item(list_: str, owner: int, node: int, role: str, path: str, storage: str, tx: int) -> Row:
    """An element of a list that is a node."""
    return (LIST_CODES[list_], owner, node, cleaned(role), path, cleaned(storage), None, "", None, "", tx)
