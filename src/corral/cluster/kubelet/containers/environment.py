"""A container's variables: from services, from whole ConfigMaps and Secrets, and its own, in this order. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, NamedTuple

from corral.cluster.kubelet.containers.expansion import expand
from corral.cluster.kubelet.containers.fields import field, resource
from corral.cluster.kubelet.errors import BadConfig

Object = dict[str, Any]
Found = Mapping[tuple[str, str], Object | None]  # (configmaps or secrets, name) -> the object, None: not there


class References(NamedTuple):
    """What a container's environment refers to."""

    config_maps: frozenset[str]
    secrets: frozenset[str]


def references(container: Object) -> References:
    """
    >>> references({"envFrom": [{"configMapRef": {"name": "a"}}], "env": [
    ...     {"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]})
    References(config_maps=frozenset({'a'}), secrets=frozenset({'s'}))
    """
    sources = [one.get("valueFrom") or {} for one in container.get("env") or ()]
    whole = container.get("envFrom") or []
    config_maps = [one.get("configMapKeyRef") for one in sources] + [one.get("configMapRef") for one in whole]
    secrets = [one.get("secretKeyRef") for one in sources] + [one.get("secretRef") for one in whole]
    return References(
        frozenset(one.get("name", "") for one in config_maps if one),
        frozenset(one.get("name", "") for one in secrets if one),
    )


def plan_environment(
    pod: Object, container: Object, found: Found, services: Mapping[str, str], allocatable: Mapping[str, str]
) -> dict[str, str]:
    """All variables. BadConfig where something that is not optional is missing.

    >>> pod = {"metadata": {"name": "web", "namespace": "d"}, "spec": {}}
    >>> env = [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)2"},
    ...        {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
    >>> plan_environment(pod, {"env": env}, {}, {"A": "0", "S": "s"}, {})
    {'S': 's', 'A': '1', 'B': '12', 'C': 'web'}
    """
    made: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        made |= _whole(pod, source, found)
    for one in container.get("env") or ():
        value = one.get("value")
        if value is not None and value != "":
            made[one["name"]] = expand(value, {**services, **made})
        elif one.get("valueFrom"):
            told = _referred(pod, container, one["valueFrom"], found, allocatable)
            if told is not None:
                made[one["name"]] = told
        else:
            made[one["name"]] = ""
    return {name: value for name, value in services.items() if name not in made} | made


def _whole(pod: Object, source: Object, found: Found) -> dict[str, str]:
    prefix = source.get("prefix") or ""
    for key, plural, kind in (("configMapRef", "configmaps", "configmap"), ("secretRef", "secrets", "secret")):
        ref = source.get(key)
        if ref:
            obj = found.get((plural, ref.get("name", "")))
            if obj is None:
                if ref.get("optional"):
                    return {}
                raise BadConfig(f'{kind} "{ref.get("name", "")}" not found')
            return {f"{prefix}{name}": text for name, text in sorted(texts(obj).items())}
    return {}


def texts(obj: Object) -> dict[str, str]:
    """The values of a ConfigMap or a Secret as texts.

    >>> texts({"kind": "Secret", "data": {"k": "dg=="}}), texts({"kind": "ConfigMap", "data": {"k": "v"}})
    ({'k': 'v'}, {'k': 'v'})
    """
    data = obj.get("data") or {}
    if obj.get("kind") == "Secret" or "stringData" in obj or "type" in obj:
        return {key: base64.b64decode(value).decode(errors="surrogateescape") for key, value in data.items()}
    return dict(data)


def _referred(
    pod: Object, container: Object, source: Object, found: Found, allocatable: Mapping[str, str]
) -> str | None:
    """None: it is optional, and not there."""
    if "fieldRef" in source:
        return field(pod, source["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in source:
        ref = source["resourceFieldRef"]
        meant = container_named(pod, ref.get("containerName")) if ref.get("containerName") else container
        return resource(meant, ref["resource"], str(ref.get("divisor") or "0"), allocatable)
    if "configMapKeyRef" in source:
        return _key(pod, source["configMapKeyRef"], found, "configmaps", "ConfigMap")
    if "secretKeyRef" in source:
        return _key(pod, source["secretKeyRef"], found, "secrets", "Secret")
    raise BadConfig(f"a variable from {', '.join(source)} is not offered by this node")


def container_named(pod: Object, name: str) -> Object:
    lists = (pod["spec"].get("containers") or (), pod["spec"].get("initContainers") or ())
    for some in lists:
        for one in some:
            if one["name"] == name:
                return dict(one)
    raise BadConfig(f"container {name} not found")


def _key(pod: Object, ref: Object, found: Found, plural: str, kind: str) -> str | None:
    name, key = ref.get("name", ""), ref["key"]
    obj = found.get((plural, name))
    if obj is None:
        if ref.get("optional"):
            return None
        raise BadConfig(f'{kind.lower()} "{name}" not found')
    values = texts(obj)
    if key not in values:
        if ref.get("optional"):
            return None
        raise BadConfig(f"couldn't find key {key} in {kind} {pod['metadata'].get('namespace', '')}/{name}")
    return values[key]
