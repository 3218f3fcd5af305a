"""What the garbage collector reads and writes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from corral.cluster.client import meta
from corral.cluster.client.protocol import Client, Object
from corral.cluster.controllers.discovery import Resources, collection
from corral.cluster.controllers.garbagecollector.decide import ABSENT, SOLID, state_of_owner
from corral.cluster.controllers.garbagecollector.graph import Node, Owner
from corral.model.kubernetes.resources import Resource, split_api_version
from corral.model.kubernetes.status import StatusError

_REMEMBERED: Final = 500


class UnknownKind(Exception):
    """An owner of a kind that is not served: it cannot be said to be absent."""


class Live:
    """Live reads of owners, and the writes.

    An owner that was absent stays so, as uids do not come again; but only under the name it was looked for: another
    object may have the right reference to the same uid.
    """

    def __init__(self, client: Client, resources: Resources) -> None:
        self._client, self._resources = client, resources
        self._kinds: dict[tuple[str, str, str], Resource] = {}
        self._absent: OrderedDict[tuple[Owner, str], None] = OrderedDict()

    def learn(self) -> None:
        """The kinds that are served now."""
        found = (one for one in self._resources() if "get" in one.verbs)
        self._kinds = {(one.group, one.version, one.kind): one for one in found}

    async def latest(self, node: Node) -> Object | None:
        """None when it is gone, or another object has its name."""
        try:
            found = await self._client.get(node.of, node.name, node.namespace)
        except StatusError as error:
            if error.code == 404:
                return None
            raise
        return found if meta.uid(found) == node.uid else None

    async def state(self, node: Node, owner: Owner) -> str:
        """ABSENT, WAITING or SOLID. UnknownKind, StatusError."""
        sought = owner._replace(blocks=False), node.namespace
        if sought in self._absent:
            return ABSENT
        resource = self._kinds.get((*split_api_version(owner.api_version), owner.kind))
        if resource is None:
            raise UnknownKind(f"{owner.api_version} {owner.kind}")
        if resource.namespaced and not node.namespace:
            return SOLID  # nothing says in which namespace: nobody can tell
        try:
            where = node.namespace if resource.namespaced else ""
            found: Object | None = await self._client.get(collection(resource), owner.name, where)
        except StatusError as error:
            if error.code != 404:
                raise
            found = None
        state = state_of_owner(found, owner.uid)
        if state == ABSENT:
            self._remember(sought)
        return state

    def _remember(self, sought: tuple[Owner, str]) -> None:
        self._absent[sought] = None
        if len(self._absent) > _REMEMBERED:
            self._absent.popitem(last=False)

    async def set_owners(self, node: Node, obj: Object, owners: Sequence[Object]) -> Object:
        """Writes the references over the revision that was decided on."""
        return await self._patch(node, obj, {"ownerReferences": list(owners) or None})

    async def release(self, node: Node, owner: str) -> None:
        """The object no longer has this owner."""
        latest = await self.latest(node)
        if latest is None:
            return
        before = latest["metadata"].get("ownerReferences") or []
        rest = [one for one in before if one["uid"] != owner]
        if len(rest) != len(before):
            await self.set_owners(node, latest, rest)

    async def remove_finalizer(self, node: Node, finalizer: str) -> None:
        latest = await self.latest(node)
        before = (latest["metadata"].get("finalizers") or []) if latest is not None else []
        if latest is not None and finalizer in before:
            rest = [one for one in before if one != finalizer]
            await self._patch(node, latest, {"finalizers": rest or None})

    async def _patch(self, node: Node, obj: Object, changes: Object) -> Object:
        metadata = {**changes, "resourceVersion": obj["metadata"]["resourceVersion"]}
        return await self._client.patch(node.of, node.name, node.namespace, patch={"metadata": metadata})

    async def delete(self, node: Node, obj: Object, policy: str) -> None:
        """The object as it was decided on; another revision is a Conflict."""
        meant = {"uid": node.uid, "resourceVersion": obj["metadata"]["resourceVersion"]}
        options = {"preconditions": meant, "propagationPolicy": policy}
        try:
            await self._client.delete(node.of, node.name, node.namespace, options=options)
        except StatusError as error:
            if error.code != 404:
                raise
