"""One node in a row: what it is called, what it is, and what matters of it."""

from __future__ import annotations

from replay.query import Answer
from replay.report.lineage.grow import Branch
from replay.report.lineage.labels import doubts, relation, said, short_id, sort, title
from replay.report.lineage.rows import TIED, Part
from replay.report.words import STYLES, utc

_TONES = {"status approved": "ok", "status rejected": "bad"}


class Describe:
    """Puts the nodes of one answer into words."""

    def __init__(self, answer: Answer) -> None:
        self._nodes = answer.nodes
        self._names = {uid: title(entry) for uid, entry in answer.nodes.items()}
        self._frontier, self._unresolved = set(answer.frontier), set(answer.unresolved)
        starts = set(answer.query.start)
        wanted = {*answer.found, *starts}
        self._wanted = wanted if any(uid not in wanted for uid in answer.nodes) else None
        """What was asked for, when other nodes are told as well."""

    @property
    def key(self) -> str:
        """What the marks before the nodes mean; nothing when there are none."""
        return "" if self._wanted is None else "● asked for  ○ on the way"

    def node(self, uid: str, before: str = "") -> list[Part]:
        """A node as parts of a row; its time is left out when it is that of ``before``, the node above it."""
        entry = self._nodes[uid]
        parts: list[Part] = []
        if self._wanted is not None:
            parts.append(("●" if uid in self._wanted else "○", ""))
        parts.append((self._names[uid], "bold" if self._wanted is None or uid in self._wanted else ""))
        parts.append((sort(entry), ""))
        parts += [(text, "") for text in (short_id(entry),) if text]
        parts += [(text, STYLES[_TONES.get(text, "near")]) for text in said(entry)]
        parts += [(text, STYLES["warn"]) for text in doubts(entry, self._frontier, self._unresolved)]
        if entry.stores:
            parts.append((f"in {', '.join(name or 'this store' for name in entry.stores)}", ""))
        if not before or utc(self._nodes[before].created) != utc(entry.created):
            parts.append((utc(entry.created).replace(" ", TIED), ""))
        return parts

    def branch(self, branch: Branch, near: str) -> str:
        """What ``near`` is to the node at the other end: ``used (input), used (label)``."""
        return ", ".join(dict.fromkeys(relation(edge, near, self._names) for edge in branch.edges))
