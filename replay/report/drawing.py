"""Drawing graphs from left to right: columns, and lines between them."""

from __future__ import annotations

from collections.abc import Collection, Iterable

Point = tuple[float, float]


def columns(keys: Iterable[str], ends: Collection[tuple[str, str]]) -> dict[str, int]:
    """Of each node how many others stand left of it at least: the longest way there; ``ends`` must have no cycle."""
    after: dict[str, list[str]] = {}
    waiting = dict.fromkeys(keys, 0)
    for left, right in ends:
        after.setdefault(left, []).append(right)
        waiting[right] += 1
    found = dict.fromkeys(waiting, 0)
    free = [key for key, count in waiting.items() if not count]
    for key in free:  # grows while it is read
        for right in after.get(key, ()):
            found[right] = max(found[right], found[key] + 1)
            waiting[right] -= 1
            if not waiting[right]:
                free.append(right)
    return found


def backward(keys: Iterable[str], ends: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those ends that close a cycle, so that the others have none."""
    after: dict[str, list[str]] = {}
    for left, right in ends:
        after.setdefault(left, []).append(right)
    closing: set[tuple[str, str]] = set()
    done: set[str] = set()
    for root in keys:
        way: dict[str, None] = {}
        stack = [(root, iter(after.get(root, ())))] if root not in done else []
        way.update({key: None for key, _ in stack})
        while stack:
            key, rest = stack[-1]
            following = next((other for other in rest if other not in done), None)
            if following is None:
                stack.pop()
                way.pop(key)
                done.add(key)
            elif following in way:
                closing.add((key, following))
            else:
                way[following] = None
                stack.append((following, iter(after.get(following, ()))))
    return closing


def bend(start: Point, stop: Point, least: float) -> str:
    """A curve that leaves and arrives horizontally, as SVG path data after a move to ``start``."""
    (x1, y1), (x2, y2) = start, stop
    reach = max(least, (x2 - x1) / 2)
    return f"C{x1 + reach:.1f} {y1:.1f} {x2 - reach:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"


def over(start: Point, stop: Point, lane: float, gap: float) -> str:
    """A line that rises right of ``start``, runs along the height ``lane``, and comes down left of ``stop``."""
    up, down = (start[0] + gap, lane), (stop[0] - gap, lane)
    return f"M{start[0]:.1f} {start[1]:.1f}{bend(start, up, gap / 2)}H{down[0]:.1f}{bend(down, stop, gap / 2)}"
