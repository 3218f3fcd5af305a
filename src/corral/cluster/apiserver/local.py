"""The Client of components in the server's own process: no HTTP and no authentication, but admission and all else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from corral.cluster.apiserver.attributes import User
from corral.cluster.apiserver.caching.item import Item
from corral.cluster.apiserver.encoding.bodies import tidy
from corral.cluster.apiserver.objects import listing
from corral.cluster.apiserver.objects.changes import apply_update, expected_of, patch_update, put_update, shown_scale
from corral.cluster.apiserver.objects.core import Caller, Core, Target
from corral.cluster.apiserver.objects.creating import create
from corral.cluster.apiserver.objects.deleting import delete
from corral.cluster.apiserver.objects.patching import Patch
from corral.cluster.apiserver.objects.posting import POSTS
from corral.cluster.apiserver.objects.updating import update
from corral.cluster.apiserver.options import ListOptions, WriteOptions, delete_options
from corral.cluster.client.protocol import APPLY_PATCH, MERGE_PATCH, Collection, Event, Listing, Object
from corral.errors import CorralError
from corral.http.query import Query
from corral.model.kubernetes.status import StatusError, method_not_supported, status_of

ENDLESS: Final = 10 * 365 * 86400  # seconds: a component in here watches as long as the server lives

P = ParamSpec("P")
R = TypeVar("R")


def _told(act: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Whatever fails, a store that is away for a moment above all, is a Status, as it is to clients elsewhere: who
    tries again there must not end here."""

    @wraps(act)
    async def called(*args: P.args, **options: P.kwargs) -> R:
        try:
            return await act(*args, **options)
        except StatusError:
            raise
        except CorralError as error:
            raise status_of(error) from error

    return called


class LocalClient:
    """Acts as `user`, noted as `manager` of what it writes. Objects must be whole: unknown fields are refused.

    It asks no authorizer: who assembles the process decides what its components may do.
    """

    def __init__(self, core: Core, user: User, manager: str) -> None:
        self._core, self._user, self._manager = core, user, manager
        self._options = WriteOptions(manager=manager, validation="Strict")

    def _target(self, of: Collection, namespace: str, name: str = "", subresource: str = "") -> Target:
        return Target(self._core.registry.need(*of), namespace, name, subresource)

    def _caller(self) -> Caller:
        return Caller(self._user, self._manager)

    def _tidied(self, target: Target, obj: Object) -> Object:
        expected = expected_of(target)
        named = {**obj, "kind": expected.gvk.kind, "apiVersion": expected.gvk.api_version}
        return tidy(named, expected, "Strict", _ignore)

    @staticmethod
    def _shown(target: Target, item: Item) -> Object:
        """In the version that was asked for."""
        if target.subresource == "scale":
            return shown_scale(target, item.object())
        return target.served.outgoing(item.object())

    @staticmethod
    def _shared(target: Target, item: Item) -> Object:
        """What lists and watches show: the object that all in this process share, without its managedFields."""
        return target.served.outgoing(item.view()) if target.served.from_stored else item.view()

    @_told
    async def get(self, of: Collection, name: str, namespace: str = "") -> Object:
        target = self._target(of, namespace, name)
        return self._shown(target, await self._core.need(target))

    @_told
    async def list(
        self, of: Collection, namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> Listing:
        target = self._target(of, namespace)
        found = await listing.list_objects(self._core, target, ListOptions(label_selector, field_selector))
        return Listing([self._shared(target, item) for item in found.items], str(found.meta.revision))

    async def watch(
        self,
        of: Collection,
        namespace: str = "",
        *,
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[Event]:
        target = self._target(of, namespace)
        options = ListOptions(
            label_selector,
            field_selector,
            watch=True,
            bookmarks=True,
            resource_version=resource_version,
            timeout=ENDLESS,
        )
        watcher = await _told(listing.begin_watch)(self._core, target, options)
        async for batch in watcher.happenings():
            for one in batch:
                if one.item is None:
                    yield Event(one.type, {"metadata": {"resourceVersion": str(one.revision)}})
                else:
                    yield Event(one.type, self._shared(target, one.item))

    @_told
    async def create(self, of: Collection, obj: Object, namespace: str = "", *, subresource: str = "") -> Object:
        metadata = obj.get("metadata") or {}
        namespace, name = namespace or metadata.get("namespace", ""), metadata.get("name", "")
        target = self._target(of, namespace, name, subresource)
        if not subresource:
            item = await create(self._core, self._caller(), target, self._tidied(target, obj), self._options)
            return self._shown(target, item)
        post = POSTS.get((of.plural, subresource))
        if post is None:
            raise method_not_supported(f"{of.plural}/{subresource}", "create", of.group)
        posted = self._tidied(target, obj)
        await post(self._core, self._caller(), target, posted, self._options)
        return posted

    @_told
    async def update(self, of: Collection, obj: Object, *, subresource: str = "") -> Object:
        metadata = obj["metadata"]
        target = self._target(of, metadata.get("namespace", ""), metadata["name"], subresource)
        asked = put_update(target, self._tidied(target, obj), self._options)
        return self._shown(target, (await update(self._core, self._caller(), target, asked)).item)

    @_told
    async def patch(
        self,
        of: Collection,
        name: str,
        namespace: str = "",
        *,
        patch: Any,
        type: str = MERGE_PATCH,
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
    ) -> Object:
        target = self._target(of, namespace, name, subresource)
        manager = field_manager or self._manager
        if type == APPLY_PATCH:
            options = WriteOptions(manager=manager, force=force, validation="Strict")
            asked = apply_update(self._core, target, self._tidied(target, patch), options)
        else:
            options = WriteOptions(manager=manager, validation="Strict")
            asked = patch_update(target, Patch(type, patch), options, _ignore)
        return self._shown(target, (await update(self._core, self._caller(), target, asked)).item)

    @_told
    async def delete(
        self, of: Collection, name: str, namespace: str = "", *, options: Mapping[str, Any] | None = None
    ) -> Object:
        target = self._target(of, namespace, name)
        done = await delete(self._core, self._caller(), target, delete_options(Query(), options))
        return self._shown(target, done.item)


def _ignore(text: str) -> None:
    """Warnings have nobody to read them here; what matters is refused."""
