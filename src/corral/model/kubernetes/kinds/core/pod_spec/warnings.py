"""What a pod's spec says that will not do what was hoped for. Pure. Follows pkg/api/pod/warnings.go."""

from __future__ import annotations

from collections.abc import Iterator

from corral.model.kubernetes import addresses
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.core import resources
from corral.model.kubernetes.kinds.core.pod_spec import apparmor
from corral.model.kubernetes.kinds.core.pod_spec.scheduling import PREFERRED, REQUIRED
from corral.model.kubernetes.kinds.core.pod_spec.scope import all_containers
from corral.model.kubernetes.kinds.fields import has, indexed, number, objects, pairs, part, text, texts

Warnings = Iterator[str]

NODE_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
    "app.kubernetes.io/created-by": "deprecated since v1.9",
    "scheduler.alpha.kubernetes.io/preferAvoidPods": "deprecated since v1.22; use Taints and Tolerations instead",
    "node-role.kubernetes.io/master": 'use "node-role.kubernetes.io/control-plane" instead',
}
_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}
_SECCOMP = "seccomp.security.alpha.kubernetes.io/pod"
_CONTAINER_SECCOMP = "container.seccomp.security.alpha.kubernetes.io/"
_VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
_NULL = "a null labelSelector results in matching no pod"


def warn(template: Object, path: str) -> Warnings:
    """The warnings for a pod (`path` is "") or a template, with its metadata.

    >>> list(warn({"spec": {"nodeSelector": {"beta.kubernetes.io/os": "linux"}}}, ""))
    ['spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead']
    """
    at = f"{path}." if path else ""
    spec, notes = part(template, "spec"), part(template, "metadata", "annotations")
    for key, _ in pairs(spec, "nodeSelector"):
        if key in NODE_LABELS:
            yield f"{at}spec.nodeSelector[{key}]: {NODE_LABELS[key]}"
    yield from _node_terms(part(spec, "affinity", "nodeAffinity"), f"{at}spec.affinity.nodeAffinity")
    yield from _spread(spec, f"{at}spec.topologySpreadConstraints")
    for key, says in _ANNOTATIONS.items():
        if key in notes:
            yield f"{at}metadata.annotations[{key}]: {says}"
    yield from _volumes(spec, f"{at}spec.volumes")
    yield from _duplicates(spec, at)
    if _SECCOMP in notes and not has(part(spec, "securityContext"), "seccompProfile"):
        yield f'{at}metadata.annotations[{_SECCOMP}]: non-functional in v1.27+; use the "seccompProfile" field instead'
    for container_at, container in all_containers(spec, f"{at}spec"):
        yield from _container(container, container_at, notes, at)
        if apparmor.is_unheard(container, spec, notes):
            key, says = apparmor.ANNOTATION + text(container, "name"), 'use the "appArmorProfile" field instead'
            yield f"{at}metadata.annotations[{key}]: deprecated since v1.30; {says}"
    yield from _ports(spec, f"{at}spec")
    if number(spec, "terminationGracePeriodSeconds") < 0:
        says = "must be >= 0; negative values are invalid and will be treated as 1"
        yield f"{at}spec.terminationGracePeriodSeconds: {says}"
    yield from _pod_terms(part(spec, "affinity"), f"{at}spec.affinity")
    yield from _addresses(spec, at)


def _node_terms(found: Object, path: str) -> Warnings:
    terms = list(indexed(part(found, REQUIRED), "nodeSelectorTerms", f"{path}.{REQUIRED}.nodeSelectorTerms"))
    for at, one in indexed(found, PREFERRED, f"{path}.{PREFERRED}"):
        terms.append((f"{at}.preference", part(one, "preference")))
    for at, term in terms:
        for expression_at, one in indexed(term, "matchExpressions", f"{at}.matchExpressions"):
            if (key := text(one, "key")) in NODE_LABELS:
                yield f"{expression_at}.key: {key} is {NODE_LABELS[key]}"


def _spread(spec: Object, path: str) -> Warnings:
    for at, one in indexed(spec, "topologySpreadConstraints", path):
        if (key := text(one, "topologyKey")) in NODE_LABELS:
            yield f"{at}.topologyKey: {key} is {NODE_LABELS[key]}"
        if not has(one, "labelSelector"):
            yield f"{at}.labelSelector: {_NULL}"


