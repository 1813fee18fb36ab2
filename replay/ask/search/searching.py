"""Searching: every store of the ground, in one order, telling only what the asker may see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from replay.ask.interface import Ground
from replay.ask.search.cursors import cursor_of, decoded
from replay.ask.search.findings import findings_of
from replay.ask.search.hits import hits_of
from replay.ask.search.looking import Looking, Placed, looking
from replay.ask.search.seen import merged
from replay.errors import UsageError
from replay.progress import Progress, Silent
from replay.search.check import check
from replay.search.expression import Every, Exists, Expression, OneOf
from replay.search.fields import Form, field_of
from replay.search.parts import reach_of
from replay.search.request import Found, Search

EVERYTHING = Exists(field="kind")


class _Page(NamedTuple):
    hits: Sequence[Sequence[Placed]]
    """Of each node the stores that show it."""
    total: int
    hidden: int


def search(query: Search, ground: Ground, progress: Progress | None = None) -> Found:
    """Answer a search. The index of each store is brought up to date first.

    Raises:
        UsageError: A field, an operator, a value or a cursor is wrong; the message names the valid ones.
        StoreError: A store cannot be read, or its index cannot be written.
    """
    where = _whole(query)
    check(where)
    _check_order(query.sort)
    return ground.ask(lambda whole: _search(query, where, whole, progress or Silent()))


def _whole(query: Search) -> Expression:
    """The expression with the kinds in it."""
    kinds = (OneOf(field="kind", values=tuple(kind.value for kind in query.kinds)),) if query.kinds else ()
    parts = (*kinds, *((query.where,) if query.where is not None else ()))
    return Every(of=parts) if len(parts) > 1 else parts[0] if parts else EVERYTHING


def _check_order(sort: str | None) -> None:
    if sort is not None and getattr(field_of(sort), "form", None) is Form.UID:
        raise UsageError(f"nothing can be sorted by {sort}", hint="sort by a field such as created or metrics.NAME")


def _search(query: Search, where: Expression, ground: Ground, progress: Progress) -> Found:
    question = msgspec.structs.replace(query, cursor=None, limit=1)
    names = [place.name for place in ground.places]
    cursor = decoded(query.cursor, question, names) if query.cursor is not None else None
    skip = cursor.skip if cursor else 0
    with looking(ground, dict(cursor.pins) if cursor else None, progress) as places:
        page = _page(query, where, ground, places, skip)
        hits = hits_of(query, page.hits)
        odd = findings_of(where, places, ground.guard)
    told = skip + len(page.hits)
    pins = [(one.place.name, one.at) for one in places]
    because = (*(["access"] if page.hidden else []), *(f"store {name}" for name in ground.missing))
    return Found(
        search=query,
        hits=hits,
        total=page.total,
        complete=not because,
        truncated_by=because,
        hidden=page.hidden,
        findings=(*odd, *(f"the attached store {name} was not asked: {why}" for name, why in ground.missing.items())),
        next=cursor_of(question, pins, told) if told < page.total else None,
    )


def _page(query: Search, where: Expression, ground: Ground, places: Sequence[Looking], skip: int) -> _Page:
    descending = query.descending or query.sort is None
    if len(places) == 1 and ground.guard is None:
        total, nodes = places[0].searcher.page(
            where, sort=query.sort, descending=descending, skip=skip, limit=query.limit
        )
        return _Page([[(places[0], node)] for node in nodes], total, 0)
    found = [(one, one.searcher.find(where, sort=query.sort, descending=descending)) for one in places]
    whole = merged(found, ground.guard, reach_of(where, query.sort), descending=descending)
    return _Page(whole.hits[skip : skip + query.limit], len(whole.hits), whole.hidden)
