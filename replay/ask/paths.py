"""Ways, cycles and what lies between: on the graph that was met, by uid."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

Ways = Mapping[str, Collection[str]]
"""Of each node those that the walk goes to from it."""


def between(ways: Ways, starts: Iterable[str], found: Iterable[str]) -> set[str]:
    """All nodes on a way from a start to a node found, both ends included."""
    back: dict[str, list[str]] = {}
    for one, others in ways.items():
        for other in others:
            back.setdefault(other, []).append(one)
    reached = set(found)
    front = list(reached)
    while front:
        below = {one for other in front for one in back.get(other, ())} - reached
        reached |= below
        front = list(below)
    return reached | set(starts)


def shortest(ways: Ways, starts: Iterable[str], found: Collection[str]) -> dict[str, tuple[str, ...]]:
    """One shortest way to each node found."""
    parents: dict[str, str | None] = dict.fromkeys(starts)
    front = list(parents)
    while front:
        following = []
        for one in front:
            for other in ways.get(one, ()):
                if other not in parents:
                    parents[other] = one
                    following.append(other)
        front = following
    return {uid: tuple(_back(uid, parents)) for uid in found if uid in parents}


def _back(uid: str, parents: Mapping[str, str | None]) -> list[str]:
    way = [uid]
    while (parent := parents[way[-1]]) is not None:
        way.append(parent)
    return way[::-1]


def simple_paths(ways: Ways, start: str, found: Collection[str]) -> Iterator[tuple[str, ...]]:
    """Every way from ``start`` to a node found that meets no node twice. There can be very many: take what you need."""
    useful = between(ways, [start], found)
    stack = [(start, iter(ways.get(start, ())))]
    here = {start: None}
    while stack:
        uid, rest = stack[-1]
        following = next((other for other in rest if other in useful and other not in here), None)
        if following is None:
            stack.pop()
            here.pop(uid)
            continue
        here[following] = None
        if following in found:
            yield tuple(here)
        stack.append((following, iter(ways.get(following, ()))))


def cycles(links: Iterable[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Cycles among edges from younger to older: at least one when there is any, and no node in two of them."""
    pairs = set(links)
    left = _trimmed(_trimmed(pairs), turned=True)
    below: dict[str, list[str]] = {}
    for younger, older in sorted(left):
        below.setdefault(younger, []).append(older)
    return list(_followed(below))


def _trimmed(pairs: set[tuple[str, str]], *, turned: bool = False) -> set[tuple[str, str]]:
    """Without the edges from nodes to which none leads (``turned``: to nodes from which none leads), repeatedly."""
    near, far = (1, 0) if turned else (0, 1)
    out: dict[str, list[str]] = {}
    arriving: dict[str, int] = {}
    for pair in pairs:
        out.setdefault(pair[near], []).append(pair[far])
        arriving.setdefault(pair[near], 0)
        arriving[pair[far]] = arriving.get(pair[far], 0) + 1
    free = [uid for uid, count in arriving.items() if count == 0]
    gone = set()
    while free:
        gone.add(uid := free.pop())
        for other in out.get(uid, ()):
            arriving[other] -= 1
            if arriving[other] == 0:
                free.append(other)
    return {pair for pair in pairs if pair[near] not in gone}


def _followed(below: Mapping[str, list[str]]) -> Iterator[tuple[str, ...]]:
    """From each node downwards, until the way meets itself or what was seen before; each has something below it."""
    done: set[str] = set()
    for root in below:
        way: dict[str, None] = {}
        uid = root
        while uid not in done and uid not in way:
            way[uid] = None
            uid = below[uid][0]
        if uid in way:
            yield tuple(way)[list(way).index(uid) :]
        done.update(way)
