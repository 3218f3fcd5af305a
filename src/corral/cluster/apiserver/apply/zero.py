"""What upstream compares a new object with: an empty one, as Go has it.

An empty Go struct is not an empty object: nested structs and required fields are there, with nothing in them. So who
creates an object becomes the owner of `.spec.replicas` but not of `.spec`, and this is what kubectl shows.
"""

from __future__ import annotations

import functools
from typing import Any

from corral.cluster.apiserver.apply.plan import Plan

_STRUCTS = {
    "CustomResourceDefinitionStatus": ("acceptedNames",),
    "DaemonSetSpec": ("updateStrategy",),
    "DeploymentSpec": ("strategy",),
    "DeviceTaintRuleSpec": ("taint",),
    "Event": ("source", "regarding", "deprecatedSource"),
    "IngressStatus": ("loadBalancer",),
    "JobTemplateSpec": ("metadata", "spec"),
    "NodeDaemonEndpoints": ("kubeletEndpoint",),
    "NodeStatus": ("daemonEndpoints", "nodeInfo"),
    "PersistentVolumeClaimSpec": ("resources",),
    "PersistentVolumeClaimTemplate": ("metadata",),
    "PodTemplate": ("template",),
    "PodTemplateSpec": ("metadata", "spec"),
    "ReplicaSetSpec": ("template",),
    "ServiceStatus": ("loadBalancer",),
    "StatefulSetSpec": ("updateStrategy",),
}
_SCALARS = {"numeric": 0, "string": "", "boolean": False}
_KIND_STRUCTS = ("metadata", "spec", "status")


@functools.lru_cache(maxsize=1024)
def of_plan(plan: Plan) -> dict[str, Any]:
    """Pure: the empty object of a built-in kind; that of a CustomResourceDefinition is {}. It must not be changed."""
    if not plan.name:
        return {}
    found = _struct(plan)
    kept = {key: {} if key == "metadata" else _struct(plan.fields[key]) for key in _KIND_STRUCTS if key in plan.fields}
    return {**found, **kept}


def _struct(plan: Plan) -> dict[str, Any]:
    always = {*plan.required, *_STRUCTS.get(plan.name.rpartition(".")[2], ())}
    return {key: _value(plan.fields[key]) for key in always if key in plan.fields}


def _value(plan: Plan) -> Any:
    if plan.map and plan.fields:
        return _struct(plan)
    return _SCALARS.get(plan.scalar) if not plan.map else None
