"""Pages of an answer. A cursor pins the state of the stores, so that pages fit together while others write."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from replay.ask.interface import Ground
from replay.ask.times import instant
from replay.errors import UsageError
from replay.identity import sha256_hex
from replay.query import Query
from replay.store import reads


class _Cursor(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    query: str
    last: tuple[int, ...]
    skip: int


class Page:
    """Which part of an answer is told, and of which state of the stores."""

    def __init__(self, query: Query, last: tuple[int | None, ...], newest: tuple[int, ...], skip: int) -> None:
        self._query = query
        self._newest = newest
        self.last = last
        """Of each store the last transaction that counts; ``None`` for all of them."""
        self.skip = skip

    def cut(self, chosen: Sequence[str]) -> tuple[str, ...]:
        """What this page tells of all that was chosen."""
        end = None if self._query.limit is None else self.skip + self._query.limit
        return tuple(chosen[self.skip : end])

    def after(self, told: int) -> str:
        """The cursor of the page after this one."""
        import base64

        raw = msgspec.json.encode(_Cursor(_digest(self._query), self._newest, self.skip + told))
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def page_of(query: Query, ground: Ground) -> Page:
    """The page that a query asks for.

    Raises:
        UsageError: The cursor is none, or belongs to another question.
    """
    if query.cursor is not None:
        cursor = _decoded(query.cursor)
        if cursor.query != _digest(query) or len(cursor.last) != len(ground.places):
            raise UsageError(
                "the cursor belongs to another question", hint="ask the same question as before, with its cursor added"
            )
        return Page(query, cursor.last, cursor.last, cursor.skip)
    if query.as_of is None and query.limit is None:
        return Page(query, (None,) * len(ground.places), (), 0)
    last = _last(ground, instant(query.as_of) if query.as_of else "9999")
    return Page(query, last, last, 0)


def _last(ground: Ground, time: str) -> tuple[int, ...]:
    found = []
    for place in ground.places:
        with place.store.reading() as database:
            found.append(reads.tx_at(database, time))
    return tuple(found)


def _decoded(text: str) -> _Cursor:
    import base64

    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return msgspec.json.decode(raw, type=_Cursor)
    except (ValueError, msgspec.DecodeError) as error:
        raise UsageError(f"got the cursor {text!r}, which is none", hint="use `next` of the answer before") from error


def _digest(query: Query) -> str:
    """Of all that decides which nodes are told, and in which order: a page may be shown in another way."""
    asked = msgspec.structs.replace(query, cursor=None, limit=None, include_edges=True, paths=None)
    whole = msgspec.json.encode(asked, order="sorted")
    return sha256_hex(whole)[:16]
