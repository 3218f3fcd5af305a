"""Which groups, versions and resources there are: the discovery documents, made of Resources alone.

So resources of CustomResourceDefinitions are in them as soon as they are in the list. Groups, and the versions of each,
stand in the order in which the resources bring them; the first version is the preferred one. A version of which nothing
else is known is told of by a `nothing`. Follows
metav1.APIGroupList, metav1.APIResourceList and apidiscovery.k8s.io (aggregated discovery, v2 and v2beta1).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from corral.model.kubernetes.resources import GroupVersionKind, Resource, Subresource

AGGREGATED_VERSIONS = ("v2", "v2beta1")
# What is stored in another version or group than it is served in.
_STORED = {
    ("autoscaling", "HorizontalPodAutoscaler"): GroupVersionKind("autoscaling", "v2", "HorizontalPodAutoscaler"),
    ("events.k8s.io", "Event"): GroupVersionKind("", "v1", "Event"),
}


def nothing(group: str, version: str) -> Resource:
    """Pure: stands for a version that is there, whatever it has.

    >>> group_list([nothing("a.io", "v1")])["groups"][0]["name"], resource_list([nothing("a.io", "v1")], "a.io", "v1")
    ('a.io', None)
    """
    return Resource(group, version, "", "", "", "", False)


def api_versions(address: str) -> dict[str, Any]:
    """Pure: /api. `address` is where clients reach the server, as host:port."""
    servers = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": servers}


def group_list(resources: Iterable[Resource]) -> dict[str, Any]:
    """Pure: /apis.

    >>> beta, stable = (Resource("a.io", version, "x", "x", "X", "XList", True) for version in ("v1beta1", "v1"))
    >>> group_list([beta, stable])["groups"][0]["preferredVersion"]["version"]
    'v1beta1'
    """
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(*one) for one in _groups(resources).items()]}


def group(resources: Iterable[Resource], name: str) -> dict[str, Any] | None:
    """Pure: /apis/GROUP; None if there is no such group."""
    versions = _groups(resources).get(name)
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)} if versions else None


def resource_list(resources: Iterable[Resource], group: str, version: str) -> dict[str, Any] | None:
    """Pure: /api/v1 or /apis/GROUP/VERSION; None if there is no such version."""
    found = [one for one in resources if (one.group, one.version) == (group, version) and one.plural]
    if not found:
        return None
    listed = [entry for one in sorted(found, key=lambda one: one.plural) for entry in _entries(one)]
    api_version = GroupVersionKind(group, version, "").api_version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": listed}


def aggregated(
    resources: Iterable[Resource], *, core: bool, version: str = "v2", stale: Collection[tuple[str, str]] = ()
) -> dict[str, Any]:
    """Pure: /api (`core`) or /apis as one document. `version` is that of apidiscovery.k8s.io.

    `stale`: (group, version) of which only what once was is known, as who serves it cannot be asked.

    >>> pods = Resource("", "v1", "pods", "pod", "Pod", "PodList", True, short_names=("po",))
    >>> found = aggregated([pods], core=True)
    >>> found["kind"], found["items"][0]["versions"][0]["resources"][0]["shortNames"]
    ('APIGroupDiscoveryList', ['po'])
    """
    by_group: dict[str, dict[str, list[Resource]]] = {}
    for one in resources:
        if (one.group == "") == core:
            by_group.setdefault(one.group, {}).setdefault(one.version, []).append(one)
    items = [_discovered_group(name, versions, stale) for name, versions in by_group.items()]
    api_version = f"apidiscovery.k8s.io/{version}"
    return {"kind": "APIGroupDiscoveryList", "apiVersion": api_version, "metadata": {}, "items": items}


def plan_format(accept: str) -> str:
    """Pure: the version of aggregated discovery that a client asks for; "" for plain discovery.

    >>> plan_format("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json")
    'v2'
    >>> plan_format("application/json")
    ''
    """
    for clause in accept.split(","):
        kind, *parameters = (part.strip() for part in clause.split(";"))
        given = dict(part.partition("=")[::2] for part in parameters)
        wanted = given.get("g") == "apidiscovery.k8s.io" and given.get("as") == "APIGroupDiscoveryList"
        if wanted and kind in ("application/json", "*/*") and given.get("v") in AGGREGATED_VERSIONS:
            return given["v"]
        if not given.get("g") and kind in ("application/json", "*/*", "application/*"):
            return ""
    return ""


def content_type(version: str) -> str:
    """Pure: of an answer; clients tell the aggregated form by it.

    >>> content_type("v2")
    'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
    """
    return f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList" if version else _JSON


_JSON = "application/json"


def etag(body: bytes) -> str:
    """Pure: what tells a document from its next edition, quoted as the header wants it."""
    return f'"{hashlib.sha512(body).hexdigest().upper()}"'


def version_order(version: str) -> tuple[int, int, int, str]:
    """Pure: sorts versions, the most stable and newest first; what is no Kubernetes version comes last, by name.

    >>> sorted(["v1beta1", "v1", "foo", "v2", "v1alpha3", "v10", "v1beta2"], key=version_order)
    ['v10', 'v2', 'v1', 'v1beta2', 'v1beta1', 'v1alpha3', 'foo']
    """
    found = re.fullmatch(r"v(\d+)(?:(alpha|beta)(\d+))?", version)
    if not found:
        return 3, 0, 0, version
    stage = {None: 0, "beta": 1, "alpha": 2}[found[2]]
    return stage, -int(found[1]), -int(found[3] or 0), ""


def _groups(resources: Iterable[Resource]) -> dict[str, list[str]]:
    found: dict[str, dict[str, None]] = {}
    for one in resources:
        if one.group:
            found.setdefault(one.group, {})[one.version] = None
    return {name: list(versions) for name, versions in found.items()}


def _group(name: str, versions: Sequence[str]) -> dict[str, Any]:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _entries(one: Resource) -> list[dict[str, Any]]:
    """A resource and its subresources, as APIResources."""
    main: dict[str, Any] = {"name": one.plural, "singularName": one.singular, "namespaced": one.namespaced}
    main |= {"kind": one.kind, "verbs": list(one.verbs)} | _named(one)
    if "create" in one.verbs and "get" in one.verbs:
        main["storageVersionHash"] = storage_version_hash(one.gvk)
    return [main, *(_sub_entry(one, sub) for sub in one.subresources)]


def _sub_entry(one: Resource, sub: Subresource) -> dict[str, Any]:
    found: dict[str, Any] = {"name": f"{one.plural}/{sub.name}", "singularName": "", "namespaced": one.namespaced}
    if (sub.kind.group, sub.kind.version) != (one.group, one.version):
        found |= {"group": sub.kind.group, "version": sub.kind.version}
    return {**found, "kind": sub.kind.kind, "verbs": list(sub.verbs)}


def _named(one: Resource) -> dict[str, Any]:
    found: dict[str, Any] = {"shortNames": list(one.short_names), "categories": list(one.categories)}
    return {key: value for key, value in found.items() if value}


def storage_version_hash(gvk: GroupVersionKind) -> str:
    """Pure: clients learn from it that objects are stored in another form than before.

    >>> storage_version_hash(GroupVersionKind("", "v1", "Pod"))
    'xPOwRZ+Yhw8='
    """
    stored = _STORED.get((gvk.group, gvk.kind), gvk)
    return base64.b64encode(hashlib.sha256("/".join(stored).encode()).digest()[:8]).decode()


def _discovered_group(
    name: str, versions: dict[str, list[Resource]], stale: Collection[tuple[str, str]]
) -> dict[str, Any]:
    listed = [
        {
            "version": version,
            "resources": [_discovered(one) for one in found if one.plural],
            "freshness": "Stale" if (name, version) in stale else "Current",
        }
        for version, found in versions.items()
    ]
    return {"metadata": {"name": name}, "versions": listed}


def _discovered(one: Resource) -> dict[str, Any]:
    found: dict[str, Any] = {"resource": one.plural, "responseKind": one.gvk._asdict()}
    found |= {"scope": "Namespaced" if one.namespaced else "Cluster", "singularResource": one.singular}
    found |= {"verbs": list(one.verbs)} | _named(one)
    subs = [
        {"subresource": sub.name, "responseKind": sub.kind._asdict(), "verbs": list(sub.verbs)}
        for sub in one.subresources
    ]
    return {**found, "subresources": subs} if subs else found
