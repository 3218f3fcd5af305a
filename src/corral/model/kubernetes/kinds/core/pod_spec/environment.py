"""The environment of a container: its variables, and where they come from. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from corral.model.kubernetes import names
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.checks import (
    Problems,
    dns_label,
    dns_subdomain,
    each,
    need,
    qualified_name,
    without_steps_up,
)
from corral.model.kubernetes.kinds.core.resources import read
from corral.model.kubernetes.kinds.fields import indexed, part, text
from corral.model.kubernetes.problems import invalid, not_supported, required

_ENV_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
VOLUME_FIELDS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
_KNOWN_FIELDS = frozenset((*_ENV_FIELDS, *VOLUME_FIELDS, "spec.restartPolicy", "spec.schedulerName", "status.phase"))
_RESOURCES = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
_HUGE = ("limits.hugepages-", "requests.hugepages-")
_SIZES = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_SOURCES = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"


def check_env(container: Object, path: str) -> Problems:
    for at, variable in indexed(container, "env", path):
        name = text(variable, "name")
        if not name:
            yield required(f"{at}.name")
        else:
            yield from each(f"{at}.name", name, names.environment_name(name))
        if isinstance(variable.get("valueFrom"), dict):
            yield from _value_from(variable, f"{at}.valueFrom")


def _value_from(variable: Object, path: str) -> Problems:
    """
    >>> variable = {"name": "A", "value": "1", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    >>> [str(one) for one in _value_from(variable, "valueFrom")]
    ['valueFrom: Invalid value: "": may not be specified when `value` is not empty']
    """
    found, sources = variable["valueFrom"], 0
    for key, check in _CHECKS.items():
        if isinstance(found.get(key), dict):
            sources += 1
            yield from check(found[key], f"{path}.{key}")
    if not sources:
        yield invalid(path, "", f"must specify one of: {_SOURCES}")
    elif text(variable, "value"):
        yield invalid(path, "", "may not be specified when `value` is not empty")
    elif sources > 1:
        yield invalid(path, "", "may not have more than one field specified at a time")


def field_ref(found: Object, path: str, allowed: Sequence[str] = _ENV_FIELDS) -> Problems:
    """A field of the pod itself, such as metadata.labels['app']."""
    yield from need(found, path, "apiVersion", "fieldPath")
    field = text(found, "fieldPath")
    if not text(found, "apiVersion") or not field:
        return
    base, subscript = _split(field)
    if text(found, "apiVersion") != "v1":
        api_version = text(found, "apiVersion")
        detail = f"error converting fieldPath: unsupported pod version: {api_version}"
        yield invalid(f"{path}.fieldPath", field, detail)
    elif subscript is None:
        if base not in _KNOWN_FIELDS:
            detail = f"error converting fieldPath: field label not supported: {base}"
            yield invalid(f"{path}.fieldPath", field, detail)
        elif base not in allowed:
            yield not_supported(f"{path}.fieldPath", base, allowed)
    elif base in ("metadata.annotations", "metadata.labels"):
        key = subscript.lower() if base == "metadata.annotations" else subscript
        yield from each(path, key, qualified_name(key))
    else:
        detail = f"error converting fieldPath: field label does not support subscript: {field}"
        yield invalid(f"{path}.fieldPath", field, detail)


def _split(field: str) -> tuple[str, str | None]:
    """
    >>> _split("metadata.labels['app']"), _split("metadata.name")
    (('metadata.labels', 'app'), ('metadata.name', None))
    """
    base, bracket, rest = field.partition("['")
    return (base, rest.removesuffix("']")) if bracket and rest.endswith("']") else (field, None)


def resource_field_ref(found: Object, path: str, in_volume: bool = False) -> Problems:
    """The limit or request of a container."""
    name = text(found, "resource")
    if in_volume and not text(found, "containerName"):
        yield required(f"{path}.containerName")
    elif not name:
        yield required(f"{path}.resource")
    elif name not in _RESOURCES and not name.startswith(_HUGE):
        yield not_supported(f"{path}.resource", name, _RESOURCES)
    yield from _divisor(name, found, path)


def _divisor(name: str, found: Object, path: str) -> Problems:
    amount = read(found.get("divisor"))
    if not amount:
        return
    if name.endswith(".cpu"):
        if str(amount) not in ("1m", "1"):
            detail = "only divisor's values 1m and 1 are supported with the cpu resource"
            yield invalid(f"{path}.divisor", name, detail)
    elif str(amount) not in _SIZES and name:
        kind = "hugepages" if name.startswith(_HUGE) else name.partition(".")[2]
        kind = {"ephemeral-storage": "local ephemeral storage"}.get(kind, kind)
        if kind in ("memory", "local ephemeral storage", "hugepages"):
            detail = f"only divisor's values {', '.join(_SIZES)} are supported with the {kind} resource"
            yield invalid(f"{path}.divisor", name, detail)


def _key_ref(found: Object, path: str) -> Problems:
    name, key = text(found, "name"), text(found, "key")
    yield from each(f"{path}.name", name, dns_subdomain(name))
    if not key:
        yield required(f"{path}.key")
    else:
        yield from each(f"{path}.key", key, names.config_key(key))


def _file_ref(found: Object, path: str) -> Problems:
    key, volume = text(found, "key"), text(found, "volumeName")
    yield from need(found, path, "key")
    if key:
        yield from each(f"{path}.key", key, names.environment_name(key))
    yield from need(found, path, "volumeName")
    if volume:
        yield from each(f"{path}.volumeName", volume, dns_label(volume))
    yield from need(found, path, "path")
    yield from without_steps_up(text(found, "path"), f"{path}.path")


_CHECKS: dict[str, Callable[[Object, str], Problems]] = {
    "fieldRef": field_ref,
    "resourceFieldRef": resource_field_ref,
    "configMapKeyRef": _key_ref,
    "secretKeyRef": _key_ref,
    "fileKeyRef": _file_ref,
}


def check_env_from(container: Object, path: str) -> Problems:
    for at, source in indexed(container, "envFrom", path):
        if prefix := text(source, "prefix"):
            yield from each(f"{at}.prefix", prefix, names.environment_name(prefix))
        refs = [key for key in ("configMapRef", "secretRef") if isinstance(source.get(key), dict)]
        for key in refs:
            name = text(part(source, key), "name")
            if not name:
                yield required(f"{at}.{key}.name")
            else:
                yield from each(f"{at}.{key}.name", name, dns_subdomain(names.mask_dash(name)))
        if not refs:
            yield invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")
        elif len(refs) > 1:
            yield invalid(path, "", "may not have more than one field specified at a time")
