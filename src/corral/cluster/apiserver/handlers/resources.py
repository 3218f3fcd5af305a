"""The verbs of resources: from a request to an operation on objects, and its answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from corral.cluster.apiserver.caching.item import Item, encode, stored_bytes
from corral.cluster.apiserver.encoding.accept import JSON
from corral.cluster.apiserver.encoding.answers import answer, success
from corral.cluster.apiserver.handlers.call import Call
from corral.cluster.apiserver.handlers.connecting import Connect
from corral.cluster.apiserver.handlers.forms import shape_of, shape_of_scale
from corral.cluster.apiserver.handlers.watches import failed, lines
from corral.cluster.apiserver.handlers.writes import Writes
from corral.cluster.apiserver.objects.changes import shown_scale
from corral.cluster.apiserver.objects.core import Core, Target
from corral.cluster.apiserver.objects.deleting import delete, delete_all
from corral.cluster.apiserver.objects.deletion import SHOWN_WHEN_GONE
from corral.cluster.apiserver.objects.listing import begin_watch, get_object, list_objects
from corral.cluster.apiserver.options import DeleteOptions, delete_options, list_options
from corral.cluster.apiserver.registry import Served
from corral.http.message import Answer, StreamResponse
from corral.http.query import Query
from corral.model.kubernetes.body import decode_body
from corral.model.kubernetes.resources import GroupVersionKind
from corral.model.kubernetes.schema.zeros import written
from corral.model.kubernetes.status import StatusError, bad_request, no_such_path, not_allowed

Act = Callable[[Call, Target], Awaitable[tuple[int, dict[str, Any]]]]
CONNECT: Final = ("attach", "exec", "log", "portforward", "proxy")
DELETE_OPTIONS: Final = GroupVersionKind("", "v1", "DeleteOptions")


class Resources:
    """`actions`: what is done, not kept: (group, plural, subresource) -> (status, answer) of a POST.

    The group is the resource's. Reviews are actions without a subresource, evictions and bindings with one.
    `connects`: subresources that lead out of the server, by (plural, subresource).
    """

    def __init__(
        self,
        core: Core,
        writes: Writes,
        actions: Mapping[tuple[str, str, str], Act],
        connects: Mapping[tuple[str, str], Connect],
    ) -> None:
        self._core, self._writes, self._actions, self._connects = core, writes, actions, connects
        self._verbs: dict[str, Callable[[Call, Target], Awaitable[Answer]]] = {
            "get": self._get,
            "list": self._list,
            "watch": self._watch,
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
            "deletecollection": self._delete_all,
        }

    async def handle(self, call: Call) -> Answer:
        """Raises StatusError."""
        info = call.info
        registry = self._core.registry
        if registry.find(info.group, info.version, info.resource) is None:
            await self._core.caches.fresh()  # it may have been defined a moment ago
        served = registry.need(info.group, info.version, info.resource)
        namespace = self._namespace(call, served)
        target = Target(served, namespace, info.name, info.subresource)
        self._check(call, target)
        if served.kind.deprecated:
            call.caller.warn(served.kind.deprecated)
        if target.subresource in CONNECT:
            return await self._connect(call, target)
        verb = self._verbs.get(info.verb)
        if verb is None:
            raise not_allowed()
        return await verb(call, target)

    @staticmethod
    def _namespace(call: Call, served: Served) -> str:
        """ "" for resources without one. 404 where path and resource disagree."""
        info, resource = call.info, served.resource
        if resource.plural == "namespaces" and not resource.group:
            return ""
        if info.namespace and not resource.namespaced:
            raise no_such_path()
        if resource.namespaced and info.name and not info.namespace and info.verb not in ("list", "watch"):
            raise no_such_path()
        return info.namespace

    def _check(self, call: Call, target: Target) -> None:
        """Raises 404 and 405 for what the resource does not have."""
        info, resource = call.info, target.served.resource
        if info.subresource:
            found = resource.subresource(info.subresource)
            if found is None:
                raise no_such_path()
            if info.subresource not in CONNECT and info.verb not in found.verbs:
                raise not_allowed()
            return
        named = info.verb in ("update", "patch")
        if info.verb not in resource.verbs or (named and not info.name) or (info.verb == "create" and info.name):
            raise not_allowed()
        whole = resource.namespaced and not target.namespace
        if whole and info.verb not in ("list", "watch") and (*_key(target), "") not in self._actions:
            raise not_allowed()

    async def _connect(self, call: Call, target: Target) -> Answer:
        connect = self._connects[target.served.plural, target.subresource]
        if call.request.method not in connect.methods:
            raise not_allowed()
        return await connect.handle(call, target)

    # Reading

    async def _get(self, call: Call, target: Target) -> Answer:
        item = await get_object(self._core, target, call.request.query.get("resourceVersion"))
        return await self._show(call, target, item)

    async def _list(self, call: Call, target: Target) -> Answer:
        query = call.request.query
        accepted = call.accepted()
        shape = shape_of(target.served, accepted, query, is_list=True)
        listed = await list_objects(self._core, target, list_options(query))
        if target.served.warm is not None:
            await self._core.warm(target.served, [item.view() for item in listed.items])
        return await answer(call.request, shape.many(listed.items, listed.meta), accepted)

    async def _watch(self, call: Call, target: Target) -> Answer:
        query = call.request.query
        accepted = call.accepted()
        shape = shape_of(target.served, accepted, query, is_list=False)
        headers = {"Content-Type": JSON, "Cache-Control": "no-cache, private"}
        try:
            watcher = await begin_watch(self._core, target, list_options(query))
        except StatusError as error:
            if error.code != 410:
                raise
            return StreamResponse(failed(error), 200, headers)
        log = self._core.cache(target.served).log
        return StreamResponse(lines(watcher, log, shape), 200, headers)

    async def _show(self, call: Call, target: Target, item: Item, status: int = 200) -> Answer:
        """One object as the answer."""
        accepted, query = call.accepted(), call.request.query
        if target.subresource == "scale":
            shape = shape_of_scale(accepted, query)
            item = Item(item.key, item.revision, stored_bytes(shown_scale(target, item.object())))
        else:
            shape = shape_of(target.served, accepted, query, is_list=False)
        return await answer(call.request, shape.one(item), accepted, status)

    async def _answer(self, call: Call, shown: dict[str, Any], status: int = 200) -> Answer:
        return await answer(call.request, encode(written(shown)), call.accepted()._replace(kind=""), status)

    # Writing

    async def _create(self, call: Call, target: Target) -> Answer:
        act = self._actions.get((*_key(target), target.subresource))
        if act is not None:
            call.accepted(transforms=False)  # what is done, not kept, is no row: 406
            status, shown = await act(call, target)
            return await self._answer(call, shown, status)
        if target.subresource:
            raise not_allowed()
        return await self._show(call, target, await self._writes.create(call, target), 201)

    async def _update(self, call: Call, target: Target) -> Answer:
        written = await self._writes.update(call, target)
        return await self._show(call, target, written.item, 201 if written.created else 200)

    async def _patch(self, call: Call, target: Target) -> Answer:
        written = await self._writes.patch(call, target)
        return await self._show(call, target, written.item, 201 if written.created else 200)

    async def _delete(self, call: Call, target: Target) -> Answer:
        options = await self._delete_options(call)
        done = await delete(self._core, call.caller, target, options)
        status = 202 if not done.gone and options.orphan is False else 200
        if not done.gone or target.collection in SHOWN_WHEN_GONE:
            return await self._show(call, target, done.item, status)
        uid = done.item.object()["metadata"].get("uid", "")
        resource = target.served.resource
        details = {"name": target.name, "group": resource.group, "kind": resource.plural, "uid": uid}
        return await self._answer(call, success({key: value for key, value in details.items() if value}), status)

    async def _delete_all(self, call: Call, target: Target) -> Answer:
        options = await self._delete_options(call)
        listed = await list_objects(self._core, target, list_options(call.request.query))
        done = await delete_all(self._core, call.caller, target, listed.items, options)
        accepted = call.accepted()
        shape = shape_of(target.served, accepted, call.request.query, is_list=True)
        return await answer(call.request, shape.many(done, listed.meta), accepted)

    async def _delete_options(self, call: Call) -> DeleteOptions:
        data = await call.read()
        if not data:
            return delete_options(call.request.query, None)
        found = decode_body(data, call.request.header("content-type"), DELETE_OPTIONS).object
        if found["kind"] != "DeleteOptions":
            raise bad_request(f"decoded object cannot be converted to DeleteOptions: {found['kind']}")
        return delete_options(Query(), {key: value for key, value in found.items() if value is not None})


def _key(target: Target) -> tuple[str, str]:
    return target.served.resource.group, target.served.plural
