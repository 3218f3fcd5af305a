"""The watch caches as the server's parts see them, held in a dictionary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Object = dict[str, Any]
Changed = Callable[[Object | None, Object | None], None]


class MemoryLookup:
    """A Lookup whose objects a test puts and takes."""

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str], dict[tuple[str, str], Object]] = {}
        self._subscribers: dict[tuple[str, str], list[Changed]] = {}

    def put(self, group: str, plural: str, found: Object) -> Object:
        key = found["metadata"].get("namespace", ""), found["metadata"]["name"]
        kept = self._objects.setdefault((group, plural), {})
        old, kept[key] = kept.get(key), found
        for changed in self._subscribers.get((group, plural), ()):
            changed(old, found)
        return found

    def take(self, group: str, plural: str, namespace: str, name: str) -> None:
        old = self._objects[group, plural].pop((namespace, name))
        for changed in self._subscribers.get((group, plural), ()):
            changed(old, None)

    def get(self, group: str, plural: str, namespace: str, name: str) -> Object | None:
        return self._objects.get((group, plural), {}).get((namespace, name))

    def list(self, group: str, plural: str, namespace: str = "") -> Sequence[Object]:
        kept = self._objects.get((group, plural), {})
        return [found for (home, _), found in kept.items() if namespace in ("", home)]

    def subscribe(self, group: str, plural: str, changed: Changed) -> None:
        for found in self._objects.get((group, plural), {}).values():
            changed(None, found)
        self._subscribers.setdefault((group, plural), []).append(changed)


def named(name: str, namespace: str = "", *, uid: str = "", **rest: Any) -> Object:
    """An object with this metadata, and more."""
    meta: Object = {"name": name, "uid": uid or f"uid-of-{name}"}
    if namespace:
        meta["namespace"] = namespace
    return {"metadata": {**meta, **rest.pop("metadata", {})}, **rest}
