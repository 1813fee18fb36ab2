"""What the parts of a record tell a search, in plain Python: values, words, comparisons, and how values flow."""

from __future__ import annotations

import datetime
import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from replay.lineage import Edge, EdgeType, Kind, Node
from replay.search.expression import Compare, Exists, OneOf, Op, Value

MANY_RUNS = {"execution", "pipeline", "trial"}


def values_rule(edge: Edge, source: Node, target: Node) -> Iterator[tuple[str, str]]:
    if edge.type is EdgeType.USED and source.kind is Kind.RUN and target.kind in {Kind.CONFIG, Kind.CODE, Kind.IMAGE}:
        yield target.uid, source.uid
    if edge.type is EdgeType.GENERATED and source.kind is Kind.RUN and target.kind is Kind.METRICS:
        yield target.uid, source.uid
    if edge.type is EdgeType.PART_OF and _holds_runs(target) and (source.kind is Kind.RUN or _holds_runs(source)):
        yield source.uid, target.uid
    if _made_from(edge, source, target):
        yield target.uid, source.uid


def trial_rule(edge: Edge, source: Node, target: Node) -> Iterator[tuple[str, str]]:
    whole = _holds_runs(target) or (target.kind is Kind.COLLECTION and target.type == "experiment")
    member = source.kind in {Kind.RUN, Kind.MODEL_VERSION} or _holds_runs(source) or source.type == "experiment"
    if edge.type is EdgeType.PART_OF and whole and member:
        yield target.uid, source.uid
    if _made_from(edge, source, target):
        yield target.uid, source.uid


def model_rule(edge: Edge, source: Node, target: Node) -> Iterator[tuple[str, str]]:
    if source.kind is Kind.MODEL_VERSION:
        if edge.type is EdgeType.PART_OF and target.type == "model_group":
            yield target.uid, source.uid
        if _made_from(edge, source, target):
            yield source.uid, target.uid
    if edge.type is EdgeType.PART_OF and _holds_runs(target) and (source.kind is Kind.RUN or _holds_runs(source)):
        yield target.uid, source.uid


def _made_from(edge: Edge, source: Node, target: Node) -> bool:
    made = edge.type is EdgeType.DERIVED_FROM and source.kind is Kind.MODEL_VERSION
    return made and (target.kind is Kind.RUN or _holds_runs(target))


def _holds_runs(node: Node) -> bool:
    return node.kind is Kind.COLLECTION and node.type in MANY_RUNS


def edge_fields(edge: Edge, list_: str) -> dict[str, Value]:
    head, _, path = edge.role.partition(":")
    role = edge.attrs.get("role", head) if list_ == "outputs" else head
    return {"role": role, "path": path, "storage": edge.attrs.get("storage", "")}


def carried(node: Node, head: str, rest: str) -> Iterator[Value]:
    """What a node gives to those that stand for it."""
    if head in {"params", "metrics", "seeds"}:
        for key, value in family(node, head):
            if key == rest:
                yield value
    elif head == "commit" and node.kind is Kind.CODE:
        yield node.identity["commit"]
    elif head == "image" and node.kind is Kind.IMAGE:
        yield node.identity["image"].removeprefix("sha256:")


def family(node: Node, family: str) -> Iterator[tuple[str, Value]]:
    """Parameters, metrics or seeds of a node itself."""
    if family == "params" and node.kind is Kind.RUN:
        for place, text in node.attrs.get("parameters", {}).items():
            file, _, key = place.partition(":")
            for path, leaf in leaves(json.loads(text), key):
                yield from _keyed(path, file, leaf)
    elif family == "params" and node.kind is Kind.CONFIG:
        for path, leaf in leaves(yaml.safe_load(node.attrs["resolved"]), ""):
            yield from _keyed(path.removeprefix("."), node.name, leaf)
    elif family == "metrics" and node.kind is Kind.METRICS:
        for key, text in node.attrs.get("values", {}).items():
            yield from _keyed(re.sub(r"\[\d+\]", "", key), node.name, json.loads(text))
    elif family == "seeds" and node.kind is Kind.RUN:
        for seed in node.attrs.get("seeds", []):
            for value in twofold(seed["value"]):
                yield seed["name"], value


def _keyed(key: str, file: str, leaf: Any) -> Iterator[tuple[str, Value]]:
    value = "null" if leaf is None else leaf
    if isinstance(value, float) and math.isnan(value):
        value = "NaN"
    yield key, value
    yield f"{file}:{key}", value


def attributes(node: Node, wanted: str | None) -> Iterator[Value]:
    """Attributes under a path, or all of them."""
    special = {Kind.RUN: {"parameters", "seeds"}, Kind.METRICS: {"values"}, Kind.CONFIG: {"resolved", "unresolved"}}
    for name, value in node.attrs.items():
        if name in special.get(node.kind, set()):
            continue
        for path, leaf in leaves(value, name):
            if leaf is not None and wanted in {None, path}:
                yield from twofold(leaf)


def leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, path)
    else:
        yield path, {True: "true", False: "false"}[value] if isinstance(value, bool) else value


def twofold(leaf: Value) -> list[Value]:
    """The record has no floats: a text that reads as a number is both."""
    if isinstance(leaf, str) and len(leaf) <= 40 and re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?", leaf):
        number = float(leaf) if re.search(r"[.eE]", leaf) else int(leaf)
        if abs(number) < 2**63:
            return [leaf, number]
    return [leaf]


def compare(part: Compare | OneOf | Exists, values: list[Value]) -> bool:
    if isinstance(part, Exists):
        return bool(values)
    if isinstance(part, OneOf):
        return any(compare(Compare(field=part.field, op=Op.EQUAL, value=value), values) for value in part.values)
    if part.field in {"created", "modified"}:
        return _compare_time(part, int(values[0]))
    text = isinstance(part.value, str)
    alike: list[Any] = [value for value in values if isinstance(value, str) is text]
    if part.field in {"commit", "image"}:
        equal = [v for v in values if str(v).startswith(str(part.value).rpartition(":")[2].lower())]
        return bool(equal) if part.op is Op.EQUAL else bool(values) and not equal
    if part.op is Op.UNEQUAL:
        return bool(alike) and part.value not in alike
    test: dict[Op, Callable[[Any], bool]] = {
        Op.EQUAL: lambda v: v == part.value,
        Op.LESS: lambda v: v < part.value,
        Op.AT_MOST: lambda v: v <= part.value,
        Op.MORE: lambda v: v > part.value,
        Op.AT_LEAST: lambda v: v >= part.value,
        Op.CONTAINS: lambda v: str(part.value) in v,
    }
    return any(map(test[part.op], alike))


def _compare_time(part: Compare, moment: int) -> bool:
    text = str(part.value)
    start = microseconds(text)
    end = start + (86_400_000_000 if len(text) == 10 else 1)
    return {
        Op.EQUAL: start <= moment < end,
        Op.UNEQUAL: not start <= moment < end,
        Op.LESS: moment < start,
        Op.AT_MOST: moment < end,
        Op.MORE: moment >= end,
        Op.AT_LEAST: moment >= start,
    }[part.op]


def microseconds(text: str) -> int:
    moment = datetime.datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    return round((moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) / datetime.timedelta(microseconds=1))


def words(text: str) -> list[str]:
    """Words in lower case; a digest is none, and nothing goes on over it."""
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    runs = "".join(one if one.isalnum() else " " for one in plain).split()
    return ["" if re.fullmatch("[0-9a-f]{32,}", word) else word for word in runs]
