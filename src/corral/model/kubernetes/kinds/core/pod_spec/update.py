"""What may change in the spec of a pod that is there. Pure. Follows ValidatePodUpdate of pkg/apis/core/validation."""

from __future__ import annotations

from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.checks import Problems
from corral.model.kubernetes.kinds.core.pod_spec.containers import check_image_spaces
from corral.model.kubernetes.kinds.core.pod_spec.scheduling import REQUIRED, has_gates
from corral.model.kubernetes.kinds.core.pod_spec.validation import LARGEST, MIRROR
from corral.model.kubernetes.kinds.differences import difference
from corral.model.kubernetes.kinds.fields import annotations_of, keep, number, objects, part, same, text
from corral.model.kubernetes.names import range_text
from corral.model.kubernetes.problems import WHOLE, forbidden, invalid, not_supported, required

_UPDATABLE = (
    "`spec.containers[*].image`",
    "`spec.initContainers[*].image`",
    "`spec.activeDeadlineSeconds`",
    "`spec.tolerations` (only additions to existing tolerations)",
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
)
FIXED = f"pod updates may not change fields other than {','.join(_UPDATABLE)}"
_ONLY_MORE = "only additions are allowed (no mutations or deletions)"


def check_spec_update(new: Object, old: Object) -> Problems:
    """The specs. Where containers came or went, that alone is said."""
    for kind in ("containers", "initContainers"):
        if len(objects(new, kind)) != len(objects(old, kind)):
            yield forbidden(f"spec.{kind}", "pod updates may not add or remove containers")
            return
        for index, container in enumerate(objects(new, kind)):
            if not text(container, "image"):
                yield required(f"spec.{kind}[{index}].image")
            yield from check_image_spaces(container, f"spec.{kind}[{index}]")
    yield from _deadline(new, old)
    yield from _tolerations(new, old)
    yield from _gates(new, old)
    if same(new, old):
        return
    allowed = _with_allowed_changes(new, old)
    if has_gates(old):
        yield from _while_gated(new, old)
        _take_gated(allowed, new, old)
    if not same(new, allowed):
        yield forbidden("spec", f"{FIXED}\n{difference(old, _as_refused(new, allowed, old))}")


def _deadline(new: Object, old: Object) -> Problems:
    value, was = new.get("activeDeadlineSeconds"), old.get("activeDeadlineSeconds")
    path = "spec.activeDeadlineSeconds"
    if value is None:
        if was is not None:
            yield invalid(path, None, "must not update from a positive integer to nil value")
        return
    if not 0 <= value <= LARGEST:
        yield invalid(path, value, range_text(0, LARGEST))
    if was is not None and was < value:
        yield invalid(path, value, "must be less than or equal to previous value")


def _without_seconds(one: Object) -> Object:
    return {key: value for key, value in one.items() if key != "tolerationSeconds" and value not in (None, "")}


def _tolerations(new: Object, old: Object) -> Problems:
    kept = [_without_seconds(one) for one in objects(new, "tolerations")]
    for one in objects(old, "tolerations"):
        if _without_seconds(one) not in kept:
            detail = "existing toleration can not be modified except its tolerationSeconds"
            yield forbidden("spec.tolerations", detail)


def _gates(new: Object, old: Object) -> Problems:
    before = {text(one, "name") for one in objects(old, "schedulingGates")}
    for index, gate in enumerate(objects(new, "schedulingGates")):
        name = text(gate, "name")
        if name not in before:
            detail = f"only deletion is allowed, but found new scheduling gate '{name}'"
            yield forbidden(f"spec.schedulingGates[{index}].name", detail)


def _with_allowed_changes(new: Object, old: Object) -> Object:
    """The old spec with all that an update may change as in the new one."""
    allowed = dict(old)
    for kind in ("containers", "initContainers"):
        if objects(old, kind):
            pairs = zip(objects(old, kind), objects(new, kind), strict=True)
            allowed[kind] = [_with_image(before, after) for before, after in pairs]
    keep(allowed, new, "activeDeadlineSeconds", "schedulingGates", "tolerations")
    if number(old, "terminationGracePeriodSeconds") < 0 and new.get("terminationGracePeriodSeconds") == 1:
        allowed["terminationGracePeriodSeconds"] = 1
    return allowed


