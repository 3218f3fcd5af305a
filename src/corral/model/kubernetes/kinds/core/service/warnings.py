"""What a service says in vain. Pure. Follows pkg/api/service/warnings.go."""

from __future__ import annotations

from collections.abc import Iterator

from corral.model.kubernetes import addresses
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.core.service.traits import CLUSTER_IP, EXTERNAL, NONE, spec_of
from corral.model.kubernetes.kinds.fields import annotations_of, text, texts

_HINTS, _MODE = "service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"


def warn(new: Object, old: Object | None) -> list[str]:
    return list(_warnings(new))


def _warnings(service: Object) -> Iterator[str]:
    spec = spec_of(service)
    if _HINTS in annotations_of(service):
        yield f"annotation {_HINTS} is deprecated, please use {_MODE} instead"
    one = text(spec, "clusterIP")
    if one and one != NONE:
        for index, ip in enumerate(texts(spec, "clusterIPs")):
            yield from addresses.ip_warnings(f"spec.clusterIPs[{index}]", ip)
    if one == NONE and text(spec, "type") == CLUSTER_IP:
        yield from _headless(spec)
    for index, ip in enumerate(texts(spec, "externalIPs")):
        yield from addresses.ip_warnings(f"spec.externalIPs[{index}]", ip)
    if ip := text(spec, "loadBalancerIP"):
        yield from addresses.ip_warnings("spec.loadBalancerIP", ip)
    for index, cidr in enumerate(texts(spec, "loadBalancerSourceRanges")):
        yield from addresses.cidr_warnings(f"spec.loadBalancerSourceRanges[{index}]", cidr)
    external = text(spec, "type") == EXTERNAL
    if external and texts(spec, "externalIPs"):
        yield f'spec.externalIPs is ignored when spec.type is "{EXTERNAL}"'
    if not external and text(spec, "externalName"):
        yield f'spec.externalName is ignored when spec.type is not "{EXTERNAL}"'


def _headless(spec: Object) -> Iterator[str]:
    if text(spec, "loadBalancerIP"):
        yield "spec.loadBalancerIP is ignored for headless services"
    if texts(spec, "externalIPs"):
        yield "spec.externalIPs is ignored for headless services"
    if text(spec, "sessionAffinity") not in ("", NONE):
        yield "spec.SessionAffinity is ignored for headless services"
