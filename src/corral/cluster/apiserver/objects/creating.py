"""Making an object. Follows k8s.io/apiserver/pkg/registry/rest/create.go and …/generic/registry/store.go."""

from __future__ import annotations

import uuid
from typing import Final

from corral.cluster.apiserver.apply import managed
from corral.cluster.apiserver.caching.item import Item, Object, stored_bytes
from corral.cluster.apiserver.objects.core import Caller, Core, Target
from corral.cluster.apiserver.objects.metadata import ensure_namespace, fill_new, generate_name
from corral.cluster.apiserver.objects.times import to_text
from corral.cluster.apiserver.options import WriteOptions
from corral.model.kubernetes.kinds.metadata import check
from corral.model.kubernetes.schema.zeros import complete
from corral.model.kubernetes.status import StatusError, already_exists, bad_request
from corral.store.interface import Mismatch

ATTEMPTS: Final = 8  # at names that are generated


class Taken(StatusError):
    """The 409 of a name that another object has, which reads show by now."""


async def create(
    core: Core, caller: Caller, target: Target, obj: Object, options: WriteOptions, *, tracked: bool = False
) -> Item:
    """Stores a new object of the served version, which is changed in place. `target.name` is "" or the object's name.

    `tracked`: its managedFields say already who owns what. Raises StatusError: 400, 403, 409 (it is there), 422.
    """
    served, metadata = target.served, obj["metadata"]
    if metadata.get("resourceVersion") not in (None, "", "0"):
        raise bad_request("resourceVersion should not be set on objects to be created")
    metadata.pop("resourceVersion", None)
    ensure_namespace(metadata, target.namespace, served.resource.namespaced)
    await core.warm(served, [obj], incoming=True)
    stored = served.incoming(obj)
    served.kind.default(stored)
    for attempt in range(ATTEMPTS):
        last = attempt == ATTEMPTS - 1
        made = await _attempt(core, caller, target, stored, options, last=last, tracked=tracked)
        if made is not None:
            return made
    raise AssertionError("the last attempt raises")


async def _attempt(
    core: Core, caller: Caller, target: Target, stored: Object, options: WriteOptions, *, last: bool, tracked: bool
) -> Item | None:
    """One try; None when a name or a claim was taken, and others may be tried."""
    metadata = dict(stored["metadata"])
    generated = not metadata.get("name") and bool(metadata.get("generateName"))
    if generated:
        metadata["name"] = generate_name(metadata["generateName"], core.suffix())
    named = Target(target.served, target.namespace, metadata.get("name") or "", target.subresource)
    obj = await _prepare(core, caller, named, {**stored, "metadata": metadata}, options, tracked)
    try:
        if options.dry_run:
            await _check_free(core, named)
            return Item(named.key, 0, stored_bytes(obj))
        return await core.save(named, obj, None, 0)
    except Mismatch as error:
        if not last and (generated or error.key != named.store_key):
            await core.caches.until(error.found)
            return None
        raise await _taken(core, named, error.found, generated) from None


async def _prepare(
    core: Core, caller: Caller, target: Target, obj: Object, options: WriteOptions, tracked: bool
) -> Object:
    """The object as it will be stored: filled, admitted, with owners of its fields, and checked."""
    served, kind = target.served, target.served.kind
    fill_new(obj["metadata"], kind, str(uuid.uuid4()), to_text(core.now()))
    if kind.has_status and served.custom:
        obj.pop("status", None)
    kind.prepare_create(obj)
    obj = complete(obj)
    await core.warm(served, [obj])
    if not tracked:
        obj = _track(core, caller, target, obj, options)  # what admission adds, nobody owns
    admission = core.admission(caller, target, "CREATE", obj, None, options, "CreateOptions")
    obj = await core.admit(admission, target, obj)
    core.prepare(target, obj, None)
    problems = [*check(obj, served.resource.namespaced, kind.validate_name), *kind.validate(obj)]
    await core.refuse(caller, target, problems, obj, None)
    for text in kind.warnings(obj, None):
        caller.warn(text)
    await core.judge(admission, target, obj)
    return obj


def _track(core: Core, caller: Caller, target: Target, obj: Object, options: WriteOptions) -> Object:
    served, manager = target.served, options.manager or caller.manager
    api_version, schema = served.resource.api_version, served.schema
    shown = served.outgoing(obj)
    unowned = served.unowned("")
    tracked = managed.on_update(None, shown, manager, "", api_version, schema, core.now(), reset=unowned)
    return {**obj, "metadata": tracked["metadata"]}


async def _check_free(core: Core, target: Target) -> None:
    found = await core.find(target)
    if found is not None:
        raise Mismatch(target.store_key, 0, found.revision)


async def _taken(core: Core, target: Target, revision: int, generated: bool) -> StatusError:
    served = target.served
    plural, group = served.plural, served.resource.group
    if generated:
        text = "the server was not able to generate a unique name for the object"
        return StatusError(409, "AlreadyExists", f"{already_exists(plural, target.name, group).message}, {text}")
    error = already_exists(plural, target.name, group)
    await core.caches.until(revision)
    found = core.cache(served).items.get(target.key)
    if found is not None and found.view()["metadata"].get("deletionTimestamp"):
        return Taken(error.code, error.reason, f"object is being deleted: {error.message}", error.details)
    return Taken(error.code, error.reason, error.message, error.details)
