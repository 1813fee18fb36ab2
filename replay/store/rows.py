"""What is hashed of each row, so that a transaction's digest in the journal binds all it wrote."""

from __future__ import annotations

from collections.abc import Iterable

from replay.identity import canonical_json, sha256_hex


def node_digest(uid: str, kind: str, name: str, identity: str, attrs: str, evidence: str) -> str:
    """Digest of a row of ``nodes``; ``identity`` and ``attrs`` are the JSON texts as kept."""
    return _digest("node", uid, kind, name, identity, attrs, evidence)


def edge_digest(younger: str, older: str, type_: str, role: str, attrs: str) -> str:
    """Digest of a row of ``edges``; its ends are uids."""
    return _digest("edge", younger, older, type_, role, attrs)


def version_digest(name: str, version: int, uid: str) -> str:
    """Digest of a row of ``model_versions``."""
    return _digest("version", name, version, uid)


def alias_digest(name: str, alias: str, version: int) -> str:
    """Digest of a row of ``alias_moves``."""
    return _digest("alias", name, alias, version)


def blob_digest(sha256: str, size: int) -> str:
    """Digest of a row of ``blobs``."""
    return _digest("blob", sha256, size)


def transaction_digest(rows: Iterable[str]) -> str:
    """Digest of all rows of one transaction, whatever their order."""
    return sha256_hex("\n".join(sorted(rows)).encode())


def _digest(*fields: str | int) -> str:
    return sha256_hex(canonical_json(list(fields)))
