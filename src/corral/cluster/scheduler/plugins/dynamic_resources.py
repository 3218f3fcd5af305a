"""DynamicResources: a pod that wants devices by claims cannot be served, and must not run without them."""

from __future__ import annotations

from typing import Final

from corral.cluster.scheduler.framework import Cycle, Plugin, Rejection

REASON: Final = "pod uses spec.resourceClaims, which this scheduler does not support"


def prefilter(cycle: Cycle) -> Rejection | None:
    return Rejection(REASON) if cycle.pod.spec.get("resourceClaims") else None


PLUGIN: Final = Plugin("DynamicResources", prefilter=prefilter)
