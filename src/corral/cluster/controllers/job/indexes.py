"""Indexes of an indexed Job, as its status lists them: `1,3-5,7`. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from corral.cluster.client.protocol import Object
from corral.cluster.controllers.common.pods import annotation

COMPLETION_INDEX = "batch.kubernetes.io/job-completion-index"


def parse(text: str, completions: int) -> set[int]:
    """Those below `completions`; what cannot be read is left out.

    >>> sorted(parse("1,3-5,9", 5)), parse("", 5), sorted(parse("x,2", 5))
    ([1, 3, 4], set(), [2])
    """
    found: set[int] = set()
    for part in text.split(",") if text else ():
        first, _, last = part.partition("-")
        if first.isdigit() and (last or first).isdigit():
            found.update(range(int(first), min(int(last or first) + 1, completions)))
    return found


def show(indexes: Iterable[int]) -> str:
    """
    >>> show([7, 1, 3, 5, 4]), show([])
    ('1,3-5,7', '')
    """
    spans: list[list[int]] = []
    for index in sorted(set(indexes)):
        if spans and index == spans[-1][1] + 1:
            spans[-1][1] = index
        else:
            spans.append([index, index])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


def index_of(pod: Object, completions: int) -> int | None:
    """A pod's index; None: it has none, or one out of range.

    >>> pod = {"metadata": {"annotations": {COMPLETION_INDEX: "3"}}}
    >>> index_of(pod, 5), index_of(pod, 3), index_of({"metadata": {}}, 5)
    (3, None, None)
    """
    text = annotation(pod, COMPLETION_INDEX)
    if not text.isascii() or not text.isdigit() or int(text) >= completions:
        return None
    return int(text)


def first_missing(taken: Iterable[int], count: int, completions: int) -> list[int]:
    """The lowest indexes that are not taken, at most `count`.

    >>> first_missing({0, 2}, 2, 10), first_missing({0, 1}, 5, 3)
    ([1, 3], [2])
    """
    busy = set(taken)
    found: list[int] = []
    for index in range(completions):
        if len(found) >= count:
            break
        if index not in busy:
            found.append(index)
    return found
