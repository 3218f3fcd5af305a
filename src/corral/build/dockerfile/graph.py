"""Graph: what depends on what. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def reachable(start: int, links: Sequence[Sequence[int]]) -> list[int]:
    """`start` and all it needs, smallest first.

    >>> reachable(3, [[], [], [0], [2]])
    [0, 2, 3]
    """
    found: set[int] = set()
    todo = [start]
    while todo:
        node = todo.pop()
        if node not in found:
            found.add(node)
            todo += links[node]
    return sorted(found)


def find_cycle(links: Sequence[Sequence[int]]) -> int | None:
    """From where on the way leads into a circle; None if none does.

    >>> find_cycle([[1], [0]]), find_cycle([[], [0]])
    (0, None)
    """
    done: set[int] = set()
    for start in range(len(links)):
        if start not in done and _circles(start, links, done):
            return start
    return None


def _circles(start: int, links: Sequence[Sequence[int]], done: set[int]) -> bool:
    done.add(start)
    path = {start}
    stack: list[tuple[int, Iterator[int]]] = [(start, iter(links[start]))]
    while stack:
        node, rest = stack[-1]
        following = next(rest, None)
        if following is None:
            stack.pop()
            path.discard(node)
        elif following in path:
            return True
        elif following not in done:
            done.add(following)
            path.add(following)
            stack.append((following, iter(links[following])))
    return False
