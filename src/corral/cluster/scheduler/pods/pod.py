"""Pod: all that a scheduling decision asks of a pod."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import msgspec

from corral.cluster.scheduler.pods import terms
from corral.cluster.scheduler.pods.terms import NodeTerm, PodRules, Weighted
from corral.model.kubernetes import requests
from corral.model.kubernetes.selectors import Requirement
from corral.model.kubernetes.taints import Toleration, tolerations_of

Object = dict[str, Any]

NO_RULES: Final = PodRules()


class Port(NamedTuple):
    """A port of the host. The address "0.0.0.0" means all of its addresses."""

    address: str
    protocol: str
    number: int


def read_rules(pod: Object) -> PodRules:
    """What it says of other pods."""
    metadata, spec = pod["metadata"], pod["spec"]
    affinity = spec.get("affinity") or {}
    near, apart = affinity.get("podAffinity"), affinity.get("podAntiAffinity")
    spread = spec.get("topologySpreadConstraints")
    if not (near or apart or spread):
        return NO_RULES
    labels = tuple(sorted((metadata.get("labels") or {}).items()))
    return terms.pod_rules(msgspec.json.encode((near, apart, spread)), metadata.get("namespace", ""), labels)


@dataclass(eq=False)
class Pod:
    """Read from its JSON, part by part as it is asked for. The object must not change afterwards."""

    obj: Object

    def __post_init__(self) -> None:
        metadata = self.obj["metadata"]
        self.name: str = metadata["name"]
        self.namespace: str = metadata.get("namespace", "")
        self.key = f"{self.namespace}/{self.name}"
        self.uid: str = metadata.get("uid", "")
        self.labels: dict[str, str] = metadata.get("labels") or {}
        self.deleting = "deletionTimestamp" in metadata
        self.spec: Object = self.obj["spec"]
        self.status: Object = self.obj.get("status") or {}
        self.node: str = self.spec.get("nodeName") or ""
        self.priority: int = self.spec.get("priority") or 0
        self.requests = requests.pod_requests(self.obj)
        self.usual = requests.usual_requests(self.obj)
        self.ports = _ports(self.spec)
        self.affinity: Object = self.spec.get("affinity") or {}

    def renew(self, obj: Object) -> None:
        """A newer state of the same pod, with the same footprint."""
        self.obj, self.status = obj, obj.get("status") or {}

    @property
    def scheduler(self) -> str:
        return self.spec.get("schedulerName") or "default-scheduler"

    @property
    def nominated(self) -> str:
        return self.status.get("nominatedNodeName") or ""

    @property
    def gates(self) -> list[str]:
        return [one["name"] for one in self.spec.get("schedulingGates") or ()]

    @property
    def ended(self) -> bool:
        return self.status.get("phase") in ("Succeeded", "Failed")

    @property
    def started(self) -> str:
        """When it was started, as text that sorts; of one that was not, a time after all others."""
        return self.status.get("startTime") or "9999"

    @cached_property
    def group(self) -> tuple[str, tuple[tuple[str, str], ...], bool]:
        """Pods that no rule about other pods can tell apart."""
        return self.namespace, tuple(sorted(self.labels.items())), self.deleting

    @cached_property
    def tolerations(self) -> tuple[Toleration, ...]:
        return tolerations_of(self.spec)

    @cached_property
    def node_selector(self) -> tuple[Requirement, ...]:
        return terms.exact(self.spec.get("nodeSelector") or {})

    @cached_property
    def required_nodes(self) -> tuple[NodeTerm, ...] | None:
        return terms.node_terms(self._node_affinity.get("requiredDuringSchedulingIgnoredDuringExecution"))

    @cached_property
    def preferred_nodes(self) -> tuple[Weighted, ...]:
        return terms.preferred_nodes(self._node_affinity)

    @cached_property
    def rules(self) -> PodRules:
        return read_rules(self.obj)

    @cached_property
    def claims(self) -> tuple[str, ...]:
        """The names of its PersistentVolumeClaims; of an ephemeral volume the claim that is made for it."""
        return tuple(name for name, _ in self.claim_sources)

    @cached_property
    def claim_sources(self) -> tuple[tuple[str, bool], ...]:
        """(name of the claim, whether it is an ephemeral volume's)."""
        found = []
        for volume in self.spec.get("volumes") or ():
            if "persistentVolumeClaim" in volume:
                found.append((volume["persistentVolumeClaim"]["claimName"], False))
            elif "ephemeral" in volume:
                found.append((f"{self.name}-{volume['name']}", True))
        return tuple(found)

    @cached_property
    def nodes_key(self) -> bytes:
        """Two pods with the same key match the same nodes, whatever runs there."""
        spec = self.spec
        parts = (self.node, spec.get("nodeSelector"), spec.get("tolerations"), self.affinity.get("nodeAffinity"))
        return msgspec.json.encode(parts) if any(parts) else b""

    @cached_property
    def images(self) -> tuple[str, ...]:
        listed = (*(self.spec.get("initContainers") or ()), *(self.spec.get("containers") or ()))
        return tuple(full_image(one.get("image") or "") for one in listed)

    @property
    def _node_affinity(self) -> Object:
        return self.affinity.get("nodeAffinity") or {}


def _ports(spec: Object) -> tuple[Port, ...]:
    """Sidecars hold theirs as long as the pod lives; other init containers have gone before."""
    kept = [one for one in spec.get("initContainers") or () if one.get("restartPolicy") == "Always"]
    return tuple(
        Port(port.get("hostIP") or "0.0.0.0", port.get("protocol") or "TCP", port["hostPort"])
        for container in (*(spec.get("containers") or ()), *kept)
        for port in container.get("ports") or ()
        if port.get("hostPort")
    )


def full_image(name: str) -> str:
    """As nodes list them: with a tag.

    >>> full_image("registry:5000/web"), full_image("web:1"), full_image("web@sha256:0")
    ('registry:5000/web:latest', 'web:1', 'web@sha256:0')
    """
    return name if name.rfind(":") > name.rfind("/") else f"{name}:latest"