def _volumes(spec: Object, path: str) -> Warnings:
    for at, volume in indexed(spec, "volumes", path):
        for kind, says in _VOLUMES.items():
            if has(volume, kind):
                yield f"{at}.{'storageOS' if kind == 'storageos' else kind}: {says}"


def _duplicates(spec: Object, at: str) -> Warnings:
    for key, field, what in (("hostAliases", "ip", "ip"), ("imagePullSecrets", "name", "name")):
        seen: set[str] = set()
        for one_at, one in indexed(spec, key, f"{at}spec.{key}"):
            value = text(one, field)
            if value in seen:
                yield f'{one_at}.{field}: duplicate {what} "{value}"'
            seen.add(value)
    for one_at, one in indexed(spec, "imagePullSecrets", f"{at}spec.imagePullSecrets"):
        if not text(one, "name"):
            yield f'{one_at}.name: invalid empty name ""'


def _container(container: Object, path: str, notes: Object, at: str) -> Warnings:
    key = _CONTAINER_SECCOMP + text(container, "name")
    if key in notes and not has(part(container, "securityContext"), "seccompProfile"):
        yield f'{at}metadata.annotations[{key}]: non-functional in v1.27+; use the "seccompProfile" field instead'
    for name in ("memory", "ephemeral-storage"):
        for which in ("limits", "requests"):
            amount = resources.read(part(container, "resources", which).get(name))
            if amount and amount.milli() % 1000:
                says = f'fractional byte value "{amount}" is invalid, must be an integer'
                yield f"{path}.resources.{which}[{name}]: {says}"
    seen: set[str] = set()
    for env_at, variable in indexed(container, "env", f"{path}.env"):
        name, reference = text(variable, "name"), f"$({text(variable, 'name')})"
        value = text(variable, "value")
        if name in seen and (has(variable, "valueFrom") or value == reference or reference not in value):
            yield f'{env_at}: hides previous definition of "{name}", which may be dropped when using apply'
        seen.add(name)


def _ports(spec: Object, path: str) -> Warnings:
    names: dict[str, str] = {}
    ports: dict[tuple[int, str], list[tuple[str, Object]]] = {}
    repeated: list[str] = []
    for container_at, container in all_containers(spec, path):
        for at, port in indexed(container, "ports", f"{container_at}.ports"):
            others = ports.setdefault((number(port, "containerPort"), text(port, "protocol")), [])
            for other_at, other in others:
                yield from _overlap(port, other, at, other_at)
            others.append((at, port))
            if (name := text(port, "name")) and (first := names.setdefault(name, at)) != at:
                says = f"services and probes that select ports by name will use {first}"
                repeated.append(f'{at}: duplicate port name "{name}" with {first}, {says}')
    yield from repeated


def _overlap(port: Object, other: Object, at: str, other_at: str) -> Warnings:
    here, there = text(port, "hostIP"), text(other, "hostIP")
    mine, its = number(port, "hostPort"), number(other, "hostPort")
    if (here, mine) == (there, its):
        yield f"{at}: duplicate port definition with {other_at}"
    elif not mine or not its:
        yield f"{at}: overlapping port definition with {other_at}"
    elif mine == its and (not here) != (not there):
        yield f"{at}: dangerously ambiguous port definition with {other_at}"


def _pod_terms(affinity: Object, path: str) -> Warnings:
    for kind in ("podAffinity", "podAntiAffinity"):
        found = part(affinity, kind)
        for at, term in indexed(found, REQUIRED, f"{path}.{kind}.{REQUIRED}"):
            if not has(term, "labelSelector"):
                yield f"{at}.labelSelector: {_NULL}"
        for at, one in indexed(found, PREFERRED, f"{path}.{kind}.{PREFERRED}"):
            if not has(part(one, "podAffinityTerm"), "labelSelector"):
                yield f"{at}.podAffinityTerm.labelSelector: {_NULL}"


def _addresses(spec: Object, at: str) -> Warnings:
    for index, server in enumerate(texts(part(spec, "dnsConfig"), "nameservers")):
        yield from addresses.ip_warnings(f"{at}spec.dnsConfig.nameservers[{index}]", server)
    for index, alias in enumerate(objects(spec, "hostAliases")):
        yield from addresses.ip_warnings(f"{at}spec.hostAliases[{index}].ip", text(alias, "ip"))
