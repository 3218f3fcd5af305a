"""APIServices of what this server serves itself: one for each version of each group, made and removed by itself. Pure.

The priorities are upstream's (k8s.io/kube-apiserver): they order discovery, and so decide which of several resources a
short name means. Follows kube-aggregator's autoregister controller.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from corral.model.kubernetes.discovery import version_order
from corral.model.kubernetes.kinds.fields import number, part, text
from corral.model.kubernetes.resources import Resource

Object = dict[str, Any]
Version = tuple[str, str]
Rank = tuple[Any, ...]
MANAGED: Final = "kube-aggregator.kubernetes.io/automanaged"
ONSTART, ALWAYS = "onstart", "true"
OWN: Final = "apiregistration.k8s.io"
CUSTOM: Final = (1000, 100)
PRIORITIES: Final[dict[Version, tuple[int, int]]] = {
    ("", "v1"): (18000, 1),
    ("apps", "v1"): (17800, 15),
    ("events.k8s.io", "v1"): (17750, 15),
    ("authentication.k8s.io", "v1"): (17700, 15),
    ("authorization.k8s.io", "v1"): (17600, 15),
    ("autoscaling", "v2"): (17500, 30),
    ("autoscaling", "v1"): (17500, 15),
    ("batch", "v1"): (17400, 15),
    ("certificates.k8s.io", "v1"): (17300, 15),
    ("networking.k8s.io", "v1"): (17200, 15),
    ("policy", "v1"): (17100, 15),
    ("rbac.authorization.k8s.io", "v1"): (17000, 15),
    ("storage.k8s.io", "v1"): (16800, 15),
    ("apiextensions.k8s.io", "v1"): (16700, 15),
    ("admissionregistration.k8s.io", "v1"): (16700, 15),
    ("scheduling.k8s.io", "v1"): (16600, 15),
    ("coordination.k8s.io", "v1"): (16500, 15),
    ("node.k8s.io", "v1"): (16300, 15),
    ("discovery.k8s.io", "v1"): (16200, 15),
    ("flowcontrol.apiserver.k8s.io", "v1"): (16100, 21),
    ("resource.k8s.io", "v1"): (15900, 20),
    ("storagemigration.k8s.io", "v1"): (15800, 20),
}


def name_of(group: str, version: str) -> str:
    """
    >>> name_of("", "v1"), name_of("apps", "v1")
    ('v1.', 'v1.apps')
    """
    return f"{version}.{group}"


def wanted(builtin: Iterable[Resource], custom: Iterable[Version]) -> dict[str, Object]:
    """The APIServices by name. What serves APIServices needs none."""
    found = {}
    for group, version in dict.fromkeys((one.group, one.version) for one in builtin):
        if (group, version) in PRIORITIES:
            found[name_of(group, version)] = _service(group, version, PRIORITIES[group, version], ONSTART)
    for group, version in custom:
        found.setdefault(name_of(group, version), _service(group, version, CUSTOM, ALWAYS))
    return found


def _service(group: str, version: str, priorities: tuple[int, int], managed: str) -> Object:
    spec = {"group": group, "version": version, "groupPriorityMinimum": priorities[0], "versionPriority": priorities[1]}
    spec = {key: value for key, value in spec.items() if value != ""}
    metadata = {"name": name_of(group, version), "labels": {MANAGED: managed}}
    return {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": metadata, "spec": spec}


def plan(
    present: Mapping[str, Object], services: Mapping[str, Object], *, start: bool
) -> tuple[list[Object], list[str]]:
    """(to make, names to delete). What somebody has made or changed is left alone; `start`: built-in ones come back.

    >>> old = {"v1.gone.io": {"metadata": {"name": "v1.gone.io", "labels": {MANAGED: "true"}}}}
    >>> plan(old, {"v1.apps": {"metadata": {"name": "v1.apps", "labels": {MANAGED: "onstart"}}}}, start=False)
    ([], ['v1.gone.io'])
    """
    made = [
        one
        for name, one in services.items()
        if name not in present and (start or one["metadata"]["labels"][MANAGED] == ALWAYS)
    ]
    gone = [name for name, one in present.items() if name not in services and _managed(one)]
    return made, gone


def _managed(service: Object) -> bool:
    return bool((service["metadata"].get("labels") or {}).get(MANAGED))


def ranks(services: Iterable[Object]) -> dict[str, int]:
    """The priority of each group: the highest that a version of it asks for."""
    found: dict[str, int] = {}
    for one in services:
        spec = part(one, "spec")
        group = text(spec, "group")
        found[group] = max(found.get(group, 0), number(spec, "groupPriorityMinimum"))
    return found


def ordered(resources: Iterable[Resource], services: Iterable[Object]) -> list[Resource]:
    """As discovery lists them: groups by priority, then by name; versions by theirs; resources as they were.

    >>> a, b = (Resource(group, "v1", "x", "x", "X", "XList", True) for group in ("a.io", "b.io"))
    >>> [one.group for one in ordered([a, b], [{"spec": {"group": "b.io", "groupPriorityMinimum": 5}}])]
    ['b.io', 'a.io']
    """
    known = list(services)
    groups = ranks(known)
    specs = [part(one, "spec") for one in known]
    versions = {(text(one, "group"), text(one, "version")): number(one, "versionPriority") for one in specs}

    def rank(one: Resource) -> Rank:
        first = 20001 if one.group == OWN else groups.get(one.group, 0)
        return -first, one.group, -versions.get((one.group, one.version), 0), version_order(one.version)

    return sorted(resources, key=rank)
