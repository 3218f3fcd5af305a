"""The Client of components in the server's own process: no HTTP and no authentication, but admission and all else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from corral.cluster.apiserver.apply import managed
from corral.cluster.apiserver.attributes import User
from corral.cluster.apiserver.caching.item import Item
from corral.cluster.apiserver.encoding.bodies import Expected, tidy
from corral.cluster.apiserver.objects import listing
from corral.cluster.apiserver.objects.core import Caller, Core, Target
from corral.cluster.apiserver.objects.creating import create
from corral.cluster.apiserver.objects.deleting import delete
from corral.cluster.apiserver.objects.patching import Patch, apply_patch, check_identity
from corral.cluster.apiserver.objects.updating import Update, of_object, update
from corral.cluster.apiserver.options import DeleteOptions, ListOptions, WriteOptions
from corral.cluster.client import MERGE, Client, Collection, Event, Listing, Object


class LocalClient:
    """Acts as `user`, noted as `manager` of what it writes. Objects must be whole: unknown fields are refused."""

    def __init__(self, core: Core, user: User, manager: str) -> None:
        self._core, self._user, self._options = core, user, WriteOptions(manager=manager, validation="Strict")

    def _target(self, where: Collection, namespace: str, name: str = "", subresource: str = "") -> Target:
        return Target(self._core.registry.need(*where), namespace, name, subresource)

    def _caller(self) -> Caller:
        return Caller(self._user, self._options.manager)

    def _tidied(self, target: Target, obj: Object) -> Object:
        gvk = target.served.resource.gvk
        named = {**obj, "kind": gvk.kind, "apiVersion": gvk.api_version}
        return tidy(named, Expected(gvk, target.served.schema), "Strict", _ignore)

    @staticmethod
    def _shown(target: Target, item: Item) -> Object:
        """The shared object, in the version that was asked for."""
        return target.served.outgoing(item.view()) if target.served.from_stored else item.view()

    async def get(self, where: Collection, name: str, namespace: str = "") -> Object:
        target = self._target(where, namespace, name)
        return self._shown(target, await self._core.need(target))

    async def list(self, where: Collection, namespace: str = "", *, labels: str = "", fields: str = "") -> Listing:
        target = self._target(where, namespace)
        found = await listing.list_objects(self._core, target, ListOptions(labels, fields))
        return Listing([self._shown(target, item) for item in found.items], str(found.meta.revision))

    async def watch(
        self, where: Collection, since: str, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> AsyncIterator[Event]:
        target = self._target(where, namespace)
        endless = 10 * 365 * 86400
        options = ListOptions(labels, fields, watch=True, bookmarks=True, resource_version=since, timeout=endless)
        watcher = await listing.begin_watch(self._core, target, options)
        async for batch in watcher.happenings():
            for one in batch:
                if one.item is None:
                    yield Event(one.type, {"metadata": {"resourceVersion": str(one.revision)}})
                else:
                    yield Event(one.type, self._shown(target, one.item))

    async def create(self, where: Collection, obj: Object, namespace: str = "") -> Object:
        metadata = obj.get("metadata") or {}
        target = self._target(where, namespace or metadata.get("namespace", ""), metadata.get("name", ""))
        item = await create(self._core, self._caller(), target, self._tidied(target, obj), self._options)
        return self._shown(target, item)

    async def update(self, where: Collection, obj: Object, subresource: str = "") -> Object:
        metadata = obj["metadata"]
        target = self._target(where, metadata.get("namespace", ""), metadata["name"], subresource)
        asked = of_object(self._tidied(target, obj), self._options)
        return self._shown(target, (await update(self._core, self._caller(), target, asked)).item)

    async def patch(
        self, where: Collection, name: str, patch: Any, namespace: str = "", *, kind: str = MERGE, subresource: str = ""
    ) -> Object:
        target = self._target(where, namespace, name, subresource)
        served = target.served

        def change(live: Object | None) -> Object:
            patched = apply_patch(Patch(kind, patch), live or {}, served.schema)
            check_identity(patched, served.resource.gvk)
            return self._tidied(target, patched)

        asked = Update(change, self._options, "PatchOptions")
        return self._shown(target, (await update(self._core, self._caller(), target, asked)).item)

    async def apply(
        self, where: Collection, obj: Object, manager: str, *, force: bool = True, subresource: str = ""
    ) -> Object:
        metadata = obj["metadata"]
        target = self._target(where, metadata.get("namespace", ""), metadata["name"], subresource)
        served, applied = target.served, self._tidied(target, obj)
        version = served.resource.api_version

        def change(live: Object | None) -> Object:
            now = self._core.now()
            return managed.on_apply(live, applied, manager, force, subresource, version, served.schema, now)

        options = WriteOptions(manager=manager, force=force)
        asked = Update(change, options, "PatchOptions", tracks=True, create=True)
        return self._shown(target, (await update(self._core, self._caller(), target, asked)).item)

    async def delete(
        self,
        where: Collection,
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: str = "",
        grace: int | None = None,
    ) -> None:
        raw: dict[str, Any] = {}
        preconditions = {"uid": uid, "resourceVersion": resource_version}
        if given := {key: value for key, value in preconditions.items() if value}:
            raw["preconditions"] = given
        options = DeleteOptions(
            grace=grace,
            propagation=propagation,
            uid=uid or None,
            resource_version=resource_version or None,
            raw=raw,
        )
        await delete(self._core, self._caller(), self._target(where, namespace, name), options)


def _ignore(text: str) -> None:
    """Warnings have nobody to read them here; what matters is refused."""


def as_client(client: LocalClient) -> Client:
    """For the type checker: it is one."""
    return client
