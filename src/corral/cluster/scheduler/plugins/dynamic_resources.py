"""DynamicResources: a pod that wants devices by claims. Nobody offers devices here, so no node can serve it, and it
must not run without them: it waits, as it does upstream where no driver has published any."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from corral.cluster.scheduler.framework import Cycle, Plugin, Rejection, Verdict

Object = dict[str, Any]

REASON: Final = "cannot allocate all claims"


def waits_for_claims(spec: Object, status: Object) -> bool:
    """Pure: whether a claim that is to be made from a template is not there yet.

    >>> spec = {"resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "t"}]}
    >>> waits_for_claims(spec, {}), waits_for_claims(spec, {"resourceClaimStatuses": [{"name": "gpu"}]})
    (True, False)
    """
    made = {one["name"] for one in status.get("resourceClaimStatuses") or ()}
    wanted = spec.get("resourceClaims") or ()
    return any(one.get("resourceClaimTemplateName") and one["name"] not in made for one in wanted)


def prefilter(cycle: Cycle) -> Rejection | None:
    pod = cycle.pod
    if not pod.spec.get("resourceClaims") or not waits_for_claims(pod.spec, pod.status):
        return None
    return Rejection(f'pod "{pod.key}": ResourceClaim not created yet')


def filter(cycle: Cycle) -> Iterator[Verdict]:
    if cycle.pod.spec.get("resourceClaims"):
        yield Verdict(cycle.all(), REASON)


PLUGIN: Final = Plugin("DynamicResources", filter, prefilter=prefilter)
