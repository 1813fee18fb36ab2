"""Nodes on their way into the index: fields as rows of numbers and strings, and words."""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from replay.search.fields import Flow
from replay.search.values import Number, cleaned, comparable, key_of, reads_as_number
from replay.store.interface import Row
from replay.store.search.edges import LIST_CODES, Link, class_of, self_link
from replay.store.search.extract import Seed, attribute, extract, units
from replay.store.search.index import IndexCursor

OWN = -1
"""In place of a facet: words of attributes, by which nothing else is found than the node itself."""
_FEW = 500
_KEY = operator.itemgetter(0)


class Documents:
    """Collects rows until they are written."""

    def __init__(self, cursor: IndexCursor, *, fresh: bool, text: int, part: int) -> None:
        """Begin.

        Args:
            cursor: Where to write.
            fresh: The index is empty: nothing need be looked up.
            text: The last number given to a text.
            part: The last number given to a part.
        """
        self.text = text
        self.part = part
        self._cursor = cursor
        self._fresh = fresh
        self._keys: dict[str, int] = {}
        self._next_key = 1 if fresh else 1 + (cursor.rows("SELECT max(id) FROM search_keys")[0][0] or 0)
        self._parts: dict[bytes, int] = {}
        self._numbers: list[Row] = []
        self._strings: list[Row] = []
        self._texts: list[Row] = []
        self._items: list[Row] = []
        self._nodes: list[Row] = []
        self._fields: list[tuple[str, Any, int, int, int | None]] = []
        self._new_parts: list[Row] = []

    def add(self, rows: Sequence[Row], created: Mapping[int, int]) -> list[Link]:
        """Add nodes, as `extract.extract` takes them; the links of nodes to themselves and to their parts."""
        links: list[Link] = []
        found = [extract(row) for row in rows]
        self._know_parts({digest for one in found for digest, _, _ in one.parts})
        for row, one in zip(rows, found, strict=True):
            node, kind, tx = row[0], row[2], row[-1]
            class_ = class_of(kind, row[3])
            self._nodes.append((node, kind, class_, tx))
            self.add_fields(node, one.fields, tx)
            self.add_fields(node, (("created", created[tx]),), tx)
            self.add_texts(node, one.words, tx)
            self.add_texts(node, one.own, tx, facet=OWN)
            for digest, name, data in one.parts:
                links.append(Link(self._part(digest, name, data, tx), Flow.PART, node, tx))
            if (link := self_link(node, class_, tx)) is not None:
                links.append(link)
            self._items += [_seed(node, seed, tx) for seed in one.seeds]
        return links

    def add_fields(self, node: int, fields: Iterable[tuple[str, Any]], since: int, until: int | None = None) -> None:
        """Values that a node has from one transaction until another."""
        self._fields += [(key, value, node, since, until) for key, value in fields]

    def add_texts(self, node: int, words: Iterable[str], since: int, until: int | None = None, facet: int = 0) -> None:
        """Words that a node has from one transaction until another; ``facet``: which one said them, or `OWN`."""
        for text in words:
            self.text += 1
            self._texts.append((self.text, node, facet, since, until, text))

    def end(self, node: int, key: str, since: int, until: int) -> None:
        """Values written before hold only until a transaction."""
        number = self._known_keys([key])[key]
        for table in ("search_numbers", "search_strings"):
            self._cursor.rows(
                f"UPDATE {table} SET until = ? WHERE node = ? AND key = ? AND since = ? AND until IS NULL",
                (until, node, number, since),
            )

    def end_open(self, node: int, key: str, until: int) -> None:
        """Whatever value a node has holds only until a transaction."""
        number = self._known_keys([key])[key]
        for table in ("search_numbers", "search_strings"):
            self._cursor.rows(
                f"UPDATE {table} SET until = ? WHERE node = ? AND key = ? AND until IS NULL", (until, node, number)
            )

    def end_texts(self, facet: int, until: int) -> None:
        """Words of a facet hold only until a transaction."""
        self._cursor.rows(
            "UPDATE search_texts SET until = ? WHERE facet = ? AND facet > 0 AND until IS NULL", (until, facet)
        )

    def flush(self) -> None:
        """Write what was collected."""
        keys = self._known_keys({field[0] for field in self._fields})
        numbers, strings = self._numbers.append, self._strings.append
        for key, value, node, since, until in self._fields:
            one = comparable(value)
            (numbers if type(one) is Number else strings)((keys[key], *one, node, since, until))
        self._numbers.sort(key=_KEY)  # what lies side by side in the table is written together
        self._strings.sort(key=_KEY)
        for table, rows in (
            ("search_nodes", self._nodes),
            ("search_numbers", self._numbers),
            ("search_strings", self._strings),
            ("search_items", self._items),
            ("search_parts", self._new_parts),
        ):
            self._cursor.insert(table, rows)
            rows.clear()
        self._cursor.insert_texts(self._texts)
        self._texts.clear()
        self._fields.clear()

    def _part(self, digest: bytes, name: str, data: bytes, tx: int) -> int:
        known = self._parts.get(digest)
        if known is not None:
            return known
        self.part -= 1
        self._parts[digest] = self.part
        self._new_parts.append((digest, self.part))
        fields = list(attribute(name, data))
        self.add_fields(self.part, fields, tx)
        self.add_texts(self.part, units([value for _, value in fields if isinstance(value, str)]), tx)
        return self.part

    def _know_parts(self, digests: Collection[bytes]) -> None:
        wanted = [] if self._fresh else [digest for digest in digests if digest not in self._parts]
        for start in range(0, len(wanted), _FEW):
            some = wanted[start : start + _FEW]
            marks = ",".join("?" * len(some))
            found = self._cursor.rows(f"SELECT digest, id FROM search_parts WHERE digest IN ({marks})", some)
            self._parts.update((bytes(digest), number) for digest, number in found)

    def _known_keys(self, names: Collection[str]) -> dict[str, int]:
        """The numbers of keys; new ones are given."""
        wanted = {name: key_of(name) for name in names if name not in self._keys}
        known: dict[str, int] = {}
        short = list(dict.fromkeys(wanted.values()))
        for start in range(0, 0 if self._fresh else len(short), _FEW):
            some = short[start : start + _FEW]
            marks = ",".join("?" * len(some))
            known.update(self._cursor.rows(f"SELECT name, id FROM search_keys WHERE name IN ({marks})", some))
        # What is the same without NUL is the same key: one may have come in this very change.
        known |= {key: self._keys[key] for key in short if key in self._keys}
        fresh = [key for key in short if key not in known]
        numbers = range(self._next_key, self._next_key + len(fresh))
        known.update(zip(fresh, numbers, strict=True))
        self._cursor.insert("search_keys", list(zip(numbers, fresh, strict=True)))
        self._next_key += len(fresh)
        self._keys.update((name, known[key]) for name, key in wanted.items())
        self._keys.update(known)
        return self._keys


def _seed(run: int, seed: Seed, tx: int) -> Row:
    value = comparable(seed.value)
    head, rest = (value.head, value.rest) if not isinstance(value, Number) else (None, "")
    number = reads_as_number(seed.value)
    known = comparable(number) if number is not None else None
    num, exact = (known.num, known.exact) if isinstance(known, Number) else (None, "")
    return (LIST_CODES["seeds"], run, 0, cleaned(seed.name), cleaned(seed.place), "", num, exact, head, rest, tx)
