"""What there is to be found of one node: fields with their values, and words. Pure: rows in, values out."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from replay.flatten import flatten_yaml
from replay.identity import canonical_json
from replay.lineage import Kind
from replay.search.values import reads_as_number
from replay.search.words import running
from replay.store.interface import Row
from replay.store.rows import KINDS
from replay.uid import identity_of, text_of

Found = Iterator[tuple[str, Any]]
"""Keys of the index with values: numbers and texts."""

PART_BYTES = 300
"""An attribute of more JSON than this is kept once for all nodes that have it."""
UNIT = 256
"""Words of one text in the full-text index; a longer one is several, which overlap."""
OVERLAP = 32
GAP = "¶"
"""Stands in the full text where a phrase must not go on; it is no word."""

_DEEPEST = 40
_INDEX = re.compile(r"\[\d+\]")
_ATTRS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TOLD_OTHERWISE: dict[Kind, frozenset[str]] = {
    Kind.RUN: frozenset({"parameters", "seeds"}),
    Kind.METRICS: frozenset({"values"}),
    Kind.CONFIG: frozenset({"resolved", "unresolved"}),
}
"""Attributes that are fields of their own, not ``attrs.…``."""
_NAMED_COLLECTIONS = {"model_group": "model", "experiment": "experiment", "trial": "trial"}


class Seed(NamedTuple):
    """A seed of a run."""

    name: str
    value: str
    place: str


class Extract(NamedTuple):
    """What there is to be found of a node."""

    fields: list[tuple[str, Any]]
    words: list[str]
    """Of its name, parameters and metrics: whatever stands for it is found by them too."""
    own: list[str]
    """Of its other attributes."""
    parts: list[tuple[bytes, str, bytes]]
    """Digest, name and JSON of attributes that are kept once for all nodes."""
    seeds: list[Seed]


def extract(row: Row) -> Extract:
    """Everything of a node.

    Args:
        row: ``id, uid, kind, type, name, identity, attrs, tx``.
    """
    kind = KINDS[row[2]]
    attrs: dict[str, msgspec.Raw] = {} if row[6] == "{}" else _ATTRS.decode(row[6])
    fields, parts, seeds = _named(kind, row), [], []
    told, said = [row[4], row[3]], []
    own = _TOLD_OTHERWISE.get(kind, frozenset())
    for name, raw in attrs.items():
        if name in own:
            continue
        data = memoryview(raw)
        if len(data) > PART_BYTES:
            parts.append((hashlib.blake2b(name.encode() + b"\0" + data, digest_size=16).digest(), name, bytes(data)))
            continue
        for key, value in attribute(name, bytes(data)):
            fields.append((key, value))
            if isinstance(value, str):
                said.append(value)
    if own:
        special = {name: msgspec.json.decode(attrs[name]) for name in own if name in attrs}
        for key, value in _special(kind, row, special):
            fields.append((key, value))
            told += [key.partition(":")[2], value] if isinstance(value, str) else [key.partition(":")[2]]
        seeds = [Seed(s["name"], s["value"], s["place"]) for s in special.get("seeds", ())]
    return Extract(fields, units(told), units(said), parts, seeds)


def _named(kind: Kind, row: Row) -> list[tuple[str, Any]]:
    _, raw, _, type_, name, identity, *_ = row
    found: list[tuple[str, Any]] = []
    if name:
        found.append(("name", name))
    if type_:
        found.append(("type", type_))
    if kind is Kind.LOCATOR:
        found.append(("place", name))
    elif kind is Kind.COLLECTION and type_ in _NAMED_COLLECTIONS:
        found.append((_NAMED_COLLECTIONS[type_], name))
    elif kind in {Kind.CODE, Kind.IMAGE}:
        known = msgspec.json.decode(identity) if identity is not None else identity_of(text_of(raw)) or {}
        key = "commit" if kind is Kind.CODE else "image"
        if key in known:
            found.append((key, str(known[key]).removeprefix("sha256:").lower()))
    return found


def attribute(name: str, data: bytes) -> Found:
    """The leaves of an attribute; what a list holds are values of the list's own name.

    The record keeps no floats, so a text that reads as a number is found as that number too.
    """
    for path, value in _leaves(msgspec.json.decode(data), name, 0):
        if value is None:
            continue
        yield f"attrs:{path}", value
        if isinstance(value, str) and (number := reads_as_number(value)) is not None:
            yield f"attrs:{path}", number


def facet(key: str, value: Any) -> Found:
    """The leaves of a facet."""
    for path, leaf in _leaves(value, f"facet:{key}", 0):
        if leaf is None:
            continue
        yield path, leaf
        if isinstance(leaf, str) and (number := reads_as_number(leaf)) is not None:
            yield path, number


def _special(kind: Kind, row: Row, attrs: Mapping[str, Any]) -> Found:
    if kind is Kind.RUN:
        yield from _parameters(attrs.get("parameters", {}))
        yield from _seeds(attrs.get("seeds", ()))
    elif kind is Kind.METRICS:
        yield from _values("metrics", row[4], attrs.get("values", {}))
    elif "resolved" in attrs:
        yield from _values("params", row[4], flatten_yaml(attrs["resolved"]) or {})


def _parameters(parameters: Mapping[str, Any]) -> Found:
    for place, text in parameters.items():
        file, colon, key = place.partition(":")
        for path, value in _decoded(text):
            yield from _both("params", file if colon else "", (key if colon else file) + path, value)


def _seeds(seeds: Iterable[Mapping[str, str]]) -> Found:
    for seed in seeds:
        yield f"seeds:{seed['name']}", seed["value"]
        if (number := reads_as_number(seed["value"])) is not None:
            yield f"seeds:{seed['name']}", number


def _values(family: str, file: str, texts: Mapping[str, Any]) -> Found:
    for key, text in texts.items():
        for path, value in _decoded(text):
            yield from _both(family, file, _INDEX.sub("", key) + path, value)


def _both(family: str, file: str, key: str, value: Any) -> Found:
    """A value under its key alone, and with the file that it stood in."""
    leaf = "null" if value is None else value
    yield f"{family}:{key}", leaf
    if file:
        yield f"{family}:{file}:{key}", leaf


def _decoded(text: Any) -> Found:
    """The leaves of a value that was recorded as JSON text (which may hold NaN)."""
    if not isinstance(text, str):
        return _leaves(text, "", 0)
    try:
        return _leaves(json.loads(text), "", 0)
    except (ValueError, RecursionError):
        return iter((("", text),))


def _leaves(value: Any, place: str, depth: int) -> Found:
    if isinstance(value, dict) and depth < _DEEPEST:
        for key, item in value.items():
            yield from _leaves(item, f"{place}.{key}", depth + 1)
    elif isinstance(value, list) and depth < _DEEPEST:
        for item in value:
            yield from _leaves(item, place, depth + 1)
    elif isinstance(value, bool):
        yield place, "true" if value else "false"
    elif isinstance(value, dict | list):
        yield place, canonical_json(value).decode()
    else:
        yield place, value


def units(texts: list[str]) -> list[str]:
    """The words of texts, as the full-text index takes them; a phrase never goes on from one text to the next."""
    words = running(dict.fromkeys(texts), GAP)
    if len(words) <= UNIT:
        return [" ".join(words)] if words else []
    return [" ".join(words[start : start + UNIT]) for start in range(0, len(words) - OVERLAP, UNIT - OVERLAP)]
