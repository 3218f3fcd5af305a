"""Told: pods that end, as their own node or the API says, before any EndpointSlice does. Pure.

Slices are written by a controller that leads. Where it or the store is dead, nobody writes them for seconds, and nodes
go on ending pods as they were asked to.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from typing import Any, Final

Object = dict[str, Any]

KEPT: Final = 600.0  # seconds that one is remembered of whom no slice speaks


class Told:
    """By the pods' uids, which never come again, and believed of the nodes that the slices name.

    >>> told = Told()
    >>> told.add("u1", "n1", 0.0), told.add("u1", "n1", 1.0), told.add("u2", "elsewhere", 1.0)
    (True, False, True)
    >>> pods = [{"kind": "Pod", "uid": f"u{n}"} for n in (1, 2, 3)]
    >>> ends = [{"addresses": ["10.1.0.2"], "nodeName": "n1", "targetRef": pod} for pod in pods]
    >>> found = told.over({"endpoints": ends}, {"u1", "u2"}.__contains__)["endpoints"]
    >>> [(one.get("conditions") or {}).get("terminating") for one in found]
    [True, None, True]
    >>> told.let_go("u1", "n1", 1.5)
    >>> [one["conditions"]["serving"] for one in told.over({"endpoints": ends[:1]}, {}.__contains__)["endpoints"]]
    [False]
    >>> told.forget(lambda uid: uid == "u2", 602.0)
    >>> told.add("u1", "n1", 602.0), told.add("u2", "elsewhere", 602.0)
    (True, False)
    """

    def __init__(self) -> None:
        self._since: dict[tuple[str, str], float] = {}
        self._let_go: dict[tuple[str, str], float] = {}

    def add(self, uid: str, node: str, now: float) -> bool:
        """Whether that is new."""
        if (uid, node) in self._since:
            return False
        self._since[uid, node] = now
        return True

    def let_go(self, uid: str, node: str, now: float) -> None:
        """Its node has been told that nobody is led to the pod any more, and ends it, or it is no more: so it stays,
        also where a service has no others."""
        self._let_go[uid, node] = now

    def forget(self, has: Callable[[str], bool], now: float) -> None:
        """`has`: whether a slice speaks of the pod."""
        old = takewhile(lambda entry: now - entry[1] > KEPT, self._since.items())  # the oldest come first
        for key in [key for key, _ in old if not has(key[0])]:
            del self._since[key]
        old = takewhile(lambda entry: now - entry[1] > KEPT, self._let_go.items())
        for key in [key for key, _ in old if not has(key[0])]:
            del self._let_go[key]

    def over(self, piece: Object, is_there: Callable[[str], bool]) -> Object:
        """The slice as if its writer knew. `is_there`: whether there is a pod of that uid: one that has gone already
        ends, too; its address may be another's by now."""
        ends = piece.get("endpoints") or ()
        over = [self._ends(end, is_there) for end in ends]
        if not any(over):
            return piece
        found = [self._terminating(end) if one else end for end, one in zip(ends, over, strict=True)]
        return {**piece, "endpoints": found}

    def _ends(self, end: Object, is_there: Callable[[str], bool]) -> bool:
        target = end.get("targetRef") or {}
        uid = target.get("uid")
        if not uid or target.get("kind") != "Pod":
            return False
        return (uid, end.get("nodeName")) in self._since or not is_there(uid)

    def _terminating(self, end: Object) -> Object:
        said = end.get("conditions") or {}
        gone = (end["targetRef"]["uid"], end.get("nodeName")) in self._let_go
        serves = said.get("serving", said.get("ready")) is not False and not gone
        return {**end, "conditions": {**said, "ready": False, "serving": serves, "terminating": True}}


def uids_of(piece: Object) -> list[str]:
    """The pods that a slice speaks of."""
    found = [end.get("targetRef") or {} for end in piece.get("endpoints") or ()]
    return [target["uid"] for target in found if target.get("kind") == "Pod" and target.get("uid")]
