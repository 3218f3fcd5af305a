"""The rules of a pod's spec, of pods and templates alike. Pure. Follows pkg/apis/core/validation."""

from __future__ import annotations

from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds import checks
from corral.model.kubernetes.kinds.checks import Problems, dns_label, dns_subdomain, each, optional_of
from corral.model.kubernetes.kinds.core import resources
from corral.model.kubernetes.kinds.core.pod_spec import scheduling
from corral.model.kubernetes.kinds.core.pod_spec.containers import (
    check_containers,
    check_ephemeral_containers,
    check_init_containers,
)
from corral.model.kubernetes.kinds.core.pod_spec.host import check_host, check_host_ports, check_users
from corral.model.kubernetes.kinds.core.pod_spec.network import check_dns
from corral.model.kubernetes.kinds.core.pod_spec.scope import all_containers, scope_of
from corral.model.kubernetes.kinds.core.pod_spec.security import check_os, check_pod_context
from corral.model.kubernetes.kinds.core.pod_spec.volumes import check_volumes
from corral.model.kubernetes.kinds.fields import has, indexed, number, objects, part, text, texts
from corral.model.kubernetes.kinds.fields import names as names_of
from corral.model.kubernetes.kinds.metadata import check_template
from corral.model.kubernetes.names import range_text
from corral.model.kubernetes.problems import duplicate, forbidden, invalid, not_found, not_supported, required

RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
MIRROR = "kubernetes.io/config.mirror"
LARGEST = 2**31 - 1
_NAMES = ("serviceAccountName", "nodeName", "priorityClassName", "runtimeClassName")


def check_spec(spec: Object, path: str, *, pod_name: str = "", is_pod: bool = False) -> Problems:
    """A spec that has its defaults. `pod_name`: of a pod that has one (its volumes' claims are called after it)."""
    if not has(spec, "terminationGracePeriodSeconds"):
        yield required(f"{path}.terminationGracePeriodSeconds")
    volumes, problems = check_volumes(spec, f"{path}.volumes", pod_name)
    yield from problems
    claims = names_of(objects(spec, "resourceClaims")) - {""}
    yield from _resource_claims(spec, f"{path}.resourceClaims")
    scope = scope_of(spec, volumes, claims)
    yield from check_containers(spec, f"{path}.containers", scope)
    yield from check_init_containers(spec, f"{path}.initContainers", scope)
    yield from check_ephemeral_containers(spec, f"{path}.ephemeralContainers", scope)
    yield from _pod_resources(spec, f"{path}.resources", path)
    yield from check_host_ports(spec, f"{path}.containers", is_pod)
    yield from checks.one_of(spec, "restartPolicy", path, RESTART_POLICIES)
    yield from checks.one_of(spec, "dnsPolicy", path, DNS_POLICIES)
    yield from checks.labels(spec, "nodeSelector", f"{path}.nodeSelector")
    yield from check_pod_context(spec, f"{path}.securityContext")
    yield from scheduling.check_affinity(spec, f"{path}.affinity")
    yield from check_dns(spec, f"{path}.dnsConfig")
    for at, gate in indexed(spec, "readinessGates", f"{path}.readinessGates"):
        yield from checks.label_name(text(gate, "conditionType"), f"{at}.conditionType")
    yield from scheduling.check_gates(spec, f"{path}.schedulingGates")
    yield from scheduling.check_spread(spec, f"{path}.topologySpreadConstraints")
    yield from check_users(spec, path)
    yield from check_host(spec, path)
    yield from _rest(spec, path)


def _rest(spec: Object, path: str) -> Problems:
    for key in _NAMES:
        if value := text(spec, key):
            yield from each(f"{path}.{key}", value, dns_subdomain(value))
    if has(spec, "activeDeadlineSeconds") and not 1 <= number(spec, "activeDeadlineSeconds") <= LARGEST:
        deadline = number(spec, "activeDeadlineSeconds")
        yield invalid(f"{path}.activeDeadlineSeconds", deadline, range_text(1, LARGEST))
    for key in ("hostname", "subdomain"):
        if value := text(spec, key):
            yield from each(f"{path}.{key}", value, dns_label(value))
    yield from scheduling.check_tolerations(spec, f"{path}.tolerations")
    for at, alias in indexed(spec, "hostAliases", f"{path}.hostAliases"):
        yield from checks.legacy_ip(text(alias, "ip"), f"{at}.ip")
        for index, name in enumerate(texts(alias, "hostnames")):
            yield from each(f"{at}.hostnames[{index}]", name, dns_subdomain(name))
    yield from optional_of(spec, "preemptionPolicy", path, ("PreemptLowerPriority", "Never"))
    yield from resources.requirements({"limits": part(spec, "overhead")}, f"{path}.overhead", ())
    yield from check_os(spec, path)
    yield from _files_of_env(spec, path)


