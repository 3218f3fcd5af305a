"""Which ResourceClaims a pod is to have. Pure. Follows k8s.io/kubernetes/pkg/controller/resourceclaim."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from corral.cluster.client import meta

Object = dict[str, Any]

NAME: Final = "resource.kubernetes.io/pod-claim-name"


def plan_claim(pod: Object, name: str, template: Object) -> Object:
    """The claim that the pod calls `name`, made from a template; the pod owns it.

    >>> pod = {"metadata": {"namespace": "a", "name": "web", "uid": "1"}}
    >>> template = {"spec": {"metadata": {"labels": {"x": "y"}}, "spec": {"devices": {}}}}
    >>> found = plan_claim(pod, "gpu", template)
    >>> found["metadata"]["generateName"], found["metadata"]["annotations"], found["spec"]
    ('web-gpu-', {'resource.kubernetes.io/pod-claim-name': 'gpu'}, {'devices': {}})
    """
    inner = template["spec"]
    given = inner.get("metadata") or {}
    metadata: Object = {
        "generateName": f"{meta.name(pod)}-{name}-",
        "namespace": meta.namespace(pod),
        "annotations": {**(given.get("annotations") or {}), NAME: name},
        "ownerReferences": [meta.reference(pod, "v1", "Pod")],
    }
    if given.get("labels"):
        metadata["labels"] = given["labels"]
    return {"metadata": metadata, "spec": inner.get("spec") or {}}


def plan_missing(pod: Object, owned: Iterable[Object]) -> tuple[dict[str, str], dict[str, str]]:
    """(claims of templates that are there, by the pod's names; templates of those that are not yet).

    >>> pod = {"spec": {"resourceClaims": [{"name": "a", "resourceClaimTemplateName": "t"}, {"name": "b"}]}}
    >>> plan_missing(pod, [])
    ({}, {'a': 't'})
    >>> plan_missing(pod, [{"metadata": {"name": "web-a-x", "annotations": {NAME: "a"}}}])
    ({'a': 'web-a-x'}, {})
    """
    names = {(one["metadata"].get("annotations") or {}).get(NAME): meta.name(one) for one in owned}
    wanted = {
        one["name"]: one["resourceClaimTemplateName"]
        for one in pod["spec"].get("resourceClaims") or ()
        if one.get("resourceClaimTemplateName")
    }
    have = {name: names[name] for name in wanted if name in names}
    return have, {name: template for name, template in wanted.items() if name not in have}


def plan_statuses(pod: Object, claims: Mapping[str, str]) -> list[Object]:
    """What the pod's status says of its claims.

    >>> plan_statuses({"status": {}}, {"gpu": "web-gpu-x"})
    [{'name': 'gpu', 'resourceClaimName': 'web-gpu-x'}]
    """
    return [{"name": name, "resourceClaimName": claim} for name, claim in sorted(claims.items())]


def names_of(pod: Object) -> list[str]:
    """The claims that a pod uses, as far as they are known; also that which the scheduler has made for it.

    >>> spec = {"resourceClaims": [{"name": "a", "resourceClaimName": "x"}, {"name": "b"}]}
    >>> names_of({"spec": spec, "status": {"resourceClaimStatuses": [{"name": "b", "resourceClaimName": "y"}]}})
    ['x', 'y']
    """
    status = pod.get("status") or {}
    made = (*(status.get("resourceClaimStatuses") or ()), status.get("extendedResourceClaimStatus") or {})
    named = [one.get("resourceClaimName") for one in (*(pod["spec"].get("resourceClaims") or ()), *made)]
    return [one for one in named if one]
