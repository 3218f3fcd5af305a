"""What belongs to which node: pods, what these name, and the volumes behind their claims. Kept as caches change.

::

    node <- pod <- Secret, ConfigMap, service account, resource claim
    node <- pod <- claim <- volume <- Secret
    node <- volume attachment, resource slice
"""

from __future__ import annotations

from collections import Counter

from corral.cluster.apiserver.authorization.references import Reference, pod_references, volume_secrets
from corral.cluster.apiserver.lookup import Lookup
from corral.model.kubernetes.kind import Object


class Relations:
    """Each answer is a few look-ups in dictionaries."""

    def __init__(self, lookup: Lookup) -> None:
        self._uses: dict[Reference, Counter[str]] = {}  # what a pod names -> node -> how many of its pods do
        self._claims: dict[str, tuple[str, str]] = {}  # volume -> (namespace, name) of its claim
        self._volumes: dict[tuple[str, str], set[str]] = {}  # (namespace, name) of a Secret -> volumes that name it
        lookup.subscribe("", "pods", self._pod_changed)
        lookup.subscribe("", "persistentvolumes", self._volume_changed)
        lookup.subscribe("storage.k8s.io", "volumeattachments", self._attachment_changed)
        lookup.subscribe("resource.k8s.io", "resourceslices", self._slice_changed)

    def is_related(self, node: str, kind: str, namespace: str, name: str) -> bool:
        """`kind`: pod, secret, configmap, serviceaccount, resourceclaim, pvc, pv, attachment, slice."""
        if kind == "pv":
            claim = self._claims.get(name)
            return claim is not None and self._has(node, "pvc", *claim)
        if self._has(node, kind, namespace, name):
            return True
        if kind != "secret":
            return False
        return any(self.is_related(node, "pv", "", volume) for volume in self._volumes.get((namespace, name), ()))

    def _has(self, node: str, kind: str, namespace: str, name: str) -> bool:
        nodes = self._uses.get((kind, namespace, name))
        return nodes is not None and nodes[node] > 0

    def _change(self, references: set[Reference], node: str, by: int) -> None:
        for reference in references:
            nodes = self._uses.setdefault(reference, Counter())
            nodes[node] += by
            if nodes[node] <= 0:
                del nodes[node]
                if not nodes:
                    del self._uses[reference]

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        for pod, by in ((new, 1), (old, -1)):
            node = (pod.get("spec") or {}).get("nodeName") if pod else ""
            if pod and node:
                meta = pod["metadata"]
                self._change(pod_references(pod) | {("pod", meta["namespace"], meta["name"])}, node, by)

    def _volume_changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None:
            name = old["metadata"]["name"]
            self._claims.pop(name, None)
            for secret in volume_secrets(old):
                users = self._volumes.get(secret, set())
                users.discard(name)
                if not users:
                    self._volumes.pop(secret, None)
        claim = (new.get("spec") or {}).get("claimRef") if new else None
        if new is not None and claim:
            name = new["metadata"]["name"]
            self._claims[name] = claim.get("namespace", ""), claim.get("name", "")
            for secret in volume_secrets(new):
                self._volumes.setdefault(secret, set()).add(name)

    def _attachment_changed(self, old: Object | None, new: Object | None) -> None:
        self._owned_changed("attachment", old, new)

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        self._owned_changed("slice", old, new)

    def _owned_changed(self, kind: str, old: Object | None, new: Object | None) -> None:
        for found, by in ((new, 1), (old, -1)):
            node = (found.get("spec") or {}).get("nodeName") if found else ""
            if found and node:
                self._change({(kind, "", found["metadata"]["name"])}, node, by)
