"""What a PUT, a patch or a server-side apply does to an object: changes for the loop of `updating`.

Of the scale subresource clients see and send a Scale; what changes is the object behind it.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from corral.cluster.apiserver.apply import managed
from corral.cluster.apiserver.encoding.bodies import Expected, Warn, tidy
from corral.cluster.apiserver.objects import scaling
from corral.cluster.apiserver.objects.core import Core, Target
from corral.cluster.apiserver.objects.patching import Patch, apply_patch, check_identity
from corral.cluster.apiserver.objects.subresources import show_scale, take_scale
from corral.cluster.apiserver.objects.updating import Update, check_names, of_object
from corral.cluster.apiserver.objects.versions import views_of
from corral.cluster.apiserver.options import WriteOptions
from corral.cluster.apiserver.registry import ScalePaths
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.schema import builtin
from corral.model.kubernetes.status import bad_request


def expected_of(target: Target) -> Expected:
    """What a body must be that is sent to an object, or to a subresource that has a kind of its own."""
    resource = target.served.resource
    found = resource.subresource(target.subresource) if target.subresource else None
    if found is None or found.kind == resource.gvk:
        return Expected(resource.gvk, target.served.schema)
    return Expected(found.kind, builtin().schema(found.kind))


def shown_scale(target: Target, obj: Object) -> Object:
    """Pure: a stored object as a Scale."""
    return show_scale(target.served.outgoing(obj), target.served.scale or ScalePaths())


def put_update(target: Target, obj: Object, options: WriteOptions) -> Update:
    """The object is the client's, as it sent it."""
    if target.subresource == "scale":
        return Update(lambda live: take_scale(live or {}, obj, target.served, target.name), options)
    return of_object(obj, options, create=target.served.kind.allow_create_on_update)


def patch_update(target: Target, patch: Patch, options: WriteOptions, warn: Warn) -> Update:
    """The object is the present one, patched; what comes out is checked as if it had been sent."""
    expected, served = expected_of(target), target.served

    def change(live: Object | None) -> Object:
        present = live or {}
        scale = target.subresource == "scale"
        shown = show_scale(present, served.scale or ScalePaths()) if scale else present
        patched = apply_patch(patch, shown, expected.schema)
        check_identity(patched, expected.gvk)
        refuse = partial(patch.refusal, patched)
        found = tidy(patched, expected, options.validation, warn, patch.complaints, refuse)
        if not scale:
            return found
        check_names(target, found)
        return take_scale(present, found, served, target.name)

    return Update(change, options, "PatchOptions")


def apply_update(core: Core, target: Target, applied: Object, options: WriteOptions) -> Update:
    """The object is the present one with `applied` merged in, as its manager wants it. 400."""
    served = target.served
    check_applied(target, applied["metadata"])
    if target.subresource == "scale":
        where = scaling.mappings(core.registry, served)

        def scale(live: Object | None) -> Object:
            return scaling.after_apply(live or {}, applied, target.name, options, served, where, core.now())

        return Update(scale, options, "PatchOptions", tracks=True)

    def change(live: Object | None) -> Object:
        return managed.on_apply(
            live,
            applied,
            options.manager,
            bool(options.force),
            target.subresource,
            served.resource.api_version,
            served.schema,
            core.now(),
            kind=served.resource.kind,
            reset=served.unowned(target.subresource),
            views=views_of(core.registry, served, target.subresource),
        )

    return Update(change, options, "PatchOptions", tracks=True, create=True)


def check_applied(target: Target, metadata: dict[str, Any]) -> None:
    """In place: the namespace of the path is the object's. Raises 400 where it has another, or another name."""
    if metadata.get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    if (metadata.get("name") or target.name) != target.name:
        text = f"the name of the object ({metadata['name']}) does not match the name on the URL ({target.name})"
        raise bad_request(text)
    if target.namespace:
        metadata.setdefault("namespace", target.namespace)
