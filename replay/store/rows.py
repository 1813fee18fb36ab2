"""Nodes, edges and facets as rows of the database, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from replay.errors import StoreError, UsageError
from replay.identity import canonical_json, canonical_texts
from replay.lineage import Edge, EdgeType, Evidence, Facet, Kind, Node
from replay.store.interface import Row
from replay.uid import identity_of, text_of

KIND_CODES: dict[Kind, int] = {kind: number for number, kind in enumerate(Kind, start=1)}
EDGE_CODES: dict[EdgeType, int] = {type_: number for number, type_ in enumerate(EdgeType, start=1)}
"""Codes are never given anew: new kinds and types go to the end of their lists (a test holds the first ones)."""

KINDS = {number: kind for kind, number in KIND_CODES.items()}
EDGE_TYPES = {number: type_ for type_, number in EDGE_CODES.items()}
RECORDED = Evidence.RECORDED
GENERATED, SAME_AS = EDGE_CODES[EdgeType.GENERATED], EDGE_CODES[EdgeType.SAME_AS]

NODE = "n.uid, n.kind, n.type, n.name, n.identity, n.attrs, n.evidence"
EDGE = "e.younger, e.older, e.type, e.role, e.attrs, e.evidence"
NO_ATTRS = "{}"

EdgeKey = tuple[str, str, int, str]
"""Uids of the younger and the older end, code of the type, role."""

_ATTRS = msgspec.json.Decoder(dict[str, Any])
_IDENTITY = msgspec.json.Decoder(dict[str, str])


def node_rows(nodes: Sequence[tuple[bytes, Node]], first: int, tx: int) -> list[Row]:
    """Rows of ``nodes``, numbered from ``first``.

    Raises:
        UsageError: A float in the attributes, or a text that databases do not keep.
    """
    if not _is_kept("".join([node.name + node.type + node.basis for _, node in nodes])):
        raw, text = next((raw, t) for raw, n in nodes if not _is_kept(t := n.name + n.type + n.basis))
        raise UsageError(f"node {text_of(raw)}: got {text!r} in its name, type or basis, {_KEPT}")
    attrs = canonical_texts([node.attrs for _, node in nodes])
    return [
        (
            number,
            raw,
            KIND_CODES[node.kind],
            node.type,
            node.name,
            None if raw[0] else canonical_json(node.identity).decode(),
            text,
            None if node.evidence is RECORDED and not node.basis else evidence_text(node.evidence, node.basis),
            tx,
        )
        for number, (raw, node), text in zip(range(first, first + len(nodes)), nodes, attrs, strict=True)
    ]


def edge_rows(edges: Mapping[EdgeKey, Edge], ids: Mapping[str, int], first: int, tx: int) -> list[Row]:
    """Rows of ``edges``.

    Args:
        edges: By their keys.
        ids: The numbers of their ends.
        first: The first number of this transaction: an edge whose younger end has a lesser one came late.
        tx: The transaction.

    Raises:
        StoreError: An end has no number: it is no recorded node.
        UsageError: A float in the attributes, or a text that databases do not keep.
    """
    if not _is_kept("".join([edge.role + edge.basis for edge in edges.values()])):
        edge = next(edge for edge in edges.values() if not _is_kept(edge.role + edge.basis))
        raise UsageError(f"edge {edge.type}: got {edge.role!r} or {edge.basis!r} as its role or basis, {_KEPT}")
    try:
        return [
            (
                (one := ids[younger]),
                ids[older],
                code,
                role,
                canonical_json(edge.attrs).decode() if edge.attrs else NO_ATTRS,
                None if edge.evidence is RECORDED and not edge.basis else evidence_text(edge.evidence, edge.basis),
                0 if one >= first else 1,
                tx,
            )
            for (younger, older, code, role), edge in edges.items()
        ]
    except KeyError:
        ends = ((uid, edge) for key, edge in edges.items() for uid in key[:2] if uid not in ids)
        lost, edge = next(ends)
        raise StoreError(f"edge {edge.type} {edge.role!r}: its end {lost} is no recorded node") from None


def facet_row(number: int, node: int, facet: Facet, action: int | None, tx: int) -> Row:
    """A row of ``facets``.

    Raises:
        UsageError: A float in its value, or a text that databases do not keep.
    """
    if not _is_kept(facet.key + facet.basis):
        raise UsageError(f"facet of {facet.node}: got {facet.key!r} and {facet.basis!r} as its key and basis, {_KEPT}")
    value = canonical_json(facet.value).decode()
    return number, node, facet.key, value, evidence_text(facet.evidence, facet.basis), action, tx


_KEPT = "expected text in Unicode without NUL characters"


def _is_kept(text: str) -> bool:
    """Whether both databases give a text back as it is: no NUL, and no part of a file name that is no UTF-8."""
    if "\0" in text:
        return False
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def evidence_text(evidence: Evidence, basis: str) -> str | None:
    """How a fact is known, in one column: nothing, ``inferred:RULE`` or ``asserted:WHO``."""
    return None if evidence is RECORDED and not basis else f"{evidence.value}:{basis}"


def evidence_of(text: str | None) -> tuple[Evidence, str]:
    """The evidence level and its basis.

    Raises:
        ValueError: Such evidence is not known.
    """
    if text is None:
        return Evidence.RECORDED, ""
    level, _, basis = text.partition(":")
    return Evidence(level), basis


def node_of(row: Row) -> Node:
    """The node of the columns `NODE`.

    Raises:
        ValueError: They hold something that this program never wrote.
    """
    raw, kind, type_, name, identity, attrs, evidence = row
    level, basis = evidence_of(evidence)
    return Node(
        kind=KINDS[kind],
        type=type_,
        name=name,
        identity=(identity_of(text_of(raw)) or {}) if identity is None else _IDENTITY.decode(identity),
        attrs={} if attrs == NO_ATTRS else _ATTRS.decode(attrs),
        evidence=level,
        basis=basis,
    )


def edge_of(row: Row, uids: dict[int, str]) -> Edge:
    """The edge of the columns `EDGE`; ``uids`` has both its ends.

    Raises:
        ValueError: They hold something that this program never wrote.
    """
    younger, older, code, role, attrs, evidence = row
    source, target = (older, younger) if code == GENERATED else (younger, older)
    level, basis = evidence_of(evidence)
    return Edge(
        source=uids[source],
        type=EDGE_TYPES[code],
        target=uids[target],
        role=role,
        attrs={} if attrs == NO_ATTRS else _ATTRS.decode(attrs),
        evidence=level,
        basis=basis,
    )


def facet_of(uid: str, row: Row) -> Facet:
    """The facet of ``key, value, evidence, raw uid of the action, created``.

    Raises:
        ValueError: They hold something that this program never wrote.
    """
    key, value, evidence, action, created = row
    level, basis = evidence_of(evidence)
    return Facet(
        node=uid,
        key=key,
        value=msgspec.json.decode(value),
        evidence=level,
        basis=basis,
        action=text_of(action) if action is not None else "",
        recorded=created,
    )
