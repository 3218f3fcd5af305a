"""Pod: defaults, rules and subresources. Follows pkg/registry/core/pod/strategy.go."""

from __future__ import annotations

from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.checks import Problems, dns_label, dns_subdomain, legacy_ip, listed
from corral.model.kubernetes.kinds.core import pod_columns
from corral.model.kubernetes.kinds.core.pod_spec.apparmor import take_profiles
from corral.model.kubernetes.kinds.core.pod_spec.containers import check_image_spaces
from corral.model.kubernetes.kinds.core.pod_spec.defaults import default_pod, default_spec
from corral.model.kubernetes.kinds.core.pod_spec.match_keys import merge_match_keys
from corral.model.kubernetes.kinds.core.pod_spec.qos import qos_class
from corral.model.kubernetes.kinds.core.pod_spec.scheduling import has_gates
from corral.model.kubernetes.kinds.core.pod_spec.update import (
    check_annotation_updates,
    check_ephemeral_update,
    check_spec_update,
)
from corral.model.kubernetes.kinds.core.pod_spec.validation import check_annotations, check_spec
from corral.model.kubernetes.kinds.core.pod_spec.warnings import warn
from corral.model.kubernetes.kinds.core.pod_subresources import check_resize
from corral.model.kubernetes.kinds.fields import (
    annotations_of,
    ensure,
    has,
    indexed,
    is_new,
    keep,
    metadata,
    objects,
    part,
    text,
)
from corral.model.kubernetes.problems import forbidden, invalid


def default(pod: Object) -> None:
    spec = ensure(pod, "spec")
    default_spec(spec)
    default_pod(spec)
    ensure(pod, "status")


def prepare_create(pod: Object) -> None:
    """A new pod is pending, whatever its status said; one with gates says why it waits."""
    spec = part(pod, "spec")
    merge_match_keys(spec, part(pod, "metadata", "labels"))
    take_profiles(pod)
    pod["status"] = {"phase": "Pending", "qosClass": qos_class(spec)}
    if has_gates(spec):
        blocked = "Scheduling is blocked due to non-empty scheduling gates"
        condition = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": blocked}
        pod["status"]["conditions"] = [condition]


def prepare_update(new: Object, old: Object) -> None:
    keep(new, old, "status")


def prepare_status(new: Object, old: Object) -> None:
    """Kubelets send the whole pod: only its status is taken, and neither owners nor deletion."""
    keep(new, old, "spec")
    keep(metadata(new), metadata(old), "deletionTimestamp", "ownerReferences")
    ensure(new, "status").setdefault("qosClass", text(part(old, "status"), "qosClass"))


def _check(pod: Object) -> Problems:
    spec = part(pod, "spec")
    yield from check_annotations(metadata(pod), spec, "metadata.annotations")
    yield from check_spec(spec, "spec", pod_name=text(metadata(pod), "name"), is_pod=True)
    yield from _token_without_account(spec)
    for kind in ("containers", "initContainers"):
        for at, container in indexed(spec, kind, f"spec.{kind}"):
            yield from check_image_spaces(container, at)


def _token_without_account(spec: Object) -> Problems:
    if text(spec, "serviceAccountName"):
        return
    for at, volume in indexed(spec, "volumes", "spec.volumes"):
        for source_at, source in indexed(part(volume, "projected"), "sources", f"{at}.projected.sources"):
            if has(source, "serviceAccountToken"):
                detail = "must not be specified when serviceAccountName is not set"
                yield forbidden(f"{source_at}.serviceAccountToken", detail)


def check_create(pod: Object) -> Problems:
    """What is refused in a new pod alone; `check` holds for every pod."""
    spec = part(pod, "spec")
    if objects(spec, "ephemeralContainers"):
        yield forbidden("spec.ephemeralContainers", "cannot be set on create")
    if text(spec, "nodeName") and has_gates(spec):
        yield forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared")


def _validate(pod: Object) -> Problems:
    yield from _check(pod)
    if is_new(pod):
        yield from check_create(pod)


def _validate_update(new: Object, old: Object) -> Problems:
    yield from check_annotation_updates(new, old)
    yield from check_spec_update(part(new, "spec"), part(old, "spec"))


def _validate_status(new: Object, old: Object) -> Problems:
    status, was = part(new, "status"), part(old, "status")
    node, before = text(status, "nominatedNodeName"), text(part(old, "spec"), "nodeName")
    if node and node != text(was, "nominatedNodeName") and not before:
        for detail in dns_subdomain(node):
            yield invalid("status.nominatedNodeName", node, detail)
    for key in ("podIPs", "hostIPs"):
        old_addresses = [text(one, "ip") for one in objects(was, key)]
        for at, one in indexed(status, key, f"status.{key}"):
            yield from legacy_ip(text(one, "ip"), at, old_addresses)


def _warnings(new: Object, old: Object | None) -> list[str]:
    """Only what changed is worth a warning."""
    if old is not None:
        unchanged = part(new, "spec") == part(old, "spec") and annotations_of(new) == annotations_of(old)
        return [] if unchanged else list(warn(new, ""))
    found = []
    if details := dns_label(text(metadata(new), "name")):
        says = "this is used in the Pod's hostname, which can result in surprising behavior"
        found.append(f"metadata.name: {says}; a DNS label is recommended: [{' '.join(details)}]")
    return found + list(warn(new, ""))


POD = Kind(
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    prepare_status=prepare_status,
    validate=listed(_validate),
    validate_update=listed(_validate_update),
    validate_status=listed(_validate_status),
    validate_parts={"ephemeralcontainers": listed(check_ephemeral_update), "resize": listed(check_resize)},
    warnings=_warnings,
    has_status=True,
    columns=pod_columns.COLUMNS,
    fields={
        "spec.nodeName": lambda pod: text(part(pod, "spec"), "nodeName"),
        "spec.restartPolicy": lambda pod: text(part(pod, "spec"), "restartPolicy"),
        "spec.schedulerName": lambda pod: text(part(pod, "spec"), "schedulerName"),
        "spec.serviceAccountName": lambda pod: text(part(pod, "spec"), "serviceAccountName"),
        "spec.hostNetwork": lambda pod: str(part(pod, "spec").get("hostNetwork") is True).lower(),
        "status.phase": lambda pod: text(part(pod, "status"), "phase"),
        "status.podIP": lambda pod: text(part(pod, "status"), "podIP"),
        "status.nominatedNodeName": lambda pod: text(part(pod, "status"), "nominatedNodeName"),
    },
)