def _with_image(old: Object, new: Object) -> Object:
    return {**old, "image": new.get("image")}


def _as_refused(new: Object, allowed: Object, old: Object) -> Object:
    """The new spec without the changes that were allowed, so that the difference shows the refused ones alone."""
    shown = dict(new)
    for key in ("activeDeadlineSeconds", "schedulingGates", "tolerations"):
        keep(shown, old, key)
    for kind in ("containers", "initContainers"):
        if objects(old, kind):
            pairs = zip(objects(new, kind), objects(old, kind), strict=True)
            shown[kind] = [_with_image(after, before) for after, before in pairs]
    return shown


def _while_gated(new: Object, old: Object) -> Problems:
    """A pod that waits at a gate may be narrowed down to fewer nodes."""
    selector = part(new, "nodeSelector")
    if any(selector.get(key) != value for key, value in part(old, "nodeSelector").items()):
        detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        yield invalid("spec.nodeSelector", selector, detail)
    before = objects(part(old, "affinity", "nodeAffinity", REQUIRED), "nodeSelectorTerms")
    after = objects(part(new, "affinity", "nodeAffinity", REQUIRED), "nodeSelectorTerms")
    path = f"spec.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms"
    if before and len(before) != len(after):
        yield invalid(path, after, "no additions/deletions to non-empty NodeSelectorTerms list are allowed")
        return
    for index, (term, was) in enumerate(zip(after, before, strict=False)):
        if not _only_more(term, was):
            yield invalid(f"{path}[{index}]", term, _ONLY_MORE)


def _only_more(new: Object, old: Object) -> bool:
    kinds = ("matchExpressions", "matchFields")
    if not any(objects(old, kind) for kind in kinds):
        return not any(objects(new, kind) for kind in kinds)
    return all(same(objects(new, kind)[: len(objects(old, kind))], objects(old, kind)) for kind in kinds)


def _take_gated(allowed: Object, new: Object, old: Object) -> None:
    """In place: what was looked at by `_while_gated` counts as allowed."""
    keep(allowed, new, "nodeSelector")
    affinity = {**part(old, "affinity"), "nodeAffinity": part(new, "affinity").get("nodeAffinity")}
    allowed["affinity"] = affinity if any(affinity.values()) else new.get("affinity")


def check_annotation_updates(new: Object, old: Object) -> Problems:
    found, was = annotations_of(new), annotations_of(old)
    if MIRROR in was and found.get(MIRROR) != was[MIRROR]:
        yield forbidden(f"metadata.annotations[{MIRROR}]", "may not remove or update mirror pod annotation")
    elif MIRROR in found and MIRROR not in was:
        yield forbidden(f"metadata.annotations[{MIRROR}]", "may not add mirror pod annotation")


def check_ephemeral_update(new: Object, old: Object) -> Problems:
    """The subresource ephemeralcontainers of a pod: containers come, none goes or changes."""
    if MIRROR in annotations_of(old):
        yield forbidden(WHOLE, "static pods do not support ephemeral containers")
        return
    path = "spec.ephemeralContainers"
    after = {text(one, "name"): one for one in objects(part(new, "spec"), "ephemeralContainers")}
    for one in objects(part(old, "spec"), "ephemeralContainers"):
        name = text(one, "name")
        if name not in after:
            yield forbidden(path, f'existing ephemeral containers "{name}" may not be removed\n')
        elif not same(after[name], one):
            changes = difference(one, after[name])
            yield forbidden(path, f'existing ephemeral containers "{name}" may not be changed\n{changes}')


def check_binding(binding: Object) -> Problems:
    """The subresource binding of a pod.

    >>> [str(one) for one in check_binding({"target": {"kind": "Node"}})]
    ['target.name: Required value']
    """
    target = part(binding, "target")
    if text(target, "kind") not in ("", "Node"):
        yield not_supported("target.kind", text(target, "kind"), ("Node", "<empty>"))
    if not text(target, "name"):
        yield required("target.name")
