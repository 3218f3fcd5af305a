"""Answers that stay true until a node changes; the longest unused are dropped."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

from corral.cluster.scheduler.snapshot.arrays import Mask

MOST: Final = 256

Key = tuple[str, bytes]
Answer = tuple[int, Mask, tuple[Any, ...]]  # the version of the nodes, which fit, why the others do not


class Kept:
    def __init__(self) -> None:
        self._answers: OrderedDict[Key, Answer] = OrderedDict()

    def get(self, key: Key) -> Answer | None:
        found = self._answers.get(key)
        if found is not None:
            self._answers.move_to_end(key)
        return found

    def put(self, key: Key, answer: Answer) -> None:
        self._answers[key] = answer
        self._answers.move_to_end(key)
        if len(self._answers) > MOST:
            self._answers.popitem(last=False)
