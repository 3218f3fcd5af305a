"""Metadata: what every object must obey, of whichever kind. Pure. Follows k8s.io/apimachinery/pkg/api/validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from corral.model.kubernetes import names
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds import checks
from corral.model.kubernetes.kinds.checks import Problems, each, immutable, nonnegative
from corral.model.kubernetes.kinds.fields import flag, has, indexed, metadata, number, pairs, text, texts
from corral.model.kubernetes.problems import forbidden, invalid, required, too_long
from corral.model.kubernetes.resources import split_api_version

ANNOTATIONS_LIMIT = 256 * 1024
MANAGER_LIMIT = 128
SUBRESOURCE_LIMIT = 256

NameCheck = Callable[[str], Sequence[str]]


def check(obj: Object, namespaced: bool, name_check: NameCheck | None = None) -> Problems:
    """A new object's metadata; `name_check` is the kind's own (a DNS subdomain, if it has none).

    >>> [str(one) for one in check({"metadata": {"name": "a", "labels": {"x": "-"}}}, False)][0][:60]
    'metadata.labels: Invalid value: "-": a valid label must be a'
    """
    found, wanted = metadata(obj), name_check or checks.dns_subdomain
    if prefix := text(found, "generateName"):
        yield from each("metadata.generateName", prefix, wanted(names.mask_dash(prefix)))
    if name := text(found, "name"):
        yield from each("metadata.name", name, wanted(name))
    else:
        yield required("metadata.name", "name or generateName is required")
    yield from _namespace(text(found, "namespace"), namespaced)
    yield from nonnegative(found, "metadata", "generation")
    yield from _common(found)
    yield from finalizers(texts(found, "finalizers"), "metadata.finalizers")


def check_update(new: Object, old: Object) -> Problems:
    """What is wrong with a change of metadata, which `check` has seen, too."""
    found, was = metadata(new), metadata(old)
    if has(was, "deletionTimestamp"):
        yield from _no_new_finalizers(texts(found, "finalizers"), texts(was, "finalizers"))
    if not text(found, "resourceVersion"):
        yield invalid("metadata.resourceVersion", "", "must be specified for an update")
    if number(found, "generation") < number(was, "generation"):
        yield invalid("metadata.generation", number(found, "generation"), "must not be decremented")
    fixed = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")
    yield from immutable(found, was, "metadata", *fixed)


def _namespace(namespace: str, namespaced: bool) -> Problems:
    if not namespaced:
        if namespace:
            yield forbidden("metadata.namespace", "not allowed on this type")
    elif not namespace:
        yield required("metadata.namespace")
    else:
        yield from each("metadata.namespace", namespace, checks.dns_label(namespace))


def _common(found: Object) -> Problems:
    yield from checks.labels(found, "labels", "metadata.labels")
    yield from check_annotations(found, "metadata.annotations")
    yield from _owners(found)
    yield from _managed_fields(found)


def check_annotations(found: Object, path: str) -> Problems:
    """The annotations of some metadata: keys as those of labels (in any case), any values, up to a size in all."""
    size = 0
    for key, value in pairs(found, "annotations"):
        yield from each(path, key, checks.qualified_name(key.lower()))
        size += len(key.encode()) + (len(value.encode()) if isinstance(value, str) else 0)
    if size > ANNOTATIONS_LIMIT:
        yield too_long(path, ANNOTATIONS_LIMIT)


def check_template(found: Object, path: str) -> Problems:
    """The metadata in a template: only labels and annotations matter there."""
    yield from check_annotations(found, f"{path}.annotations")
    yield from checks.labels(found, "labels", f"{path}.labels")


def _owners(found: Object) -> Problems:
    controller = ""
    for path, owner in indexed(found, "ownerReferences", "metadata.ownerReferences"):
        yield from _owner(owner, path)
        if flag(owner, "controller"):
            current = f"{text(owner, 'kind')}/{text(owner, 'name')}"
            if controller:
                detail = f'Found "true" in references for {controller} and {current}'
                detail = f"Only one reference can have Controller set to true. {detail}"
                yield invalid("metadata.ownerReferences", found["ownerReferences"], detail)
            controller = controller or current


def _owner(owner: Object, path: str) -> Problems:
    api_version = text(owner, "apiVersion")
    group, version = split_api_version(api_version)
    if not api_version:
        yield required(f"{path}.apiVersion", "must not be empty")
    elif "/" in group or not version:
        yield invalid(f"{path}.apiVersion", api_version, "must be <group>/<version> or <version>")
    for key in ("kind", "name", "uid"):
        if not text(owner, key):
            yield required(f"{path}.{key}", "must not be empty")
    if (api_version, text(owner, "kind")) == ("v1", "Event"):
        yield invalid(path, owner, "/v1, Kind=Event is disallowed from being an owner")


def finalizers(found: Sequence[str], path: str) -> Problems:
    for one in found:
        yield from each(path, one, checks.qualified_name(one))
    if "orphan" in found and "foregroundDeletion" in found:
        yield invalid(path, list(found), "finalizer orphan and foregroundDeletion cannot be both set")


def _no_new_finalizers(new: Sequence[str], old: Sequence[str]) -> Problems:
    if extra := sorted(set(new) - set(old)):
        shown = ", ".join(f'"{one}"' for one in extra)
        detail = (
            f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{shown}}}"
        )
        yield forbidden("metadata.finalizers", detail)


def _managed_fields(found: Object) -> Problems:
    for path, entry in indexed(found, "managedFields", "metadata.managedFields"):
        if text(entry, "operation") not in ("Apply", "Update"):
            yield invalid(f"{path}.operation", text(entry, "operation"), "must be `Apply` or `Update`")
        if text(entry, "fieldsType") not in ("", "FieldsV1"):
            yield invalid(f"{path}.fieldsType", text(entry, "fieldsType"), "must be `FieldsV1`")
        if len(text(entry, "manager").encode()) > MANAGER_LIMIT:
            yield too_long(f"{path}.manager", MANAGER_LIMIT)
        if len(text(entry, "subresource").encode()) > SUBRESOURCE_LIMIT:
            yield too_long(f"{path}.subresource", SUBRESOURCE_LIMIT)


def controller_of(obj: Object) -> Object:
    """The owner that manages the object; an empty object if none does."""
    owners = metadata(obj).get("ownerReferences")
    found = [one for one in owners if isinstance(one, dict)] if isinstance(owners, list) else []
    return next((one for one in found if flag(one, "controller")), {})
