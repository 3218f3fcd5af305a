"""Garbage that refers to itself, found without everybody being held up again and again.

Most of what a daemon keeps is plain data by the hundred thousand: it has no cycles, and is freed the moment nobody
refers to it. A full collection looks at every bit of it all the same, while nobody is answered, and Python begins one
whenever there is a quarter more. So what outlives a full collection is put aside (`gc.freeze`): freed like anything
else, looked through no more. All of it is looked through again when as much has come to it as was left the last time;
so garbage is never more than half, and the work for an object is the same however many there are.
"""

from __future__ import annotations

import gc
from typing import Final

FEWEST: Final = 250_000  # objects; to look through them takes some 20 ms
YOUNG: Final = (5_000, 5, 10)  # few objects of a request live on, so a larger nursery has fewer to look at


class Collecting:
    """The process's collector, told what to put aside. Nothing is collected before `start`: a start makes no garbage.

    It counts only what Python calls generation 2; a Python that collects in small steps never comes to that by itself.
    """

    def __init__(self, fewest: int = FEWEST) -> None:
        self._fewest = fewest
        self._left = 0  # objects, after all were looked through
        self._came = 0  # objects put aside since
        self._whole = False

    def start(self) -> None:
        gc.freeze()
        gc.set_threshold(*YOUNG)
        gc.callbacks.append(self._collected)
        gc.enable()

    def stop(self) -> None:
        """As Python does it by itself."""
        gc.callbacks.remove(self._collected)
        gc.unfreeze()

    def _collected(self, phase: str, info: dict[str, int]) -> None:
        if info["generation"] < 2:
            return
        if phase == "start":
            self._whole = self._came >= max(self._left, self._fewest)
            if self._whole:
                gc.unfreeze()
            return
        survived = len(gc.get_objects(generation=2))
        self._left, self._came = (survived, 0) if self._whole else (self._left, self._came + survived)
        gc.freeze()
