"""Changing an object: a loop of read, change, check and write that ends when nobody wrote in between.

Follows k8s.io/apiserver/pkg/registry/rest/update.go and …/generic/registry/store.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from corral.cluster.apiserver.apply import managed
from corral.cluster.apiserver.caching.item import Item, Object, stored_bytes
from corral.cluster.apiserver.objects import scaling
from corral.cluster.apiserver.objects.core import Caller, Core, Target
from corral.cluster.apiserver.objects.creating import Taken, create
from corral.cluster.apiserver.objects.deletion import is_over
from corral.cluster.apiserver.objects.metadata import ensure_namespace, keep_old, spec_changed
from corral.cluster.apiserver.objects.subresources import MERGES
from corral.cluster.apiserver.objects.versions import views_of
from corral.cluster.apiserver.options import WriteOptions
from corral.cluster.apiserver.registry import KEYS
from corral.model.kubernetes import problems as p
from corral.model.kubernetes.kinds.metadata import check, check_update
from corral.model.kubernetes.schema.zeros import complete
from corral.model.kubernetes.status import bad_request, conflict, invalid
from corral.store.interface import Mismatch

ATTEMPTS: Final = 50
Change = Callable[[Object | None], Object]


@dataclass(frozen=True, slots=True)
class Update:
    """`change` makes the new object of the present one, both in the served version (None: there is none yet; it may
    change what it is given). `kind`: the name of the options. `tracks`: the change keeps managedFields itself.

    `admitted`: admission has been asked already, about what leads to this.
    `create`: an object that is not there is made. `check_uid`: the new object's uid must be the present one's.
    """

    change: Change
    options: WriteOptions
    kind: str = "UpdateOptions"
    tracks: bool = False
    create: bool = False
    admitted: bool = False
    check_uid: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """`created`: it was not there before."""

    item: Item
    created: bool = False


async def update(core: Core, caller: Caller, target: Target, asked: Update) -> Written:
    """Raises StatusError: 404, 409 (another revision was meant, or too many wrote in between), 422, …"""
    for _ in range(ATTEMPTS):
        item = await core.find(target)
        try:
            if item is None:
                return await _create(core, caller, target, asked)
            return Written(await _attempt(core, caller, target, asked, item))
        except Mismatch as error:
            await core.caches.until(error.found)
        except Taken:  # somebody made it in between: that one is changed
            continue
    raise conflict(target.served.plural, target.name, group=target.served.resource.group)


async def _create(core: Core, caller: Caller, target: Target, asked: Update) -> Written:
    served = target.served
    if not asked.create or target.subresource:
        raise served.not_found(target.name)
    if caller.check_create is not None:
        caller.check_create()
    obj = asked.change(None)
    check_names(target, obj)
    _check_unmade(target, obj["metadata"], asked)
    obj["metadata"].pop("resourceVersion", None)  # of what was there before
    item = await create(core, caller, target, obj, asked.options, tracked=asked.tracks)
    return Written(item, created=True)


async def _attempt(core: Core, caller: Caller, target: Target, asked: Update, item: Item) -> Item:
    """One try over one revision."""
    served = target.served
    await core.warm(served, [item.view()] if served.warm else (), incoming=True)
    old = served.current(item.object())
    new = asked.change(served.outgoing(item.object()))
    check_names(target, new)
    metadata = new["metadata"]
    _check_revision(target, metadata, old["metadata"], asked)
    ensure_namespace(metadata, target.namespace, served.resource.namespaced)
    await core.warm(served, [new], incoming=True)
    stored = complete(_merge(target, served.incoming(new), old, core.now()))
    await core.warm(served, [stored])
    if not asked.tracks:
        stored = _track(core, caller, target, asked, stored, old)  # what admission adds, nobody owns
    admission = core.admission(caller, target, "UPDATE", stored, old, asked.options, asked.kind)
    if not asked.admitted:
        stored = await core.admit(admission, target, stored)
    if target.subresource != "status":
        core.prepare(target, stored, old)
    stored = _count(target, stored, old)
    await core.refuse(caller, target, _problems(target, stored, old), stored, old)
    if not target.subresource:
        for text in served.kind.warnings(stored, old):
            caller.warn(text)
    if not asked.admitted:
        await core.judge(admission, target, stored)
    return await _write(core, target, asked, stored, old, item)


def check_names(target: Target, obj: Object) -> None:
    """Raises 400 when the object is not the one that the path names, or does not say which it is."""
    name = obj["metadata"].get("name") or ""
    if not name:
        cause = "name must be provided"
        raise bad_request(f"the name of the object ({target.name} based on URL) was undeterminable: {cause}")
    if name != target.name:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({target.name})")


def _check_unmade(target: Target, metadata: dict[str, Any], asked: Update) -> None:
    """Raises 409 when a certain object was meant, and there is none."""
    uid = metadata.get("uid")
    if not uid:
        return
    cause = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
    if asked.check_uid:
        cause = f"Precondition failed: UID in precondition: {uid}, UID in object meta: "
    raise conflict(target.served.plural, target.name, cause, target.served.resource.group)


def _check_revision(target: Target, new: dict[str, Any], old: dict[str, Any], asked: Update) -> None:
    served = target.served
    plural, group = served.plural, served.resource.group
    if asked.check_uid and new.get("uid") and new["uid"] != old.get("uid"):
        shown = f"UID in precondition: {new['uid']}, UID in object meta: {old.get('uid', '')}"
        raise conflict(plural, target.name, f"Precondition failed: {shown}", group)
    revision = new.get("resourceVersion") or ""
    if revision in ("", "0"):
        if not served.kind.allow_unconditional_update and not target.subresource:
            wrong = p.invalid("metadata.resourceVersion", 0, "must be specified for an update")
            raise invalid(served.resource.kind, target.name, [wrong], group)
    elif revision != old["resourceVersion"]:
        raise conflict(plural, target.name, group=group)
    new["resourceVersion"] = old["resourceVersion"]


def _merge(target: Target, new: Object, old: Object, now: datetime) -> Object:
    """What of the new object is taken: without a subresource all but the status, of the status that alone."""
    kind = target.served.kind
    metadata = new["metadata"] = dict(new["metadata"])
    merge = MERGES.get((target.served.plural, target.subresource))
    if merge is not None:
        keep_old(metadata, old["metadata"])
        made = merge(new, old, now)
        kind.default(made)
        return made
    if target.subresource == "status":
        new = _status_only(target, new, old)
        metadata = new["metadata"]
        keep_old(metadata, old["metadata"])
        kind.default(new)
        kind.prepare_status(new, old)
        return new
    keep_old(metadata, old["metadata"])
    kind.default(new)
    if kind.has_status and not target.subresource:
        new.pop("status", None)
        if "status" in old:
            new["status"] = old["status"]
    kind.prepare_update(new, old)
    return new


def _status_only(target: Target, new: Object, old: Object) -> Object:
    """Labels stay with a built-in kind's status; of a custom one's metadata all but the owners of fields does."""
    metadata = dict(old["metadata"]) if target.served.custom else dict(new["metadata"])
    for key, source in (("labels", old), ("managedFields", new), ("resourceVersion", new)):
        metadata.pop(key, None)
        if key in source["metadata"]:
            metadata[key] = source["metadata"][key]
    found = {key: value for key, value in old.items() if key not in (*KEYS, "status")}
    found = {**{key: old[key] for key in ("kind", "apiVersion")}, "metadata": metadata, **found}
    if "status" in new:
        found["status"] = new["status"]
    return found


def _count(target: Target, new: Object, old: Object) -> Object:
    """The generation grows when more than metadata and status has changed."""
    kind = target.served.kind
    uncounted = ("status", "binding")  # where a pod goes is no change of what is wanted
    if not kind.has_generation or target.subresource in uncounted or not spec_changed(new, old):
        return new
    before = old["metadata"].get("generation", 0)
    return {**new, "metadata": {**new["metadata"], "generation": before + 1}}


def _track(core: Core, caller: Caller, target: Target, asked: Update, new: Object, old: Object) -> Object:
    served = target.served
    live, shown = served.outgoing(old), served.outgoing(new)
    manager = asked.options.manager or caller.manager
    if target.subresource == "scale":
        where = scaling.mappings(core.registry, served)
        tracked = scaling.after_update(shown, live, manager, served, where, core.now())
        return {**new, "metadata": tracked["metadata"]}
    api_version, schema = served.resource.api_version, served.schema
    sub, unowned = target.subresource, served.unowned(target.subresource)
    views = views_of(core.registry, served, sub)
    tracked = managed.on_update(live, shown, manager, sub, api_version, schema, core.now(), reset=unowned, views=views)
    return {**new, "metadata": tracked["metadata"]}


def _problems(target: Target, new: Object, old: Object) -> list[p.Problem]:
    served, kind = target.served, target.served.kind
    problems = [*check(new, served.resource.namespaced, kind.validate_name), *check_update(new, old)]
    if target.subresource == "status":
        return [*problems, *kind.validate_status(new, old)]
    if (served.plural, target.subresource) in MERGES:  # what may not change of the whole object may well change here
        check_part = kind.validate_parts.get(target.subresource)
        return [*problems, *kind.validate(new), *(check_part(new, old) if check_part else ())]
    return [*problems, *kind.validate(new), *kind.validate_update(new, old)]


async def _write(core: Core, target: Target, asked: Update, new: Object, old: Object, item: Item) -> Item:
    """Writes what has changed; removes what an update let go; writes nothing when nothing differs."""
    new = managed.keep_times(old, new)
    if is_over(new, target.collection):
        if not asked.options.dry_run:
            return Item(item.key, await core.remove(target, old, item.revision), stored_bytes(new))
    elif new == old and new["apiVersion"] == item.view()["apiVersion"]:
        return item
    if asked.options.dry_run:
        return Item(item.key, item.revision, stored_bytes(new))
    return await core.save(target, new, old, item.revision)


def of_object(obj: Object, options: WriteOptions, *, create: bool = False) -> Update:
    """The update that a PUT is: the object is the client's, as it sent it."""
    return Update(lambda _: {**obj, "metadata": dict(obj["metadata"])}, options, create=create, check_uid=True)
