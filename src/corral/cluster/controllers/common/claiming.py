"""Claiming: whose objects are whose. A controller adopts orphans that its selector matches and releases what it does
not match any more. Follows upstream's ControllerRefManager.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from corral.cluster.client import meta
from corral.cluster.client.informer import Informer
from corral.cluster.client.protocol import STRATEGIC_MERGE_PATCH, Client, Collection, Object
from corral.model.kubernetes.selectors import Selector
from corral.model.kubernetes.status import StatusError

INDEX = "owner"


class Claims(NamedTuple):
    """Objects that stay, come, and go."""

    kept: list[Object]
    adopted: list[Object]
    released: list[Object]


def owner_keys(obj: Object) -> list[str]:
    """Pure: what the index of owners finds an object by: its controller's uid, or the namespace of an orphan.

    >>> owner_keys({"metadata": {"name": "a", "namespace": "d"}})
    ['orphans/d']
    """
    controller = meta.controller_of(obj)
    return [f"orphans/{meta.namespace(obj)}"] if controller is None else [controller["uid"]]


def index_owners(informer: Informer) -> None:
    informer.add_index(INDEX, owner_keys)


def owned(informer: Informer, owner: Object) -> list[Object]:
    return informer.indexed(INDEX, meta.uid(owner))


def orphans(informer: Informer, namespace: str) -> list[Object]:
    return informer.indexed(INDEX, f"orphans/{namespace}")


def plan_claims(owner: Object, selector: Selector, objects: Iterable[Object]) -> Claims:
    """Pure: what an owner, which selects, does with objects of its namespace.

    An owner that is going adopts and releases nothing; nobody adopts what is going.

    >>> from corral.model.kubernetes.selectors import parse
    >>> mine = lambda name, app, **more: {"metadata": {"name": name, "labels": {"app": app}, **more}}
    >>> reference = {"ownerReferences": [{"uid": "u", "controller": True}]}
    >>> pods = [mine("a", "web", **reference), mine("b", "db", **reference), mine("c", "web"), mine("d", "db")]
    >>> claims = plan_claims({"metadata": {"name": "web", "uid": "u"}}, parse("app=web"), pods)
    >>> [[pod["metadata"]["name"] for pod in part] for part in claims]
    [['a'], ['c'], ['b']]
    """
    found = Claims([], [], [])
    going = meta.deleting(owner)
    for obj in objects:
        matches = selector.matches(obj["metadata"].get("labels") or {})
        if meta.controlled_by(obj, owner):
            if matches:
                found.kept.append(obj)
            elif not going:
                found.released.append(obj)
        elif meta.controller_of(obj) is None and matches and not going and not meta.deleting(obj):
            found.adopted.append(obj)
    return found


class Claimer:
    """Carries out claims for owners of one kind."""

    def __init__(self, client: Client, owners: Collection, kind: str, finalizer: str = "") -> None:
        """`finalizer`: what is adopted carries it."""
        self._client, self._owners, self._kind, self._finalizer = client, owners, kind, finalizer

    def reference(self, owner: Object) -> Object:
        return meta.reference(owner, self._owners.api_version, self._kind)

    async def claim(
        self, owner: Object, selector: Selector, informer: Informer, eligible: Callable[[Object], bool] | None = None
    ) -> list[Object]:
        """The owner's objects of the informer (which has `index_owners`), orphans adopted, others released.
        `eligible`: which orphans may be adopted at all."""
        alone = [one for one in orphans(informer, meta.namespace(owner)) if eligible is None or eligible(one)]
        candidates = owned(informer, owner) + alone
        plan = plan_claims(owner, selector, candidates)
        found = list(plan.kept)
        if plan.adopted and await self._may_adopt(owner):
            for obj in plan.adopted:
                patch: Object = {"ownerReferences": [self.reference(owner)], "uid": meta.uid(obj)}
                if self._finalizer:
                    patch["finalizers"] = [self._finalizer]
                if (adopted := await self._patch(informer, obj, patch)) is not None:
                    found.append(adopted)
        for obj in plan.released:
            patch = {"ownerReferences": [{"$patch": "delete", "uid": meta.uid(owner)}], "uid": meta.uid(obj)}
            if self._finalizer:
                patch["$deleteFromPrimitiveList/finalizers"] = [self._finalizer]
            await self._patch(informer, obj, patch)
        return found

    async def _may_adopt(self, owner: Object) -> bool:
        """By the server's own word: a copy that is behind must not adopt for an owner that is gone."""
        try:
            fresh = await self._client.get(self._owners, meta.name(owner), meta.namespace(owner))
        except StatusError as error:
            if error.reason == "NotFound":
                return False
            raise
        return meta.uid(fresh) == meta.uid(owner) and not meta.deleting(fresh)

    async def _patch(self, informer: Informer, obj: Object, metadata: Object) -> Object | None:
        """None: it is gone, or another one of that name stands there."""
        name, namespace = meta.name(obj), meta.namespace(obj)
        try:
            done = await self._client.patch(
                informer.of, name, namespace, patch={"metadata": metadata}, type=STRATEGIC_MERGE_PATCH
            )
        except StatusError as error:
            if error.reason in ("NotFound", "Invalid") or (
                error.reason == "Conflict" and "uid" in error.message.lower()
            ):
                return None
            raise
        await informer.seen(done)
        return done
