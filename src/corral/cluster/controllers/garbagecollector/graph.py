"""Who owns whom, of all objects. No I/O: it is told of changes, and says whom to look at.

Follows k8s.io/kubernetes/pkg/controller/garbagecollector/graph_builder.go, without its virtual nodes: an owner that
was never seen makes its dependents suspicious, and they are looked at instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from corral.cluster.client import meta
from corral.cluster.client.protocol import Collection, Object

FOREGROUND: Final = "foregroundDeletion"
ORPHAN: Final = "orphan"


class Owner(NamedTuple):
    """An owner reference. `blocks`: the owner must not go, in a foreground deletion, before what has the reference."""

    uid: str
    api_version: str
    kind: str
    name: str
    blocks: bool


def owners_of(obj: Object) -> tuple[Owner, ...]:
    return tuple(
        Owner(one["uid"], one["apiVersion"], one["kind"], one["name"], bool(one.get("blockOwnerDeletion")))
        for one in obj["metadata"].get("ownerReferences") or ()
    )


@dataclass(slots=True, eq=False)
class Node:
    """One object. `foreground`, `orphan`: it is being deleted, and waits for its dependents to go or be released."""

    uid: str
    of: Collection
    kind: str
    namespace: str
    name: str
    owners: tuple[Owner, ...]
    deleting: bool
    foreground: bool
    orphan: bool


def node_of(of: Collection, kind: str, obj: Object) -> Node:
    deleting, finalizers = meta.deleting(obj), obj["metadata"].get("finalizers") or ()
    waits = [deleting and name in finalizers for name in (FOREGROUND, ORPHAN)]
    where = meta.namespace(obj), meta.name(obj)
    return Node(meta.uid(obj), of, kind, *where, owners_of(obj), deleting, *waits)


class Graph:
    """`put` and `remove` return the uids of the objects that must be looked at because of the change.

    >>> pods, graph = Collection("", "v1", "pods"), Graph()
    >>> owner = {"uid": "u1", "apiVersion": "v1", "kind": "Pod", "name": "a"}
    >>> graph.put(pods, "Pod", {"metadata": {"name": "a", "uid": "u1"}})
    set()
    >>> graph.put(pods, "Pod", {"metadata": {"name": "b", "uid": "u2", "ownerReferences": [owner]}})
    set()
    >>> graph.remove("u1")
    {'u2'}
    """

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._dependents: dict[str, set[str]] = {}

    def get(self, uid: str) -> Node | None:
        return self._nodes.get(uid)

    def __contains__(self, uid: str) -> bool:
        return uid in self._nodes

    def nodes(self) -> Iterable[Node]:
        return self._nodes.values()

    def dependents(self, uid: str) -> list[Node]:
        return [self._nodes[one] for one in self._dependents.get(uid, ())]

    def blocking(self, uid: str) -> Iterator[Node]:
        """The dependents that a foreground deletion waits for."""
        for node in self.dependents(uid):
            if any(one.uid == uid and one.blocks for one in node.owners):
                yield node

    def put(self, of: Collection, kind: str, obj: Object) -> set[str]:
        new = node_of(of, kind, obj)
        old = self._nodes.get(new.uid)
        look: set[str] = set()
        if old is not None:
            self._unlink(old)
            look |= self._unblocked(old, new)
        self._nodes[new.uid] = new
        for owner in new.owners:
            self._dependents.setdefault(owner.uid, set()).add(new.uid)
        if (new.foreground and not (old and old.foreground)) or (new.orphan and not (old and old.orphan)):
            look.add(new.uid)
            look |= self._dependents.get(new.uid, set()) if new.foreground else set()
        if old is None:
            look |= {one.uid for one in self.dependents(new.uid) if self.is_suspicious(one)}
        if (old is None or old.owners != new.owners) and self.is_suspicious(new):
            look.add(new.uid)
        return look

    def remove(self, uid: str) -> set[str]:
        old = self._nodes.pop(uid, None)
        if old is None:
            return set()
        self._unlink(old)
        return set(self._dependents.get(uid, ())) | self._unblocked(old, None)

    def is_suspicious(self, node: Node) -> bool:
        """Whether one of its owners may not be there: it was not seen, is not who it should be, or waits to go."""
        return any(self._is_doubtful(node, owner) for owner in node.owners)

    def _is_doubtful(self, node: Node, owner: Owner) -> bool:
        found = self._nodes.get(owner.uid)
        if found is None or found.foreground or found.namespace not in ("", node.namespace):
            return True
        group = owner.api_version.rpartition("/")[0]
        return (found.of.group, found.kind, found.name) != (group, owner.kind, owner.name)

    def _unblocked(self, old: Node, new: Node | None) -> set[str]:
        """Owners that wait to go, and for this object no longer."""
        still = {one.uid for one in new.owners if one.blocks} if new is not None else set()
        before = {one.uid for one in old.owners if one.blocks}
        return {uid for uid in before - still if (found := self._nodes.get(uid)) is not None and found.foreground}

    def _unlink(self, node: Node) -> None:
        for owner in node.owners:
            rest = self._dependents.get(owner.uid)
            if rest is not None:
                rest.discard(node.uid)
                if not rest:
                    del self._dependents[owner.uid]
