"""Which of the engine's containers and spaces are whose: by the pods' uids, from their labels."""

from __future__ import annotations

from corral.cluster.kubelet.naming import CONTAINER, UID, Attempt, read_attempt
from corral.engine.engine import Engine
from corral.errors import NotFound


class Index:
    """Kept by who makes and removes them; `load` finds what an earlier daemon has made."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._containers: dict[str, set[str]] = {}
        self._spaces: dict[str, str] = {}

    def load(self) -> None:
        for container in self._engine.containers.list(unlisted=True):
            if UID in container.spec.labels and CONTAINER in container.spec.labels and container.spec.unlisted:
                self.add(container.spec.labels[UID], container.id)
        for space in self._engine.spaces.list():
            if UID in space.spec.labels:
                self._spaces[space.spec.labels[UID]] = space.id

    def pods(self) -> set[str]:
        """The uids of all that have anything here."""
        return {*self._containers, *self._spaces}

    def add(self, uid: str, container: str) -> None:
        self._containers.setdefault(uid, set()).add(container)

    def discard(self, uid: str, container: str) -> None:
        found = self._containers.get(uid)
        if found is not None:
            found.discard(container)
            if not found:
                del self._containers[uid]

    def containers(self, uid: str) -> list[str]:
        return list(self._containers.get(uid, ()))

    def attempts(self, uid: str) -> dict[str, list[Attempt]]:
        """By container, oldest first, as they are now."""
        found: dict[str, list[Attempt]] = {}
        for id in self.containers(uid):
            try:
                attempt = read_attempt(self._engine.containers.get(id))
            except NotFound:  # somebody has removed it by hand
                self.discard(uid, id)
                continue
            found.setdefault(attempt.container, []).append(attempt)
        for attempts in found.values():
            attempts.sort(key=lambda one: (one.number, one.created))
        return found

    def space(self, uid: str) -> str:
        """The id of its space, "" where it has none."""
        return self._spaces.get(uid, "")

    def set_space(self, uid: str, space: str) -> None:
        if space:
            self._spaces[uid] = space
        else:
            self._spaces.pop(uid, None)
