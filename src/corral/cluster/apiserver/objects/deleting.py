"""Taking objects away, one or many: acts on what `deletion` decides."""

from __future__ import annotations

from dataclasses import replace

from corral.cluster.apiserver.caching.item import Item, stored_bytes
from corral.cluster.apiserver.objects.core import Caller, Core, Target
from corral.cluster.apiserver.objects.deletion import KEEP, REMOVE, Plan, check_preconditions, plan_deletion
from corral.cluster.apiserver.objects.updating import ATTEMPTS
from corral.cluster.apiserver.options import DeleteOptions
from corral.model.kubernetes.status import StatusError, conflict
from corral.store.interface import Mismatch


class Deleted:
    """`item`: the object as it last was, or as it now is. `gone`: it is no longer there."""

    __slots__ = ("gone", "item")

    def __init__(self, item: Item, gone: bool) -> None:
        self.item, self.gone = item, gone


async def delete(
    core: Core, caller: Caller, target: Target, options: DeleteOptions, *, admitted: bool = False
) -> Deleted:
    """`admitted`: admission has been asked already, about what leads to this.

    Raises StatusError: 404, 409 (another object or revision was meant), what admission refuses with.
    """
    for _ in range(ATTEMPTS):
        item = await core.need(target)
        obj = item.object()
        check_preconditions(obj, options, target.served.resource.gvk)
        if not admitted:
            await _admit(core, caller, target, item, options)
            admitted = True
        plan = plan_deletion(obj, options, target.collection, core.now())
        try:
            return await _act(core, target, plan, item, options)
        except Mismatch as error:
            if error.found:
                await core.caches.until(error.found)  # else it has gone: the next look is as of now
    raise conflict(target.served.plural, target.name, group=target.served.resource.group)


async def _admit(core: Core, caller: Caller, target: Target, item: Item, options: DeleteOptions) -> None:
    admission = core.admission(caller, target, "DELETE", None, item.object(), options)
    await core.admit(admission, target, None)
    await core.judge(admission, target, None)


async def _act(core: Core, target: Target, plan: Plan, item: Item, options: DeleteOptions) -> Deleted:
    if plan.action == KEEP:
        return Deleted(item, False)
    gone = plan.action == REMOVE
    value = stored_bytes(plan.object)
    if options.dry_run:
        return Deleted(Item(item.key, item.revision, value), gone)
    if gone:
        return Deleted(Item(item.key, await core.remove(target, item.view(), item.revision), value), True)
    return Deleted(await core.save(target, plan.object, item.view(), item.revision), False)


async def delete_all(
    core: Core, caller: Caller, target: Target, items: list[Item], options: DeleteOptions
) -> list[Item]:
    """Deletes each; those that are gone already count as deleted. The first other failure ends it."""
    one_by_one = replace(options, uid=None, resource_version=None) if options.uid is not None else options
    done = []
    for item in items:
        one = Target(target.served, item.namespace, item.name)
        try:
            done.append((await delete(core, caller, one, one_by_one)).item)
        except StatusError as error:
            if error.code != 404:
                raise
    return done
