"""Small questions about a pod's spec. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

Object = dict[str, Any]

MIRROR = "kubernetes.io/config.mirror"
LISTS = (("init", "initContainers"), ("main", "containers"), ("ephemeral", "ephemeralContainers"))


class Member(NamedTuple):
    """One container of a pod. `kind` is init, sidecar (an init container that goes on), main or ephemeral.

    A volume that is an image is pulled like a container's: `kind` is volume then, and `spec` has name and image.
    """

    kind: str
    spec: Object

    @property
    def name(self) -> str:
        return str(self.spec["name"])

    @property
    def field_path(self) -> str:
        """Where it stands in the pod, as events say it; they say nothing of where a volume does."""
        if self.kind == "volume":
            return ""
        place = {"init": "initContainers", "sidecar": "initContainers", "main": "containers"}
        return f"spec.{place.get(self.kind, 'ephemeralContainers')}{{{self.name}}}"


def members(pod: Object) -> Iterator[Member]:
    """All containers: first those that are started first.

    >>> pod = {"spec": {"containers": [{"name": "a"}], "initContainers": [{"name": "b", "restartPolicy": "Always"}]}}
    >>> [(member.kind, member.name) for member in members(pod)]
    [('sidecar', 'b'), ('main', 'a')]
    """
    for kind, field in LISTS:
        for spec in pod["spec"].get(field) or ():
            lasting = kind == "init" and spec.get("restartPolicy") == "Always"
            yield Member("sidecar" if lasting else kind, spec)


def member(pod: Object, name: str) -> Member | None:
    return next((one for one in members(pod) if one.name == name), None)


def full_name(pod: Object) -> str:
    """As the kubelet's messages call a pod.

    >>> full_name({"metadata": {"name": "web", "namespace": "shop", "uid": "u1"}})
    'web_shop(u1)'
    """
    meta = pod["metadata"]
    return f"{meta['name']}_{meta['namespace']}({meta['uid']})"


def uid_of(pod: Object) -> str:
    """By which its containers are found: of a mirror pod the static pod's.

    >>> uid_of({"metadata": {"uid": "a"}}), uid_of({"metadata": {"uid": "a", "annotations": {MIRROR: "b"}}})
    ('a', 'b')
    """
    return str((pod["metadata"].get("annotations") or {}).get(MIRROR) or pod["metadata"]["uid"])


def restart_policy(pod: Object) -> str:
    return str(pod["spec"].get("restartPolicy") or "Always")


def is_terminal(pod: Object) -> bool:
    """Whether it has come to its end: nothing of it is started any more."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def is_evicted(pod: Object) -> bool:
    """Whether it was ended for what it took of the node, and that is to be given back."""
    return is_terminal(pod) and pod["status"].get("reason") == "Evicted"


def host_network(pod: Object) -> bool:
    return bool(pod["spec"].get("hostNetwork"))


def own_users(pod: Object) -> bool:
    """Whether its root is nobody on the node."""
    return pod["spec"].get("hostUsers") is False


def hostname(pod: Object, node: str) -> str:
    """The name that the pod has for itself: its own, at most 63 characters of it; the node's with the host's network.

    >>> hostname({"metadata": {"name": "web-0"}, "spec": {"hostname": "db"}}, "n1")
    'db'
    """
    spec = pod["spec"]
    if host_network(pod):
        return node
    wanted = spec.get("hostnameOverride") or spec.get("hostname") or pod["metadata"]["name"]
    return str(wanted)[:63].rstrip("-.")


def subdomain(pod: Object, domain: str) -> str:
    """The rest of its full name in the cluster, "" for a pod that has none.

    >>> subdomain({"metadata": {"namespace": "shop"}, "spec": {"subdomain": "db"}}, "cluster.local")
    'db.shop.svc.cluster.local'
    """
    name = pod["spec"].get("subdomain")
    return f"{name}.{pod['metadata']['namespace']}.svc.{domain}" if name else ""
