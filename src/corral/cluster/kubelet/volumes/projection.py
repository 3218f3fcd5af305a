"""Which files a volume from the API has. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from corral.cluster.kubelet.containers.environment import Found, container_named
from corral.cluster.kubelet.containers.fields import field, resource
from corral.cluster.kubelet.errors import NotMounted
from corral.cluster.kubelet.volumes.atomic import File

Object = dict[str, Any]

DEFAULT_MODE: Final = 0o644
KINDS: Final = {"configMap": "configmaps", "secret": "secrets"}


class Wanted(NamedTuple):
    """What a volume needs to be known before its files can be written: objects by plural and name, and tokens."""

    objects: frozenset[tuple[str, str]]
    tokens: tuple[Object, ...]


class Known(NamedTuple):
    """`tokens` by path."""

    objects: Found
    tokens: Mapping[str, str]
    allocatable: Mapping[str, str]


def sources(volume: Object) -> list[tuple[str, Object]]:
    """(kind, source) for each part of the volume; nothing for one that is not from the API.

    >>> sources({"name": "v", "configMap": {"name": "a"}})
    [('configMap', {'name': 'a'})]
    """
    for kind in ("configMap", "secret", "downwardAPI"):
        if kind in volume:
            return [(kind, volume[kind])]
    parts = (volume.get("projected") or {}).get("sources") or ()
    return [(kind, source) for part in parts for kind, source in part.items()]


def object_name(source: Object) -> str:
    return str(source.get("secretName") or source.get("name") or "")


def plan_wanted(volume: Object) -> Wanted:
    """NotMounted names a source that is not offered.

    >>> plan_wanted({"name": "v", "secret": {"secretName": "s"}}).objects
    frozenset({('secrets', 's')})
    """
    objects, tokens = set(), []
    for kind, source in sources(volume):
        if kind in KINDS:
            objects.add((KINDS[kind], object_name(source)))
        elif kind == "serviceAccountToken":
            tokens.append(source)
        elif kind != "downwardAPI":
            raise NotMounted(f"projected source {kind} is not offered by this node")
    return Wanted(frozenset(objects), tuple(tokens))


def plan_files(pod: Object, volume: Object, known: Known) -> dict[str, File]:
    """The volume's files by path. NotMounted where something that is not optional is missing.

    >>> objects = {("configmaps", "a"): {"data": {"k": "v"}}}
    >>> pod = {"metadata": {"name": "p", "namespace": "d"}, "spec": {}}
    >>> plan_files(pod, {"name": "v", "configMap": {"name": "a"}}, Known(objects, {}, {}))
    {'k': File(data=b'v', mode=420, owner=-1)}
    """
    mode = next((volume[kind].get("defaultMode") for kind in ("configMap", "secret", "downwardAPI", "projected")
                 if volume.get(kind) is not None), None)  # fmt: skip
    mode = DEFAULT_MODE if mode is None else int(mode)
    files: dict[str, File] = {}
    for kind, source in sources(volume):
        if kind in KINDS:
            files |= _from_object(pod, kind, source, known, mode)
        elif kind == "downwardAPI":
            files |= _from_pod(pod, source, known, mode)
        elif kind == "serviceAccountToken":
            shared = (pod["spec"].get("securityContext") or {}).get("fsGroup") is not None
            owner = common_user(pod)
            token_mode = 0o600 if shared or owner >= 0 else mode
            files[source["path"]] = File(known.tokens[source["path"]].encode(), token_mode, owner)
    return files


def _from_object(pod: Object, kind: str, source: Object, known: Known, mode: int) -> dict[str, File]:
    name, optional = object_name(source), bool(source.get("optional"))
    obj = known.objects.get((KINDS[kind], name))
    if obj is None:
        if optional:
            return {}
        raise NotMounted(f'{kind.lower()} "{name}" not found')
    values = payload(obj)
    items = source.get("items")
    if items is None:
        return {key: File(data, mode) for key, data in values.items()}
    files = {}
    for item in items:
        if item["key"] in values:
            files[item["path"]] = File(values[item["key"]], mode if item.get("mode") is None else int(item["mode"]))
        elif not optional:
            raise NotMounted(f"references non-existent {'secret' if kind == 'secret' else 'config'} key: {item['key']}")
    return files


def payload(obj: Object) -> dict[str, bytes]:
    """
    >>> payload({"kind": "Secret", "data": {"a": "AQ=="}}), payload({"binaryData": {"b": "AQ=="}, "data": {"c": "x"}})
    ({'a': b'\\x01'}, {'c': b'x', 'b': b'\\x01'})
    """
    data = obj.get("data") or {}
    if obj.get("kind") == "Secret" or "type" in obj:
        return {key: base64.b64decode(value) for key, value in data.items()}
    found = {key: value.encode() for key, value in data.items()}
    return found | {key: base64.b64decode(value) for key, value in (obj.get("binaryData") or {}).items()}


def _from_pod(pod: Object, source: Object, known: Known, mode: int) -> dict[str, File]:
    files = {}
    for item in source.get("items") or ():
        if "fieldRef" in item:
            text = field(pod, item["fieldRef"]["fieldPath"])
        else:
            ref = item["resourceFieldRef"]
            container = container_named(pod, ref["containerName"])
            text = resource(container, ref["resource"], str(ref.get("divisor") or "0"), known.allocatable)
        files[item["path"]] = File(text.encode(), mode if item.get("mode") is None else int(item["mode"]))
    return files


def common_user(pod: Object) -> int:
    """The user that all containers run as, -1 where they do not say or do not agree.

    >>> common_user({"spec": {"securityContext": {"runAsUser": 7}, "containers": [{}, {}]}})
    7
    """
    spec = pod["spec"]
    whole = (spec.get("securityContext") or {}).get("runAsUser")
    users = set()
    for one in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        own = (one.get("securityContext") or {}).get("runAsUser")
        users.add(whole if own is None else own)
    found = users.pop() if len(users) == 1 else None
    return -1 if found is None else int(found)