def _files_of_env(spec: Object, path: str) -> Problems:
    """A variable may come from a file in a volume, which must be an empty folder that the pod itself fills."""
    volumes = {text(one, "name"): one for one in objects(spec, "volumes")}
    for at, container in all_containers(spec, path):
        for env_at, variable in indexed(container, "env", f"{at}.env"):
            ref = part(variable, "valueFrom").get("fileKeyRef")
            if not isinstance(ref, dict):
                continue
            name, name_at = text(ref, "volumeName"), f"{env_at}.valueFrom.fileKeyRef.volumeName"
            if name not in volumes:
                yield not_found(name_at, name)
            elif not has(volumes[name], "emptyDir"):
                yield invalid(name_at, name, "referenced volume must be of type emptyDir")


def _resource_claims(spec: Object, path: str) -> Problems:
    seen: set[str] = set()
    for at, claim in indexed(spec, "resourceClaims", path):
        name, given = text(claim, "name"), has(claim, "resourceClaimName")
        if not name:
            yield required(f"{at}.name")
        elif name in seen:
            yield duplicate(f"{at}.name", name)
        else:
            yield from each(f"{at}.name", name, dns_label(name))
            seen.add(name)
        if given and has(claim, "resourceClaimTemplateName"):
            detail = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            yield invalid(at, claim, detail)
        if not given and not has(claim, "resourceClaimTemplateName"):
            yield invalid(at, claim, "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`")
        for key in ("resourceClaimName", "resourceClaimTemplateName"):
            if has(claim, key):
                yield from each(f"{at}.{key}", text(claim, key), dns_subdomain(text(claim, key)))


def _pod_resources(spec: Object, path: str, spec_path: str) -> Problems:
    """Resources of the pod as a whole, against those of its containers."""
    found = spec.get("resources")
    if not isinstance(found, dict):
        return
    if text(part(spec, "os"), "name") == "windows":
        yield forbidden(path, "may not be set for a windows pod")
        return
    if has(found, "claims"):
        yield forbidden(f"{path}.claims", "claims may not be set for Resources at pod-level")
    yield from resources.requirements({**found, "claims": None}, path, (), resources.pod_resource)
    limits = {name: amount for name, amount, _ in resources.amounts(found, "limits", "")}
    requests = resources.total(objects(spec, "containers"), "requests")
    for name, amount, at in resources.amounts(found, "requests", f"{path}.requests"):
        if name in requests and requests[name] > amount:
            detail = f"must be greater than or equal to aggregate container requests of {requests[name]}"
            yield invalid(at, str(amount), detail)
    for at, container in indexed(spec, "containers", f"{path}.containers"):
        for name, amount, _ in resources.amounts(part(container, "resources"), "limits", ""):
            if name in limits and amount > limits[name]:
                detail = f"must be less than or equal to pod limits of {limits[name]}"
                yield invalid(f"{at}[{name}].limits", str(amount), detail)


def check_annotations(metadata: Object, spec: Object, path: str) -> Problems:
    """The annotations that mean something to a pod."""
    found = part(metadata, "annotations")
    if MIRROR in found and not text(spec, "nodeName"):
        yield invalid(f"{path}[{MIRROR}]", found[MIRROR], "must set spec.nodeName if mirror pod annotation is set")
    cost = found.get("controller.kubernetes.io/pod-deletion-cost")
    if cost is not None and not _is_cost(cost):
        yield invalid(f"{path}[controller.kubernetes.io/pod-deletion-cost]", cost, "must be a 32bit integer")


def _is_cost(value: str) -> bool:
    """
    >>> _is_cost("-12"), _is_cost("+1"), _is_cost("01"), _is_cost("1.5")
    (True, False, False, False)
    """
    digits = value.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or (digits.startswith("0") and value != "0"):
        return False
    return -(2**31) <= int(value) < 2**31


def check_pod_template(template: Object, path: str) -> Problems:
    """A template as workloads have it."""
    found, spec = part(template, "metadata"), part(template, "spec")
    yield from checks.labels(found, "labels", f"{path}.labels")
    yield from _template_annotations(found, spec, path)
    yield from check_spec(spec, f"{path}.spec")
    if objects(spec, "ephemeralContainers"):
        yield forbidden(f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template")


def _template_annotations(found: Object, spec: Object, path: str) -> Problems:
    yield from check_template({"annotations": found.get("annotations")}, path)
    yield from check_annotations(found, spec, f"{path}.annotations")


def check_restart_policy(template: Object, path: str, allowed: tuple[str, ...]) -> Problems:
    policy = text(part(template, "spec"), "restartPolicy")
    if policy not in allowed:
        yield not_supported(f"{path}.spec.restartPolicy", policy, allowed)
