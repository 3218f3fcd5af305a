"""What is posted to a pod to be done with it: a binding to a node, an eviction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from corral.cluster.apiserver.objects.core import Caller, Core, Target
from corral.cluster.apiserver.objects.evicting import evict
from corral.cluster.apiserver.objects.subresources import bind
from corral.cluster.apiserver.objects.updating import Update, update
from corral.cluster.apiserver.options import WriteOptions, delete_options
from corral.http.query import Query
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.status import bad_request

Post = Callable[[Core, Caller, Target, Object, WriteOptions], Awaitable[None]]


async def post_binding(core: Core, caller: Caller, target: Target, binding: Object, options: WriteOptions) -> None:
    """`target`: the pod's subresource, or the collection of bindings, which name their pods. 404, 409, 422."""
    name = target.name or binding["metadata"].get("name") or ""
    pod = Target(core.registry.need("", "v1", "pods"), target.namespace, name, "binding")
    now, binding = core.now(), await core.admit_posted(caller, target, binding, options)
    asked = Update(lambda live: bind(live or {}, binding, now), options, "CreateOptions", tracks=True, admitted=True)
    await update(core, caller, pod, asked)


async def post_eviction(core: Core, caller: Caller, target: Target, eviction: Object, options: WriteOptions) -> None:
    """404, 429 (a budget does not allow it now), …"""
    name = eviction["metadata"].get("name") or target.name
    if name != target.name:
        raise bad_request("name in URL does not match name in Eviction object")
    eviction = await core.admit_posted(caller, target, eviction, options)
    inner = dict(eviction.get("deleteOptions") or {})
    if options.dry_run:
        inner["dryRun"] = ["All"]
    await evict(core, caller, target, delete_options(Query(), inner))


POSTS: Final[dict[tuple[str, str], Post]] = {("pods", "binding"): post_binding, ("pods", "eviction"): post_eviction}
