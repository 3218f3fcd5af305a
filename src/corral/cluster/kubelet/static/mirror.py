"""What the API shows of static pods: mirror pods. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from corral.cluster.kubelet.pods import MIRROR
from corral.cluster.kubelet.static.manifest import SOURCE

Object = dict[str, Any]


class Actions(NamedTuple):
    """`delete`: mirror pods that are wrong; `create`: keys of static pods that have none."""

    delete: list[Object]
    create: list[str]


def key_of(pod: Object) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def is_mirror(pod: Object) -> bool:
    return MIRROR in (pod["metadata"].get("annotations") or {})


def is_static(pod: Object) -> bool:
    """
    >>> is_static({"metadata": {"annotations": {SOURCE: "file"}}}), is_static({"metadata": {}})
    (True, False)
    """
    notes = pod["metadata"].get("annotations") or {}
    return notes.get(SOURCE) == "file" and MIRROR not in notes


def plan_mirror(pod: Object, node: Object) -> Object:
    """The mirror pod of a static one: the same, with an annotation by which each knows the other; the node owns it.

    >>> pod = {"metadata": {"name": "web-n1", "namespace": "d", "uid": "h"}, "spec": {}, "status": {}}
    >>> made = plan_mirror(pod, {"metadata": {"name": "n1", "uid": "u"}})
    >>> made["metadata"]["annotations"], made["metadata"]["ownerReferences"][0]["name"], "uid" in made["metadata"]
    ({'kubernetes.io/config.mirror': 'h'}, 'n1', False)
    """
    meta = {key: value for key, value in pod["metadata"].items() if key not in ("uid", "generation")}
    meta["annotations"] = {**(meta.get("annotations") or {}), MIRROR: pod["metadata"]["uid"]}
    owner = {"apiVersion": "v1", "kind": "Node", "name": node["metadata"]["name"], "uid": node["metadata"]["uid"]}
    meta["ownerReferences"] = [{**owner, "controller": True}]
    return {**{key: value for key, value in pod.items() if key != "status"}, "metadata": meta}


def plan_mirrors(pods: Mapping[str, Object], mirrors: Mapping[str, Object]) -> Actions:
    """Both by "namespace/name". A mirror pod of nothing goes; one of an older manifest, or that somebody has deleted,
    goes and is made anew.

    >>> pod = lambda uid: {"metadata": {"uid": uid}}
    >>> mirror = lambda hash, **more: {"metadata": {"annotations": {MIRROR: hash}, **more}}
    >>> plan_mirrors({"d/a": pod("1"), "d/b": pod("2")}, {"d/a": mirror("1"), "d/c": mirror("3")})
    Actions(delete=[{'metadata': {'annotations': {'kubernetes.io/config.mirror': '3'}}}], create=['d/b'])
    >>> len(plan_mirrors({"d/a": pod("1")}, {"d/a": mirror("0")}).delete)
    1
    """
    delete = [one for key, one in mirrors.items() if not _fits(one, pods.get(key))]
    create = [key for key in pods if key not in mirrors]
    return Actions(delete, create)


def plan_remembered(pod: Object, mirror: Object | None) -> Object:
    """A static pod with the status that the API still has of it, as after a new start of the daemon.

    >>> mirror = {"metadata": {"annotations": {MIRROR: "h"}}, "status": {"phase": "Running"}}
    >>> plan_remembered({"metadata": {"uid": "h"}}, mirror)["status"]
    {'phase': 'Running'}
    >>> plan_remembered({"metadata": {"uid": "other"}}, mirror)
    {'metadata': {'uid': 'other'}}
    """
    if mirror is None or mirror["metadata"]["annotations"][MIRROR] != pod["metadata"]["uid"]:
        return pod
    return {**pod, "status": mirror.get("status") or {}}


def _fits(mirror: Object, pod: Object | None) -> bool:
    meta = mirror["metadata"]
    return pod is not None and meta["annotations"][MIRROR] == pod["metadata"]["uid"] and "deletionTimestamp" not in meta
