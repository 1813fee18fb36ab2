"""What an answer says of itself: is it complete, what is missing, what is odd, how to go on."""

from __future__ import annotations

import shlex
from collections import Counter

import msgspec

from replay.query import Answer, Direction, Query
from replay.report.lineage.labels import distinct, listed
from replay.report.words import Badge, plural

_COMPLETE = Badge("✓", "[ok]", "complete", "ok")
_CUT = Badge("✗", "[x]", "not complete", "bad")
_HIDDEN = Badge("✗", "[x]", "hidden", "bad")
_UNRESOLVED = Badge("?", "[?]", "unresolved", "warn")
_ODD = Badge("!", "[!]", "finding", "warn")
_APART = Badge("=", "=", "same bytes", "near")
_NEXT = Badge("→", "->", "next", "near")

_NOTHING = {
    Direction.UP: "nothing is recorded that it was made from",
    Direction.DOWN: "nothing is recorded that stands on it",
    Direction.UPDOWN: "nothing is recorded that it was made from, or that stands on it",
    Direction.CONNECTED: "nothing is recorded that it is connected with",
}
_FILTERS = ("kinds", "types", "roles", "where", "where_any", "created_after", "created_before", "modified_after",
            "modified_before")  # fmt: skip
_OPTIONS = {
    "kinds": "kind", "types": "type", "roles": "role", "where": "where", "where_any": "any", "created_after":
    "created-after", "created_before": "created-before", "modified_after": "modified-after", "modified_before":
    "modified-before", "as_of": "as-of", "max_depth": "depth", "follow": "follow", "stop_at": "stop-at", "paths":
    "paths", "limit": "limit",
}  # fmt: skip


class Note(msgspec.Struct, frozen=True):
    """One remark: its state, its words, the nodes it speaks of, and a command line that goes on from here."""

    badge: Badge
    text: str
    nodes: tuple[str, ...] = ()
    command: str = ""

    def line(self, names: dict[str, str], most: int | None) -> str:
        """The remark as one line that names at most ``most`` of its nodes."""
        every = [names.get(uid, uid) for uid in self.nodes]
        return f"{self.text}: {listed(every, most)}" if every else self.text


def notes(answer: Answer) -> list[Note]:
    """All remarks, the gravest first."""
    made = [Note(_COMPLETE, counted(answer))] if answer.complete else _cuts(answer)
    if answer.unresolved:
        text = f"which version was meant is not known of {plural(len(answer.unresolved), 'locator')}"
        made.append(Note(_UNRESOLVED, text, answer.unresolved))
    if answer.elsewhere:
        them = plural(answer.elsewhere, "node")
        made.append(Note(_APART, f"{them} left out that only made the same bytes (--same-bytes tells them too)"))
    names = distinct(answer.nodes)
    for finding in answer.findings:
        made.append(Note(_ODD, " ".join(names.get(word, word) for word in finding.split(" "))))
    if answer.next:
        made.append(Note(_NEXT, "the answer goes on with", command=command_of(answer.query, answer.next)))
    return made


def counted(answer: Answer) -> str:
    """How many nodes were found, by kind; in words when there are none."""
    if not answer.found:
        filtered = any(getattr(answer.query, name) for name in _FILTERS)
        return "nothing that was met matches the filters" if filtered else _NOTHING[answer.query.direction]
    kinds = Counter(str(answer.nodes[uid].kind) for uid in answer.found)
    each = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
    when = f", as recorded until {answer.query.as_of}" if answer.query.as_of else ""
    return f"{plural(len(answer.found), 'node')} found ({each}){when}"


def _cuts(answer: Answer) -> list[Note]:
    query, cut = answer.query, set(answer.truncated_by)
    made = [Note(_CUT, f"{counted(answer)}; cut off by {' and '.join(answer.truncated_by) or 'an unknown bound'}")]
    if answer.frontier:
        advice = []
        if "depth" in cut:
            advice.append("--depth with more, or none, goes further")
        if "limit" in cut:
            advice.append("the next page has more")
        where = f"something was left out at {plural(len(answer.frontier), 'node')} ({'; '.join(advice)})"
        made.append(Note(_CUT, where, answer.frontier))
    if "paths" in cut:
        told = f"only {plural(len(answer.paths), 'way')} are told; there are more"
        made.append(Note(_CUT, f"{told} (--paths shortest tells one to each node)"))
    if answer.hidden:
        them = plural(answer.hidden, "node")
        made.append(Note(_HIDDEN, f"{them} on the walk may not be seen by who asks; what lies behind may be missing"))
    return made if query.start else []


def command_of(query: Query, cursor: str | None = None) -> str:
    """The command line that asks the same question, from ``cursor`` on.

    A question from several nodes has none: it is a file for ``--query``.
    """
    if len(query.start) != 1:
        return f"replay lineage --query FILE   # with the cursor {cursor}" if cursor else "replay lineage --query FILE"
    words = ["replay", "lineage", query.start[0]]
    if query.direction is not Direction.UP:
        words.append(f"--{query.direction}")
    for field, option in _OPTIONS.items():
        value = getattr(query, field)
        if isinstance(value, dict):
            value = tuple(f"{key}={text}" for key, text in value.items())
        for one in value if isinstance(value, tuple) else () if value is None else (value,):
            words += [f"--{option}", str(one)]
    if query.same_bytes:
        words.append("--same-bytes")
    if cursor:
        words += ["--cursor", cursor]
    return shlex.join(words)
