"""The containers of a pod: regular ones, those that initialise it, and ephemeral ones. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from corral.model.kubernetes import names
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.checks import PROTOCOLS, Problems, dns_label, each, one_of
from corral.model.kubernetes.kinds.core import resources
from corral.model.kubernetes.kinds.core.pod_spec.environment import check_env, check_env_from
from corral.model.kubernetes.kinds.core.pod_spec.mounts import check_devices, check_mounts
from corral.model.kubernetes.kinds.core.pod_spec.probes import PROBES, check_lifecycle, check_probes
from corral.model.kubernetes.kinds.core.pod_spec.scope import Scope, is_sidecar
from corral.model.kubernetes.kinds.core.pod_spec.security import check_container_context
from corral.model.kubernetes.kinds.fields import has, indexed, number, objects, part, text, values
from corral.model.kubernetes.kinds.fields import names as names_of
from corral.model.kubernetes.problems import (
    duplicate,
    forbidden,
    invalid,
    not_found,
    not_supported,
    required,
    too_long,
)

_PULL = ("Always", "IfNotPresent", "Never")
_MESSAGES = ("File", "FallbackToLogsOnError")
_RESTARTS = ("Always", "Never", "OnFailure")
_ONLY_SIDECARS = "may not be set for init containers without restartPolicy=Always"
_NOT_EPHEMERAL = "cannot be set for an Ephemeral Container"
_EPHEMERAL_FORBIDS = ("ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "resizePolicy")


def check_containers(spec: Object, path: str, scope: Scope) -> Problems:
    if not objects(spec, "containers"):
        yield required(path)
        return
    seen: set[str] = set()
    for at, container in indexed(spec, "containers", path):
        yield from _common(container, at, scope)
        name = text(container, "name")
        if name in seen:
            yield duplicate(f"{at}.name", name)
        seen.add(name)
        yield from check_lifecycle(container, f"{at}.lifecycle", scope)
        yield from check_probes(container, at, scope)
        yield from _restart(container, at)
    yield from _host_ports(objects(spec, "containers"), path)


def check_init_containers(spec: Object, path: str, scope: Scope) -> Problems:
    seen = names_of(objects(spec, "containers"))
    for at, container in indexed(spec, "initContainers", path):
        yield from _common(container, at, scope)
        if has(container, "restartPolicy"):
            yield from _init_restart(container, at)
        name = text(container, "name")
        if name in seen:
            yield duplicate(f"{at}.name", name)
        elif name:
            seen.add(name)
        yield from _host_ports([container], path)
        if is_sidecar(container):
            yield from check_lifecycle(container, f"{at}.lifecycle", scope)
            yield from check_probes(container, at, scope)
        else:
            for key in ("lifecycle", *PROBES):
                if has(container, key):
                    yield forbidden(f"{at}.{key}", _ONLY_SIDECARS)


def check_ephemeral_containers(spec: Object, path: str, scope: Scope) -> Problems:
    others = names_of(objects(spec, "containers")) | names_of(objects(spec, "initContainers"))
    seen = set(others)
    for at, container in indexed(spec, "ephemeralContainers", path):
        yield from _common(container, at, scope)
        yield from check_image_spaces(container, at)
        name, target = text(container, "name"), text(container, "targetContainerName")
        if name in seen:
            yield duplicate(f"{at}.name", name)
        seen.add(name)
        if target and target not in others:
            yield not_found(f"{at}.targetContainerName", target)
        for key in _EPHEMERAL_FORBIDS:
            if container.get(key):
                yield forbidden(f"{at}.{key}", _NOT_EPHEMERAL)
        if part(container, "resources"):
            yield forbidden(f"{at}.resources", _NOT_EPHEMERAL)
        for mount_at, mount in indexed(container, "volumeMounts", f"{at}.volumeMounts"):
            for key in ("subPath", "subPathExpr"):
                if text(mount, key):
                    yield forbidden(f"{mount_at}.{key}", _NOT_EPHEMERAL)


def check_image_spaces(container: Object, path: str) -> Problems:
    image = text(container, "image")
    if image != image.strip():
        yield invalid(f"{path}.image", image, "must not have leading or trailing whitespace")


def _common(container: Object, path: str, scope: Scope) -> Problems:
    name = text(container, "name")
    if not name:
        yield required(f"{path}.name")
    else:
        yield from each(f"{path}.name", name, dns_label(name))
    if not text(container, "image"):
        yield required(f"{path}.image")
    yield from one_of(container, "terminationMessagePolicy", path, _MESSAGES)
    if "ports" in container:
        yield from _ports(container, f"{path}.ports")
    if "env" in container:
        yield from check_env(container, f"{path}.env")
    if "envFrom" in container:
        yield from check_env_from(container, f"{path}.envFrom")
    if "volumeMounts" in container:
        yield from check_mounts(container, f"{path}.volumeMounts", scope.volumes)
    if "volumeDevices" in container:
        yield from check_devices(container, f"{path}.volumeDevices", scope.volumes)
    yield from one_of(container, "imagePullPolicy", path, _PULL)
    yield from resources.requirements(part(container, "resources"), f"{path}.resources", scope.claims)
    if "resizePolicy" in container:
        yield from _resize(container, f"{path}.resizePolicy", scope)
    yield from check_container_context(container, f"{path}.securityContext", scope.host_users)


def _ports(container: Object, path: str) -> Problems:
    """
    >>> [str(one) for one in _ports({"ports": [{"containerPort": 0, "protocol": "TCP"}]}, "ports")]
    ['ports[0].containerPort: Required value']
    """
    seen: set[str] = set()
    for at, port in indexed(container, "ports", path):
        if name := text(port, "name"):
            if problems := names.port_name(name):
                yield from each(f"{at}.name", name, problems)
            elif name in seen:
                yield duplicate(f"{at}.name", name)
            seen.add(name)
        if not number(port, "containerPort"):
            yield required(f"{at}.containerPort")
        for key in ("containerPort", "hostPort"):
            if value := number(port, key):
                yield from each(f"{at}.{key}", value, names.port_number(value))
        yield from one_of(port, "protocol", at, PROTOCOLS)


def _host_ports(containers: Sequence[Object], path: str) -> Problems:
    seen: set[str] = set()
    for index, container in enumerate(containers):
        for at, port in indexed(container, "ports", f"{path}[{index}].ports"):
            if host := number(port, "hostPort"):
                key = f"{text(port, 'protocol')}/{text(port, 'hostIP')}/{host}"
                if key in seen:
                    yield duplicate(f"{at}.hostPort", key)
                seen.add(key)


def _resize(container: Object, path: str, scope: Scope) -> Problems:
    seen: set[str] = set()
    for at, policy in indexed(container, "resizePolicy", path):
        name, restart = text(policy, "resourceName"), text(policy, "restartPolicy")
        if name in seen:
            yield duplicate(at, name)
        seen.add(name)
        for value, allowed in ((name, ("cpu", "memory")), (restart, ("NotRequired", "RestartContainer"))):
            if not value:
                yield required(path)
            elif value not in allowed:
                yield not_supported(path, value, allowed)
        if scope.restart_policy == "Never" and restart != "NotRequired":
            yield invalid(path, restart, "must be 'NotRequired' when `restartPolicy` is 'Never'")


def _init_restart(container: Object, path: str) -> Problems:
    if is_sidecar(container):
        if values(container, "restartPolicyRules"):
            detail = "restartPolicyRules are not allowed for init containers with restart policy Always"
            yield forbidden(f"{path}.restartPolicyRules", detail)
    else:
        yield from _restart(container, path)


def _restart(container: Object, path: str) -> Problems:
    rules = objects(container, "restartPolicyRules")
    policy = container.get("restartPolicy")
    if policy is None:
        if rules:
            yield required(f"{path}.restartPolicy", "must specify restartPolicy when restart rules are used")
    elif policy not in _RESTARTS:
        yield not_supported(f"{path}.restartPolicy", policy, _RESTARTS)
    if len(rules) > 20:
        yield too_long(f"{path}.restartPolicyRules", 20)
    for at, rule in indexed(container, "restartPolicyRules", f"{path}.restartPolicyRules"):
        if text(rule, "action") not in ("Restart", "RestartAllContainers"):
            yield not_supported(f"{at}.action", text(rule, "action"), ("Restart", "RestartAllContainers"))
        if not isinstance(rule.get("exitCodes"), dict):
            yield required(f"{at}.exitCodes", "must be specified")
            continue
        codes = rule["exitCodes"]
        if text(codes, "operator") not in ("In", "NotIn"):
            yield not_supported(f"{at}.exitCodes.operator", text(codes, "operator"), ("In", "NotIn"))
        if len(values(codes, "values")) > 255:
            yield too_long(f"{at}.exitCodes.values", 255)
